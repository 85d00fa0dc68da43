/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A trace, as the datapath knows it: the program that can, what it is to look for, and the ring it fills. The program
 * is swapped in for the first packet and out behind the last, so that nothing is paid while nobody traces.
 */
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault_point.h"
#include "bpf/limiter.skel.h"
#include "datapath/internal.h"

/* Who reads the ring at the moment. */
struct datapath_trace_reader {
	bool (*fn)(const struct weir_trace_event *event, void *userdata);
	void *userdata;
	size_t count;
};

uint32_t trace_features(const struct datapath *d)
{
	return d->traces ? WEIR_FEATURE_TRACE : 0;
}

static int on_event(void *userdata, void *data, size_t size)
{
	struct datapath *d = userdata;
	struct datapath_trace_reader *reader = d->trace_reader;
	const struct weir_trace_event *event = data;

	/* It is consumed whatever is returned. */
	if (size < sizeof(*event) || size < sizeof(*event) + event->snapped)
		return 0;
	reader->count++;
	return reader->fn(event, reader->userdata) ? 0 : -ECANCELED;
}

static void set_until(struct datapath *d, uint64_t until_ns)
{
	__atomic_store_n(&d->program.trace->until_ns, until_ns, __ATOMIC_RELEASE);
}

/* Before the program that reads them is in place: from its first packet on it looks at what it should. */
static void give_orders(struct datapath *d, const struct datapath_trace_options *options)
{
	struct weir_trace *trace = d->program.trace;

	*trace = (struct weir_trace){
		.until_ns = clock_monotonic_ns() + WEIR_TRACE_LEASE_NS,
		.period = options->period,
		.snap = options->snap,
		.factor = (100 + options->budget - 1) / options->budget,
		.filters = {options->filter, options->filter},
	};
	for (unsigned int i = 0; i < d->program.cpus; i++) {
		d->program.trace_cpu[i] = (struct weir_trace_cpu){.distance = 1};
		__atomic_store_n(&d->program.cpu[i].trace_left, 1, __ATOMIC_RELEASE);
	}
}

/* The program that traces, on a ring that @ret reads. */
static int start(struct datapath *d, const struct datapath_trace_options *options,
		 struct ring_buffer **ret, struct fault *reterr)
{
	struct shape shape;
	int r = datapath_need_program(d, reterr);

	if (r < 0)
		return r;
	give_orders(d, options);
	shape = d->program.shape;
	shape.features |= WEIR_FEATURE_TRACE;
	r = program_reshape(d, &shape, reterr);
	if (r < 0)
		return r;
	if (fault_point(NULL, "trace.ring") == 0)
		*ret = ring_buffer__new(bpf_map__fd(d->program.skeleton->maps.weir_traces),
					on_event, d, NULL);
	return *ret ? 0
		    : fault(reterr, -ENOMEM, "datapath.load", "cannot read the ring of packets");
}

int datapath_trace_begin(struct datapath *d, const struct datapath_trace_options *options,
			 struct fault *reterr)
{
	struct ring_buffer *ring = NULL;
	int r;

	assert(options->period && options->period <= WEIR_TRACE_SAMPLE_MAX);
	assert(options->budget && options->budget <= 100 && options->snap <= WEIR_TRACE_SNAP_MAX);
	if (d->traces)
		return fault(reterr, -EBUSY, "trace.busy", "somebody traces already");
	r = start(d, options, &ring, reterr);
	d->traces = ring;
	if (r < 0 && d->program.shape.features & WEIR_FEATURE_TRACE)
		datapath_trace_end(d, NULL);
	return r;
}

void datapath_trace_set_filter(struct datapath *d, const struct weir_trace_filter *filter)
{
	struct weir_trace *trace = d->program.trace;
	uint32_t next = trace->selected + 1;

	/* No packet takes so long that it still looks at this one. */
	trace->filters[next & 1] = *filter;
	__atomic_store_n(&trace->selected, next, __ATOMIC_RELEASE);
}

void datapath_trace_renew(struct datapath *d)
{
	set_until(d, clock_monotonic_ns() + WEIR_TRACE_LEASE_NS);
}

size_t datapath_trace_read(struct datapath *d,
			   bool (*fn)(const struct weir_trace_event *event, void *userdata),
			   void *userdata)
{
	struct datapath_trace_reader reader = {.fn = fn, .userdata = userdata};

	if (!d->traces)
		return 0;
	d->trace_reader = &reader;
	ring_buffer__consume(d->traces);
	d->trace_reader = NULL;
	return reader.count;
}

void datapath_trace_read_count(const struct datapath *d, struct weir_trace_count *ret)
{
	struct weir_trace_count sum = {0};

	for (unsigned int i = 0; i < d->program.cpus; i++) {
		const struct weir_trace_cpu *own = &d->program.trace_cpu[i];
		uint32_t left = __atomic_load_n(&d->program.cpu[i].trace_left, __ATOMIC_RELAXED);
		uint32_t distance = __atomic_load_n(&own->distance, __ATOMIC_RELAXED);

		sum.seen += own->count.seen + (distance > left ? distance - left : 0);
		sum.looked_at += own->count.looked_at;
		sum.matched += own->count.matched;
		sum.delivered += own->count.delivered;
		sum.over_budget += own->count.over_budget;
		sum.lost += own->count.lost;
		sum.cost_ns += own->count.cost_ns;
	}
	*ret = sum;
}

void datapath_trace_pause(struct datapath *d)
{
	set_until(d, 0);
	grace_wait(d->grace, grace_begin(d->grace));
}

int datapath_trace_end(struct datapath *d, struct fault *reterr)
{
	struct shape shape = d->program.shape;

	set_until(d, 0);
	trace_done(d);
	shape.features &= ~(uint32_t)WEIR_FEATURE_TRACE;
	if (shape.features == d->program.shape.features)
		return 0;
	return program_reshape(d, &shape, reterr);
}

void trace_done(struct datapath *d)
{
	ring_buffer__free(d->traces);
	d->traces = NULL;
}
