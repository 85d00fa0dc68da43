/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From the checked model to the image of map entries: every rule becomes one or two limits, every
 * limit owns one bit, and the tables say which bits accept a port, a protocol or a destination.
 * What is decided here is not decided again per packet.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "policy/policy.h"
#include "policy/tree.h"

_Static_assert(POLICY_NAME_MAX == WEIR_NAME_BYTES, "a name must fit into its limit");

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define BYTES_SHIFT  12 /* 100 Gbit/s is 0.08 ns per byte; this keeps it exact to 1/80,000 */
#define BURST_MAX    (1ULL << 62)

static unsigned __int128 divide_up(unsigned __int128 a, unsigned __int128 b)
{
	return (a + b - 1) / b;
}

struct compiler {
	const struct policy *policy;
	struct policy_image *image;
	const struct policy_limit *rules[WEIR_LIMITS_MAX]; /* of each limit */
	struct fault *reterr;
};

#define refuse(c, rule, err, code, ...)                                                            \
	fault_at((c)->reterr, (c)->policy->name, (rule)->line ? (rule)->line : 1,                  \
		 (rule)->line ? (rule)->column : 1, err, code, __VA_ARGS__)

static void describe_service(struct text *t, const struct policy_service *s)
{
	char prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < s->dst_count; i++) {
		prefix_format(&s->dsts[i], prefix);
		text_printf(t, " dst %s", prefix);
	}
	for (unsigned int i = 0; i < WEIR_PROTOCOLS && !s->any_protocol; i++)
		if (s->protocols[i])
			text_printf(t, " proto %u", i);
	for (size_t i = 0; i < s->port_count; i++)
		text_printf(t, " dport %u-%u", s->ports[i].first, s->ports[i].last);
}

static bool key_taken(const struct weir_policy *p, uint32_t key)
{
	for (uint32_t i = 0; i < p->limit_count; i++)
		if (p->limits[i].key == key)
			return true;
	return key == 0;
}

/*
 * Buckets in the kernel are found by this key, so it stands for what a limit means and not for
 * where it stands: a limit that a new policy leaves as it was keeps its buckets.
 */
static int limit_key(const struct weir_policy *p, const struct policy_limit *rule,
		     const struct weir_limit *limit, uint32_t *ret)
{
	_cleanup_(text_done) struct text t = {0};
	unsigned char digest[32];
	uint32_t key;

	text_init_growing(&t);
	text_printf(&t, "%s scope %s unit %s interval %llu burst %llu", rule->name,
		    policy_scope_str(rule->scope), policy_unit_str(limit->unit),
		    (unsigned long long)limit->interval, (unsigned long long)limit->burst);
	if (rule->service)
		describe_service(&t, rule->service);
	if (t.truncated || !EVP_Digest(t.data, t.length, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	memcpy(&key, digest, sizeof(key));
	while (key_taken(p, key))
		key++;
	*ret = key;
	return 0;
}

static int limit_add(struct compiler *c, const struct policy_limit *rule, int index,
		     enum weir_unit unit)
{
	struct weir_policy *p = &c->image->policy;
	bool bytes = unit == WEIR_UNIT_BYTES;
	unsigned __int128 period = bytes ? NSEC_PER_SEC : rule->rate.per_ns;
	uint64_t count = bytes ? rule->byte_rate : rule->rate.count;
	struct weir_limit limit = {.unit = unit, .shift = bytes ? BYTES_SHIFT : 0};
	unsigned __int128 interval, burst;
	int r;

	if (p->limit_count == WEIR_LIMITS_MAX)
		return refuse(c, rule, -E2BIG, "policy.limits.many",
			      "more than %u limits; one on packets and bytes counts twice, one on "
			      "fragments is built in",
			      WEIR_LIMITS_MAX);
	interval = divide_up(period << (WEIR_TIME_SHIFT + limit.shift), count);
	burst = divide_up(interval * (bytes ? rule->byte_burst : rule->burst), 1ULL << limit.shift);
	if (burst >= BURST_MAX)
		return refuse(c, rule, -ERANGE, "policy.burst.long",
			      "limit '%s': %s lasts longer at this rate than a bucket can count "
			      "(208 days)",
			      rule->name, bytes ? "byte_burst" : "burst");
	limit.interval = (uint64_t)interval;
	limit.burst = (uint64_t)burst;
	limit.precise = limit.burst < p->tick;
	r = limit_key(p, rule, &limit, &limit.key);
	if (r < 0)
		return r;
	c->rules[p->limit_count] = rule;
	c->image->limits[p->limit_count] = (struct policy_image_limit){
		.unit = unit,
		.line = rule->line,
		.rule = index,
	};
	memcpy(c->image->limits[p->limit_count].name, rule->name, sizeof(rule->name));
	p->limits[p->limit_count++] = limit;
	return 0;
}

static int limits_add(struct compiler *c)
{
	const struct policy *policy = c->policy;
	int r = 0;

	for (size_t i = 0; i < policy->limit_count && r == 0; i++) {
		const struct policy_limit *rule = &policy->limits[i];

		if (rule->has_packets)
			r = limit_add(c, rule, (int)i, WEIR_UNIT_PACKETS);
		if (r == 0 && rule->has_bytes)
			r = limit_add(c, rule, (int)i, WEIR_UNIT_BYTES);
	}
	if (r == 0 && policy->fragments == POLICY_LIMIT)
		r = limit_add(c, &policy->fragment_limit, -1, WEIR_UNIT_PACKETS);
	return r;
}

static void ports_fill(struct policy_image *image, const struct policy_service *s, uint64_t bit)
{
	static const struct policy_port_range all = {0, WEIR_PORTS - 1};
	const struct policy_port_range *ranges = s && s->port_count ? s->ports : &all;
	size_t count = s && s->port_count ? s->port_count : 1;
	bool tcp = !s || s->any_protocol || s->protocols[PROTOCOL_TCP];
	bool udp = !s || s->any_protocol || s->protocols[PROTOCOL_UDP];

	for (size_t i = 0; i < count; i++) {
		for (uint32_t port = ranges[i].first; port <= ranges[i].last; port++) {
			image->ports[port].tcp |= tcp ? bit : 0;
			image->ports[port].udp |= udp ? bit : 0;
		}
	}
}

static void masks_fill(struct compiler *c)
{
	struct weir_policy *p = &c->image->policy;

	for (uint32_t i = 0; i < p->limit_count; i++) {
		const struct policy_service *s = c->rules[i]->service;
		uint64_t bit = 1ULL << i;

		if (!s || !s->dst_count)
			p->any_destination |= bit;
		else
			p->flags |= WEIR_POLICY_BY_DESTINATION;
		if (c->rules[i] == &c->policy->fragment_limit) {
			p->fragment_limits |= bit;
			continue;
		}
		ports_fill(c->image, s, bit);
		for (unsigned int n = 0; n < WEIR_PROTOCOLS; n++)
			if (!s || (!s->port_count && (s->any_protocol || s->protocols[n])))
				p->protocol_limits[n] |= bit;
	}
}

/* IPv4 lies within IPv6 as ::ffff:0:0/96, but who writes ::/0 does not mean IPv4. */
static const struct prefix all_ipv4 = {{[10] = 0xff, [11] = 0xff}, 96};

static bool spans_ipv4(const struct prefix *p)
{
	return p->bits < all_ipv4.bits && prefix_covers(p, &all_ipv4);
}

static bool service_accepts(const struct policy_service *s, const struct prefix *dst)
{
	for (size_t i = 0; i < s->dst_count; i++)
		if (prefix_covers(&s->dsts[i], dst) &&
		    !(spans_ipv4(&s->dsts[i]) && prefix_covers(&all_ipv4, dst)))
			return true;
	return false;
}

static int compare_destinations(const void *a, const void *b)
{
	const struct policy_destination *x = a, *y = b;

	return prefix_compare(&x->prefix, &y->prefix);
}

/* Every prefix that a limit names, once, sorted. */
static int destinations_collect(struct compiler *c)
{
	struct policy_image *image = c->image;
	struct policy_destination *d;
	size_t count = 1, kept = 0; /* one more for IPv4 as a whole */
	bool split = false;

	for (uint32_t i = 0; i < image->policy.limit_count; i++)
		count += c->rules[i]->service ? c->rules[i]->service->dst_count : 0;
	d = calloc(count, sizeof(*d));
	if (!d)
		return -ENOMEM;
	image->destinations = d;
	count = 0;
	for (uint32_t i = 0; i < image->policy.limit_count; i++) {
		const struct policy_service *s = c->rules[i]->service;

		for (size_t j = 0; s && j < s->dst_count; j++) {
			split |= spans_ipv4(&s->dsts[j]);
			d[count++].prefix = s->dsts[j];
		}
	}
	if (split)
		d[count++].prefix = all_ipv4;
	qsort(d, count, sizeof(*d), compare_destinations);
	for (size_t i = 0; i < count; i++)
		if (!kept || prefix_compare(&d[kept - 1].prefix, &d[i].prefix) != 0)
			d[kept++] = d[i];
	image->destination_count = kept;
	return 0;
}

static int destinations_fill(struct compiler *c)
{
	struct policy_image *image = c->image;
	int r = destinations_collect(c);

	if (r < 0)
		return r;
	for (size_t i = 0; i < image->destination_count; i++) {
		struct policy_destination *d = &image->destinations[i];

		d->limits = image->policy.any_destination;
		for (uint32_t n = 0; n < image->policy.limit_count; n++) {
			const struct policy_service *s = c->rules[n]->service;

			if (s && service_accepts(s, &d->prefix))
				d->limits |= 1ULL << n;
		}
	}
	return 0;
}

/* Name the limits in @mask and what they meet on; the last of them is the one too many. */
static int refuse_crowd(struct compiler *c, uint64_t mask, const char *what,
			const struct policy_destination *d)
{
	const struct policy_limit *last = &c->policy->fragment_limit;
	char names[300], prefix[PREFIX_TEXT_SIZE] = "other destinations";
	struct text t;

	text_init(&t, names, sizeof(names));
	for (uint32_t i = 0; i < c->image->policy.limit_count; i++) {
		if (!(mask >> i & 1))
			continue;
		text_printf(&t, "%s%s %s", t.length ? ", " : "", c->rules[i]->name,
			    policy_unit_str(c->image->policy.limits[i].unit));
		if (c->rules[i]->line)
			last = c->rules[i];
	}
	if (d)
		prefix_format(&d->prefix, prefix);
	return refuse(c, last, -E2BIG, "policy.limits.crowded",
		      "%d limits apply to %s %s, at most %u may: %s", __builtin_popcountll(mask),
		      what, c->image->destination_count ? prefix : "any destination",
		      WEIR_LIMITS_PER_PACKET, names);
}

static int check_class(struct compiler *c, uint64_t limits, const char *format, unsigned int number)
{
	const struct policy_image *image = c->image;
	char what[64];

	if (__builtin_popcountll(limits) <= WEIR_LIMITS_PER_PACKET)
		return 0;
	snprintf(what, sizeof(what), format, number);
	for (size_t i = 0; i <= image->destination_count; i++) {
		const struct policy_destination *d =
			i < image->destination_count ? &image->destinations[i] : NULL;
		uint64_t mask = limits & (d ? d->limits : image->policy.any_destination);

		if (__builtin_popcountll(mask) > WEIR_LIMITS_PER_PACKET)
			return refuse_crowd(c, mask, what, d);
	}
	return 0;
}

/* The datapath tries a bounded number of limits per packet; no packet may find more. */
static int crowds_check(struct compiler *c)
{
	const struct weir_port_limits *ports = c->image->ports;
	const struct weir_policy *p = &c->image->policy;
	int r = 0;

	for (unsigned int i = 0; i < WEIR_PORTS && r == 0; i++) {
		if (!i || ports[i].tcp != ports[i - 1].tcp)
			r = check_class(c, ports[i].tcp, "TCP packets to port %u of", i);
		if (r == 0 && (!i || ports[i].udp != ports[i - 1].udp))
			r = check_class(c, ports[i].udp, "UDP packets to port %u of", i);
	}
	for (unsigned int i = 0; i < WEIR_PROTOCOLS && r == 0; i++) {
		r = check_class(c, p->protocol_limits[i], "packets of IP protocol %u to", i);
		if (r == 0)
			r = check_class(c, p->protocol_limits[i] | p->fragment_limits,
					"later fragments of IP protocol %u to", i);
	}
	return r;
}

int policy_compile(const struct policy *policy, uint64_t tick_ns, struct policy_image **ret,
		   struct fault *reterr)
{
	_cleanup_(policy_image_freep) struct policy_image *image = calloc(1, sizeof(*image));
	struct compiler c = {.policy = policy, .image = image, .reterr = reterr};
	int r = image ? 0 : -ENOMEM;

	if (r == 0) {
		image->policy.mode = policy->mode;
		image->policy.tick = tick_ns << WEIR_TIME_SHIFT;
		if (policy->malformed == POLICY_DROP)
			image->policy.flags |= WEIR_POLICY_DROP_MALFORMED;
		if (policy->other == POLICY_DROP)
			image->policy.flags |= WEIR_POLICY_DROP_NOT_IP;
		if (policy->fragments == POLICY_DROP)
			image->policy.flags |= WEIR_POLICY_DROP_FRAGMENTS;
		r = limits_add(&c);
	}
	if (r == 0) {
		masks_fill(&c);
		r = destinations_fill(&c);
	}
	if (r == 0)
		r = crowds_check(&c);
	if (r == -ENOMEM)
		return fault(reterr, r, "policy.memory", "%.200s: out of memory", policy->name);
	if (r < 0)
		return r;
	*ret = take_ptr(image);
	return 0;
}

void policy_image_free(struct policy_image *image)
{
	if (!image)
		return;
	free(image->destinations);
	free(image);
}
