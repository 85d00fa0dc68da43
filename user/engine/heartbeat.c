/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/heartbeat.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/words.h"

#define CPUS_TEXT_SIZE	  16384 /* of some hundred CPUs; the totals are there in any case */
#define REASONS_TEXT_SIZE 2048

/* Dropped, answered, marked, or passed because the mode is monitor: what events tell of, by reason. */
static uint64_t read_dropped(const struct events_source *from, uint64_t ret[static WEIR_REASON_MAX])
{
	uint64_t sum = 0;

	memset(ret, 0, WEIR_REASON_MAX * sizeof(*ret));
	for (unsigned int cpu = 0; cpu < from->cpus; cpu++) {
		for (unsigned int i = WEIR_REASON_MAX; i < WEIR_COUNTS; i++) {
			uint64_t packets = __atomic_load_n(&from->cpu[cpu].counts[i].packets,
							   __ATOMIC_RELAXED);

			ret[i % WEIR_REASON_MAX] += packets;
			sum += packets;
		}
	}
	return sum;
}

static void read_boot_id(char ret[static 40])
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, 36);

	ret[n == 36 ? 36 : 0] = '\0';
}

static void tell_reset(const struct weir_meta *meta, struct chain *chain)
{
	struct audit_details d = {0};
	const struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_COUNTERS_RESET,
		.resource = {"chain", "audit"},
		.details = &d,
	};

	audit_details_u64(&d, "epoch", meta->created_ns);
	chain_append(chain, &record);
}

void heartbeat_init(struct heartbeat *h, const struct events_source *events, struct chain *chain)
{
	const struct weir_meta *meta = events->meta;

	*h = (struct heartbeat){.events = events, .run = clock_boot_ns()};
	read_boot_id(h->boot_id);
	h->clock_offset_ns = (int64_t)(clock_real_ns() - clock_boot_ns());
	if (!meta->commit_index && !meta->taken_packets && !meta->recorded_packets &&
	    !meta->unseen_packets)
		tell_reset(meta, chain);
}

/*
 * A drop is in its tally before it is counted. So what was counted before a harvest is in the half that the
 * harvest takes, or in the one that it makes the quiet half and the next harvest takes.
 */
void heartbeat_before_harvest(struct heartbeat *h, bool all)
{
	uint64_t reasons[WEIR_REASON_MAX];

	h->taken = h->harvested;
	h->harvested = read_dropped(h->events, reasons);
	if (all)
		h->taken = h->harvested;
}

void heartbeat_window(struct heartbeat *h, const struct events_window *w)
{
	h->recorded[w->reason % WEIR_REASON_MAX] += w->packets;
}

void heartbeat_closed(struct heartbeat *h, bool complete)
{
	if (complete)
		h->settled = h->taken;
}

static uint64_t msec_since_last(const struct heartbeat *h)
{
	return (clock_monotonic_ns() - h->said_ns) / NSEC_PER_MSEC;
}

bool heartbeat_is_due(const struct heartbeat *h)
{
	/* Windows are closed at intervals of which this one is a multiple: be a little early. */
	return !h->said_ns ||
	       (msec_since_last(h) >= HEARTBEAT_MSEC - 100 && h->settled >= h->said_dropped);
}

/* What the datapath says of its events; in this order, so that what is delivered was offered. */
static void add_events(const struct heartbeat *h, struct audit_details *d, struct text *cpus)
{
	uint64_t delivered = h->events->meta->events_delivered, lost = 0, lost_packets = 0,
		 suppressed = 0, offered = 0;

	for (unsigned int i = 0; i < h->events->cpus; i++) {
		const struct weir_event_count *c = &h->events->cpu[i].events;
		uint64_t l = __atomic_load_n(&c->lost, __ATOMIC_ACQUIRE);
		uint64_t p = __atomic_load_n(&c->lost_packets, __ATOMIC_ACQUIRE);
		uint64_t s = __atomic_load_n(&c->suppressed_packets, __ATOMIC_ACQUIRE);
		uint64_t o = __atomic_load_n(&c->offered, __ATOMIC_ACQUIRE);

		lost += l;
		lost_packets += p;
		suppressed += s;
		offered += o;
		text_printf(cpus, "%s%llu/%llu/%llu/%llu", i ? " " : "", (unsigned long long)o,
			    (unsigned long long)l, (unsigned long long)p, (unsigned long long)s);
	}
	audit_details_u64(d, "offered", offered);
	audit_details_u64(d, "delivered", delivered);
	audit_details_u64(d, "lost", lost);
	audit_details_u64(d, "lost_packets", lost_packets);
	audit_details_u64(d, "suppressed_packets", suppressed);
	if (!cpus->truncated)
		audit_details_string(d, "cpus", cpus->data);
}

static void put_reasons(struct text *t, const uint64_t packets[static WEIR_REASON_MAX])
{
	for (unsigned int i = 0; i < WEIR_REASON_MAX; i++)
		if (packets[i])
			text_printf(t, "%s%s=%llu", t->length ? " " : "", reason_to_str(i),
				    (unsigned long long)packets[i]);
}

static void add_run(const struct heartbeat *h, struct audit_details *d)
{
	uint64_t late_msec = h->said_ns ? msec_since_last(h) : 0;

	audit_details_u64(d, "beat", h->beats);
	audit_details_u64(d, "run", h->run);
	audit_details_u64(d, "epoch", h->events->meta->created_ns);
	audit_details_string(d, "boot_id", h->boot_id);
	audit_details_u64(d, "boottime_ns", clock_boot_ns());
	audit_details_u64(d, "monotonic_ns", clock_monotonic_ns());
	if (late_msec >= HEARTBEAT_LATE_MSEC)
		audit_details_u64(d, "late_ms", late_msec - HEARTBEAT_MSEC);
}

void heartbeat_append(struct heartbeat *h, struct chain *chain, uint64_t recorded, uint64_t unseen)
{
	char cpus[CPUS_TEXT_SIZE], by_reason[REASONS_TEXT_SIZE], recorded_by[REASONS_TEXT_SIZE];
	uint64_t dropped_by[WEIR_REASON_MAX], dropped;
	struct text cpus_text, by_text, recorded_text;
	struct audit_details d = {0};
	const struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_HEARTBEAT,
		.resource = {"chain", "audit"},
		.details = &d,
	};

	text_init(&cpus_text, cpus, sizeof(cpus));
	text_init(&by_text, by_reason, sizeof(by_reason));
	text_init(&recorded_text, recorded_by, sizeof(recorded_by));
	add_run(h, &d);
	add_events(h, &d, &cpus_text);
	dropped = read_dropped(h->events, dropped_by);
	put_reasons(&by_text, dropped_by);
	put_reasons(&recorded_text, h->recorded);
	audit_details_u64(&d, "dropped", dropped);
	audit_details_string(&d, "dropped_by_reason", by_reason);
	audit_details_u64(&d, "settled", h->settled);
	audit_details_u64(&d, "taken", h->events->meta->taken_packets);
	audit_details_u64(&d, "recorded", recorded);
	audit_details_string(&d, "recorded_by_reason", recorded_by);
	audit_details_u64(&d, "unseen", unseen);
	chain_append(chain, &record);
	/* Also if there was no room: then the number is missing, and the chain says that records are. */
	h->beats++;
	h->said_ns = clock_monotonic_ns();
	h->said_dropped = dropped;
}

bool heartbeat_clock_step(struct heartbeat *h, struct chain *chain, uint64_t real_ns,
			  uint64_t boot_ns)
{
	int64_t offset_ns = (int64_t)(real_ns - boot_ns), delta_ns = offset_ns - h->clock_offset_ns;
	uint64_t size_ns = delta_ns < 0 ? 0 - (uint64_t)delta_ns : (uint64_t)delta_ns;
	char before[CLOCK_RFC3339_SIZE], after[CLOCK_RFC3339_SIZE], delta[32];
	struct audit_details d = {0};
	const struct audit_record record = {
		.event = AUDIT_EVENT_SYSTEM_CLOCK_STEP,
		.resource = {"clock", "realtime"},
		.details = &d,
	};

	h->clock_offset_ns = offset_ns;
	if (size_ns < CLOCK_STEP_MIN_NS)
		return false;
	clock_format_rfc3339(real_ns - (uint64_t)delta_ns, before);
	clock_format_rfc3339(real_ns, after);
	snprintf(delta, sizeof(delta), "%s%llu.%03llus", delta_ns < 0 ? "-" : "+",
		 (unsigned long long)(size_ns / NSEC_PER_SEC),
		 (unsigned long long)(size_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
	audit_details_string(&d, "before", before);
	audit_details_string(&d, "after", after);
	audit_details_string(&d, "delta", delta);
	chain_append(chain, &record);
	log_warn("the clock on the wall was set", "by", delta);
	return true;
}

void heartbeat_watch_clock(struct heartbeat *h, struct chain *chain)
{
	uint64_t real_ns, boot_ns;

	clock_both(&real_ns, &boot_ns);
	heartbeat_clock_step(h, chain, real_ns, boot_ns);
}
