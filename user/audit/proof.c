/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making proofs, from the files of a log. Checking them, from their text alone, is proof_check.c's. */
#include "audit/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "audit/archived.h"
#include "audit/base64.h"
#include "audit/directory.h"
#include "audit/incarnation.h"
#include "audit/sealing.h"
#include "base/fs.h"

#define ENCODED_MAX                                                                                \
	(BASE64_BYTES_MAX / 3 * 3) /* what base64_put() takes at once, without padding */

void proof_tree_free(struct proof_tree *t)
{
	if (!t)
		return;
	leaves_done(&t->leaves);
	hasher_done(&t->hasher);
	close_fdp(&t->dir);
	free(t->text);
	free(t);
}

static int load_state(const char *audit_dir, struct hasher *hasher, struct state *ret,
		      struct fault *reterr)
{
	_cleanup_close_ int dir = -1;
	int r = directory_open_readonly(audit_dir, &dir, reterr);

	if (r < 0)
		return r;
	r = state_load(dir, hasher, ret);
	return r < 0 ? fault(reterr, r, "audit.read", "cannot read the state file of the log: %s",
			     strerror(-r))
		     : 0;
}

int proof_incarnations(const char *audit_dir, uint32_t *ret, struct fault *reterr)
{
	_cleanup_(hasher_done) struct hasher hasher = {0};
	struct state state;
	int r;

	if (hasher_init(&hasher) < 0)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read the log's tree");
	r = load_state(audit_dir, &hasher, &state, reterr);
	if (r == 0)
		*ret = state.tip.incarnation + 1;
	return r;
}

/* Incarnation @number. -ENOENT: nothing says where it begins, so nothing of it is signed. */
static int enter_incarnation(struct proof_tree *t, const char *audit_dir, uint32_t number,
			     struct fault *reterr)
{
	int r = sealing_path(audit_dir, number, t->path);

	t->incarnation = number;
	r = r ?: incarnation_first(t->path, number, &t->first);
	if (r == -ENOENT)
		return fault(reterr, r, "audit.checkpoint", "nothing is signed yet in %s", t->path);
	return r < 0 ? fault(reterr, r, "audit.read", "cannot read %s/first: %s", t->path,
			     strerror(-r))
		     : 0;
}

/* The incarnation that record @index belongs to. */
static int find_incarnation(struct proof_tree *t, const char *audit_dir, uint64_t index,
			    struct fault *reterr)
{
	struct state state;
	int r = load_state(audit_dir, &t->hasher, &state, reterr);

	if (r < 0)
		return r;
	for (uint32_t number = state.tip.incarnation;; number--) {
		struct fault f = {0};

		r = enter_incarnation(t, audit_dir, number, &f);
		if (r < 0 && (r != -ENOENT || index == UINT64_MAX))
			return fault(reterr, r, f.code, "%s", f.text);
		if (r == 0 && t->first <= index)
			return 0;
	}
}

static int tree_fault(int r, struct fault *reterr)
{
	if (r == -ENOENT)
		return fault(reterr, r, "proof.tree",
			     "a tile of the log's tree is missing; weir makes it again when it "
			     "starts");
	if (r == -EBADMSG)
		return fault(reterr, r, "proof.tree",
			     "the log's tiles and records do not make the root that was signed: "
			     "run 'weir audit verify'");
	return fault(reterr, r, "proof.tree", "cannot read the log's tree: %s", strerror(-r));
}

static int load_tree(struct proof_tree *t, const char *audit_dir, struct fault *reterr)
{
	struct tile_leaves leaves;
	int r = sealing_read_note(t->path, &t->text, &t->length, reterr);

	r = r ?: note_parse(t->text, t->length, &t->note, reterr);
	r = r ?: checkpoint_parse(&t->note, &t->checkpoint, reterr);
	r = r ?: leaves_open(&t->leaves, audit_dir, t->first, reterr);
	if (r < 0)
		return r;
	t->dir = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0)
		return fault(reterr, -errno, "audit.read", "cannot open %s: %s", t->path,
			     strerror(errno));
	leaves = leaves_source(&t->leaves);
	r = tile_tree_open(&t->tree, t->dir, &t->hasher, t->checkpoint.size, t->checkpoint.root,
			   &leaves);
	return r < 0 ? tree_fault(r, reterr) : 0;
}

static int new_tree(struct proof_tree **ret, struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = calloc(1, sizeof(*t));

	if (t)
		t->dir = -1;
	if (!t || hasher_init(&t->hasher) < 0)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read the log's tree");
	*ret = take_ptr(t);
	return 0;
}

int proof_tree_open(const char *audit_dir, uint64_t index, struct proof_tree **ret,
		    struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
	int r = new_tree(&t, reterr);

	r = r ?: find_incarnation(t, audit_dir, index, reterr);
	r = r ?: load_tree(t, audit_dir, reterr);
	if (r == 0)
		*ret = take_ptr(t);
	return r;
}

int proof_tree_open_number(const char *audit_dir, uint32_t number, struct proof_tree **ret,
			   struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
	int r = new_tree(&t, reterr);

	r = r ?: enter_incarnation(t, audit_dir, number, reterr);
	r = r ?: load_tree(t, audit_dir, reterr);
	if (r == 0)
		*ret = take_ptr(t);
	return r;
}

static int check_size(const struct proof_tree *t, uint64_t size, struct fault *reterr)
{
	if (size <= t->checkpoint.size)
		return 0;
	return fault(reterr, -EINVAL, "proof.size",
		     "the log's checkpoint covers %" PRIu64 " records, not %" PRIu64,
		     t->checkpoint.size, size);
}

int proof_tree_root(struct proof_tree *t, uint64_t size, uint8_t ret[static AUDIT_HASH_SIZE],
		    struct fault *reterr)
{
	const struct merkle_source source = tile_tree_source(&t->tree);
	struct merkle edge;
	int r = check_size(t, size, reterr);

	if (r < 0)
		return r;
	r = merkle_load(&source, size, &edge);
	if (r < 0)
		return tree_fault(r, reterr);
	merkle_root(&edge, &t->hasher, ret);
	return 0;
}

int proof_tree_consistency(struct proof_tree *t, uint64_t old, uint64_t size,
			   struct merkle_proof *ret, struct fault *reterr)
{
	const struct merkle_source source = tile_tree_source(&t->tree);
	int r = check_size(t, size, reterr);

	if (r == 0 && old > size)
		r = fault(reterr, -EINVAL, "proof.size",
			  "OLD has %" PRIu64 " records, more than NEW: %" PRIu64, old, size);
	if (r < 0)
		return r;
	r = merkle_prove_consistency(&source, &t->hasher, old, size, ret);
	return r < 0 ? tree_fault(r, reterr) : 0;
}

static void put_base64(struct text *t, const uint8_t *data, size_t length)
{
	for (size_t at = 0; at < length; at += ENCODED_MAX)
		base64_put(t, data + at, length - at < ENCODED_MAX ? length - at : ENCODED_MAX);
	text_puts(t, "\n");
}

/* Behind a newline, the notes of the log's rotations: the newest that fit. What they say is worth the same wherever it stands. */
static void put_notes(struct text *t, const struct rotation_list *l)
{
	size_t from, bytes = 0;

	for (from = l->count; from > 0; from--) {
		bytes += strlen(l->items[from - 1].note);
		if (bytes > PROOF_NOTES_MAX)
			break;
	}
	for (size_t i = from; i < l->count; i++) {
		text_puts(t, i == from ? "\n" : "");
		text_puts(t, l->items[i].note);
	}
}

static int format(const struct proof_tree *t, const struct reader_record *record,
		  const struct merkle_proof *path, const struct rotation_list *rotations,
		  char **ret, size_t *ret_length)
{
	_cleanup_(text_done) struct text text = {.growing = true}, extra = {.growing = true};

	if (record->data)
		text_put(&extra, record->data, record->length);
	else
		text_put(&extra, (const char *)record->hash, AUDIT_HASH_SIZE);
	put_notes(&extra, rotations);
	if (extra.truncated)
		return -ENOMEM;
	text_puts(&text, "c2sp.org/tlog-proof@v1\nextra ");
	put_base64(&text, (const uint8_t *)extra.data, extra.length);
	text_printf(&text, "index %" PRIu64 "\n", record->view.index - t->first);
	for (size_t i = 0; i < path->count; i++)
		put_base64(&text, path->hashes[i], AUDIT_HASH_SIZE);
	text_puts(&text, "\n");
	text_put(&text, t->text, t->length);
	*ret_length = text.length;
	*ret = text_take(&text);
	return *ret ? 0 : -ENOMEM;
}

static int no_record(uint64_t index, const char *why, struct fault *reterr)
{
	return fault(reterr, -ENOENT, "proof.record", "record %" PRIu64 " %s", index, why);
}

/* A record that expired, as it was, if there is an archive of it. @ret_memory is what it is in. */
static int take_archived(const char *audit_dir, struct reader_record *record, char **ret_memory,
			 struct fault *reterr)
{
	_cleanup_close_ int dir = -1;
	int r = directory_open_readonly(audit_dir, &dir, reterr);

	if (r < 0)
		return r;
	r = archived_record(dir, record->view.index, record->hash, ret_memory, &record->length);
	if (r == 0)
		record->data = *ret_memory;
	return r == -ENOENT ? 0 : r;
}

int proof_make(const char *audit_dir, uint64_t index, char **ret, size_t *ret_length,
	       struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
	_cleanup_(rotation_list_done) struct rotation_list rotations = {0};
	_cleanup_free_ char *archived = NULL;
	struct reader_record record;
	struct merkle_source source;
	struct merkle_proof path;
	uint8_t leaf[AUDIT_HASH_SIZE];
	int r = proof_tree_open(audit_dir, index, &t, reterr);

	if (r < 0)
		return r;
	if (index - t->first >= t->checkpoint.size)
		return no_record(index, "is covered by no checkpoint: it is not there, or not yet",
				 reterr);
	source = tile_tree_source(&t->tree);
	r = source.subtree(0, index - t->first, leaf, source.userdata);
	r = r
		    ?: merkle_prove_inclusion(&source, &t->hasher, index - t->first,
					      t->checkpoint.size, &path);
	if (r < 0)
		return tree_fault(r, reterr);
	t->leaves.next = UINT64_MAX; /* the reader stands elsewhere from here on */
	r = reader_seek(t->leaves.reader, index, reterr);
	r = r < 0 ? r : reader_next(t->leaves.reader, &record, reterr);
	if (r < 0)
		return r;
	if (r == 0 || record.view.index != index)
		return no_record(index, "is not there", reterr);
	if (!record.data)
		r = take_archived(audit_dir, &record, &archived, reterr);
	if (r < 0)
		return r;
	if (memcmp(leaf, record.hash, sizeof(leaf)) != 0)
		return fault(reterr, -EBADMSG, "proof.tree",
			     "record %" PRIu64 " is not the one that was signed: run "
			     "'weir audit verify'",
			     index);
	r = rotation_list_read(audit_dir, &rotations, reterr);
	if (r < 0)
		return r;
	r = format(t, &record, &path, &rotations, ret, ret_length);
	return r < 0 ? fault(reterr, r, "audit.read", "no memory to write a proof") : 0;
}

/* Look through a segment, up to its end or where it is damaged. 1: found. */
static int find_in(struct reader *reader, uint64_t segment, uint64_t next,
		   const uint8_t event_id[static AUDIT_ID_SIZE], uint64_t *ret,
		   struct fault *reterr)
{
	struct reader_record record;
	int r = reader_seek(reader, segment, reterr);

	if (r < 0)
		return r;
	while ((r = reader_next(reader, &record, reterr)) == 1 && record.view.index < next) {
		if (memcmp(record.view.event_id, event_id, AUDIT_ID_SIZE) != 0)
			continue;
		*ret = record.view.index;
		return 1;
	}
	return r < 0 ? r : 0;
}

int proof_find(const char *audit_dir, const uint8_t event_id[static AUDIT_ID_SIZE], uint64_t *ret,
	       struct fault *reterr)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	_cleanup_free_ uint64_t *segments = NULL;
	_cleanup_close_ int dir = -1;
	bool damaged = false;
	size_t count = 0;
	int r = reader_open(audit_dir, &reader, reterr);

	r = r ?: directory_open_readonly(audit_dir, &dir, reterr);
	if (r < 0)
		return r;
	reader_with_expired(reader);
	r = directory_segments(dir, &segments, &count);
	if (r < 0)
		return fault(reterr, r, "audit.read", "cannot read %s: %s", audit_dir,
			     strerror(-r));
	for (size_t i = 0; i < count; i++) {
		struct fault f = {0};

		r = find_in(reader, segments[i], i + 1 < count ? segments[i + 1] : UINT64_MAX,
			    event_id, ret, &f);
		if (r == 1)
			return 0;
		if (r < 0 && r != -EBADMSG)
			return fault(reterr, r, f.code, "%s", f.text);
		damaged |= r < 0;
	}
	return fault(reterr, -ENOENT, "proof.record", "no record has that event_id%s",
		     damaged ? ", as far as the log can be read: run 'weir audit verify'" : "");
}
