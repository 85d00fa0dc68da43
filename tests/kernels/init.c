/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Process 1 of the machines that scripts/kernels.sh boots: mounts what tests expect, loads the modules
 * it finds, asks the script for the name of a program, runs it, asks for the next one, and powers off
 * when there is none. It judges nothing: what the programs print goes to the report as it is, between
 * lines of its own.
 *
 *	# kernel RELEASE
 *	# next				and then it reads a line: a name, or nothing
 *	# run NAME
 *	# end NAME STATUS MILLISECONDS		exit status, or 128 + signal
 *	# init: WORDS				something failed here
 *
 * The report is a serial port of its own: the kernel's messages go to another one and cannot fall
 * into the middle of a line. It is the script that watches over the machine as a whole, and over time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define REPORT	   "/dev/ttyS1"
#define TESTS	   "/tests"
#define MODULES	   "/modules"
#define NAME_BYTES (NAME_MAX + 2) /* as a line: with a newline and a NUL */

static const struct {
	const char *where, *type;
} mounts[] = {
	{"/dev", "devtmpfs"},
	{"/proc", "proc"},
	{"/sys", "sysfs"},
	{"/sys/fs/bpf", "bpf"},
	{"/sys/kernel/tracing", "tracefs"},
	{"/tmp", "tmpfs"},
	{"/run", "tmpfs"},
};

static void complain(const char *what)
{
	printf("# init: %s: %s\n", what, strerror(errno));
}

/* Talk to the script: bytes as they are, without an echo. If that fails, talk goes to the console, and
 * the script misses it. */
static void open_report(void)
{
	struct termios settings;
	int fd = open(REPORT, O_RDWR | O_NOCTTY | O_CLOEXEC);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0 || tcgetattr(fd, &settings) < 0) {
		complain(REPORT);
		return;
	}
	cfmakeraw(&settings);
	if (tcsetattr(fd, TCSANOW, &settings) < 0 || dup2(fd, STDIN_FILENO) < 0 ||
	    dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		complain(REPORT);
	close(fd);
}

/* /dev comes first, with the report. */
static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		if (mount("none", mounts[i].where, mounts[i].type, 0, NULL) < 0)
			complain(mounts[i].where);
		if (i == 0)
			open_report();
	}
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
		complain(path);
	if (fd >= 0)
		close(fd);
}

/* By name: inet_diag before tcp_diag, which needs it. */
static void load_modules(void)
{
	struct dirent **entries;
	char path[sizeof(MODULES) + NAME_BYTES];
	int count = scandir(MODULES, &entries, NULL, alphasort);

	if (count < 0) {
		complain(MODULES);
		return;
	}
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), MODULES "/%.*s", NAME_BYTES - 1, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			load_module(path);
		free(entries[i]);
	}
	free(entries);
}

static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		complain("lo");
	if (fd >= 0)
		close(fd);
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The next program's name; false: there is none. */
static bool ask(char ret[static NAME_BYTES])
{
	printf("# next\n");
	if (!fgets(ret, NAME_BYTES, stdin))
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return ret[0];
}

static void run(const char *name)
{
	long began = milliseconds();
	char path[sizeof(TESTS) + NAME_BYTES];
	int status = 0;
	pid_t pid, ended;

	snprintf(path, sizeof(path), TESTS "/%s", name);
	printf("# run %s\n", name);
	pid = fork();
	if (pid == 0) {
		execl(path, path, (char *)NULL);
		complain(path);
		_exit(127);
	}
	if (pid < 0) {
		complain("fork");
		return;
	}
	/* What a program leaves running ends up here, too. */
	do
		ended = wait(&status);
	while (ended != pid && (ended > 0 || errno == EINTR));
	printf("# end %s %d %ld\n", name,
	       WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
	       milliseconds() - began);
}

int main(void)
{
	char program[NAME_BYTES];
	struct utsname name;

	mount_all();
	setenv("CMOCKA_MESSAGE_OUTPUT", "tap", 1);
	setenv("WEIR_TEST_SEEDS", "3",
	       1); /* of test_exact: it is the arithmetic of this kernel's JIT that counts */
	if (uname(&name) == 0)
		printf("# kernel %s\n", name.release);
	load_modules();
	loopback_up();
	while (ask(program))
		run(program);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	complain("power off");
	return 1;
}
