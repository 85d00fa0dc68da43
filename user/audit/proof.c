/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Making proofs, from the files of a log. Checking them, from their text alone, is proof_check.c's. */
#include "audit/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "audit/base64.h"
#include "audit/directory.h"
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

/* Where an incarnation begins is written down when it is first sealed. */
static int read_first(const char *path, uint32_t incarnation, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX];
	size_t length;
	int r;

	*ret = 0;
	if (!incarnation)
		return 0;
	if (snprintf(file, sizeof(file), "%s/first", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	r = fs_read_file(file, 23, &text, &length, NULL);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, 0, AUDIT_INDEX_MAX, ret);
}

/* The incarnation that record @index belongs to. */
static int find_incarnation(struct proof_tree *t, const char *audit_dir, uint64_t index,
			    struct fault *reterr)
{
	_cleanup_close_ int dir = -1;
	struct state state;
	int r = directory_open_readonly(audit_dir, &dir, reterr);

	if (r < 0)
		return r;
	r = state_load(dir, &t->hasher, &state);
	if (r < 0)
		return fault(reterr, r, "audit.read", "cannot read the state file of the log: %s",
			     strerror(-r));
	for (t->incarnation = state.tip.incarnation;; t->incarnation--) {
		r = sealing_path(audit_dir, t->incarnation, t->path);
		r = r ?: read_first(t->path, t->incarnation, &t->first);
		if (r == -ENOENT && index == UINT64_MAX)
			return fault(reterr, r, "audit.checkpoint", "nothing is signed yet in %s",
				     t->path);
		if (r < 0 && r != -ENOENT)
			return fault(reterr, r, "audit.read", "cannot read %s/first: %s", t->path,
				     strerror(-r));
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

int proof_tree_open(const char *audit_dir, uint64_t index, struct proof_tree **ret,
		    struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read the log's tree");
	t->dir = -1;
	if (hasher_init(&t->hasher) < 0)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read the log's tree");
	r = find_incarnation(t, audit_dir, index, reterr);
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

static int format(const struct proof_tree *t, const struct reader_record *record,
		  const struct merkle_proof *path, char **ret, size_t *ret_length)
{
	_cleanup_(text_done) struct text text = {.growing = true};

	text_puts(&text, "c2sp.org/tlog-proof@v1\nextra ");
	put_base64(&text, (const uint8_t *)record->data, record->length);
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

int proof_make(const char *audit_dir, uint64_t index, char **ret, size_t *ret_length,
	       struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
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
		return no_record(index, "expired: only its hash is left", reterr);
	if (memcmp(leaf, record.hash, sizeof(leaf)) != 0)
		return fault(reterr, -EBADMSG, "proof.tree",
			     "record %" PRIu64 " is not the one that was signed: run "
			     "'weir audit verify'",
			     index);
	r = format(t, &record, &path, ret, ret_length);
	return r < 0 ? fault(reterr, r, "audit.read", "no memory to write a proof") : 0;
}

int proof_find(const char *audit_dir, const uint8_t event_id[static AUDIT_ID_SIZE], uint64_t *ret,
	       struct fault *reterr)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	int r = reader_open(audit_dir, &reader, reterr);

	if (r < 0)
		return r;
	while ((r = reader_next(reader, &record, reterr)) == 1) {
		if (memcmp(record.view.event_id, event_id, AUDIT_ID_SIZE) != 0)
			continue;
		*ret = record.view.index;
		return 0;
	}
	return r < 0 ? r : fault(reterr, -ENOENT, "proof.record", "no record has that event_id");
}
