/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a tree to the model; for this module only. keys.def has the table of keys, keys.c their types,
 * schema.c reads by them; values.c, values_match.c, values_limit.c, lists.c and schedule.c are the
 * readers. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "base/text.h"
#include "policy/policy.h"
#include "policy/tree.h"

#define SCHEMA_API_VERSION     "weir/v1"
#define SCHEMA_SUGGESTION_SIZE 360
#define SCHEMA_KEYS_MAX	       256 /* of all objects */

enum object {
#define OBJECT_NAMED(object, name, id) OBJECT_##object,
#include "policy/object.def"
#undef OBJECT_NAMED
	OBJECT_MAX,
};

struct reader {
	struct policy *policy;
	struct policy_report *report; /* NULL = the first thing that is wrong ends it */
	struct fault *reterr;	      /* the first */
	bool refused;		      /* there was one */
	const struct field *field; /* whose value a reader is called for; inner objects change it */
	size_t dst_total, src_total; /* prefixes so far, of everything that names some */
};

/* How the value of a key is built. */
enum form {
	FORM_SCALAR, /* one value, or a list of them, as its kinds say; or else an object */
	FORM_OBJECT, /* keys */
	FORM_NAMES,  /* names that the operator chooses, each with an object */
	FORM_LIST,   /* a list of objects, or of single values that stand for one */
};

/*
 * What a value is. Readers and descriptions take ranges and words from here, or both from the same
 * function or constant, so that what is described is what is accepted.
 */
struct type {
	unsigned int kinds; /* enum node_kind; others never reach the reader */
	enum form form;
	int (*read)(struct reader *r, const struct node *n, void *into);
	const char *wanted; /* in words; NULL: the words below */
	enum object inner;
	const struct type *element; /* FORM_LIST: what may stand for an object; NULL = nothing */
	const char *(*word)(unsigned int i); /* the closed vocabulary; NULL behind its end */
	void (*pattern)(struct text *t);     /* of other texts: a regular expression (ECMA-262) */
	bool is_number;			     /* digits alone, from min to max, besides words */
	bool is_digits;	 /* may be digits alone, which YAML takes for a number */
	bool is_decimal; /* of those: one with a fraction, too */
	uint64_t min, max;
	unsigned int most; /* elements or names; 0 = no limit of its own */
};

struct field {
	enum object object;
	const char *key;
	const struct type *type;
	size_t offset; /* of what the reader fills, in the object */
	bool required;
	const char *fallback; /* what holds when it is not given */
	const char *unit;
	const char *see;      /* paths, by spaces */
	const char *examples; /* values, by lines */
	const char *help;
};

extern const struct field schema_fields[];
extern const size_t schema_field_count;

/** The keys of @object in their order: the first at or behind @i; SIZE_MAX behind the last. */
size_t schema_next(enum object object, size_t i);
/** The field of that name, NULL = none. */
const struct field *schema_find(enum object object, const char *key);
/** "a limit"; for titles. */
const char *schema_object_str(enum object object);
/** What @type takes, in words. */
void schema_wanted(const struct type *type, struct text *t);

/** Say what is wrong with @n; returns @err. */
int schema_refuse(struct reader *r, const struct node *n, int err, const char *code,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
/** Keep the first @err in *@first; is it worthwhile to go on behind it, to find more? */
bool schema_go_on(const struct reader *r, int err, int *first);

#define refuse_as(r, n, err, code, ...) schema_refuse(r, n, err, code, __VA_ARGS__)
#define refuse(r, n, code, ...)		schema_refuse(r, n, -EINVAL, code, __VA_ARGS__)
#define refuse_number(r, n, max, what)                                                             \
	schema_refuse(r, n, -E2BIG, "policy.count", "more than %u %s", (unsigned int)(max), what)

/** Fill @policy, which is zeroed but for its text, from @root. On failure it may be half filled. */
int schema_read(const struct node *root, struct policy *policy, struct policy_report *report,
		struct fault *reterr);

/** All keys of the mapping @n are keys of @object. */
int schema_check_keys(const struct node *n, enum object object, struct policy_report *report,
		      struct fault *reterr);

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
/** The place of the scalar @n among the words of the field's type, or refuse. */
int schema_word(struct reader *r, const struct node *n, const char *what, unsigned int *ret);
/** Refuse the scalar @n, which is none of the words of the field's type. */
int schema_refuse_vocabulary(struct reader *r, const struct node *n, const char *what);
/** @n is a well-formed name, or refuse. */
int schema_name(struct reader *r, const struct node *n);
/** A value that may be one scalar or a list of them: the first, and how many (at least one). */
int schema_elements(struct reader *r, const struct node *n, const struct node **ret_first,
		    size_t *ret_count);

/* Words of the vocabularies of values, and patterns of the others, beside their readers. */
const char *word_version(unsigned int i);
const char *word_mode(unsigned int i);
const char *word_packet_action(unsigned int i);
const char *word_bool(unsigned int i);
const char *word_scope(unsigned int i);
const char *word_algorithm(unsigned int i);
const char *word_action(unsigned int i);
const char *word_dscp(unsigned int i);
const char *word_on_full(unsigned int i);
const char *word_protocol(unsigned int i);
const char *word_syn_cookies(unsigned int i);
const char *word_feed_format(unsigned int i);
void pattern_name(struct text *t);
void pattern_cidr(struct text *t);
void pattern_duration(struct text *t);
void pattern_share(struct text *t);
void pattern_flag_share(struct text *t);
void pattern_flag_time(struct text *t);
void pattern_flag_name(struct text *t);
void pattern_reject(struct text *t);
void pattern_port(struct text *t);
void pattern_file(struct text *t);
void pattern_days(struct text *t);
void pattern_hours(struct text *t);
void pattern_zone(struct text *t);

/* The readers; @into is the field at its offset, or the object if that is 0. values.c */
int value_version(struct reader *r, const struct node *n, void *into);
int value_string(struct reader *r, const struct node *n, void *into);
/* Of a file, for others to build on; @code is told of one that is not absolute. */
int value_path(struct reader *r, const struct node *n, const char *code, char **ret);
int value_mode(struct reader *r, const struct node *n, void *into);
int value_packet_action(struct reader *r, const struct node *n, void *into);
int value_bool(struct reader *r, const struct node *n, void *into);
int value_number(struct reader *r, const struct node *n, void *into);
int value_cidr(struct reader *r, const struct node *n, void *into);
int value_ttl(struct reader *r, const struct node *n, void *into);
int value_rate(struct reader *r, const struct node *n, void *into);
int value_count(struct reader *r, const struct node *n, void *into);
int value_byte_rate(struct reader *r, const struct node *n, void *into);
int value_byte_burst(struct reader *r, const struct node *n, void *into);
int value_sources(struct reader *r, const struct node *n, void *into);
int value_include(struct reader *r, const struct node *n, void *into);
int value_profiles(struct reader *r, const struct node *n, void *into);

/* values_match.c: what packets are matched by */
int value_dsts(struct reader *r, const struct node *n, void *into);
int value_protos(struct reader *r, const struct node *n, void *into);
int value_ports(struct reader *r, const struct node *n, void *into);
int value_syn_cookies(struct reader *r, const struct node *n, void *into);
int value_syn_mss(struct reader *r, const struct node *n, void *into);
int value_services(struct reader *r, const struct node *n, void *into);
int value_tenant_dsts(struct reader *r, const struct node *n, void *into);
int value_tenant_srcs(struct reader *r, const struct node *n, void *into);
/* quota.c */
int value_tiers(struct reader *r, const struct node *n, void *into);
int value_tier_name(struct reader *r, const struct node *n, void *into);
int value_quota_count(struct reader *r, const struct node *n, void *into);
int value_quota_bytes(struct reader *r, const struct node *n, void *into);
/* price.c */
int value_price(struct reader *r, const struct node *n, void *into);
void pattern_currency(struct text *t);
int value_currency(struct reader *r, const struct node *n, void *into);
void pattern_money(struct text *t);
int value_money(struct reader *r, const struct node *n, void *into);
/* quota.c */
/** Add the limits that tiers and quotas come to, once all keys are read. @n: of the policy. */
int quotas_finish(struct reader *r, const struct node *n);
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
int value_prefix6(struct reader *r, const struct node *n, void *into);
int value_window(struct reader *r, const struct node *n, void *into);
int value_bytes_per_unit(struct reader *r, const struct node *n, void *into);
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

/* audit.c */
const char *word_audit_evidence(unsigned int i);
int value_audit_evidence(struct reader *r, const struct node *n, void *into);
const char *word_audit_on_full(unsigned int i);
int value_audit_on_full(struct reader *r, const struct node *n, void *into);
const char *word_personal(unsigned int i);
int value_anchor_every(struct reader *r, const struct node *n, void *into);
int value_anchor_exec(struct reader *r, const struct node *n, void *into);
int value_personal(struct reader *r, const struct node *n, void *into);
void pattern_keep(struct text *t);
int value_keep(struct reader *r, const struct node *n, void *into);
void pattern_keep_archive(struct text *t);
int value_keep_archive(struct reader *r, const struct node *n, void *into);
/* assets.c */
int value_assets(struct reader *r, const struct node *n, void *into);
int value_asset_dst(struct reader *r, const struct node *n, void *into);
int value_asset_tenant(struct reader *r, const struct node *n, void *into);
void policy_assets_done(struct policy *p);
/* access.c */
const char *word_role(unsigned int i);
const char *word_permission(unsigned int i);
void pattern_user(struct text *t);
int value_access(struct reader *r, const struct node *n, void *into);
int value_access_user(struct reader *r, const struct node *n, void *into);
int value_access_role(struct reader *r, const struct node *n, void *into);
int value_access_permissions(struct reader *r, const struct node *n, void *into);
int value_access_prefixes(struct reader *r, const struct node *n, void *into);
int value_access_tenants(struct reader *r, const struct node *n, void *into);
void policy_access_done(struct policy *p);
/* export.c */
const char *word_export_format(unsigned int i);
const char *word_category(unsigned int i);
void pattern_target(struct text *t);
int value_exports(struct reader *r, const struct node *n, void *into);
int value_export_name(struct reader *r, const struct node *n, void *into);
int value_export_format(struct reader *r, const struct node *n, void *into);
int value_export_target(struct reader *r, const struct node *n, void *into);
int value_export_categories(struct reader *r, const struct node *n, void *into);
int value_headers_file(struct reader *r, const struct node *n, void *into);
void policy_exports_done(struct policy *p);
/* otlp.c */
const char *word_otlp_spans(unsigned int i);
void pattern_endpoint(struct text *t);
int value_endpoint(struct reader *r, const struct node *n, void *into);
int value_otlp_spans(struct reader *r, const struct node *n, void *into);
int value_otlp_metrics(struct reader *r, const struct node *n, void *into);
void policy_otlp_done(struct policy_otlp *o);

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
