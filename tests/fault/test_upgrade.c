/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whatever fails while maps of another ABI are carried over, and wherever the daemon dies: each packet meets the
 * policy and the state that there was, by the old program or by the new one, and the next start completes it.
 * This is a weir of an ABI of its own (tests/abi); what it takes over is of build/weir, which runs as a
 * daemon for a moment and leaves its program and its maps.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "../lib/packets.h"
#include "base/fault_point.h"
#include "datapath/datapath.h"
#include "fixture.h"

#define WEIR	      "build/weir"
#define POINTS_WANTED 20
#define POINTS_MAX    500
#define REMEMBERED    "10.200.0.1" /* has had its packet */

static void start_old(void)
{
	char socket_path[128], link_path[128];
	pid_t pid = fork();

	snprintf(link_path, sizeof(link_path), "%s/link_1", x.pins);
	snprintf(socket_path, sizeof(socket_path), "%s/weir.sock", x.directory);
	assert_true(pid >= 0);
	if (!pid) {
		int log = open("/dev/null", O_WRONLY);

		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execl(WEIR, WEIR, "daemon", "--iface", "lo", "--generic", "--policy", x.policy,
		      "--state-dir", x.state, "--bpffs", x.pins, "--socket", socket_path,
		      "--foreground", NULL);
		_exit(127);
	}
	/* It attaches once all is in force. */
	while (access(socket_path, F_OK) < 0 || access(link_path, F_OK) < 0) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(10000);
	}
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	unlink(socket_path);
}

/* The program on the link. */
static int program_in_force(uint32_t *ret_id)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	char path[128];
	int link, fd;

	snprintf(path, sizeof(path), "%s/link_1", x.pins);
	link = bpf_obj_get(path);
	assert_true(link >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &length), 0);
	close(link);
	*ret_id = info.prog_id;
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	assert_true(fd >= 0);
	return fd;
}

static bool packet_passes(const char *source)
{
	struct packets_frame frame;
	LIBBPF_OPTS(bpf_test_run_opts, run);
	uint32_t id;
	int fd = program_in_force(&id);

	packets_build((const struct packets_layer[]){IP4(.from = source, .to = "203.0.113.9"),
						     UDP(),
						     {0}},
		      &frame);
	run.data_in = frame.data;
	run.data_size_in = (uint32_t)frame.length;
	run.repeat = 1;
	assert_int_equal(bpf_prog_test_run_opts(fd, &run), 0);
	close(fd);
	return run.retval == XDP_PASS;
}

static char source[20]; /* the last one that had its packet */

/* OLD is in force, and what it had counted is not forgotten. */
static void check_packets(const char *where)
{
	x.fresh++;
	snprintf(source, sizeof(source), "10.0.%u.%u", x.fresh >> 8 & 255, x.fresh & 255);
	if (packet_passes("198.51.100.1") || packet_passes("192.0.2.7"))
		fail_msg("%s: a source that is blocked gets through", where);
	if (!packet_passes(source))
		fail_msg("%s: a new source does not get through", where);
	if (packet_passes(source))
		fail_msg("%s: a limit does not hold", where);
	if (packet_passes(REMEMBERED))
		fail_msg("%s: what a source had used up is forgotten", where);
}

static uint32_t in_force(void)
{
	uint32_t id;

	close(program_in_force(&id));
	return id;
}

/* What an older daemon leaves: in force, with a source that has nothing left. */
static void begin_anew(void)
{
	datapath_remove(x.pins, NULL, NULL);
	start_old();
	assert_true(packet_passes(REMEMBERED));
}

static int take_over(struct datapath **ret)
{
	struct fault f = {0};
	int r = datapath_open(x.pins, ret, &f);

	if (r < 0 && (!f.code || !*f.text))
		fail_msg("a failure without words: %d", r);
	return r;
}

/* Without a failure now, whatever was left. */
static void complete(const char *where, uint32_t old)
{
	struct datapath *d;

	if (take_over(&d) < 0)
		fail_msg("%s: the next start does not complete it", where);
	if (in_force() == old)
		fail_msg("%s: after the next start the old program is in force", where);
	if (packet_passes(source))
		fail_msg("%s: what a source used up in between is forgotten", where);
	check_packets(where);
	datapath_close(d);
}

static void a_failure_at_any_step_of_an_upgrade_leaves_the_old_program_or_the_new_one(void **state)
{
	unsigned int old_left = 0, new_left = 0;
	struct datapath *d;
	bool failed = true;
	uint32_t old = 0;
	char where[96];

	(void)state;
	for (unsigned int i = 1; failed; i++) {
		int r;

		/* After a failure that leaves the old one, that is what the next one upgrades from. */
		if (!old || in_force() != old) {
			begin_anew();
			old = in_force();
		}
		fault_arm("*", i, 0);
		r = take_over(&d);
		failed = *fault_failed();
		snprintf(where, sizeof(where), "failure %u, at %s", i, fault_failed());
		fault_arm("*", 0, 0);
		if (r == 0)
			datapath_close(d);
		check_packets(where);
		old_left += in_force() == old;
		new_left += in_force() != old;
		if (in_force() != old || i % 8 == 0)
			complete(where, old);
		assert_true(i < POINTS_MAX);
	}
	print_message("%u failures left the old program, %u the new one\n", old_left, new_left);
	assert_true(old_left + new_left >= POINTS_WANTED);
	assert_true(new_left > 1);
}

static void upgrade_and_die(unsigned int at, bool *ret_lived)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct datapath *d;

		fault_arm("*", at, 1);
		_exit(take_over(&d) < 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail_msg("death %u: it ended with %d", at, WEXITSTATUS(status));
	*ret_lived = WIFEXITED(status);
}

static void after_a_death_at_any_step_of_an_upgrade_the_next_start_completes_it(void **state)
{
	bool lived = false;
	char where[96];

	(void)state;
	for (unsigned int at = 1; !lived; at++) {
		uint32_t old;

		begin_anew();
		old = in_force();
		upgrade_and_die(at, &lived);
		snprintf(where, sizeof(where), "death at place %u", at);
		check_packets(where);
		complete(where, old);
		assert_true(at < POINTS_MAX);
	}
}

#define UPGRADE(name) cmocka_unit_test_setup_teardown(name, set_up_files, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UPGRADE(a_failure_at_any_step_of_an_upgrade_leaves_the_old_program_or_the_new_one),
		UPGRADE(after_a_death_at_any_step_of_an_upgrade_the_next_start_completes_it),
	};
	const char *obstacle = prepare_process();

	if (!obstacle && access(WEIR, X_OK) < 0)
		obstacle = "there is no " WEIR " here to upgrade from";
	return obstacle ? skip_all(obstacle) : cmocka_run_group_tests(tests, NULL, NULL);
}
