/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What packets cost, stage by stage (weir/timing.h), for the status and the metrics. */
#include <weir/timing.h>

#include "api/internal.h"

static const char *const words[] = {
	[WEIR_STAGE_BEGIN] = "all",	      [WEIR_STAGE_CLOCK] = "clock",
	[WEIR_STAGE_NETWORK] = "network",     [WEIR_STAGE_LISTS] = "lists",
	[WEIR_STAGE_TRANSPORT] = "transport", [WEIR_STAGE_LIMITS] = "limits",
	[WEIR_STAGE_EXIT] = "exit",
};
_Static_assert(ARRAY_SIZE(words) == WEIR_STAGE_MAX, "a stage has no word");

static uint64_t packets_of(const struct weir_timing *t, enum weir_stage stage)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < WEIR_TIMING_BUCKETS; i++)
		sum += t->counts[stage][i];
	return sum;
}

/* The bound of the bucket in which the packet lies that @percent of them come before. */
static uint64_t at_most_ns(const struct weir_timing *t, enum weir_stage stage, unsigned int percent)
{
	uint64_t packets = packets_of(t, stage), sum = 0;
	unsigned int i = 0;

	while (i < WEIR_TIMING_BUCKETS - 1 &&
	       (sum += t->counts[stage][i]) * 100 < packets * percent)
		i++;
	return packets ? 1ULL << i : 0;
}

json_t *json_timing(const struct engine *e)
{
	json_t *stages = json_array();
	struct weir_timing t;

	if (!datapath_read_timing(engine_datapath(e), &t)) {
		json_decref(stages);
		return json_null();
	}
	for (enum weir_stage i = 0; i < WEIR_STAGE_MAX; i++) {
		uint64_t packets = packets_of(&t, i);

		json_array_append_new(stages,
				      json_pack("{s:s, s:I, s:I, s:I, s:I}", "stage", words[i],
						"packets", (json_int_t)packets, "mean_ns",
						(json_int_t)(packets ? t.sums[i] / packets : 0),
						"p50_ns", (json_int_t)at_most_ns(&t, i, 50),
						"p99_ns", (json_int_t)at_most_ns(&t, i, 99)));
	}
	return json_pack("{s:I, s:I, s:o}", "one_in", (json_int_t)engine_policy(e)->metrics.timing,
			 "retries", (json_int_t)t.retries, "stages", stages);
}

static void put_stage(struct metrics *m, const struct weir_timing *t, enum weir_stage stage)
{
	/* From 16 ns, less than reading the clock takes, to 2 ms. */
	struct histogram h = {.first = 4, .buckets = 18, .unit = 1e-9};

	for (unsigned int i = 0; i < WEIR_TIMING_BUCKETS; i++) {
		unsigned int at = i < h.first ? 0 : i - h.first;

		h.counts[at < h.buckets ? at : h.buckets] += t->counts[stage][i];
	}
	h.sum = (double)t->sums[stage];
	metrics_histogram(m, &h, 0, "stage", words[stage], NULL);
}

void put_timing(struct metrics *m, struct call *c)
{
	struct weir_timing timing;

	if (!datapath_read_timing(engine_datapath(c->engine), &timing))
		return;
	metrics_family(m, METRIC_PACKET_STAGE_DURATION_SECONDS);
	for (enum weir_stage i = 0; i < WEIR_STAGE_MAX; i++)
		put_stage(m, &timing, i);
	metrics_single(m, METRIC_CHARGE_RETRIES_TOTAL, timing.retries);
}
