/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events one by one: their file is what its record says, is found when it is changed, and may be removed. */
#include "test_audit.h"

#include <dirent.h>

#include "audit/evidence.h"

static void make(const struct log *l, unsigned int events)
{
	_cleanup_(chain_closep) struct chain *c = log_open(l, 0);
	_cleanup_(evidence_done) struct evidence e = {.dir = -1};
	uint8_t event[EVIDENCE_EVENT_SIZE] = {0};

	assert_int_equal(evidence_open(&e, l->path), 0);
	for (unsigned int i = 0; i < events; i++) {
		event[3] = (uint8_t)i;
		event[40] = (uint8_t)(i >> 8);
		evidence_add(&e, event, 2);
	}
	evidence_close(&e, c);
	evidence_close(&e, c); /* without events it is nothing */
	add(c, 1);
	commit(c);
}

/* The only file of events, below the log. */
static void find(const struct log *l, char ret[static 80])
{
	char path[160];
	struct dirent *entry;
	DIR *dir;

	file_path(l, EVIDENCE_DIR, path);
	dir = opendir(path);
	assert_non_null(dir);
	*ret = '\0';
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(ret, 80, EVIDENCE_DIR "/%.64s", entry->d_name);
	closedir(dir);
	assert_int_equal(strlen(ret), strlen(EVIDENCE_DIR) + 65);
}

static void events_are_kept_as_their_record_says(void **state)
{
	const struct log *l = *state;
	char name[80];
	struct bytes b;

	make(l, 1000);
	assert_in_order(l, 2);
	assert_int_equal(verdict(l).evidence, 1);
	assert_last(
		l, 2, "traffic.evidence",
		"{\"event_bytes\":64,\"events\":1000,\"left_out\":0,\"packets\":2000,\"root\":\"");
	find(l, name);
	b = file_get(l, name);
	assert_int_equal(b.length, 64000);
	bytes_done(&b);
}

static void a_changed_event_is_found(void **state)
{
	const struct log *l = *state;
	char name[80];
	struct bytes b;

	make(l, 5);
	find(l, name);
	b = file_get(l, name);
	for (size_t at = 0; at < b.length; at += 7) {
		file_poke(l, name, at, b.data[at] ^ 1);
		assert_finding(l, AUDIT_FINDING_EVIDENCE, 0);
		file_poke(l, name, at, b.data[at]);
	}
	file_put(l, name, b.data, b.length - EVIDENCE_EVENT_SIZE);
	assert_finding(l, AUDIT_FINDING_EVIDENCE, 0);
	file_put(l, name, b.data, b.length);
	assert_in_order(l, 2);
	bytes_done(&b);
}

static void removed_events_leave_a_log_that_verifies(void **state)
{
	const struct log *l = *state;
	char name[80];

	make(l, 5);
	find(l, name);
	file_remove(l, name);
	assert_in_order(l, 2);
	assert_int_equal(verdict(l).evidence, 0);
	assert_int_equal(verdict(l).evidence_gone, 1);
}

static void too_many_events_are_counted(void **state)
{
	const struct log *l = *state;

	make(l, EVIDENCE_EVENTS_MAX + 3);
	assert_in_order(l, 2);
	assert_last(l, 2, "traffic.evidence",
		    "{\"event_bytes\":64,\"events\":65536,\"left_out\":3,\"packets\":131072,");
}

/* By the definition, recursively. */
static void define_root(struct hasher *h, const uint8_t *events, size_t count, uint8_t *ret)
{
	uint8_t nodes[1 + 2 * AUDIT_HASH_SIZE] = {1};
	size_t left = 1;

	if (count == 1) {
		hash_leaf(h, events, EVIDENCE_EVENT_SIZE, ret);
		return;
	}
	while (2 * left < count)
		left *= 2;
	define_root(h, events, left, nodes + 1);
	define_root(h, events + left * EVIDENCE_EVENT_SIZE, count - left,
		    nodes + 1 + AUDIT_HASH_SIZE);
	hash_bytes(h, nodes, sizeof(nodes), ret);
}

static void the_root_is_that_of_rfc_6962(void **state)
{
	static uint8_t events[70 * EVIDENCE_EVENT_SIZE];
	uint8_t wanted[AUDIT_HASH_SIZE], root[AUDIT_HASH_SIZE];
	struct hasher h;

	(void)state;
	assert_int_equal(hasher_init(&h), 0);
	for (size_t i = 0; i < sizeof(events); i++)
		events[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t count = 1; count <= 70; count++) {
		define_root(&h, events, count, wanted);
		evidence_root(&h, events, count, root);
		assert_memory_equal(root, wanted, sizeof(root));
	}
	hasher_done(&h);
}

int main(void)
{
#define TEST(words, name)                                                                          \
	{                                                                                          \
		words, name, log_set_up, log_tear_down, NULL                                       \
	}
	static const struct CMUnitTest tests[] = {
		TEST("events are kept as their record says", events_are_kept_as_their_record_says),
		TEST("a changed event is found", a_changed_event_is_found),
		TEST("removed events leave a log that verifies",
		     removed_events_leave_a_log_that_verifies),
		TEST("too many events are counted", too_many_events_are_counted),
		TEST("the root is that of RFC 6962", the_root_is_that_of_rfc_6962),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
