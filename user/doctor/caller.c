/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What who asks may do. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor/internal.h"

static const struct {
	unsigned int number;
	const char *name;
} needed[] = {
	{CAP_BPF, "CAP_BPF"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_PERFMON, "CAP_PERFMON"},
};

static int effective(const struct visit *v, uint64_t *ret)
{
	char path[PATH_MAX], line[256];
	unsigned long long mask;
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%.1000s/proc/self/status", v->options->root);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &mask) == 1) {
			*ret = mask;
			return 0;
		}
	return -ENOENT;
}

void check_capabilities(const struct visit *v)
{
	char missing[64] = "";
	uint64_t mask;

	if (effective(v, &mask) < 0)
		return say_skip(v, "/proc/self/status says nothing of capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(mask >> needed[i].number & 1))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				 "%s%s", *missing ? ", " : "", needed[i].name);
	if (*missing)
		say_warn(v, "run it with sudo", "you lack %s: you cannot run the daemon", missing);
	else
		say_ok(v, "you can run the daemon");
}

void check_socket(const struct visit *v)
{
	const char *path = v->options->socket;
	char parent[PATH_MAX];
	struct stat st, above;
	char *slash;

	if (lstat(path, &st) < 0)
		return say_warn(v, "weir daemon, or name its socket with --socket", "%s: %s", path,
				strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return say_fail(v, "remove it, or use another --socket", "%s is no socket", path);
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	if (stat(slash ? parent : ".", &above) == 0 && above.st_mode & 022 &&
	    !(above.st_mode & S_ISVTX))
		return say_fail(
			v, "chmod 755 its directory",
			"%s: others may write to its directory (mode %04o), and put a socket "
			"of theirs there",
			path, above.st_mode & 07777);
	if (!v->options->daemon_runs)
		return say_warn(v, "weir daemon, or wait for it", "%s: no daemon answers there",
				path);
	say_ok(v, "%s answers (mode %04o)", path, st.st_mode & 07777);
}
