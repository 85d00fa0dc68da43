/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The database when the daemon starts, and what to do without one. A damaged file must not keep a host from being
 * protected, nor let go of whom operators blocked: it is set aside under a name that says so, and their entries are
 * taken back from the kernel, which still enforces them. Who made them and why is lost; until when is not.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"

#define BOTH_KINDS ((1U << LIST_KIND_MAX) - 1)
#define RECOVER_KEY                                                                                \
	"recover" /* kinds that are still to be taken back, should the daemon die first */
#define RECOVERED_REASON "recovered from the kernel: the database was lost"

static void record_lost(struct engine *e)
{
	const struct engine_store *s = &e->store_state;
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_STORE_DAMAGED,
		.outcome = e->store ? AUDIT_SUCCESS : AUDIT_FAILURE,
		.resource = {"store", e->store_path},
		.details = &details,
	};

	audit_details_string(&details, "code", s->fault.code);
	audit_details_string(&details, "error", s->fault.text);
	audit_details_string(&details, "set_aside", s->set_aside);
	engine_record(e, &record, &ENGINE_SYSTEM);
}

/* Rename it, with the log that belongs to it, and begin a new one. */
static int replace(struct engine *e, struct fault *reterr)
{
	struct engine_store *s = &e->store_state;
	char suffix[40], path[PATH_MAX + 64];
	int r;

	snprintf(suffix, sizeof(suffix), "damaged-%llu",
		 (unsigned long long)(clock_real_ns() / NSEC_PER_SEC));
	r = store_set_aside(e->store_path, suffix, path, sizeof(path), reterr);
	if (r < 0)
		return r;
	snprintf(s->set_aside, sizeof(s->set_aside), "%.63s", strrchr(path, '/') + 1);
	log_error("the database is damaged and set aside", "error", s->fault.text, "as", path);
	return store_open(e->store_path, &e->store, reterr);
}

/* What is to be taken back after a new start, too. */
static void note_recovery(struct engine *e)
{
	char kinds[16];

	snprintf(kinds, sizeof(kinds), "%u", e->recover);
	if (e->store)
		store_meta_put(e->store, RECOVER_KEY, kinds, NULL);
}

/* It is not there, though a daemon was here before. */
static bool is_gone(const struct engine *e)
{
	return !recorder_is_first(e->recorder) && access(e->store_path, F_OK) < 0 &&
	       errno == ENOENT;
}

void store_start(struct engine *e)
{
	struct engine_store *s = &e->store_state;
	struct fault f = {0};
	char kinds[16];
	bool gone = is_gone(e);
	int r = store_open(e->store_path, &e->store, &s->fault);

	if (r == 0 && !gone) {
		if (store_meta_get(e->store, RECOVER_KEY, kinds, sizeof(kinds), NULL) == 0)
			parse_u32(kinds, 0, BOTH_KINDS, &e->recover);
		return;
	}
	e->recover = BOTH_KINDS;
	if (r == 0)
		fault(&s->fault, -ENOENT, "store.gone", "%s was gone; a new one is begun",
		      e->store_path);
	if (r == -EUCLEAN && replace(e, &f) < 0)
		s->fault = f;
	if (!e->store)
		log_error("the database cannot be used: list changes will not survive a reboot",
			  "error", s->fault.text);
	note_recovery(e);
	record_lost(e);
}

/* Until when policy and feeds ask for this prefix by themselves. */
static uint64_t explained_until(const struct engine *e, const struct prefix *prefix,
				enum list_kind kind, uint64_t now_ns)
{
	struct list_entry covering[LIST_COVERING_MAX];
	size_t count = list_set_covering(e->lists, prefix->address, now_ns, covering);
	uint64_t until_ns = 0;

	for (size_t i = 0; i < count; i++) {
		const struct list_entry *c = &covering[i];

		if (c->key.kind == kind && c->key.origin != LIST_KEPT &&
		    c->key.origin != LIST_RECOVERED && prefix_covers(&c->key.prefix, prefix) &&
		    c->until_monotonic_ns > until_ns)
			until_ns = c->until_monotonic_ns;
	}
	return until_ns;
}

static int take_back(struct engine *e, const struct list_entry *entry, const struct list_now *now)
{
	const struct store_list_row row = {
		.kind = (uint8_t)entry->key.kind,
		.prefix = entry->key.prefix,
		.until_real_ns = entry->until_ns,
		.added_ns = entry->added_ns,
		.reason = entry->reason,
		.added_by = entry->added_by,
		.recovered = true,
	};
	int r = list_set_add(e->lists, entry, now, NULL);

	if (r == 0 && e->store)
		store_list_put(e->store, &row, NULL);
	return r;
}

static void record_recovered(struct engine *e, const size_t counts[static LIST_KIND_MAX],
			     size_t failed, bool persisted)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = AUDIT_EVENT_STORE_RECOVERED,
		.outcome = failed ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"store", e->store_path},
		.details = &details,
	};

	audit_details_u64(&details, "allow", counts[LIST_ALLOW]);
	audit_details_u64(&details, "block", counts[LIST_BLOCK]);
	audit_details_u64(&details, "failed", failed);
	audit_details_bool(&details, "persisted", persisted);
	engine_record(e, &record, &ENGINE_SYSTEM);
	log_warn("list entries were recovered from the kernel; who made them and why is lost");
}

/* Take one back if nothing else accounts for it. 0, 1 if it was, or -errno. */
static int recover_entry(struct engine *e, const struct list_image_entry *held, enum list_kind kind,
			 const struct list_now *now)
{
	uint64_t until_ns =
		kind == LIST_ALLOW ? held->value.allow_until_ns : held->value.block_until_ns;
	const struct list_entry entry = {
		.key = {.kind = kind, .prefix = held->prefix, .origin = LIST_RECOVERED},
		.until_ns = until_ns == WEIR_FOREVER
				    ? WEIR_FOREVER
				    : now->real_ns + (until_ns - now->monotonic_ns),
		.added_ns = now->real_ns,
		.reason = RECOVERED_REASON,
		.added_by = ENGINE_SYSTEM.username,
	};
	struct list_key operator= entry.key;
	int r;

	operator.origin = LIST_OPERATOR;
	if (until_ns <= now->monotonic_ns ||
	    list_until_round(explained_until(e, &held->prefix, kind, now->monotonic_ns)) >=
		    until_ns ||
	    list_set_find(e->lists, &operator, NULL) == 0)
		return 0;
	r = take_back(e, &entry, now);
	return r < 0 ? r : 1;
}

void store_recover(struct engine *e, const struct list_image *image, unsigned int kinds)
{
	const struct list_now now = {.real_ns = clock_real_ns(),
				     .monotonic_ns = clock_monotonic_ns()};
	size_t counts[LIST_KIND_MAX] = {0}, failed = 0;
	bool persisted;

	if (!kinds)
		return;
	persisted = e->store && store_begin(e->store, NULL) == 0;
	for (size_t i = 0; i < image->count; i++)
		for (enum list_kind kind = 0; kind < LIST_KIND_MAX; kind++) {
			int r = kinds >> kind & 1 ? recover_entry(e, &image->entries[i], kind, &now)
						  : 0;

			counts[kind] += r > 0;
			failed += r < 0;
		}
	e->recover &= ~kinds;
	note_recovery(e);
	if (persisted)
		persisted = store_commit(e->store, NULL) == 0;
	e->store_state.recovered += counts[LIST_ALLOW] + counts[LIST_BLOCK];
	if (counts[LIST_ALLOW] || counts[LIST_BLOCK] || failed)
		record_recovered(e, counts, failed, persisted);
}
