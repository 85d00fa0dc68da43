/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The formats that are JSON of another shape: OCSF and ECS. What becomes what stands in class.def, category.def and mapping.def. */
#include <string.h>

#include "base/clock.h"
#include "export/format.h"

#define OCSF_VERSION "1.3.0"
#define ECS_VERSION  "8.11.0"
#define OTHER	     99

enum class {
#define EXPORT_O(constant, uid, category, name, category_name) CLASS_##constant,
#include "export/class.def"
#undef EXPORT_O
	CLASS_MAX
};

static const struct {
	int uid, category;
	const char *name, *category_name;
} classes[CLASS_MAX] = {
#define EXPORT_O(constant, uid, category, name, category_name)                                     \
	[CLASS_##constant] = {uid, category, name, category_name},
#include "export/class.def"
#undef EXPORT_O
};

static const struct {
	enum class class;
	int activity;
	const char *kind, *category, *type;
} categories[AUDIT_CATEGORY_MAX] = {
#define EXPORT_C(constant, class, activity, kind, category, type)                                  \
	[AUDIT_CATEGORY_##constant] = {CLASS_##class, activity, kind, category, type},
#include "export/category.def"
#undef EXPORT_C
};

struct mapping {
	int activity, action, disposition;
	const char *type; /* NULL: there is no row */
};

static const struct mapping mappings[AUDIT_EVENT_MAX] = {
#define EXPORT_M(constant, activity, action, disposition, type)                                    \
	[AUDIT_EVENT_##constant] = {activity, action, disposition, type},
#include "export/mapping.def"
#undef EXPORT_M
};

static struct mapping mapping_of(const struct export_event *e)
{
	if (e->event >= 0 && mappings[e->event].type)
		return mappings[e->event];
	return (struct mapping){.activity = categories[e->category].activity,
				.type = categories[e->category].type};
}

/* Takes @value; leaves it out if it is the empty string. */
static void set_text(json_t *object, const char *key, const char *value)
{
	if (*value)
		json_object_set_new(object, key, json_string(value));
}

static const char *words_of(const struct export_event *e)
{
	const char *words = export_event_words(e);

	return *words ? words : e->type;
}

static json_t *endpoint(const char *address, const char *name)
{
	json_t *object = json_object();

	set_text(object, "ip", address);
	set_text(object, "name", *address ? "" : *name ? name : "unknown");
	return object;
}

static json_t *actor_of(const struct export_event *e)
{
	json_t *user = json_object();

	set_text(user, "name", *e->username ? e->username : *e->user_id ? e->user_id : "unknown");
	set_text(user, "uid", e->user_id);
	return json_pack("{s:o}", "user", user);
}

static json_t *product(void)
{
	return json_pack("{s:s, s:s, s:s}", "name", "weir", "vendor_name", "weir", "version",
			 WEIR_VERSION);
}

static json_t *traffic(const struct export_event *e)
{
	json_t *object = json_object();

	for (const char *const *key = (const char *const[]){"packets", "bytes", NULL}; *key;
	     key++) {
		const json_t *value = json_object_get(e->details, *key);

		if (json_is_integer(value))
			json_object_set_new(object, *key, json_integer(json_integer_value(value)));
	}
	return object;
}

static void put_network(json_t *o, const struct export_event *e, const char *host,
			const struct mapping *m)
{
	char scratch[EXPORT_VALUE_SIZE];
	const char *limit = export_detail(e, "limit", scratch);

	json_object_set_new(o, "src_endpoint", endpoint(e->source, e->resource_id));
	json_object_set_new(o, "dst_endpoint", json_pack("{s:s}", "hostname", host));
	json_object_set_new(o, "traffic", traffic(e));
	json_object_set_new(o, "action_id", json_integer(m->action));
	json_object_set_new(o, "disposition_id", json_integer(m->disposition));
	if (*limit)
		json_object_set_new(o, "firewall_rule", json_pack("{s:s}", "name", limit));
}

/* What a class has besides what all have. */
static void put_class(json_t *o, enum class class, const struct export_event *e, const char *host,
		      const struct mapping *m)
{
	if (class == CLASS_NETWORK)
		return put_network(o, e, host, m);
	if (class == CLASS_FINDING) {
		json_object_set_new(o, "finding_info",
				    json_pack("{s:s, s:s}", "uid", e->id, "title", words_of(e)));
		return;
	}
	json_object_set_new(o, "actor", actor_of(e));
	if (class == CLASS_ENTITY) {
		json_t *entity = json_pack("{s:s}", "type",
					   *e->resource_type ? e->resource_type : "unknown");

		set_text(entity, "name", *e->resource_id ? e->resource_id : e->type);
		json_object_set_new(o, "entity", entity);
	} else if (class == CLASS_LIFECYCLE) {
		json_object_set_new(o, "app", product());
	} else if (class == CLASS_API) {
		json_object_set_new(o, "api", json_pack("{s:s}", "operation", e->action));
		json_object_set_new(o, "src_endpoint", endpoint(e->address, host));
	} else if (class == CLASS_LOG) {
		json_object_set_new(o, "log_name", json_string("audit"));
		json_object_set_new(o, "log_provider", json_string("weir"));
		json_object_set_new(o, "device",
				    json_pack("{s:i, s:s}", "type_id", 1, "hostname", host));
	}
}

static json_t *chain_of(const struct export_event *e)
{
	return json_pack("{s:I, s:s, s:s}", "index", (json_int_t)e->index, "hash", e->hash,
			 "previous_hash", e->previous_hash);
}

json_t *ocsf_make(const struct export_event *e, const char *host)
{
	enum class class = categories[e->category].class;
	struct mapping m = mapping_of(e);
	bool success = strcmp(e->outcome, audit_outcome_to_str(AUDIT_SUCCESS)) == 0;
	json_t *o = json_pack(
		"{s:i, s:s, s:i, s:s, s:i, s:i, s:I, s:i, s:i, s:s, s:s, s:s%, s:{s:O?, s:o}}",
		"category_uid", classes[class].category, "category_name",
		classes[class].category_name, "class_uid", classes[class].uid, "class_name",
		classes[class].name, "activity_id", m.activity, "type_uid",
		classes[class].uid * 100 + m.activity, "time",
		(json_int_t)(e->time_ns / NSEC_PER_MSEC), "severity_id",
		export_severity(e->severity)->ocsf, "status_id", success ? 1 : 2, "status_detail",
		e->outcome, "message", words_of(e), "raw_data", e->view, e->length, "unmapped",
		"details", e->details, "chain", chain_of(e));

	if (!o)
		return NULL;
	json_object_set_new(o, "metadata",
			    json_pack("{s:s, s:s, s:s, s:s, s:o, s:[s]}", "version", OCSF_VERSION,
				      "uid", e->id, "event_code", e->type, "log_name", "audit",
				      "product", product(), "profiles",
				      class == CLASS_NETWORK ? "security_control" : "host"));
	if (m.activity == OTHER)
		json_object_set_new(o, "activity_name", json_string(e->type));
	put_class(o, class, e, host, &m);
	return o;
}

json_t *ecs_make(const struct export_event *e, const char *host)
{
	const struct mapping m = mapping_of(e);
	bool success = strcmp(e->outcome, audit_outcome_to_str(AUDIT_SUCCESS)) == 0;
	char scratch[EXPORT_VALUE_SIZE];
	const char *limit = export_detail(e, "limit", scratch);
	json_t *user = json_object();
	json_t *o = json_pack(
		"{s:s, s:{s:s}, s:s, s:{s:s}, s:{s:s, s:[s], s:[s], s:s, s:s, s:i, s:s, s:s, s:s, s:s%},"
		" s:{s:O?, s:o, s:s, s:s}}",
		"@timestamp", e->timestamp, "ecs", "version", ECS_VERSION, "message", words_of(e),
		"host", "hostname", host, "event", "kind", categories[e->category].kind, "category",
		categories[e->category].category, "type", m.type, "outcome",
		success ? "success" : "failure", "action", e->type, "severity", (int)e->severity,
		"id", e->id, "hash", e->hash, "provider", "weir", "original", e->view, e->length,
		"weir", "details", e->details, "chain", chain_of(e), "resource_type",
		e->resource_type, "resource_id", e->resource_id);

	if (!o) {
		json_decref(user);
		return NULL;
	}
	set_text(user, "name", e->username);
	set_text(user, "id", e->user_id);
	if (*e->role)
		json_object_set_new(user, "roles", json_pack("[s]", e->role));
	json_object_set_new(o, "user", user);
	if (*e->source)
		json_object_set_new(o, "source", json_pack("{s:s}", "ip", e->source));
	if (*limit)
		json_object_set_new(o, "rule", json_pack("{s:s}", "name", limit));
	return o;
}
