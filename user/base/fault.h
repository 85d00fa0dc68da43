/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A failure that somebody must be able to act on: an errno for code, a stable dotted name for API
 * clients, and words for people that quote the offending token and say where it stands.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

struct fault {
	int err;	  /* negative errno; 0 = none */
	const char *code; /* "policy.rate.unit": stable, a string literal */
	char text[512];	  /* UTF-8, whatever the format's arguments were */
};

/**
 * Fill @f (may be NULL) and return @err, so that a failing function ends in
 * `return fault(reterr, -EINVAL, "lists.cidr", "'%s' is no address", text);`
 */
int fault(struct fault *f, int err, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
