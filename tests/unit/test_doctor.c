/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Each check on a host that is made of files: what is in order, what is not, what cannot be told, and that what is not
 * in order names what mends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "audit/chain.h"
#include "base/fs.h"
#include "doctor/doctor.h"
#include "store/store.h"

struct host {
	char root[32];
	char state[64], policy[64], socket[64], pins[64];
	struct doctor_options options;
	struct doctor_report report;
};

static int set_up(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	snprintf(h->root, sizeof(h->root), "/tmp/weir-doctor-XXXXXX");
	assert_non_null(mkdtemp(h->root));
	snprintf(h->state, sizeof(h->state), "%s/state", h->root);
	snprintf(h->policy, sizeof(h->policy), "%s/policy.yaml", h->root);
	snprintf(h->socket, sizeof(h->socket), "%s/weir.sock", h->root);
	snprintf(h->pins, sizeof(h->pins), "%s/pins", h->root);
	h->options = (struct doctor_options){
		.sides = DOCTOR_HOST | DOCTOR_FILES | DOCTOR_CALLER,
		.root = h->root,
		.state_dir = h->state,
		.policy_path = h->policy,
		.socket = h->socket,
		.pin_dir = h->pins,
	};
	*state = h;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct host *h = *state;

	nftw(h->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
	return 0;
}

/* Make the file @path below the root. */
static void put(const struct host *h, const char *path, const char *content)
{
	char below[256];

	snprintf(below, sizeof(below), "%s%s", h->root, path);
	for (char *slash = below + strlen(h->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(below, 0755);
		*slash = '/';
	}
	assert_int_equal(fs_replace_file(below, content, strlen(content), 0600, NULL), 0);
}

/* The one line of @check, in a fresh report. */
static const struct doctor_line *look(struct host *h, const char *check)
{
	const struct doctor_line *line = NULL;

	doctor_run(&h->options, &h->report);
	for (size_t i = 0; i < h->report.count; i++)
		if (strcmp(h->report.lines[i].check, check) == 0)
			line = line ?: &h->report.lines[i];
	if (!line)
		fail_msg("nothing was said of %s", check);
	return line;
}

static void says(struct host *h, const char *check, enum doctor_status status, const char *found)
{
	const struct doctor_line *line = look(h, check);

	if (line->status != status || !strstr(line->found, found))
		fail_msg("%s: %s: %s, not %s: ...%s...", check, doctor_status_to_str(line->status),
			 line->found, doctor_status_to_str(status), found);
}

static void the_kernels_version_is_compared_with_what_is_tested(void **state)
{
	static const struct {
		const char *release;
		enum doctor_status status;
	} cases[] = {
		{"6.1.0-18-amd64\n", DOCTOR_OK},
		{"6.18.44\n", DOCTOR_OK},
		{"10.0\n", DOCTOR_OK},
		{"6.0.9\n", DOCTOR_WARN},
		{"5.10.0\n", DOCTOR_WARN},
		{"6\n", DOCTOR_SKIP},
		{"x.y\n", DOCTOR_SKIP},
		{"\n", DOCTOR_SKIP},
		{"", DOCTOR_SKIP},
		{"6.99999999999999999999\n", DOCTOR_SKIP},
	};

	says(*state, "kernel.version", DOCTOR_SKIP, "");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(*state, "/proc/sys/kernel/osrelease", cases[i].release);
		says(*state, "kernel.version", cases[i].status, "");
	}
}

static void missing_types_jit_and_a_slow_clock_are_found(void **state)
{
	struct host *h = *state;

	says(h, "kernel.btf", DOCTOR_FAIL, "btf/vmlinux");
	put(h, "/sys/kernel/btf/vmlinux", "x");
	says(h, "kernel.btf", DOCTOR_OK, "");
	says(h, "kernel.jit", DOCTOR_SKIP, "");
	put(h, "/proc/sys/net/core/bpf_jit_enable", "0\n");
	says(h, "kernel.jit", DOCTOR_WARN, "interpreted");
	put(h, "/proc/sys/net/core/bpf_jit_enable", "1\n");
	says(h, "kernel.jit", DOCTOR_OK, "");
	says(h, "clock.source", DOCTOR_SKIP, "");
	put(h, "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
	says(h, "clock.source", DOCTOR_WARN, "hpet");
	put(h, "/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	says(h, "clock.source", DOCTOR_OK, "tsc");
}

static void limits_on_memory_are_found(void **state)
{
	struct host *h = *state;

	says(h, "memory.cgroup", DOCTOR_SKIP, "version 2");
	put(h, "/proc/self/cgroup", "1:cpu:/x\n0::/system.slice/weir.service\n");
	says(h, "memory.cgroup", DOCTOR_OK, "no limit");
	put(h, "/sys/fs/cgroup/system.slice/weir.service/memory.max", "max\n");
	says(h, "memory.cgroup", DOCTOR_OK, "no limit");
	put(h, "/sys/fs/cgroup/system.slice/weir.service/memory.max", "104857600\n");
	put(h, "/sys/fs/cgroup/system.slice/weir.service/memory.current", "52428800\n");
	says(h, "memory.cgroup", DOCTOR_OK, "50 of 100 MiB");
	put(h, "/proc/sys/kernel/osrelease", "6.1.0\n");
	says(h, "memory.lock", DOCTOR_OK, "control group");
}

static void pins_outside_of_a_bpffs_are_found(void **state)
{
	struct host *h = *state;

	says(h, "bpffs", DOCTOR_FAIL, "not in a bpffs");
	assert_string_equal(look(h, "bpffs")->fix, "mount -t bpf bpf /sys/fs/bpf");
	says(h, "pins", DOCTOR_OK, "nothing is pinned");
	assert_int_equal(mkdir(h->pins, 0777), 0);
	assert_int_equal(chmod(h->pins, 0777), 0);
	says(h, "pins", DOCTOR_FAIL, "mode 0777");
}

static void an_interface_must_be_there(void **state)
{
	struct host *h = *state;

	says(h, "interface.state", DOCTOR_SKIP, "--iface");
	says(h, "interface.xdp", DOCTOR_SKIP, "");
	h->options.ifaces[h->options.iface_count++] = "weir-nowhere0";
	says(h, "interface.state", DOCTOR_FAIL, "no interface");
	h->options.ifaces[0] = "a-name-that-is-longer-than-any-interface-may-have";
	says(h, "interface.state", DOCTOR_FAIL, "no interface");
	h->options.ifaces[0] = "lo";
	says(h, "interface.mtu", DOCTOR_OK, "lo");
}

static void a_state_directory_must_be_ours(void **state)
{
	struct host *h = *state;

	says(h, "state.directory", DOCTOR_OK, "not there yet");
	says(h, "state.space", DOCTOR_OK, "free");
	h->options.daemon_runs = true;
	says(h, "state.directory", DOCTOR_FAIL, "No such file");
	assert_int_equal(mkdir(h->state, 0700), 0);
	says(h, "state.directory", DOCTOR_OK, "ours alone");
	assert_int_equal(chmod(h->state, 0755), 0);
	says(h, "state.directory", DOCTOR_WARN, "read by others");
	assert_int_equal(chmod(h->state, 0770), 0);
	says(h, "state.directory", DOCTOR_FAIL, "0770");
	assert_int_equal(rmdir(h->state), 0);
	assert_int_equal(symlink("/tmp", h->state), 0);
	says(h, "state.directory", DOCTOR_FAIL, "no directory");
}

static void a_damaged_database_is_found_and_so_is_one_set_aside(void **state)
{
	struct host *h = *state;
	struct store *s = NULL;
	char path[128];
	int fd;

	says(h, "state.database", DOCTOR_SKIP, "");
	assert_int_equal(mkdir(h->state, 0700), 0);
	snprintf(path, sizeof(path), "%s/weir.db", h->state);
	assert_int_equal(store_open(path, &s, NULL), 0);
	says(h, "state.database", DOCTOR_OK, "sound"); /* while a daemon has it open */
	store_close(s);
	put(h, "/state/weir.db.damaged-1700000000", "");
	put(h, "/state/weir.db.damaged-1700000000-wal", "");
	doctor_run(&h->options, &h->report);
	unsigned int warnings = 0;
	for (size_t i = 0; i < h->report.count; i++)
		warnings += strcmp(h->report.lines[i].check, "state.database") == 0 &&
			    h->report.lines[i].status == DOCTOR_WARN;
	assert_int_equal(warnings, 1);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "no database", 11, 0), 11);
	close(fd);
	says(h, "state.database", DOCTOR_FAIL, "not a database");
	assert_non_null(strstr(look(h, "state.database")->fix, "restart"));
}

static void a_policy_must_be_correct_and_nobody_elses_to_write(void **state)
{
	struct host *h = *state;

	says(h, "policy.file", DOCTOR_FAIL, "No such file");
	put(h, "/policy.yaml", "apiVersion: weir/v1\nmode: enforce\n");
	says(h, "policy.file", DOCTOR_OK, "correct");
	assert_int_equal(chmod(h->policy, 0666), 0);
	says(h, "policy.file", DOCTOR_FAIL, "0666");
	assert_int_equal(chmod(h->policy, 0600), 0);
	put(h, "/policy.yaml", "apiVersion: weir/v1\nmood: enforce\n");
	says(h, "policy.file", DOCTOR_FAIL, "mood");
	assert_non_null(strstr(look(h, "policy.file")->fix, "weir policy check"));
	h->options.policy_path = NULL;
	says(h, "policy.file", DOCTOR_SKIP, "--policy");
}

static void append(const struct host *h, unsigned int records)
{
	const struct audit_record record = {.event = AUDIT_EVENT_LIST_ADD,
					    .resource = {"block", "198.51.100.7"}};
	_cleanup_(chain_closep) struct chain *c = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/audit", h->state);
	assert_int_equal(chain_open(path, NULL, &c, NULL), 0);
	for (unsigned int i = 0; i < records; i++)
		assert_int_equal(chain_append(c, &record), 0);
	assert_int_equal(chain_commit(c, NULL), 0);
}

static void poke(const struct host *h, const char *file, off_t at)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/audit/%s", h->state, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, at), 1);
	close(fd);
}

static void damage_at_the_end_of_the_audit_log_is_found(void **state)
{
	struct host *h = *state;

	assert_int_equal(mkdir(h->state, 0700), 0);
	says(h, "audit.log", DOCTOR_SKIP, "");
	append(h, 3000);
	says(h, "audit.log", DOCTOR_OK, "3000 records");
	poke(h, "00000000000000000000.seg", 4096 + 100);
	says(h, "audit.log", DOCTOR_FAIL, "damaged");
	assert_non_null(strstr(look(h, "audit.log")->fix, "weir audit verify"));
}

static void a_log_that_was_violated_once_is_never_called_in_order(void **state)
{
	struct host *h = *state;
	char path[128];

	assert_int_equal(mkdir(h->state, 0700), 0);
	append(h, 10);
	snprintf(path, sizeof(path), "%s/audit/state", h->state);
	assert_int_equal(unlink(path), 0);
	says(h, "audit.log", DOCTOR_FAIL, "state file"); /* nothing tells how far it went */
	append(h, 10);
	says(h, "audit.log", DOCTOR_FAIL, "missing or changed");
}

static void capabilities_that_are_missing_are_named(void **state)
{
	struct host *h = *state;

	says(h, "caller.capabilities", DOCTOR_SKIP, "");
	put(h, "/proc/self/status", "Name:\tweir\nCapEff:\t000001ffffffffff\n");
	says(h, "caller.capabilities", DOCTOR_OK, "");
	put(h, "/proc/self/status", "CapEff:\t0000000000001000\n");
	says(h, "caller.capabilities", DOCTOR_WARN, "CAP_BPF, CAP_PERFMON");
}

static void a_socket_must_be_one_and_its_directory_not_open_to_all(void **state)
{
	struct host *h = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	says(h, "socket", DOCTOR_WARN, "No such file");
	put(h, "/weir.sock", "");
	says(h, "socket", DOCTOR_FAIL, "no socket");
	assert_int_equal(unlink(h->socket), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", h->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	says(h, "socket", DOCTOR_WARN, "no daemon answers");
	h->options.daemon_runs = true;
	says(h, "socket", DOCTOR_OK, "answers");
	assert_int_equal(chmod(h->root, 0777), 0);
	says(h, "socket", DOCTOR_FAIL, "0777");
	assert_int_equal(chmod(h->root, 0700), 0);
}

static void whatever_is_not_in_order_names_what_mends_it(void **state)
{
	struct host *h = *state;

	h->options.ifaces[h->options.iface_count++] = "weir-nowhere0";
	doctor_run(&h->options, &h->report);
	assert_true(h->report.count > 15);
	for (size_t i = 0; i < h->report.count; i++) {
		const struct doctor_line *l = &h->report.lines[i];

		if ((l->status == DOCTOR_FAIL || l->status == DOCTOR_WARN) && !*l->fix)
			fail_msg("%s: %s", l->check, l->found);
		assert_true(*l->found);
	}
}

static void a_report_that_is_full_leaves_lines_out(void **state)
{
	struct host *h = *state;

	for (unsigned int i = 0; i < DOCTOR_LINES_MAX + 10; i++)
		doctor_add(&h->report, "x", DOCTOR_OK, "", "%u", i);
	assert_int_equal(h->report.count, DOCTOR_LINES_MAX);
}

static void one_side_is_looked_at_at_a_time(void **state)
{
	struct host *h = *state;

	h->options.sides = DOCTOR_CALLER;
	doctor_run(&h->options, &h->report);
	assert_int_equal(h->report.count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kernels_version_is_compared_with_what_is_tested),
		TEST(missing_types_jit_and_a_slow_clock_are_found),
		TEST(limits_on_memory_are_found),
		TEST(pins_outside_of_a_bpffs_are_found),
		TEST(an_interface_must_be_there),
		TEST(a_state_directory_must_be_ours),
		TEST(a_damaged_database_is_found_and_so_is_one_set_aside),
		TEST(a_policy_must_be_correct_and_nobody_elses_to_write),
		TEST(damage_at_the_end_of_the_audit_log_is_found),
		TEST(a_log_that_was_violated_once_is_never_called_in_order),
		TEST(capabilities_that_are_missing_are_named),
		TEST(a_socket_must_be_one_and_its_directory_not_open_to_all),
		TEST(whatever_is_not_in_order_names_what_mends_it),
		TEST(a_report_that_is_full_leaves_lines_out),
		TEST(one_side_is_looked_at_at_a_time),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
