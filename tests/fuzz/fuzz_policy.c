/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any text as a policy. What is refused must be refused in words that say where and why; what is
 * accepted must compile, or be refused by the compiler for one of the reasons it has, and the image
 * must be one that the datapath can take.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "fuzz.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_free_ char *text = fuzz_string(data, size);
	struct fault f = {0};
	int r = policy_parse(NAME, text, size, &policy, &f);

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
