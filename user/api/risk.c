/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What sources made of themselves, the worst first. */
#include <string.h>

#include "api/internal.h"
#include "base/clock.h"
#include "engine/recorder.h"

#define SOURCES_DEFAULT 50
#define SOURCES_MAX	1000

static json_t *json_source(const struct risk_source *s)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(s->source, address);
	return json_pack("{s:s, s:i, s:s, s:o, s:o, s:I, s:I}", "source", address, "points",
			 (int)(s->points / 1000), "level", risk_level_to_str(s->level),
			 "first_seen", json_time(s->first_ns), "last_seen", json_time(s->last_ns),
			 "events", (json_int_t)s->events, "packets", (json_int_t)s->packets);
}

static json_t *json_levels(struct call *c)
{
	uint64_t counts[RISK_LEVEL_MAX];
	json_t *levels = json_object();

	recorder_risk_count(engine_recorder(c->engine), counts);
	for (enum risk_level i = 0; i < RISK_LEVEL_MAX; i++)
		json_object_set_new(levels, risk_level_to_str(i),
				    json_integer((json_int_t)counts[i]));
	return levels;
}

void handle_risk_sources(struct call *c)
{
	const char *word = http_argument(c->request, "level");
	int level = word ? risk_level_from_str(word) : RISK_NONE;
	_cleanup_free_ struct risk_source *sources = NULL;
	json_t *items = json_array();
	uint32_t limit;
	size_t count;

	if (read_limit_argument(c, SOURCES_DEFAULT, SOURCES_MAX, &limit) < 0)
		return json_decref(items);
	if (level < 0) {
		json_decref(items);
		return reply_problem(c, 400, "request.level",
				     "level must be none, low, medium, high or critical");
	}
	sources = calloc(limit, sizeof(*sources));
	count = sources ? recorder_risk_list(engine_recorder(c->engine), level, sources, limit) : 0;
	for (size_t i = 0; i < count && i < limit; i++)
		json_array_append_new(items, json_source(&sources[i]));
	reply_json(c, sources ? 200 : 500,
		   json_pack("{s:o, s:I, s:o}", "sources", items, "count", (json_int_t)count,
			     "levels", json_levels(c)));
}

void handle_risk_source(struct call *c)
{
	struct risk_source source;
	uint8_t address[16];

	if (address_parse(c->rest, address) < 0)
		return reply_problem(c, 422, "source.address", "'%.60s' is no address", c->rest);
	if (!recorder_risk_of(engine_recorder(c->engine), address, &source))
		return reply_problem(
			c, 404, "risk.absent",
			"nothing was recorded of %.60s lately, or it gave way to worse "
			"sources",
			c->rest);
	reply_json(c, 200, json_source(&source));
}

void put_risk(struct metrics *m, struct call *c)
{
	uint64_t counts[RISK_LEVEL_MAX];

	recorder_risk_count(engine_recorder(c->engine), counts);
	metrics_family(m, METRIC_RISK_SOURCES);
	for (enum risk_level i = RISK_LOW; i < RISK_LEVEL_MAX; i++)
		metrics_sample(m, counts[i], "level", risk_level_to_str(i), NULL);
}
