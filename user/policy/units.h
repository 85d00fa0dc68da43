/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Numbers with units and the closed vocabularies, as a policy spells them: "2k/s", "4k", "10MiB/s",
 * "1MiB", "enforce". Whatever one function here writes, its sibling reads back to the same value.
 * Numbers are whole and units are never guessed: 2000 is no rate, 2000/s is.
 */
#ifndef POLICY_UNITS_H
#define POLICY_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include <weir/vocabulary.h>

#include "base/fault.h"
#include "base/text.h"

#define POLICY_RATE_MAX_PPS	 100000000ULL /* the bucket's time has 1/256 ns: 10 ns per packet */
#define POLICY_BURST_MAX	 100000000ULL /* packets */
#define POLICY_BYTE_RATE_MIN_BPS 1024ULL      /* bytes per second */
#define POLICY_BYTE_RATE_MAX_BPS 12500000000ULL /* 100 Gbit/s */
#define POLICY_BYTE_BURST_MIN	 9216ULL	/* a jumbo frame must be able to pass at all */
#define POLICY_BYTE_BURST_MAX	 (1ULL << 40)

#define POLICY_TOTAL_MAX 8000000000000ULL

#define POLICY_UNITS_TEXT_SIZE 32

/* @count packets in @per_ns; 1/d to 100M/s. */
struct policy_rate {
	uint64_t count;
	uint64_t per_ns;
};

/*
 * Parse one quantity; all of the text or nothing. -EINVAL: not written like that or without a unit;
 * -ERANGE: beyond the limits above. Faults are "policy.unit.missing", "policy.number.syntax" and
 * "policy.number.range".
 */
int policy_rate_parse(const char *text, struct policy_rate *ret, struct fault *reterr);
int policy_count_parse(const char *text, uint64_t *ret, struct fault *reterr);
/** Bits are rounded down to whole bytes, so that never more than the rate is admitted. */
int policy_byte_rate_parse(const char *text, uint64_t *ret_bps, struct fault *reterr);
int policy_bytes_parse(const char *text, uint64_t *ret_bytes, struct fault *reterr);
/** How many of something in all: 1 to 8T. */
int policy_total_parse(const char *text, uint64_t *ret, struct fault *reterr);
/** A size within @min and @max bytes. */
int policy_step_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes,
		      struct fault *reterr);
/** "50%" within @min and @max percent, as per mille. */
int policy_percent_parse(const char *text, uint32_t min, uint32_t max, uint16_t *ret_permille,
			 struct fault *reterr);

/* Write a quantity with the largest unit that holds it exactly. */
void policy_rate_format(const struct policy_rate *rate, char ret[static POLICY_UNITS_TEXT_SIZE]);
void policy_count_format(uint64_t count, char ret[static POLICY_UNITS_TEXT_SIZE]);
void policy_byte_rate_format(uint64_t bps, char ret[static POLICY_UNITS_TEXT_SIZE]);
void policy_bytes_format(uint64_t bytes, char ret[static POLICY_UNITS_TEXT_SIZE]);

/* Write a regular expression (ECMA-262) that the texts of a quantity match. */
void policy_rate_pattern(struct text *t);
void policy_count_pattern(struct text *t);
void policy_total_pattern(struct text *t);
void policy_byte_rate_pattern(struct text *t);
void policy_size_pattern(struct text *t);

/* "packets" and "bytes"; "off", "monitor" and "enforce". NULL for a number that has no word. */
const char *policy_unit_str(enum weir_unit unit);
const char *policy_mode_str(enum weir_mode mode);
/** -EINVAL: no such mode. */
int policy_mode_from_str(const char *text, enum weir_mode *ret);

#endif
