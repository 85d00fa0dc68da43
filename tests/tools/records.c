/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * records DIR [ENDS [FLOODS]] - write an audit log of thirty days up to ENDS (seconds since 1970; now if not told):
 * floods, 400 or as many records as told, changes by operators, detections, losses, and names that somebody chose who
 * means harm. For tests of what reads logs.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "audit/chain.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

#define DAYS	   30
#define SECONDS	   (DAYS * 86400)
#define LONG_BYTES 10240
#define FLOODS_MAX 10000000

static struct chain *chain;
static uint64_t begins_ns, floods = 400;

static void fail(const char *what, const struct fault *f)
{
	fprintf(stderr, "records: %s: %s\n", what, f->text);
	exit(1);
}

static void append(struct audit_record *record, uint64_t at)
{
	struct fault f = {0};

	record->time_ns = begins_ns + at * NSEC_PER_SEC;
	if (chain_append(chain, record) < 0 &&
	    (chain_commit(chain, &f) < 0 || chain_append(chain, record) < 0))
		fail("append", &f);
}

static void drop(uint64_t at, const char *source, const char *reason, uint64_t packets)
{
	bool blocked = strcmp(reason, "blocked") == 0;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = blocked ? AUDIT_EVENT_LIST_BLOCKED : AUDIT_EVENT_RATELIMIT_DROPPED,
		.resource = {"source", source},
		.details = &details,
	};

	audit_details_u64(&details, "packets", packets);
	audit_details_u64(&details, "bytes", packets * 90);
	audit_details_string(&details, "reason", reason);
	audit_details_string(&details, "verdict", "drop");
	append(&record, at);
}

static void act(uint64_t at, enum audit_event event, const char *user, const char *type,
		const char *id, const char *reason, enum audit_outcome outcome)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = outcome,
		.actor = {.user_id = "1000", .username = user, .role = "admin"},
		.resource = {type, id},
		.details = &details,
	};

	audit_details_string(&details, "reason", reason);
	append(&record, at);
}

static void happen(uint64_t at, enum audit_event event, const char *type, const char *id,
		   const char *cause, uint64_t packets)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.resource = {type, id},
		.details = &details,
	};

	audit_details_string(&details, "cause", cause);
	if (packets)
		audit_details_u64(&details, "packets", packets);
	audit_details_json(&details, "risk", "{\"level\":\"high\",\"score\":76}");
	append(&record, at);
}

static void write_floods(void)
{
	static const char *const reasons[] = {"over_packets", "blocked", "over_connections",
					      "over_bytes"};
	char source[40];

	for (uint64_t i = 0; i < floods; i++) {
		uint64_t at = i * (SECONDS - 86400) / floods;

		snprintf(source, sizeof(source),
			 i % 3 ? "203.0.113.%u" : "2001:db8:%x::", (unsigned int)(i * 7 % 60));
		drop(at, source, reasons[i * i % 4], 1000 + (i * 7919 % 90) * (i % 41) * 30);
	}
}

static void write_story(void)
{
	uint64_t at = SECONDS - 80000;

	happen(at, AUDIT_EVENT_SYSTEM_START, "daemon", "weir", "", 0);
	drop(at + 10, "198.51.100.7", "over_packets", 4200000);
	happen(at + 40, AUDIT_EVENT_STATE_EXHAUSTED, "limit", "per-source", "full", 0);
	act(at + 160, AUDIT_EVENT_LIST_ADD, "anna", "block", "198.51.100.7", "flood, ticket 4711",
	    AUDIT_SUCCESS);
	drop(at + 170, "198.51.100.7", "blocked", 900000);
	act(at + 400, AUDIT_EVENT_POLICY_APPLY, "anna", "policy", "generation 12",
	    "tighter limit for dns", AUDIT_SUCCESS);
	act(at + 420, AUDIT_EVENT_POLICY_REFUSED, "bob", "policy", "/etc/weir/policy.yaml",
	    "safety.lockout: it would cut off 192.0.2.10", AUDIT_DENIED);
	act(at + 500, AUDIT_EVENT_FLAG_SET, "bob", "flag", "strict-dns", "trial", AUDIT_SUCCESS);
	act(at + 600, AUDIT_EVENT_AUTH_DENIED, "mallory", "request", "/v1/policy", "",
	    AUDIT_DENIED);
	act(at + 700, AUDIT_EVENT_AUDIT_REPORTED, "anna", "audit", "report", "", AUDIT_SUCCESS);
	happen(at + 800, AUDIT_EVENT_AUDIT_LOSS, "events", "over the event budget",
	       "over the event budget", 120345);
	happen(at + 900, AUDIT_EVENT_SYSTEM_STOP, "daemon", "weir", "", 0);
	happen(at + 1500, AUDIT_EVENT_SYSTEM_START, "daemon", "weir", "", 0);
	happen(at + 2000, AUDIT_EVENT_WATCHDOG_TRIPPED, "policy", "limits",
	       "limits refuse nearly everything", 0);
}

static void write_hostile(void)
{
	static char huge[LONG_BYTES + 1];
	uint64_t at = SECONDS - 60000;

	memset(huge, 'W', LONG_BYTES);
	act(at, AUDIT_EVENT_LIST_ADD, "<script>alert(1)</script>", "block", "192.0.2.66",
	    "\"><img src=x onerror=alert(2)>", AUDIT_SUCCESS);
	act(at + 1, AUDIT_EVENT_LIST_ADD, "eve'\"&amp;", "block", "192.0.2.67",
	    "\xe2\x80\xae"
	    "desrever\xe2\x80\xac </td></table><h1>gone</h1>",
	    AUDIT_SUCCESS);
	act(at + 2, AUDIT_EVENT_FLAG_SET, huge, "flag", huge, huge, AUDIT_SUCCESS);
	act(at + 3, AUDIT_EVENT_LIST_ADD, "=cmd|' /C calc'!A0", "block", "192.0.2.68",
	    "-1+1\n@SUM(1)\x1b[31m", AUDIT_SUCCESS);
	drop(at + 4, "</svg><script>alert(3)</script>", "</style><script>", 50000);
}

int main(int argc, char **argv)
{
	struct fault f = {0};
	uint64_t ends_s = clock_real_ns() / NSEC_PER_SEC;

	if (argc < 2 || argc > 4 || (argc > 2 && parse_u64(argv[2], 0, UINT32_MAX, &ends_s) < 0) ||
	    (argc > 3 && parse_u64(argv[3], 1, FLOODS_MAX, &floods) < 0)) {
		fputs("usage: records DIR [ENDS [FLOODS]]\n", stderr);
		return 2;
	}
	begins_ns = (ends_s - SECONDS) * NSEC_PER_SEC;
	if (chain_open(argv[1], NULL, &chain, &f) < 0)
		fail("open", &f);
	write_floods();
	write_story();
	write_hostile();
	if (chain_commit(chain, &f) < 0)
		fail("commit", &f);
	chain_close(chain);
	return 0;
}
