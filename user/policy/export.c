/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readers of the targets that audit records are sent on to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/event.h"
#include "base/cleanup.h"
#include "base/target.h"
#include "policy/schema.h"

static const char *const formats[] = {
#define EXPORT_F(constant, name, type, words) name,
#include "audit/format.def"
#undef EXPORT_F
};

#define FORMAT_FIRST 1 /* json, the first, is an array and has an end */

const char *word_export_format(unsigned int i)
{
	return i + FORMAT_FIRST < ARRAY_SIZE(formats) ? formats[i + FORMAT_FIRST] : NULL;
}

const char *word_category(unsigned int i)
{
	return i < AUDIT_CATEGORY_MAX ? audit_category_to_str((enum audit_category)i) : NULL;
}

void pattern_target(struct text *t)
{
	text_puts(t, "^(file:/|unix:/|udp://|tcp://|https?://)");
}

int value_export_name(struct reader *r, const struct node *n, void *into)
{
	int err = schema_name(r, n);

	if (err < 0)
		return err;
	for (size_t i = 0; i < r->policy->export_count; i++)
		if (strcmp(r->policy->exports[i].name, n->text) == 0)
			return refuse(r, n, "policy.name.duplicate",
				      "export '%s' is already defined in line %u", n->text,
				      r->policy->exports[i].line);
	memcpy(into, n->text, strlen(n->text) + 1);
	return 0;
}

int value_export_format(struct reader *r, const struct node *n, void *into)
{
	unsigned int word;
	int err = schema_word(r, n, "format", &word);

	if (err == 0)
		*(unsigned int *)into = word + FORMAT_FIRST;
	return err;
}

int value_export_target(struct reader *r, const struct node *n, void *into)
{
	struct target target;
	char **to = into;

	if (strlen(n->text) > POLICY_EXPORT_TARGET_MAX)
		return refuse(r, n, "policy.string.long", "'%s' is longer than %u bytes",
			      r->field->key, POLICY_EXPORT_TARGET_MAX);
	if (target_parse(n->text, &target) < 0)
		return refuse(
			r, n, "policy.export.target",
			"'%s' is no target: write file:/path, unix:/path, udp://192.0.2.1:514 "
			"or tcp://[2001:db8::1]:601, an address and no name; or for the format "
			"otlp http://host:4318",
			n->text);
	*to = strdup(n->text);
	return *to ? 0 : -ENOMEM;
}

int value_headers_file(struct reader *r, const struct node *n, void *into)
{
	return value_path(r, n, "policy.export.headers_file", into);
}

int value_export_categories(struct reader *r, const struct node *n, void *into)
{
	uint32_t *categories = into;
	const struct node *e;
	unsigned int word;
	size_t count;
	int err = schema_elements(r, n, &e, &count), first = 0;

	for (; err == 0 && count--; e = e->next) {
		int one = schema_word(r, e, "category", &word);

		if (one == 0)
			*categories |= 1U << word;
		if (!schema_go_on(r, one, &first))
			break;
	}
	return err ?: first;
}

static bool is_receiver(const char *to)
{
	struct target target;

	return target_parse(to, &target) == 0 && target.kind >= TARGET_HTTP;
}

/* What of it goes together. */
static int check_export(struct reader *r, const struct node *n, const struct policy_export *export)
{
	bool http = is_receiver(export->to);

	if (http && strcmp(formats[export->format], "otlp") != 0)
		return refuse(r, n, "policy.export.target",
			      "a target by http or https takes the format otlp, not %s",
			      formats[export->format]);
	if (export->headers_file && !http)
		return refuse(r, n, "policy.export.target",
			      "only a target by http or https has headers");
	return 0;
}

static int read_export(struct reader *r, const struct node *n, struct policy *p)
{
	struct policy_export *export = &p->exports[p->export_count];
	int err;

	export->line = n->line;
	if (n->kind != NODE_MAPPING)
		return refuse(r, n, "policy.value.kind",
			      "an export is a mapping with a name, a format and where to");
	err = schema_object(r, OBJECT_EXPORT, n, export);
	p->export_count++;
	return err ?: check_export(r, n, export);
}

int value_exports(struct reader *r, const struct node *n, void *into)
{
	struct policy *p = into;
	int first = 0;

	if (n->count > POLICY_EXPORTS_MAX)
		return refuse_number(r, n, POLICY_EXPORTS_MAX, "exports");
	p->exports = calloc(n->count + 1, sizeof(*p->exports));
	if (!p->exports)
		return -ENOMEM;
	for (const struct node *e = n->children; e; e = e->next)
		if (!schema_go_on(r, read_export(r, e, p), &first))
			break;
	return first;
}

void policy_exports_done(struct policy *p)
{
	for (size_t i = 0; i < p->export_count; i++) {
		free(p->exports[i].to);
		free(p->exports[i].headers_file);
	}
	free(p->exports);
}
