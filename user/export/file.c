/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fs.h"

#define BUFFER_BYTES (256U << 10) /* of text that waits, and of what it is compressed to */
#define GZIP_WINDOW  (15 + 16)	  /* zlib: with the header of gzip */

struct export_file {
	struct export_file_options options;
	char path[PATH_MAX], part[PATH_MAX], manifest[PATH_MAX];
	int fd;
	bool staged; /* part exists */
	EVP_MD_CTX *hash;
	z_stream zip;
	bool zipping;
	struct text text;
	unsigned char *packed;
	struct export_file_stats stats;
};

void export_file_close(struct export_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0 && f->options.path)
		close(f->fd);
	if (f->staged)
		unlink(f->part);
	if (f->zipping)
		deflateEnd(&f->zip);
	EVP_MD_CTX_free(f->hash);
	text_done(&f->text);
	free(f->packed);
	free(f);
}

static int failed(const struct export_file *f, int err, const char *what, struct fault *reterr)
{
	return fault(reterr, err, "export.write", "cannot %s %s: %s", what,
		     f->options.path ?: "standard output", strerror(-err));
}

static int make_paths(struct export_file *f, struct fault *reterr)
{
	const char *path = f->options.path;

	if (snprintf(f->path, sizeof(f->path), "%s", path) >= (int)sizeof(f->path) ||
	    snprintf(f->part, sizeof(f->part), "%s.part-%d", path, (int)getpid()) >=
		    (int)sizeof(f->part) ||
	    snprintf(f->manifest, sizeof(f->manifest), "%s.manifest.json", path) >=
		    (int)sizeof(f->manifest))
		return failed(f, -ENAMETOOLONG, "write", reterr);
	for (size_t i = 0; i < 2; i++)
		if (access(i ? f->manifest : f->path, F_OK) == 0)
			return fault(reterr, -EEXIST, "export.exists",
				     "%s is there already, and is not overwritten",
				     i ? f->manifest : f->path);
	return 0;
}

int export_file_open(const struct export_file_options *options, struct export_file **ret,
		     struct fault *reterr)
{
	_cleanup_(export_file_closep) struct export_file *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	f->fd = -1;
	f->options = *options;
	text_init_growing(&f->text);
	f->hash = EVP_MD_CTX_new();
	f->packed = malloc(BUFFER_BYTES);
	f->zipping = options->gzip && deflateInit2(&f->zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
						   GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (!f->hash || !f->packed || f->zipping != options->gzip ||
	    EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) != 1)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	if (!options->path) {
		f->fd = STDOUT_FILENO;
	} else {
		r = make_paths(f, reterr);
		if (r < 0)
			return r;
		f->fd = open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (f->fd < 0)
			return failed(f, -errno, "create", reterr);
		f->staged = true;
	}
	export_put_head(&f->text, options->format);
	*ret = take_ptr(f);
	return 0;
}

static int put_bytes(struct export_file *f, const void *data, size_t length, struct fault *reterr)
{
	const char *at = data;

	if (EVP_DigestUpdate(f->hash, data, length) != 1)
		return failed(f, -EIO, "hash", reterr);
	f->stats.bytes += length;
	while (length) {
		ssize_t n = write(f->fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(f, -errno, "write", reterr);
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Write what waits; with @last, also what the compression holds back. */
static int flush(struct export_file *f, bool last, struct fault *reterr)
{
	int r = 0, state = Z_OK;

	if (f->text.truncated)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	if (!f->zipping)
		r = put_bytes(f, f->text.data, f->text.length, reterr);
	f->zip.next_in = (unsigned char *)f->text.data;
	f->zip.avail_in = (unsigned int)f->text.length;
	while (f->zipping && r == 0 && state != Z_STREAM_END) {
		f->zip.next_out = f->packed;
		f->zip.avail_out = BUFFER_BYTES;
		state = deflate(&f->zip, last ? Z_FINISH : Z_NO_FLUSH);
		r = put_bytes(f, f->packed, BUFFER_BYTES - f->zip.avail_out, reterr);
		if (!last && !f->zip.avail_in && f->zip.avail_out)
			break;
	}
	f->text.length = 0;
	return r;
}

static void note(struct export_file *f, const struct export_event *e)
{
	struct export_file_stats *s = &f->stats;

	if (!s->records++) {
		s->first_index = e->index;
		snprintf(s->first_hash, sizeof(s->first_hash), "%s", e->hash);
	}
	s->last_index = e->index;
	snprintf(s->last_hash, sizeof(s->last_hash), "%s", e->hash);
}

int export_file_add(struct export_file *f, const char *view, size_t length, struct fault *reterr)
{
	struct export_event e;
	int r = export_event_read(view, length, &e, reterr);

	if (r < 0)
		return r;
	note(f, &e);
	export_event_done(&e);
	r = export_put(&f->text, f->options.format, f->options.host, f->stats.records - 1, view,
		       length, reterr);
	return r == 0 && f->text.length >= BUFFER_BYTES ? flush(f, false, reterr) : r;
}

int export_file_finish(struct export_file *f, struct fault *reterr)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int size;
	int r;

	export_put_tail(&f->text, f->options.format);
	r = flush(f, true, reterr);
	if (r < 0)
		return r;
	if (f->options.path && fsync(f->fd) < 0)
		return failed(f, -errno, "write", reterr);
	if (EVP_DigestFinal_ex(f->hash, hash, &size) != 1)
		return failed(f, -EIO, "hash", reterr);
	for (unsigned int i = 0; i < size; i++)
		snprintf(f->stats.sha256 + 2 * i, 3, "%02x", hash[i]);
	return 0;
}

void export_file_get_stats(const struct export_file *f, struct export_file_stats *ret)
{
	*ret = f->stats;
}

static char *manifest_of(const struct export_file *f, json_t *about)
{
	const struct export_file_stats *s = &f->stats;
	const char *name = strrchr(f->path, '/');
	json_t *o = json_pack("{s:s, s:s, s:b, s:I, s:s, s:I}", "file", name ? name + 1 : f->path,
			      "format", export_format_to_str(f->options.format), "gzip",
			      f->options.gzip, "bytes", (json_int_t)s->bytes, "sha256", s->sha256,
			      "records", (json_int_t)s->records);
	char *line;

	if (s->records) {
		json_object_set_new(o, "first",
				    json_pack("{s:I, s:s}", "index", (json_int_t)s->first_index,
					      "hash", s->first_hash));
		json_object_set_new(o, "last",
				    json_pack("{s:I, s:s}", "index", (json_int_t)s->last_index,
					      "hash", s->last_hash));
	}
	if (!o || json_object_update(o, about) < 0) {
		json_decref(o);
		return NULL;
	}
	line = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	return line;
}

int export_file_commit(struct export_file *f, json_t *about, struct fault *reterr)
{
	_cleanup_free_ char *manifest = NULL;
	int r;

	if (!f->options.path)
		return 0;
	manifest = manifest_of(f, about);
	if (!manifest)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	/* The file comes last: what looks whole has its manifest. */
	r = fs_replace_file(f->manifest, manifest, strlen(manifest), 0600, reterr);
	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, f->part, AT_FDCWD, f->path, RENAME_NOREPLACE) < 0) {
		r = failed(f, -errno, "create", reterr);
		unlink(f->manifest);
		return r;
	}
	f->staged = false;
	return 0;
}
