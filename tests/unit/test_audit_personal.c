/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values about people in records: which they are, how they are written, and that the form is read strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/hash.h"
#include "audit/record.h"
#include "base/cleanup.h"
#include "base/fs.h"

static const uint8_t id[AUDIT_ID_SIZE] = {1};
static const uint8_t previous[AUDIT_HASH_SIZE];

/* What was asked to be sealed, "path=value " after the other; the subject is its number. */
struct fake {
	struct text asked;
	bool fails;
};

static int fake_seal(enum field_kind kind, const char *value, const struct personal_place *place,
		     struct personal_sealed *ret, void *userdata)
{
	struct fake *f = userdata;

	(void)kind;
	assert_memory_equal(place->event_id, id, sizeof(id));
	if (f->fails)
		return -ENOKEY;
	text_printf(&f->asked, "%s=%s ", place->path, value);
	*ret = (struct personal_sealed){.subject = 1, .commitment = {0xfb, 0xff}};
	return 0;
}

static void write_with(struct fake *f, enum personal_mode mode, const struct audit_record *r,
		       struct text *t)
{
	struct personal_keeper keeper = {.seal = fake_seal, .userdata = f};
	const struct audit_position at = {
		.event_id = id, .previous_hash = previous, .keeper = &keeper};
	struct record_view view;

	personal_set_mode(&keeper, audit_event_category(r->event), mode);
	text_init_growing(t);
	record_write(r, &at, t);
	assert_false(t->truncated);
	assert_int_equal(record_parse(t->data, t->length, &view), 0);
}

static void list_add(struct audit_record *ret, struct audit_details *details)
{
	*details = (struct audit_details){0};
	audit_details_string(details, "origin", "operator");
	audit_details_string(details, "reason", "scan from 198.51.100.7:80.");
	*ret = (struct audit_record){
		.event = AUDIT_EVENT_LIST_ADD,
		.actor = {.user_id = "1000", .username = "erika", .role = "admin"},
		.resource = {"block", "198.51.100.7"},
		.details = details,
		.time_ns = 1,
	};
}

static void operators(void **state)
{
	_cleanup_(text_done) struct text t = {0};
	struct fake f = {.asked.growing = true};
	struct audit_details details;
	struct audit_record r;

	(void)state;
	list_add(&r, &details);
	write_with(&f, PERSONAL_SEALED, &r, &t);
	assert_string_equal(f.asked.data,
			    "actor.user_id=1000 actor.username=erika "
			    "details.reason=scan from 198.51.100.7:80. resource.id=198.51.100.7 ");
	assert_non_null(strstr(t.data, "\"origin\":\"operator\""));
	assert_non_null(strstr(
		t.data,
		"\"resource\":{\"id\":{\"sealed\":\"-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		"\"subject\":\"AAAAAAAAAAE\"},\"type\":\"block\"}"));
	text_done(&f.asked);
}

static void truncated(void **state)
{
	_cleanup_(text_done) struct text mode = {0}, failed = {0};
	struct fake f = {.fails = true};
	struct audit_details details;
	struct audit_record r;

	(void)state;
	list_add(&r, &details);
	write_with(&f, PERSONAL_TRUNCATED, &r, &mode);
	assert_non_null(strstr(mode.data, "\"id\":\"198.51.100.0/24\""));
	assert_non_null(strstr(mode.data, "\"username\":\"\""));
	assert_non_null(strstr(mode.data, "\"user_id\":\"\""));
	assert_non_null(strstr(mode.data, "\"reason\":\"scan from 198.51.100.0/24:80.\""));
	/* What cannot be sealed is written the same. */
	write_with(&f, PERSONAL_SEALED, &r, &failed);
	assert_string_equal(mode.data, failed.data);
}

static void clear(void **state)
{
	_cleanup_(text_done) struct text t = {0};
	struct fake f = {.fails = true};
	struct audit_details details;
	struct audit_record r;

	(void)state;
	list_add(&r, &details);
	write_with(&f, PERSONAL_CLEAR, &r, &t);
	assert_non_null(strstr(t.data, "\"username\":\"erika\""));
	assert_non_null(strstr(t.data, "\"id\":\"198.51.100.7\""));
}

static void the_daemon(void **state)
{
	_cleanup_(text_done) struct text t = {0};
	struct fake f = {.asked.growing = true};
	struct audit_details details = {0};
	struct audit_record r = {
		.event = AUDIT_EVENT_FEED_REFUSED,
		.actor = {.user_id = "0", .username = "weir", .role = "system"},
		.resource = {"source", "other sources"},
		.details = &details,
	};

	(void)state;
	audit_details_string(&details, "reason", "over_packets");
	audit_details_string(&details, "sources", "none");
	audit_details_string(&details, "error", "line 3: 192.0.2.1 is the gateway");
	audit_details_string(&details, "was_set_by", "erika");
	write_with(&f, PERSONAL_SEALED, &r, &t);
	assert_string_equal(f.asked.data, "details.error=line 3: 192.0.2.1 is the gateway "
					  "details.was_set_by=erika ");
	text_done(&f.asked);
}

static void addresses_in_text(void **state)
{
	static const struct {
		const char *text, *cut;
	} cases[] = {
		{"", ""},
		{":", ":"},
		{"a: b, c/d. ::", "a: b, c/d. ::/48"},
		{"192.0.2.1", "192.0.2.0/24"},
		{"192.0.2.1.", "192.0.2.0/24."},
		{"(192.0.2.1:53)", "(192.0.2.0/24:53)"},
		{"22:192.0.2.1", "22:192.0.2.0/24"},
		{"/v1/source/192.0.2.1", "/v1/source/192.0.2.0/24"},
		{"beef/192.0.2.1/32", "beef/192.0.2.0/24"},
		{"192.0.2.1, 10.0.0.0/8", "192.0.2.0/24, 10.0.0.0/8"},
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"10.1.2.3/64", "10.1.2.0/24/64"},
		{"[2001:db8:1:2::3]:80", "[2001:db8:1::/48]:80"},
		{"fe80::1%eth0", "fe80::/48%eth0"},
		{"host192.0.2.1", "host192.0.2.1"},
		{"12:30:00 and deadbeef", "12:30:00 and deadbeef"},
		{"::ffff:192.0.2.1", "192.0.2.0/24"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(text_done) struct text t = {.growing = true};

		text_put(&t, "", 0);
		personal_put_cut(&t, cases[i].text);
		assert_string_equal(t.data, cases[i].cut);
		assert_int_equal(personal_has_address(cases[i].text),
				 strcmp(cases[i].text, cases[i].cut) != 0);
	}
}

#define SEALED                                                                                     \
	"{\"sealed\":\"-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"subject\":\"AAAAAAAAAAE\"}"

static int parse_form(const char *form)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	struct record_view view;

	text_printf(
		&t,
		"{\"action\":\"add\",\"actor\":{\"ip_address\":\"\",\"role\":\"\",\"user_id\":%s,"
		"\"username\":\"\"},\"details\":{\"reason\":%s},\"event_id\":"
		"\"01234567-89ab-8def-8011-223344556677\",\"event_type\":\"list.add\",\"index\":7,"
		"\"outcome\":\"success\",\"previous_hash\":\"ab00000000000000000000000000000000"
		"0000000000000000000000000000cd\",\"resource\":{\"id\":%s,\"type\":\"block\"},"
		"\"severity\":2,\"timestamp\":\"2026-11-20T23:37:00.123456789Z\"}",
		form, form, form);
	if (record_parse(t.data, t.length, &view) < 0)
		return -EINVAL;
	return (int)view.sealed_count;
}

static void strictly(void **state)
{
	(void)state;
	assert_int_equal(parse_form("\"x\""), 0);
	assert_int_equal(parse_form(SEALED), 3);
	assert_true(parse_form("{}") < 0);
	assert_true(parse_form("null") < 0);
	assert_true(parse_form("{\"sealed\":\"\",\"subject\":\"\"}") < 0);
	for (size_t i = 0; i < strlen(SEALED); i++) {
		char changed[] = SEALED;

		/* Cut, lengthened, or with another character: a form that stands for no value. */
		changed[i] = '!';
		assert_true(parse_form(changed) < 0);
		memmove(changed + i, SEALED + i + 1, strlen(SEALED) - i);
		assert_true(parse_form(changed) < 0);
	}
	/* Bits that are left over must be zero: B instead of A in the last place. */
	assert_true(parse_form("{\"sealed\":\"-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\","
			       "\"subject\":\"AAAAAAAAAAE\"}") < 0);
	assert_true(parse_form("{\"sealed\":\"-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
			       "\"subject\":\"AAAAAAAAAAF\"}") < 0);
	assert_true(parse_form("{\"sealed\":\"-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
			       "\"state\":\"erased\",\"subject\":\"AAAAAAAAAAE\"}") < 0);
}

static void subjects(void **state)
{
	static const uint64_t numbers[] = {0, 1, UINT64_MAX, 0x123456789abcdef0};
	char text[PERSONAL_SUBJECT_TEXT + 1];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		personal_subject_format(numbers[i], text);
		assert_int_equal(strlen(text), PERSONAL_SUBJECT_TEXT);
		assert_int_equal(personal_subject_parse(text, strlen(text), &back), 0);
		assert_true(back == numbers[i]);
	}
	assert_int_equal(personal_subject_parse("AAAAAAAAAA", 10, &back), -EINVAL);
}

static void the_table(void **state)
{
	const struct audit_field *field, *before = NULL;

	(void)state;
	for (size_t i = 0; (field = audit_field(i)); before = field, i++) {
		assert_true(!before || strcmp(before->path, field->path) < 0);
		assert_ptr_equal(audit_field_find(field->path), field);
		assert_true(*field->words);
		assert_int_equal(field->kind == AUDIT_FIELD_OTHER,
				 field->field_class >= AUDIT_FIELD_OPERATIONAL);
	}
	assert_int_equal(audit_field_find("details.no_such_key")->kind, AUDIT_FIELD_TEXT);
	assert_int_equal(audit_field_of_resource("source")->kind, AUDIT_FIELD_ADDRESS);
}

/* Each match of @pattern in a source has its key in group 1. */
static void check_source(const char *path, const char *source, const char *pattern,
			 const char *format)
{
	regmatch_t match[2];
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
	while (regexec(&regex, source, 2, match, 0) == 0) {
		char key[64], row[96];

		snprintf(key, sizeof(key), "%.*s", (int)(match[1].rm_eo - match[1].rm_so),
			 source + match[1].rm_so);
		snprintf(row, sizeof(row), format, key);
		if (!*audit_field_find(row)->path)
			fail_msg("%s: %s has no row in user/audit/field.def", path, row);
		source += match[0].rm_eo;
	}
	regfree(&regex);
}

static unsigned int sources;

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	_cleanup_free_ char *source = NULL;
	size_t length = strlen(path);

	(void)st;
	(void)ftw;
	if (type != FTW_F || strcmp(path + length - 2, ".c") != 0)
		return 0;
	assert_int_equal(fs_read_file(path, 1 << 20, &source, &length, NULL), 0);
	check_source(path, source, "audit_details_[a-z0-9]+\\([^,()]*,[[:space:]]*\"([a-z0-9_]+)\"",
		     "details.%s");
	check_source(path, source, "put_[a-z]+\\(&details, \"([a-z0-9_]+)\"", "details.%s");
	check_source(path, source, "resource = \\{\"([a-z_]+)\"", "resource.id(%s)");
	sources++;
	return 0;
}

static void every_key(void **state)
{
	(void)state;
	assert_int_equal(nftw("user", visit, 8, FTW_PHYS), 0);
	assert_true(sources > 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"who did it, to whom and why is sealed; the rest is not", operators, NULL, NULL,
		 NULL},
		{"truncated: networks and no names, also where sealing fails", truncated, NULL,
		 NULL, NULL},
		{"clear: as it is", clear, NULL, NULL, NULL},
		{"the daemon is nobody, and speaks of people by their addresses", the_daemon, NULL,
		 NULL, NULL},
		{"an address is found in any text, and nothing else is cut", addresses_in_text,
		 NULL, NULL, NULL},
		{"what is sealed has one form, and no other is read", strictly, NULL, NULL, NULL},
		{"a subject has one text", subjects, NULL, NULL, NULL},
		{"the inventory is sorted, and says what each value is", the_table, NULL, NULL,
		 NULL},
		{"every detail and resource in the code has a row in it", every_key, NULL, NULL,
		 NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
