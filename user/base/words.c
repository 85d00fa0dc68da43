/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/words.h"

#include <stddef.h>
#include <weir/vocabulary.h>

static const char *const reason_names[WEIR_REASON_MAX] = {
#define WEIR_R(name, number, text, class, words) [number] = text,
#include <weir/tbl/reason.def>
#undef WEIR_R
};

static const char *const verdict_names[WEIR_VERDICT_MAX] = {
#define WEIR_V(name, number, text, words) [number] = text,
#include <weir/tbl/verdict.def>
#undef WEIR_V
};

bool reason_exists(unsigned int reason)
{
	return reason < WEIR_REASON_MAX && reason_names[reason];
}

const char *reason_to_str(unsigned int reason)
{
	return reason_exists(reason) ? reason_names[reason] : "unknown";
}

const char *verdict_to_str(unsigned int verdict)
{
	return verdict < WEIR_VERDICT_MAX ? verdict_names[verdict] : "unknown";
}
