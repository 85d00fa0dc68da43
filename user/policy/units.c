/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "policy/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

/* Each table from the largest unit to the smallest, so that the first exact one is the shortest. */
struct unit {
	const char *text;
	uint64_t value;
};

static const struct unit scales[] = {{"M", 1000000}, {"k", 1000}, {"", 1}};

static const struct unit totals[] = {
	{"T", 1000000000000}, {"G", 1000000000}, {"M", 1000000}, {"k", 1000}, {"", 1}};

static const struct unit periods[] = {
	{"/s", NSEC_PER_SEC},
	{"/m", 60 * NSEC_PER_SEC},
	{"/h", 3600 * NSEC_PER_SEC},
	{"/d", 86400 * NSEC_PER_SEC},
};

static const struct unit byte_units[] = {
	{"GiB", 1 << 30}, {"GB", 1000000000}, {"MiB", 1 << 20}, {"MB", 1000000},
	{"KiB", 1 << 10}, {"kB", 1000},	      {"B", 1},
};

static const struct unit bit_units[] = {
	{"Gbit", 1000000000},
	{"Mbit", 1000000},
	{"kbit", 1000},
	{"bit", 1},
};

/* Sizes without the B, as they come to be forgotten. */
static const char *const bare_sizes[] = {"", "k", "M", "G", "Ki", "Mi", "Gi"};

static const struct unit *unit_find(const struct unit *units, size_t count, const char *text,
				    size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(units[i].text) == length && memcmp(units[i].text, text, length) == 0)
			return &units[i];
	return NULL;
}

static const struct unit *unit_largest(const struct unit *units, size_t count, uint64_t value)
{
	while (count-- > 1 && value % units->value)
		units++;
	return units;
}

/* Split off the digits. -EINVAL: there are none; -ERANGE: the number needs more than 64 bits. */
static int number_split(const char *text, uint64_t *ret_number, const char **ret_rest)
{
	size_t digits = strspn(text, "0123456789");
	char number[24];
	int r;

	if (digits >= sizeof(number))
		return -ERANGE;
	memcpy(number, text, digits);
	number[digits] = '\0';
	r = parse_u64(number, 0, UINT64_MAX, ret_number);
	if (r < 0)
		return r;
	*ret_rest = text + digits;
	return 0;
}

static int syntax_fault(struct fault *reterr, const char *text, const char *wanted)
{
	return fault(reterr, -EINVAL, "policy.number.syntax", "'%.64s' is not %s", text, wanted);
}

static int unit_fault(struct fault *reterr, const char *text, const char *suffix)
{
	return fault(reterr, -EINVAL, "policy.unit.missing", "'%.64s' has no unit: write %.64s%s",
		     text, text, suffix);
}

static int range_fault(struct fault *reterr, const char *text, const char *from, const char *to)
{
	return fault(reterr, -ERANGE, "policy.number.range", "'%.64s' is not within %s to %s", text,
		     from, to);
}

static bool is_bare_size(const char *rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(bare_sizes); i++)
		if (strcmp(rest, bare_sizes[i]) == 0)
			return true;
	return false;
}

int policy_rate_parse(const char *text, struct policy_rate *ret, struct fault *reterr)
{
	const char wanted[] = "a rate such as 500/s, 2k/s or 10/m";
	const struct unit *scale, *period;
	const char *rest, *slash;
	uint64_t number;
	int r;

	r = number_split(text, &number, &rest);
	if (r == -EINVAL)
		return syntax_fault(reterr, text, wanted);
	if (r < 0)
		return range_fault(reterr, text, "1/d", "100M/s");
	slash = strchrnul(rest, '/');
	scale = unit_find(scales, ARRAY_SIZE(scales), rest, (size_t)(slash - rest));
	if (scale && !*slash)
		return unit_fault(reterr, text, "/s");
	period = unit_find(periods, ARRAY_SIZE(periods), slash, strlen(slash));
	if (!scale || !period)
		return syntax_fault(reterr, text, wanted);
	if (!number || (unsigned __int128)number * scale->value * NSEC_PER_SEC >
			       (unsigned __int128)POLICY_RATE_MAX_PPS * period->value)
		return range_fault(reterr, text, "1/d", "100M/s");
	ret->count = number * scale->value;
	ret->per_ns = period->value;
	return 0;
}

int policy_count_parse(const char *text, uint64_t *ret, struct fault *reterr)
{
	const struct unit *scale;
	const char *rest;
	uint64_t number;
	int r;

	r = number_split(text, &number, &rest);
	if (r == -EINVAL)
		return syntax_fault(reterr, text, "a count such as 200 or 4k");
	if (r < 0)
		return range_fault(reterr, text, "1", "100M");
	scale = unit_find(scales, ARRAY_SIZE(scales), rest, strlen(rest));
	if (!scale)
		return syntax_fault(reterr, text, "a count such as 200 or 4k");
	if (!number || (unsigned __int128)number * scale->value > POLICY_BURST_MAX)
		return range_fault(reterr, text, "1", "100M");
	*ret = number * scale->value;
	return 0;
}

int policy_total_parse(const char *text, uint64_t *ret, struct fault *reterr)
{
	const struct unit *unit;
	const char *rest;
	uint64_t number;
	int r = number_split(text, &number, &rest);

	if (r == -EINVAL)
		return syntax_fault(reterr, text, "a count such as 10M or 2G");
	if (r < 0)
		return range_fault(reterr, text, "1", "8T");
	unit = unit_find(totals, ARRAY_SIZE(totals), rest, strlen(rest));
	if (!unit)
		return syntax_fault(reterr, text, "a count such as 10M or 2G");
	if (!number || number > POLICY_TOTAL_MAX / unit->value)
		return range_fault(reterr, text, "1", "8T");
	*ret = number * unit->value;
	return 0;
}

int policy_byte_rate_parse(const char *text, uint64_t *ret_bps, struct fault *reterr)
{
	const char wanted[] = "a rate such as 10MiB/s, 64kB/s or 100Mbit/s";
	const struct unit *bytes, *bits;
	unsigned __int128 value;
	const char *rest;
	uint64_t number;
	bool per_second;
	size_t length;
	int r;

	r = number_split(text, &number, &rest);
	if (r == -EINVAL)
		return syntax_fault(reterr, text, wanted);
	if (r < 0)
		return range_fault(reterr, text, "1KiB/s", "100Gbit/s");
	length = strlen(rest);
	per_second = length >= 2 && strcmp(rest + length - 2, "/s") == 0;
	if (per_second)
		length -= 2;
	bytes = unit_find(byte_units, ARRAY_SIZE(byte_units), rest, length);
	bits = unit_find(bit_units, ARRAY_SIZE(bit_units), rest, length);
	if (!per_second && is_bare_size(rest))
		return unit_fault(reterr, text, "B/s");
	if (!per_second && (bytes || bits))
		return unit_fault(reterr, text, "/s");
	if (!bytes && !bits)
		return syntax_fault(reterr, text, wanted);
	value = (unsigned __int128)number * (bytes ? bytes->value : bits->value) / (bytes ? 1 : 8);
	if (value < POLICY_BYTE_RATE_MIN_BPS || value > POLICY_BYTE_RATE_MAX_BPS)
		return range_fault(reterr, text, "1KiB/s", "100Gbit/s");
	*ret_bps = (uint64_t)value;
	return 0;
}

/* -ERANGE: @ret_bytes is not set, or beyond 64 bits. Other failures are faults already. */
static int size_parse(const char *text, uint64_t *ret_bytes, struct fault *reterr)
{
	const struct unit *unit;
	unsigned __int128 bytes;
	const char *rest;
	uint64_t number;
	int r;

	r = number_split(text, &number, &rest);
	if (r == -ERANGE)
		return r;
	if (r < 0)
		return syntax_fault(reterr, text, "a size such as 64KiB or 1MB");
	if (is_bare_size(rest))
		return unit_fault(reterr, text, "B");
	unit = unit_find(byte_units, ARRAY_SIZE(byte_units), rest, strlen(rest));
	if (!unit)
		return syntax_fault(reterr, text, "a size such as 64KiB or 1MB");
	bytes = (unsigned __int128)number * unit->value;
	if (bytes > UINT64_MAX)
		return -ERANGE;
	*ret_bytes = (uint64_t)bytes;
	return 0;
}

int policy_bytes_parse(const char *text, uint64_t *ret_bytes, struct fault *reterr)
{
	uint64_t bytes;
	int r = size_parse(text, &bytes, reterr);

	if (r == -ERANGE ||
	    (r == 0 && (bytes < POLICY_BYTE_BURST_MIN || bytes > POLICY_BYTE_BURST_MAX)))
		return range_fault(reterr, text, "9216B (a jumbo frame)", "1024GiB");
	if (r == 0)
		*ret_bytes = bytes;
	return r;
}

int policy_step_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes,
		      struct fault *reterr)
{
	uint64_t bytes;
	int r = size_parse(text, &bytes, reterr);

	if (r == -ERANGE || (r == 0 && (bytes < min || bytes > max))) {
		char low[POLICY_UNITS_TEXT_SIZE], high[POLICY_UNITS_TEXT_SIZE];

		policy_bytes_format(min, low);
		policy_bytes_format(max, high);
		return range_fault(reterr, text, low, high);
	}
	if (r == 0)
		*ret_bytes = bytes;
	return r;
}

int policy_percent_parse(const char *text, uint32_t min, uint32_t max, uint16_t *ret_permille,
			 struct fault *reterr)
{
	char low[16], high[16];
	const char *rest;
	uint64_t number;
	int r = number_split(text, &number, &rest);

	if (r == 0 && !*rest)
		return unit_fault(reterr, text, "%");
	if (r == -EINVAL || (r == 0 && strcmp(rest, "%") != 0))
		return syntax_fault(reterr, text, "a share such as 50%");
	if (r < 0 || number < min || number > max) {
		snprintf(low, sizeof(low), "%u%%", min);
		snprintf(high, sizeof(high), "%u%%", max);
		return range_fault(reterr, text, low, high);
	}
	*ret_permille = (uint16_t)(number * 10);
	return 0;
}

static void quantity_format(const struct unit *units, size_t count, uint64_t value,
			    const char *suffix, char ret[static POLICY_UNITS_TEXT_SIZE])
{
	const struct unit *unit = unit_largest(units, count, value);

	snprintf(ret, POLICY_UNITS_TEXT_SIZE, "%" PRIu64 "%s%s", value / unit->value, unit->text,
		 suffix);
}

void policy_rate_format(const struct policy_rate *rate, char ret[static POLICY_UNITS_TEXT_SIZE])
{
	const char *period = "/s";

	for (size_t i = 0; i < ARRAY_SIZE(periods); i++)
		if (periods[i].value == rate->per_ns)
			period = periods[i].text;
	quantity_format(scales, ARRAY_SIZE(scales), rate->count, period, ret);
}

void policy_count_format(uint64_t count, char ret[static POLICY_UNITS_TEXT_SIZE])
{
	quantity_format(scales, ARRAY_SIZE(scales), count, "", ret);
}

void policy_byte_rate_format(uint64_t bps, char ret[static POLICY_UNITS_TEXT_SIZE])
{
	quantity_format(byte_units, ARRAY_SIZE(byte_units), bps, "/s", ret);
}

void policy_bytes_format(uint64_t bytes, char ret[static POLICY_UNITS_TEXT_SIZE])
{
	quantity_format(byte_units, ARRAY_SIZE(byte_units), bytes, "", ret);
}

/* "(M|k|)": one of the units. */
static void units_pattern(struct text *t, const struct unit *units, size_t count)
{
	text_puts(t, "(");
	for (size_t i = 0; i < count; i++)
		text_printf(t, "%s%s", i ? "|" : "", units[i].text);
	text_puts(t, ")");
}

void policy_rate_pattern(struct text *t)
{
	text_puts(t, "^[0-9]+");
	units_pattern(t, scales, ARRAY_SIZE(scales));
	units_pattern(t, periods, ARRAY_SIZE(periods));
	text_puts(t, "$");
}

void policy_count_pattern(struct text *t)
{
	text_puts(t, "^[0-9]+");
	units_pattern(t, scales, ARRAY_SIZE(scales));
	text_puts(t, "$");
}

void policy_total_pattern(struct text *t)
{
	text_puts(t, "^[0-9]+");
	units_pattern(t, totals, ARRAY_SIZE(totals));
	text_puts(t, "$");
}

void policy_byte_rate_pattern(struct text *t)
{
	text_puts(t, "^[0-9]+(");
	units_pattern(t, byte_units, ARRAY_SIZE(byte_units));
	text_puts(t, "|");
	units_pattern(t, bit_units, ARRAY_SIZE(bit_units));
	text_puts(t, ")/s$");
}

void policy_size_pattern(struct text *t)
{
	text_puts(t, "^[0-9]+");
	units_pattern(t, byte_units, ARRAY_SIZE(byte_units));
	text_puts(t, "$");
}

static const char *const unit_names[] = {
	[WEIR_UNIT_PACKETS] = "packets",
	[WEIR_UNIT_BYTES] = "bytes",
	[WEIR_UNIT_CONNECTIONS] = "connections",
	[WEIR_UNIT_OPEN] = "open_connections",
};
_Static_assert(ARRAY_SIZE(unit_names) == WEIR_UNIT_MAX, "a unit has no name");

static const char *const mode_names[] = {
	[WEIR_MODE_OFF] = "off",
	[WEIR_MODE_MONITOR] = "monitor",
	[WEIR_MODE_ENFORCE] = "enforce",
};
_Static_assert(ARRAY_SIZE(mode_names) == WEIR_MODE_MAX, "a mode has no name");

const char *policy_unit_str(enum weir_unit unit)
{
	return (size_t)unit < ARRAY_SIZE(unit_names) ? unit_names[unit] : NULL;
}

const char *policy_mode_str(enum weir_mode mode)
{
	return (size_t)mode < ARRAY_SIZE(mode_names) ? mode_names[mode] : NULL;
}

int policy_mode_from_str(const char *text, enum weir_mode *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (strcmp(text, mode_names[i]) == 0) {
			*ret = (enum weir_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}
