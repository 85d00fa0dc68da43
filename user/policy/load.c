/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading files: which are read at all, and what they include. Whoever can write to one decides who
 * reaches the host, so a file is regular, belongs to somebody we trust and nobody else may write to it,
 * and what was read is what was there at one moment.
 */
#include "policy/load.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"

#define READ_TRIES 3

int policy_add_file(struct policy *p, const char *name, char *text, size_t length,
		    const struct policy_file **ret)
{
	struct policy_file **files =
		reallocarray(p->files, p->file_count + 1, sizeof(struct policy_file *));
	struct policy_file *file = calloc(1, sizeof(*file));

	if (files)
		p->files = files;
	if (file)
		*file = (struct policy_file){strdup(name), text, length};
	if (!files || !file || !file->name) {
		free(text);
		if (file)
			free(file->name);
		free(file);
		return -ENOMEM;
	}
	p->files[p->file_count++] = file;
	*ret = file;
	return 0;
}

/* A file on its way in. */
struct loader {
	struct policy *p;
	struct tree *tree;
	struct policy_report *report;
	struct fault *reterr;
	struct {
		dev_t dev;
		ino_t ino;
	} seen[POLICY_INCLUDES_MAX];		/* as p->files */
	size_t chain[POLICY_INCLUDE_DEPTH + 1]; /* of files, from the first to the one being read */
	unsigned int depth;
	size_t bytes;
};

static int file_fault(struct fault *reterr, const char *path, int err)
{
	return fault(reterr, err, "policy.file.read", "%.300s: %s", path, strerror(-err));
}

/* Read what is there, at most one byte more than a policy may have. */
static int read_all(int fd, char **ret, size_t *ret_length)
{
	_cleanup_free_ char *text = malloc(POLICY_TEXT_MAX + 2);
	size_t length = 0;

	if (!text)
		return -ENOMEM;
	while (length <= POLICY_TEXT_MAX) {
		ssize_t n = pread(fd, text + length, POLICY_TEXT_MAX + 1 - length, (off_t)length);

		if (n == 0)
			break;
		if (n > 0)
			length += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	text[length] = '\0';
	*ret = realloc(text, length + 1);
	take_ptr(text);
	*ret_length = length;
	return *ret ? 0 : -ENOMEM;
}

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Read until nobody has written to it meanwhile. */
static int read_stable(int fd, const char *path, char **ret, size_t *ret_length,
		       struct fault *reterr)
{
	for (int i = 0; i < READ_TRIES; i++) {
		_cleanup_free_ char *text = NULL;
		struct stat before, after;
		size_t length = 0;
		int r = fstat(fd, &before) < 0 ? -errno : read_all(fd, &text, &length);

		if (r == 0 && fstat(fd, &after) < 0)
			r = -errno;
		if (r < 0)
			return file_fault(reterr, path, r);
		if (is_unchanged(&before, &after) &&
		    ((off_t)length == after.st_size || length > POLICY_TEXT_MAX)) {
			*ret = take_ptr(text);
			*ret_length = length;
			return 0;
		}
	}
	return fault(reterr, -EAGAIN, "policy.file.changed",
		     "%.300s: it changes while it is read; replace it by renaming another over it",
		     path);
}

/* @owner: who else than root and we may own it; the owner of the file that names it. */
static int file_open(const char *path, const uid_t *owner, int *ret_fd, struct stat *ret,
		     struct fault *reterr)
{
	_cleanup_close_ int fd = -1;

	/* O_NONBLOCK: the open of a fifo must not wait for somebody to write to it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, ret) < 0)
		return file_fault(reterr, path, -errno);
	if (S_ISDIR(ret->st_mode))
		return file_fault(reterr, path, -EISDIR);
	if (!S_ISREG(ret->st_mode))
		return fault(reterr, -EINVAL, "policy.file.type", "%.300s: not a regular file",
			     path);
	if (ret->st_mode & (S_IWGRP | S_IWOTH))
		return fault(reterr, -EPERM, "policy.file.writable",
			     "%.200s: others can write to it, and a policy is as powerful as root: "
			     "chmod go-w %.200s",
			     path, path);
	if (owner && ret->st_uid != 0 && ret->st_uid != geteuid() && ret->st_uid != *owner)
		return fault(reterr, -EPERM, "policy.file.owner",
			     "%.200s: belongs to user %u, and a policy is as powerful as root: "
			     "chown root %.200s",
			     path, ret->st_uid, path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Read the file at @path; *@ret_tree is its own. */
static int file_load(struct loader *l, const char *path, const uid_t *owner, uid_t *ret_owner,
		     struct tree **ret_tree)
{
	const struct policy_file *file;
	_cleanup_close_ int fd = -1;
	size_t length = 0, count = l->p->file_count;
	char *text = NULL;
	struct stat st;
	int r = file_open(path, owner, &fd, &st, l->reterr);

	if (r == 0)
		r = read_stable(fd, path, &text, &length, l->reterr);
	if (r < 0)
		return r;
	r = policy_add_file(l->p, path, text, length, &file);
	if (r < 0)
		return r;
	l->seen[count].dev = st.st_dev;
	l->seen[count].ino = st.st_ino;
	l->chain[l->depth] = count;
	l->bytes += length;
	*ret_owner = st.st_uid;
	return tree_parse(file, l->report, ret_tree, l->reterr);
}

static int refuse_include(struct loader *l, const struct node *n, int err, const char *code,
			  const char *format, ...) __attribute__((format(printf, 5, 6)));

static int refuse_include(struct loader *l, const struct node *n, int err, const char *code,
			  const char *format, ...)
{
	struct place place = node_place(n);
	va_list ap;

	va_start(ap, format);
	diagnose_va(l->report, l->reterr, &place, err, code, format, ap);
	va_end(ap);
	return err;
}

/* "a includes b includes a" */
static int refuse_cycle(struct loader *l, const struct node *n, const char *path)
{
	_cleanup_(text_done) struct text t = {.growing = true};

	for (unsigned int i = 0; i <= l->depth; i++)
		text_printf(&t, "%s includes ", l->p->files[l->chain[i]]->name);
	text_puts(&t, path);
	return refuse_include(l, n, -ELOOP, "policy.include.cycle", "%.400s", t.data ?: path);
}

static int check_new(struct loader *l, const struct node *n, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0; /* opening it will say why */
	for (unsigned int i = 0; i <= l->depth; i++)
		if (l->seen[l->chain[i]].dev == st.st_dev && l->seen[l->chain[i]].ino == st.st_ino)
			return refuse_cycle(l, n, path);
	for (size_t i = 0; i < l->p->file_count; i++)
		if (l->seen[i].dev == st.st_dev && l->seen[i].ino == st.st_ino)
			return refuse_include(l, n, -EINVAL, "policy.include.twice",
					      "%.200s is included a second time", path);
	if (l->depth == POLICY_INCLUDE_DEPTH)
		return refuse_include(l, n, -E2BIG, "policy.include.depth",
				      "files include each other more than %u deep",
				      POLICY_INCLUDE_DEPTH);
	if (l->p->file_count == POLICY_INCLUDES_MAX)
		return refuse_include(l, n, -E2BIG, "policy.include.count",
				      "a policy of more than %u files", POLICY_INCLUDES_MAX);
	return 0;
}

/* From now on the nodes are those of the loader's tree. */
static int tree_take(struct loader *l, const struct node *n, struct tree *from)
{
	struct node **last = &from->allocated;

	if (l->tree->node_count + from->node_count > TREE_NODES_MAX)
		return refuse_include(l, n, -E2BIG, "policy.text.nodes",
				      "the policy has more than %u values", TREE_NODES_MAX);
	if (l->bytes > POLICY_TEXT_MAX)
		return refuse_include(l, n, -E2BIG, "policy.text.long",
				      "the files of the policy are longer than %u bytes in all",
				      POLICY_TEXT_MAX);
	while (*last)
		last = &(*last)->allocated;
	*last = l->tree->allocated;
	l->tree->allocated = take_ptr(from->allocated);
	l->tree->node_count += from->node_count;
	return 0;
}

static int include_all(struct loader *l, struct node *root, uid_t owner);

static int include_file(struct loader *l, const struct node *n, const char *path, uid_t owner)
{
	_cleanup_(tree_freep) struct tree *tree = NULL;
	struct fault why = {0}, *reterr = l->reterr;
	struct node *root;
	size_t before;
	uid_t mine;
	int r = check_new(l, n, path);

	if (r < 0)
		return r;
	l->depth++;
	before = l->report ? l->report->error_count : 0;
	l->reterr = &why;
	r = file_load(l, path, &owner, &mine, &tree);
	l->reterr = reterr;
	if (r < 0 && r != -ENOMEM && strncmp(why.code, "policy.file.", 12) == 0)
		r = refuse_include(l, n, r, why.code, "%s", why.text);
	else if (r < 0 && reterr && !(l->report && before))
		*reterr = why;
	if (r == 0)
		r = tree_take(l, n, tree);
	if (r < 0)
		return r;
	root = tree->root;
	if (root->kind != NODE_MAPPING)
		return refuse_include(l, root, -EINVAL, "policy.value.kind",
				      "a file of a policy is a mapping of keys");
	r = comments_attach(root);
	if (r == 0)
		r = include_all(l, root, mine);
	if (r == 0)
		r = merge_file(l->tree->root, root, l->report, l->reterr);
	l->depth--;
	return r;
}

/* The pattern as glob(3) takes it: relative to the file that names it, whatever that is called. */
static char *pattern_make(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	struct text t = {.growing = true};

	for (const char *p = file; *pattern != '/' && slash && p <= slash; p++) {
		if (strchr("*?[]\\", *p))
			text_puts(&t, "\\");
		text_put(&t, p, 1);
	}
	text_puts(&t, pattern);
	return text_take(&t);
}

/* Whoever can write to the directory of a pattern chooses what it matches. */
static int check_directory(struct loader *l, const struct node *n, const char *path)
{
	_cleanup_free_ char *directory = strdup(path);
	struct stat st;
	char *slash;

	if (!directory)
		return -ENOMEM;
	slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory] = '\0';
	if (stat(slash ? directory : ".", &st) == 0 && st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse_include(l, n, -EPERM, "policy.file.writable",
				      "%.200s: others can add files to it: chmod go-w %.200s",
				      slash ? directory : ".", slash ? directory : ".");
	return 0;
}

static int include_pattern(struct loader *l, const struct node *n, uid_t owner)
{
	bool wild = strpbrk(n->text, "*?[");
	_cleanup_free_ char *pattern = pattern_make(n->file->name, n->text);
	_cleanup_(globfree) glob_t found = {0};
	int r;

	if (!pattern)
		return -ENOMEM;
	if (n->kind != NODE_SCALAR || !*n->text || strlen(pattern) > POLICY_FILE_MAX)
		return refuse_include(
			l, n, -EINVAL, "policy.include.pattern",
			"an include is a path or pattern such as conf.d/*.yaml, of at "
			"most %u bytes",
			POLICY_FILE_MAX);
	r = glob(pattern, 0, NULL, &found);
	if (r == GLOB_NOSPACE)
		return -ENOMEM;
	if (r == GLOB_NOMATCH && wild)
		return 0; /* an empty directory is a policy without additions */
	if (r != 0)
		return refuse_include(l, n, -ENOENT, "policy.include.missing",
				      "there is no file %.200s", pattern);
	if (found.gl_pathc > POLICY_INCLUDES_MAX)
		return refuse_include(l, n, -E2BIG, "policy.include.count",
				      "a policy of more than %u files", POLICY_INCLUDES_MAX);
	r = wild ? check_directory(l, n, found.gl_pathv[0]) : 0;
	for (size_t i = 0; i < found.gl_pathc && r == 0; i++)
		r = include_file(l, n, found.gl_pathv[i], owner);
	return r;
}

/* Take the key include out of @root, and what it names in. */
static int include_all(struct loader *l, struct node *root, uid_t owner)
{
	struct node **link = &root->children, *key, *value;
	int r = 0;

	while (*link && strcmp((*link)->text, "include") != 0)
		link = &(*link)->next->next;
	key = *link;
	if (!key)
		return 0;
	value = key->next;
	*link = value->next;
	root->count -= 2;
	if (value->kind == NODE_MAPPING)
		return refuse_include(
			l, value, -EINVAL, "policy.value.kind",
			"'include' takes patterns such as conf.d/*.yaml, not a mapping");
	if (value->kind == NODE_SCALAR)
		return include_pattern(l, value, owner);
	for (const struct node *e = value->children; e && r == 0; e = e->next)
		r = include_pattern(l, e, owner);
	return r;
}

int load_tree(struct policy *p, const char *path, struct policy_report *report, struct tree **ret,
	      struct fault *reterr)
{
	_cleanup_free_ struct loader *l = calloc(1, sizeof(*l));
	_cleanup_(tree_freep) struct tree *tree = NULL;
	uid_t owner = 0;
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct loader){.p = p, .report = report, .reterr = reterr};
	r = file_load(l, path, NULL, &owner, &tree);
	if (r < 0)
		return r;
	l->tree = tree;
	if (tree_key(tree->root, "include")) {
		p->includes = true;
		r = comments_attach(tree->root);
		if (r == 0)
			r = include_all(l, tree->root, owner);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(tree);
	return 0;
}
