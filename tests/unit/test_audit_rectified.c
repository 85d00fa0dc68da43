/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What somebody says of a record about them is shown beside it, in its order, and changes nothing of what is hashed. */
#include "test_audit.h"

#include <jansson.h>

#include "audit/hash.h"
#include "audit/personal.h"
#include "audit/rectified.h"
#include "base/clock.h"

#define DROPS 40

static struct chain *reopen(const struct log *l, const struct personal_keeper *keeper)
{
	const struct chain_options options = {.segment_bytes = 9000, .keeper = keeper};
	struct chain *c = NULL;
	struct fault f = {0};

	if (chain_open(l->path, &options, &c, &f) < 0)
		fail_msg("%s", f.text);
	return c;
}

static void put_drops(struct chain *c)
{
	for (unsigned int i = 0; i < DROPS; i++) {
		const struct audit_record record = {
			.event = AUDIT_EVENT_LIST_BLOCKED,
			.resource = {"source", "198.51.100.7"},
		};

		assert_int_equal(chain_append(c, &record), 0);
	}
	commit(c);
}

static void put_statement(struct chain *c, const char *request, const char *event,
			  const char *statement)
{
	struct audit_details d = {0};
	const struct audit_record record = {
		.event = AUDIT_EVENT_REQUEST_RECTIFIED,
		.actor = {.user_id = "0", .username = "anna", .role = "admin"},
		.resource = {"subject_request", request},
		.details = &d,
	};

	if (event)
		audit_details_string(&d, "event", event);
	audit_details_string(&d, "statement", statement);
	assert_int_equal(chain_append(c, &record), 0);
	commit(c);
}

/* Record @index as people are shown it, and as it is hashed; the caller's references. */
static json_t *show(const struct log *l, uint64_t index, const struct rectified *rectified,
		    const struct personal_opener *opener, json_t **ret_plain)
{
	_cleanup_(text_done) struct text view = {.growing = true};
	_cleanup_(reader_closep) struct reader *reader = NULL;
	struct reader_record record;
	json_t *shown;

	assert_int_equal(reader_open(l->path, &reader, NULL), 0);
	assert_int_equal(reader_seek(reader, index, NULL), 0);
	reader_set_rectified(reader, rectified);
	reader_set_opener(reader, opener);
	assert_int_equal(reader_next(reader, &record, NULL), 1);
	record_put_view(&view, record.data, record.length, &record.view, record.hash);
	shown = json_loadb(view.data, view.length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(shown);
	*ret_plain = json_loadb(record.data, record.length, 0, NULL);
	return shown;
}

static void name_of(const struct log *l, uint64_t index, char ret[static 40])
{
	json_t *plain, *shown = show(l, index, NULL, NULL, &plain);

	snprintf(ret, 40, "%s", json_string_value(json_object_get(plain, "event_id")));
	json_decref(shown);
	json_decref(plain);
}

static struct rectified *load(const struct log *l)
{
	struct rectified *r = NULL;
	struct fault f = {0};

	if (rectified_load(l->path, NULL, NULL, &r, &f) < 0)
		fail_msg("%s", f.text);
	return r;
}

static const char *said(const json_t *record, size_t i, const char *key)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(record, "rectified"), i), key));
}

static void statements_stand_beside_their_record_the_oldest_first(void **state)
{
	const struct log *l = *state;
	struct rectified *rectified;
	char event[40], other[40];
	struct chain *c = reopen(l, NULL);
	json_t *shown, *plain;

	put_drops(c);
	name_of(l, 7, event);
	name_of(l, 30, other);
	put_statement(c, "r1", event, "that was my \"neighbour\"");
	put_drops(c);
	put_statement(c, "r2", other, "another one");
	put_statement(c, "r3", event, "who moved away");
	chain_close(c);
	rectified = load(l);
	assert_false(rectified_is_empty(rectified));
	for (uint64_t index = 0; index < 2 * DROPS + 3; index++) {
		size_t count = index == 7 ? 2 : index == 30;

		shown = show(l, index, rectified, NULL, &plain);
		assert_int_equal(json_array_size(json_object_get(shown, "rectified")), count);
		assert_int_equal(json_object_get(shown, "rectified") != NULL, count > 0);
		if (index == 7) {
			assert_string_equal(said(shown, 0, "statement"),
					    "that was my \"neighbour\"");
			assert_string_equal(said(shown, 0, "request"), "r1");
			assert_string_equal(said(shown, 1, "statement"), "who moved away");
			assert_int_equal(strlen(said(shown, 1, "at")), CLOCK_RFC3339_SIZE - 1);
		}
		/* All else is the record as it was hashed. */
		json_object_del(shown, "rectified");
		json_object_del(shown, "hash");
		assert_true(json_equal(shown, plain));
		json_decref(shown);
		json_decref(plain);
	}
	rectified_free(rectified);
}

static void what_names_no_record_is_beside_none(void **state)
{
	static const char *const events[] = {NULL,
					     "",
					     "7",
					     "not-an-event-id-not-an-event-id-notan",
					     "00000000-0000-8000-8000-000000000000",
					     "00000000-0000-8000-8000-0000000000000000"};
	const struct log *l = *state;
	struct chain *c = reopen(l, NULL);
	struct rectified *rectified;
	json_t *shown, *plain;

	put_drops(c);
	rectified = load(l);
	assert_true(rectified_is_empty(rectified));
	rectified_free(rectified);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		put_statement(c, "r", events[i], "of nothing");
	chain_close(c);
	rectified = load(l);
	for (uint64_t index = 0; index < DROPS; index++) {
		shown = show(l, index, rectified, NULL, &plain);
		assert_null(json_object_get(shown, "rectified"));
		json_decref(shown);
		json_decref(plain);
	}
	rectified_free(rectified);
}

static int seal_all(enum field_kind kind, const char *value, const struct personal_place *place,
		    struct personal_sealed *ret, void *userdata)
{
	(void)kind;
	(void)value;
	(void)place;
	(void)userdata;
	*ret = (struct personal_sealed){.subject = 5};
	return 0;
}

static int sync_nothing(struct fault *reterr, void *userdata)
{
	(void)reterr;
	(void)userdata;
	return 0;
}

static int open_as(const struct personal_sealed *sealed, const struct personal_place *place,
		   struct text *ret, void *userdata)
{
	const int *r = userdata;

	(void)sealed;
	(void)place;
	text_puts(ret, "opened");
	return *r;
}

static void a_statement_is_opened_as_its_record_is(void **state)
{
	const struct personal_keeper keeper = {.seal = seal_all, .sync = sync_nothing};
	int r = 0;
	const struct personal_opener opener = {.open = open_as, .userdata = &r};
	const struct log *l = *state;
	struct chain *c = reopen(l, &keeper);
	struct rectified *rectified;
	json_t *shown, *plain, *words;
	char event[40];

	put_drops(c);
	name_of(l, 3, event);
	put_statement(c, "r1", event, "that was my neighbour");
	chain_close(c);
	rectified = load(l);
	shown = show(l, 3, rectified, &opener, &plain);
	assert_string_equal(said(shown, 0, "statement"), "opened");
	json_decref(shown);
	json_decref(plain);
	r = -ENOENT;
	shown = show(l, 3, rectified, &opener, &plain);
	words = json_object_get(json_array_get(json_object_get(shown, "rectified"), 0),
				"statement");
	assert_string_equal(json_string_value(json_object_get(words, "state")), "erased");
	json_decref(shown);
	json_decref(plain);
	shown = show(l, 3, rectified, NULL, &plain);
	words = json_object_get(json_array_get(json_object_get(shown, "rectified"), 0),
				"statement");
	assert_non_null(json_object_get(words, "sealed"));
	json_decref(shown);
	json_decref(plain);
	rectified_free(rectified);
}

struct found {
	size_t count;
	int answer;
};

static int count(const struct record_view *statement, void *userdata)
{
	struct found *f = userdata;

	assert_memory_equal(statement->event_type.data, "request.rectified",
			    statement->event_type.length);
	f->count++;
	return f->answer;
}

static void who_takes_statements_out_gets_all_of_a_record_or_may_stop(void **state)
{
	const struct log *l = *state;
	struct chain *c = reopen(l, NULL);
	struct found all = {0}, none = {0}, first = {.answer = -ECANCELED};
	uint8_t id[AUDIT_ID_SIZE] = {0};
	struct rectified *rectified;
	struct reader *reader;
	struct reader_record record;
	char event[40];

	put_drops(c);
	name_of(l, 9, event);
	for (int i = 0; i < 3; i++)
		put_statement(c, "r", event, "again");
	chain_close(c);
	rectified = load(l);
	assert_int_equal(reader_open(l->path, &reader, NULL), 0);
	assert_int_equal(reader_seek(reader, 9, NULL), 0);
	assert_int_equal(reader_next(reader, &record, NULL), 1);
	assert_int_equal(rectified_each(rectified, record.view.event_id, count, &all), 0);
	assert_int_equal(all.count, 3);
	assert_int_equal(rectified_each(rectified, record.view.event_id, count, &first),
			 -ECANCELED);
	assert_int_equal(first.count, 1);
	assert_int_equal(rectified_each(rectified, id, count, &none), 0);
	assert_int_equal(none.count, 0);
	reader_close(reader);
	rectified_free(rectified);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, log_set_up, log_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(statements_stand_beside_their_record_the_oldest_first),
		T(what_names_no_record_is_beside_none),
		T(a_statement_is_opened_as_its_record_is),
		T(who_takes_statements_out_gets_all_of_a_record_or_may_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
