/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checkpoints against records. When the whole log is read, its tree is compared where it is as large as each checkpoint.
 * When only a part is read, the leaves before it are taken from tiles, and its tree is compared with what the tiles
 * say of that size, once these are proved to belong to the log's checkpoint.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/keyring.h"
#include "audit/leaves.h"
#include "audit/verify_internal.h"
#include "base/cleanup.h"
#include "base/fs.h"

static const char *const signatures[] = {
	[AUDIT_SIGNATURE_UNCHECKED] = "unchecked",
	[AUDIT_SIGNATURE_OWN] = "own",
	[AUDIT_SIGNATURE_GIVEN] = "given",
	[AUDIT_SIGNATURE_FOLLOWED] = "followed",
};
static_assert(ARRAY_SIZE(signatures) == AUDIT_SIGNATURE_MAX, "each has a name");

const char *audit_signature_to_str(enum audit_signature signature)
{
	assert(signature < AUDIT_SIGNATURE_MAX);
	return signatures[signature];
}

/* @leaf: the first one that it concerns. */
static int problem(struct verification *v, enum audit_finding finding, uint64_t leaf,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

static int problem(struct verification *v, enum audit_finding finding, uint64_t leaf,
		   const char *format, ...)
{
	va_list ap;

	v->problem = (struct audit_problem){
		.finding = finding,
		.index = leaf + v->verdict.base,
		.segment = SEGMENT_NONE,
	};
	va_start(ap, format);
	vsnprintf(v->problem.words, sizeof(v->problem.words), format, ap);
	va_end(ap);
	return -EBADMSG;
}

static void take_signer(struct audit_covered *c, const struct note_verifier *key,
			enum audit_signature signature)
{
	c->signature = signature;
	note_verifier_format(key, c->signer);
}

/* Who signed it? Without a key that was given, the log's own list has to do, which proves little. */
static int check_signature(struct verification *v, struct cover_note *n, struct audit_covered *c)
{
	const struct note *note = n->note;
	_cleanup_(keyring_list_done) struct keyring_list list = {0};
	struct fault f = {0};

	if (v->options->key) {
		int r = note_verify(note, v->options->key, &f);

		n->unsigned_by_key = r == -ENOKEY;
		if (r == -ENOKEY)
			return 0;
		if (r < 0)
			return problem(v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0,
				       "the checkpoint of %" PRIu64 " records: %.150s", c->size,
				       f.text);
		take_signer(c, v->options->key, AUDIT_SIGNATURE_GIVEN);
		return 0;
	}
	if (keyring_list_read(v->path, &list, &f) < 0 && f.err == -EINVAL)
		return problem(v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0,
			       "who signed the checkpoint of %" PRIu64
			       " records cannot be told: the log's list of keys is damaged",
			       c->size);
	if (f.err)
		return f.err == -ENOENT ? 0 : f.err;
	for (size_t i = list.count; i-- > 0;) {
		int r = note_verify(note, &list.keys[i].verifier, &f);

		if (r == 0)
			take_signer(c, &list.keys[i].verifier, AUDIT_SIGNATURE_OWN);
		if (r != -ENOKEY)
			return r == 0 ? 0
				      : problem(v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0,
						"the checkpoint of %" PRIu64 " records: %.150s",
						c->size, f.text);
	}
	return problem(v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0,
		       "the checkpoint of %" PRIu64 " records is signed by none of the log's keys",
		       c->size);
}

/* Not what was read itself, or by a pass before this one. */
static bool is_new(const struct rotation_list *l, const char *note)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i].note, note) == 0)
			return false;
	return true;
}

/*
 * The rotations of this incarnation, after those before it and before those behind it, which say that a key that was given
 * came after the one that signed: each incarnation counts its records anew, so theirs are taken for the first and the last.
 * What is damaged before a violation stays a finding, whoever signed it.
 */
static int join(const struct verification *v, struct rotation_list *ret)
{
	const struct rotation_list *own = v->rotations, *all = v->all;
	bool is_last = verification_is_last(v);

	*ret = (struct rotation_list){
		.items = calloc(own->count + all->count + 1, sizeof(*ret->items))};
	if (!ret->items)
		return -ENOMEM;
	for (size_t i = 0; i < own->count; i++) {
		ret->items[ret->count] = own->items[i];
		if (i < v->earlier_rotations)
			ret->items[ret->count].index = 0;
		ret->count++;
	}
	for (size_t i = 0; !is_last && i < all->count && ret->count < ROTATIONS_MAX; i++) {
		if (!is_new(own, all->items[i].note))
			continue;
		ret->items[ret->count] = all->items[i];
		ret->items[ret->count++].index = UINT64_MAX;
	}
	return 0;
}

/* Where the record of @r is, in its own incarnation. */
static uint64_t index_of(const struct verification *v, const struct rotation *r)
{
	const struct rotation_list *lists[] = {v->rotations, v->all};

	for (size_t n = 0; n < ARRAY_SIZE(lists); n++)
		for (size_t i = 0; i < lists[n]->count; i++)
			if (lists[n]->items[i].note == r->note)
				return lists[n]->items[i].index;
	return r->index;
}

static int follow(struct verification *v, const struct cover_note *n, struct audit_covered *c)
{
	struct rotation_list rotations;
	const struct note_verifier *signer;
	const struct rotation *rotation;
	int r;

	if (!n->unsigned_by_key)
		return 0;
	r = join(v, &rotations);
	if (r < 0)
		return r;
	r = rotation_follow(&rotations, v->options->key, n->note, v->verdict.base + c->size, true,
			    &rotation, &signer);
	if (r == 0) {
		take_signer(c, signer, AUDIT_SIGNATURE_FOLLOWED);
		c->rotation = index_of(v, rotation);
	}
	free(rotations.items); /* the notes are those of the others */
	return r == 0 ? 0
		      : problem(v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0,
				"the checkpoint of %" PRIu64
				" records is not signed by the key given, nor by one to which the "
				"rotations in the records that were read lead from it",
				c->size);
}

int cover_follow(struct verification *v)
{
	const struct rotation *r;

	if (!v->options->key)
		return 0;
	r = rotation_to(v->rotations, v->options->key);
	v->verdict.key_announced = r;
	v->verdict.key_announced_at = r ? r->index : 0;
	return follow(v, &v->own, &v->verdict.own) ?: follow(v, &v->given, &v->verdict.given);
}

static int parse(struct cover_note *n, size_t length, struct audit_covered *c, struct fault *reterr)
{
	int r;

	n->note = malloc(sizeof(*n->note));
	if (!n->note)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read a checkpoint");
	r = note_parse(n->text, length, n->note, reterr);
	r = r ?: checkpoint_parse(n->note, &n->checkpoint, reterr);
	if (r < 0)
		return r;
	c->there = true;
	c->size = n->checkpoint.size;
	memcpy(c->origin, n->checkpoint.origin, sizeof(c->origin));
	return 0;
}

static int load_own(struct verification *v, struct fault *reterr)
{
	char file[PATH_MAX];
	struct fault f = {0};
	size_t length;
	int r;

	if (snprintf(file, sizeof(file), "%s/checkpoint", v->tree_path) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "audit.read", "%s is too long a path", v->path);
	r = fs_read_file(file, NOTE_SIZE_MAX, &v->own.text, &length, reterr);
	if (r == -ENOENT && v->options->key)
		return problem(v, AUDIT_FINDING_CHECKPOINT_MISSING, 0,
			       "the log has no checkpoint that the key could have signed");
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = parse(&v->own, length, &v->verdict.own, &f);
	if (r == -EINVAL)
		return problem(v, AUDIT_FINDING_CHECKPOINT_SIGNATURE, 0, "%.200s", f.text);
	return r < 0 ? fault(reterr, r, f.code, "%s", f.text)
		     : check_signature(v, &v->own, &v->verdict.own);
}

static int load_given(struct verification *v, struct fault *reterr)
{
	size_t length = v->options->checkpoint_length;
	int r;

	v->given.text = malloc(length + 1);
	if (!v->given.text)
		return fault(reterr, -ENOMEM, "audit.read", "no memory to read a checkpoint");
	memcpy(v->given.text, v->options->checkpoint, length);
	v->given.text[length] = '\0';
	r = parse(&v->given, length, &v->verdict.given, reterr);
	if (r < 0)
		return r;
	if (v->own.note && strcmp(v->own.checkpoint.origin, v->given.checkpoint.origin) != 0)
		return problem(v, AUDIT_FINDING_CHECKPOINT_ORIGIN, 0,
			       "the checkpoint is of '%.80s', the log's own is of '%.80s'",
			       v->given.checkpoint.origin, v->own.checkpoint.origin);
	return check_signature(v, &v->given, &v->verdict.given);
}

int cover_load(struct verification *v, struct fault *reterr)
{
	int r;

	v->own.point = v->given.point = -1;
	r = load_own(v, reterr);
	if (r == 0 && v->options->checkpoint && v->given_here)
		r = load_given(v, reterr);
	return r;
}

void cover_done(struct verification *v)
{
	free(v->own.text);
	free(v->own.note);
	free(v->given.text);
	free(v->given.note);
}

static void expect(struct verification *v, struct cover_note *n)
{
	if (!n->note || n->checkpoint.size < v->coverage.edge.size)
		return;
	v->job.points[v->job.point_count++] = n->checkpoint.size;
	n->point = (int)coverage_expect(&v->coverage, n->checkpoint.size, n->checkpoint.root);
}

int cover_begin(struct verification *v, uint64_t first)
{
	int r = 0;

	first -= v->verdict.base;
	coverage_init(&v->coverage, v->tree_dir, &v->hasher);
	if (first)
		r = coverage_begin(&v->coverage, first);
	v->growing = r == 0;
	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	expect(v, &v->own);
	expect(v, &v->given);
	return 0;
}

void cover_add(struct verification *v, const struct stretch *s)
{
	const struct stretch_tree *t = &s->tree;
	struct coverage *c = &v->coverage;

	if (!v->growing)
		return;
	for (size_t i = 0; i < t->head_count; i++)
		coverage_add_leaf(c, t->head.hashes[i]);
	for (size_t i = 0; i < t->count; i++) {
		const struct tile *kept = NULL;

		for (size_t k = 0; k < t->kept_count; k++)
			if (t->kept[k].number == t->first + i)
				kept = &t->kept[k].tile;
		for (unsigned int leaf = 0; kept && leaf < TILE_WIDTH; leaf++)
			coverage_add_leaf(c, kept->hashes[leaf]);
		if (!kept)
			coverage_add_tile(c, t->hashes[i]);
	}
	coverage_join(&c->tiles, &t->tiles);
	for (size_t i = 0; i < t->tail_count; i++)
		coverage_add_leaf(c, t->tail.hashes[i]);
}

/* The records before @size are not those that were signed. Tiles that were not changed with them say which. */
static int other_root(struct verification *v, const struct cover_note *n)
{
	const struct coverage_tiles *t = &v->coverage.tiles;
	uint64_t size = n->checkpoint.size;
	const char *whose = n == &v->own ? "the log's checkpoint" : "the checkpoint given";

	if (t->wrong && t->leaf < size)
		return problem(v, AUDIT_FINDING_CHECKPOINT_ROOT, t->leaf,
			       "the first %" PRIu64 " records are not those that %s signed; by the "
			       "log's tiles the first other one is %" PRIu64,
			       size, whose, t->leaf + v->verdict.base);
	return problem(v, AUDIT_FINDING_CHECKPOINT_ROOT, v->verdict.first - v->verdict.base,
		       "the first %" PRIu64 " records are not those that %s signed", size, whose);
}

static int rolled_back(struct verification *v, const struct cover_note *n)
{
	uint64_t length = v->last ? v->last->scan.tip.next_index - v->verdict.base : 0;

	return problem(v, AUDIT_FINDING_ROLLED_BACK, length,
		       "%s covers %" PRIu64 " records, and the log has %" PRIu64
		       ": an older copy took its place, or its end is gone",
		       n == &v->own ? "the log's checkpoint" : "the checkpoint given",
		       n->checkpoint.size, length);
}

static int judge_point(struct verification *v, const struct cover_note *n, struct audit_covered *c)
{
	const struct coverage_point *p;

	if (!n->note || n->point < 0 || !v->growing)
		return 0;
	p = &v->coverage.points[n->point];
	if (!p->met && v->to == v->count)
		return rolled_back(v, n);
	if (p->met && !p->equal)
		return other_root(v, n);
	c->covers = p->met;
	return 0;
}

/* The tree of @size leaves by tiles, which are proved to belong to the log's checkpoint, has @root? */
static int tiles_say(struct verification *v, struct tile_tree *tree, uint64_t size,
		     const uint8_t root[static AUDIT_HASH_SIZE], bool *ret)
{
	const struct merkle_source source = tile_tree_source(tree);
	uint8_t made[AUDIT_HASH_SIZE];
	struct merkle edge;
	int r = merkle_load(&source, size, &edge);

	if (r < 0)
		return r;
	merkle_root(&edge, &v->hasher, made);
	*ret = memcmp(made, root, sizeof(made)) == 0;
	return 0;
}

static int judge_by_tiles(struct verification *v, struct tile_tree *tree)
{
	const struct checkpoint *own = &v->own.checkpoint, *given = &v->given.checkpoint;
	uint8_t root[AUDIT_HASH_SIZE];
	bool same = true;
	int r = 0;

	if (own->size >= v->coverage.edge.size) {
		merkle_root(&v->coverage.edge, &v->hasher, root);
		r = tiles_say(v, tree, v->coverage.edge.size, root, &same);
		if (r == 0 && !same)
			return other_root(v, &v->own);
		v->verdict.own.covers |= r == 0;
	}
	if (r < 0 || !v->given.note || v->verdict.given.covers || given->size > own->size)
		return r;
	r = tiles_say(v, tree, given->size, given->root, &same);
	if (r == 0 && !same)
		return other_root(v, &v->given);
	v->verdict.given.covers = r == 0 && v->verdict.own.covers;
	return r;
}

/* Only a part was read. */
static int judge_part(struct verification *v)
{
	_cleanup_free_ struct tile_tree *tree = malloc(sizeof(*tree));
	_cleanup_(leaves_done) struct leaves recent = {0};
	const struct tile_leaves leaves = leaves_source(&recent);
	struct fault f = {0};
	int r;

	if (!v->own.note || !v->growing)
		return 0;
	r = tree ? leaves_open(&recent, v->path, v->verdict.base, &f) : -ENOMEM;
	if (r < 0)
		return r;
	r = tile_tree_open(tree, v->tree_dir, &v->hasher, v->own.checkpoint.size,
			   v->own.checkpoint.root, &leaves);
	if (r == 0)
		r = judge_by_tiles(v, tree);
	if (r == -EBADMSG && v->problem.finding == AUDIT_FINDING_NONE)
		return problem(v, AUDIT_FINDING_TILE, v->verdict.first - v->verdict.base,
			       "the log's tiles and the records behind them do not make the root "
			       "that its checkpoint of %" PRIu64 " records signed",
			       v->own.checkpoint.size);
	return r == -ENOENT ? 0 : r; /* a tile is missing: nothing is said */
}

static void name_tile(struct verification *v)
{
	const struct coverage_tiles *t = &v->coverage.tiles;
	char path[TILE_PATH_SIZE], number[16] = "";

	if (v->incarnation)
		snprintf(number, sizeof(number), "%" PRIu32 "/", v->incarnation);
	tile_path(t->level, t->number, path);
	snprintf(v->verdict.segment, sizeof(v->verdict.segment), "%s%s", number, path);
}

int cover_judge(struct verification *v)
{
	const struct coverage_tiles *t = &v->coverage.tiles;
	int r = judge_point(v, &v->own, &v->verdict.own);

	r = r ?: judge_point(v, &v->given, &v->verdict.given);
	if (r == 0 && (v->from || v->to < v->count))
		r = judge_part(v);
	if (r == 0 && t->wrong) {
		name_tile(v);
		r = problem(v, AUDIT_FINDING_TILE, t->leaf,
			    "the tile is not that of the records, which are in order; the first "
			    "that it does not fit is %" PRIu64,
			    t->leaf + v->verdict.base);
	}
	return r;
}
