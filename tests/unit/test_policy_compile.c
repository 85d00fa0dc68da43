/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath is handed: intervals and bursts to the last digit, which limits meet which
 * packets, keys that last as long as a limit's meaning does, and the refusals that only a whole
 * policy can earn.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "policy/policy.h"
#include "test_policy_collect.h"

#define HEAD	"apiVersion: weir/v1\nmode: enforce\n"
#define TICK_NS 4000000ULL

static int compile(const char *text, struct policy_image **ret, struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	int r = policy_parse("p", text, strlen(text), &p, reterr);

	if (r == 0)
		r = policy_compile(p, TICK_NS, ret, reterr);
	if (r == 0)
		policy_collect(p);
	return r;
}

static struct policy_image *compiled(const char *text)
{
	struct policy_image *image = NULL;
	struct fault f = {0};

	if (compile(text, &image, &f) < 0)
		print_error("%s\n", f.text);
	assert_non_null(image);
	return image;
}

static void refuse(const char *text, int err, const char *code, const char *words)
{
	struct policy_image *image = NULL;
	struct fault f = {0};

	assert_int_equal(compile(text, &image, &f), err);
	assert_null(image);
	assert_string_equal(f.text, words);
	assert_string_equal(f.code, code);
}

/* The one limit of a policy, with @rates for its numbers. */
static struct weir_limit limit_of(const char *rates)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	char text[300];

	snprintf(text, sizeof(text),
		 HEAD "packets: {fragments: pass}\nlimits: [{name: a, scope: source, %s}]\n",
		 rates);
	image = compiled(text);
	assert_int_equal(image->policy.limit_count, 1);
	return image->policy.limits[0];
}

static void intervals_are_exact_and_never_too_short(void **state)
{
	static const struct {
		const char *rates;
		uint64_t interval; /* 1/256 ns */
		bool precise;
	} cases[] = {
		{"rate: 10/s, burst: 1", 25600000000, false},
		{"rate: 1000/s, burst: 10", 256000000, false},
		{"rate: 100k/s, burst: 400", 2560000, false},
		{"rate: 100k/s, burst: 399", 2560000, true},
		{"rate: 99999/s, burst: 1k", 2560026, false}, /* 2,560,025.60 */
		{"rate: 30M/s, burst: 1M", 8534, false},      /* 8,533.33 */
		{"rate: 100M/s, burst: 1", 2560, true},
		{"rate: 1/d, burst: 1", 22118400000000000, false},
		{"rate: 7/h, burst: 1", 131657142857143, false}, /* ...142,857,142.86 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct weir_limit l = limit_of(cases[i].rates);

		assert_int_equal(l.interval, cases[i].interval);
		assert_int_equal(l.shift, 0);
		assert_int_equal(l.unit, WEIR_UNIT_PACKETS);
		assert_int_equal(l.precise, cases[i].precise);
	}
}

static void burst_is_the_cost_of_that_many_packets(void **state)
{
	(void)state;
	assert_int_equal(limit_of("rate: 99999/s, burst: 1k").burst, 2560026000);
	assert_int_equal(limit_of("rate: 1000/s").burst, 256000000000);
	assert_int_equal(limit_of("rate: 1/d").burst, 22118400000000000);
}

static void bytes_are_counted_finer_than_packets(void **state)
{
	struct weir_limit slow = limit_of("byte_rate: 1KiB/s, byte_burst: 64KiB");
	struct weir_limit fast = limit_of("byte_rate: 100Gbit/s, byte_burst: 9217B");

	(void)state;
	assert_int_equal(slow.shift, 12);
	assert_int_equal(slow.unit, WEIR_UNIT_BYTES);
	assert_int_equal(slow.interval, 1024000000000); /* 976,562.5 ns in 2^-20 ns */
	assert_int_equal(slow.burst, 64 * 256 * NSEC_PER_SEC);
	assert_false(slow.precise);
	assert_int_equal(fast.interval, 83887); /* 83,886.08 */
	assert_int_equal(fast.burst, 188767);	/* 9217 * 83887 / 4096 = 188,766.23 */
	assert_true(fast.precise);
}

static void a_rule_on_packets_and_bytes_has_two_limits(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image =
		compiled(HEAD "limits:\n  - {name: a, scope: source, rate: 1/s, byte_rate: 1MB/s}\n"
			      "  - {name: b, scope: source, byte_rate: 1MB/s}\n");

	(void)state;
	assert_int_equal(image->policy.limit_count, 4);
	assert_string_equal(image->limits[0].name, "a");
	assert_int_equal(image->limits[0].unit, WEIR_UNIT_PACKETS);
	assert_string_equal(image->limits[1].name, "a");
	assert_int_equal(image->limits[1].unit, WEIR_UNIT_BYTES);
	assert_int_equal(image->limits[1].line, 4);
	assert_int_equal(image->limits[1].rule, 0);
	assert_string_equal(image->limits[2].name, "b");
	assert_int_equal(image->limits[2].rule, 1);
	assert_string_equal(image->limits[3].name, "fragments");
	assert_int_equal(image->limits[3].rule, -1);
	assert_int_equal(image->limits[3].line, 0);
}

static void settings_become_flags(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *safe = compiled(HEAD);
	_cleanup_(policy_image_freep) struct policy_image *other = compiled(
		"apiVersion: weir/v1\nmode: monitor\npackets: {malformed: pass, other: drop, "
		"fragments: drop}\n");

	(void)state;
	assert_int_equal(safe->policy.mode, WEIR_MODE_ENFORCE);
	assert_int_equal(safe->policy.flags, WEIR_POLICY_DROP_MALFORMED);
	assert_int_equal(safe->policy.tick, TICK_NS * 256);
	assert_int_equal(safe->policy.generation, 0);
	assert_int_equal(safe->policy.limit_count, 1);
	assert_int_equal(safe->policy.fragment_limits, 1);
	assert_int_equal(other->policy.mode, WEIR_MODE_MONITOR);
	assert_int_equal(other->policy.flags, WEIR_POLICY_DROP_NOT_IP | WEIR_POLICY_DROP_FRAGMENTS);
	assert_int_equal(other->policy.limit_count, 0);
	assert_int_equal(other->policy.fragment_limits, 0);
}

enum { ALL = 1 << 0, WEB = 1 << 1, TCP = 1 << 2, PING = 1 << 3, HOST = 1 << 4, FRAGMENTS = 1 << 5 };

static const char mixed[] =
	HEAD "services:\n"
	     "  web: {dst: 203.0.113.0/24, proto: [tcp, udp], dport: [443, 8000-8002]}\n"
	     "  tcp: {proto: tcp}\n"
	     "  ping: {proto: [icmp, icmp6], dst: [\"2001:db8::/32\", 203.0.113.7]}\n"
	     "  host: {dst: 203.0.113.7}\n"
	     "  unused: {dst: 10.0.0.1}\n"
	     "limits:\n"
	     "  - {name: all, scope: source, rate: 1/s}\n"
	     "  - {name: web, scope: source, rate: 1/s, service: web}\n"
	     "  - {name: tcp, scope: source, rate: 1/s, service: tcp}\n"
	     "  - {name: ping, scope: source, rate: 1/s, service: ping}\n"
	     "  - {name: host, scope: source, rate: 1/s, service: host}\n";

static void a_port_meets_the_limits_that_accept_it(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image = compiled(mixed);

	(void)state;
	assert_int_equal(image->ports[443].tcp, ALL | WEB | TCP | HOST);
	assert_int_equal(image->ports[443].udp, ALL | WEB | HOST);
	assert_int_equal(image->ports[7999].tcp, ALL | TCP | HOST);
	assert_int_equal(image->ports[8000].udp, ALL | WEB | HOST);
	assert_int_equal(image->ports[8002].udp, ALL | WEB | HOST);
	assert_int_equal(image->ports[8003].udp, ALL | HOST);
	assert_int_equal(image->ports[0].tcp, ALL | TCP | HOST);
	assert_int_equal(image->ports[65535].udp, ALL | HOST);
}

static void what_has_no_ports_meets_no_limit_on_ports(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image = compiled(mixed);

	(void)state;
	assert_int_equal(image->policy.protocol_limits[6], ALL | TCP | HOST);
	assert_int_equal(image->policy.protocol_limits[17], ALL | HOST);
	assert_int_equal(image->policy.protocol_limits[1], ALL | PING | HOST);
	assert_int_equal(image->policy.protocol_limits[58], ALL | PING | HOST);
	assert_int_equal(image->policy.protocol_limits[255], ALL | HOST);
	assert_int_equal(image->policy.fragment_limits, FRAGMENTS);
}

static uint64_t limits_to(const struct policy_image *image, const char *address)
{
	uint64_t limits = image->policy.any_destination;
	struct prefix host;
	int best = -1;

	assert_int_equal(prefix_parse(address, &host), 0);
	for (size_t i = 0; i < image->destination_count; i++) {
		const struct policy_prefix *d = &image->destinations[i];

		if (prefix_covers(&d->prefix, &host) && d->prefix.bits > best) {
			best = d->prefix.bits;
			limits = d->value.limits;
		}
	}
	return limits;
}

static void the_longest_destination_knows_all_limits(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image = compiled(mixed);

	(void)state;
	assert_true(image->policy.flags & WEIR_POLICY_BY_DESTINATION);
	assert_int_equal(image->destination_count, 3);
	assert_int_equal(image->policy.any_destination, ALL | TCP | FRAGMENTS);
	assert_int_equal(limits_to(image, "10.0.0.1"), ALL | TCP | FRAGMENTS);
	assert_int_equal(limits_to(image, "203.0.113.8"), ALL | TCP | FRAGMENTS | WEB);
	assert_int_equal(limits_to(image, "203.0.113.7"),
			 ALL | TCP | FRAGMENTS | WEB | PING | HOST);
	assert_int_equal(limits_to(image, "2001:db8::1"), ALL | TCP | FRAGMENTS | PING);
}

static void a_short_ipv6_destination_does_not_mean_ipv4(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image =
		compiled(HEAD "packets: {fragments: pass}\n"
			      "services: {six: {dst: \"::/0\"}, ten: {dst: 10.0.0.0/8}}\nlimits:\n"
			      "  - {name: six, scope: source, rate: 1/s, service: six}\n"
			      "  - {name: ten, scope: source, rate: 1/s, service: ten}\n");

	(void)state;
	assert_int_equal(limits_to(image, "2001:db8::1"), 1);
	assert_int_equal(limits_to(image, "192.0.2.1"), 0);
	assert_int_equal(limits_to(image, "10.1.2.3"), 2);
}

static uint64_t key_of(const char *text, const char *name)
{
	_cleanup_(policy_image_freep) struct policy_image *image = compiled(text);

	for (uint32_t i = 0; i < image->policy.limit_count; i++)
		if (strcmp(image->limits[i].name, name) == 0)
			return image->policy.limits[i].key;
	fail_msg("no limit '%s'", name);
	return 0;
}

#define SERVICES "services: {s: {proto: [tcp, udp], dport: [80, 443], dst: [10.0.0.1, 10.0.0.2]}}\n"
#define A	 "  - {name: a, scope: source, service: s, rate: 60/m, burst: 10}\n"
#define B	 "  - {name: b, scope: source, rate: 5/s}\n"
#define B2	 "  - {name: c, scope: source, rate: 5/s}\n"

static void a_key_lasts_as_long_as_the_meaning(void **state)
{
	uint64_t key = key_of(HEAD SERVICES "limits:\n" A B, "a");

	(void)state;
	assert_int_not_equal(key, 0);
	assert_int_equal(key_of(HEAD SERVICES "limits:\n" B A, "a"), key);
	assert_int_equal(key_of(HEAD SERVICES "limits:\n" A, "a"), key);
	assert_int_equal(key_of(HEAD SERVICES "limits:\n" A
					      "  - {name: b, scope: source, rate: 6/s}\n",
				"a"),
			 key);
	/* The same in other words: order, overlap, another name of the service, 1/s for 60/m. */
	assert_int_equal(
		key_of(HEAD
		       "services: {t: {dst: [10.0.0.2, 10.0.0.1], dport: [443, 80, 80-80], proto: "
		       "[17, 6]}}\n"
		       "limits: [{name: a, scope: source, service: t, rate: 1/s, burst: 10}]\n",
		       "a"),
		key);
}

static void a_key_changes_with_the_meaning(void **state)
{
	static const char *const others[] = {
		HEAD SERVICES
		"limits: [{name: a, scope: source, service: s, rate: 61/m, burst: 10}]\n",
		HEAD SERVICES
		"limits: [{name: a, scope: source, service: s, rate: 60/m, burst: 11}]\n",
		HEAD SERVICES "limits: [{name: a, scope: source, rate: 60/m, burst: 10}]\n",
		HEAD "services: {s: {proto: tcp, dport: [80, 443], dst: [10.0.0.1, 10.0.0.2]}}\n"
		     "limits:\n" A,
		HEAD "services: {s: {proto: [tcp, udp], dport: 80, dst: [10.0.0.1, 10.0.0.2]}}\n"
		     "limits:\n" A,
		HEAD "services: {s: {proto: [tcp, udp], dport: [80, 443], dst: 10.0.0.1}}\n"
		     "limits:\n" A,
	};
	uint64_t key = key_of(HEAD SERVICES "limits:\n" A, "a");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_not_equal(key_of(others[i], "a"), key);
}

static void limits_of_equal_meaning_never_share_a_key(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image =
		compiled(HEAD "limits:\n  - {name: b, scope: source, rate: 5/s}\n" B2);
	uint64_t key = key_of(HEAD "limits:\n" B2, "c");

	(void)state;
	assert_int_equal(image->policy.limits[0].key, key);
	assert_int_equal(image->policy.limits[1].key, key + 2);
	/* That of fragments is of other packets, however equal its numbers. */
	assert_int_equal(
		key_of(HEAD "limits: [{name: a, scope: source, rate: 1k/s}]\n", "fragments"),
		key_of(HEAD, "fragments"));
}

static void limits_may_be_64_not_65(void **state)
{
	(void)state;
	for (unsigned int n = 63; n <= 64; n++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		text_puts(&t, HEAD "services:\n");
		for (unsigned int i = 0; i < n; i++)
			text_printf(&t, "  s%u: {proto: tcp, dport: %u}\n", i, i);
		text_puts(&t, "limits:\n");
		for (unsigned int i = 0; i < n; i++)
			text_printf(&t, "  - {name: l%u, scope: source, rate: 1/s, service: s%u}\n",
				    i, i);
		if (n == 63)
			policy_image_free(compiled(t.data));
		else
			refuse(t.data, -E2BIG, "policy.limits.many",
			       "p:1:1: more than 64 limits; each unit and each of several "
			       "services counts as one, one on fragments is built in");
	}
}

/* As many limits on service s as a packet may meet, and what one more called "last" does. */
static void crowd(const char *settings, const char *last, const char *where)
{
	_cleanup_(text_done) struct text t = {.growing = true}, words = {.growing = true};

	text_printf(&t, HEAD "%s\nlimits:\n", settings);
	text_printf(&words,
		    "p:%u:5: %u limits apply to %s, at most %u may: ", 6 + WEIR_LIMITS_PER_PACKET,
		    WEIR_LIMITS_PER_PACKET + 1, where ? where : "", WEIR_LIMITS_PER_PACKET);
	for (unsigned int i = 0; i < WEIR_LIMITS_PER_PACKET; i++) {
		text_printf(&t, "  - {name: l%u, scope: source, rate: 1/s, service: s}\n", i);
		text_printf(&words, "l%u packets, ", i);
	}
	text_puts(&words, "last packets");
	policy_image_free(compiled(t.data));
	text_printf(&t, "  - {name: last, scope: source, rate: 1/s%s}\n", last);
	if (where)
		refuse(t.data, -E2BIG, "policy.limits.crowded", words.data);
	else
		policy_image_free(compiled(t.data));
}

#define NO_FRAGMENTS "packets: {fragments: pass}\n"

static void one_limit_too_many_on_a_packet_is_refused(void **state)
{
	(void)state;
	crowd(NO_FRAGMENTS "services: {s: {proto: tcp, dport: 443}, t: {dst: 10.0.0.0/8}}",
	      ", service: t", "TCP packets to port 443 of 10.0.0.0/8");
	crowd(NO_FRAGMENTS "services: {s: {proto: udp, dport: 53}}", "",
	      "UDP packets to port 53 of any destination");
	crowd(NO_FRAGMENTS "services: {s: {proto: icmp}, t: {dst: 10.0.0.0/8}}", "",
	      "packets of IP protocol 1 to any destination");
}

static void limits_that_never_meet_do_not_count_together(void **state)
{
	(void)state;
	crowd(NO_FRAGMENTS "services: {s: {dst: 10.0.0.0/8}, t: {dst: 11.0.0.0/8}}", ", service: t",
	      NULL);
	crowd(NO_FRAGMENTS "services: {s: {proto: tcp, dport: 1}, t: {proto: udp, dport: 1}}",
	      ", service: t", NULL);
	crowd(NO_FRAGMENTS "services: {s: {proto: tcp, dport: 1}, t: {proto: tcp, dport: 2}}",
	      ", service: t", NULL);
}

static void the_limit_on_fragments_counts_for_fragments_only(void **state)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	struct policy_image *image = NULL;
	struct fault f = {0};

	(void)state;
	/* Ports hide from later fragments, so these meet none of the limits on port 53 ... */
	crowd("packets: {}\nservices: {s: {proto: udp, dport: 53}, t: {proto: tcp}}",
	      ", service: t", NULL);
	/* ... but all of those on UDP as such. */
	text_puts(&t, HEAD "services: {s: {proto: udp}}\nlimits:\n");
	for (unsigned int i = 0; i < WEIR_LIMITS_PER_PACKET; i++)
		text_printf(&t, "  - {name: l%u, scope: source, rate: 1/s, service: s}\n", i);
	assert_int_equal(compile(t.data, &image, &f), -E2BIG);
	assert_non_null(strstr(f.text, "later fragments of IP protocol 17 to any destination"));
	assert_non_null(strstr(f.text, ", fragments packets"));
}

static void a_burst_of_years_is_refused(void **state)
{
	(void)state;
	assert_int_equal(limit_of("rate: 1/d, burst: 104").burst, 104 * 22118400000000000);
	refuse(HEAD "limits: [{name: a, scope: source, rate: 1/d, burst: 105}]\n", -ERANGE,
	       "policy.burst.long",
	       "p:3:10: limit 'a': burst lasts longer at this rate than a bucket can count (104 days)");
	refuse(HEAD "limits: [{name: a, scope: source, byte_rate: 1KiB/s, byte_burst: 1024GiB}]\n",
	       -ERANGE, "policy.burst.long",
	       "p:3:10: limit 'a': byte_burst lasts longer at this rate than a bucket can count (104 "
	       "days)");
}

static void the_example_compiles(void **state)
{
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_fclose_ FILE *f = fopen("tests/data/policies/example.yaml", "re");
	char text[8192];
	size_t length;

	(void)state;
	assert_non_null(f); /* tests run at the top of the tree */
	length = fread(text, 1, sizeof(text) - 1, f);
	assert_true(feof(f));
	text[length] = '\0';
	image = compiled(text);
	assert_int_equal(image->policy.limit_count, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intervals_are_exact_and_never_too_short),
		cmocka_unit_test(burst_is_the_cost_of_that_many_packets),
		cmocka_unit_test(bytes_are_counted_finer_than_packets),
		cmocka_unit_test(a_rule_on_packets_and_bytes_has_two_limits),
		cmocka_unit_test(settings_become_flags),
		cmocka_unit_test(a_port_meets_the_limits_that_accept_it),
		cmocka_unit_test(what_has_no_ports_meets_no_limit_on_ports),
		cmocka_unit_test(the_longest_destination_knows_all_limits),
		cmocka_unit_test(a_short_ipv6_destination_does_not_mean_ipv4),
		cmocka_unit_test(a_key_lasts_as_long_as_the_meaning),
		cmocka_unit_test(a_key_changes_with_the_meaning),
		cmocka_unit_test(limits_of_equal_meaning_never_share_a_key),
		cmocka_unit_test(limits_may_be_64_not_65),
		cmocka_unit_test(one_limit_too_many_on_a_packet_is_refused),
		cmocka_unit_test(limits_that_never_meet_do_not_count_together),
		cmocka_unit_test(the_limit_on_fragments_counts_for_fragments_only),
		cmocka_unit_test(a_burst_of_years_is_refused),
		cmocka_unit_test(the_example_compiles),
	};

	return cmocka_run_group_tests_name("policy_compile", tests, NULL, NULL);
}
