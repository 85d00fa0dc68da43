/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sealer within the engine: its records go to the recorder; a rotation waits until its own is durable. It ends
 * before the recorder, so that it asks for no record that cannot be written, and seals the last ones after that.
 */
#include "engine/seal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"

/* On the sealer's thread. */
static void submit(const struct audit_record *record, void *userdata)
{
	struct engine *e = userdata;

	if (recorder_submit(e->recorder, record) < 0)
		log_error("an audit record was lost", "event", audit_event_to_str(record->event));
}

void seal_start(struct engine *e)
{
	char keys[PATH_MAX];
	const struct sealer_options options = {
		.audit_dir = e->audit_dir,
		.key_dir = keys,
		.record = submit,
		.userdata = e,
	};
	struct fault f = {0};

	if (snprintf(keys, sizeof(keys), "%s/keys", e->options.state_dir) >= (int)sizeof(keys))
		fault(&f, -ENAMETOOLONG, "fs.open", "the state directory's path is too long");
	else
		sealer_start(&options, &e->sealer, &f);
	if (f.err)
		log_error("the audit log is not sealed", "error", f.text);
}

void seal_stop(struct engine *e)
{
	sealer_stop(e->sealer);
}

void seal_close(struct engine *e)
{
	sealer_close(e->sealer);
	e->sealer = NULL;
}

bool engine_seal_stats(const struct engine *e, struct sealer_stats *ret)
{
	if (e->sealer)
		sealer_get_stats(e->sealer, ret);
	return e->sealer;
}

static int check(const struct engine *e, const char *reason, struct fault *reterr)
{
	if (reason &&
	    (strlen(reason) > ENGINE_SEAL_REASON_MAX || !utf8_valid(reason, strlen(reason))))
		return fault(reterr, -EINVAL, "engine.reason",
			     "a reason is text of at most %d bytes", ENGINE_SEAL_REASON_MAX);
	if (!e->sealer)
		return fault(reterr, -EBUSY, "audit.rotation",
			     "the audit log is not sealed: there was no memory for it");
	return 0;
}

static void record(struct engine *e, enum audit_event event, struct audit_details *details,
		   const char *reason, const struct engine_actor *actor, const struct fault *f)
{
	struct audit_record record = {
		.event = event,
		.outcome = f->err ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"chain", "audit"},
		.details = details,
	};

	if (reason)
		audit_details_string(details, "reason", reason);
	if (f->err) {
		audit_details_string(details, "error", f->code);
		audit_details_string(details, "words", f->text);
	}
	engine_record(e, &record, actor);
}

static void rotation_recorded(bool durable, void *userdata)
{
	struct engine *e = userdata;
	struct fault f = {0};

	if (!durable) {
		sealer_rotate_abandon(e->sealer);
		log_error("the audit log's key stays as it is: its rotation could not be recorded");
	} else if (sealer_rotate_finish(e->sealer, &f) < 0) {
		log_error("the audit log's key was not rotated as it should", "error", f.text);
	}
}

int engine_seal_rotate(struct engine *e, const char *reason, const struct engine_actor *actor,
		       char ret_keys[static 2][NOTE_VERIFIER_SIZE], struct fault *reterr)
{
	_cleanup_free_ char *note = NULL;
	struct audit_details details = {0};
	struct fault f = {0};
	int r = check(e, reason, &f);

	if (f.err && strcmp(f.code, "engine.reason") == 0)
		reason = NULL; /* nothing that cannot be recorded */
	r = r ?: engine_proceed(actor, &f, "sign the audit log with a new key");
	r = r ?: sealer_rotate_prepare(e->sealer, &note, ret_keys, &f);
	if (r == 0) {
		audit_details_string(&details, "former_key", ret_keys[0]);
		audit_details_string(&details, "key", ret_keys[1]);
		audit_details_string(&details, "note", note);
	}
	record(e, AUDIT_EVENT_AUDIT_KEY_ROTATED, &details, reason, actor, &f);
	if (r == 0 && recorder_when_durable(e->recorder, rotation_recorded, e) < 0) {
		sealer_rotate_abandon(e->sealer);
		r = fault(&f, -EBUSY, "audit.rotation", "too many records wait to be written");
	}
	if (r < 0 && reterr)
		*reterr = f;
	return r;
}

int engine_seal_acknowledge(struct engine *e, const char *reason, const struct engine_actor *actor,
			    char ret_name[static NOTE_NAME_MAX + 1], struct fault *reterr)
{
	struct audit_details details = {0};
	struct sealer_stats stats = {0};
	struct fault f = {0};
	int r = check(e, reason, &f);

	if (f.err && strcmp(f.code, "engine.reason") == 0)
		reason = NULL;
	engine_seal_stats(e, &stats);
	if (r == 0 && actor->dry_run && stats.state != SEALER_HALTED)
		r = fault(&f, -EPERM, "audit.acknowledge",
			  "there is nothing to acknowledge: the log does not contradict what was "
			  "signed");
	r = r
		    ?: engine_proceed(actor, &f,
				      "sign again though the audit log contradicts its checkpoint");
	r = r ?: sealer_acknowledge(e->sealer, ret_name, &f);
	if (*stats.because)
		audit_details_string(&details, "contradiction", stats.because);
	if (r == 0)
		audit_details_string(&details, "name", ret_name);
	record(e, AUDIT_EVENT_AUDIT_ACKNOWLEDGED, &details, reason, actor, &f);
	if (r < 0 && reterr)
		*reterr = f;
	return r;
}
