/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers of what limits do: their words, shares and small numbers. What several keys say together
 * is limit_check.c's business.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "policy/schema.h"

int value_limit_name(struct reader *r, const struct node *n, void *into)
{
	const struct policy *p = r->policy;
	int err = schema_name(r, n);

	if (err < 0)
		return err;
	if (strcmp(n->text, POLICY_FRAGMENTS) == 0)
		return refuse(r, n, "policy.name.reserved",
			      "'%s' is the built-in limit; set it under 'packets'", n->text);
	for (size_t i = 0; i + 1 < p->limit_count; i++)
		if (strcmp(p->limits[i].name, n->text) == 0)
			return refuse(r, n, "policy.name.duplicate",
				      "limit '%s' is already defined in line %u", n->text,
				      p->limits[i].line);
	memcpy(into, n->text, strlen(n->text) + 1);
	return 0;
}

const char *word_scope(unsigned int i)
{
	return policy_scope_str((enum policy_scope)i);
}

int value_scope(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "scope", &word);

	if (err == 0)
		*(enum policy_scope *)into = (enum policy_scope)word;
	return err;
}

const char *word_algorithm(unsigned int i)
{
	return i < POLICY_ALGORITHM_MAX ? policy_algorithm_str((enum policy_algorithm)i) : NULL;
}

int value_algorithm(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "algorithm", &word);

	if (err == 0)
		*(enum policy_algorithm *)into = (enum policy_algorithm)word;
	return err;
}

/* A packet's cell is found by the first half of its source, or by all of it. */
int value_prefix6(struct reader *r, const struct node *n, void *into)
{
	uint8_t bits = 0;
	int err = value_number(r, n, &bits);

	if (err < 0)
		return err;
	if (bits > 64 && bits < 128)
		return refuse(r, n, "policy.number.range",
			      "'%.64s': an IPv6 prefix has 1 to 64 bits, or 128", n->text);
	*(uint8_t *)into = bits;
	return 0;
}

static int read_duration(struct reader *r, const struct node *n, uint64_t min_ns, uint64_t max_ns,
			 const char *range, uint64_t *ret_ns)
{
	uint64_t ns;
	int err = parse_duration_ns(n->text, &ns);

	if (err == -EINVAL && *n->text && strspn(n->text, "0123456789") == strlen(n->text))
		return refuse(r, n, "policy.unit.missing", "'%.64s' has no unit: write %.64ss",
			      n->text, n->text);
	if (err == -EINVAL)
		return refuse(r, n, "policy.number.syntax",
			      "'%.64s' is not a duration such as 500ms, 10s or 1m", n->text);
	if (err < 0 || ns < min_ns || ns > max_ns)
		return refuse(r, n, "policy.number.range", "'%.64s' is not within %s", n->text,
			      range);
	*ret_ns = ns;
	return 0;
}

int value_window(struct reader *r, const struct node *n, void *into)
{
	return read_duration(r, n, POLICY_WINDOW_MIN_NS, POLICY_WINDOW_MAX_NS, "1ms to 31d", into);
}

int value_bytes_per_unit(struct reader *r, const struct node *n, void *into)
{
	struct fault why;
	uint64_t bytes;

	if (policy_step_parse(n->text, POLICY_STEP_MIN, POLICY_STEP_MAX, &bytes, &why) < 0)
		return schema_refuse_value(r, n, &why);
	*(uint32_t *)into = (uint32_t)bytes;
	return 0;
}

void pattern_share(struct text *t)
{
	text_puts(t, "^[0-9]+%$");
}

static int read_share(struct reader *r, const struct node *n, uint32_t max, uint16_t *ret)
{
	struct fault why;

	return policy_percent_parse(n->text, 1, max, ret, &why) < 0
		       ? schema_refuse_value(r, n, &why)
		       : 0;
}

int value_share(struct reader *r, const struct node *n, void *into)
{
	return read_share(r, n, POLICY_FACTOR_MAX / 10, into);
}

int value_softirq(struct reader *r, const struct node *n, void *into)
{
	struct policy_adaptive *a = into;
	uint16_t permille = 0;
	int err = read_share(r, n, 99, &permille);

	a->target = POLICY_TARGET_SOFTIRQ;
	a->threshold = permille;
	return err;
}

int value_nic_drops(struct reader *r, const struct node *n, void *into)
{
	struct policy_adaptive *a = into;
	struct policy_rate rate = {0, NSEC_PER_SEC};
	struct fault why;

	if (strcmp(n->text, "0/s") != 0 && policy_rate_parse(n->text, &rate, &why) < 0)
		return schema_refuse_value(r, n, &why);
	if (rate.per_ns != NSEC_PER_SEC)
		return refuse(r, n, "policy.number.syntax", "'%.64s' is not per second: write /s",
			      n->text);
	a->target = POLICY_TARGET_NIC_DROPS;
	a->threshold = rate.count;
	return 0;
}

int value_posted(struct reader *r, const struct node *n, void *into)
{
	struct policy_adaptive *a = into;

	if (parse_u64(n->text, 0, POLICY_POSTED_MAX, &a->threshold) < 0)
		return refuse(r, n, "policy.number.range", "'%.64s' is no number from 0 to %llu",
			      n->text, POLICY_POSTED_MAX);
	a->target = POLICY_TARGET_POSTED;
	return 0;
}

int value_target(struct reader *r, const struct node *n, void *into)
{
	if (n->count != 2)
		return refuse(r, n, "policy.adaptive.target",
			      "a target is one of softirq, nic_drops and posted");
	return schema_object(r, OBJECT_TARGET, n, into);
}

int value_interval(struct reader *r, const struct node *n, void *into)
{
	return read_duration(r, n, 100 * NSEC_PER_MSEC, 3600 * NSEC_PER_SEC, "100ms to 1h", into);
}

int value_adaptive(struct reader *r, const struct node *n, void *into)
{
	struct policy_limit *l = into;
	struct policy_adaptive *a = &l->adaptive;
	int err;

	*a = (struct policy_adaptive){
		.max = 1000, .increase = 50, .decrease = 500, .interval_ns = NSEC_PER_SEC};
	err = schema_object(r, OBJECT_ADAPTIVE, n, a);
	if (err < 0)
		return err;
	if (a->min >= a->max)
		return refuse(r, n, "policy.adaptive.range",
			      "min is %u%% and max is %u%%: there is nothing in between",
			      a->min / 10, a->max / 10);
	if (a->decrease > 900)
		return refuse(r, n, "policy.adaptive.range",
			      "decrease is %u%%; at most 90%% may go at once", a->decrease / 10);
	l->is_adaptive = true;
	return 0;
}

const char *word_action(unsigned int i)
{
	static const char *const words[] = {"drop", "monitor"};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

int value_action(struct reader *r, const struct node *n, void *into)
{
	static const char *const known[] = {"drop", "monitor", "mark"};
	struct policy_limit *l = into;
	size_t i = 0;

	if (n->kind == NODE_MAPPING) {
		l->action = WEIR_ACTION_MARK;
		return schema_object(r, OBJECT_ACTION, n, l);
	}
	if (strcmp(n->text, "mark") == 0)
		return refuse(r, n, "policy.action.mark",
			      "'mark' needs a DSCP: write {mark: af11}");
	while (word_action((unsigned int)i) && strcmp(n->text, word_action((unsigned int)i)) != 0)
		i++;
	if (!word_action((unsigned int)i))
		return schema_refuse_word(r, n, "action", known, ARRAY_SIZE(known));
	l->action = i ? WEIR_ACTION_MONITOR : WEIR_ACTION_DROP;
	return 0;
}

/* RFC 2474, 2597, 3246, 5865 and 8622. */
static const struct {
	const char *name;
	uint8_t number;
} dscps[] = {
	{"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},	{"cs4", 32},  {"cs5", 40},
	{"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18},
	{"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30}, {"af41", 34},
	{"af42", 36}, {"af43", 38}, {"ef", 46},	  {"va", 44},	{"le", 1},
};

const char *word_dscp(unsigned int i)
{
	return i < ARRAY_SIZE(dscps) ? dscps[i].name : NULL;
}

int value_mark(struct reader *r, const struct node *n, void *into)
{
	struct policy_limit *l = into;
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(dscps); i++) {
		if (strcmp(n->text, dscps[i].name) == 0) {
			l->dscp = dscps[i].number;
			return 0;
		}
	}
	if (parse_u32(n->text, 0, 63, &number) < 0)
		return refuse(r, n, "policy.action.mark",
			      "'%.64s' is no DSCP: 0 to 63, cs0 to cs7, af11 to af43, ef, va or le",
			      n->text);
	l->dscp = (uint8_t)number;
	return 0;
}

void pattern_reject(struct text *t)
{
	text_puts(t, "^1/[0-9]+$");
}

int value_reject(struct reader *r, const struct node *n, void *into)
{
	if (strncmp(n->text, "1/", 2) != 0 ||
	    parse_u32(n->text + 2, 1, POLICY_REJECT_MAX, into) < 0)
		return refuse(r, n, "policy.reject",
			      "'%.64s' is no share from 1/1 to 1/%u, such as 1/100", n->text,
			      POLICY_REJECT_MAX);
	return 0;
}

const char *word_on_full(unsigned int i)
{
	static const char *const words[] = {
		[WEIR_ON_FULL_PASS] = "pass",
		[WEIR_ON_FULL_DROP] = "drop",
	};

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

/* Only cells that are found by hash can run out. */
int value_on_full(struct reader *r, const struct node *n, void *into)
{
	struct policy_limit *l = into;
	unsigned int word;
	int err = schema_word(r, n, "word", &word);

	if (err < 0)
		return err;
	if (l->scope >= POLICY_SCOPE_SERVICE)
		return refuse(
			r, n, "policy.limit.on_full",
			"a limit of scope %s always has room for its state: on_full belongs to "
			"sources and destinations",
			policy_scope_str(l->scope));
	l->on_full = (enum weir_on_full)word;
	return 0;
}

static int read_limit(struct reader *r, const struct node *n, struct policy_limit *l)
{
	int err;

	limit_begin(l);
	if (n->kind != NODE_MAPPING)
		return refuse(r, n, "policy.value.kind", "a limit is a mapping");
	err = schema_object(r, OBJECT_LIMIT, n, l);
	return err < 0 ? err : limit_finish(r, n, l);
}

int value_limits(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count > WEIR_LIMITS_MAX)
		return refuse_number(r, n, WEIR_LIMITS_MAX, "limits");
	p->limits = calloc(n->count + 1, sizeof(*p->limits));
	if (!p->limits)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next)
		if (!schema_go_on(r, read_limit(r, e, &p->limits[p->limit_count++]), &first))
			break;
	return first;
}

int value_fragments(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	struct policy_limit *l = &p->fragment_limit;
	int err;

	if (n->kind == NODE_SCALAR)
		return value_packet_action(r, n, &p->fragments);
	limit_begin(l);
	memcpy(l->name, POLICY_FRAGMENTS, sizeof(POLICY_FRAGMENTS));
	err = schema_object(r, OBJECT_FRAGMENTS, n, l);
	return err < 0 ? err : limit_finish(r, n, l);
}
