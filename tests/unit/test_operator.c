/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where an operator comes from, as a /proc made up for the test tells it; and which peers a prefix covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "detect/operator.h"
#include "detect/peers.h"

static char proc[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(proc, sizeof(proc), "/tmp/weir-test-operator-XXXXXX");
	return mkdtemp(proc) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(proc, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(int pid, const char *name, const void *data, size_t length)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, length, f), length);
}

static void make_dir(int pid, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%d%s", proc, pid, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void process_of(int uid, int pid, int parent, const char *name)
{
	char status[160];

	make_dir(pid, "");
	snprintf(status, sizeof(status),
		 "Name:\t%s\nUmask:\t0022\nPid:\t%d\nPPid:\t%d\nUid:\t%d\t0\t0\t0\n", name, pid,
		 parent, uid);
	put(pid, "status", status, strlen(status));
}

static void process(int pid, int parent, const char *name)
{
	process_of(1000, pid, parent, name);
}

#define environment(pid, text) put(pid, "environ", text, sizeof(text))

static size_t origins(int pid, struct operator_origin ret[static OPERATOR_ORIGINS_MAX])
{
	return operator_origins(proc, pid, ret);
}

static void assert_address(const uint8_t address[static 16], const char *text)
{
	char is[ADDRESS_TEXT_SIZE];

	address_format(address, is);
	assert_string_equal(is, text);
}

static void what_ssh_said_counts_in_any_ancestor(void **state)
{
	struct operator_origin ret[OPERATOR_ORIGINS_MAX];

	(void)state;
	process(400, 300, "weir");
	environment(400, "A=1\0B=SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22");
	process(300, 200, "sudo");
	environment(300, "PATH=/bin");
	process(200, 1, "bash (SSH)\n");
	environment(200, "TERM=x\0SSH_CONNECTION=198.51.100.7 50022 192.0.2.1 2222\0Z=1");
	assert_int_equal(origins(400, ret), 1);
	assert_address(ret[0].address, "198.51.100.7");
	assert_address(ret[0].to, "192.0.2.1");
	assert_int_equal(ret[0].port, 2222);
	assert_int_equal(ret[0].pid, 200);
}

static void every_login_on_the_way_counts_once(void **state)
{
	struct operator_origin ret[OPERATOR_ORIGINS_MAX];

	(void)state;
	process(400, 300, "weir");
	environment(400, "SSH_CONNECTION=2001:db8::7 50022 2001:db8::1 22");
	process(300, 200, "bash");
	environment(300, "SSH_CONNECTION=2001:db8::7 50022 2001:db8::1 22");
	process(200, 1, "tmux: server");
	environment(200, "SSH_CONNECTION=fe80::1%eth0 50022 fe80::2%eth0 22");
	assert_int_equal(origins(400, ret), 2);
	assert_address(ret[0].address, "2001:db8::7");
	assert_address(ret[1].address, "fe80::1");
}

static void who_looks_at_a_tmux_counts_wherever_it_was_started_from(void **state)
{
	struct operator_origin ret[OPERATOR_ORIGINS_MAX];

	(void)state;
	process(400, 300, "weir");
	process(300, 200, "bash");
	process(200, 1, "tmux: server");
	environment(200, "SSH_CONNECTION=198.51.100.1 50022 192.0.2.1 22");
	process(500, 490, "tmux: client");
	process(490, 1, "bash");
	environment(490, "SSH_CONNECTION=2001:db8::7 50022 2001:db8::1 22");
	process_of(1001, 600, 590, "tmux: client"); /* somebody else's */
	process_of(1001, 590, 1, "bash");
	environment(590, "SSH_CONNECTION=198.51.100.9 50022 192.0.2.1 22");
	process(700, 1, "bash"); /* looks at nothing */
	environment(700, "SSH_CONNECTION=198.51.100.8 50022 192.0.2.1 22");
	assert_int_equal(origins(400, ret), 2);
	assert_address(ret[0].address, "198.51.100.1");
	assert_address(ret[1].address, "2001:db8::7");
	assert_int_equal(origins(700, ret), 1);
}

static void nonsense_is_no_origin(void **state)
{
	static const char *const nonsense[] = {
		"SSH_CONNECTION=",
		"SSH_CONNECTION=198.51.100.7",
		"SSH_CONNECTION=198.51.100.777 1 192.0.2.1 22",
		"SSH_CONNECTION=198.51.100.7 1 192.0.2.1 99999",
		"SSH_CONNECTION=x x x x",
		"SSH_CONNECTION= 1 2 3 4",
	};
	struct operator_origin ret[OPERATOR_ORIGINS_MAX];

	(void)state;
	process(400, 1, "weir");
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		put(400, "environ", nonsense[i], strlen(nonsense[i])); /* without a NUL */
		assert_int_equal(origins(400, ret), 0);
	}
	assert_int_equal(origins(401, ret), 0); /* is gone */
	assert_int_equal(origins(0, ret), 0);
}

static void a_circle_of_parents_ends(void **state)
{
	struct operator_origin ret[OPERATOR_ORIGINS_MAX];

	(void)state;
	process(400, 401, "a");
	process(401, 400, "b");
	assert_int_equal(origins(400, ret), 0);
}

static void link_to_socket(int pid, int fd, unsigned int inode)
{
	char path[PATH_MAX], target[32];

	snprintf(path, sizeof(path), "%s/%d/fd/%d", proc, pid, fd);
	snprintf(target, sizeof(target), "socket:[%u]", inode);
	assert_int_equal(symlink(target, path), 0);
}

/* Lines as Linux writes them on a little-endian machine. */
#define TCP_HEAD                                                                                   \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "      \
	"timeout inode\n"
#define TCP_LINE(n, to, from, state, inode)                                                        \
	"   " #n ": " to " " from " " state                                                        \
	" 00000000:00000000 00:00000000 00000000     0        0 " #inode                           \
	" 1 0000000000000000 20 4 30 10 -1\n"

static void the_peers_of_an_sshd_count_without_an_environment(void **state)
{
	static const char tcp[] = TCP_HEAD TCP_LINE(0, "00000000:0016", "00000000:0000", "0A", 70)
		TCP_LINE(1, "010200C0:0016", "076433C6:C366", "01", 71)
			TCP_LINE(2, "010200C0:0016", "086433C6:C366", "01", 72);
	static const char tcp6[] =
		TCP_HEAD TCP_LINE(0, "B80D0120000000000000000001000000:0016",
				  "B80D0120000000000000000009000000:C366", "01", 73);
	struct operator_origin ret[OPERATOR_ORIGINS_MAX];

	(void)state;
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	skip();
#endif
	process(400, 300, "weir");
	process(300, 1, "sshd-session");
	make_dir(300, "/fd");
	make_dir(300, "/net");
	link_to_socket(300, 3, 70); /* listens */
	link_to_socket(300, 4, 71);
	link_to_socket(300, 5, 73);
	put(300, "net/tcp", tcp, sizeof(tcp) - 1);
	put(300, "net/tcp6", tcp6, sizeof(tcp6) - 1);
	assert_int_equal(origins(400, ret), 2);
	assert_address(ret[0].address, "198.51.100.7");
	assert_address(ret[0].to, "192.0.2.1");
	assert_int_equal(ret[0].port, 22);
	assert_address(ret[1].address, "2001:db8::9");
	assert_address(ret[1].to, "2001:db8::1");
}

static size_t covered(const struct peers *p, const char *text)
{
	struct prefix prefix;
	size_t count;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	peers_covered(p, &prefix, &count);
	return count;
}

static void the_peers_under_a_prefix_are_found(void **state)
{
	static const char *const texts[] = {"10.0.0.1",	      "10.0.0.2",  "10.0.1.0",
					    "10.255.255.255", "192.0.2.1", "2001:db8::1",
					    "2001:db8:1::1"};
	uint8_t addresses[ARRAY_SIZE(texts)][16];
	struct peers p = {addresses, ARRAY_SIZE(texts)}, none = {0};

	(void)state;
	for (size_t i = 0; i < p.count; i++)
		assert_int_equal(address_parse(texts[i], addresses[i]), 0);
	assert_int_equal(covered(&p, "10.0.0.0/24"), 2);
	assert_int_equal(covered(&p, "10.0.0.0/8"), 4);
	assert_int_equal(covered(&p, "10.255.255.255"), 1);
	assert_int_equal(covered(&p, "9.0.0.0/8"), 0);
	assert_int_equal(covered(&p, "0.0.0.0/0"), 5);
	assert_int_equal(covered(&p, "2001:db8::/48"), 1);
	assert_int_equal(covered(&p, "2001:db8::/32"), 2);
	assert_int_equal(covered(&p, "3000::/8"), 0);
	assert_int_equal(covered(&none, "0.0.0.0/0"), 0);
}

#define OPERATOR_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OPERATOR_TEST(what_ssh_said_counts_in_any_ancestor),
		OPERATOR_TEST(every_login_on_the_way_counts_once),
		OPERATOR_TEST(who_looks_at_a_tmux_counts_wherever_it_was_started_from),
		OPERATOR_TEST(nonsense_is_no_origin),
		OPERATOR_TEST(a_circle_of_parents_ends),
		OPERATOR_TEST(the_peers_of_an_sshd_count_without_an_environment),
		cmocka_unit_test(the_peers_under_a_prefix_are_found),
	};

	return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
