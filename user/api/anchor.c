/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Receipts for checkpoints that were handed out. */
#include <errno.h>
#include <string.h>

#include "api/internal.h"
#include "engine/anchor.h"

static const char *const members[] = {"anchor", "target",  "origin", "root",
				      "size",	"receipt", "error",  "by_policy"};

static bool has_only_known(const json_t *body)
{
	size_t known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		known += json_object_get(body, members[i]) != NULL;
	return known == json_object_size(body);
}

static int read_anchor(const json_t *body, struct engine_anchor *ret)
{
	const json_t *receipt = json_object_get(body, "receipt"),
		     *error = json_object_get(body, "error"),
		     *by_policy = json_object_get(body, "by_policy"),
		     *size = json_object_get(body, "size");

	*ret = (struct engine_anchor){
		.kind = json_string_value(json_object_get(body, "anchor")),
		.target = json_string_value(json_object_get(body, "target")),
		.origin = json_string_value(json_object_get(body, "origin")),
		.root = json_string_value(json_object_get(body, "root")),
		.receipt = json_string_value(receipt),
		.error = json_string_value(error),
		.by_policy = json_is_true(by_policy),
	};
	if (!ret->kind || !ret->target || !ret->origin || !ret->root || !json_is_integer(size) ||
	    json_integer_value(size) < 0 || (receipt && !ret->receipt) || (error && !ret->error) ||
	    (by_policy && !json_is_boolean(by_policy)) || !has_only_known(body))
		return -EINVAL;
	ret->size = (uint64_t)json_integer_value(size);
	return 0;
}

void handle_audit_anchor(struct call *c)
{
	json_error_t where;
	json_t *body =
		json_loadb(c->request->body, c->request->length, JSON_REJECT_DUPLICATES, &where);
	struct engine_anchor anchor;
	struct fault f = {0};

	if (!json_is_object(body))
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
	else if (read_anchor(body, &anchor) < 0)
		reply_problem(
			c, 422, "request.member",
			"the body has 'anchor', 'target', 'origin' and 'root', strings, 'size', "
			"a number, and may have 'receipt', 'error' and 'by_policy'");
	else if (engine_anchor(c->engine, &anchor, &c->actor, &f) < 0)
		reply_fault(c, &f);
	else
		reply_changed(c, 200, json_pack("{s:I}", "size", (json_int_t)anchor.size));
	json_decref(body);
}
