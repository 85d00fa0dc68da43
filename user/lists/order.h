/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sorting by prefix what begins with a struct prefix, by the million. For this folder only. */
#ifndef LISTS_ORDER_H
#define LISTS_ORDER_H

#include <stddef.h>

/**
 * Sort @count elements of @size bytes, each of which begins with a struct prefix, in the order of
 * prefix_compare(); equal ones keep their order. *@elements is from malloc() and is replaced. -ENOMEM: nothing
 * happened.
 */
int prefix_sort(void **elements, size_t count, size_t size);

#endif
