/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "engine/history.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static const char *const how_names[] = {
	[HISTORY_START] = "start",	 [HISTORY_RELOAD] = "reload",
	[HISTORY_APPLY] = "apply",	 [HISTORY_CONFIRM] = "confirm",
	[HISTORY_ROLLBACK] = "rollback", [HISTORY_AUTOMATIC] = "automatic_rollback",
};
_Static_assert(ARRAY_SIZE(how_names) == HISTORY_HOW_MAX, "a way has no name");

static const char *const state_names[] = {
	[HISTORY_BEGUN] = "begun",	 [HISTORY_UNCONFIRMED] = "unconfirmed",
	[HISTORY_IN_FORCE] = "in_force", [HISTORY_FORMER] = "former",
	[HISTORY_UNDONE] = "undone",
};
_Static_assert(ARRAY_SIZE(state_names) == HISTORY_STATE_MAX, "a state has no name");

const char *history_how_str(enum history_how how)
{
	return how_names[how];
}

const char *history_state_str(enum history_state state)
{
	return state_names[state];
}

/* The place of @word among @words; @fallback for one that another version wrote. */
static unsigned int word_of(const char *word, const char *const *words, unsigned int count,
			    unsigned int fallback)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return fallback;
}

static struct history_item *find(struct history *h, uint32_t generation)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->items[i].generation == generation)
			return &h->items[i];
	return NULL;
}

const struct history_item *history_find(const struct history *h, uint32_t generation)
{
	return find((struct history *)(uintptr_t)h, generation);
}

const struct history_item *history_current(const struct history *h)
{
	for (size_t i = h->count; i--;)
		if (h->items[i].state == HISTORY_IN_FORCE ||
		    h->items[i].state == HISTORY_UNCONFIRMED)
			return &h->items[i];
	return NULL;
}

uint32_t history_last_generation(const struct history *h)
{
	return h->count ? h->items[h->count - 1].generation : 0;
}

bool history_is_same(const struct history_item *a, const struct history_item *b)
{
	bool known = a->profile_known && b->profile_known;

	return strcmp(a->sha256, b->sha256) == 0 && (!known || strcmp(a->profile, b->profile) == 0);
}

const struct history_item *history_former(const struct history *h)
{
	const struct history_item *current = history_current(h);

	if (!current)
		return NULL;
	if (h->pending.is)
		return history_find(h, h->pending.former);
	for (const struct history_item *i = current; i-- > h->items;)
		if (i->state == HISTORY_FORMER && !history_is_same(i, current))
			return i;
	return NULL;
}

int history_text(const struct history *h, uint32_t generation, char **ret, size_t *ret_length,
		 struct fault *reterr)
{
	const struct history_item *item = history_find(h, generation);
	char *text;

	if (!item)
		return fault(reterr, -ENOENT, "policy.generation",
			     "generation %u is not in the history: it has the last %u", generation,
			     HISTORY_MAX);
	if (!item->text && !h->store)
		return fault(reterr, -ENOENT, "policy.generation",
			     "the text of generation %u is in the store, which does not work",
			     generation);
	if (!item->text)
		return store_policy_text(h->store, item->sha256, ret, ret_length, reterr);
	text = malloc(item->length + 1);
	if (!text)
		return fault(reterr, -ENOMEM, "policy.memory", "out of memory");
	memcpy(text, item->text, item->length + 1);
	*ret = text;
	*ret_length = item->length;
	return 0;
}

/* Which start of the machine this is: CLOCK_BOOTTIME means something within one only. */
static void read_boot_id(char ret[static STORE_BOOT_ID_SIZE])
{
	_cleanup_close_ int fd =
		open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd >= 0 ? read(fd, ret, STORE_BOOT_ID_SIZE - 1) : 0;

	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/* What the deadline is by this boot's clock. After a reboot only the wall clock can tell, and one that
 * shows a time before the policy was applied cannot. */
static uint64_t deadline_of(const struct store_pending_row *row)
{
	uint64_t now_ns = clock_real_ns();
	char boot_id[STORE_BOOT_ID_SIZE];

	read_boot_id(boot_id);
	if (*boot_id && strcmp(boot_id, row->boot_id) == 0)
		return row->until_boot_ns;
	if (now_ns < row->since_real_ns || now_ns >= row->until_real_ns)
		return 0;
	return clock_boot_ns() + (row->until_real_ns - now_ns);
}

static int load_row(const struct store_policy_row *row, void *userdata)
{
	struct history *h = userdata;
	struct history_item *item = &h->items[h->count];

	/* There are no more unless the file was written by another version; the oldest go then. */
	if (h->count == HISTORY_MAX) {
		memmove(h->items, h->items + 1, (HISTORY_MAX - 1) * sizeof(*item));
		item = &h->items[--h->count];
	}
	*item = (struct history_item){
		.generation = row->generation,
		.parent = row->parent,
		.length = row->length,
		.uid = row->uid,
		.applied_ns = row->applied_ns,
		.how = word_of(row->how, how_names, HISTORY_HOW_MAX, HISTORY_APPLY),
		.state = word_of(row->state, state_names, HISTORY_STATE_MAX, HISTORY_FORMER),
		.persisted = true,
	};
	snprintf(item->sha256, sizeof(item->sha256), "%s", row->sha256);
	snprintf(item->username, sizeof(item->username), "%s", row->username);
	snprintf(item->reason, sizeof(item->reason), "%s", row->reason);
	item->profile_known = row->profile && row->daemon_profile;
	if (item->profile_known) {
		snprintf(item->profile, sizeof(item->profile), "%s", row->profile);
		snprintf(item->daemon_profile, sizeof(item->daemon_profile), "%s",
			 row->daemon_profile);
	}
	h->count++;
	return 0;
}

static void set_state(struct history *h, struct history_item *item, enum history_how how,
		      enum history_state state)
{
	struct fault f = {0};

	item->how = how;
	item->state = state;
	if (item->persisted &&
	    store_policy_set_state(h->store, item->generation, history_how_str(how),
				   history_state_str(state), &f) < 0)
		log_warn("the history in the store is not up to date", "error", f.text);
}

/* What waited when a backup was made does not wait where it was restored. */
static void drop_unconfirmed(struct history *h)
{
	for (size_t i = 0; i < h->count && !h->pending.is; i++)
		if (h->items[i].state == HISTORY_UNCONFIRMED)
			set_state(h, &h->items[i], h->items[i].how, HISTORY_UNDONE);
}

int history_open(struct history *h, struct store *store, struct fault *reterr)
{
	struct store_pending_row row;
	int r;

	*h = (struct history){.store = store};
	if (!store)
		return 0;
	r = store_policy_each(store, load_row, h, reterr);
	if (r == 0) {
		r = store_pending_get(store, &row, reterr);
		if (r == 0)
			h->pending = (struct history_pending){
				.is = true,
				.generation = row.generation,
				.asked = row.asked,
				.former = row.former,
				.until_boot_ns = deadline_of(&row),
				.since_real_ns = row.since_real_ns,
				.until_real_ns = row.until_real_ns,
				.persisted = true,
			};
		r = r == -ENOENT ? 0 : r;
	}
	if (r == 0)
		drop_unconfirmed(h);
	if (r < 0)
		*h = (struct history){0};
	return r;
}

void history_done(struct history *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->items[i].text);
	*h = (struct history){0};
}

static int put_pending(struct history *h, struct fault *reterr)
{
	const struct history_pending *p = &h->pending;
	struct store_pending_row row = {
		.generation = p->generation,
		.asked = p->asked,
		.former = p->former,
		.until_boot_ns = p->until_boot_ns,
		.since_real_ns = p->since_real_ns,
		.until_real_ns = p->until_real_ns,
	};

	read_boot_id(row.boot_id);
	return store_pending_put(h->store, &row, reterr);
}

static int put_item(struct history *h, const struct history_item *item, const char *text,
		    struct fault *reterr)
{
	const struct store_policy_row row = {
		.generation = item->generation,
		.parent = item->parent,
		.sha256 = item->sha256,
		.uid = item->uid,
		.username = item->username,
		.reason = item->reason,
		.applied_ns = item->applied_ns,
		.how = history_how_str(item->how),
		.state = history_state_str(item->state),
		.profile = item->profile_known ? item->profile : NULL,
		.daemon_profile = item->profile_known ? item->daemon_profile : NULL,
	};

	return store_policy_put(h->store, &row, text, item->length, reterr);
}

/* In the store, all or nothing: @item, and what waits to be confirmed. */
static int keep(struct history *h, const struct history_item *item, const char *text,
		struct fault *reterr)
{
	int r;

	if (!h->store)
		return fault(reterr, -ENODEV, "store.io", "there is no store");
	r = store_begin(h->store, reterr);
	if (r < 0)
		return r;
	r = put_item(h, item, text, reterr);
	if (r == 0 && h->pending.is && h->pending.generation == item->generation)
		r = put_pending(h, reterr);
	if (r == 0)
		return store_commit(h->store, reterr);
	store_rollback(h->store);
	return r;
}

static void forget(struct history *h, struct history_item *item)
{
	size_t index = (size_t)(item - h->items);

	if (item->persisted && h->store)
		store_policy_delete(h->store, item->generation, NULL);
	free(item->text);
	h->count--;
	memmove(item, item + 1, (h->count - index) * sizeof(*item));
}

void history_begin(struct history *h, const struct history_item *item, const char *text,
		   const struct history_pending *pending)
{
	struct history_item *to;
	struct fault f = {0};

	/* Only one can be begun: what is left of an earlier one never came into force. */
	for (size_t i = h->count; i--;)
		if (h->items[i].state == HISTORY_BEGUN)
			forget(h, &h->items[i]);
	if (h->count == HISTORY_MAX + 1)
		forget(h, &h->items[0]);
	to = &h->items[h->count++];
	*to = *item;
	to->state = HISTORY_BEGUN;
	to->text = NULL;
	if (pending)
		h->pending = *pending;
	to->persisted = keep(h, to, text, &f) == 0;
	if (pending)
		h->pending.persisted = to->persisted;
	if (to->persisted)
		return;
	log_warn("the history of policies is kept in memory only", "error", f.text);
	to->text = malloc(to->length + 1);
	if (to->text)
		memcpy(to->text, text, to->length + 1);
	else
		to->length = 0;
}

static void drop_pending(struct history *h)
{
	struct fault f = {0};

	if (!h->pending.is)
		return;
	if (h->store && store_pending_delete(h->store, &f) < 0)
		log_warn("the store still says that a policy waits to be confirmed", "error",
			 f.text);
	h->pending = (struct history_pending){0};
}

void history_abort(struct history *h, uint32_t generation)
{
	struct history_item *item = find(h, generation);

	/* A start that failed ends nothing: it goes on with what the operator was told of. */
	if (h->pending.is && h->pending.generation == generation &&
	    h->pending.asked != generation) {
		h->pending.generation = h->pending.asked;
		if (h->store)
			put_pending(h, NULL);
	} else if (h->pending.is && h->pending.generation == generation) {
		drop_pending(h);
	}
	if (item)
		forget(h, item);
}

static uint64_t text_bytes(const struct history *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < h->count; i++)
		if (!i || strcmp(h->items[i].sha256, h->items[i - 1].sha256) != 0)
			sum += h->items[i].length;
	return sum;
}

static bool is_needed(const struct history *h, const struct history_item *item)
{
	return item->state == HISTORY_IN_FORCE || item->state == HISTORY_UNCONFIRMED ||
	       item == history_former(h) || item == &h->items[h->count - 1];
}

/* Starts that found the same policy are one entry, however many there were: somebody who looks for the
 * policy of last week shall find it. */
static void forget_repeated_start(struct history *h)
{
	struct history_item *last = h->count ? &h->items[h->count - 1] : NULL;

	if (h->count >= 3 && last->how == HISTORY_START && last[-1].how == HISTORY_START &&
	    last[-1].state == HISTORY_FORMER && history_is_same(last, &last[-1]) &&
	    last[-1].generation != h->pending.former)
		forget(h, last - 1);
}

static void forget_old(struct history *h)
{
	forget_repeated_start(h);
	for (size_t i = 0;
	     i < h->count && (h->count > HISTORY_MAX || text_bytes(h) > HISTORY_BYTES_MAX);)
		if (is_needed(h, &h->items[i]))
			i++;
		else
			forget(h, &h->items[i]);
}

void history_commit(struct history *h, uint32_t generation, enum history_state before)
{
	struct history_item *item = find(h, generation);
	bool pending = h->pending.is && h->pending.generation == generation;
	bool grouped = h->store && store_begin(h->store, NULL) == 0;
	struct fault f = {0};

	for (size_t i = 0; i < h->count; i++)
		if (&h->items[i] != item && (h->items[i].state == HISTORY_IN_FORCE ||
					     h->items[i].state == HISTORY_UNCONFIRMED))
			set_state(h, &h->items[i], h->items[i].how,
				  h->items[i].state == HISTORY_UNCONFIRMED ? before
									   : HISTORY_FORMER);
	if (!pending)
		drop_pending(h);
	if (item)
		set_state(h, item, item->how, pending ? HISTORY_UNCONFIRMED : HISTORY_IN_FORCE);
	forget_old(h);
	if (grouped && store_commit(h->store, &f) < 0)
		log_warn("the history in the store is not up to date", "error", f.text);
}

void history_confirm(struct history *h)
{
	struct history_item *item = find(h, h->pending.generation);
	bool grouped = h->store && store_begin(h->store, NULL) == 0;
	struct fault f = {0};

	drop_pending(h);
	if (item)
		set_state(h, item, HISTORY_CONFIRM, HISTORY_IN_FORCE);
	if (grouped && store_commit(h->store, &f) < 0)
		log_warn("the history in the store is not up to date", "error", f.text);
}

uint64_t history_pending_left_ns(const struct history *h)
{
	uint64_t now_ns = clock_boot_ns();

	return h->pending.until_boot_ns > now_ns ? h->pending.until_boot_ns - now_ns : 0;
}
