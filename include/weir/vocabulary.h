/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The closed vocabularies as constants. Each word is defined once, in tbl/. */
#ifndef WEIR_VOCABULARY_H
#define WEIR_VOCABULARY_H

enum weir_verdict {
#define WEIR_V(name, number, text, words) WEIR_VERDICT_##name = (number),
#include <weir/tbl/verdict.def>
#undef WEIR_V
	WEIR_VERDICT_MAX
};

enum weir_reason {
#define WEIR_R(name, number, text, class, words) WEIR_REASON_##name = (number),
#include <weir/tbl/reason.def>
#undef WEIR_R
	WEIR_REASON_MAX = 64, /* rows of the counter array; leaves room to add */
};

enum weir_mode {
	WEIR_MODE_OFF,	   /* pass everything unexamined */
	WEIR_MODE_MONITOR, /* decide and count, drop nothing */
	WEIR_MODE_ENFORCE,
	WEIR_MODE_MAX,
};

enum weir_unit {
	WEIR_UNIT_PACKETS,
	WEIR_UNIT_BYTES,       /* of the whole frame, link layer included */
	WEIR_UNIT_CONNECTIONS, /* new ones: TCP SYN without ACK */
	WEIR_UNIT_OPEN,	       /* TCP connections that are established at the same time */
	WEIR_UNIT_MAX,
};

#endif
