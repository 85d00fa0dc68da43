/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of keys: every example in it is correct, every key can be explained, and what it refers to is
 * there. That its JSON Schema says what the checker says, tests/e2e/15-language.sh shows. */
#include "test_policy.h"

#include <jansson.h>

#include "policy/describe.h"
#include "policy/schema.h"

/* Where a key of an object stands in a policy, and what else the object needs, or a key of it. */
static const struct {
	enum object object;
	const char *key; /* NULL = any */
	const char *before, *after;
	const char *others[3];
} contexts[] = {
	{OBJECT_POLICY, NULL, "", "", {"apiVersion: weir/v1", "mode: enforce"}},
	{OBJECT_METADATA, NULL, "metadata: {", "}", {NULL}},
	{OBJECT_LISTS, NULL, "lists: {", "}", {NULL}},
	{OBJECT_LIST, NULL, "lists: {allow: {", "}}", {NULL}},
	{OBJECT_ENTRY, NULL, "lists: {allow: {entries: [{", "}]}}", {"cidr: 10.0.0.1"}},
	{OBJECT_FEED,
	 "column",
	 "lists: {allow: {feeds: [{",
	 "}]}}",
	 {"name: f", "file: /f", "format: csv"}},
	{OBJECT_FEED, NULL, "lists: {allow: {feeds: [{", "}]}}", {"name: f", "file: /f"}},
	{OBJECT_SERVICE, "proto", "services: {x: {", "}}", {NULL}},
	{OBJECT_SERVICE,
	 "syn_rate",
	 "services: {x: {",
	 "}}",
	 {"proto: tcp", "dport: 80", "syn_cookies: auto"}},
	{OBJECT_SERVICE,
	 "syn_mss",
	 "services: {x: {",
	 "}}",
	 {"proto: tcp", "dport: 80", "syn_cookies: auto"}},
	{OBJECT_SERVICE, NULL, "services: {x: {", "}}", {"proto: tcp", "dport: 80"}},
	{OBJECT_TENANT, "burst", "tenants: {x: {", "}}", {"dst: 10.0.0.1", "rate: 1k/s"}},
	{OBJECT_TENANT,
	 "byte_burst",
	 "tenants: {x: {",
	 "}}",
	 {"dst: 10.0.0.1", "byte_rate: 1MB/s"}},
	{OBJECT_TENANT,
	 "connection_burst",
	 "tenants: {x: {",
	 "}}",
	 {"dst: 10.0.0.1", "connections: 10/s"}},
	{OBJECT_TENANT, NULL, "tenants: {x: {", "}}", {"dst: 10.0.0.1"}},
	{OBJECT_STATE, NULL, "state: {", "}", {NULL}},
	{OBJECT_LIMIT,
	 "byte_burst",
	 "limits: [{",
	 "}]",
	 {"name: x", "scope: source", "byte_rate: 1MB/s"}},
	{OBJECT_LIMIT,
	 "connection_burst",
	 "limits: [{",
	 "}]",
	 {"name: x", "scope: source", "connections: 10/s"}},
	{OBJECT_LIMIT,
	 "window",
	 "limits: [{algorithm: fixed_window, ",
	 "}]",
	 {"name: x", "scope: source", "rate: 100/s"}},
	{OBJECT_LIMIT, NULL, "limits: [{", "}]", {"name: x", "scope: source", "rate: 100/s"}},
	{OBJECT_PREFIX,
	 NULL,
	 "limits: [{name: x, scope: source_prefix, rate: 1/s, prefix: {",
	 "}}]",
	 {"ip4: 24", "ip6: 48"}},
	{OBJECT_COST,
	 NULL,
	 "limits: [{name: x, scope: source, rate: 100/s, cost: {",
	 "}}]",
	 {NULL}},
	{OBJECT_ROLLOUT,
	 NULL,
	 "limits: [{name: x, scope: source, rate: 1/s, rollout: {",
	 "}}]",
	 {NULL}},
	{OBJECT_SCHEDULE,
	 NULL,
	 "limits: [{name: x, scope: source, rate: 1/s, schedule: {",
	 "}}]",
	 {"time_zone: UTC", "days: mon"}},
	{OBJECT_ADAPTIVE,
	 NULL,
	 "limits: [{name: x, scope: source, rate: 1k/s, adaptive: {",
	 "}}]",
	 {"target: {softirq: 50%}", "min: 10%"}},
	{OBJECT_TARGET,
	 NULL,
	 "limits: [{name: x, scope: source, rate: 1k/s, adaptive: {min: 10%, target: {",
	 "}}}]",
	 {NULL}},
	{OBJECT_ACTION,
	 NULL,
	 "limits: [{name: x, scope: source, rate: 1/s, action: {",
	 "}}]",
	 {NULL}},
	{OBJECT_PACKETS, NULL, "packets: {", "}", {NULL}},
	{OBJECT_FRAGMENTS, NULL, "packets: {fragments: {", "}}", {"rate: 10/s"}},
	{OBJECT_TIER, NULL, "tiers: {x: {", "}}", {NULL}},
	{OBJECT_QUOTA, NULL, "tiers: {x: {quota: {", "}}}", {NULL}},
	{OBJECT_PACKET_QUOTA, NULL, "tiers: {x: {quota: {packets: {", "}}}}", {NULL}},
	{OBJECT_BYTE_QUOTA, NULL, "tiers: {x: {quota: {bytes: {", "}}}}", {NULL}},
	{OBJECT_CONNECTION_QUOTA, NULL, "tiers: {x: {quota: {connections: {", "}}}}", {NULL}},
	{OBJECT_PRICE, NULL, "tiers: {x: {price: {", "}}}", {"currency: EUR", "month: 1"}},
	{OBJECT_FLAG, NULL, "flags: {x: {", "}}", {"rollout: 0%"}},
	{OBJECT_SAFETY, NULL, "safety: {", "}", {NULL}},
	{OBJECT_WATCHDOG, NULL, "safety: {watchdog: {", "}}", {"drop_ratio: 95%"}},
	{OBJECT_SHORTEST, NULL, "safety: {shortest_prefix: {", "}}", {NULL}},
	{OBJECT_AUDIT, NULL, "audit: {", "}", {NULL}},
	{OBJECT_PERSONAL, NULL, "audit: {personal: {", "}}", {NULL}},
	{OBJECT_EXPORT,
	 "headers_file",
	 "audit: {export: [{",
	 "}]}",
	 {"name: e", "format: otlp", "to: 'http://h'"}},
	{OBJECT_EXPORT,
	 NULL,
	 "audit: {export: [{",
	 "}]}",
	 {"name: e", "format: cef", "to: 'file:/f'"}},
	{OBJECT_ACCESS, "role", "access: {x: {", "}}", {"permissions: lists.read"}},
	{OBJECT_ACCESS, NULL, "access: {x: {", "}}", {"role: admin", "permissions: lists.read"}},
	{OBJECT_RISK, NULL, "risk: {", "}", {NULL}},
	{OBJECT_ASSET, NULL, "risk: {assets: [{", "}]}", {"service: web", "weight: 100"}},
	{OBJECT_RETENTION, NULL, "audit: {retention: {", "}}", {NULL}},
	{OBJECT_METRICS, NULL, "metrics: {", "}", {NULL}},
	{OBJECT_OTLP, NULL, "otlp: {", "}", {"endpoint: 'http://h'"}},
	{OBJECT_ANCHOR, NULL, "audit: {anchor: {", "}}", {"every: 1h", "exec: keep"}},
};

static void write_policy(struct text *t, const struct field *f, const char *example, int length)
{
	size_t c = 0, key = strlen(f->key);

	while (c < ARRAY_SIZE(contexts) &&
	       (contexts[c].object != f->object ||
		(contexts[c].key && strcmp(contexts[c].key, f->key) != 0)))
		c++;
	if (c == ARRAY_SIZE(contexts))
		fail_msg("where does '%s' of %s stand?", f->key, schema_object_str(f->object));
	text_puts(t, "{");
	if (f->object != OBJECT_POLICY)
		text_puts(t, "apiVersion: weir/v1, mode: enforce, ");
	if (!(f->object == OBJECT_POLICY && strcmp(f->key, "services") == 0) &&
	    f->object != OBJECT_SERVICE)
		text_puts(t, "services: {web: {proto: tcp, dport: 80}}, ");
	if (!(f->object == OBJECT_POLICY && strcmp(f->key, "tenants") == 0) &&
	    f->object != OBJECT_TENANT)
		text_puts(t, "tenants: {acme: {dst: 10.0.0.1}, umbrella: {dst: 10.0.0.2}}, ");
	if (!(f->object == OBJECT_POLICY && strcmp(f->key, "flags") == 0) &&
	    f->object != OBJECT_FLAG)
		text_puts(t, "flags: {strict-dns: {enabled: true}}, ");
	text_puts(t, contexts[c].before);
	for (size_t i = 0; i < ARRAY_SIZE(contexts[c].others) && contexts[c].others[i]; i++)
		if (strncmp(contexts[c].others[i], f->key, key) != 0 ||
		    contexts[c].others[i][key] != ':')
			text_printf(t, "%s, ", contexts[c].others[i]);
	text_printf(t, "%s: %.*s%s}\n", f->key, length, example, contexts[c].after);
}

static void assert_example(const struct field *f, const char *example, int length)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	_cleanup_(policy_image_freep) struct policy_image *image = NULL;
	_cleanup_(text_done) struct text t = {.growing = true};
	struct fault fault = {0};
	int r;

	write_policy(&t, f, example, length);
	r = policy_parse("p", t.data, t.length, &p, &fault);
	if (strcmp(f->key, "include") == 0) { /* means something in files only */
		assert_string_equal(fault.code, "policy.include.text");
		return;
	}
	if (r == 0)
		r = policy_compile(p, 4000000, &image, &fault);
	if (r < 0)
		fail_msg("%s in: %s", fault.text, t.data);
	policy_collect(p);
}

static void every_example_of_the_table_is_correct(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < schema_field_count; i++) {
		const struct field *f = &schema_fields[i];

		assert_true(*f->examples);
		for (const char *line = f->examples; *line; line += *line == '\n', count++) {
			size_t length = strcspn(line, "\n");

			assert_example(f, line, (int)length);
			line += length;
		}
	}
	assert_true(count > schema_field_count);
}

static void every_key_says_what_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_field_count; i++) {
		const struct field *f = &schema_fields[i];

		assert_true(strlen(f->help) > 10);
		assert_int_equal(f->help[strlen(f->help) - 1], '.');
		/* What need not be given says what holds then; one of several targets is given. */
		if (f->object != OBJECT_TARGET)
			assert_int_equal(f->required, !*f->fallback);
		assert_ptr_equal(schema_find(f->object, f->key), f);
	}
}

static void every_key_can_be_explained_and_refers_to_what_is_there(void **state)
{
	json_t *all = policy_explain_all_json(), *key, *see;
	size_t i, j;

	(void)state;
	assert_true(json_array_size(all) >= schema_field_count);
	json_array_foreach (all, i, key) {
		const char *path = json_string_value(json_object_get(key, "path"));
		_cleanup_(text_done) struct text t = {.growing = true};
		struct fault f = {0};

		if (policy_explain(path, &t, &f) < 0)
			fail_msg("%s: %s", path, f.text);
		assert_int_equal(strncmp(t.data, path, strlen(path)), 0);
		assert_true(json_array_size(json_object_get(key, "examples")) > 0);
		json_array_foreach (json_object_get(key, "see"), j, see) {
			_cleanup_(text_done) struct text other = {.growing = true};

			if (policy_explain(json_string_value(see), &other, &f) < 0)
				fail_msg("%s: see %s: %s", path, json_string_value(see), f.text);
		}
	}
	json_decref(all);
}

static void a_key_is_found_by_its_path_or_its_name(void **state)
{
	static const char *const same[][2] = {
		{"limits.rate", "limits.rate\n"},
		{"limits[0].rate", "limits.rate\n"},
		{"services.web.dport", "services.dport\n"},
		{"dport", "services.dport\n"},
		{"mode", "mode\n"},
		{"limits.adaptive.target.softirq", "limits.adaptive.target.softirq\n"},
	};
	static const char *const wrong[][2] = {
		{"limits.rat", "there is no key 'rat' in a limit; did you mean 'rate'?"},
		{"rat", "there is no key 'rat'; did you mean 'rate'?"},
		{"reason",
		 "'reason' could be lists.allow.entries.reason, lists.allow.feeds.reason, "},
		{"nothing.at.all", "there is no key 'nothing' in the policy; known: apiVersion, "},
		{"", "there is no key"},
		{"limits.", "limits"},
		{".", "there is no key"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		assert_int_equal(policy_explain(same[i][0], &t, NULL), 0);
		assert_int_equal(strncmp(t.data, same[i][1], strlen(same[i][1])), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_(text_done) struct text t = {.growing = true};
		struct fault f = {0};

		if (policy_explain(wrong[i][0], &t, &f) == 0)
			assert_non_null(strstr(t.data, wrong[i][1]));
		else if (!strstr(f.text, wrong[i][1]))
			fail_msg("'%s' is not in: %s", wrong[i][1], f.text);
	}
}

static void the_schema_has_every_key(void **state)
{
	json_t *schema = policy_schema(), *definitions = json_object_get(schema, "$defs");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
			    "https://json-schema.org/draft/2020-12/schema");
	for (size_t i = 0; i < schema_field_count; i++) {
		const struct field *f = &schema_fields[i];
		bool found = json_object_get(json_object_get(schema, "properties"), f->key);
		json_t *definition;
		const char *id;

		json_object_foreach (definitions, id, definition)
			found |= json_object_get(json_object_get(definition, "properties"),
						 f->key) != NULL;
		if (!found)
			fail_msg("'%s' is not in the schema", f->key);
	}
	json_decref(schema);
}

/* A block of YAML is a policy, or a part of one. */
static void check_block(const char *path, const char *block, size_t length)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	_cleanup_(text_done) struct text t = {.growing = true};
	struct fault f = {0};
	char *include;

	if (!memmem(block, length, "apiVersion:", 11))
		text_puts(&t, "apiVersion: weir/v1\n");
	if (!memmem(block, length, "mode:", 5))
		text_puts(&t, "mode: monitor\n");
	text_put(&t, block, length);
	include = strstr(t.data, "\ninclude:");
	if (include)
		include[1] = '#'; /* the files are not here */
	if (policy_parse(path, t.data, t.length, &p, &f) < 0)
		fail_msg("%s in:\n%s", f.text, t.data);
	policy_collect(p);
}

static size_t blocks;

static int check_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char fence[] = "```yaml\n";
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size = 0, length = strlen(path);

	(void)st;
	(void)ftw;
	if (type != FTW_F || length < 3 || strcmp(path + length - 3, ".md") != 0 ||
	    strstr(path, "/build/") || strstr(path, "/node_modules/"))
		return 0;
	f = fopen(path, "re");
	if (!f || getdelim(&text, &size, EOF, f) < 0)
		return 0;
	for (const char *block = text; (block = strstr(block, fence)); blocks++) {
		const char *end = strstr(block + 3, "\n```");

		assert_non_null(end);
		block += sizeof(fence) - 1;
		check_block(path, block, (size_t)(end + 1 - block));
	}
	return 0;
}

static void every_policy_in_the_documentation_is_correct(void **state)
{
	(void)state;
	blocks = 0;
	assert_int_equal(nftw(".", check_file, 16, FTW_PHYS), 0);
	assert_true(blocks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_of_the_table_is_correct),
		cmocka_unit_test(every_key_says_what_it_is),
		cmocka_unit_test(every_key_can_be_explained_and_refers_to_what_is_there),
		cmocka_unit_test(a_key_is_found_by_its_path_or_its_name),
		cmocka_unit_test(the_schema_has_every_key),
		cmocka_unit_test(every_policy_in_the_documentation_is_correct),
	};

	return cmocka_run_group_tests_name("policy_schema", tests, NULL, NULL);
}
