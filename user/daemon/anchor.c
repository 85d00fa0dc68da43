/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Members of the group may change the policy and must not become root by it, so a policy only names a program, and it
 * is run only if nobody but root could have put it where it is.
 */
#include "daemon/anchor.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "policy/policy.h"

#define FIRST_NS   (5 * NSEC_PER_SEC) /* after the start: the log is signed then */
#define TICK_MS	   1000
#define PROGRAM_NS "60s"
#define RUN_MAX_NS (150 * NSEC_PER_SEC)

/* A shell will see the path. */
static bool is_plain(const char *path)
{
	return path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				 "/._-")] == '\0';
}

static bool is_ours(const char *path, mode_t type)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static void on_closed(uv_handle_t *handle)
{
	struct anchor *a = handle->data;

	a->running = false;
}

static void on_ended(uv_process_t *child, int64_t status, int number)
{
	struct anchor *a = child->data;

	if ((status || number) && !a->stopping)
		log_warn("the checkpoint was not handed out; see audit.anchor_failed");
	uv_close((uv_handle_t *)child, on_closed);
}

static void run(struct anchor *a, const char *program)
{
	char command[PATH_MAX];
	char *arguments[] = {"weir",	 "audit",   "anchor",	 "--exec",   command,
			     "--socket", a->socket, "--timeout", PROGRAM_NS, NULL};
	char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			       "WEIR_ANCHOR_BY_POLICY=1", NULL};
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = 2},
	};
	const uv_process_options_t options = {
		.exit_cb = on_ended,
		.file = "/proc/self/exe",
		.args = arguments,
		.env = environment,
		.stdio_count = 3,
		.stdio = stdio,
	};
	int r;

	snprintf(command, sizeof(command), "%s/%s", a->directory, program);
	if (!is_plain(command) || !is_ours(a->directory, S_IFDIR) || !is_ours(command, S_IFREG)) {
		log_warn(
			"the checkpoint is not handed out: the program must be a file of ours that nobody "
			"else may write to, and so must its directory",
			"program", command);
		return;
	}
	a->child.data = a;
	r = uv_spawn(a->timer.loop, &a->child, &options);
	a->running = true;
	a->began_ns = clock_monotonic_ns();
	if (r == 0)
		return;
	log_warn("the checkpoint is not handed out", "error", uv_strerror(r));
	uv_close((uv_handle_t *)&a->child, on_closed);
}

static void on_tick(uv_timer_t *timer)
{
	struct anchor *a = timer->data;
	const struct policy *policy = engine_policy(a->engine);
	uint64_t now_ns = clock_monotonic_ns(),
		 every_ns = policy ? policy->audit.anchor.every_ns : 0;

	if (a->running && now_ns > a->began_ns + RUN_MAX_NS)
		uv_process_kill(&a->child, SIGKILL);
	if (a->running || !every_ns)
		return;
	if (a->due_ns > now_ns + every_ns) /* the policy has become more eager */
		a->due_ns = now_ns + every_ns;
	if (now_ns < a->due_ns)
		return;
	a->due_ns = now_ns + every_ns;
	run(a, policy->audit.anchor.exec);
}

void anchor_start(struct anchor *a, uv_loop_t *loop, const struct engine *engine,
		  const char *socket, const char *directory)
{
	*a = (struct anchor){.engine = engine, .directory = directory};
	snprintf(a->socket, sizeof(a->socket), "%s", socket);
	a->due_ns = clock_monotonic_ns() + FIRST_NS;
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
}

void anchor_stop(struct anchor *a)
{
	a->stopping = true;
	if (a->running && !uv_is_closing((uv_handle_t *)&a->child))
		uv_process_kill(&a->child, SIGKILL);
	uv_close((uv_handle_t *)&a->timer, NULL);
}
