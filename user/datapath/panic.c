/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/panic.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "datapath/internal.h"

#define NOTES_PIN "weir_panic"

/* What there is to write to: the first page of weir_config, and the notes. */
struct area {
	struct weir_live *live;
	struct weir_panic *notes;
};

static int broken(const char *pin_dir, const char *name, int err, struct fault *reterr)
{
	if (err == -ENOENT)
		return fault(reterr, err, "datapath.bpffs", "nothing of weir is pinned in %s",
			     pin_dir);
	return fault(reterr, err, "datapath.panic", "cannot use %s/%s: %s", pin_dir, name,
		     strerror(-err));
}

static void *map_pinned(int fd, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int open_pinned(const char *pin_dir, const char *name, int *ret_fd)
{
	char path[PATH_MAX];
	int r = pin_path(pin_dir, name, path);
	int fd;

	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* The notes have a map of their own that no program knows: whoever comes first makes it. */
static int open_notes(const char *pin_dir, int *ret_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r = open_pinned(pin_dir, NOTES_PIN, ret_fd);

	if (r != -ENOENT)
		return r;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NOTES_PIN, sizeof(uint32_t),
			    sizeof(struct weir_panic), 1, &options);
	if (fd < 0)
		return -errno;
	r = pin_path(pin_dir, NOTES_PIN, path);
	if (r == 0 && bpf_obj_pin(fd, path) < 0)
		r = errno == EEXIST ? open_pinned(pin_dir, NOTES_PIN, ret_fd) : -errno;
	else if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static int map_notes(const char *pin_dir, struct weir_panic **ret, struct fault *reterr)
{
	_cleanup_close_ int fd = -1;
	int r = open_notes(pin_dir, &fd);

	if (r < 0)
		return broken(pin_dir, NOTES_PIN, r, reterr);
	*ret = map_pinned(fd, sizeof(**ret));
	return *ret ? 0 : broken(pin_dir, NOTES_PIN, -errno, reterr);
}

int panic_open(struct datapath *d, struct fault *reterr)
{
	return map_notes(d->pin_dir, &d->panic, reterr);
}

void panic_close(struct datapath *d)
{
	if (d->panic)
		munmap(d->panic, sizeof(*d->panic));
	d->panic = NULL;
}

static int mode_of(const struct weir_live *live)
{
	uint8_t byte = __atomic_load_n(&live->panic, __ATOMIC_ACQUIRE);

	return byte ? (int)WEIR_OVERRIDE_MODE(byte) : PANIC_NONE;
}

static bool read_note(const struct weir_panic *notes, uint64_t number, struct weir_panic_note *ret)
{
	const struct weir_panic_note *note = &notes->notes[number % WEIR_PANIC_NOTES];

	if (__atomic_load_n(&note->number, __ATOMIC_ACQUIRE) != number)
		return false;
	*ret = *note;
	ret->username[sizeof(ret->username) - 1] = '\0';
	ret->reason[sizeof(ret->reason) - 1] = '\0';
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&note->number, __ATOMIC_RELAXED) == number;
}

/* The note first: there is no moment in which the mode is another one and nobody can tell why. */
static void set(struct area area, const struct panic_request *request)
{
	uint64_t number = 1 + __atomic_fetch_add(&area.notes->taken, 1, __ATOMIC_SEQ_CST);
	struct weir_panic_note *note = &area.notes->notes[number % WEIR_PANIC_NOTES];
	uint8_t byte = request->mode == PANIC_NONE ? 0 : (uint8_t)WEIR_OVERRIDE(request->mode);

	__atomic_store_n(&note->number, 0, __ATOMIC_SEQ_CST);
	note->at_ns = clock_real_ns();
	note->uid = request->uid;
	note->panic = byte;
	note->by_daemon = request->by_daemon;
	snprintf(note->username, sizeof(note->username), "%s", request->username ?: "");
	snprintf(note->reason, sizeof(note->reason), "%s", request->reason ?: "");
	utf8_repair(note->reason);
	__atomic_store_n(&note->number, number, __ATOMIC_RELEASE);
	__atomic_store_n(&area.live->panic, byte, __ATOMIC_SEQ_CST);
}

int panic_mode(const struct datapath *d)
{
	return mode_of(&d->program.config->live);
}

void panic_set(struct datapath *d, const struct panic_request *request)
{
	set((struct area){&d->program.config->live, d->panic}, request);
}

bool panic_note(const struct datapath *d, uint64_t number, struct weir_panic_note *ret)
{
	return number && read_note(d->panic, number, ret);
}

struct weir_panic *panic_notes(const struct datapath *d)
{
	return d->panic;
}

static void area_done(struct area *area)
{
	if (area->live)
		munmap(area->live, sizeof(*area->live));
	if (area->notes)
		munmap(area->notes, sizeof(*area->notes));
}

/* The words that are written lie elsewhere in another ABI, which datapath_pins_dir() refuses. */
static int area_open(const char *base_dir, struct area *ret, struct fault *reterr)
{
	_cleanup_(area_done) struct area area = {0};
	_cleanup_close_ int fd = -1;
	char pin_dir[PATH_MAX];
	int r = datapath_pins_dir(base_dir, pin_dir, reterr);

	if (r < 0)
		return r;
	r = open_pinned(pin_dir, "weir_config", &fd);
	if (r < 0)
		return broken(pin_dir, "weir_config", r, reterr);
	area.live = map_pinned(fd, sizeof(*area.live));
	if (!area.live)
		return broken(pin_dir, "weir_config", -errno, reterr);
	r = map_notes(pin_dir, &area.notes, reterr);
	if (r < 0)
		return r;
	*ret = area;
	area = (struct area){0};
	return 0;
}

int panic_set_pinned(const char *pin_dir, const struct panic_request *request, int *ret_was,
		     struct fault *reterr)
{
	_cleanup_(area_done) struct area area = {0};
	int r = area_open(pin_dir, &area, reterr);

	if (r < 0)
		return r;
	*ret_was = mode_of(area.live);
	if (*ret_was != request->mode)
		set(area, request);
	return 0;
}

int panic_read_pinned(const char *pin_dir, int *ret_mode, struct weir_panic_note *ret_note,
		      struct fault *reterr)
{
	_cleanup_(area_done) struct area area = {0};
	int r = area_open(pin_dir, &area, reterr);

	if (r < 0)
		return r;
	*ret_mode = mode_of(area.live);
	*ret_note = (struct weir_panic_note){0};
	if (area.notes->taken)
		read_note(area.notes, area.notes->taken, ret_note);
	return 0;
}

size_t panic_unrecorded_pinned(const char *pin_dir,
			       struct weir_panic_note ret[static WEIR_PANIC_NOTES])
{
	_cleanup_(area_done) struct area area = {0};
	uint64_t number;
	size_t count = 0;

	if (area_open(pin_dir, &area, NULL) < 0)
		return 0;
	number = area.notes->recorded;
	if (area.notes->taken > number + WEIR_PANIC_NOTES)
		number = area.notes->taken - WEIR_PANIC_NOTES;
	while (number++ < area.notes->taken)
		count += read_note(area.notes, number, &ret[count]);
	return count;
}
