/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signed logs for tests of what signatures are good for: made, sealed as the daemon would, and what is said of them. */
#ifndef TESTS_UNIT_TEST_AUDIT_SIGNED_H
#define TESTS_UNIT_TEST_AUDIT_SIGNED_H

#include "test_audit.h"

#include "audit/proof.h"
#include "audit/rewrite.h"
#include "audit/sealing.h"
#include "audit/tlog.h"

/* Sign all that is there, as the daemon would. */
static inline void seal(const struct log *l)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct keyring keyring = {0};
	struct sealing sealing;
	struct fault f = {0};
	struct tip tip;
	char keys[80];

	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	assert_int_equal(sealing_init(&sealing, l->path, &keyring, &lock, &f), 0);
	assert_int_equal(sealing_tip(&sealing, &tip, &f), 0);
	if (keyring_open(keys, l->path, tip.chain_id, &keyring, &f) < 0 ||
	    sealing_turn(&sealing, &tip, &f) != 0)
		fail_msg("%s", f.text);
	sealing_done(&sealing);
	keyring_done(&keyring);
}

static inline struct note_verifier own_key(const struct log *l)
{
	_cleanup_(keyring_list_done) struct keyring_list list = {0};

	assert_int_equal(keyring_list_read(l->path, &list, NULL), 0);
	return list.keys[list.count - 1].verifier;
}

static inline struct audit_verdict verdict_with(const struct log *l,
						const struct audit_verify_options *options)
{
	struct audit_verdict v;
	struct fault f = {0};

	if (audit_verify_with(l->path, options, &v, &f) < 0)
		fail_msg("%s", f.text);
	return v;
}

static inline void assert_found(const struct audit_verdict *v, enum audit_finding finding,
				uint64_t index)
{
	if (v->finding != finding || v->index != index)
		fail_msg("%s at %llu instead of %s at %llu: %s", audit_finding_to_str(v->finding),
			 (unsigned long long)v->index, audit_finding_to_str(finding),
			 (unsigned long long)index, v->words);
	assert_int_equal(v->status, audit_finding_status(finding));
}

/* A log of @count records in segments of @segment_bytes, signed. */
static inline void make_signed(const struct log *l, uint64_t segment_bytes, unsigned int count)
{
	struct chain *c = log_open(l, segment_bytes);

	for (unsigned int done = 0; done < count;) {
		unsigned int some = count - done < 100 ? count - done : 100;

		add(c, some);
		commit(c);
		done += some;
	}
	chain_close(c);
	seal(l);
}

static inline void more(const struct log *l, unsigned int count)
{
	struct chain *c = log_open(l, 0);

	add(c, count);
	commit(c);
	chain_close(c);
}

static inline void copy_log(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s && cp -a %s %s", to, from, to);
	assert_int_equal(system(command), 0); /* NOLINT: the paths are ours */
}

#define T(name) cmocka_unit_test_setup_teardown(name, log_set_up, log_tear_down)

#endif
