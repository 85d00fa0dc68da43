/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The thread around sealing.c, and what others ask of it. Two locks, neither held across reading the log: one for the
 * figures, one for the keys.
 */
#include "audit/sealer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/sealing.h"
#include "base/log.h"

#define CLOSE_NS (2 * NSEC_PER_SEC) /* how long the end may take */

struct sealer {
	struct sealer_options options;
	char audit_dir[PATH_MAX], key_dir[PATH_MAX];
	pthread_t thread;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool stop;		   /* also read without the lock */
	bool acknowledged, resign; /* for the thread to take up */
	struct sealer_stats stats;
	uint64_t behind_since_ns; /* CLOCK_MONOTONIC; 0 = is not */

	pthread_mutex_t keys_lock; /* guards these */
	bool keys_open;
	struct keyring keys;

	/* The thread's own. */
	bool sealing_open, halted;
	struct sealing sealing;
	uint64_t reported_ns; /* a failure was logged; 0 = none since it worked */
};

static const char *const states[] = {
	[SEALER_STARTING] = "starting",
	[SEALER_SEALING] = "sealing",
	[SEALER_FAILING] = "failing",
	[SEALER_HALTED] = "halted",
};
static_assert(ARRAY_SIZE(states) == SEALER_STATE_MAX, "each state has a name");

const char *sealer_state_to_str(enum sealer_state state)
{
	return states[state];
}

static void record(const struct sealer *s, enum audit_event event, struct audit_details *details)
{
	const struct audit_record r = {
		.event = event,
		.resource = {"chain", "audit"},
		.outcome = event == AUDIT_EVENT_AUDIT_VIOLATION ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.details = details,
	};

	if (s->options.record)
		s->options.record(&r, s->options.userdata);
}

/* A rotation that an earlier process did not finish: it may have no record yet. */
static int finish_rotation(struct sealer *s, struct fault *reterr)
{
	_cleanup_free_ char *note = NULL;
	char before[NOTE_VERIFIER_SIZE], after[NOTE_VERIFIER_SIZE];
	struct audit_details d = {0};

	if (!s->keys.next.key)
		return 0;
	if (keyring_rotation_note(&s->keys, &note) < 0)
		return fault(reterr, -EIO, "audit.rotation", "cannot sign");
	note_verifier_format(&s->keys.current.verifier, before);
	note_verifier_format(&s->keys.next.verifier, after);
	audit_details_string(&d, "former_key", before);
	audit_details_string(&d, "key", after);
	audit_details_string(&d, "note", note);
	record(s, AUDIT_EVENT_AUDIT_KEY_ROTATED, &d);
	return keyring_activate(&s->keys, reterr);
}

static int open_keys(struct sealer *s, const struct tip *tip, struct fault *reterr)
{
	char key[NOTE_VERIFIER_SIZE];
	struct audit_details d = {0};
	int r;

	if (s->keys_open)
		return 0;
	pthread_mutex_lock(&s->keys_lock);
	r = keyring_open(s->key_dir, s->audit_dir, tip->chain_id, &s->keys, reterr);
	s->keys_open = r == 0;
	if (r == 0 && s->keys.added) {
		note_verifier_format(&s->keys.current.verifier, key);
		audit_details_string(&d, "key", key);
		record(s, AUDIT_EVENT_AUDIT_KEY_CREATED, &d);
	}
	if (r == 0)
		r = finish_rotation(s, reterr);
	pthread_mutex_unlock(&s->keys_lock);
	return r;
}

static void halt(struct sealer *s, const struct fault *f)
{
	struct audit_details d = {0};

	s->halted = true;
	audit_details_string(&d, "reason", f->text);
	if (*s->sealing.signed_last.origin) {
		audit_details_string(&d, "origin", s->sealing.signed_last.origin);
		audit_details_u64(&d, "signed_records", s->sealing.signed_last.size);
	}
	record(s, AUDIT_EVENT_AUDIT_VIOLATION, &d);
	log_error("the audit log contradicts what was signed; it is signed no more", "reason",
		  f->text);
}

/* Say what came of a turn: to the log once, to whoever asks always. */
static void report(struct sealer *s, int result, const struct tip *tip, const struct fault *f)
{
	const struct sealing *g = &s->sealing;
	bool behind;

	if (result < 0 && !s->halted && !s->reported_ns) {
		log_warn("the audit log cannot be sealed for now", "error", f->text);
		s->reported_ns = clock_monotonic_ns();
	} else if (result >= 0 && s->reported_ns) {
		log_info("the audit log is sealed again");
		s->reported_ns = 0;
	}
	pthread_mutex_lock(&s->lock);
	s->stats.state = s->halted    ? SEALER_HALTED
			 : result < 0 ? SEALER_FAILING
			 : g->met     ? SEALER_SEALING
				      : SEALER_STARTING;
	snprintf(s->stats.because, sizeof(s->stats.because), "%.250s", result < 0 ? f->text : "");
	if (result >= 0 && *g->signed_last.origin) {
		if (g->signed_ns != s->stats.signed_ns)
			s->stats.checkpoints++;
		s->stats.signed_ns = g->signed_ns;
		s->stats.first = g->first;
		s->stats.size = g->signed_last.size;
		snprintf(s->stats.origin, sizeof(s->stats.origin), "%s", g->signed_last.origin);
	}
	s->stats.tiles_rebuilt = g->rebuilt;
	behind = tip && tip->next_index > s->stats.first + s->stats.size;
	if (!behind)
		s->behind_since_ns = 0;
	else if (!s->behind_since_ns)
		s->behind_since_ns = clock_monotonic_ns();
	pthread_mutex_unlock(&s->lock);
}

static int seal(struct sealer *s, struct tip *ret_tip, struct fault *reterr)
{
	int r = 0;

	if (!s->sealing_open) {
		r = sealing_init(&s->sealing, s->audit_dir, &s->keys, &s->keys_lock, reterr);
		if (r < 0) {
			sealing_done(&s->sealing);
			return r;
		}
		s->sealing_open = true;
		s->sealing.stop = &s->stop;
	}
	r = sealing_tip(&s->sealing, ret_tip, reterr);
	r = r ?: open_keys(s, ret_tip, reterr);
	return r ?: sealing_turn(&s->sealing, ret_tip, reterr);
}

/* What others asked for since the last turn. */
static void take_up(struct sealer *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->acknowledged && s->sealing_open)
		sealing_reset(&s->sealing);
	if (s->acknowledged)
		s->halted = false;
	if (s->resign)
		s->sealing.resign = true;
	s->acknowledged = s->resign = false;
	pthread_mutex_unlock(&s->lock);
}

/* 1: there is more to do at once. */
static int turn(struct sealer *s)
{
	struct fault f = {0};
	struct tip tip = {0};
	int r;

	take_up(s);
	if (s->halted)
		return 0;
	r = seal(s, &tip, &f);
	if (r == -EBADMSG && strcmp(f.code, "audit.contradiction") == 0)
		halt(s, &f);
	report(s, r, tip.next_index ? &tip : NULL, &f);
	if (r < 0 && s->sealing_open)
		sealing_reset(&s->sealing);
	return r;
}

static void *run(void *userdata)
{
	struct sealer *s = userdata;
	uint64_t interval_ns = s->options.interval_ns ?: NSEC_PER_SEC;
	bool stop = false;

	while (!stop) {
		bool more = turn(s) == 1;
		struct timespec deadline;

		clock_gettime(CLOCK_MONOTONIC, &deadline);
		deadline.tv_sec += (time_t)(interval_ns / NSEC_PER_SEC);
		deadline.tv_nsec += (long)(interval_ns % NSEC_PER_SEC);
		if (deadline.tv_nsec >= (long)NSEC_PER_SEC) {
			deadline.tv_nsec -= (long)NSEC_PER_SEC;
			deadline.tv_sec++;
		}
		pthread_mutex_lock(&s->lock);
		while (!more && !s->stop && !s->acknowledged && !s->resign &&
		       pthread_cond_timedwait(&s->changed, &s->lock, &deadline) != ETIMEDOUT)
			;
		stop = s->stop;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void sealer_free(struct sealer *s)
{
	if (s->sealing_open)
		sealing_done(&s->sealing);
	if (s->keys_open)
		keyring_done(&s->keys);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->keys_lock);
	free(s);
}
DEFINE_CLEANUP(struct sealer *, sealer_free)

int sealer_start(const struct sealer_options *options, struct sealer **ret, struct fault *reterr)
{
	_cleanup_free_ struct sealer *memory = calloc(1, sizeof(*memory));
	_cleanup_(sealer_freep) struct sealer *s = NULL;
	pthread_condattr_t attributes;
	int r;

	if (!memory)
		return fault(reterr, -ENOMEM, "audit.sealer", "no memory to seal the audit log");
	s = take_ptr(memory);
	s->options = *options;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->keys_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (snprintf(s->audit_dir, PATH_MAX, "%s", options->audit_dir) >= PATH_MAX ||
	    snprintf(s->key_dir, PATH_MAX, "%s", options->key_dir) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "audit.sealer", "%s is too long a path",
			     options->audit_dir);
	r = -pthread_create(&s->thread, NULL, run, s);
	if (r < 0)
		return fault(reterr, r, "audit.sealer", "cannot start a thread: %s", strerror(-r));
	*ret = take_ptr(s);
	return 0;
}

void sealer_stop(struct sealer *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->options.record = NULL;
}

void sealer_close(struct sealer *s)
{
	uint64_t until_ns = clock_monotonic_ns() + CLOSE_NS;

	if (!s)
		return;
	s->stop = false; /* the thread is gone; a turn is to do its work */
	while (turn(s) == 1 && clock_monotonic_ns() < until_ns)
		;
	sealer_free(s);
}

void sealer_get_stats(struct sealer *s, struct sealer_stats *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->stats;
	ret->behind_ns = s->behind_since_ns ? clock_monotonic_ns() - s->behind_since_ns : 0;
	pthread_mutex_unlock(&s->lock);
}

int sealer_rotate_prepare(struct sealer *s, char **ret, char ret_keys[static 2][NOTE_VERIFIER_SIZE],
			  struct fault *reterr)
{
	int r;

	pthread_mutex_lock(&s->keys_lock);
	if (s->keys_open)
		r = keyring_prepare(&s->keys, ret, reterr);
	else
		r = fault(reterr, -EBUSY, "audit.rotation",
			  "the keys of the audit log are not open: see 'weir status'");
	if (r == 0) {
		note_verifier_format(&s->keys.current.verifier, ret_keys[0]);
		note_verifier_format(&s->keys.next.verifier, ret_keys[1]);
	}
	pthread_mutex_unlock(&s->keys_lock);
	return r;
}

int sealer_rotate_finish(struct sealer *s, struct fault *reterr)
{
	int r;

	pthread_mutex_lock(&s->keys_lock);
	r = keyring_activate(&s->keys, reterr);
	pthread_mutex_unlock(&s->keys_lock);
	pthread_mutex_lock(&s->lock);
	s->resign = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return r;
}

void sealer_rotate_abandon(struct sealer *s)
{
	pthread_mutex_lock(&s->keys_lock);
	keyring_abandon(&s->keys);
	pthread_mutex_unlock(&s->keys_lock);
}

/* The name first: whatever happens then, nothing else is signed under the old one. */
static int put_aside(struct sealer *s, char ret_name[static NOTE_NAME_MAX + 1],
		     struct fault *reterr)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 64];
	int r = keyring_rename(&s->keys, reterr);

	if (r < 0)
		return r;
	snprintf(from, sizeof(from), "%s/checkpoint", s->sealing.path);
	snprintf(to, sizeof(to), "%s/checkpoint.contradicted-%zu", s->sealing.path,
		 s->keys.list.count - 1);
	if (rename(from, to) < 0 && errno != ENOENT)
		return fault(reterr, -errno, "audit.acknowledge", "cannot rename %s: %s", from,
			     strerror(errno));
	snprintf(ret_name, NOTE_NAME_MAX + 1, "%s", keyring_name(&s->keys));
	return 0;
}

int sealer_acknowledge(struct sealer *s, char ret_name[static NOTE_NAME_MAX + 1],
		       struct fault *reterr)
{
	int r;

	pthread_mutex_lock(&s->lock);
	pthread_mutex_lock(&s->keys_lock);
	/* The thread leaves all alone while it is halted. */
	if (s->stats.state == SEALER_HALTED && !s->acknowledged)
		r = put_aside(s, ret_name, reterr);
	else
		r = fault(reterr, -EPERM, "audit.acknowledge",
			  "there is nothing to acknowledge: the log does not contradict what was "
			  "signed");
	if (r == 0) {
		s->acknowledged = true;
		s->stats = (struct sealer_stats){.checkpoints = s->stats.checkpoints};
		pthread_cond_signal(&s->changed);
	}
	pthread_mutex_unlock(&s->keys_lock);
	pthread_mutex_unlock(&s->lock);
	return r;
}
