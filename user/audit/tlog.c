/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/tlog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/archived.h"
#include "audit/directory.h"
#include "audit/proof.h"
#include "base/fs.h"

#define PATH_SIZE (TILE_PATH_SIZE + 16)

struct tlog {
	int dir, audit_dir;
	bool incomplete;   /* the bundle lacks a record */
	uint64_t left_out; /* bundles */
	struct tile_builder builder;
	struct text bundle; /* entries of the tile that is not full yet */
};

static int write_file(int dir, const char *path, const void *data, size_t length)
{
	_cleanup_close_ int fd = -1;
	char part[PATH_SIZE];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(dir, part, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : file_write(fd, data, length, 0);
}

/* tile/<level>/<number>, or tile/entries/<number> for @level -1; with its width if that is not the full one. */
static void make_path(int level, uint64_t number, unsigned int width, char ret[static PATH_SIZE])
{
	char tile[TILE_PATH_SIZE], suffix[8] = "";

	tile_path(level < 0 ? 0 : (unsigned int)level, number, tile);
	if (width < TILE_WIDTH)
		snprintf(suffix, sizeof(suffix), ".p/%u", width);
	if (level < 0)
		snprintf(ret, PATH_SIZE, "tile/entries%s%s", tile + strlen("tile/0"), suffix);
	else
		snprintf(ret, PATH_SIZE, "%s%s", tile, suffix);
}

static int write_bundle(struct tlog *t, uint64_t number, unsigned int width)
{
	char path[PATH_SIZE];
	int r = 0;

	if (t->bundle.truncated)
		return -ENOMEM;
	t->left_out += t->incomplete;
	if (t->incomplete) {
		t->incomplete = false;
		t->bundle.length = 0;
		return 0;
	}
	make_path(-1, number, width, path);
	r = write_file(t->dir, path, t->bundle.data, t->bundle.length);
	t->bundle.length = 0;
	return r;
}

static void put_entry(struct tlog *t, const char *data, size_t length)
{
	const char length_be[] = {(char)(length >> 8), (char)length};

	text_put(&t->bundle, length_be, sizeof(length_be));
	text_put(&t->bundle, data, length);
}

/* One that expired is in an archive, or its bundle cannot be written. */
static int put_archived(struct tlog *t, const struct reader_record *record)
{
	_cleanup_free_ char *data = NULL;
	size_t length;
	int r = archived_record(t->audit_dir, record->view.index, record->hash, &data, &length);

	if (r == 0)
		put_entry(t, data, length);
	t->incomplete |= r == -ENOENT;
	return r == -ENOENT ? 0 : r;
}

static int add_record(struct tlog *t, const struct reader_record *record)
{
	uint64_t leaf = t->builder.edge.size;
	int r = 0;

	if (record->data)
		put_entry(t, record->data, record->length);
	else if (!t->incomplete)
		r = put_archived(t, record);
	if (r < 0)
		return r;
	r = tile_builder_append(&t->builder, record->hash);
	if (r == 0 && leaf % TILE_WIDTH == TILE_WIDTH - 1)
		r = write_bundle(t, leaf / TILE_WIDTH, TILE_WIDTH);
	return r;
}

static int write_partial(struct tlog *t)
{
	uint64_t size = t->builder.edge.size;
	char path[PATH_SIZE];
	int r = 0;

	if (size % TILE_WIDTH)
		r = write_bundle(t, size / TILE_WIDTH, size % TILE_WIDTH);
	for (int level = 0; r == 0 && level < TILE_LEVELS; level++) {
		uint64_t hashes = size >> TILE_HEIGHT * level;
		unsigned int width = hashes % TILE_WIDTH;

		if (!width)
			continue;
		make_path(level, hashes / TILE_WIDTH, width, path);
		r = write_file(t->dir, path, t->builder.right[level].hashes,
			       (size_t)width * AUDIT_HASH_SIZE);
	}
	return r;
}

static int write_records(struct tlog *t, struct proof_tree *from, struct fault *reterr)
{
	struct reader *reader = from->leaves.reader;
	uint8_t root[AUDIT_HASH_SIZE];
	struct reader_record record;
	int r = reader_seek(reader, from->first, reterr);

	if (r < 0)
		return r;
	tile_builder_init(&t->builder, t->dir, &from->hasher);
	while (t->builder.edge.size < from->checkpoint.size) {
		r = reader_next(reader, &record, reterr);
		if (r < 0)
			return r;
		r = r ? add_record(t, &record) : -ENODATA;
		if (r < 0)
			return fault(reterr, r, "tlog.write", "cannot write the tree: %s",
				     strerror(-r));
	}
	merkle_root(&t->builder.edge, &from->hasher, root);
	if (memcmp(root, from->checkpoint.root, sizeof(root)) != 0)
		return fault(reterr, -EBADMSG, "tlog.root",
			     "the records do not make the root that was signed: run 'weir audit "
			     "verify'");
	r = write_partial(t);
	return r < 0 ? fault(reterr, r, "tlog.write", "cannot write the tree: %s", strerror(-r))
		     : 0;
}

int tlog_write(const char *audit_dir, uint32_t number, const char *directory,
	       struct tlog_written *ret, struct fault *reterr)
{
	_cleanup_(proof_tree_freep) struct proof_tree *from = NULL;
	_cleanup_free_ struct tlog *t = calloc(1, sizeof(*t));
	_cleanup_close_ int dir = -1, records = -1;
	char file[PATH_MAX];
	int r;

	if (!t)
		return fault(reterr, -ENOMEM, "tlog.write", "no memory to write the tree");
	r = proof_tree_open_number(audit_dir, number, &from, reterr);
	r = r ?: directory_open_readonly(audit_dir, &records, reterr);
	if (r < 0)
		return r;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "tlog.write", "cannot make %s: %s", directory,
			     strerror(errno));
	dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fault(reterr, -errno, "tlog.write", "cannot open %s: %s", directory,
			     strerror(errno));
	t->dir = dir;
	t->audit_dir = records;
	text_init_growing(&t->bundle);
	r = write_records(t, from, reterr);
	text_done(&t->bundle);
	if (r < 0)
		return r;
	if (snprintf(file, sizeof(file), "%s/checkpoint", directory) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "tlog.write", "%s is too long", directory);
	*ret = (struct tlog_written){from->checkpoint, t->left_out};
	return fs_replace_file(file, from->text, from->length, 0600, reterr);
}
