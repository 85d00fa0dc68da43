/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a tree to the model; for this module only. schema.c has the table, values.c, values_match.c,
 * values_limit.c, lists.c and schedule.c the readers. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "policy/policy.h"
#include "policy/tree.h"

#define SCHEMA_API_VERSION     "weir/v1"
#define SCHEMA_SUGGESTION_SIZE 360

enum object {
	OBJECT_NONE,
	OBJECT_POLICY,
	OBJECT_METADATA,
	OBJECT_LISTS,
	OBJECT_LIST,
	OBJECT_ENTRY,
	OBJECT_FEED,
	OBJECT_SERVICE,
	OBJECT_TENANT,
	OBJECT_FLAG,
	OBJECT_STATE,
	OBJECT_LIMIT,
	OBJECT_PREFIX,
	OBJECT_COST,
	OBJECT_ROLLOUT,
	OBJECT_SCHEDULE,
	OBJECT_ADAPTIVE,
	OBJECT_TARGET,
	OBJECT_ACTION,
	OBJECT_PACKETS,
	OBJECT_FRAGMENTS,
	OBJECT_SAFETY,
	OBJECT_WATCHDOG,
	OBJECT_SHORTEST,
	OBJECT_MAX,
};

struct reader {
	const char *name; /* of the text */
	struct policy *policy;
	struct fault *reterr;
	const struct field *field; /* whose value a reader is called for; inner objects change it */
	size_t dst_total, src_total; /* prefixes so far, of everything that names some */
};

struct type {
	unsigned int kinds; /* enum node_kind; others never reach the reader */
	int (*read)(struct reader *r, const struct node *n, void *into);
	const char *wanted; /* in words */
	enum object inner;
};

struct field {
	enum object object;
	const char *key;
	const struct type *type;
	size_t offset; /* of what the reader fills, in the object */
	bool required;
};

#define refuse_as(r, n, err, code, ...)                                                            \
	fault_at((r)->reterr, (r)->name, (n)->line, (n)->column, err, code, __VA_ARGS__)
#define refuse(r, n, code, ...) refuse_as(r, n, -EINVAL, code, __VA_ARGS__)
#define refuse_number(r, n, max, what)                                                             \
	refuse_as(r, n, -E2BIG, "policy.count", "more than %u %s", (unsigned int)(max), what)

/** Fill @policy, which is zeroed but for its text, from @tree. On failure it may be half filled. */
int schema_read(const struct tree *tree, struct policy *policy, struct fault *reterr);

/** Read the mapping @n as an @object into the struct at @into. */
int schema_object(struct reader *r, enum object object, const struct node *n, void *into);

/* Write "; did you mean 'x'?" if one of the known words is near @word, else "; known: x, y". */
void schema_suggest(const char *word, const char *const *known, size_t count,
		    char ret[static SCHEMA_SUGGESTION_SIZE]);

/** Refuse the scalar @n, which is none of the known words for @what. */
int schema_refuse_word(struct reader *r, const struct node *n, const char *what,
		       const char *const *known, size_t count);
/** Refuse @n for the fault of a lower module, which learns where it happened. */
int schema_refuse_value(struct reader *r, const struct node *n, const struct fault *f);
/** The place of the scalar @n among the known words, or refuse. */
int schema_word(struct reader *r, const struct node *n, const char *what, const char *const *known,
		size_t count, unsigned int *ret);
/** @n is a well-formed name, or refuse. */
int schema_name(struct reader *r, const struct node *n);
/** A value that may be one scalar or a list of them: the first, and how many (at least one). */
int schema_elements(struct reader *r, const struct node *n, const struct node **ret_first,
		    size_t *ret_count);

/* The readers; @into is the field at its offset, or the object if that is 0. values.c */
int value_version(struct reader *r, const struct node *n, void *into);
int value_string(struct reader *r, const struct node *n, void *into);
int value_mode(struct reader *r, const struct node *n, void *into);
int value_packet_action(struct reader *r, const struct node *n, void *into);
int value_bool(struct reader *r, const struct node *n, void *into);
int value_cidr(struct reader *r, const struct node *n, void *into);
int value_ttl(struct reader *r, const struct node *n, void *into);
int value_rate(struct reader *r, const struct node *n, void *into);
int value_count(struct reader *r, const struct node *n, void *into);
int value_byte_rate(struct reader *r, const struct node *n, void *into);
int value_byte_burst(struct reader *r, const struct node *n, void *into);
int value_sources(struct reader *r, const struct node *n, void *into);

/* values_match.c: what packets are matched by */
int value_dsts(struct reader *r, const struct node *n, void *into);
int value_protos(struct reader *r, const struct node *n, void *into);
int value_ports(struct reader *r, const struct node *n, void *into);
int value_syn_cookies(struct reader *r, const struct node *n, void *into);
int value_syn_mss(struct reader *r, const struct node *n, void *into);
int value_services(struct reader *r, const struct node *n, void *into);
int value_tenant_dsts(struct reader *r, const struct node *n, void *into);
int value_tenant_srcs(struct reader *r, const struct node *n, void *into);
int value_tenants(struct reader *r, const struct node *n, void *into);
int value_service_name(struct reader *r, const struct node *n, void *into);
int value_rollout_sources(struct reader *r, const struct node *n, void *into);
int value_rollout_tenants(struct reader *r, const struct node *n, void *into);

/** Sources or destinations: sorted, no duplicates. *@total counts those of the whole policy, which it calls
 * @what. */
int value_prefixes(struct reader *r, const struct node *n, size_t *total, const char *what,
		   struct prefix **ret, size_t *ret_count);
/** Numbers of tenants: ascending, no duplicates. */
int value_tenant_numbers(struct reader *r, const struct node *n, uint16_t **ret, size_t *ret_count);

/* flags.c */
int value_flags(struct reader *r, const struct node *n, void *into);
int value_flag_rollout(struct reader *r, const struct node *n, void *into);
int value_flag_sources(struct reader *r, const struct node *n, void *into);
int value_flag_tenants(struct reader *r, const struct node *n, void *into);
int value_flag_expires(struct reader *r, const struct node *n, void *into);
int value_flag_name(struct reader *r, const struct node *n, void *into);

/* values_limit.c: what limits do */
int value_limit_name(struct reader *r, const struct node *n, void *into);
int value_scope(struct reader *r, const struct node *n, void *into);
int value_algorithm(struct reader *r, const struct node *n, void *into);
int value_prefix4(struct reader *r, const struct node *n, void *into);
int value_prefix6(struct reader *r, const struct node *n, void *into);
int value_window(struct reader *r, const struct node *n, void *into);
int value_cost(struct reader *r, const struct node *n, void *into);
int value_bytes_per_unit(struct reader *r, const struct node *n, void *into);
int value_percent(struct reader *r, const struct node *n, void *into);
int value_share(struct reader *r, const struct node *n, void *into);
int value_softirq(struct reader *r, const struct node *n, void *into);
int value_nic_drops(struct reader *r, const struct node *n, void *into);
int value_posted(struct reader *r, const struct node *n, void *into);
int value_target(struct reader *r, const struct node *n, void *into);
int value_interval(struct reader *r, const struct node *n, void *into);
int value_adaptive(struct reader *r, const struct node *n, void *into);
int value_action(struct reader *r, const struct node *n, void *into);
int value_mark(struct reader *r, const struct node *n, void *into);
int value_reject(struct reader *r, const struct node *n, void *into);
int value_on_full(struct reader *r, const struct node *n, void *into);
int value_limits(struct reader *r, const struct node *n, void *into);
int value_fragments(struct reader *r, const struct node *n, void *into);

/* lists.c */
int value_list(struct reader *r, const struct node *n, void *into);
int value_entries(struct reader *r, const struct node *n, void *into);
int value_feeds(struct reader *r, const struct node *n, void *into);
int value_feed_name(struct reader *r, const struct node *n, void *into);
int value_feed_file(struct reader *r, const struct node *n, void *into);
int value_feed_format(struct reader *r, const struct node *n, void *into);
int value_feed_column(struct reader *r, const struct node *n, void *into);
void policy_list_done(struct policy_list *list);

/* schedule.c */
int value_days(struct reader *r, const struct node *n, void *into);
int value_hours(struct reader *r, const struct node *n, void *into);
int value_time_zone(struct reader *r, const struct node *n, void *into);
int value_schedule(struct reader *r, const struct node *n, void *into);
void schedule_free(struct policy_schedule *s);

/* safety.c */
int value_watchdog(struct reader *r, const struct node *n, void *into);
int value_drop_ratio(struct reader *r, const struct node *n, void *into);
int value_watchdog_time(struct reader *r, const struct node *n, void *into);
int value_watchdog_minimum(struct reader *r, const struct node *n, void *into);
int value_max_blocked(struct reader *r, const struct node *n, void *into);
int value_shortest4(struct reader *r, const struct node *n, void *into);
int value_shortest6(struct reader *r, const struct node *n, void *into);
/** What holds where a policy says nothing. */
void safety_begin(struct policy_safety *s);

/* limit_check.c: what one key alone cannot tell */

/** A limit of which nothing is known yet. */
void limit_begin(struct policy_limit *l);
/** Complete @l, read from @n: which keys go together, and what holds when one is not given. */
int limit_finish(struct reader *r, const struct node *n, struct policy_limit *l);
/** The most that a frame of up to POLICY_JUMBO_BYTES uses up. */
uint64_t limit_largest_cost(const struct policy_limit *l, enum weir_unit unit);
/** The length of a window, in ns. */
uint64_t limit_window_ns(const struct policy_limit *l, enum weir_unit unit);

#endif
