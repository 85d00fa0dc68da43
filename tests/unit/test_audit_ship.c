/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A target that is away, full or new misses nothing, and what it is sent twice it can tell. */
#include "test_audit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../lib/crash.h"
#include "../lib/receiver.h"
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
	struct shipper_options o = {l->path, cursors, NULL, record, NULL, NULL};
	struct shipper *s = NULL;

	snprintf(cursors, sizeof(cursors), "%s/export", l->root);
	assert_int_equal(shipper_new(&o, &s, NULL), 0);
	return s;
}

static void start(struct shipper *s, const char *to, enum export_format format)
{
	const struct ship_target t = {"one", format, to, 0, 0, NULL};

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

static void test_a_half_line_that_a_death_left_is_cut_off(void **state)
{
	static const char *const left[] = {"{\"index\":0,\"half", "{\"index\":0}\n{\"ind"};
	struct log *l = *state;
	char out[160], to[176], line[8192];
	json_t *o;

	make_small_log(l);
	snprintf(out, sizeof(out), "%s/out", l->root);
	snprintf(to, sizeof(to), "file:%s", out);
	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		struct shipper *s = make_shipper(l);
		FILE *f = fopen(out, "we");
		unsigned int lines = 0;
		char cursor[160];

		snprintf(cursor, sizeof(cursor), "%s/export/one", l->root);
		unlink(cursor);
		assert_non_null(f);
		fputs(left[i], f);
		assert_int_equal(fclose(f), 0);
		start(s, to, EXPORT_NDJSON);
		wait_until_confirmed(s, RECORDS);
		shipper_free(s);
		f = fopen(out, "re");
		while (fgets(line, sizeof(line), f)) {
			o = json_loads(line, 0, NULL);
			assert_non_null(o);
			json_decref(o);
			lines++;
		}
		fclose(f);
		assert_int_equal(lines, RECORDS + i);
	}
}

#define KILLED_RECORDS_MAX 100000

/* A daemon: write, and send on what was written, until killed. */
static void write_and_ship(struct log *l, const char *to)
{
	const struct chain_options options = {.segment_bytes = 60000};
	struct chain *c = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chain_open(l->path, &options, &c, NULL) < 0)
		_exit(1);
	start(make_shipper(l), to, EXPORT_NDJSON);
	for (unsigned int i = 0; i < 300; i++) {
		add(c, 1 + i % 7);
		commit(c);
		poll(NULL, 0, 1);
	}
	pause();
}

static unsigned int take(uint8_t *seen, const char *line, size_t length)
{
	json_t *o = json_loadb(line, length, 0, NULL);
	json_int_t index = json_integer_value(json_object_get(o, "index"));

	if (!o)
		fail_msg("half a record: %.*s", (int)length, line);
	json_decref(o);
	assert_in_range(index, 0, KILLED_RECORDS_MAX - 1);
	return seen[index]++ == 0;
}

static void drain(int fd, uint8_t *seen, unsigned int most)
{
	static char message[65536];
	ssize_t n;

	while (most-- && (n = recv(fd, message, sizeof(message), MSG_DONTWAIT)) > 0)
		take(seen, message, (size_t)n);
}

static void assert_all_seen(const uint8_t *seen, uint64_t records)
{
	for (uint64_t i = 0; i < records; i++)
		if (!seen[i])
			fail_msg("record %llu of %llu never came", (unsigned long long)i,
				 (unsigned long long)records);
}

/* @fd: a socket that takes little, and is dead every third time; -1: the target is a file. */
static uint64_t kill_daemons(struct log *l, const char *to, const char *path, int *fd,
			     uint8_t *seen)
{
	unsigned int rounds = crash_full() ? 200 : 12, seed = 3;

	for (unsigned int round = 0; round < rounds; round++) {
		pid_t child = fork();

		if (child == 0)
			write_and_ship(l, to);
		assert_true(child > 0);
		seed = seed * 1103515245 + 12345;
		poll(NULL, 0, (int)(seed >> 16) % 120);
		if (*fd >= 0)
			drain(*fd, seen, 5);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		if (*fd >= 0 && round % 3 == 1) { /* with what it had not read */
			close(*fd);
			unlink(path);
			*fd = bind_to(path);
		}
	}
	log_make(l, 0, 1, 1);
	return verdict(l).records;
}

static void test_kill_9_loses_nothing_that_a_file_is_to_have(void **state)
{
	struct log *l = *state;
	uint8_t *seen = calloc(1, KILLED_RECORDS_MAX);
	char out[160], to[176], line[8192];
	struct shipper *s;
	uint64_t records;
	int none = -1;
	FILE *f;

	assert_non_null(seen);
	snprintf(out, sizeof(out), "%s/out", l->root);
	snprintf(to, sizeof(to), "file:%s", out);
	log_make(l, 0, 1, 1);
	records = kill_daemons(l, to, NULL, &none, seen);
	s = make_shipper(l);
	start(s, to, EXPORT_NDJSON);
	wait_until_confirmed(s, records);
	shipper_free(s);
	f = fopen(out, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		take(seen, line, strlen(line));
	fclose(f);
	assert_all_seen(seen, records);
	print_message("# %llu records\n", (unsigned long long)records);
	free(seen);
}

static void test_kill_9_loses_nothing_that_a_slow_or_dead_socket_is_to_have(void **state)
{
	struct log *l = *state;
	uint8_t *seen = calloc(1, KILLED_RECORDS_MAX);
	struct ship_stats stats[SHIP_TARGETS_MAX];
	char path[100], to[120];
	struct shipper *s;
	uint64_t records;
	int fd;

	assert_non_null(seen);
	snprintf(path, sizeof(path), "%s/socket", l->root);
	snprintf(to, sizeof(to), "unix:%s", path);
	fd = bind_to(path);
	log_make(l, 0, 1, 1);
	records = kill_daemons(l, to, path, &fd, seen);
	s = make_shipper(l);
	start(s, to, EXPORT_NDJSON);
	do {
		poll(&(struct pollfd){fd, POLLIN, 0}, 1, 20);
		drain(fd, seen, UINT_MAX);
		shipper_get_stats(s, stats);
	} while (stats[0].confirmed < records);
	shipper_free(s);
	drain(fd, seen, UINT_MAX);
	close(fd);
	assert_all_seen(seen, records);
	print_message("# %llu records\n", (unsigned long long)records);
	free(seen);
}

/* @port 0: any; which one it is. */
static int bind_udp(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(*port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(a);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

/* The datagrams that wait are RFC 5424, one record each, from the index @from on. How many? */
static unsigned int assert_datagrams(int fd, unsigned int from)
{
	char message[SINK_DATAGRAM_MAX + 1], sequence[48];
	unsigned int count = 0;
	ssize_t n;

	while ((n = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT)) > 0) {
		message[n] = '\0';
		assert_int_equal(strncmp(message, "<1", 2), 0); /* facility 13 */
		assert_non_null(strstr(message, ">1 20"));
		assert_null(strchr(message, '\n'));
		snprintf(sequence, sizeof(sequence), "sequenceId=\"%u\"", from + count + 1);
		if (!strstr(message, sequence))
			fail_msg("%s is not in: %s", sequence, message);
		count++;
	}
	return count;
}

static void test_udp_carries_a_record_a_datagram_and_a_closed_port_is_seen(void **state)
{
	struct log *l = *state;
	struct shipper *s;
	uint16_t port = 0;
	int fd = bind_udp(&port);
	char to[64];

	make_small_log(l);
	snprintf(to, sizeof(to), "udp://127.0.0.1:%u", port);
	failures = recoveries = 0;
	s = make_shipper(l);
	start(s, to, EXPORT_SYSLOG);
	wait_until_confirmed(s, RECORDS);
	assert_int_equal(assert_datagrams(fd, 0), RECORDS);
	assert_int_equal(failures, 0);
	close(fd);
	append_long(l); /* the host says that nobody listens */
	while (!__atomic_load_n(&failures, __ATOMIC_SEQ_CST))
		poll(NULL, 0, 20);
	fd = bind_udp(&port);
	wait_until_confirmed(s, RECORDS + 1);
	assert_int_equal(__atomic_load_n(&recoveries, __ATOMIC_SEQ_CST), 1);
	assert_true(assert_datagrams(fd, RECORDS) >= 1);
	shipper_free(s);
	close(fd);
}

static void test_targets_are_read_strictly(void **state)
{
	static const char *const good[] = {"file:/a",
					   "unix:/dev/log",
					   "udp://192.0.2.1:514",
					   "tcp://[2001:db8::1]:65535",
					   "http://127.0.0.1:4318",
					   "https://otel.example.net",
					   "https://[2001:db8::1]:1/in/it",
					   "http://h/"};
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
					  "http://",
					  "http://:80",
					  "http://user@192.0.2.1:80",
					  "http://h:0/",
					  "http://h:65536",
					  "http://h:80x",
					  "http://h/?token=1",
					  "http://h/#a",
					  "http://h/ ",
					  "http://h/\r\nX: y",
					  "http://[::1",
					  "http://[]:1",
					  "ftp://h",
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

static void forget_cursor(const struct log *l)
{
	char cursor[160];

	snprintf(cursor, sizeof(cursor), "%s/export/one", l->root);
	unlink(cursor);
}

static uint64_t rejected_of(struct shipper *s)
{
	struct ship_stats stats[SHIP_TARGETS_MAX];

	assert_int_equal(shipper_get_stats(s, stats), 1);
	return stats[0].rejected;
}

static void wait_until_failing(struct shipper *s)
{
	struct ship_stats stats[SHIP_TARGETS_MAX];

	for (unsigned int i = 0; i < PATIENCE_MSEC / 20; i++) {
		assert_int_equal(shipper_get_stats(s, stats), 1);
		if (stats[0].failing)
			return;
		poll(NULL, 0, 20);
	}
	fail_msg("it does not fail");
}

#define RECORD_WORD "\"weir.record.index\""

static void test_a_receiver_that_was_set_up_wrongly_misses_nothing(void **state)
{
	static const char *const wrong[] = {RECEIVER_ANSWER("401 Who", "", ""),
					    RECEIVER_ANSWER("404 Where", "", ""),
					    RECEIVER_ANSWER("503 Later", "", "")};
	struct log *l = *state;

	make_small_log(l);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct shipper *s = make_shipper(l);
		struct receiver r;

		receiver_start(&r, RECORD_WORD, wrong[i]);
		start(s, r.endpoint, EXPORT_OTLP);
		wait_until_failing(s);
		receiver_answer(&r, RECEIVER_TAKES);
		wait_until_confirmed(s, RECORDS);
		assert_int_equal(receiver_taken(&r), RECORDS);
		assert_int_equal(rejected_of(s), 0);
		assert_non_null(strstr(r.request, "POST /v1/logs HTTP/1.1\r\n"));
		shipper_free(s);
		forget_cursor(l);
		receiver_stop(&r);
	}
}

static void test_what_a_receiver_would_never_take_is_passed_over_and_counted(void **state)
{
	struct log *l = *state;
	struct shipper *s;
	struct receiver r;

	make_small_log(l);
	s = make_shipper(l);
	receiver_start(&r, RECORD_WORD, RECEIVER_ANSWER("400 Bad", "", ""));
	start(s, r.endpoint, EXPORT_OTLP);
	wait_until_confirmed(s, RECORDS);
	assert_int_equal(rejected_of(s), RECORDS);
	shipper_free(s);
	forget_cursor(l);
	s = make_shipper(l);
	receiver_answer(&r, RECEIVER_ANSWER("200 OK", "",
					    "{\"partialSuccess\":{\"rejectedLogRecords\":\"1\"}}"));
	start(s, r.endpoint, EXPORT_OTLP);
	wait_until_confirmed(s, RECORDS);
	assert_int_equal(rejected_of(s), r.requests - 1);
	shipper_free(s);
	receiver_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_file_has_each_record_once_across_restarts,
						log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(test_a_cursor_of_another_log_begins_anew,
						log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_receiver_that_was_set_up_wrongly_misses_nothing, log_set_up,
			log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_a_receiver_would_never_take_is_passed_over_and_counted,
			log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_socket_that_comes_late_gets_all_and_no_datagram_is_too_long,
			log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(test_a_half_line_that_a_death_left_is_cut_off,
						log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(test_kill_9_loses_nothing_that_a_file_is_to_have,
						log_set_up, log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_kill_9_loses_nothing_that_a_slow_or_dead_socket_is_to_have, log_set_up,
			log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_udp_carries_a_record_a_datagram_and_a_closed_port_is_seen, log_set_up,
			log_tear_down),
		cmocka_unit_test(test_targets_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
