/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last record that was signed pins all before it, as each names the hash of the one before. So a start reads at
 * most 256 records back, and only a tile that is missing or wrong makes it read them all.
 */
#include "audit/sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/directory.h"
#include "audit/scan.h"
#include "base/fs.h"

#define FIRST_FILE "first"

int sealing_path(const char *audit_dir, uint32_t incarnation, char ret[static PATH_MAX])
{
	int n = incarnation ? snprintf(ret, PATH_MAX, "%s/%" PRIu32, audit_dir, incarnation)
			    : snprintf(ret, PATH_MAX, "%s", audit_dir);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int join(char *ret, const char *path, const char *name)
{
	return snprintf(ret, PATH_MAX, "%s/%s", path, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int sealing_read_note(const char *path, char **ret, size_t *ret_length, struct fault *reterr)
{
	char file[PATH_MAX];
	int r = join(file, path, "checkpoint")
			?: fs_read_file(file, NOTE_SIZE_MAX, ret, ret_length, NULL);

	return r < 0 ? fault(reterr, r, "audit.checkpoint", "cannot read the checkpoint %s: %s",
			     file, strerror(-r))
		     : 0;
}

int sealing_read_latest(const char *audit_dir, char **ret, size_t *ret_length, struct fault *reterr)
{
	_cleanup_(hasher_done) struct hasher h = {0};
	_cleanup_close_ int dir = -1;
	char path[PATH_MAX];
	struct state state;
	int r = directory_open_readonly(audit_dir, &dir, reterr);

	if (r < 0)
		return r;
	r = hasher_init(&h);
	r = r ?: state_load(dir, &h, &state);
	r = r ?: sealing_path(audit_dir, state.tip.incarnation, path);
	if (r < 0)
		return fault(reterr, r, "audit.checkpoint",
			     "cannot read the state file of the log in %s: %s", audit_dir,
			     strerror(-r));
	return sealing_read_note(path, ret, ret_length, reterr);
}

int sealing_init(struct sealing *s, const char *audit_dir, struct keyring *keys,
		 pthread_mutex_t *keys_lock, struct fault *reterr)
{
	*s = (struct sealing){
		.audit_dir = audit_dir,
		.keys = keys,
		.keys_lock = keys_lock,
		.dir = -1,
		.tree_dir = -1,
	};
	if (hasher_init(&s->hasher) < 0)
		return fault(reterr, -ENOMEM, "audit.sealer", "no memory to seal the audit log");
	return directory_open_readonly(audit_dir, &s->dir, reterr);
}

void sealing_reset(struct sealing *s)
{
	reader_close(s->reader);
	s->reader = NULL;
	close_fdp(&s->tree_dir);
	s->tree_dir = -1;
	s->loaded = s->met = s->has_last = false;
	s->signed_last = (struct checkpoint){0};
}

void sealing_done(struct sealing *s)
{
	sealing_reset(s);
	hasher_done(&s->hasher);
	close_fdp(&s->dir);
	s->dir = -1;
}

int sealing_tip(struct sealing *s, struct tip *ret, struct fault *reterr)
{
	struct state state;
	int r = state_load(s->dir, &s->hasher, &state);

	if (r < 0)
		return fault(reterr, r, "audit.sealer", "cannot read the log's state file: %s",
			     strerror(-r));
	*ret = state.tip;
	return 0;
}

static int failed(int error, const char *what, struct fault *reterr)
{
	return fault(reterr, error, "audit.sealer", "cannot %s: %s", what, strerror(-error));
}

/* The first segment of @incarnation, or of all if that is UINT32_MAX. */
static int first_segment(struct sealing *s, uint32_t incarnation, uint64_t *ret)
{
	_cleanup_free_ uint64_t *list = NULL;
	_cleanup_(scan_done) struct scan scan = {.fd = -1};
	struct segment_header header;
	size_t count;
	int r = directory_segments(s->dir, &list, &count);

	r = r ?: scan_init(&scan, &s->hasher, true);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = scan_peek(&scan, s->dir, list[i], &header);
		if (r == 0 && (incarnation == UINT32_MAX || header.incarnation == incarnation)) {
			*ret = list[i];
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

/* Where incarnation 1 and later ones begin is kept, as their first segment may be pruned one day. */
static int find_first(struct sealing *s)
{
	_cleanup_free_ char *text = NULL;
	char file[PATH_MAX], number[24];
	size_t length;
	int r;

	s->first = 0;
	if (!s->incarnation)
		return 0;
	r = join(file, s->path, FIRST_FILE) ?: fs_read_file(file, 23, &text, &length, NULL);
	if (r == 0) {
		text[strcspn(text, "\n")] = '\0';
		return parse_u64(text, 0, AUDIT_INDEX_MAX, &s->first);
	}
	if (r != -ENOENT)
		return r;
	r = first_segment(s, s->incarnation, &s->first);
	if (r < 0)
		return r;
	snprintf(number, sizeof(number), "%" PRIu64 "\n", s->first);
	return fs_replace_file(file, number, strlen(number), 0600, NULL);
}

static int open_tree_dir(struct sealing *s)
{
	int r = sealing_path(s->audit_dir, s->incarnation, s->path);

	if (r < 0)
		return r;
	if (s->incarnation && mkdir(s->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	s->tree_dir = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return s->tree_dir < 0 ? -errno : 0;
}

static void make_origin(const struct sealing *s, char ret[static NOTE_NAME_MAX + 1])
{
	if (s->incarnation)
		snprintf(ret, NOTE_NAME_MAX + 1, "%.180s/%" PRIu32, keyring_name(s->keys),
			 s->incarnation);
	else
		snprintf(ret, NOTE_NAME_MAX + 1, "%s", keyring_name(s->keys));
}

/* What was signed last, if anything was. It must be by us and of this log. */
static int load_checkpoint(struct sealing *s, struct fault *reterr)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_free_ struct note *note = malloc(sizeof(*note));
	char origin[NOTE_NAME_MAX + 1];
	struct fault why = {0};
	size_t length;
	int r = note ? sealing_read_note(s->path, &data, &length, &why)
		     : fault(&why, -ENOMEM, "audit.sealer", "no memory to read the checkpoint");

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fault(reterr, r, why.code, "%s", why.text);
	r = note_parse(data, length, note, &why);
	r = r ?: checkpoint_parse(note, &s->signed_last, &why);
	pthread_mutex_lock(s->keys_lock);
	r = r ?: keyring_verify(s->keys, note, &why);
	make_origin(s, origin);
	pthread_mutex_unlock(s->keys_lock);
	if (r < 0)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "the checkpoint in %.80s is none that weir signed: %.100s", s->path,
			     why.text);
	if (strcmp(s->signed_last.origin, origin) != 0)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "the checkpoint is of another log, '%.100s'", s->signed_last.origin);
	return 0;
}

/* Read the record that is due as leaf @leaf: its hash, and that it names the one before. */
static int next_leaf(struct sealing *s, uint64_t leaf, struct fault *reterr)
{
	struct reader_record record;
	struct fault why = {0};
	int r = reader_next(s->reader, &record, &why);

	if (r == -EBADMSG)
		return fault(reterr, -EBADMSG, "audit.contradiction", "%s", why.text);
	if (r < 0)
		return failed(r, "read the audit log back", reterr);
	if (r == 0 || record.view.index != s->first + leaf)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "record %llu was acknowledged and is not there",
			     (unsigned long long)(s->first + leaf));
	if (record.data && s->has_last &&
	    memcmp(record.view.previous_hash, s->last_hash, AUDIT_HASH_SIZE) != 0)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "record %llu does not name the hash that record %llu has",
			     (unsigned long long)(s->first + leaf),
			     (unsigned long long)(s->first + leaf - 1));
	memcpy(s->last_hash, record.hash, AUDIT_HASH_SIZE);
	s->has_last = true;
	return 0;
}

/* Begin to read with leaf @leaf. */
static int seek(struct sealing *s, uint64_t leaf, struct fault *reterr)
{
	struct fault why = {0};
	int r = reader_seek(s->reader, s->first + leaf, &why);

	s->has_last = false;
	if (r == -EBADMSG)
		return fault(reterr, -EBADMSG, "audit.contradiction", "%s", why.text);
	return r < 0 ? failed(r, "read the audit log back", reterr) : 0;
}

struct recent {
	uint64_t from;
	uint8_t hashes[TILE_WIDTH][AUDIT_HASH_SIZE];
};

static int recent_leaf(uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE], void *userdata)
{
	const struct recent *recent = userdata;

	memcpy(ret, recent->hashes[index - recent->from], AUDIT_HASH_SIZE);
	return 0;
}

/*
 * Go on from the checkpoint. 1: done; 0: the tiles do not make its root, which may be their fault or the records';
 * -errno.
 */
static int resume(struct sealing *s, struct fault *reterr)
{
	uint64_t size = s->signed_last.size;
	struct recent recent = {.from = size ? (size - 1) / TILE_WIDTH * TILE_WIDTH : 0};
	const struct tile_leaves leaves = {recent_leaf, &recent};
	uint8_t hash[AUDIT_HASH_SIZE];
	int r = seek(s, recent.from, reterr);

	for (uint64_t i = recent.from; r == 0 && i < size; i++) {
		r = next_leaf(s, i, reterr);
		memcpy(recent.hashes[i - recent.from], s->last_hash, AUDIT_HASH_SIZE);
	}
	if (r < 0)
		return r;
	r = tile_tree_open(&s->tree, s->tree_dir, &s->hasher, size, s->signed_last.root, &leaves);
	if (r == 0 && size)
		r = tile_tree_source(&s->tree).subtree(0, size - 1, hash, &s->tree);
	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : failed(r, "read tiles", reterr);
	if (size && memcmp(hash, s->last_hash, sizeof(hash)) != 0)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "record %llu is not the one that was signed (%llu records were)",
			     (unsigned long long)(s->first + size - 1), (unsigned long long)size);
	s->met = true;
	return 1;
}

/* Compute the tree again from the first record that is left; what was pruned before that only tiles know. */
static int rebuild(struct sealing *s, struct fault *reterr)
{
	static const struct tile_leaves none; /* a multiple of a tile's width needs none */
	uint64_t segment, base = 0;
	int r = first_segment(s, UINT32_MAX, &segment);

	if (r < 0)
		return failed(r, "find the first segment", reterr);
	if (segment > s->first)
		base = (segment - s->first + TILE_WIDTH - 1) / TILE_WIDTH * TILE_WIDTH;
	tile_builder_init(&s->tree.known, s->tree_dir, &s->hasher);
	r = tile_builder_load(&s->tree.known, base, &none);
	if (r < 0)
		return fault(reterr, r == -EBADMSG ? -ENOENT : r, "audit.tiles",
			     "tiles of records before %llu are missing or damaged, and those "
			     "records were pruned",
			     (unsigned long long)(s->first + base));
	s->met = !*s->signed_last.origin || !s->signed_last.size;
	s->rebuilt += *s->signed_last.origin != '\0';
	return seek(s, base, reterr);
}

static int load(struct sealing *s, const struct tip *tip, struct fault *reterr)
{
	int r;

	s->incarnation = tip->incarnation;
	r = open_tree_dir(s) ?: find_first(s);
	if (r < 0)
		return failed(r, "open the directory of the tree", reterr);
	r = reader_open(s->audit_dir, &s->reader, reterr);
	if (r == 0)
		reader_with_expired(s->reader);
	r = r ?: load_checkpoint(s, reterr);
	if (r < 0)
		return r;
	if (*s->signed_last.origin && s->first + s->signed_last.size > tip->next_index)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "%llu records were signed, and only %llu are there",
			     (unsigned long long)s->signed_last.size,
			     (unsigned long long)(tip->next_index - s->first));
	r = *s->signed_last.origin ? resume(s, reterr) : 0;
	if (r == 0)
		r = rebuild(s, reterr);
	s->loaded = r >= 0;
	return r < 0 ? r : 0;
}

static bool stopped(const struct sealing *s)
{
	return s->stop && __atomic_load_n(s->stop, __ATOMIC_RELAXED);
}

/* The tree is as large as what was signed: is it the same? */
static int meet(struct sealing *s, struct fault *reterr)
{
	uint8_t root[AUDIT_HASH_SIZE];

	merkle_root(&s->tree.known.edge, &s->hasher, root);
	if (memcmp(root, s->signed_last.root, sizeof(root)) != 0)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "the first %llu records are not those that were signed",
			     (unsigned long long)s->signed_last.size);
	s->met = true;
	return 0;
}

static int extend(struct sealing *s, const struct tip *tip, struct fault *reterr)
{
	struct tile_builder *b = &s->tree.known;
	uint64_t end = tip->next_index - s->first;

	for (unsigned int n = 0; b->edge.size < end; n++) {
		int r;

		if (n == SEALING_TURN_RECORDS || (n % 1024 == 0 && stopped(s)))
			return 1;
		r = next_leaf(s, b->edge.size, reterr);
		if (r < 0)
			return r;
		r = tile_builder_append(b, s->last_hash);
		if (r < 0)
			return failed(r, "write tiles", reterr);
		if (!s->met && b->edge.size == s->signed_last.size) {
			r = meet(s, reterr);
			if (r < 0)
				return r;
		}
	}
	if (s->has_last && memcmp(s->last_hash, tip->last_hash, AUDIT_HASH_SIZE) != 0)
		return fault(reterr, -EBADMSG, "audit.contradiction",
			     "record %llu is not the one that was acknowledged",
			     (unsigned long long)(tip->next_index - 1));
	return 0;
}

static int sign(struct sealing *s, struct fault *reterr)
{
	_cleanup_free_ char *text = NULL, *note = NULL;
	struct checkpoint c = {.size = s->tree.known.edge.size};
	char file[PATH_MAX];
	struct note_signer signers[2];
	uint64_t now_ns = clock_real_ns();
	int r;

	merkle_root(&s->tree.known.edge, &s->hasher, c.root);
	pthread_mutex_lock(s->keys_lock);
	make_origin(s, c.origin);
	text = checkpoint_format(&c);
	r = text ? note_make(text, signers, keyring_signers(s->keys, now_ns, signers), &note)
		 : -ENOMEM;
	pthread_mutex_unlock(s->keys_lock);
	if (r < 0)
		return failed(r, "sign a checkpoint", reterr);
	r = join(file, s->path, "checkpoint");
	r = r ?: fs_replace_file(file, note, strlen(note), 0600, reterr);
	if (r < 0)
		return r;
	s->signed_last = c;
	s->signed_ns = now_ns;
	s->signed_monotonic_ns = clock_monotonic_ns();
	s->resign = false;
	return 0;
}

/* While there are many records to take in, one checkpoint a second is enough. */
static bool is_due(const struct sealing *s, bool more)
{
	uint64_t size = s->tree.known.edge.size;

	if (!s->met || !size ||
	    (more && clock_monotonic_ns() < s->signed_monotonic_ns + NSEC_PER_SEC))
		return false;
	return s->resign || !*s->signed_last.origin || size > s->signed_last.size;
}

int sealing_turn(struct sealing *s, const struct tip *tip, struct fault *reterr)
{
	int r = 0, more;

	if (s->loaded && s->incarnation != tip->incarnation)
		sealing_reset(s);
	if (!s->loaded)
		r = load(s, tip, reterr);
	if (r < 0)
		return r;
	more = extend(s, tip, reterr);
	if (more < 0)
		return more;
	if (is_due(s, more))
		r = sign(s, reterr);
	return r < 0 ? r : more;
}
