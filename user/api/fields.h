/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ?fields=a,b.c: of a JSON answer only these members, of a list those of each item. A dot goes into an object, and into
 * each object of an array.
 */
#ifndef API_FIELDS_H
#define API_FIELDS_H

#include <jansson.h>

#include "base/fault.h"

#define FIELDS_SIZE	 513 /* of all names, and a NUL */
#define FIELDS_MAX	 32
#define FIELDS_DEPTH_MAX 8

/** They are names of letters, digits, '_' and '-' with dots and commas between. -EINVAL "request.fields". */
int fields_check(const char *fields, struct fault *reterr);
/**
 * Keep of @body only @fields, which were checked. If its member @list is an array, it is the items of that, and what
 * stands beside it stays. -EINVAL "request.fields": there is no such member, and which ones there are; what would have
 * one but is null or empty is no error. @body is undefined then.
 */
int fields_select(json_t *body, const char *list, const char *fields, struct fault *reterr);

#endif
