/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of checks, and how a check says what it found. */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "doctor/internal.h"

static const struct check {
	const char *name;
	enum doctor_side side;
	void (*fn)(const struct visit *v);
} checks[] = {
	{"kernel.version", DOCTOR_HOST, check_kernel_version},
	{"kernel.btf", DOCTOR_HOST, check_kernel_btf},
	{"kernel.features", DOCTOR_HOST, check_kernel_features},
	{"kernel.jit", DOCTOR_HOST, check_kernel_jit},
	{"clock.source", DOCTOR_HOST, check_clock_source},
	{"clock.sync", DOCTOR_HOST, check_clock_sync},
	{"memory.lock", DOCTOR_HOST, check_memory_lock},
	{"memory.cgroup", DOCTOR_HOST, check_memory_cgroup},
	{"bpffs", DOCTOR_HOST, check_bpffs},
	{"pins", DOCTOR_HOST, check_pins},
	{"interface.state", DOCTOR_HOST, check_interface_state},
	{"interface.xdp", DOCTOR_HOST, check_interface_xdp},
	{"interface.mtu", DOCTOR_HOST, check_interface_mtu},
	{"interface.queues", DOCTOR_HOST, check_interface_queues},
	{"interface.offloads", DOCTOR_HOST, check_interface_offloads},
	{"state.directory", DOCTOR_FILES, check_state_directory},
	{"state.space", DOCTOR_FILES, check_state_space},
	{"state.database", DOCTOR_FILES, check_state_database},
	{"policy.file", DOCTOR_FILES, check_policy_file},
	{"audit.log", DOCTOR_FILES, check_audit_log},
	{"caller.capabilities", DOCTOR_CALLER, check_capabilities},
	{"socket", DOCTOR_CALLER, check_socket},
};

static const char *const status_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARN] = "warn",
	[DOCTOR_FAIL] = "fail",
	[DOCTOR_SKIP] = "skip",
};
_Static_assert(ARRAY_SIZE(status_names) == DOCTOR_STATUS_MAX, "a status has no name");

const char *doctor_status_to_str(enum doctor_status status)
{
	return status_names[status];
}

void doctor_run(const struct doctor_options *options, struct doctor_report *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct visit v = {options, ret, checks[i].name};

		if (options->sides & checks[i].side)
			checks[i].fn(&v);
	}
}

static void add(struct doctor_report *r, const char *check, enum doctor_status status,
		const char *fix, const char *format, va_list ap)
{
	struct doctor_line *line = &r->lines[r->count];

	if (r->count == DOCTOR_LINES_MAX)
		return;
	r->count++;
	line->check = check;
	line->status = status;
	vsnprintf(line->found, sizeof(line->found), format, ap);
	snprintf(line->fix, sizeof(line->fix), "%s", fix);
	utf8_repair(line->found);
	utf8_repair(line->fix);
}

void doctor_add(struct doctor_report *r, const char *check, enum doctor_status status,
		const char *fix, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(r, check, status, fix, format, ap);
	va_end(ap);
}

void say_ok(const struct visit *v, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(v->report, v->check, DOCTOR_OK, "", format, ap);
	va_end(ap);
}

void say_warn(const struct visit *v, const char *fix, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(v->report, v->check, DOCTOR_WARN, fix, format, ap);
	va_end(ap);
}

void say_fail(const struct visit *v, const char *fix, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(v->report, v->check, DOCTOR_FAIL, fix, format, ap);
	va_end(ap);
}

void say_skip(const struct visit *v, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	add(v->report, v->check, DOCTOR_SKIP, "", format, ap);
	va_end(ap);
}

int read_line(const struct visit *v, const char *path, char *ret, size_t size)
{
	char below[PATH_MAX];
	_cleanup_fclose_ FILE *f = NULL;

	if (snprintf(below, sizeof(below), "%s%s", v->options->root, path) >= (int)sizeof(below))
		return -ENAMETOOLONG;
	f = fopen(below, "re");
	if (!f)
		return -errno;
	if (!fgets(ret, (int)size, f))
		return ferror(f) ? -EIO : -ENODATA;
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

int read_number(const struct visit *v, const char *path, uint64_t *ret)
{
	char line[64];
	int r = read_line(v, path, line, sizeof(line));

	return r < 0 ? r : parse_u64(line, 0, UINT64_MAX, ret);
}
