/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes of the allow and block lists: the set, the kernel, the store, the record. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/internal.h"

static struct list_now now(void)
{
	return (struct list_now){
		.real_ns = clock_real_ns(),
		.monotonic_ns = clock_monotonic_ns(),
	};
}

/* Learn what the kernel holds, whatever was thought before. */
static int read_kernel(struct engine *e, struct list_image *ret, struct fault *reterr)
{
	int r = datapath_read_lists(e->datapath, ret, reterr);

	if (r < 0)
		return r;
	r = list_image_adopt(e->lists, ret);
	if (r < 0) {
		list_image_done(ret);
		return fault(reterr, r, "lists.memory", "cannot take over the lists: %s",
			     strerror(-r));
	}
	e->lists_unknown = false;
	return 0;
}

/* Bring the kernel from what it holds to what the set asks for. */
int lists_synchronise(struct engine *e, struct fault *reterr)
{
	_cleanup_(list_image_done) struct list_image held = {0};
	_cleanup_(list_diff_done) struct list_diff diff = {0};
	int r = e->lists_unknown ? read_kernel(e, &held, reterr) : 0;

	if (r < 0)
		return r;
	e->lists_unknown = true;
	r = list_image_update(e->lists, clock_monotonic_ns(), &diff);
	if (r < 0)
		return fault(reterr, r, "lists.memory", "cannot compare the lists: %s",
			     strerror(-r));
	if (diff.upsert_count || diff.delete_count)
		r = datapath_apply_lists(e->datapath, &diff, reterr);
	/* Otherwise some steps may have been taken. */
	if (r == 0)
		e->lists_unknown = false;
	return r;
}

static int load_row(const struct store_list_row *row, void *userdata)
{
	struct engine *e = userdata;
	struct list_now at = now();
	struct list_entry entry = {
		.key = {.kind = row->kind,
			.prefix = row->prefix,
			.origin = row->recovered ? LIST_RECOVERED : LIST_OPERATOR},
		.until_ns = row->until_real_ns,
		.added_ns = row->added_ns,
		.reason = row->reason,
		.added_by = row->added_by,
	};

	return row->until_real_ns <= at.real_ns ? 0 : list_set_add(e->lists, &entry, &at, NULL);
}

int lists_load(struct engine *e, struct fault *reterr)
{
	int r = list_set_new(&e->lists);

	if (r < 0)
		return fault(reterr, r, "lists.memory", "out of memory");
	if (e->store) {
		r = store_list_each(e->store, load_row, e, reterr);
		if (r < 0)
			return r;
	}
	return read_kernel(e, &e->held, reterr);
}

#define BEGAN_SIZE (POLICY_SHA256_HEX_SIZE + 24)

/* When the policy's lifetimes began: when this very text was first applied, also by an earlier daemon,
 * so that a restart does not prolong them. */
static uint64_t policy_began_ns(const struct engine *e, const struct policy *policy,
				uint64_t now_ns)
{
	size_t length = sizeof(policy->sha256) - 1;
	char text[BEGAN_SIZE];
	uint64_t began_ns;

	if (e->store && store_meta_get(e->store, "policy", text, sizeof(text), NULL) == 0 &&
	    strncmp(text, policy->sha256, length) == 0 && text[length] == ' ' &&
	    parse_u64(text + length + 1, 1, now_ns, &began_ns) == 0)
		return began_ns;
	return now_ns;
}

void lists_commit(struct engine *e, const struct policy *policy)
{
	char text[BEGAN_SIZE], before[BEGAN_SIZE];

	if (!e->store)
		return;
	snprintf(text, sizeof(text), "%s %llu", policy->sha256,
		 (unsigned long long)e->policy_began_ns);
	if (store_meta_get(e->store, "policy", before, sizeof(before), NULL) < 0 ||
	    strcmp(text, before) != 0)
		store_meta_put(e->store, "policy", text, NULL);
}

static void add_policy_list(struct engine *e, const struct policy_list *list, enum list_kind kind,
			    uint64_t began_ns, struct list_entry *to)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct policy_entry *from = &list->entries[i];
		struct list_entry existing;

		to[i] = (struct list_entry){
			.key = {.kind = kind, .prefix = from->prefix, .origin = LIST_POLICY},
			.until_ns = from->ttl_ns ? began_ns + from->ttl_ns : WEIR_FOREVER,
			.added_ns = began_ns,
			.line = from->line,
			.reason = from->reason,
			.added_by = "policy",
		};
		/* Editing another line must not prolong this one. */
		if (list_set_find(e->lists, &to[i].key, &existing) < 0)
			continue;
		if (from->ttl_ns && existing.until_ns != WEIR_FOREVER &&
		    existing.until_ns - existing.added_ns == from->ttl_ns) {
			to[i].until_ns = existing.until_ns;
			to[i].added_ns = existing.added_ns;
		} else if (!from->ttl_ns && existing.until_ns == WEIR_FOREVER) {
			to[i].added_ns = existing.added_ns;
		}
	}
}

/* Make the policy's entries all there is of its origin. The kernel follows by lists_synchronise(). */
int lists_take_policy(struct engine *e, const struct policy *policy, struct fault *reterr)
{
	size_t count = policy->allow.count + policy->block.count;
	_cleanup_free_ struct list_entry *entries = calloc(count ? count : 1, sizeof(*entries));
	struct list_now at = now();

	if (!entries)
		return fault(reterr, -ENOMEM, "lists.memory", "out of memory");
	e->policy_began_ns = policy_began_ns(e, policy, at.real_ns);
	add_policy_list(e, &policy->allow, LIST_ALLOW, e->policy_began_ns, entries);
	add_policy_list(e, &policy->block, LIST_BLOCK, e->policy_began_ns,
			entries + policy->allow.count);
	return list_set_replace_origin(e->lists, LIST_POLICY, entries, count, &at, reterr);
}

static void record_entry(struct engine *e, enum audit_event event, const struct list_entry *entry,
			 const struct engine_actor *actor, bool persisted)
{
	struct audit_details details = {0};
	struct audit_record record = {.event = event, .details = &details};
	char cidr[PREFIX_TEXT_SIZE], until[CLOCK_RFC3339_SIZE];

	prefix_format(&entry->key.prefix, cidr);
	record.resource.type = list_kind_to_str(entry->key.kind);
	record.resource.id = cidr;
	audit_details_string(&details, "origin", list_origin_to_str(entry->key.origin));
	audit_details_string(&details, "reason", entry->reason ?: "");
	audit_details_bool(&details, "persisted", persisted);
	if (entry->until_ns != WEIR_FOREVER) {
		clock_format_rfc3339(entry->until_ns, until);
		audit_details_string(&details, "until", until);
	}
	engine_record(e, &record, actor);
}

static bool persist(struct engine *e, const struct list_entry *entry)
{
	struct store_list_row row = {
		.kind = (uint8_t)entry->key.kind,
		.prefix = entry->key.prefix,
		.until_real_ns = entry->until_ns,
		.added_ns = entry->added_ns,
		.reason = entry->reason ?: "",
		.added_by = entry->added_by ?: "",
	};
	struct fault f = {0};

	if (!e->store)
		return false;
	if (store_list_put(e->store, &row, &f) == 0)
		return true;
	log_warn("a list entry is in force but will not survive a reboot", "error", f.text);
	return false;
}

int engine_list_add(struct engine *e, const struct engine_list_request *request,
		    const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	struct list_now at = now();
	struct list_entry entry = {
		.key = {.kind = request->kind, .prefix = request->prefix, .origin = LIST_OPERATOR},
		.until_ns = request->ttl_ns ? at.real_ns + request->ttl_ns : WEIR_FOREVER,
		.added_ns = at.real_ns,
		.reason = request->reason,
		.added_by = actor->username,
	};
	struct list_key recovered = entry.key;
	struct list_entry before;
	bool replaces;
	int r = 0;

	if (request->kind == LIST_BLOCK)
		r = lockout_check_block(e, &request->prefix, actor, reterr);
	r = r ?: list_set_add(e->lists, &entry, &at, reterr);
	if (r < 0)
		return r;
	/* Somebody says now who and why. */
	recovered.origin = LIST_RECOVERED;
	replaces = list_set_find(e->lists, &recovered, &before) == 0;
	if (replaces)
		list_set_remove(e->lists, &recovered);
	r = lists_synchronise(e, reterr);
	if (r < 0) {
		list_set_remove(e->lists, &entry.key);
		before.reason = before.added_by = NULL;
		if (replaces)
			list_set_add(e->lists, &before, &at, NULL);
		return r;
	}
	*ret_persisted = persist(e, &entry);
	record_entry(e, AUDIT_EVENT_LIST_ADD, &entry, actor, *ret_persisted);
	return 0;
}

/* Why an operator cannot remove what no operator has added. */
static int absent_fault(struct engine *e, const struct list_key *key, struct fault *reterr)
{
	struct list_key other = *key;
	const struct engine_feed *feed;
	struct list_entry entry;
	char cidr[PREFIX_TEXT_SIZE];

	prefix_format(&key->prefix, cidr);
	other.origin = LIST_POLICY;
	if (list_set_find(e->lists, &other, &entry) == 0)
		return fault(reterr, -EPERM, "lists.policy",
			     "%s comes from line %u of the policy: remove it there and apply", cidr,
			     entry.line);
	other.origin = LIST_FEED;
	for (size_t i = 0; (feed = engine_feed(e, i)); i++) {
		other.feed = feed->id;
		if (list_set_find(e->lists, &other, &entry) == 0)
			return fault(reterr, -EPERM, "lists.feed",
				     "%s comes from line %u of %.300s, which is feed '%s': remove "
				     "it there",
				     cidr, entry.line, entry.file, entry.feed);
	}
	other = *key;
	other.origin = LIST_KEPT;
	if (list_set_find(e->lists, &other, NULL) == 0)
		return fault(reterr, -EPERM, "lists.kept",
			     "%s is what an earlier daemon enforced; it goes when all feeds have "
			     "been read",
			     cidr);
	return fault(reterr, -ENOENT, "lists.absent", "%s is not on the %s list", cidr,
		     list_kind_to_str(key->kind));
}

/* Texts of the set are valid until it changes: keep these across a change. */
static int copy_texts(struct list_entry *entry, char **reason, char **added_by)
{
	*reason = strdup(entry->reason);
	*added_by = strdup(entry->added_by);
	entry->reason = *reason;
	entry->added_by = *added_by;
	return *reason && *added_by ? 0 : -ENOMEM;
}

int engine_list_remove(struct engine *e, enum list_kind kind, const struct prefix *prefix,
		       const struct engine_actor *actor, bool *ret_persisted, struct fault *reterr)
{
	struct list_key key = {.kind = kind, .prefix = *prefix, .origin = LIST_OPERATOR};
	_cleanup_free_ char *reason = NULL, *added_by = NULL;
	char cidr[PREFIX_TEXT_SIZE];
	struct list_entry entry;
	struct fault f = {0};
	int r;

	if (list_set_find(e->lists, &key, &entry) < 0) {
		key.origin = LIST_RECOVERED;
		if (list_set_find(e->lists, &key, &entry) < 0) {
			key.origin = LIST_OPERATOR;
			return absent_fault(e, &key, reterr);
		}
	}
	r = kind == LIST_ALLOW ? lockout_check_unallow(e, prefix, actor, reterr) : 0;
	if (r < 0)
		return r;
	prefix_format(prefix, cidr);
	r = engine_proceed(actor, reterr, "take %s off the %s list", cidr, list_kind_to_str(kind));
	if (r < 0)
		return r;
	if (copy_texts(&entry, &reason, &added_by) < 0)
		return fault(reterr, -ENOMEM, "lists.memory", "out of memory");
	list_set_remove(e->lists, &key);
	r = lists_synchronise(e, reterr);
	if (r < 0) {
		struct list_now at = now();

		list_set_add(e->lists, &entry, &at, NULL);
		return r;
	}
	*ret_persisted = e->store && store_list_delete(e->store, (uint8_t)kind, prefix, &f) == 0;
	if (!*ret_persisted)
		log_warn("a removed list entry would come back after a reboot", "error", f.text);
	record_entry(e, AUDIT_EVENT_LIST_REMOVE, &entry, actor, *ret_persisted);
	return 0;
}

static void entry_expired(const struct list_entry *entry, void *userdata)
{
	struct engine *e = userdata;
	bool persisted = true;

	if (entry->key.origin == LIST_OPERATOR || entry->key.origin == LIST_RECOVERED)
		persisted = e->store && store_list_delete(e->store, (uint8_t)entry->key.kind,
							  &entry->key.prefix, NULL) == 0;
	record_entry(e, AUDIT_EVENT_LIST_EXPIRE, entry, &ENGINE_SYSTEM, persisted);
}

/* The kernel has stopped honouring them already, by time; this clears them away. */
void lists_expire(struct engine *e)
{
	struct fault f = {0};
	bool grouped;

	if (list_set_next_deadline(e->lists) > clock_monotonic_ns())
		return;
	grouped = e->store && store_begin(e->store, NULL) == 0;
	if (!list_set_remove_expired(e->lists, clock_monotonic_ns(), entry_expired, e))
		return;
	if (grouped && store_commit(e->store, &f) < 0)
		log_warn("expired list entries stay in the store", "error", f.text);
	if (lists_synchronise(e, &f) < 0)
		log_error("expired list entries stay in the kernel, without effect", "error",
			  f.text);
}
