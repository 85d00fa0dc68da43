/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records that do not add up to the counters of heartbeats are found, and what has a reason is not. */
#include "test_audit.h"

#include "audit/account.h"
#include "base/clock.h"
#include "engine/heartbeat.h"

/* A record, or, if event is NULL, the commit of those before. */
struct step {
	const char *event, *details;
	int64_t offset_ms; /* of a commit: how far the clock on the wall is from CLOCK_BOOTTIME */
};

#define BEAT_EXTRA(beat, run, epoch, mono, dropped, settled, recorded, unseen, reasons, extra)     \
	{                                                                                          \
		"audit.heartbeat",                                                                 \
			"{\"beat\":" #beat ",\"dropped\":" #dropped ",\"epoch\":" #epoch "," extra \
			"\"monotonic_ns\":\"" #mono "000000000\",\"recorded\":" #recorded          \
			",\"recorded_by_reason\":\"" reasons "\",\"run\":" #run                    \
			",\"settled\":" #settled ",\"unseen\":" #unseen "}",                       \
			0                                                                          \
	}
#define BEAT(...) BEAT_EXTRA(__VA_ARGS__, "")
#define WINDOW(packets)                                                                            \
	{                                                                                          \
		"ratelimit.dropped",                                                               \
			"{\"bytes\":9,\"packets\":" #packets ",\"reason\":\"over_packets\"}", 0    \
	}
#define BLOCKED(packets)                                                                           \
	{                                                                                          \
		"list.blocked", "{\"packets\":" #packets ",\"reason\":\"blocked\"}", 0             \
	}
#define LOSS(cause_text, packets)                                                                  \
	{                                                                                          \
		"audit.loss", "{\"cause\":\"" cause_text "\",\"packets\":" #packets "}", 0         \
	}
#define RECORD(name)                                                                               \
	{                                                                                          \
		name, "{}", 0                                                                      \
	}
#define COMMIT(ms)                                                                                 \
	{                                                                                          \
		NULL, NULL, ms                                                                     \
	}

static enum audit_finding take(struct account *a, const struct step *steps, size_t first,
			       size_t end)
{
	struct audit_problem p = {0};

	for (size_t i = first; i < end && p.finding == AUDIT_FINDING_NONE; i++) {
		const struct step *s = &steps[i];

		if (s->event) {
			struct record_slice type = {s->event, strlen(s->event)};
			struct record_slice details = {s->details, strlen(s->details)};

			account_record(a, i, &type, &details, &p);
		} else {
			uint64_t boot_ns = i * NSEC_PER_SEC;
			uint64_t real_ns = 1700000000ULL * NSEC_PER_SEC + boot_ns;

			real_ns += (uint64_t)(s->offset_ms * (int64_t)NSEC_PER_MSEC);
			account_commit(a, i, real_ns, boot_ns, &p);
		}
	}
	return p.finding;
}

/* The finding, which is the same wherever the log is cut in two. */
static enum audit_finding judge(const struct step *steps, size_t count)
{
	static struct account whole, left, right;
	enum audit_finding found;

	account_init(&whole);
	found = take(&whole, steps, 0, count);
	for (size_t cut = 0; cut <= count; cut++) {
		struct audit_problem p = {0};

		/* Stretches end with commits. */
		if (cut && cut < count && steps[cut - 1].event)
			continue;
		account_init(&left);
		account_init(&right);
		p.finding = take(&left, steps, 0, cut);
		if (!p.finding)
			p.finding = take(&right, steps, cut, count);
		if (!p.finding)
			account_join(&left, &right, &p);
		if (p.finding != found)
			fail_msg("cut at %zu: %s, not %s", cut, audit_finding_to_str(p.finding),
				 audit_finding_to_str(found));
		if (!found)
			assert_int_equal(left.beats, whole.beats);
	}
	return found;
}

#define assert_found(name, ...)                                                                    \
	do {                                                                                       \
		static const struct step steps[] = {__VA_ARGS__};                                  \
		enum audit_finding found = judge(steps, ARRAY_SIZE(steps));                        \
                                                                                                   \
		assert_string_equal(audit_finding_to_str(found), name);                            \
	} while (0)

/* A run that ends in order, one that crashes, and the maps made anew. */
static void what_adds_up_is_in_order(void **state)
{
	(void)state;
	assert_found("none", RECORD("audit.counters_reset"), BEAT(0, 5, 1, 10, 0, 0, 0, 0, ""),
		     RECORD("system.start"), COMMIT(0), WINDOW(70), BLOCKED(30), COMMIT(1),
		     LOSS("over the event budget", 11),
		     BEAT(1, 5, 1, 20, 150, 111, 100, 11, "blocked=30 over_packets=70"), COMMIT(2),
		     WINDOW(39),
		     BEAT(2, 5, 1, 30, 150, 150, 139, 11, "blocked=30 over_packets=109"), COMMIT(2),
		     WINDOW(1), COMMIT(3), LOSS("the daemon did not end in order", 60),
		     BEAT(0, 6, 1, 99, 300, 0, 200, 11, ""), COMMIT(9000), COMMIT(9000),
		     RECORD("audit.counters_reset"), BEAT(0, 7, 2, 120, 3, 0, 0, 0, ""), WINDOW(3),
		     COMMIT(9000), BEAT(1, 7, 2, 130, 3, 3, 3, 0, "over_packets=3"), COMMIT(9001));
}

static void a_packet_more_or_less_is_found(void **state)
{
	(void)state;
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 9, 0, 0, 0, ""), WINDOW(8), COMMIT(0),
		     BEAT(1, 5, 1, 20, 9, 9, 9, 0, "over_packets=9"), COMMIT(0));
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 99, 0, 0, 0, ""), WINDOW(9), COMMIT(0),
		     BLOCKED(1), BEAT(1, 5, 1, 20, 99, 9, 9, 0, "over_packets=9"), COMMIT(0));
	/* The same sum, of other reasons. */
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 99, 0, 0, 0, ""), WINDOW(8), COMMIT(0),
		     BLOCKED(1), BEAT(1, 5, 1, 20, 99, 0, 9, 0, "over_packets=9"), COMMIT(0));
	/* Lost is not recorded. */
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 9, 0, 0, 0, ""), COMMIT(0),
		     LOSS("over the event budget", 9), BEAT(1, 5, 1, 20, 9, 9, 9, 0, ""),
		     COMMIT(0));
	/* Across a restart. */
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 9, 0, 0, 0, ""), WINDOW(8), COMMIT(0),
		     BEAT(0, 6, 1, 20, 9, 0, 9, 0, ""), COMMIT(0));
}

static void drops_that_no_record_tells_of_are_found(void **state)
{
	(void)state;
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 0, 0, 0, 0, ""), WINDOW(8), COMMIT(0),
		     BEAT(1, 5, 1, 20, 9, 9, 8, 0, "over_packets=8"), COMMIT(0));
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 9, 0, 0, 0, ""), WINDOW(8), COMMIT(0),
		     BEAT(1, 5, 1, 20, 9, 8, 8, 0, "over_packets=8"), COMMIT(0));
	assert_found("heartbeat.sums", BEAT(0, 5, 1, 10, 0, 0, 0, 0, ""), WINDOW(9000), COMMIT(0),
		     BEAT(1, 5, 1, 20, 10, 10, 9000, 0, "over_packets=9000"), COMMIT(0));
}

static void a_missing_heartbeat_is_named(void **state)
{
	(void)state;
	assert_found("heartbeat.missing", BEAT(3, 5, 1, 10, 0, 0, 0, 0, ""), COMMIT(0),
		     BEAT(5, 5, 1, 30, 0, 0, 0, 0, ""), COMMIT(0));
	assert_found("heartbeat.missing", BEAT(3, 5, 1, 10, 0, 0, 0, 0, ""), COMMIT(0),
		     BEAT(4, 5, 1, 41, 0, 0, 0, 0, ""), COMMIT(0));
	assert_found("none", BEAT(3, 5, 1, 10, 0, 0, 0, 0, ""), COMMIT(0),
		     BEAT_EXTRA(4, 5, 1, 99, 0, 0, 0, 0, "", "\"late_ms\":79000,"), COMMIT(0));
	assert_found("none", BEAT(3, 5, 1, 10, 0, 0, 0, 0, ""), RECORD("audit.storage_error"),
		     COMMIT(0), BEAT(9, 5, 1, 99, 0, 0, 0, 0, ""), COMMIT(0));
}

static void counters_that_go_back_take_a_record(void **state)
{
	(void)state;
	assert_found("heartbeat.counters", BEAT(3, 5, 1, 10, 9, 0, 9, 0, ""), COMMIT(0),
		     BEAT(0, 6, 1, 20, 0, 0, 0, 0, ""), COMMIT(0));
	assert_found("heartbeat.counters", BEAT(3, 5, 1, 10, 9, 0, 9, 0, ""), COMMIT(0),
		     BEAT(0, 6, 2, 20, 9, 0, 9, 0, ""), COMMIT(0));
	assert_found("none", BEAT(3, 5, 1, 10, 9, 0, 9, 0, ""), RECORD("system.restore"), COMMIT(0),
		     BEAT(0, 6, 1, 20, 90, 0, 90, 0, ""), COMMIT(0));
}

static void a_clock_that_was_set_takes_a_record(void **state)
{
	(void)state;
	assert_found("clock.step", WINDOW(1), COMMIT(0), COMMIT(-3600000), COMMIT(-3600000));
	assert_found("clock.step", COMMIT(0), COMMIT(501), COMMIT(501));
	assert_found("none", COMMIT(0), COMMIT(400), COMMIT(800), COMMIT(1200));
	assert_found("none", COMMIT(0), RECORD("system.clock_step"), COMMIT(-3600000),
		     COMMIT(-3600000));
	assert_found("none", COMMIT(0), COMMIT(-3600000), RECORD("system.clock_step"),
		     COMMIT(-3600000), COMMIT(-3600000));
	assert_found("none", COMMIT(0), RECORD("system.start"), COMMIT(99999), COMMIT(99999));
	/* Set and set back: that is two records. */
	assert_found("clock.step", COMMIT(0), RECORD("system.clock_step"), COMMIT(60000),
		     COMMIT(60000), COMMIT(0), COMMIT(0));
}

static void verification_names_what_does_not_add_up(void **state)
{
	const struct log *l = *state;
	struct chain *c = log_open(l, 0);

	for (unsigned int beat = 0; beat < 2; beat++) {
		struct audit_details d = {0};
		const struct audit_record r = {.event = AUDIT_EVENT_AUDIT_HEARTBEAT, .details = &d};

		audit_details_u64(&d, "beat", beat);
		audit_details_u64(&d, "dropped", 3);
		audit_details_u64(&d, "recorded", 3 * beat);
		audit_details_u64(&d, "settled", 3 * beat);
		audit_details_string(&d, "recorded_by_reason", "");
		assert_int_equal(chain_append(c, &r), 0);
		add(c, 3); /* of 0, 1 and 2 packets, without a reason */
		commit(c);
	}
	chain_close(c);
	assert_in_order(l, 8);
	assert_int_equal(verdict(l).heartbeats, 2);
	c = log_open(l, 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct audit_details d = {0};
		const struct audit_record r = {.event = AUDIT_EVENT_AUDIT_HEARTBEAT, .details = &d};

		audit_details_u64(&d, "beat", 2);
		audit_details_u64(&d, "dropped", 9);
		audit_details_u64(&d, "settled", 3);
		audit_details_u64(&d, "recorded", 6 + i); /* the second says one too many */
		assert_int_equal(chain_append(c, &r), 0);
	}
	commit(c);
	chain_close(c);
	assert_finding(l, AUDIT_FINDING_HEARTBEAT_SUMS, 9);
	assert_int_equal(verdict(l).records, 10);
}

static void a_set_clock_becomes_a_record(void **state)
{
	const struct log *l = *state;
	struct chain *c = log_open(l, 0);
	struct heartbeat h = {.clock_offset_ns = 1700000000LL * (int64_t)NSEC_PER_SEC};
	uint64_t boot_ns = 5 * NSEC_PER_SEC, real_ns = (uint64_t)h.clock_offset_ns + boot_ns;

	assert_false(heartbeat_clock_step(&h, c, real_ns + NSEC_PER_MSEC, boot_ns));
	assert_true(heartbeat_clock_step(&h, c, real_ns - 3600 * NSEC_PER_SEC, boot_ns));
	assert_false(heartbeat_clock_step(&h, c, real_ns - 3600 * NSEC_PER_SEC, boot_ns));
	commit(c);
	chain_close(c);
	assert_in_order(l, 1);
	assert_last(l, 1, "system.clock_step",
		    "{\"after\":\"2023-11-14T21:13:25.000000000Z\",\"before\":"
		    "\"2023-11-14T22:13:25.001000000Z\",\"delta\":\"-3600.001s\"}");
}

/* Wherever it stands, behind whatever looks like it. */
static void a_member_is_found_wherever_it_stands(void **state)
{
	(void)state;
	for (int before = 0; before < 80; before++) {
		for (int after = 0; after < 40; after++) {
			char text[200];
			struct record_slice details = {text, 0};

			details.length = (size_t)snprintf(
				text, sizeof(text),
				"{\"p\":1,\"packet\":2,\"packet.\":\"%.*s\",\"packets\":%d,\"q\":\"%.*s\"}",
				before,
				"........................................"
				"........................................",
				before * 100 + after, after,
				"........................................");
			assert_int_equal(account_u64(&details, "packets"), before * 100 + after);
			assert_int_equal(account_u64(&details, "packet"), 2);
			assert_int_equal(account_string(&details, "q").length, after);
		}
	}
}

int main(void)
{
#define TEST(words, name)                                                                          \
	{                                                                                          \
		words, name, log_set_up, log_tear_down, NULL                                       \
	}
	static const struct CMUnitTest tests[] = {
		TEST("what adds up is in order: runs, a crash, new maps", what_adds_up_is_in_order),
		TEST("a packet more or less is found", a_packet_more_or_less_is_found),
		TEST("drops that no record tells of are found",
		     drops_that_no_record_tells_of_are_found),
		TEST("a missing heartbeat is named", a_missing_heartbeat_is_named),
		TEST("counters that go back take a record", counters_that_go_back_take_a_record),
		TEST("a clock that was set takes a record", a_clock_that_was_set_takes_a_record),
		TEST("verification names what does not add up",
		     verification_names_what_does_not_add_up),
		TEST("a member is found wherever it stands", a_member_is_found_wherever_it_stands),
		TEST("a set clock becomes a record", a_set_clock_becomes_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
