/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What handlers ask of a datapath, where there is no kernel. */
#include <errno.h>

#include "base/words.h"
#include "datapath/datapath.h"
#include "datapath/twin.h"
#include "engine/ladder.h"

uint32_t datapath_generation(const struct datapath *d)
{
	(void)d;
	return 1;
}

const struct weir_limit *datapath_limits(const struct datapath *d, size_t *ret_count)
{
	(void)d;
	*ret_count = 0;
	return NULL;
}

const char *datapath_slot_name(const struct datapath *d, uint16_t slot)
{
	(void)d;
	(void)slot;
	return "";
}

uint64_t datapath_quota_used(const struct datapath *d, uint32_t limit, uint32_t tenant)
{
	(void)d;
	return limit + tenant;
}

int datapath_read_bucket(const struct datapath *d, const struct weir_limit *limit,
			 const uint8_t source[static 16], struct datapath_bucket *ret)
{
	(void)d;
	(void)limit;
	(void)source;
	(void)ret;
	return -ENOENT;
}

/* Whatever the program could say of a frame. */
int datapath_judge(struct datapath *d, const struct twin_question *question,
		   struct twin_verdict *ret, struct fault *reterr)
{
	unsigned int reason = question->frame[question->length - 1] % WEIR_REASON_MAX;

	(void)d;
	if (!reason_exists(reason))
		return fault(reterr, -EBUSY, "datapath.twin", "not now");
	*ret = (struct twin_verdict){
		.verdict = question->frame[0] % WEIR_VERDICT_MAX,
		.reason = reason,
		.refused = TWIN_NO_LIMIT,
		.asks_cookie = reason == WEIR_REASON_SYN_COOKIE,
		.generation = 1,
		.listed = true,
		.entry = {.bits = 128},
	};
	return 0;
}

const char *twin_finding_to_str(enum twin_finding finding)
{
	return finding == TWIN_NOT_MEANT ? "not_meant" : "had_room";
}

const char *listener_cookie_to_str(enum listener_cookie cookie)
{
	return cookie == LISTENER_UNKNOWN ? "unknown" : "answered";
}

uint64_t sockets_quantile_us(const __u64 buckets[static WEIR_SOCKET_BUCKETS], unsigned int permille)
{
	return buckets[0] + permille;
}

double datapath_cells_busy(const struct datapath *d)
{
	(void)d;
	return 0;
}

uint32_t datapath_sources(const struct datapath *d)
{
	(void)d;
	return 0;
}

void datapath_read_limit_count(const struct datapath *d, uint16_t slot,
			       struct weir_limit_count *ret)
{
	(void)d;
	(void)slot;
	*ret = (struct weir_limit_count){0};
}

int datapath_entry_hits(const struct datapath *d, const struct prefix *prefix, uint64_t *ret)
{
	(void)d;
	(void)prefix;
	(void)ret;
	return -ENOENT;
}
