/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The names of the vocabularies in include/weir/tbl, as metrics, audit records, API and command line use
 * them. A number that has no name is "unknown". */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>

const char *reason_to_str(unsigned int reason);	  /* enum weir_reason: "over_packets" */
const char *verdict_to_str(unsigned int verdict); /* enum weir_verdict: "would_drop" */
bool reason_exists(unsigned int reason);

#endif
