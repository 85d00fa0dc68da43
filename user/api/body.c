/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bodies that are JSON objects. */
#include <string.h>

#include "api/internal.h"

json_t *body_read(struct call *c, const char *const *names, size_t count)
{
	json_error_t where;
	json_t *body = c->request->length ? json_loadb(c->request->body, c->request->length,
						       JSON_REJECT_DUPLICATES, &where)
					  : json_object();
	const char *key;
	json_t *value;

	if (!json_is_object(body)) {
		reply_problem(c, 400, "request.json", "the body is no JSON object: %s",
			      body ? "it is something else" : where.text);
		json_decref(body);
		return NULL;
	}
	json_object_foreach (body, key, value) {
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known |= strcmp(names[i], key) == 0;
		if (known)
			continue;
		reply_problem(c, 422, "request.member", "there is no member '%.40s'", key);
		json_decref(body);
		return NULL;
	}
	return body;
}
