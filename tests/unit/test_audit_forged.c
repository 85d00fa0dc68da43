/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Somebody who may write to the log's directory and knows the format, but not the key: an older copy in its place,
 * everything written anew after a change, records that are made to look expired or put back. What a signature cannot
 * tell, as it covers less, is told here, too.
 *
 * WEIR_TORTURE=full does it to every record, and not to one of several.
 */
#include "test_audit.h"

#include "../lib/log_shapes.h"

struct forged {
	struct log *log;
	struct log_shape shapes[LOG_SHAPES];
	struct log_files now, there; /* what is to be, and what is on disk */
};

static int set_up(void **state)
{
	struct forged *f = calloc(1, sizeof(*f));
	char keys[80];
	void *l;

	assert_non_null(f);
	log_set_up(&l);
	f->log = l;
	snprintf(keys, sizeof(keys), "%s/keys", f->log->root);
	log_shapes_make(f->shapes, f->log->path, keys);
	assert_int_equal(mkdir(f->log->path, 0700), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct forged *f = *state;
	void *l = f->log;

	log_shapes_done(f->shapes);
	log_files_done(&f->now);
	log_files_done(&f->there);
	log_tear_down(&l);
	free(f);
	return 0;
}

static struct log_shape *shape(struct forged *f, const char *name)
{
	for (size_t i = 0; i < LOG_SHAPES; i++)
		if (strcmp(f->shapes[i].name, name) == 0)
			return &f->shapes[i];
	fail_msg("no shape %s", name);
	return NULL;
}

static uint64_t step(uint64_t seldom)
{
	const char *torture = getenv("WEIR_TORTURE");

	return torture && strcmp(torture, "full") == 0 ? 1 : seldom;
}

/* What is found in f->now, with a checkpoint that was kept elsewhere, or without. */
static struct audit_verdict ask(struct forged *f, const char *checkpoint)
{
	const struct audit_verify_options options = {
		.checkpoint = checkpoint,
		.checkpoint_length = checkpoint ? strlen(checkpoint) : 0,
	};
	struct audit_verdict v;
	struct fault fault = {0};

	log_files_write(&f->now, &f->there, f->log->path);
	log_files_copy(&f->there, &f->now);
	if (audit_verify_with(f->log->path, &options, &v, &fault) < 0)
		fail_msg("%s", fault.text);
	return v;
}

static void want(const struct audit_verdict *v, enum audit_finding finding, uint64_t index,
		 const char *what, uint64_t victim)
{
	if (v->finding != finding || (finding != AUDIT_FINDING_NONE && v->index != index))
		fail_msg("%s, record %llu: %s, index %llu instead of %s, %llu: %s", what,
			 (unsigned long long)victim, audit_finding_to_str(v->finding),
			 (unsigned long long)v->index, audit_finding_to_str(finding),
			 (unsigned long long)index, v->words);
}

static uint64_t size_of(const char *checkpoint)
{
	struct checkpoint c;
	struct note *note = malloc(sizeof(*note));

	assert_non_null(note);
	assert_int_equal(note_parse(checkpoint, strlen(checkpoint), note, NULL), 0);
	assert_int_equal(checkpoint_parse(note, &c, NULL), 0);
	free(note);
	return c.size;
}

static void every_shape_is_in_order(void **state)
{
	struct forged *f = *state;

	for (size_t i = 0; i < LOG_SHAPES; i++) {
		struct log_shape *s = &f->shapes[i];
		bool violated = strcmp(s->name, "violated") == 0;
		struct audit_verdict v;

		log_files_copy(&f->now, &s->files);
		v = ask(f, s->early);
		want(&v, violated ? AUDIT_FINDING_VIOLATION : AUDIT_FINDING_NONE, v.index, s->name,
		     0);
		/* And what writes it anew knows the format. */
		if (violated)
			continue;
		assert_true(log_files_rechain(&f->now, 0, LOG_FORGE_NOTHING));
		v = ask(f, s->late);
		want(&v, AUDIT_FINDING_NONE, 0, s->name, 0);
	}
}

/* The older copy is in order by itself: only who kept a later checkpoint knows better. */
static void an_older_copy(void **state)
{
	static const char *const names[] = {"signed", "tiles", "heartbeats", "plain"};
	struct forged *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct log_shape *s = shape(f, names[i]);
		struct log_file *note;
		struct audit_verdict v;

		log_files_copy(&f->now, &s->older);
		v = ask(f, s->early);
		want(&v, AUDIT_FINDING_NONE, 0, names[i], 0);
		if (!s->late)
			continue;
		v = ask(f, s->late);
		want(&v, AUDIT_FINDING_ROLLED_BACK, v.records, names[i], 0);
		assert_int_equal(v.records, size_of(s->early));
		/* The log's own, if it was left. */
		note = log_files_find(&f->now, "checkpoint");
		log_file_splice(note, 0, note->length, (const uint8_t *)s->late, strlen(s->late));
		v = ask(f, NULL);
		want(&v,
		     v.finding == AUDIT_FINDING_CHECKPOINT_SIGNATURE
			     ? AUDIT_FINDING_CHECKPOINT_SIGNATURE /* by a key not known then */
			     : AUDIT_FINDING_ROLLED_BACK,
		     v.index, names[i], 1);
		assert_int_not_equal(v.status, AUDIT_OK);
	}
}

/* Nothing of the tree is left: whoever has no checkpoint would see nothing. */
static void remove_tree(struct log_files *files)
{
	for (size_t i = files->count; i-- > 0;) {
		struct log_file *file = &files->list[i];

		if (strcmp(file->name, "checkpoint") != 0 && strcmp(file->name, "keys") != 0 &&
		    strncmp(file->name, "tile/", 5) != 0)
			continue;
		free(file->data);
		*file = files->list[--files->count];
	}
}

/* The first record that is another one; the hash of one that only looks expired is the same. */
static void rechain(struct forged *f, const struct log_shape *s, uint64_t victim,
		    enum log_forgery how)
{
	uint64_t other = how == LOG_FORGE_REPEAT ? victim + 1 : victim;
	bool tile = other < 256 && log_files_find(&f->now, "tile/0/000"), tree;
	struct audit_verdict v;

	log_files_copy(&f->now, &s->files);
	assert_true(log_files_rechain(&f->now, victim, how));
	tree = log_files_find(&f->now, "tile/0/000");
	tile = tree && other < 256;
	v = ask(f, NULL);
	/* Of a batch the first record is named. */
	if (how == LOG_FORGE_GONE)
		assert_true(v.index <= victim);
	if (how >= LOG_FORGE_STUB) {
		want(&v, AUDIT_FINDING_RECORD_STUBBED, how == LOG_FORGE_STUB ? victim : v.index,
		     "made to look expired", victim);
	} else {
		want(&v, AUDIT_FINDING_CHECKPOINT_ROOT,
		     tile		   ? other
		     : tree && other < 512 ? other
					   : 0,
		     "written anew, by the log's checkpoint", victim);
	}
	remove_tree(&f->now);
	v = ask(f, s->late);
	if (how >= LOG_FORGE_STUB)
		want(&v, AUDIT_FINDING_RECORD_STUBBED, how == LOG_FORGE_STUB ? victim : v.index,
		     "made to look expired", victim);
	else
		want(&v, AUDIT_FINDING_CHECKPOINT_ROOT, 0, "written anew", victim);
}

static void everything_re_chained(void **state)
{
	static const char *const names[] = {"signed", "tiles"};
	struct forged *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct log_shape *s = shape(f, names[i]);
		uint64_t size = size_of(s->late), by = step(i ? 97 : 3);

		for (uint64_t victim = 0; victim + 1 < size; victim += by)
			for (int how = LOG_FORGE_DROP; how <= LOG_FORGE_GONE; how++)
				rechain(f, s, victim, (enum log_forgery)how);
	}
}

/* Without any checkpoint the heartbeats tell, if what is gone are packets or a heartbeat. */
static void what_heartbeats_tell(void **state)
{
	struct forged *f = *state;
	const struct log_shape *s = shape(f, "heartbeats");
	unsigned int found[AUDIT_FINDING_MAX] = {0};

	/* 8 heartbeats, 20 windows and 3 of events; no heartbeat follows the last batch. */
	for (uint64_t victim = 0; victim < 26; victim++) {
		log_files_copy(&f->now, &s->files);
		assert_true(log_files_rechain(&f->now, victim, LOG_FORGE_DROP));
		found[ask(f, NULL).finding]++;
	}
	assert_int_equal(found[AUDIT_FINDING_HEARTBEAT_SUMS] +
				 found[AUDIT_FINDING_HEARTBEAT_MISSING] + found[AUDIT_FINDING_NONE],
			 26);
	assert_true(found[AUDIT_FINDING_HEARTBEAT_SUMS] >= 12);
	assert_true(found[AUDIT_FINDING_HEARTBEAT_MISSING] >= 1);
	log_files_copy(&f->now, &s->files);
	assert_true(log_files_rechain(&f->now, 5, LOG_FORGE_CLOCK));
	assert_int_equal(ask(f, NULL).finding, AUDIT_FINDING_CLOCK);
}

/* Call @fn with each frame of the segments in f->now, which are as in @files before each call. */
static void each_frame(struct forged *f, const struct log_files *files,
		       void (*fn)(struct forged *f, size_t file, size_t at,
				  const struct frame *frame, void *userdata),
		       void *userdata)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct log_file *file = &files->list[i];
		size_t at = SEGMENT_HEADER_SIZE;
		struct frame frame;

		if (!log_file_is_segment(file))
			continue;
		while (at + FRAME_HEADER_SIZE < file->length) {
			assert_int_equal(frame_decode(file->data + at, &frame), 0);
			log_files_copy(&f->now, files);
			fn(f, i, at, &frame, userdata);
			at += frame.size;
		}
	}
}

static void as_expired(struct forged *f, size_t file, size_t at, const struct frame *frame,
		       void *userdata)
{
	uint8_t stub[FRAME_STUB_SIZE], hash[AUDIT_HASH_SIZE];
	struct audit_verdict v;

	if (frame->type != FRAME_RECORD)
		return;
	hash_leaf(userdata, frame->payload, frame->length, hash);
	frame_stub_encode(stub, frame->index, hash, frame->length);
	log_file_splice(&f->now.list[file], at, frame->size, stub, sizeof(stub));
	v = ask(f, NULL);
	want(&v, AUDIT_FINDING_RECORD_STUBBED, frame->index, "made to look expired", frame->index);
}

static void a_record_that_did_not_expire(void **state)
{
	struct forged *f = *state;
	struct hasher h;

	assert_int_equal(hasher_init(&h), 0);
	each_frame(f, &shape(f, "signed")->files, as_expired, &h);
	hasher_done(&h);
}

/* The first stub of a segment, but for @but. */
static uint64_t first_stub(const struct log_file *file, uint64_t but)
{
	size_t at = SEGMENT_HEADER_SIZE;
	struct frame frame;

	for (; at + FRAME_HEADER_SIZE < file->length; at += frame.size) {
		assert_int_equal(frame_decode(file->data + at, &frame), 0);
		if (frame.type == FRAME_STUB && frame.index != but)
			return frame.index;
	}
	return AUDIT_INDEX_MAX;
}

static void put_back(struct forged *f, size_t file, size_t at, const struct frame *frame,
		     void *userdata)
{
	const struct log_file *whole =
		log_files_find(userdata, f->now.list[file].name); /* before it expired */
	uint64_t stub = frame->index, left;
	struct audit_verdict v;
	struct frame record;
	size_t from = SEGMENT_HEADER_SIZE;

	if (frame->type != FRAME_STUB)
		return;
	for (; from < whole->length; from += record.size) {
		assert_int_equal(frame_decode(whole->data + from, &record), 0);
		if (record.type == FRAME_RECORD && record.index == stub)
			break;
	}
	left = first_stub(&f->now.list[file], stub);
	assert_true(from < whole->length && left < AUDIT_INDEX_MAX);
	log_file_splice(&f->now.list[file], at, FRAME_STUB_SIZE, whole->data + from, record.size);
	v = ask(f, NULL);
	want(&v, AUDIT_FINDING_RECORD_STUBBED, left, "put back", stub);
}

static void an_expired_record_put_back(void **state)
{
	struct forged *f = *state;
	struct log_shape *s = shape(f, "expired");

	each_frame(f, &s->files, put_back, &s->unexpired);
}

static void any_bit_of_its_hash(struct forged *f, size_t file, size_t at, const struct frame *frame,
				void *userdata)
{
	uint64_t index = frame->index;

	(void)userdata;
	if (frame->type != FRAME_STUB)
		return;
	for (size_t bit = 0; bit < 8 * FRAME_STUB_LENGTH; bit += step(7)) {
		uint8_t *stub = f->now.list[file].data + at;
		struct audit_verdict v;

		stub[FRAME_HEADER_SIZE + bit / 8] ^= (uint8_t)(1U << bit % 8);
		fix_checksum(stub, FRAME_STUB_LENGTH);
		v = ask(f, NULL);
		stub[FRAME_HEADER_SIZE + bit / 8] ^= (uint8_t)(1U << bit % 8);
		/* The room that is gone with it is told by the next header, or by the file's hash. */
		if (bit >= 8 * AUDIT_HASH_SIZE)
			assert_int_not_equal(v.status, AUDIT_OK);
		else if (v.finding == AUDIT_FINDING_RECORD_STUBBED)
			want(&v, AUDIT_FINDING_RECORD_STUBBED,
			     first_stub(&f->now.list[file], UINT64_MAX), "stub", index);
		else if (v.finding != AUDIT_FINDING_CHECKPOINT_ROOT)
			want(&v, AUDIT_FINDING_RECORD_CHANGED, v.index == index ? index : index + 1,
			     "stub", index);
	}
}

static void a_changed_stub(void **state)
{
	struct forged *f = *state;

	each_frame(f, &shape(f, "expired")->files, any_bit_of_its_hash, NULL);
}

static void any_bit_of_what_is_left(struct forged *f, size_t file, size_t at,
				    const struct frame *frame, void *userdata)
{
	unsigned int *seen = userdata;

	if (frame->type != FRAME_GONE)
		return;
	++*seen;
	for (size_t bit = 0; bit < 8 * frame->length; bit += step(7)) {
		uint8_t *gone = f->now.list[file].data + at;

		gone[FRAME_HEADER_SIZE + bit / 8] ^= (uint8_t)(1U << bit % 8);
		fix_checksum(gone, frame->length);
		assert_int_not_equal(ask(f, NULL).status, AUDIT_OK);
		gone[FRAME_HEADER_SIZE + bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

static void changed_batches_that_expired(void **state)
{
	struct forged *f = *state;
	unsigned int seen = 0;

	each_frame(f, &shape(f, "gone")->files, any_bit_of_what_is_left, &seen);
	assert_true(seen >= 2);
}

/* No record is missing for it: the log has all that it acknowledges. */
static void a_state_of_another_incarnation(void **state)
{
	struct forged *f = *state;
	struct log_file *file;
	struct audit_verdict v;
	struct hasher h;

	assert_int_equal(hasher_init(&h), 0);
	log_files_copy(&f->now, &shape(f, "signed")->files);
	file = log_files_find(&f->now, "state");
	for (size_t i = 0; i < STATE_SLOTS; i++) {
		uint8_t *slot = file->data + i * STATE_SLOT_SIZE;
		uint64_t sequence;
		struct tip tip;

		assert_int_equal(state_decode(slot, &h, &sequence, &tip), 0);
		tip.incarnation++;
		state_encode(sequence, &tip, &h, slot);
	}
	hasher_done(&h);
	v = ask(f, NULL);
	want(&v, AUDIT_FINDING_STATE, v.records, "of another incarnation", 0);
}

int main(void)
{
#define TEST(words, function)                                                                      \
	{                                                                                          \
		(words), (function), set_up, tear_down, NULL                                       \
	}
	static const struct CMUnitTest tests[] = {
		TEST("a log of any shape is in order, also written anew as it was",
		     every_shape_is_in_order),
		TEST("an older copy is found by a checkpoint kept elsewhere, with the first record "
		     "that is missing",
		     an_older_copy),
		TEST("everything written anew without the key is found by a checkpoint, and by "
		     "tiles the record",
		     everything_re_chained),
		TEST("without a checkpoint, what heartbeats count and the clock are found",
		     what_heartbeats_tell),
		TEST("a record that did not expire and looks so is found, with its index",
		     a_record_that_did_not_expire),
		TEST("an expired record that is put back is found, with its segment's first stub",
		     an_expired_record_put_back),
		TEST("any changed bit of a stub is found", a_changed_stub),
		TEST("any changed bit of what is left of whole batches is found",
		     changed_batches_that_expired),
		TEST("a state file that acknowledges as many records of another incarnation is damaged",
		     a_state_of_another_incarnation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
