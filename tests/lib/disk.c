/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define EXCHANGE 2 /* RENAME_EXCHANGE */

struct call {
	uint64_t number, args[6];
	bool existed;
	char path[DISK_PATH_MAX], to[DISK_PATH_MAX];
};

struct watch {
	struct disk_trace *trace;
	pid_t pid;
	const volatile uint64_t *acked;
	struct call call;
};

static struct disk_name *find(struct disk_name *names, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i].path, path) == 0)
			return &names[i];
	return NULL;
}

/* The names after an op. What is about a name that is not there does nothing. */
static void apply_name(struct disk_name *names, size_t *count, const struct disk_op *op)
{
	struct disk_name *n = find(names, *count, op->path), *to;

	switch (op->call) {
	case DISK_CREATE:
	case DISK_MKDIR:
		if (!n && *count < DISK_NAMES_MAX)
			n = &names[(*count)++];
		if (n)
			*n = (struct disk_name){.file = op->file, .mode = op->mode};
		if (n)
			memcpy(n->path, op->path, sizeof(n->path));
		break;
	case DISK_EXCHANGE:
		to = find(names, *count, op->to);
		if (n && to) {
			memcpy(n->path, op->to, sizeof(n->path));
			memcpy(to->path, op->path, sizeof(to->path));
		}
		break;
	case DISK_RENAME:
		to = find(names, *count, op->to);
		if (n && to)
			to->path[0] = '\0';
		if (n)
			memcpy(n->path, op->to, sizeof(n->path));
		break;
	case DISK_UNLINK:
		if (n)
			n->path[0] = '\0';
		break;
	default:
		break;
	}
}

static void add(struct watch *w, struct disk_op op, const char *path, const char *to)
{
	struct disk_trace *t = w->trace;

	if (t->count == DISK_OPS_MAX) {
		fprintf(stderr, "more than %d calls\n", DISK_OPS_MAX);
		abort();
	}
	snprintf(op.path, sizeof(op.path), "%s", path);
	snprintf(op.to, sizeof(op.to), "%s", to ?: "");
	op.acked = *w->acked;
	op.number = t->calls;
	apply_name(t->names, &t->name_count, &op);
	t->ops[t->count++] = op;
}

/* The part of @path below the root; false: it is elsewhere. */
static bool below(const struct watch *w, const char *path, char ret[static DISK_PATH_MAX])
{
	size_t n = strlen(w->trace->root);

	if (strncmp(path, w->trace->root, n) != 0 || (path[n] && path[n] != '/'))
		return false;
	snprintf(ret, DISK_PATH_MAX, "%.95s", path[n] ? path + n + 1 : "");
	return true;
}

static bool fd_path(const struct watch *w, int fd, char ret[static DISK_PATH_MAX])
{
	char link[64], target[512];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", w->pid, fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return below(w, target, ret);
}

static ssize_t read_memory(const struct watch *w, uint64_t address, void *ret, size_t length)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", w->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : pread(fd, ret, length, (off_t)address);
}

static bool at_path(const struct watch *w, int dir, uint64_t address,
		    char ret[static DISK_PATH_MAX])
{
	char name[256] = "", base[DISK_PATH_MAX];

	if (read_memory(w, address, name, sizeof(name) - 1) <= 0)
		return false;
	if (name[0] == '/')
		return below(w, name, ret);
	if (dir == AT_FDCWD || !fd_path(w, dir, base))
		return false;
	if (snprintf(ret, DISK_PATH_MAX, "%s%s%.80s", base, *base ? "/" : "", name) >=
	    DISK_PATH_MAX)
		return false;
	return true;
}

/* Before a call: what it is about, which it may change. */
static void enter(struct watch *w, const struct __ptrace_syscall_info *info)
{
	struct call *c = &w->call;
	const uint64_t *a = c->args;

	*c = (struct call){.number = info->entry.nr};
	memcpy(c->args, info->entry.args, sizeof(c->args));
	switch (c->number) {
	case SYS_openat:
		if (at_path(w, (int)a[0], a[1], c->path))
			c->existed = find(w->trace->names, w->trace->name_count, c->path);
		break;
	case SYS_mkdirat:
	case SYS_unlinkat:
		at_path(w, (int)a[0], a[1], c->path);
		break;
	case SYS_mkdir:
	case SYS_unlink:
		at_path(w, AT_FDCWD, a[0], c->path);
		break;
	case SYS_rename:
		at_path(w, AT_FDCWD, a[0], c->path);
		at_path(w, AT_FDCWD, a[1], c->to);
		break;
	case SYS_renameat:
	case SYS_renameat2:
		at_path(w, (int)a[0], a[1], c->path);
		at_path(w, (int)a[2], a[3], c->to);
		break;
	default:
		break;
	}
}

static void add_write(struct watch *w, const struct disk_name *n, uint64_t offset, size_t length)
{
	_cleanup_free_ uint8_t *data = malloc(length + 1);

	if (!data || read_memory(w, w->call.args[1], data, length) != (ssize_t)length)
		abort();
	for (size_t at = 0, part; at < length; at += part) {
		struct disk_op op = {.call = DISK_WRITE, .file = n->file, .offset = offset + at};

		part = DISK_SECTOR - (offset + at) % DISK_SECTOR;
		if (part > length - at)
			part = length - at;
		op.length = part;
		op.data = malloc(part);
		if (!op.data)
			abort();
		memcpy(op.data, data + at, part);
		add(w, op, n->path, NULL);
	}
}

/* After a call on a descriptor that succeeded. */
static void leave_fd(struct watch *w, int64_t result)
{
	const uint64_t *a = w->call.args;
	char path[DISK_PATH_MAX];
	struct disk_name *n;

	if (!fd_path(w, (int)a[0], path))
		return;
	n = find(w->trace->names, w->trace->name_count, path);
	if (w->call.number == SYS_fsync || w->call.number == SYS_fdatasync) {
		bool dir = !*path || (n && n->file < 0);

		if (dir || n)
			add(w,
			    (struct disk_op){.call = dir ? DISK_SYNC_DIR : DISK_SYNC,
					     .file = dir ? -1 : n->file},
			    path, NULL);
		return;
	}
	if (!n || n->file < 0)
		return;
	if (w->call.number == SYS_pwrite64)
		add_write(w, n, a[3], (size_t)result);
	else if (w->call.number ==
		 SYS_write) { /* only files that were just made are written like this */
		struct stat st;
		char file[256];

		snprintf(file, sizeof(file), "%s/%s", w->trace->root, path);
		if (stat(file, &st) == 0)
			add_write(w, n, (uint64_t)st.st_size - (uint64_t)result, (size_t)result);
	} else if (w->call.number == SYS_ftruncate)
		add(w, (struct disk_op){.call = DISK_RESIZE, .file = n->file, .offset = a[1]}, path,
		    NULL);
	else if (w->call.number == SYS_fallocate)
		add(w,
		    (struct disk_op){.call = DISK_RESIZE, .file = n->file, .offset = a[2] + a[3]},
		    path, NULL);
	else if (w->call.number == SYS_fchmod) {
		n->mode = (mode_t)a[1];
		add(w, (struct disk_op){.call = DISK_MODE, .file = n->file, .mode = (mode_t)a[1]},
		    path, NULL);
	}
}

static void leave_open(struct watch *w)
{
	const struct call *c = &w->call;
	const struct disk_name *n = find(w->trace->names, w->trace->name_count, c->path);
	struct disk_op op = {.call = DISK_CREATE, .mode = (mode_t)c->args[3]};

	if (!c->existed && c->args[2] & O_CREAT) {
		op.file = w->trace->files++;
		add(w, op, c->path, NULL);
	} else if (n && n->file >= 0 && c->args[2] & O_TRUNC) {
		add(w, (struct disk_op){.call = DISK_RESIZE, .file = n->file}, c->path, NULL);
	}
}

/* After a call that succeeded. */
static void leave(struct watch *w, int64_t result)
{
	const struct call *c = &w->call;
	size_t before = w->trace->count;

	switch (c->number) {
	case SYS_openat:
		if (*c->path)
			leave_open(w);
		break;
	case SYS_mkdir:
	case SYS_mkdirat:
		if (*c->path)
			add(w, (struct disk_op){.call = DISK_MKDIR, .file = -1, .mode = 0700},
			    c->path, NULL);
		break;
	case SYS_unlink:
	case SYS_unlinkat:
		if (*c->path)
			add(w, (struct disk_op){.call = DISK_UNLINK}, c->path, NULL);
		break;
	case SYS_rename:
	case SYS_renameat:
	case SYS_renameat2:
		if (*c->path)
			add(w,
			    (struct disk_op){.call = c->number == SYS_renameat2 &&
								     c->args[4] & EXCHANGE
							     ? DISK_EXCHANGE
							     : DISK_RENAME},
			    c->path, c->to);
		break;
	case SYS_pwrite64:
	case SYS_write:
	case SYS_ftruncate:
	case SYS_fallocate:
	case SYS_fchmod:
	case SYS_fsync:
	case SYS_fdatasync:
		leave_fd(w, result);
		break;
	default:
		break;
	}
	w->trace->calls += w->trace->count > before;
}

static int follow(struct watch *w)
{
	int status;

	if (waitpid(w->pid, &status, 0) < 0)
		return -errno;
	if (!WIFSTOPPED(status))
		return -EPERM;
	if (ptrace(PTRACE_SETOPTIONS, w->pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		return -errno;
	for (long pass = 0;;) {
		struct __ptrace_syscall_info info;

		if (ptrace(PTRACE_SYSCALL, w->pid, NULL, pass) < 0 ||
		    waitpid(w->pid, &status, 0) < 0)
			return -errno;
		if (!WIFSTOPPED(status))
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPIPE;
		pass = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (pass)
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, w->pid, sizeof(info), &info) <= 0)
			return -errno;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			enter(w, &info);
		else if (info.op == PTRACE_SYSCALL_INFO_EXIT && !info.exit.is_error)
			leave(w, info.exit.rval);
	}
}

int disk_watch(const char *root, int (*work)(volatile uint64_t *acked, void *userdata),
	       void *userdata, struct disk_trace *ret)
{
	uint64_t *acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct watch w = {.trace = ret, .acked = acked};
	int r;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->root, sizeof(ret->root), "%s", root);
	if (acked == MAP_FAILED)
		return -errno;
	w.pid = fork();
	if (w.pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(work(acked, userdata) != 0);
	}
	r = w.pid < 0 ? -errno : follow(&w);
	ret->acked = *acked;
	munmap(acked, sizeof(*acked));
	return r;
}

void disk_done(struct disk_trace *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->ops[i].data);
	t->count = 0;
}

static bool in_directory(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (!*path || (n && (strncmp(path, dir, n) != 0 || path[n] != '/')))
		return false;
	return !strchr(path + n + (n ? 1 : 0), '/');
}

static bool makes_safe(const struct disk_op *sync, const struct disk_op *op)
{
	bool data = op->call == DISK_WRITE || op->call == DISK_RESIZE || op->call == DISK_MODE;

	if (sync->call == DISK_SYNC)
		return data && sync->file == op->file;
	return sync->call == DISK_SYNC_DIR && !data &&
	       (in_directory(op->path, sync->path) || in_directory(op->to, sync->path));
}

size_t disk_unsynced(const struct disk_trace *t, size_t end, size_t *ret, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < end; i++) {
		const struct disk_op *op = &t->ops[i];
		bool safe = op->call == DISK_SYNC || op->call == DISK_SYNC_DIR;

		for (size_t j = i + 1; j < end && !safe; j++)
			safe = makes_safe(&t->ops[j], op);
		if (!safe && count < max)
			ret[count++] = i;
	}
	return count;
}

static int replay_data(const struct disk_trace *t, size_t end, const bool *lost, int file, int fd)
{
	for (size_t i = 0; i < end; i++) {
		const struct disk_op *op = &t->ops[i];
		int r = 0;

		if (op->file != file || (lost && lost[i]))
			continue;
		if (op->call == DISK_WRITE)
			r = pwrite(fd, op->data, op->length, (off_t)op->offset) < 0;
		else if (op->call == DISK_RESIZE)
			r = ftruncate(fd, (off_t)op->offset) < 0;
		else if (op->call == DISK_MODE)
			r = fchmod(fd, op->mode) < 0;
		if (r)
			return -errno;
	}
	return 0;
}

int disk_replay(const struct disk_trace *t, size_t end, const bool *lost, const char *root)
{
	struct disk_name names[DISK_NAMES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < end; i++)
		if (!lost || !lost[i])
			apply_name(names, &count, &t->ops[i]);
	for (size_t i = 0; i < count; i++) { /* one that is lost takes with it what is in it */
		char path[256];

		snprintf(path, sizeof(path), "%.127s/%.95s", root, names[i].path);
		if (*names[i].path && names[i].file < 0 && mkdir(path, names[i].mode) < 0 &&
		    errno != ENOENT)
			return -errno;
	}
	for (size_t i = 0; i < count; i++) {
		_cleanup_close_ int fd = -1;
		char path[256];
		int r;

		if (!*names[i].path || names[i].file < 0)
			continue;
		snprintf(path, sizeof(path), "%.127s/%.95s", root, names[i].path);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || (names[i].mode && fchmod(fd, names[i].mode) < 0))
			return -errno;
		r = replay_data(t, end, lost, names[i].file, fd);
		if (r < 0)
			return r;
	}
	return 0;
}
