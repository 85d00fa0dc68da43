/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys that follow each other: which of them lead to which, for somebody who kept one. */
#include "audit/proof.h"
#include "test_audit_signed.h"

static void open_keys(const struct log *l, struct keyring *ret)
{
	struct hasher hasher;
	struct state acknowledged;
	struct fault f = {0};
	char keys[80];
	int dir;

	assert_int_equal(hasher_init(&hasher), 0);
	assert_int_equal(directory_open_readonly(l->path, &dir, &f), 0);
	assert_int_equal(state_load(dir, &hasher, &acknowledged), 0);
	hasher_done(&hasher);
	close(dir);
	snprintf(keys, sizeof(keys), "%s/keys", l->root);
	if (keyring_open(keys, l->path, acknowledged.tip.chain_id, ret, &f) < 0)
		fail_msg("%s", f.text);
}

static void record_rotation(const struct log *l, const char *note)
{
	struct audit_details d = {0};
	const struct audit_record record = {.event = AUDIT_EVENT_AUDIT_KEY_ROTATED, .details = &d};
	struct chain *c = log_open(l, 0);

	audit_details_string(&d, "note", note);
	assert_int_equal(chain_append(c, &record), 0);
	commit(c);
	chain_close(c);
}

/* Another key signs from now on; the former one does not sign along any more, as after 30 days. */
static void rotate(const struct log *l, const char *other_note)
{
	struct keyring k = {0};
	_cleanup_free_ char *note = NULL;
	struct fault f = {0};
	char path[160];

	open_keys(l, &k);
	if (keyring_prepare(&k, &note, &f) < 0)
		fail_msg("%s", f.text);
	record_rotation(l, other_note ?: note);
	if (keyring_activate(&k, &f) < 0)
		fail_msg("%s", f.text);
	keyring_done(&k);
	snprintf(path, sizeof(path), "%s/keys/audit.former.pem", l->root);
	assert_int_equal(unlink(path), 0);
	more(l, 20);
	seal(l);
}

static struct audit_verdict verdict_by(const struct log *l, const struct note_verifier *key,
				       const struct bytes *checkpoint)
{
	const struct audit_verify_options options = {
		.key = key,
		.checkpoint = checkpoint ? (const char *)checkpoint->data : NULL,
		.checkpoint_length = checkpoint ? checkpoint->length : 0,
	};

	return verdict_with(l, &options);
}

/* Signed by four keys, one after the other; the checkpoint of each is kept. */
static void make_rotated(const struct log *l, struct note_verifier keys[static 4],
			 struct bytes checkpoints[static 4])
{
	make_signed(l, 9000, 100);
	for (unsigned int i = 0; i < 4; i++) {
		if (i)
			rotate(l, NULL);
		keys[i] = own_key(l);
		checkpoints[i] = file_get(l, "checkpoint");
	}
}

static void any_key_of_the_log_leads_to_the_others(void **state)
{
	const struct log *l = *state;
	struct note_verifier keys[4];
	struct bytes checkpoints[4];
	struct audit_verdict v;

	make_rotated(l, keys, checkpoints);
	for (uint64_t key = 0; key < 4; key++) {
		v = verdict_by(l, &keys[key], NULL);
		assert_found(&v, AUDIT_FINDING_NONE, 0);
		assert_int_equal(v.own.signature,
				 key == 3 ? AUDIT_SIGNATURE_GIVEN : AUDIT_SIGNATURE_FOLLOWED);
		assert_true(v.own.covers);
		assert_int_equal(v.key_announced, key > 0);
		/* The log is 100 records, and 21 for each rotation, which is the first of them. */
		assert_int_equal(v.key_announced_at, key ? 79 + 21 * key : 0);
		if (key < 3)
			assert_int_equal(v.own.rotation, 79 + 21 * 3);
		for (uint64_t i = 0; i < 4; i++) {
			v = verdict_by(l, &keys[key], &checkpoints[i]);
			assert_found(&v, AUDIT_FINDING_NONE, 0);
			assert_true(v.given.covers);
			assert_int_equal(v.given.signature, key == i ? AUDIT_SIGNATURE_GIVEN
								     : AUDIT_SIGNATURE_FOLLOWED);
		}
	}
	for (unsigned int i = 0; i < 4; i++)
		bytes_done(&checkpoints[i]);
}

/* Whoever has a key of the same name, but was announced by nobody. */
static void a_key_that_no_key_of_the_log_announced_leads_nowhere(void **state)
{
	const struct log *l = *state;
	struct note_verifier first, again;
	struct note_signer stranger = {0}, friend = {0};
	char text[2 * NOTE_VERIFIER_SIZE + 32], a[NOTE_VERIFIER_SIZE], b[NOTE_VERIFIER_SIZE];
	struct audit_verdict v;
	char *note;

	make_signed(l, 0, 50);
	first = own_key(l);
	assert_int_equal(key_generate(first.name, &stranger, NULL), 0);
	assert_int_equal(key_generate(first.name, &friend, NULL), 0);
	/* It says that the log's key named it; and only it says so. */
	note_verifier_format(&first, a);
	note_verifier_format(&stranger.verifier, b);
	snprintf(text, sizeof(text), "weir key rotation\n%s\n%s\n", a, b);
	assert_int_equal(note_make(text, &stranger, 1, &note), 0);
	record_rotation(l, note);
	free(note);
	seal(l);
	v = verdict_by(l, &stranger.verifier, NULL);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	v = verdict_by(l, &first, NULL);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	assert_false(v.key_announced);
	/* The log's own next key, of which no record tells: whoever has the old one does not believe it. */
	note_verifier_format(&friend.verifier, b);
	snprintf(text, sizeof(text), "weir key rotation\n%s\n%s\n", b, b);
	assert_int_equal(note_make(text, &friend, 1, &note), 0);
	rotate(l, note);
	free(note);
	again = own_key(l);
	v = verdict_by(l, &first, NULL);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	v = verdict_by(l, &again, NULL);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	note_signer_done(&stranger);
	note_signer_done(&friend);
}

/* A former key names the next one, and is worth nothing for what is signed with it after that. */
static void what_a_former_key_signs_after_its_rotation_does_not_count(void **state)
{
	const struct log *l = *state;
	struct note_signer former = {0};
	struct note_verifier next;
	struct checkpoint c;
	struct note *note = malloc(sizeof(*note));
	struct bytes now, early;
	struct audit_verdict v;
	char path[160], *text, *forged;

	make_signed(l, 0, 60);
	early = file_get(l, "checkpoint");
	snprintf(path, sizeof(path), "%s/keys/audit.pem", l->root);
	assert_int_equal(key_load(path, own_key(l).name, &former, NULL), 0);
	rotate(l, NULL);
	next = own_key(l);
	now = file_get(l, "checkpoint");
	assert_int_equal(note_parse((char *)now.data, now.length, note, NULL), 0);
	assert_int_equal(checkpoint_parse(note, &c, NULL), 0);
	text = checkpoint_format(&c);
	assert_int_equal(note_make(text, &former, 1, &forged), 0);
	bytes_done(&now);
	now = (struct bytes){.data = (uint8_t *)forged, .length = strlen(forged)};
	v = verdict_by(l, &next, &early);
	assert_found(&v, AUDIT_FINDING_NONE, 0);
	v = verdict_by(l, &next, &now);
	assert_found(&v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0);
	free(forged);
	free(text);
	free(note);
	bytes_done(&early);
	note_signer_done(&former);
}

/* The file is all that it takes: whoever kept an earlier key sees that it led to who signed. */
static void a_proof_leads_from_each_earlier_key_to_who_signed_it(void **state)
{
	const struct log *l = *state;
	_cleanup_(proof_done) struct proof p = {0};
	struct note_verifier keys[4], by, unknown;
	struct bytes checkpoints[4];
	struct note_signer stranger = {0};
	struct fault f = {0};
	bool followed;
	size_t length;
	char *text;

	make_rotated(l, keys, checkpoints);
	if (proof_make(l->path, 5, &text, &length, &f) < 0 ||
	    proof_parse(text, length, &p, &f) < 0 || proof_check(&p, &f) < 0)
		fail_msg("%s", f.text);
	assert_int_equal(p.rotations.count, 3);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(rotation_signer(&p.rotations, &keys[i], &p.note, UINT64_MAX, false,
						 &by, &followed, &f),
				 0);
		assert_memory_equal(by.key, keys[3].key, sizeof(by.key));
		assert_int_equal(followed, i < 3);
		bytes_done(&checkpoints[i]);
	}
	assert_int_equal(key_generate(keys[0].name, &stranger, NULL), 0);
	unknown = stranger.verifier;
	assert_int_equal(rotation_signer(&p.rotations, &unknown, &p.note, UINT64_MAX, false, &by,
					 &followed, &f),
			 -ENOKEY);
	note_signer_done(&stranger);
	free(text);
}

/* Each letter behind the record: its keys signed each rotation, and nothing else may stand there. */
static void a_proof_with_a_changed_rotation_is_none(void **state)
{
	const struct log *l = *state;
	_cleanup_(proof_done) struct proof p = {0};
	struct note_verifier keys[4];
	struct bytes checkpoints[4];
	size_t length, from;
	char *text, *extra;

	make_rotated(l, keys, checkpoints);
	for (unsigned int i = 0; i < 4; i++)
		bytes_done(&checkpoints[i]);
	assert_int_equal(proof_make(l->path, 5, &text, &length, NULL), 0);
	assert_int_equal(proof_parse(text, length, &p, NULL), 0);
	extra = strstr(text, "extra ") + strlen("extra ");
	from = (p.record_length + 2) / 3 * 4;
	assert_true(p.extra_length > p.record_length + 600);
	for (size_t i = from; i < from + 400; i++) {
		char kept = extra[i];
		struct proof changed;

		extra[i] = kept == 'A' ? 'B' : 'A';
		assert_int_equal(proof_parse(text, length, &changed, NULL), -EINVAL);
		extra[i] = kept;
	}
	free(text);
}

struct signers {
	enum audit_signature of[2];
	size_t count;
};

static void keep_signer(const struct audit_verdict *v, void *userdata)
{
	struct signers *s = userdata;

	assert_true(s->count < ARRAY_SIZE(s->of));
	s->of[s->count++] = v->own.signature;
}

static void any_key_leads_to_those_of_other_incarnations(void **state)
{
	const struct log *l = *state;
	struct note_verifier keys[2];
	struct chain *c;

	make_signed(l, 9000, 100);
	keys[0] = own_key(l);
	file_poke(l, FIRST_SEGMENT, 5000, 'X');
	file_remove(l, "state");
	c = log_open(l, 9000);
	assert_int_equal(chain_origin(c), CHAIN_VIOLATED);
	add(c, 20);
	commit(c);
	chain_close(c);
	rotate(l, NULL);
	keys[1] = own_key(l);
	for (unsigned int i = 0; i < 2; i++) {
		struct signers signers = {0};
		const struct audit_verify_options options = {
			.key = &keys[i], .incarnation = keep_signer, .userdata = &signers};

		verdict_with(l, &options);
		assert_int_equal(signers.count, 2);
		assert_int_equal(signers.of[i], AUDIT_SIGNATURE_GIVEN);
		assert_int_equal(signers.of[!i], AUDIT_SIGNATURE_FOLLOWED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_key_of_the_log_leads_to_the_others),
		T(a_key_that_no_key_of_the_log_announced_leads_nowhere),
		T(what_a_former_key_signs_after_its_rotation_does_not_count),
		T(a_proof_leads_from_each_earlier_key_to_who_signed_it),
		T(a_proof_with_a_changed_rotation_is_none),
		T(any_key_leads_to_those_of_other_incarnations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
