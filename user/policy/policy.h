/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A policy on its way from text to the datapath: policy_parse() turns strict YAML into the checked
 * model below, policy_compile() turns the model into an image of map entries. Neither knows of a
 * kernel or of anything but its input, so both give the same answer offline as in the daemon.
 * Whatever is wrong is one struct fault: a stable code, and words that begin with the place as
 * name:line:column.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/cell.h>
#include <weir/list.h>
#include <weir/policy.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "identity/grant.h"
#include "policy/flags.h"
#include "policy/report.h"
#include "policy/units.h"

#define POLICY_TCP 6 /* protocol numbers */
#define POLICY_UDP 17

#define POLICY_TEXT_MAX	      (8U << 20) /* bytes */
#define POLICY_STRING_MAX     128	 /* bytes of a name in metadata, or of a reason */
#define POLICY_NAME_MAX	      32	 /* bytes of a service's, limit's or tenant's name */
#define POLICY_ENTRIES_MAX    65536	 /* list entries in the text itself */
#define POLICY_FEEDS_MAX      64	 /* of both lists */
#define POLICY_FILE_MAX	      1023	 /* bytes of a path */
#define POLICY_COLUMN_MAX     64	 /* of a table */
#define POLICY_SERVICES_MAX   64
#define POLICY_PORTS_MAX      128		/* ports and ranges of a service */
#define POLICY_PREFIXES_MAX   256		/* of one service, tenant or rollout */
#define POLICY_PREFIXES_TOTAL WEIR_PREFIXES_MAX /* destinations of all; sources of all */
#define POLICY_TENANTS_MAX    (WEIR_TENANTS_MAX - 1)
#define POLICY_TIERS_MAX      32 /* of the text */
#define POLICY_ACCESS_MAX     64 /* rules */
#define POLICY_USER_MAX	      32 /* bytes of a user's name */
#define POLICY_RANGES_MAX     16 /* hours of a schedule */
#define POLICY_PROFILES_MAX   16
#define POLICY_INCLUDES_MAX   256 /* files that one policy is made of */
#define POLICY_INCLUDE_DEPTH  8
#define POLICY_FIXED_SETS_MAX                                                                      \
	(WEIR_CELL_COARSE / 2 - 1)    /* cells that scopes without an address take */
#define POLICY_SYN_RATE_DEFAULT 10000 /* per second */
#define POLICY_MSS_DEFAULT	1460
#define POLICY_MSS_MIN		536
#define POLICY_MSS_MAX		8960
#define POLICY_WINDOW_MIN_NS	(NSEC_PER_MSEC)
#define POLICY_WINDOW_MAX_NS	(31 * 86400 * NSEC_PER_SEC)
#define POLICY_STEP_MIN		64ULL /* bytes per unit of cost */
#define POLICY_STEP_MAX		65536ULL
#define POLICY_FACTOR_MAX	10000 /* per mille, of adaptive limits */
#define POLICY_POSTED_MAX	1000000000000ULL
#define POLICY_REJECT_MAX	1000000
#define POLICY_HOLD_MAX_NS	(3600 * NSEC_PER_SEC) /* of the watchdog */
#define POLICY_ANCHOR_MIN_NS	(10 * NSEC_PER_SEC)
#define POLICY_ANCHOR_MAX_NS	(7 * 86400 * NSEC_PER_SEC)
#define POLICY_JUMBO_BYTES	9216 /* a frame of this length must be able to pass */
#define POLICY_SHA256_HEX_SIZE	65
#define POLICY_FRAGMENTS	"fragments" /* name of the built-in limit on later fragments */

enum policy_action { /* of what is no well-formed packet of a known kind */
		     POLICY_PASS,
		     POLICY_DROP,
		     POLICY_LIMIT, /* fragments only */
};

/* Whose packets share one budget; in the order in which limits are tried. */
enum policy_scope {
	POLICY_SCOPE_SOURCE, /* a cell per IPv4 address or IPv6 /64, or as `prefix` says */
	POLICY_SCOPE_SOURCE_PER_SERVICE, /* likewise, for each service separately */
	POLICY_SCOPE_SOURCE_PREFIX,	 /* per prefix of the source */
	POLICY_SCOPE_DESTINATION,	 /* per destination address */
	POLICY_SCOPE_SERVICE,		 /* one for all packets to the service */
	POLICY_SCOPE_TENANT,		 /* one per tenant; none for packets without a tenant */
	POLICY_SCOPE_INTERFACE,		 /* one for all packets that arrive at an interface */
	POLICY_SCOPE_GLOBAL,		 /* one for all packets */
	POLICY_SCOPE_MAX,
};

enum policy_algorithm {
	POLICY_TOKEN_BUCKET,
	POLICY_LEAKY_BUCKET, /* no burst: a packet has to find the bucket empty */
	POLICY_FIXED_WINDOW,
	POLICY_SLIDING_WINDOW,
	POLICY_ALGORITHM_MAX,
	POLICY_QUOTA = POLICY_ALGORITHM_MAX, /* of a tenant: limits cannot name it */
};

struct policy_entry {
	struct prefix prefix;
	uint64_t ttl_ns; /* from the moment of loading; 0 = for ever */
	char *reason;	 /* NULL = none given */
	unsigned int line;
	struct place place;
};

/* How to read a feed's file: what each means stands in lists/feed.h. */
enum policy_feed_format {
	POLICY_FEED_AUTO,
	POLICY_FEED_PLAIN,
	POLICY_FEED_NETSET,
	POLICY_FEED_DROP,
	POLICY_FEED_CSV,
	POLICY_FEED_FORMAT_MAX,
};

const char *policy_feed_format_str(enum policy_feed_format format);

/* A file that somebody else writes, all of whose entries are on the list. */
struct policy_feed {
	char name[POLICY_NAME_MAX + 1]; /* one of its own in both lists */
	unsigned int line;
	char *file; /* absolute */
	enum policy_feed_format format;
	unsigned int column; /* csv: counted from 1; 0 = by name, or not given */
	char column_name[POLICY_NAME_MAX + 1];
	uint64_t ttl_ns; /* from when the file was written; 0 = as long as it is there */
	char *reason;	 /* NULL = none given */
};

struct policy_list {
	struct policy_entry *entries; /* in the order of the text; equal prefixes may repeat */
	size_t count;
	struct policy_feed *feeds; /* in the order of the text */
	size_t feed_count;
};

struct policy_port_range {
	uint16_t first;
	uint16_t last; /* inclusive */
};

enum policy_cookie_mode {
	POLICY_COOKIES_OFF,
	POLICY_COOKIES_AUTO, /* while more than so many SYN per second arrive */
	POLICY_COOKIES_ALWAYS,
};

/* What a limit applies to. A packet matches if it meets every condition that is given. */
struct policy_service {
	char name[POLICY_NAME_MAX + 1];
	unsigned int line;
	struct place place;  /* of its name */
	struct prefix *dsts; /* sorted, no duplicates; none = any */
	size_t dst_count;
	struct policy_port_range *ports; /* sorted, neither overlapping nor adjacent; none = any */
	size_t port_count;
	bool any_protocol;
	bool protocols[WEIR_PROTOCOLS]; /* meaningful unless any_protocol */
	enum policy_cookie_mode syn_cookies;
	struct policy_rate syn_rate; /* of auto: SYN that arrive */
	uint32_t syn_mss;
};

/* UTC, as bills have them. */
enum policy_period {
	POLICY_DAY,
	POLICY_MONTH,
	POLICY_PERIOD_MAX,
};

/* How much passes in a period; 0 = no quota of that. Packets, bytes, new connections: enum weir_unit. */
struct policy_quota {
	uint64_t amounts[WEIR_UNIT_OPEN][POLICY_PERIOD_MAX];
};

/* How fast, of all packets of a tenant. 0 = not limited, or not given. */
struct policy_rates {
	struct policy_rate rate, connections;
	uint64_t burst, byte_rate, byte_burst, connection_burst;
};

#define POLICY_CURRENCY_MAX 8
#define POLICY_MICRO	    1000000 /* of a unit of the currency */
#define POLICY_MONEY_MAX    (1000000000ULL * POLICY_MICRO)

/* What a tenant costs, in millionths of a unit of the currency. */
struct policy_price {
	char currency[POLICY_CURRENCY_MAX + 1]; /* "" = there is no price */
	uint64_t month, million_packets, gigabyte, million_connections;
};

/* A tenant belongs to at most one. */
struct policy_tier {
	char name[POLICY_NAME_MAX + 1];
	struct place place;
	unsigned int line; /* 0 = built in */
	struct policy_rates rates;
	struct policy_quota quota;
	struct policy_price price;
};

/* A named set of addresses. Its number is its place in the policy, from 1. */
struct policy_tenant {
	char name[POLICY_NAME_MAX + 1];
	unsigned int line;
	struct place place;	    /* of its name */
	struct prefix *dsts, *srcs; /* sorted, no duplicates; at least one in all */
	size_t dst_count, src_count;
	unsigned int tier;	   /* place in the policy's tiers, from 1; 0 = none */
	struct policy_rates own;   /* which go before the tier's, rate by rate */
	struct policy_quota quota; /* of its own, which goes before the tier's */
};

/* When a limit is in force, by the clock on the wall in @zone. A range that ends before it begins
 * ends on the next day and belongs to the day it begins on. An hour that the change to summer time
 * skips never comes; one that is repeated in autumn counts both times. */
struct policy_schedule {
	uint8_t days; /* bit 0 = Monday */
	struct {
		uint16_t from, to; /* minutes of the day, 0..1440; to is not part of it */
	} hours[POLICY_RANGES_MAX];
	size_t hours_count; /* at least one */
	struct zone *zone;
};

/* What is left to somebody of a role: a rule of access. */
struct policy_access {
	char name[POLICY_NAME_MAX + 1];
	char user[POLICY_USER_MAX + 1]; /* a name or a number; "" = whoever has the role */
	int role;			/* whose part it narrows; -1 = all that the user has */
	uint64_t permissions; /* that are given, a bit each; 0 = none is: all of the role */
	struct grant grant;   /* what is left */
	struct policy_schedule *schedule; /* and when; NULL = always */
	uint32_t line;
};

/* What an adaptive limit holds below its target. */
enum policy_target {
	POLICY_TARGET_SOFTIRQ,	 /* per mille of the busiest CPU's time */
	POLICY_TARGET_NIC_DROPS, /* packets per second that the NIC lost */
	POLICY_TARGET_POSTED,	 /* the number that the operator posted last */
	POLICY_TARGET_MAX,
};

/*
 * Additive increase, multiplicative decrease of the limit's rate: each @interval_ns the factor
 * grows by @increase while what is measured is at most @threshold; otherwise it loses the share
 * @decrease of itself. It stays within @min and @max. All four in per mille.
 */
struct policy_adaptive {
	enum policy_target target;
	uint64_t threshold;
	uint16_t min, max, increase, decrease;
	uint64_t interval_ns;
};

/* Which packets a limit is tried out on: those that meet every condition that is given. */
struct policy_rollout {
	uint8_t percent;	/* of the sources, by hash; 100 = all, 0 = none: not in force */
	struct prefix *sources; /* sorted, no duplicates; none = any */
	size_t source_count;
	uint16_t *tenants; /* numbers, ascending; none = any, and packets without one */
	size_t tenant_count;
};

struct policy_limit {
	char name[POLICY_NAME_MAX + 1];
	unsigned int line; /* 0 = built in */
	unsigned int column;
	struct place place;
	enum policy_scope scope;
	const struct policy_service *service; /* one of the policy's; NULL = every packet */
	uint8_t prefix4, prefix6;	      /* of a source: 1..32; 1..64 or 128 */

	/* One limit of the datapath for each of these that is given, at least one. */
	bool has_packets, has_bytes, has_connections, has_open;
	enum policy_algorithm algorithm; /* of all but has_open */
	enum policy_period period;	 /* of POLICY_QUOTA, whose amount is the burst */
	struct policy_rate rate;	 /* packets */
	uint64_t burst;			 /* units; of a window, how many it takes; leaky: 0 */
	uint64_t byte_rate;		 /* bytes per second */
	uint64_t byte_burst;		 /* bytes, likewise */
	struct policy_rate connections;	 /* TCP SYN */
	uint64_t connection_burst;	 /* likewise */
	uint64_t open_connections;
	uint64_t window_ns; /* of windows; 0 = the period of the rate, of bytes 1 s */

	uint8_t costs[WEIR_CLASS_MAX]; /* units per packet, by enum weir_class */
	uint32_t bytes_per_unit;       /* one unit more per so many bytes; 0 = size costs nothing */
	struct policy_rollout rollout;
	const struct policy_flag *flag;	  /* one of the policy's; NULL = none */
	bool flag_inverted;		  /* applies where the flag does not */
	struct policy_schedule *schedule; /* NULL = always */
	bool is_adaptive;
	struct policy_adaptive adaptive;
	bool shadow;
	enum weir_action action;
	uint8_t dscp;	       /* of WEIR_ACTION_MARK */
	uint32_t reject_share; /* answer one of so many; 0 = none */
	enum weir_on_full on_full;
};

/* When enforcement is taken back, and which changes of lists somebody has to insist on. Shares in per
 * mille. */
struct policy_safety {
	bool has_watchdog; /* weir/watchdog.h has what the four mean */
	uint16_t drop_ratio;
	uint64_t hold_ns, recover_ns;
	uint64_t minimum; /* packets per second */

	uint16_t max_blocked;	      /* of the sources seen lately, by one change of lists */
	uint8_t shortest4, shortest6; /* prefixes to be blocked that are shorter */
};

/* What becomes of changes while the audit log cannot be written. */
enum policy_on_full {
	POLICY_REFUSE,
	POLICY_ALLOW,
	POLICY_ON_FULL_MAX,
};

/* What is kept of events. */
enum policy_evidence {
	POLICY_SUMMARY, /* windows */
	POLICY_FULL,	/* also each event */
	POLICY_EVIDENCE_MAX,
};

/* What the audit log keeps of values about people, by the category of the record. */
enum policy_personal {
	POLICY_SEALED,
	POLICY_TRUNCATED,
	POLICY_CLEAR,
	POLICY_PERSONAL_MAX,
};

/* How long something is kept. */
struct policy_keep {
	unsigned int line; /* 0 = the policy does not say */
	bool none;	   /* not at all: archives only */
	uint64_t s;	   /* 0 = for ever */
};

struct policy_audit {
	struct {
		uint64_t every_ns; /* 0 = never */
		char exec[POLICY_NAME_MAX + 1];
	} anchor;
	enum policy_evidence evidence;
	struct place evidence_place;
	enum policy_on_full on_full;
	struct {
		enum policy_personal traffic, security, lists, policy, access, system, audit,
			privacy;
	} personal;
	struct {
		struct policy_keep traffic, security, lists, policy, access, system; /* records */
		struct policy_keep archive;
		struct policy_keep usage; /* by day, of tenants */
	} retention;
};

#define POLICY_TOP_SOURCES_MAX 50

/* What is measured besides, as it costs something or tells something of people. */
struct policy_metrics {
	uint32_t timing;     /* one packet of so many is timed; 0 = none */
	uint8_t top_sources; /* networks that send most; 0 = none */
	bool kernel_drops;   /* what the kernel drops is counted */
};

#define POLICY_OTLP_MIN_NS (NSEC_PER_SEC)
#define POLICY_OTLP_MAX_NS (3600 * NSEC_PER_SEC)

enum policy_spans { POLICY_SPANS_REQUESTS, POLICY_SPANS_APPLIES, POLICY_SPANS_MAX };

/* Where spans and metrics are sent to. */
struct policy_otlp {
	char *endpoint;	      /* "http://127.0.0.1:4318"; NULL = nowhere */
	char *headers_file;   /* NULL = none */
	uint32_t spans;	      /* a bit per enum policy_spans */
	uint32_t connections; /* one connection of so many is a span; 0 = none */
	uint64_t metrics_ns;  /* how often; 0 = never */
};

#define POLICY_EXPORTS_MAX	 8
#define POLICY_EXPORT_TARGET_MAX 127 /* bytes */

/* A target that audit records are sent on to. */
struct policy_export {
	char name[POLICY_NAME_MAX + 1];
	unsigned int line;
	unsigned int format;  /* a row of audit/format.def */
	char *to;	      /* "tcp://192.0.2.1:601" */
	char *headers_file;   /* of HTTP(S); NULL = none */
	uint32_t categories;  /* a bit per enum audit_category; 0 = all */
	uint8_t min_severity; /* 0 = all */
};

#define POLICY_ASSETS_MAX    64
#define POLICY_ASSET_MIN     50 /* as risk/score.h has them */
#define POLICY_ASSET_NEUTRAL 100
#define POLICY_ASSET_MAX     150

/* What matters more, or less, than the rest: what meets all that is given. */
struct policy_asset {
	struct place place;
	const struct policy_service *service; /* one of the policy's; NULL = any */
	struct prefix *dsts;		      /* sorted, no duplicates; none = any */
	size_t dst_count;
	uint16_t tenant; /* its number; 0 = any */
	uint8_t weight;
};

struct policy {
	char *name; /* what the text was called: a path, or "request" */
	char *text; /* as it was given, or one text of all files; followed by a NUL */
	size_t length;
	char sha256[POLICY_SHA256_HEX_SIZE]; /* of the text */
	char *profile;			     /* that was laid over the rest; NULL = none */
	struct policy_file **files; /* what it was read from; the first is the policy's own */
	size_t file_count;
	bool includes; /* the first of them says so, even if there is nothing to include */
	struct {
		char *name, *owner, *change; /* NULL = not given */
	} metadata;
	enum weir_mode mode;
	struct policy_list allow, block;
	struct policy_service *services;
	size_t service_count;
	struct policy_tier *tiers; /* those of the text, then built-in ones that tenants name */
	size_t tier_count;
	struct policy_tenant *tenants; /* sorted by name */
	size_t tenant_count;
	struct policy_flag *flags;
	size_t flag_count;
	struct policy_limit *limits; /* those of the text, then what tiers and quotas come to */
	size_t limit_count;
	uint32_t sources; /* that limits remember at the same time */
	enum policy_action malformed, other, fragments;
	struct policy_limit fragment_limit; /* meaningful if fragments == POLICY_LIMIT */
	struct policy_safety safety;
	struct policy_audit audit;
	struct policy_metrics metrics;
	struct policy_otlp otlp;
	struct policy_export *exports; /* in the order of the text */
	size_t export_count;
	struct policy_asset *assets; /* likewise */
	size_t asset_count;
	struct policy_access *access; /* likewise */
	size_t access_count;
};

/**
 * Check @length bytes of @text and build the model. @name stands in front of what is wrong. The
 * text is copied. -EINVAL: refused; -E2BIG: more of something than its maximum; -ENOMEM.
 */
int policy_parse(const char *name, const char *text, size_t length, struct policy **ret,
		 struct fault *reterr);

/**
 * Read and parse a regular file. -EPERM: group or others may write to it, and who writes a policy
 * decides who can reach the host. Other errors are those of open(2), read(2) and policy_parse().
 */
int policy_load(const char *path, struct policy **ret, struct fault *reterr);
void policy_free(struct policy *policy);
DEFINE_CLEANUP(struct policy *, policy_free)

struct policy_options {
	const char *profile;	      /* to lay over the policy; NULL = none */
	struct policy_report *report; /* NULL = end at the first thing that is wrong */
};

/*
 * The same with @options. Errors and, if there are none, warnings go to the report, the first error also
 * to @reterr. The report may name things in files of a policy that was refused: it copies what it needs.
 */
int policy_parse_with(const char *name, const char *text, size_t length,
		      const struct policy_options *options, struct policy **ret,
		      struct fault *reterr);
int policy_load_with(const char *path, const struct policy_options *options, struct policy **ret,
		     struct fault *reterr);
/**
 * Everything that is to be known of a policy without a kernel: load it, lay each of its profiles
 * over it and compile each time; errors and warnings go to @options->report, which must be given. Fails
 * if there is an error.
 */
int policy_check(const char *path, const struct policy_options *options, uint64_t tick_ns,
		 struct policy **ret, struct fault *reterr);
/**
 * The file at @path and all that it includes, read and not checked: only name, files, text, length and
 * sha256 of *@ret mean anything. Fails where the files do not make one text.
 */
int policy_files(const char *path, struct policy **ret, struct fault *reterr);
/**
 * What the file @index of the policy is called below the directory of the first one; NULL: it is somewhere
 * else. Borrowed.
 */
const char *policy_file_below(const struct policy *p, size_t index);
/** The SHA-256 of a text, as a policy has that of its own. -ENOMEM. */
int policy_text_hash(const char *text, size_t length, char ret[static POLICY_SHA256_HEX_SIZE]);
/**
 * A text that policy_parse() accepts as @profile (NULL = none) makes it: laid over, the profiles themselves left
 * out, written as policy_fmt() does. It is the caller's to free. Fault: policy.profile.unknown.
 */
int policy_effective(const char *text, size_t length, const char *profile, char **ret,
		     size_t *ret_length, struct fault *reterr);

/** "source_per_service", "sliding_window", "nic_drops". NULL for a number that has no word. */
const char *policy_scope_str(enum policy_scope scope);
const char *policy_algorithm_str(enum policy_algorithm algorithm);
const char *policy_target_str(enum policy_target target);

/** "day". NULL for a number that has no word. */
const char *policy_period_str(enum policy_period period);
/* What passed in a day. */
struct policy_passed {
	uint64_t packets, bytes, connections;
};

/**
 * What @passed costs by @price on @day (since 1970, UTC), in millionths, at most INT64_MAX. Each of the four products is
 * rounded to the nearest millionth, a half up, but for the month's, whose days add up to it exactly.
 */
int64_t policy_cost(const struct policy_price *price, const struct policy_passed *passed,
		    int64_t day);

/** How much of @unit @tenant may use in @period, its own or its tier's; 0 = as much as it likes. */
uint64_t policy_quota_of(const struct policy *policy, const struct policy_tenant *tenant,
			 enum weir_unit unit, enum policy_period period);

/** The schedule has the limit in force at @unix_time (seconds). */
bool policy_schedule_active(const struct policy_schedule *s, int64_t unix_time);
/** When that changes next, after @unix_time; INT64_MAX if not within a month. */
int64_t policy_schedule_change(const struct policy_schedule *s, int64_t unix_time);

/* Somebody who asks, as rules of access see them. */
struct policy_access_who {
	uint32_t roles; /* a set */
	uid_t uid;
	const char *username;
};

/** The rule narrows what @who may as @role. */
bool policy_access_is_about(const struct policy_access *a, const struct policy_access_who *who,
			    enum identity_role role);
/**
 * What @who may at @unix_time (seconds) by their roles and all rules about them: a yes takes a role that has the permission and
 * of whose rules none refuses. *@ret_rule: the one that refuses, borrowed; NULL: none does, or no role has the permission. The
 * question's hour is of no matter.
 */
enum grant_answer policy_access_ask(const struct policy *p, const struct policy_access_who *who,
				    const struct grant_question *question, int64_t unix_time,
				    const struct policy_access **ret_rule);

/** The factor after @factor (per mille), now that @measured is what the target is. */
unsigned int policy_adaptive_step(const struct policy_adaptive *a, unsigned int factor,
				  uint64_t measured);

/** Which rule a limit of the datapath came from, by its name there. NULL: of another policy. */
const struct policy_limit *policy_rule_of(const struct policy *policy,
					  const char name[static WEIR_NAME_BYTES]);

/**
 * How much matters what a limit of the datapath is about: the weight of the first asset that all of it belongs to,
 * POLICY_ASSET_NEUTRAL if there is none or it is of another policy.
 */
unsigned int policy_asset_weight(const struct policy *policy,
				 const char name[static WEIR_NAME_BYTES]);

/** @other lies within @p; IPv4 does not lie within an IPv6 prefix as short as ::/0, which is not meant. */
bool policy_prefix_means(const struct prefix *p, const struct prefix *other);

/* A row of the table of destination or of source prefixes: it holds for what no longer row
 * covers. */
struct policy_prefix {
	struct prefix prefix;
	struct weir_prefix_value value;
	uint64_t targeted; /* of sources: limits whose flag names it */
};

/* What a bit of the masks stands for. A rule that counts several units has as many limits of one
 * name; one per service has limits "rule/service". */
struct policy_image_limit {
	char name[POLICY_NAME_MAX + 1];
	enum weir_unit unit;
	unsigned int line; /* in the policy's text; 0 = built in */
	int rule; /* index into policy.limits; below 0: on fragments, or a service's cookies */
	/* Cells that belong to it alone, beginning at the fixed_set that the datapath gives it:
	 * one, or of tenant n the nth. 0 = its cells are found by hash, or it has none
	 * (WEIR_UNIT_OPEN). */
	uint32_t fixed_sets;
	bool off;      /* rolled out to nobody */
	bool flag_off; /* its flag is off, or on for nobody */
	/* The policy's own, NULL = none: not to be used when it is freed. */
	const struct policy_schedule *schedule;
	const struct policy_adaptive *adaptive;
};

/* One copy of the datapath's tables, more than 1 MiB of it: keep it on the heap. */
struct policy_image {
	struct weir_policy
		policy; /* generation, slots and fixed sets are the datapath's to fill in;
				    * active says what holds whatever the schedules say */
	struct weir_port_limits ports[WEIR_PORTS];
	struct policy_prefix *destinations; /* sorted; WEIR_PREFIXES_MAX and one more at most, */
	size_t destination_count;	    /* to tell IPv4 from ::/0 */
	struct policy_prefix *sources;	    /* likewise, and up to WEIR_TARGETS_MAX of flags */
	size_t source_count;
	struct policy_image_limit limits[WEIR_LIMITS_MAX]; /* policy.limit_count of them */
	uint64_t tenants[WEIR_TENANTS_MAX]; /* by number: hash of the name; 0 = has no quota */
	uint64_t names[WEIR_TENANTS_MAX];   /* the same of all of them; 0 = there is none */
	uint32_t cell_sets; /* found by hash: a power of two, at least policy->sources */
};

/**
 * Compile for a coarse clock that may lag @tick_ns behind. Time is rounded so that never more than
 * a rate is admitted. Flags are set as the policy says. -E2BIG: more limits, in all or for one kind of packet, than the datapath
 * takes; -ERANGE: a burst or window that a word cannot count; -EINVAL; -ENOMEM.
 */
int policy_compile(const struct policy *policy, uint64_t tick_ns, struct policy_image **ret,
		   struct fault *reterr);
void policy_image_free(struct policy_image *image);
DEFINE_CLEANUP(struct policy_image *, policy_image_free)

/** What tells tenants apart where names take too much room. 0: out of memory. */
uint64_t policy_tenant_hash(const char *name);

/**
 * The limits that schedules have in force at @unix_time, for struct weir_policy.active; flags switch off some of them. @limits are the image's (a copy
 * will do). *@ret_change: when the answer changes next, or INT64_MAX; asking again a month later is
 * soon enough then.
 */
uint64_t policy_active(const struct policy_image_limit *limits, size_t count, int64_t unix_time,
		       int64_t *ret_change);

/**
 * Which word of a compiled limit an adaptive one changes, and what it is at @factor per mille:
 * `interval` of a bucket, of which the burst scales along with the rate; `burst` of windows and of
 * open connections. @limit is as policy_compile() left it. Rounded so that never more than the
 * scaled rate is admitted. -ERANGE: @factor is 0 or the word overflows.
 */
int policy_scale(const struct weir_limit *limit, unsigned int factor, uint64_t *ret_word);

#endif
