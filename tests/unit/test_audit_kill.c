/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kill -9 at random points of a writer at full load, with its sealer and its indexer at work: what was acknowledged
 * is there and signed checkpoints hold, every time. 20 times; WEIR_TORTURE=full: 300 times.
 */
#include "test_audit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "audit/indexer.h"
#include "audit/sealer.h"
#include "audit/sealing.h"
#include "base/clock.h"

#define RECORDS_MAX 6000 /* of one round */

static void no_record(const struct audit_record *record, void *userdata)
{
	(void)record;
	(void)userdata;
}

/* Write and seal until killed, counting in @acked. */
static void write_on(const struct log *l, volatile uint64_t *acked)
{
	const struct chain_options options = {.segment_bytes = 150000};
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_BLOCKED};
	struct indexer *indexer = NULL;
	struct sealer *sealer = NULL;
	struct chain *c = NULL;
	char keys[80];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	if (chain_open(l->path, &options, &c, NULL) < 0 || chain_commit(c, NULL) < 0)
		_exit(1);
	if (sealer_start(&(struct sealer_options){.audit_dir = l->path,
						  .key_dir = keys,
						  .record = no_record,
						  .interval_ns = NSEC_PER_MSEC},
			 &sealer, NULL) < 0 ||
	    indexer_start(l->path, &indexer, NULL) < 0)
		_exit(1);
	for (unsigned int i = 1; chain_length(c) < *acked + RECORDS_MAX && i < 500; i++) {
		for (unsigned int n = 0; n < i % 60 + 1; n++)
			chain_append(c, &record);
		if (chain_commit(c, NULL) < 0)
			_exit(1);
		__atomic_store_n(acked, chain_length(c), __ATOMIC_RELEASE);
	}
	pause();
}

/* The checkpoint, if there is one by now: its size. */
static uint64_t signed_size(const struct log *l)
{
	_cleanup_free_ char *text = NULL;
	struct checkpoint c;
	struct note note;
	size_t length;

	if (sealing_read_note(l->path, &text, &length, NULL) < 0)
		return 0;
	assert_int_equal(note_parse(text, length, &note, NULL), 0);
	assert_int_equal(checkpoint_parse(&note, &c, NULL), 0);
	return c.size;
}

static void seal(const struct log *l)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct fault f = {0};
	struct keyring keyring;
	struct sealing s;
	struct tip tip;
	char keys[80];

	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	assert_int_equal(sealing_init(&s, l->path, &keyring, &lock, NULL), 0);
	assert_int_equal(sealing_tip(&s, &tip, NULL), 0);
	if (keyring_open(keys, l->path, tip.chain_id, &keyring, &f) < 0)
		fail_msg("keys: %s", f.text);
	if (sealing_turn(&s, &tip, &f) < 0)
		fail_msg("sealing: %s", f.text);
	sealing_done(&s);
	keyring_done(&keyring);
}

static void look(const struct log *l, unsigned int round, uint64_t acked, uint64_t signed_before)
{
	struct audit_verdict v = verdict(l);
	struct fault f = {0};
	struct chain *c = NULL;
	uint64_t length, size = signed_size(l);

	if (v.status != AUDIT_OK || v.records < acked)
		fail_msg("round %u: %llu records of %llu: %s", round, (unsigned long long)v.records,
			 (unsigned long long)acked, v.words);
	assert_true(size >= signed_before && size <= v.records);
	if (chain_open(l->path, NULL, &c, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_not_equal(chain_origin(c), CHAIN_VIOLATED);
	commit(c);
	length = chain_length(c);
	chain_close(c);
	c = log_open(l, 0);
	assert_int_equal(chain_origin(c), CHAIN_CONTINUED);
	assert_int_equal(chain_length(c), length);
	chain_close(c);
	seal(l);
	v = verdict(l);
	assert_int_equal(v.status, AUDIT_OK);
	assert_int_equal(signed_size(l), v.records);
}

static void killed(void **state)
{
	const char *torture = getenv("WEIR_TORTURE");
	unsigned int rounds = torture && strcmp(torture, "full") == 0 ? 300 : 20;
	const struct log *l = *state;
	uint64_t *acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = 1, at_work = 0;

	assert_true(acked != MAP_FAILED);
	for (unsigned int round = 0; round < rounds; round++) {
		uint64_t before = *acked, signed_before = 0;
		struct timespec pause = {0};
		pid_t child;

		if (round % 25 == 0) { /* begin anew: logs grow */
			log_clear(l);
			*acked = before = 0;
		} else {
			signed_before = signed_size(l);
		}
		seed = seed * 1103515245 + 12345;
		pause.tv_nsec = (long)(seed >> 8) % 30000000;
		child = fork();
		if (child == 0)
			write_on(l, acked);
		assert_true(child > 0);
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		at_work += *acked > before;
		if (*acked)
			look(l, round, *acked, signed_before);
	}
	print_message("# %u kills, %u of a writer that had acknowledged something\n", rounds,
		      at_work);
	munmap(acked, sizeof(*acked));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"kill -9 at full load costs nothing that was acknowledged or signed", killed,
		 log_set_up, log_tear_down, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
