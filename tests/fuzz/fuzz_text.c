/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line of text as everything that weir reads from one: numbers, durations, rates, sizes,
 * addresses, prefixes, list entries. Whatever is accepted must come back the same after it was
 * written, and what is refused leaves the result alone.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/text.h"
#include "fuzz.h"
#include "lists/set.h"
#include "policy/units.h"

#define LINE_MAX 512

static void check_numbers(const char *text)
{
	uint64_t wide = 7, wide_again, duration = 7;
	uint32_t narrow = 7;
	char back[24], words[32];
	int r = parse_u64(text, 0, UINT64_MAX, &wide), s = parse_u32(text, 0, UINT32_MAX, &narrow);

	REQUIRE(r == 0 || (wide == 7 && (r == -EINVAL || r == -ERANGE)), "%d, %llu", r,
		(unsigned long long)wide);
	REQUIRE(s == 0 ? r == 0 && wide == narrow : narrow == 7, "%d and %d", r, s);
	if (r == 0) {
		snprintf(back, sizeof(back), "%llu", (unsigned long long)wide);
		REQUIRE(strcmp(back, text) == 0, "'%s' is read as %s", text, back);
		REQUIRE(parse_u64(text, wide, wide, &wide_again) == 0, "a range of one");
	}
	r = parse_duration_ns(text, &duration);
	REQUIRE(r == 0 || (duration == 7 && (r == -EINVAL || r == -ERANGE)), "%d", r);
	if (r == 0) {
		REQUIRE(duration <= 100ULL * 365 * 86400 * NSEC_PER_SEC, "%llu ns",
			(unsigned long long)duration);
		format_duration(duration, words, sizeof(words));
		REQUIRE(*words, "a duration without words");
	}
}

/* A quantity that was read is written and read again. */
#define CHECK_QUANTITY(type, name, same)                                                           \
	do {                                                                                       \
		type value = {0}, again = {0};                                                     \
		char words[POLICY_UNITS_TEXT_SIZE];                                                \
		struct fault f = {0};                                                              \
		int r = policy_##name##_parse(text, &value, &f);                                   \
                                                                                                   \
		if (r < 0) {                                                                       \
			REQUIRE(f.err == r && f.code && *f.text, #name " refused without words");  \
			break;                                                                     \
		}                                                                                  \
		policy_##name##_format(PASS_##name(value), words);                                 \
		REQUIRE(policy_##name##_parse(words, &again, &f) == 0, "'%s' became '%s': %s",     \
			text, words, f.text);                                                      \
		REQUIRE(same, "'%s' became '%s'", text, words);                                    \
	} while (0)
#define PASS_rate(value)      &(value)
#define PASS_count(value)     (value)
#define PASS_byte_rate(value) (value)
#define PASS_bytes(value)     (value)

static void check_quantities(const char *text)
{
	enum weir_mode mode;

	CHECK_QUANTITY(struct policy_rate, rate,
		       value.count == again.count && value.per_ns == again.per_ns);
	CHECK_QUANTITY(uint64_t, count, value == again);
	CHECK_QUANTITY(uint64_t, byte_rate, value == again);
	CHECK_QUANTITY(uint64_t, bytes, value == again);
	if (policy_mode_from_str(text, &mode) == 0)
		REQUIRE(strcmp(policy_mode_str(mode), text) == 0, "mode '%s'", text);
}

static void check_prefix(const char *text)
{
	struct prefix prefix, again, wider;
	char words[PREFIX_TEXT_SIZE];
	int r = prefix_parse(text, &prefix);

	if (r < 0 && r != -EDOM) {
		REQUIRE(r == -EINVAL || r == -ERANGE, "%d", r);
		return;
	}
	prefix_format(&prefix, words);
	REQUIRE(prefix_parse(words, &again) == 0, "'%s' became '%s'", text, words);
	REQUIRE(prefix_compare(&prefix, &again) == 0, "'%s' became '%s'", text, words);
	REQUIRE(prefix_covers(&prefix, &again), "'%s' does not cover itself", text);
	wider = prefix;
	wider.bits /= 2;
	address_mask(wider.address, wider.bits);
	REQUIRE(prefix_covers(&wider, &prefix), "'%s' is not covered by its half", text);
	REQUIRE(wider.bits == prefix.bits || !prefix_covers(&prefix, &wider), "both ways");
}

static void check_address(const char *text)
{
	char words[ADDRESS_TEXT_SIZE];
	uint8_t address[16], again[16];
	struct prefix prefix;

	if (address_parse(text, address) < 0)
		return;
	address_format(address, words);
	REQUIRE(address_parse(words, again) == 0 && memcmp(address, again, 16) == 0,
		"'%s' became '%s'", text, words);
	REQUIRE(strlen(text) >= PREFIX_TEXT_SIZE || prefix_parse(text, &prefix) == 0,
		"'%s' is an address and no prefix", text);
}

/* Quoted as JSON, whatever it is, and read back by somebody else. */
static void check_json(const char *text)
{
	struct text quoted = {0};
	json_t *value;

	text_init_growing(&quoted);
	text_put_json(&quoted, text);
	REQUIRE(utf8_valid(quoted.data, quoted.length), "quoted as what is not UTF-8");
	value = json_loadb(quoted.data, quoted.length, JSON_DECODE_ANY, NULL);
	REQUIRE(json_is_string(value), "'%s' is no JSON", quoted.data);
	if (utf8_valid(text, strlen(text)))
		REQUIRE(strcmp(json_string_value(value), text) == 0, "'%s' became '%s'", text,
			json_string_value(value));
	json_decref(value);
	text_done(&quoted);
}

/* "KIND PREFIX REASON" as an entry of a list. */
static void check_entry(char *text)
{
	_cleanup_(list_set_freep) struct list_set *set = NULL;
	const struct list_now now = {.real_ns = 1000, .monotonic_ns = 10};
	char *prefix = strchr(text, ' '), *reason = prefix ? strchr(prefix + 1, ' ') : NULL;
	struct list_entry entry = {.until_ns = WEIR_FOREVER, .added_by = "fuzz"};
	struct list_entry found;
	struct fault f = {0};
	int r;

	if (!reason)
		return;
	*prefix++ = *reason++ = '\0';
	if (list_kind_from_str(text, &entry.key.kind) < 0 ||
	    prefix_parse(prefix, &entry.key.prefix) < 0)
		return;
	entry.reason = reason;
	REQUIRE(list_set_new(&set) == 0, "no memory");
	r = list_set_add(set, &entry, &now, &f);
	if (r < 0) {
		REQUIRE(strlen(reason) > LIST_REASON_MAX || !utf8_valid(reason, strlen(reason)),
			"refused: %s", f.text);
		REQUIRE(f.code && *f.text && !list_set_next(set, entry.key.kind, NULL, &found),
			"refused without words");
		return;
	}
	REQUIRE(list_set_find(set, &entry.key, &found) == 0 && strcmp(found.reason, reason) == 0,
		"the entry is not there");
	REQUIRE(list_set_remove(set, &entry.key) == 0 &&
			!list_set_next(set, entry.key.kind, NULL, &found),
		"it stays");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (size > LINE_MAX)
		return 0;
	text = fuzz_string(data, size);
	check_numbers(text);
	check_quantities(text);
	check_address(text);
	check_prefix(text);
	check_json(text);
	REQUIRE(text_distance(text, text) == 0, "a text is not like itself");
	text_distance(text, "enforce");
	check_entry(text);
	return 0;
}
