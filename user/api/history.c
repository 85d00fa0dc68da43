/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies that were in force: a page of them, and the text of one. */
#include <errno.h>

#include "api/internal.h"
#include "base/text.h"

#define PAGE_DEFAULT 20

static json_t *json_generation(const struct history_item *item)
{
	const char *profile = *item->profile ? item->profile : NULL;

	return json_pack("{s:I, s:o, s:s, s:s?, s:I, s:{s:I, s:s}, s:s, s:o, s:s, s:s, s:b}",
			 "generation", (json_int_t)item->generation, "parent",
			 item->parent ? json_integer(item->parent) : json_null(), "sha256",
			 item->sha256, "profile", profile, "bytes", (json_int_t)item->length,
			 "author", "uid", (json_int_t)item->uid, "name", item->username, "reason",
			 item->reason, "applied_at", json_time(item->applied_ns), "how",
			 history_how_str(item->how), "state", history_state_str(item->state),
			 "persisted", item->persisted);
}

/* Newest first. A cursor is the generation that the page before ended with. */
void handle_policy_history(struct call *c)
{
	const struct history *h = engine_history(c->engine);
	const char *text = http_argument(c->request, "cursor");
	uint32_t limit, before = UINT32_MAX;
	json_t *items;
	size_t i = h->count;

	if (read_limit_argument(c, PAGE_DEFAULT, HISTORY_MAX, &limit) < 0)
		return;
	if (text && parse_u32(text, 1, UINT32_MAX, &before) < 0)
		return reply_problem(c, 400, "request.cursor",
				     "the cursor is not one that the history gave");
	items = json_array();
	while (text && i && h->items[i - 1].generation >= before)
		i--;
	for (; i && json_array_size(items) < limit; i--)
		json_array_append_new(items, json_generation(&h->items[i - 1]));
	reply_json(c, 200,
		   json_pack("{s:o, s:o, s:I}", "items", items, "next_cursor",
			     i && json_array_size(items)
				     ? json_sprintf("%u", h->items[i].generation)
				     : json_null(),
			     "kept", (json_int_t)HISTORY_MAX));
}

void handle_policy_generation(struct call *c)
{
	const struct history *h = engine_history(c->engine);
	const struct history_item *item;
	struct fault f = {0};
	uint32_t generation;
	struct text body;
	size_t length;
	char *text;

	if (parse_u32(c->rest, 1, UINT32_MAX, &generation) < 0)
		return reply_problem(c, 404, "policy.generation", "'%.40s' is no generation",
				     c->rest);
	if (history_text(h, generation, &text, &length, &f) < 0)
		return reply_fault(c, &f);
	item = history_find(h, generation);
	http_response_header(c->response, "X-Weir-Generation", "%u", generation);
	http_response_header(c->response, "X-Weir-Sha256", "%s", item->sha256);
	if (*item->profile)
		http_response_header(c->response, "X-Weir-Profile", "%s", item->profile);
	text_init_growing(&body);
	text_put(&body, text, length);
	free(text);
	reply_text(c, "application/yaml", &body);
}
