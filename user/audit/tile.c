/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names and files of tiles, and the builder that writes them. Reading with checks is tile_tree.c's. */
#include "audit/tile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/directory.h"
#include "base/cleanup.h"
#include "base/fault_point.h"

#define TEMPORARY "tile/new"

void tile_path(unsigned int level, uint64_t number, char ret[static TILE_PATH_SIZE])
{
	uint64_t divisor = 1;
	int n = snprintf(ret, TILE_PATH_SIZE, "tile/%u", level);

	while (number / divisor >= 1000)
		divisor *= 1000;
	for (; divisor > 1; divisor /= 1000)
		n += snprintf(ret + n, TILE_PATH_SIZE - (size_t)n, "/x%03u",
			      (unsigned int)(number / divisor % 1000));
	snprintf(ret + n, TILE_PATH_SIZE - (size_t)n, "/%03u", (unsigned int)(number % 1000));
}

int tile_read(int dir, unsigned int level, uint64_t number, struct tile *ret)
{
	char path[TILE_PATH_SIZE];
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;

	tile_path(level, number, path);
	fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != sizeof(*ret))
		return -EBADMSG;
	n = file_read(fd, ret, sizeof(*ret), 0);
	if (n < 0)
		return (int)n;
	return n == sizeof(*ret) ? 0 : -EBADMSG;
}

/* Make the directories above @path. */
static int make_directories(int dir, const char *path)
{
	char part[TILE_PATH_SIZE];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(dir, part, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

static int write_temporary(int dir, const struct tile *tile)
{
	_cleanup_close_ int fd =
		openat(dir, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fault_point(NULL, "tile.write");

	if (r < 0 || fd < 0)
		return r ?: -errno;
	r = file_write(fd, tile, sizeof(*tile), 0);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int tile_write(int dir, unsigned int level, uint64_t number, const struct tile *tile)
{
	char path[TILE_PATH_SIZE];
	struct tile there;
	int r = tile_read(dir, level, number, &there);

	if (r == 0 && memcmp(&there, tile, sizeof(there)) == 0)
		return 0;
	tile_path(level, number, path);
	r = make_directories(dir, path);
	if (r == 0)
		r = write_temporary(dir, tile);
	if (r < 0)
		return r;
	return renameat(dir, TEMPORARY, dir, path) < 0 ? -errno : 0;
}

void tile_hash(struct hasher *h, const struct tile *tile, uint8_t ret[static AUDIT_HASH_SIZE])
{
	struct tile copy = *tile;

	merkle_fold(h, copy.hashes, TILE_WIDTH, ret);
}

void tile_builder_init(struct tile_builder *b, int dir, struct hasher *hasher)
{
	*b = (struct tile_builder){.dir = dir, .hasher = hasher};
}

/* The hashes in the tile to the right of the full ones on @level: those of full tiles one level below, or of leaves. */
static int load_right(struct tile_builder *b, unsigned int level, const struct tile_leaves *leaves)
{
	uint64_t count = b->edge.size >> TILE_HEIGHT * level, first = count - count % TILE_WIDTH;

	for (uint64_t i = first; i < count; i++) {
		uint8_t *hash = b->right[level].hashes[i % TILE_WIDTH];
		struct tile below;
		int r;

		if (!level) {
			r = leaves->leaf(i, hash, leaves->userdata);
		} else {
			r = tile_read(b->dir, level - 1, i, &below);
			if (r == 0)
				tile_hash(b->hasher, &below, hash);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* The right edge follows from what is in the unfinished tiles: a complete subtree for each bit of their width. */
static void edge_from_right(struct tile_builder *b)
{
	for (unsigned int level = 0; level < TILE_LEVELS; level++) {
		unsigned int width =
			(unsigned int)(b->edge.size >> TILE_HEIGHT * level) % TILE_WIDTH;
		struct merkle m = {0};

		for (unsigned int i = 0; i < width; i++)
			merkle_append(&m, b->hasher, b->right[level].hashes[i]);
		for (unsigned int bit = 0; bit < TILE_HEIGHT; bit++)
			if (width >> bit & 1)
				memcpy(b->edge.subtrees[TILE_HEIGHT * level + bit], m.subtrees[bit],
				       AUDIT_HASH_SIZE);
	}
}

int tile_builder_load(struct tile_builder *b, uint64_t size, const struct tile_leaves *leaves)
{
	if (size > MERKLE_SIZE_MAX)
		return -EINVAL;
	b->edge = (struct merkle){.size = size};
	for (unsigned int level = 0; level < TILE_LEVELS; level++) {
		int r = load_right(b, level, leaves);

		if (r < 0)
			return r;
	}
	edge_from_right(b);
	return 0;
}

int tile_builder_append(struct tile_builder *b, const uint8_t leaf[static AUDIT_HASH_SIZE])
{
	uint64_t at = b->edge.size;
	uint8_t hash[AUDIT_HASH_SIZE];

	memcpy(hash, leaf, sizeof(hash));
	merkle_append(&b->edge, b->hasher, leaf);
	for (unsigned int level = 0; level < TILE_LEVELS; level++, at /= TILE_WIDTH) {
		int r;

		memcpy(b->right[level].hashes[at % TILE_WIDTH], hash, sizeof(hash));
		if (at % TILE_WIDTH != TILE_WIDTH - 1)
			break;
		r = tile_write(b->dir, level, at / TILE_WIDTH, &b->right[level]);
		if (r < 0)
			return r;
		tile_hash(b->hasher, &b->right[level], hash);
	}
	return 0;
}
