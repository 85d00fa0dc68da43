/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The vault: how it is, and another key for it. */
#include "api/internal.h"
#include "engine/privacy.h"

json_t *json_vault(const struct engine *e)
{
	struct vault_status s;

	vault_get_status(engine_vault(e), &s);
	return json_pack("{s:s, s:s?}", "state", vault_state_to_str(s.state), "error",
			 s.trouble.err ? s.trouble.text : NULL);
}

void put_vault(struct metrics *m, struct call *c)
{
	struct vault_status s;

	vault_get_status(engine_vault(c->engine), &s);
	metrics_single(m, METRIC_VAULT_WORKS, s.state == VAULT_WORKS);
	metrics_single(m, METRIC_VAULT_SUBJECTS, s.subjects);
	metrics_single(m, METRIC_VAULT_SEALED_TOTAL, s.sealed);
	metrics_single(m, METRIC_VAULT_REFUSED_TOTAL, s.refused);
}

static json_t *json_modes(const struct engine *e)
{
	json_t *modes = json_object();

	for (unsigned int i = 0; i < AUDIT_CATEGORY_MAX; i++)
		json_object_set_new(modes, audit_category_to_str((enum audit_category)i),
				    json_string(personal_mode_to_str(
					    engine_personal_mode(e, (enum audit_category)i))));
	return modes;
}

static json_t *json_all(const struct engine *e)
{
	struct vault_status s;
	json_t *body = json_vault(e);

	vault_get_status(engine_vault(e), &s);
	json_object_update_new(
		body, json_pack("{s:s, s:s?, s:s?, s:o, s:o, s:s?, s:I, s:I, s:I, s:I, s:I, s:o}",
				"path", s.path, "key", *s.key_id ? s.key_id : NULL, "key_source",
				*s.key_source ? s.key_source : NULL, "created_at",
				s.created_ns ? json_time(s.created_ns) : json_null(), "rotated_at",
				s.rotated_ns ? json_time(s.rotated_ns) : json_null(), "set_aside",
				*s.set_aside ? s.set_aside : NULL, "subjects",
				(json_int_t)s.subjects, "new_subjects", (json_int_t)s.new_subjects,
				"sealed", (json_int_t)s.sealed, "opened", (json_int_t)s.opened,
				"refused", (json_int_t)s.refused, "personal", json_modes(e)));
	return body;
}

void handle_vault(struct call *c)
{
	reply_json(c, 200, json_all(c->engine));
}

void handle_vault_rotate(struct call *c)
{
	struct fault f = {0};

	if (engine_vault_rotate(c->engine, &c->actor, &f) < 0)
		return reply_fault(c, &f);
	reply_changed(c, 200, json_all(c->engine));
}
