/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/export.h"

#include <errno.h>

#include "base/log.h"
#include "engine/internal.h"

_Static_assert(SHIP_TARGETS_MAX == POLICY_EXPORTS_MAX && SHIP_NAME_MAX == POLICY_NAME_MAX,
	       "what a policy may have can be sent on");

void engine_exported(struct engine *e, const char *format, const struct audit_details *asked,
		     const struct engine_actor *actor)
{
	struct audit_details details = *asked;
	struct audit_record record = {
		.event = AUDIT_EVENT_AUDIT_EXPORTED,
		.action = "export",
		.resource = {"chain", "audit"},
		.details = &details,
	};

	audit_details_string(&details, "format", format);
	engine_record(e, &record, actor);
}

/* On the thread of a target. */
static void submit(const struct audit_record *record, void *userdata)
{
	struct engine *e = userdata;

	if (record->outcome == AUDIT_SUCCESS)
		log_info("an export's target takes records again", "export", record->resource.id);
	else
		log_warn("an export's target takes no records", "export", record->resource.id);
	if (recorder_submit(e->recorder, record) < 0)
		log_error("an audit record was lost", "event", audit_event_to_str(record->event));
}

void export_start(struct engine *e)
{
	char cursors[PATH_MAX];
	struct otlp_resource resource;
	const struct shipper_options options = {e->audit_dir, cursors, engine_audit_opener(e),
						submit,	      e,       &resource};
	struct fault f = {0};

	otlp_resource_init(&resource, e->options.state_dir);
	if (snprintf(cursors, sizeof(cursors), "%s/export", e->options.state_dir) >=
	    (int)sizeof(cursors))
		fault(&f, -ENAMETOOLONG, "fs.open", "the state directory's path is too long");
	else
		shipper_new(&options, &e->shipper, &f);
	if (f.err)
		log_error("audit records are not sent on", "error", f.text);
}

void export_take_policy(struct engine *e)
{
	struct ship_target targets[SHIP_TARGETS_MAX];
	struct fault f = {0};

	if (!e->shipper)
		return;
	for (size_t i = 0; i < e->policy->export_count; i++) {
		const struct policy_export *p = &e->policy->exports[i];

		targets[i] = (struct ship_target){p->name,	   (enum export_format)p->format,
						  p->to,	   p->categories,
						  p->min_severity, p->headers_file};
	}
	if (shipper_configure(e->shipper, targets, e->policy->export_count, &f) < 0)
		log_error("an export does not run", "error", f.text);
}

void export_stop(struct engine *e)
{
	shipper_free(e->shipper);
	e->shipper = NULL;
}

size_t engine_export_stats(const struct engine *e, struct ship_stats ret[static SHIP_TARGETS_MAX])
{
	return e->shipper ? shipper_get_stats(e->shipper, ret) : 0;
}
