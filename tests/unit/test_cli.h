/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line client, run as main() does it, and a socket on which the test answers. Shared by
 * the tests of what asks a daemon and of what needs none.
 */
#ifndef TEST_CLI_H
#define TEST_CLI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/render.h"

#define ARGUMENTS_MAX 12
#define ANSWERS_MAX   4

#define ENTRY_OPTIONS                                                                              \
	CLI_ONLINE, CLI_TAKES(TTL), CLI_TAKES(REASON), CLI_TAKES(FORCE), CLI_TAKES(DRY_RUN)
#define TAIL_OPTIONS   CLI_ONLINE, CLI_TAKES(LINES), CLI_TAKES(DIR)
#define DETACH_OPTIONS CLI_ONLINE, CLI_TAKES(STATE_DIR), CLI_TAKES(BPFFS)
#define CHECK_OPTIONS  CLI_OFFLINE, CLI_TAKES(PROFILE), CLI_TAKES(STRICT)
#define FMT_OPTIONS    CLI_OFFLINE, CLI_TAKES(WRITE), CLI_TAKES(CHECK), CLI_TAKES(PROFILE)
#define IMPORT_OPTIONS                                                                             \
	CLI_ONLINE, CLI_TAKES(FORMAT), CLI_TAKES(FILE), CLI_TAKES(AS), CLI_TAKES(APPLY),           \
		CLI_TAKES(FORCE), CLI_TAKES(STRICT)
#define APPLY_OPTIONS CLI_ONLINE, CLI_TAKES(PROFILE), CLI_TAKES(BASE), CLI_TAKES(DRY_RUN)

/* Stands for the daemon: takes its arguments as they are. */
static inline int count_arguments(int argc, char **argv)
{
	return 100 + argc + (argv[argc] != NULL);
}

static const struct command commands[] = {
	{"daemon", "", "", .main = count_arguments},
	{"status", "", "", CLI_LIST(CLI_ONLINE), .fn = cmd_status},
	{"block", "CIDR", "", CLI_LIST(ENTRY_OPTIONS), .fn = cmd_block},
	{"unblock", "CIDR", "", CLI_LIST(CLI_ONLINE), .fn = cmd_unblock},
	{"lists", "[LIST]", "", CLI_LIST(CLI_ONLINE), .fn = cmd_lists},
	{"limits post", "LIMIT NUMBER", "", CLI_LIST(CLI_ONLINE), .fn = cmd_limits_post},
	{"limits", "", "", CLI_LIST(CLI_ONLINE), .fn = cmd_limits},
	{"source", "ADDRESS", "", CLI_LIST(CLI_ONLINE), .fn = cmd_source},
	{"policy check", "FILE", "", CLI_LIST(CHECK_OPTIONS), .fn = cmd_policy_check},
	{"policy fmt", "[FILE]", "", CLI_LIST(FMT_OPTIONS), .fn = cmd_policy_fmt},
	{"policy schema", "", "", CLI_LIST(CLI_OFFLINE), .fn = cmd_policy_schema},
	{"policy explain", "[KEY]", "", CLI_LIST(CLI_OFFLINE), .fn = cmd_policy_explain},
	{"policy apply", "[FILE]", "", CLI_LIST(APPLY_OPTIONS), .fn = cmd_policy_apply},
	{"policy plan", "[FILE]", "", CLI_LIST(APPLY_OPTIONS), .fn = cmd_policy_plan},
	{"audit tail", "", "", CLI_LIST(TAIL_OPTIONS), .fn = cmd_audit_tail},
	{"audit verify", "[DIR]", "", CLI_LIST(CLI_OFFLINE), .fn = cmd_audit_verify},
	{"metrics", "", "", CLI_LIST(CLI_ONLINE), .fn = cmd_metrics},
	{"feeds", "", "", CLI_LIST(CLI_ONLINE), .fn = cmd_feeds},
	{"flags list", "", "", CLI_LIST(CLI_ONLINE), .fn = cmd_flags_list},
	{"flags set", "FLAG on|off", "", CLI_LIST(ENTRY_OPTIONS), .fn = cmd_flags_set},
	{"flags rollout", "FLAG SHARE", "", CLI_LIST(ENTRY_OPTIONS), .fn = cmd_flags_rollout},
	{"flags target", "FLAG", "",
	 CLI_LIST(ENTRY_OPTIONS, CLI_TAKES(SOURCES), CLI_TAKES(TENANTS)), .fn = cmd_flags_target},
	{"flags unset", "FLAG", "", CLI_LIST(CLI_ONLINE), .fn = cmd_flags_unset},
	{"import", "TOOL [FILE]", "", CLI_LIST(IMPORT_OPTIONS), .fn = cmd_import},
	{"detach", "", "", CLI_LIST(DETACH_OPTIONS), .fn = cmd_detach},
	{"help", "[COMMAND] [COMMAND]", "", CLI_LIST(CLI_OFFLINE), .fn = cmd_help},
};

struct fixture {
	char dir[32];	 /* removed in the end */
	char socket[64]; /* in it */
	int listen_fd;	 /* -1 = nobody listens */
	pthread_t thread;

	/* The thread answers the first connection with the first answer, and so on. */
	const char *answers[ANSWERS_MAX]; /* status line and what follows; NULL = never answer */
	size_t padding;			  /* so many more bytes of body */
	size_t asked;
	char requests[ANSWERS_MAX][4096]; /* as they came */

	char *out, *err; /* of the last run() */
};

/* Read a request with its body. */
static inline void receive(int fd, char *ret, size_t size)
{
	size_t length = 0;

	for (;;) {
		const char *end, *header;
		size_t body = 0;
		ssize_t n = read(fd, ret + length, size - 1 - length);

		if (n <= 0)
			return;
		length += (size_t)n;
		ret[length] = '\0';
		end = strstr(ret, "\r\n\r\n");
		header = strstr(ret, "Content-Length: ");
		if (header)
			sscanf(header, "Content-Length: %zu", &body);
		if (end && length >= (size_t)(end - ret) + 4 + body)
			return;
	}
}

static inline void *serve(void *userdata)
{
	struct fixture *f = userdata;
	char padding[65536];

	memset(padding, ' ', sizeof(padding));
	for (; f->asked < ANSWERS_MAX; f->asked++) {
		_cleanup_close_ int fd = accept(f->listen_fd, NULL, NULL);
		const char *answer = f->answers[f->asked];

		if (fd < 0)
			break;
		receive(fd, f->requests[f->asked], sizeof(f->requests[0]));
		if (!answer) { /* keep silent until the client gives up */
			(void)!read(fd, padding, 1);
			continue;
		}
		send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		for (size_t sent = 0; sent < f->padding; sent += sizeof(padding))
			if (send(fd, padding, sizeof(padding), MSG_NOSIGNAL) < 0)
				break;
	}
	return NULL;
}

static inline void start(struct fixture *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strncpy(address.sun_path, f->socket, sizeof(address.sun_path) - 1);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listen_fd >= 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listen_fd, 8), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

/* Ends the thread; after this the requests can be read. */
static inline void stop(struct fixture *f)
{
	if (f->listen_fd < 0)
		return;
	shutdown(f->listen_fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listen_fd);
	f->listen_fd = -1;
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->listen_fd = -1;
	strcpy(f->dir, "/tmp/weir-cli-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->socket, sizeof(f->socket), "%s/weir.sock", f->dir);
	setenv("WEIR_SOCKET", f->socket, 1);
	*state = f;
	return 0;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	stop(f);
	nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	unsetenv("WEIR_SOCKET");
	free(f->out);
	free(f->err);
	free(f);
	return 0;
}

/* Run a command line as main() would; the arguments end with NULL. */
static inline int run_words(struct fixture *f, ...)
{
	char *argv[ARGUMENTS_MAX + 1] = {(char[]){"weir"}};
	size_t out_size, err_size;
	struct cli cli = {.commands = commands, .command_count = ARRAY_SIZE(commands)};
	int argc = 1, exit;
	va_list ap;

	free(take_ptr(f->out));
	free(take_ptr(f->err));
	va_start(ap, f);
	while ((argv[argc] = va_arg(ap, char *)))
		assert_true(++argc < ARGUMENTS_MAX);
	va_end(ap);
	cli.out = open_memstream(&f->out, &out_size);
	cli.err = open_memstream(&f->err, &err_size);
	assert_true(cli.out && cli.err);
	exit = cli_run(&cli, argc, argv);
	fclose(cli.out);
	fclose(cli.err);
	return exit;
}

#define run(f, ...) run_words(f, __VA_ARGS__, NULL)

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static inline void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in: %s", part, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
