/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where limits keep their state, in the real program: who gets a cell and who does not, what happens when
 * there is none, tables that are replaced by larger and smaller ones while packets flow, and that what
 * is said of a bucket is what then passes.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <weir/key.h>

#include "base/address.h"
#include "base/clock.h"
#include "datapath/internal.h"

#define SMALLEST   "state: {sources: 1024}\n"
#define LIMIT	   "limits:\n  - {name: a, scope: source, "
#define SOURCES	   150 /* so few that no five of them ever share one of 1,024 sets */
#define CROWD_FROM 0x0a000000U
#define NEAR_FROM  0x0b000000U

static void policy(const char *state, const char *settings)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml), RUNNER_UNLIMITED "%s" LIMIT "%s}\n", state, settings);
	runner_policy(&runner, yaml);
}

static const char *text_of(uint32_t source)
{
	static char text[INET_ADDRSTRLEN];
	struct in_addr address = {.s_addr = htonl(source)};

	return inet_ntop(AF_INET, &address, text, sizeof(text));
}

static void build(uint32_t source, struct packets_frame *ret)
{
	const struct packets_layer layers[PACKETS_LAYERS_MAX] = {IP4(.from = text_of(source)),
								 UDP()};

	packets_build(layers, ret);
}

/* One packet; returns what it was counted under. */
static unsigned int send_from(uint32_t source)
{
	struct packets_frame frame;
	unsigned int verdict, reason;

	build(source, &frame);
	runner_count_from_here(&runner);
	assert_true(runner_run(&runner, frame.data, frame.length, 0) >= 0);
	runner_counted(&runner, frame.length, &verdict, &reason);
	return reason;
}

static void bucket_of(uint32_t source, struct datapath_bucket *ret)
{
	size_t count;
	const struct weir_limit *limit = datapath_limits(runner.datapath, &count);
	uint8_t address[16];

	assert_int_equal(address_parse(text_of(source), address), 0);
	assert_int_equal(datapath_read_bucket(runner.datapath, limit, address, ret), 0);
}

static uint64_t available(uint32_t source)
{
	struct datapath_bucket bucket;

	bucket_of(source, &bucket);
	return bucket.available;
}

static struct weir_limit_count count_of(uint32_t number)
{
	struct weir_limit_count count;
	size_t limits;
	const struct weir_limit *limit = datapath_limits(runner.datapath, &limits);

	assert_true(number < limits);
	datapath_read_limit_count(runner.datapath, limit[number].slot, &count);
	return count;
}

static uint32_t set_of(uint32_t source, bool coarse)
{
	size_t count;
	const struct weir_limit *limit = datapath_limits(runner.datapath, &count);
	uint64_t seed = datapath_meta(runner.datapath)->hash_seed;
	__u64 words[2] = {0, 0xffff0000ULL | (__u64)htonl(source) << 32};
	struct weir_key_parts parts = {.source = words};
	uint64_t tag = coarse ? weir_key_coarse_tag(limit, &parts, seed)
			      : weir_key_tag(limit, &parts, seed);

	return weir_cell_set_index(tag, datapath_sources(runner.datapath) - 1);
}

/* The next source from *@from on whose cell is in @set; no two of one /24. */
static uint32_t source_in(uint32_t set, uint32_t *from)
{
	for (;;) {
		uint32_t source = *from;

		*from += 256;
		if (set_of(source, false) == set)
			return source;
	}
}

static void an_idle_cell_is_taken_over(void **state)
{
	uint32_t from = CROWD_FROM, set, first;
	struct datapath_bucket bucket;

	(void)state;
	policy(SMALLEST, "rate: 1000/s, burst: 2");
	first = from;
	set = set_of(first, false);
	for (unsigned int i = 0; i < 60; i++) {
		uint32_t source = source_in(set, &from);

		assert_int_equal(send_from(source), WEIR_REASON_WITHIN_LIMIT);
		bucket_of(source, &bucket);
		assert_true(bucket.known);
		usleep(3000);
	}
	bucket_of(first, &bucket);
	assert_false(bucket.known); /* its cell was needed, and said nothing any more */
	assert_int_equal(count_of(0).coarse, 0);
	assert_int_equal(count_of(0).full, 0);
}

/* Fill the set of the source CROWD_FROM with others. */
static void crowd(uint32_t set, uint32_t from, uint32_t ret[static WEIR_CELL_WAYS])
{
	for (unsigned int i = 0; i < WEIR_CELL_WAYS; i++) {
		ret[i] = source_in(set, &from);
		assert_int_equal(send_from(ret[i]), WEIR_REASON_WITHIN_LIMIT);
	}
}

static void a_busy_cell_is_never_taken(void **state)
{
	uint32_t neighbours[WEIR_CELL_WAYS], late = CROWD_FROM;
	struct datapath_bucket bucket;

	(void)state;
	policy(SMALLEST, "rate: 1/h, burst: 3");
	while (set_of(late, false) == set_of(late, true) ||
	       set_of(late, false) == set_of(late + 7, false))
		late += 256;
	crowd(set_of(late, false), late + 256, neighbours);

	/* The fifth shares a cell with its /24, which has the same rate and burst. */
	assert_int_equal(send_from(late), WEIR_REASON_WITHIN_LIMIT);
	assert_int_equal(send_from(late), WEIR_REASON_WITHIN_LIMIT);
	assert_int_equal(send_from(late + 7), WEIR_REASON_WITHIN_LIMIT); /* a cell of its own */
	assert_int_equal(send_from(late), WEIR_REASON_WITHIN_LIMIT);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(send_from(late), WEIR_REASON_OVER_PACKETS);
	assert_int_equal(count_of(0).coarse, 53);
	assert_int_equal(count_of(0).full, 0);
	bucket_of(late, &bucket);
	assert_false(bucket.known);
	for (unsigned int i = 0; i < WEIR_CELL_WAYS; i++)
		assert_int_equal(available(neighbours[i]), 2);
}

static void who_shared_a_cell_gets_no_second_burst(void **state)
{
	uint32_t neighbours[WEIR_CELL_WAYS], late = CROWD_FROM;
	struct weir_cell *left;

	(void)state;
	policy(SMALLEST, "rate: 1/h, burst: 3");
	while (set_of(late, false) == set_of(late, true))
		late += 256;
	crowd(set_of(late, false), late + 256, neighbours);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(send_from(late), WEIR_REASON_WITHIN_LIMIT);
	/* One of them is gone: there is room for a cell of its own, and it is empty like the shared one. */
	left = &runner.datapath->program.cells[set_of(late, false)].cells[0];
	*left = (struct weir_cell){0};
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(send_from(late), WEIR_REASON_OVER_PACKETS);
	assert_int_equal(count_of(0).passed, WEIR_CELL_WAYS + 3);
}

static void without_any_room(const char *on_full, unsigned int reason)
{
	uint32_t own[WEIR_CELL_WAYS], coarse[WEIR_CELL_WAYS], late = CROWD_FROM;
	char settings[100];

	snprintf(settings, sizeof(settings), "rate: 1/h, burst: 3%s", on_full);
	policy(SMALLEST, settings);
	while (set_of(late, false) == set_of(late, true))
		late += 256;
	crowd(set_of(late, false), late + 256, own);
	crowd(set_of(late, true), NEAR_FROM, coarse);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(send_from(late), reason);
	assert_int_equal(count_of(0).full, 10);
	assert_int_equal(count_of(0).coarse, 0);
	for (unsigned int i = 0; i < WEIR_CELL_WAYS; i++) {
		assert_int_equal(available(own[i]), 2);
		assert_int_equal(available(coarse[i]), 2);
	}
}

static void without_any_room_on_full_pass_passes(void **state)
{
	(void)state;
	without_any_room(", on_full: pass", WEIR_REASON_NO_STATE);
}

static void without_any_room_on_full_drop_drops(void **state)
{
	(void)state;
	without_any_room(", on_full: drop", WEIR_REASON_STATE_FULL);
}

static void use_up_some(void)
{
	for (uint32_t i = 0; i < SOURCES; i++)
		for (uint32_t sent = 0; sent < i % 4; sent++)
			assert_int_equal(send_from(CROWD_FROM + i), WEIR_REASON_WITHIN_LIMIT);
}

static void assert_some_used_up(void)
{
	for (uint32_t i = 0; i < SOURCES; i++)
		assert_int_equal(available(CROWD_FROM + i), 3 - i % 4);
}

static void another_size_of_table_keeps_all_state(void **state)
{
	static const unsigned int sizes[] = {4096, 1024, 65536, 2048, 1024, 262144, 1024};

	(void)state;
	policy(SMALLEST, "rate: 1/h, burst: 3");
	use_up_some();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char size[64];

		snprintf(size, sizeof(size), "state: {sources: %u}\n", sizes[i]);
		policy(size, "rate: 1/h, burst: 3");
		assert_int_equal(datapath_sources(runner.datapath), sizes[i]);
		assert_some_used_up();
	}
	for (uint32_t i = 3; i < SOURCES; i += 4)
		assert_int_equal(send_from(CROWD_FROM + i), WEIR_REASON_OVER_PACKETS);
}

/* A daemon put the larger table in place and died before it had moved anything. */
static void begin_moving_and_die(uint32_t sets)
{
	struct datapath *d = runner.datapath;
	struct shape shape = d->program.shape;
	struct program next, old;
	struct fault f = {0};

	shape.cell_sets_was = shape.cell_sets;
	shape.cell_sets = sets;
	shape.features |= WEIR_FEATURE_MOVING;
	if (program_load(d->pin_dir, &d->program, &shape, d->program.seed, &next, &f) < 0 ||
	    program_swap(d, &next, &old, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	program_done(&old);
	/* One source's packet came in between and brought its cell along. */
	assert_int_equal(send_from(CROWD_FROM + 2), WEIR_REASON_WITHIN_LIMIT);
	runner_reopen(&runner);
}

static void a_move_that_was_broken_off_is_finished(void **state)
{
	(void)state;
	policy(SMALLEST, "rate: 1/h, burst: 3");
	use_up_some();
	begin_moving_and_die(8192);
	assert_int_equal(runner.datapath->program.shape.cell_sets_was, 0);
	assert_int_equal(datapath_sources(runner.datapath), 8192);
	for (uint32_t i = 0; i < SOURCES; i++)
		assert_int_equal(available(CROWD_FROM + i), i == 2 ? 0 : 3 - i % 4);
	policy("state: {sources: 2048}\n", "rate: 1/h, burst: 3");
	for (uint32_t i = 3; i < SOURCES; i += 4)
		assert_int_equal(send_from(CROWD_FROM + i), WEIR_REASON_OVER_PACKETS);
}

static void what_is_said_of_a_bucket_is_what_passes(void **state)
{
	static const char *const limits[] = {
		"rate: 1/h, burst: 1",
		"rate: 1/h, burst: 37",
		"rate: 90/h, burst: 37, cost: {other: 3, dns: 3}",
		"byte_rate: 1KiB/s, byte_burst: 100KiB",
		"algorithm: leaky_bucket, rate: 1/h",
		"algorithm: fixed_window, rate: 23/h",
		"algorithm: sliding_window, rate: 23/h",
		"algorithm: fixed_window, byte_rate: 1KiB/s, window: 30s",
	};
	struct packets_frame frame;
	uint32_t source = CROWD_FROM;

	(void)state;
	build(source, &frame);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		bool bytes = strstr(limits[i], "byte_");
		uint64_t cost = bytes ? frame.length : strstr(limits[i], "cost") ? 3 : 1;

		policy(SMALLEST, limits[i]);
		for (unsigned int before = 0; before < 3; before++, source++) {
			struct datapath_bucket bucket;
			uint64_t passing, room, more = 0, since_ns;

			for (unsigned int sent = 0; sent < before; sent++)
				send_from(source);
			since_ns = clock_monotonic_ns();
			bucket_of(source, &bucket);
			room = strstr(limits[i], "leaky") ? bucket.available > 0
							  : bucket.available / cost;
			for (passing = 0; passing <= 2 * room + 2; passing++)
				if (send_from(source) != WEIR_REASON_WITHIN_LIMIT)
					break;
			/* What the bucket of bytes, which is the fastest, got back meanwhile. */
			if (strstr(limits[i], "1KiB/s, byte_burst"))
				more = 1 + (clock_monotonic_ns() - since_ns) * 1024 / NSEC_PER_SEC /
						   cost;
			if (passing < room || passing > room + more)
				fail_msg("%s: %llu passed, not %llu", limits[i],
					 (unsigned long long)passing, (unsigned long long)room);
			bucket_of(source, &bucket);
			assert_true(bucket.known && (bucket.available < cost || more));
			assert_true(bucket.available || bucket.wait_ns);
		}
	}
}

/* As exactly as a sleeper can tell, who may be woken late. */
static void the_wait_that_is_said_is_the_wait(void **state)
{
	struct datapath_bucket bucket;
	struct timespec pause = {0};

	(void)state;
	policy(SMALLEST, "rate: 5/s, burst: 2");
	for (uint32_t source = CROWD_FROM; source < CROWD_FROM + 3; source++) {
		while (send_from(source) == WEIR_REASON_WITHIN_LIMIT)
			;
		bucket_of(source, &bucket);
		assert_true(bucket.wait_ns > 0 && bucket.wait_ns <= 200 * NSEC_PER_MSEC);
		pause.tv_nsec = (long)(bucket.wait_ns + clock_coarse_tick_ns());
		nanosleep(&pause, NULL);
		assert_int_equal(send_from(source), WEIR_REASON_WITHIN_LIMIT);
	}
}

/*
 * Live: the program attached to one end of a veth pair in a network namespace of this process alone, and
 * two threads that send into the other end.
 */
#define HERE  "weirtest0"
#define THERE "weirtest1"

static int ip(const char *const *arguments)
{
	pid_t pid;
	int status, r = posix_spawnp(&pid, "ip", NULL, NULL, (char *const *)(uintptr_t)arguments,
				     environ);

	if (r)
		return r;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

#define IP(...) ip((const char *const[]){"ip", __VA_ARGS__, NULL})

struct sender {
	pthread_t thread;
	int fd;
	volatile bool *stop;
	struct packets_frame frames[2];
	uint64_t sent;
};

static void *send_until_told(void *argument)
{
	struct sender *s = argument;

	while (!*s->stop) {
		for (unsigned int i = 0; i < 2; i++)
			s->sent += send(s->fd, s->frames[i].data, s->frames[i].length, 0) > 0;
		if (s->sent % 64 == 0)
			usleep(200); /* some time for whoever else needs the CPU */
	}
	return NULL;
}

static void sender_start(struct sender *s, volatile bool *stop)
{
	static const struct packets_layer udp[PACKETS_LAYERS_MAX] = {IP4(), UDP()};
	static const struct packets_layer tcp[PACKETS_LAYERS_MAX] = {IP4(), TCP()};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(THERE),
	};

	s->stop = stop;
	packets_build(udp, &s->frames[0]);
	packets_build(tcp, &s->frames[1]);
	s->fd = socket(AF_PACKET, SOCK_RAW, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, send_until_told, s), 0);
}

/* A policy that limits each source's UDP and everybody's TCP, with a table of so many sets. */
static void live_policy(unsigned int sets)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
		 RUNNER_UNLIMITED
		 "state: {sources: %u}\n"
		 "services: {u: {proto: udp}, t: {proto: tcp}}\n"
		 "limits:\n"
		 "  - {name: each, scope: source, service: u, rate: 1000/s, burst: 300}\n"
		 "  - {name: all, scope: service, service: t, rate: 2000/s, burst: 500}\n",
		 sets);
	runner_policy(&runner, yaml);
}

static void assert_within(uint32_t limit, double rate, double burst, double seconds)
{
	double passed = (double)count_of(limit).passed;

	print_message("admitted %.0f, at most %.1f\n", passed, burst + rate * seconds);
	assert_true(passed <= burst + rate * seconds);
	assert_true(passed >= rate * seconds / 2);
}

static void a_table_is_replaced_while_packets_flow(void **state)
{
	static const unsigned int sizes[] = {4096, 1024, 65536, 1024, 2048, 1024, 262144, 1024};
	struct sender senders[2] = {0};
	volatile bool stop = false;
	struct fault f = {0};
	uint64_t began_ns;
	bool adopted;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 ||
	    IP("link", "add", HERE, "type", "veth", "peer", "name", THERE) ||
	    IP("link", "set", HERE, "up") || IP("link", "set", THERE, "up")) {
		print_message("skipped: no veth pair in a network namespace of our own\n");
		skip();
	}
	live_policy(1024);
	if (datapath_attach(runner.datapath, HERE, false, &adopted, &f) < 0)
		fail_msg("%s: %s", f.code, f.text);
	began_ns = clock_monotonic_ns();
	for (unsigned int i = 0; i < 2; i++)
		sender_start(&senders[i], &stop);
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		live_policy(sizes[i % (sizeof(sizes) / sizeof(sizes[0]))]);
		usleep(50000);
	}
	stop = true;
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(senders[i].thread, NULL);
		close(senders[i].fd);
	}
	usleep(100000); /* what is still on its way */
	print_message("sent %llu\n", (unsigned long long)(senders[0].sent + senders[1].sent));
	for (uint32_t i = 0; i < 2; i++) {
		double seconds = (double)(clock_monotonic_ns() - began_ns) / NSEC_PER_SEC;

		assert_within(i, i ? 2000 : 1000, i ? 500 : 300, seconds);
	}
}

#define STATE_TEST(name) cmocka_unit_test_setup_teardown(name, open_runner, close_runner)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STATE_TEST(an_idle_cell_is_taken_over),
		STATE_TEST(a_busy_cell_is_never_taken),
		STATE_TEST(who_shared_a_cell_gets_no_second_burst),
		STATE_TEST(without_any_room_on_full_pass_passes),
		STATE_TEST(without_any_room_on_full_drop_drops),
		STATE_TEST(another_size_of_table_keeps_all_state),
		STATE_TEST(a_move_that_was_broken_off_is_finished),
		STATE_TEST(what_is_said_of_a_bucket_is_what_passes),
		STATE_TEST(the_wait_that_is_said_is_the_wait),
		STATE_TEST(a_table_is_replaced_while_packets_flow),
	};

	return runner_run_group("state", tests, NULL, NULL);
}
