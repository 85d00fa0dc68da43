/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A target that is away, full or new misses nothing, and what it is sent twice it can tell. */
#include "test_audit.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/target.h"
#include "export/ship.h"
#include "export/sink.h"

#define PATIENCE_MSEC 60000

static unsigned int failures, recoveries;

static void record(const struct audit_record *r, void *userdata)
{
	(void)userdata;
	__atomic_add_fetch(r->event == AUDIT_EVENT_EXPORT_FAILED ? &failures : &recoveries, 1,
			   __ATOMIC_SEQ_CST);
}

static struct shipper *make_shipper(const struct log *l)
{
	char cursors[160];
	struct shipper_options o = {l->path, cursors, NULL, record, NULL};
	struct shipper *s = NULL;

	snprintf(cursors, sizeof(cursors), "%s/export", l->root);
	assert_int_equal(shipper_new(&o, &s, NULL), 0);
	return s;
}

static void start(struct shipper *s, const char *to, enum export_format format)
{
	const struct ship_target t = {"one", format, to, 0, 0};

	assert_int_equal(shipper_configure(s, &t, 1, NULL), 0);
}

static void wait_until_confirmed(struct shipper *s, uint64_t index)
{
	struct ship_stats stats[SHIP_TARGETS_MAX];

	for (unsigned int i = 0; i < PATIENCE_MSEC / 20; i++) {
		assert_int_equal(shipper_get_stats(s, stats), 1);
		if (stats[0].confirmed == index)
			return;
		poll(NULL, 0, 20);
	}
	fail_msg("confirmed %llu, not %llu: %s", (unsigned long long)stats[0].confirmed,
		 (unsigned long long)index, stats[0].because);
}

/* The lines of a file have the indexes from 0 to @count - 1, each once. */
static void assert_lines(const char *path, unsigned int count)
{
	FILE *f = fopen(path, "re");
	char line[8192];
	unsigned int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		json_t *o = json_loads(line, 0, NULL);

		assert_int_equal(json_integer_value(json_object_get(o, "index")), n++);
		json_decref(o);
	}
	fclose(f);
	assert_int_equal(n, count);
}

static void test_a_file_has_each_record_once_across_restarts(void **state)
{
	struct log *l = *state;
	char to[160];

	snprintf(to, sizeof(to), "file:%s/out", l->root);
	make_small_log(l);
	for (unsigned int i = 0; i < 3; i++) {
		struct shipper *s = make_shipper(l);

		start(s, to, EXPORT_NDJSON);
		wait_until_confirmed(s, RECORDS);
		shipper_free(s);
		assert_lines(to + strlen("file:"), RECORDS);
	}
}

static void test_a_cursor_of_another_log_begins_anew(void **state)
{
	struct log *l = *state;
	char to[176], out[160], cursor[160];
	struct shipper *s;
	FILE *f;

	snprintf(out, sizeof(out), "%s/out", l->root);
	snprintf(to, sizeof(to), "file:%s", out);
	snprintf(cursor, sizeof(cursor), "%s/export/one", l->root);
	make_small_log(l);
	s = make_shipper(l);
	f = fopen(cursor, "we");
	assert_non_null(f);
	fprintf(f, "3 %064d\n", 0);
	fclose(f);
	start(s, to, EXPORT_NDJSON);
	wait_until_confirmed(s, RECORDS);
	shipper_free(s);
	assert_lines(out, RECORDS);
}

static int bind_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void append_long(const struct log *l)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, 1 << 20);
	static char words[3 * SINK_DATAGRAM_MAX];
	struct audit_details d = {0};
	struct audit_record r = {.event = AUDIT_EVENT_LIST_ADD, .details = &d};

	memset(words, 'x', sizeof(words) - 1);
	audit_details_string(&d, "reason", words);
	assert_int_equal(chain_append(c, &r), 0);
	commit(c);
}

static void test_a_socket_that_comes_late_gets_all_and_no_datagram_is_too_long(void **state)
{
	struct log *l = *state;
	char path[100], to[120], message[65536];
	struct ship_stats stats[SHIP_TARGETS_MAX];
	struct shipper *s;
	int fd;

	snprintf(path, sizeof(path), "%s/socket", l->root);
	snprintf(to, sizeof(to), "unix:%s", path);
	append_long(l);
	failures = recoveries = 0;
	s = make_shipper(l);
	start(s, to, EXPORT_SYSLOG);
	while (!__atomic_load_n(&failures, __ATOMIC_SEQ_CST))
		poll(NULL, 0, 20);
	fd = bind_to(path);
	wait_until_confirmed(s, 1);
	shipper_get_stats(s, stats);
	assert_int_equal(stats[0].shortened, 1);
	assert_false(stats[0].failing);
	assert_int_equal(failures, 1);
	assert_int_equal(__atomic_load_n(&recoveries, __ATOMIC_SEQ_CST), 1);
	shipper_free(s);
	assert_in_range(recv(fd, message, sizeof(message), MSG_DONTWAIT), 100, SINK_DATAGRAM_MAX);
	assert_int_equal(recv(fd, message, sizeof(message), MSG_DONTWAIT), -1);
	close(fd);
}

static void test_targets_are_read_strictly(void **state)
{
	static const char *const good[] = {"file:/a", "unix:/dev/log", "udp://192.0.2.1:514",
					   "tcp://[2001:db8::1]:65535"};
	static const char *const bad[] = {"",
					  "/a",
					  "file:a",
					  "udp://192.0.2.1",
					  "udp://192.0.2.1:0",
					  "udp://192.0.2.1:65536",
					  "tcp://siem:601",
					  "tcp://2001:db8::1:5",
					  "tcp://[2001:db8::1]",
					  "tcp://[192.0.2.1]:5",
					  "tcp://[]:5",
					  "http://192.0.2.1:80",
					  "tcp://192.0.2.1:5 ",
					  "tcp://:5",
					  "unix:"};
	struct target t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(target_parse(good[i], &t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (target_parse(bad[i], &t) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_file_has_each_record_once_across_restarts,
						log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(test_a_cursor_of_another_log_begins_anew,
						log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_socket_that_comes_late_gets_all_and_no_datagram_is_too_long,
			log_set_up, log_tear_down),
		cmocka_unit_test(test_targets_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
