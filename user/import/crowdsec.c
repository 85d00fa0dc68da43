/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `cscli decisions list -o json` prints, a list of alerts with decisions in each, and what CrowdSec's local API answers, a
 * list of decisions. Bans of addresses and ranges become entries; a captcha, a country or a user is nothing that weir has.
 */
#include <errno.h>
#include <string.h>

#include "import/internal.h"

/* A duration of Go, such as "3h59m12.5s", to whole seconds, rounded up; 0: it is over. False: it is none. */
static bool read_duration(const char *text, uint64_t *ret)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"h", 3600},  {"ms", 1e-3},	{"m", 60},   {"s", 1},
		     {"us", 1e-6}, {"\xc2\xb5s", 1e-6}, {"ns", 1e-9}};
	double all = 0;

	*ret = 0;
	if (*text == '-')
		return true;
	do {
		double number = 0, place = 1;
		bool fraction = false;
		size_t u = 0, digits = 0;

		for (; (*text >= '0' && *text <= '9') || (*text == '.' && !fraction); text++) {
			if (*text == '.') {
				fraction = true;
				continue;
			}
			digits++;
			if (fraction)
				number += (*text - '0') * (place /= 10);
			else
				number = 10 * number + (*text - '0');
		}
		while (u < ARRAY_SIZE(units) &&
		       strncmp(text, units[u].name, strlen(units[u].name)) != 0)
			u++;
		if (!digits || u == ARRAY_SIZE(units))
			return false;
		all += number * units[u].seconds;
		text += strlen(units[u].name);
	} while (*text);
	*ret = all > UINT32_MAX ? IMPORT_FOREVER : (uint64_t)all + (all > (double)(uint64_t)all);
	return true;
}

static const char *member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* Why weir has no counterpart; NULL: it has, for so long. */
static const char *refuse(const json_t *d, uint64_t *ret_seconds)
{
	const char *scope = member(d, "scope");

	if (strcmp(member(d, "type"), "ban") != 0)
		return "weir only blocks: it has no such remediation";
	if (strcasecmp(scope, "Ip") != 0 && strcasecmp(scope, "Range") != 0)
		return "weir's lists hold addresses and ranges only";
	if (json_is_true(json_object_get(d, "simulated")))
		return "it is simulated";
	if (!read_duration(member(d, "duration"), ret_seconds))
		return "its duration is none";
	return NULL;
}

static void read_decision(struct import *i, const json_t *d, size_t number)
{
	uint64_t seconds = 0;
	const char *why = refuse(d, &seconds), *value = member(d, "value"),
		   *scenario = member(d, "scenario"), *origin = member(d, "origin");
	_cleanup_free_ char *text = NULL;
	char name[64], reason[POLICY_STRING_MAX + 1];
	struct place_in place = {.name = name};

	if (json_is_integer(json_object_get(d, "id")))
		snprintf(name, sizeof(name), "decision %lld",
			 (long long)json_integer_value(json_object_get(d, "id")));
	else
		snprintf(name, sizeof(name), "decision at %zu", number);
	if (why) {
		text = json_dumps(d, JSON_COMPACT | JSON_ENCODE_ANY);
		import_note(i, IMPORT_SKIPPED, &place, text ?: "", strlen(text ?: ""), "%s", why);
		return;
	}
	snprintf(reason, sizeof(reason), "crowdsec: %s%s%s%s", scenario, *origin ? " (" : "",
		 origin, *origin ? ")" : "");
	import_add(i,
		   &(struct found){
			   .kind = LIST_BLOCK,
			   .word = value,
			   .length = strlen(value),
			   .seconds = seconds,
			   .reason = reason,
		   },
		   &place);
}

int import_crowdsec(struct import *i, const char *text, size_t length, struct fault *reterr)
{
	_cleanup_(json_decrefp) json_t *root = NULL;
	const json_t *alert, *decision;
	size_t n, m, number = 0;
	int r = import_json(text, length, &root, reterr);

	if (r < 0)
		return r;
	if (json_is_null(root)) /* there are none */
		return 0;
	if (!json_is_array(root))
		return fault(reterr, -ENODATA, "import.empty",
			     "it is no list, as 'cscli decisions list -o json' prints");
	json_array_foreach (root, n, alert) {
		const json_t *decisions = json_object_get(alert, "decisions");

		if (!decisions) {
			read_decision(i, alert, ++number);
			continue;
		}
		json_array_foreach (decisions, m, decision) {
			read_decision(i, decision, ++number);
		}
	}
	return 0;
}
