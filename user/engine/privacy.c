/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/privacy.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

#define RETRY_NS (5 * NSEC_PER_SEC)

struct vault *engine_vault(const struct engine *e)
{
	return e->vault;
}

const struct personal_opener *engine_audit_opener(const struct engine *e)
{
	return vault_opener(e->vault);
}

enum personal_mode engine_personal_mode(const struct engine *e, enum audit_category category)
{
	return personal_mode(vault_keeper(e->vault), category);
}

static enum personal_mode mode_of(enum policy_personal mode)
{
	static const enum personal_mode modes[] = {
		[POLICY_SEALED] = PERSONAL_SEALED,
		[POLICY_TRUNCATED] = PERSONAL_TRUNCATED,
		[POLICY_CLEAR] = PERSONAL_CLEAR,
	};
	_Static_assert(ARRAY_SIZE(modes) == POLICY_PERSONAL_MAX, "a mode is missing");

	return modes[mode];
}

void privacy_take_policy(struct engine *e, const struct policy *policy)
{
	const enum policy_personal said[] = {
		[AUDIT_CATEGORY_TRAFFIC] = policy->audit.personal.traffic,
		[AUDIT_CATEGORY_SECURITY] = policy->audit.personal.security,
		[AUDIT_CATEGORY_LISTS] = policy->audit.personal.lists,
		[AUDIT_CATEGORY_POLICY] = policy->audit.personal.policy,
		[AUDIT_CATEGORY_ACCESS] = policy->audit.personal.access,
		[AUDIT_CATEGORY_SYSTEM] = policy->audit.personal.system,
		[AUDIT_CATEGORY_AUDIT] = policy->audit.personal.audit,
		[AUDIT_CATEGORY_PRIVACY] = policy->audit.personal.privacy,
	};
	_Static_assert(ARRAY_SIZE(said) == AUDIT_CATEGORY_MAX, "a category has no mode");

	for (unsigned int i = 0; i < AUDIT_CATEGORY_MAX; i++)
		personal_set_mode(vault_keeper(e->vault), (enum audit_category)i, mode_of(said[i]));
}

int privacy_open(struct engine *e, struct fault *reterr)
{
	const struct vault_options options = {
		.state_dir = e->options.state_dir,
		.key = e->options.vault_key,
		.owner = true,
	};
	struct vault_status status;
	int r = vault_open(&options, &e->vault, reterr);

	if (r < 0)
		return r;
	vault_get_status(e->vault, &status);
	if (status.state != VAULT_WORKS)
		log_error("the vault cannot be used: records name no addresses and no users",
			  "error", status.trouble.text);
	if (*status.set_aside)
		log_error("the vault was damaged and is set aside; what it held cannot be opened",
			  "as", status.set_aside);
	if (status.key_made)
		log_warn("a key for the vault was made beside what it locks: move it elsewhere "
			 "and start with --vault-key FILE",
			 "file", status.key_source);
	return 0;
}

static void put_string(struct audit_details *details, const char *key, const char *value)
{
	if (value && *value)
		audit_details_string(details, key, value);
}

static void record(struct engine *e, enum audit_event event, const struct fault *f,
		   const struct engine_actor *actor)
{
	struct vault_status status;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = f && f->err ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"vault", status.path},
		.details = &details,
	};

	vault_get_status(e->vault, &status);
	audit_details_string(&details, "state", vault_state_to_str(status.state));
	put_string(&details, "key", status.key_id);
	put_string(&details, "source", status.key_source);
	put_string(&details, "set_aside", status.set_aside);
	if (f && f->err) {
		audit_details_string(&details, "code", f->code);
		audit_details_string(&details, "error", f->text);
	}
	engine_record(e, &record, actor);
}

void privacy_record(struct engine *e)
{
	struct vault_status status;

	vault_get_status(e->vault, &status);
	if (status.made)
		record(e, AUDIT_EVENT_VAULT_CREATED, NULL, &ENGINE_SYSTEM);
	if (status.state == VAULT_WORKS)
		return;
	e->vault_told = true;
	record(e, AUDIT_EVENT_VAULT_UNAVAILABLE, &status.trouble, &ENGINE_SYSTEM);
}

/* The disk may have room again, or the stick with the key may be back. */
static void retry(struct engine *e)
{
	uint64_t now_ns = clock_monotonic_ns();
	struct vault_status status;

	if (now_ns < e->vault_due_ns)
		return;
	e->vault_due_ns = now_ns + RETRY_NS;
	if (!vault_retry(e->vault))
		return;
	log_info("the vault can be used again");
	e->vault_told = false;
	record(e, AUDIT_EVENT_VAULT_RECOVERED, NULL, &ENGINE_SYSTEM);
	vault_get_status(e->vault, &status);
	e->vault_refused = status.refused;
}

void privacy_tick(struct engine *e)
{
	struct vault_status status;
	struct fault f;

	if (vault_state(e->vault) != VAULT_WORKS)
		return retry(e);
	vault_get_status(e->vault, &status);
	if (e->vault_told || status.refused == e->vault_refused)
		return;
	e->vault_told = true;
	f = status.trouble;
	if (!f.err)
		fault(&f, -EMSGSIZE, "vault.value", "a value was too long, or there was no memory");
	log_error("a value could not be sealed: it was truncated", "error", f.text);
	record(e, AUDIT_EVENT_VAULT_UNAVAILABLE, &f, &ENGINE_SYSTEM);
}

int engine_vault_rotate(struct engine *e, const struct engine_actor *actor, struct fault *reterr)
{
	struct fault f = {0};
	int r = engine_proceed(actor, &f, "lock the vault with a new key")
			?: vault_rotate(e->vault, &f);

	record(e, AUDIT_EVENT_VAULT_ROTATED, &f, actor);
	if (r < 0)
		return fault(reterr, r, f.code, "%s", f.text);
	return 0;
}
