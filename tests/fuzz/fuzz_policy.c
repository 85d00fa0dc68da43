/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as a policy. What is refused must be refused in words that say where and why; what is
 * accepted must compile, or be refused by the compiler for one of the reasons it has, and the image
 * must be one that the datapath can take. A report must agree with the first fault, and what is YAML must
 * be formatted to a text that means the same and is formatted to itself.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "fuzz.h"
#include "policy/fmt.h"
#include "policy/policy.h"

#define NAME "p"

static const uint64_t ticks_ns[] = {NSEC_PER_MSEC, 4 * NSEC_PER_MSEC, 10 * NSEC_PER_MSEC};

static void check_fault(const struct fault *f, int r)
{
	REQUIRE(f->err == r, "returned %d, fault says %d", r, f->err);
	REQUIRE(f->code && strncmp(f->code, "policy.", 7) == 0, "code '%s'", f->code ?: "NULL");
	REQUIRE(strncmp(f->text, NAME ":", sizeof(NAME)) == 0, "no place: '%s'", f->text);
	REQUIRE(strlen(f->text) < sizeof(f->text) - 1, "words that may be cut off");
	REQUIRE(utf8_valid(f->text, strlen(f->text)), "words that are not UTF-8: '%s'", f->text);
}

static void check_list(const struct policy_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct policy_entry *e = &list->entries[i];

		REQUIRE(e->prefix.bits <= 128, "a prefix of %u bits", e->prefix.bits);
		REQUIRE(e->line, "an entry without a line");
		REQUIRE(!e->reason || strlen(e->reason) <= POLICY_STRING_MAX, "a long reason");
	}
}

static void check_model(const struct policy *policy, const char *text, size_t length)
{
	REQUIRE(policy->length == length && memcmp(policy->text, text, length) == 0,
		"the text was changed");
	REQUIRE(strlen(policy->sha256) == POLICY_SHA256_HEX_SIZE - 1, "hash '%s'", policy->sha256);
	REQUIRE(policy->mode < WEIR_MODE_MAX, "mode %d", (int)policy->mode);
	REQUIRE(policy->service_count <= POLICY_SERVICES_MAX, "%zu services",
		policy->service_count);
	check_list(&policy->allow);
	check_list(&policy->block);
	for (size_t i = 0; i < policy->limit_count; i++) {
		const struct policy_limit *l = &policy->limits[i];

		REQUIRE(*l->name && strlen(l->name) <= POLICY_NAME_MAX, "limit's name '%s'",
			l->name);
		REQUIRE(l->has_packets || l->has_bytes || l->has_connections || l->has_open,
			"limit '%s' limits nothing", l->name);
		REQUIRE(!l->has_packets || (l->rate.count && l->rate.per_ns),
			"limit '%s' has no rate", l->name);
		REQUIRE(!l->has_bytes || l->byte_rate, "limit '%s' has no rate", l->name);
	}
}

static void check_image(const struct policy_image *image)
{
	REQUIRE(image->destination_count <= WEIR_PREFIXES_MAX + 1, "%zu destinations",
		image->destination_count);
	for (size_t i = 1; i < image->destination_count; i++)
		REQUIRE(prefix_compare(&image->destinations[i - 1].prefix,
				       &image->destinations[i].prefix) < 0,
			"destinations %zu and %zu are out of order", i - 1, i);
	REQUIRE(image->policy.limit_count <= WEIR_LIMITS_MAX, "%u limits",
		(unsigned int)image->policy.limit_count);
}

static void check_report(const char *text, size_t size, int r, const struct fault *first)
{
	_cleanup_(policy_report_freep) struct policy_report *report = policy_report_new();
	const struct policy_options options = {.report = report};
	_cleanup_(policy_freep) struct policy *policy = NULL;
	bool found = r == 0;

	REQUIRE(report, "no memory");
	REQUIRE((policy_parse_with(NAME, text, size, &options, &policy, NULL) < 0) == (r < 0),
		"with a report the answer is another one");
	REQUIRE((report->error_count > 0) == (r < 0), "%zu errors", report->error_count);
	for (size_t i = 0; i < report->count; i++) {
		const struct policy_diagnostic *d = &report->items[i];
		_cleanup_(text_done) struct text t = {.growing = true};

		REQUIRE(d->line && d->column, "an error without a place: %s", d->text);
		REQUIRE(utf8_valid(d->text, strlen(d->text)), "words that are not UTF-8");
		REQUIRE(!d->source || utf8_valid(d->source, strlen(d->source)), "a cut character");
		policy_diagnostic_format(d, &t);
		REQUIRE(!t.truncated, "no memory");
		found |= !d->is_warning && strcmp(d->code, first->code) == 0;
	}
	REQUIRE(found || report->full, "the first error, %s, is not in the report", first->code);
}

static void check_fmt(const char *text, size_t size, const struct policy *before)
{
	_cleanup_free_ char *once = NULL, *twice = NULL;
	_cleanup_(policy_freep) struct policy *after = NULL;
	size_t length = 0, length2 = 0;
	struct fault f = {0};

	if (policy_fmt(NAME, text, size, &once, &length, &f) < 0) {
		REQUIRE(!before, "a policy that cannot be formatted: %s", f.text);
		return;
	}
	REQUIRE(policy_fmt(NAME, once, length, &twice, &length2, &f) == 0, "%s in:\n%s", f.text,
		once);
	REQUIRE(length == length2 && memcmp(once, twice, length) == 0,
		"formatted twice is something else:\n%s---\n%s", once, twice);
	if (!before)
		return;
	REQUIRE(policy_parse(NAME, once, length, &after, &f) == 0, "%s in:\n%s", f.text, once);
	REQUIRE(before->limit_count == after->limit_count &&
			before->block.count == after->block.count && before->mode == after->mode,
		"formatted it means something else");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_free_ char *text = fuzz_string(data, size);
	struct fault f = {0};
	int r = policy_parse(NAME, text, size, &policy, &f);

	check_report(text, size, r, &f);
	check_fmt(text, size, policy);
	if (r < 0) {
		REQUIRE(!policy, "a result in spite of failure");
		check_fault(&f, r);
		return 0;
	}
	REQUIRE(policy, "success without a result");
	check_model(policy, text, size);
	for (size_t i = 0; i < ARRAY_SIZE(ticks_ns); i++) {
		_cleanup_(policy_image_freep) struct policy_image *image = NULL;

		r = policy_compile(policy, ticks_ns[i], &image, &f);
		REQUIRE(r == 0 || r == -E2BIG || r == -ERANGE, "compiling: %d", r);
		if (r < 0)
			check_fault(&f, r);
		else
			check_image(image);
	}
	return 0;
}
