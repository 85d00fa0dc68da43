/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bytes of a record: canonical, hashable with stock tools, bounded, and read back strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/crc32c.h"
#include "audit/hash.h"
#include "audit/record.h"
#include "base/cleanup.h"

static const uint8_t id[AUDIT_ID_SIZE] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x8d, 0xef,
					  0x80, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
static const uint8_t previous[AUDIT_HASH_SIZE] = {0xab, [31] = 0xcd};
static const struct audit_position position = {
	.index = 7,
	.event_id = id,
	.previous_hash = previous,
};

/* Written out by hand from RFC 8785: sorted members, no blanks, shortest escapes. */
static const char golden[] =
	"{\"action\":\"add\",\"actor\":{\"ip_address\":\"\",\"role\":\"admin\",\"user_id\":\"0\","
	"\"username\":\"root\"},\"details\":{\"bytes\":9007199254740991,\"huge\":"
	"\"9007199254740992\",\"reason\":\"a\\\"b\\\\c\\n\\u001f\xc3\xa9\xef\xbf\xbd\",\"ttl\":0,"
	"\"urgent\":true},\"event_id\":\"01234567-89ab-8def-8011-223344556677\",\"event_type\":"
	"\"list.add\",\"index\":7,\"outcome\":\"success\",\"previous_hash\":"
	"\"ab000000000000000000000000000000000000000000000000000000000000cd\",\"resource\":{"
	"\"id\":\"198.51.100.0/24\",\"type\":\"block\"},\"severity\":2,\"timestamp\":"
	"\"2026-11-20T23:37:00.123456789Z\"}";

static void golden_record(struct audit_record *ret, struct audit_details *details)
{
	*details = (struct audit_details){0};
	audit_details_bool(details, "urgent", true);
	audit_details_u64(details, "ttl", 0);
	audit_details_string(details, "reason", "a\"b\\c\n\x1f\xc3\xa9\xff");
	audit_details_u64(details, "huge", 1ULL << 53);
	audit_details_u64(details, "bytes", (1ULL << 53) - 1);
	*ret = (struct audit_record){
		.event = AUDIT_EVENT_LIST_ADD,
		.actor = {.user_id = "0", .username = "root", .role = "admin"},
		.resource = {"block", "198.51.100.0/24"},
		.details = details,
		.time_ns = 1795217820123456789,
	};
}

static void write_to(struct text *t, const struct audit_record *r)
{
	text_init_growing(t);
	record_write(r, &position, t);
	assert_false(t->truncated);
}

static void canonical_bytes(void **unused)
{
	_cleanup_(text_done) struct text t = {0};
	struct audit_details details;
	struct audit_record r;

	(void)unused;
	golden_record(&r, &details);
	write_to(&t, &r);
	assert_string_equal(t.data, golden);
}

static void defaults(void **unused)
{
	_cleanup_(text_done) struct text t = {0};
	struct audit_record r = {.event = AUDIT_EVENT_SYSTEM_DETACH, .outcome = AUDIT_FAILURE};
	struct record_view view;

	(void)unused;
	write_to(&t, &r);
	assert_int_equal(record_parse(t.data, t.length, &view), 0);
	assert_int_equal(view.severity, 4);
	assert_memory_equal(view.action.data, "detach\"", 7);
	assert_memory_equal(view.outcome.data, "failure\"", 8);
	assert_memory_equal(view.details.data, "{},", 3);
	assert_non_null(
		strstr(t.data, "\"role\":\"system\",\"user_id\":\"\",\"username\":\"weir\""));
}

static void leaf_hash(void **unused)
{
	struct hasher h;
	uint8_t hash[AUDIT_HASH_SIZE];
	char hex[AUDIT_HASH_TEXT];

	(void)unused;
	assert_int_equal(hasher_init(&h), 0);
	/* RFC 6962: the leaf hash of the empty string is SHA-256 of one zero byte. */
	hash_leaf(&h, "", 0, hash);
	hex_format(hash, sizeof(hash), hex);
	assert_string_equal(hex,
			    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
	hash_leaf(&h, golden, sizeof(golden) - 1, hash);
	hex_format(hash, sizeof(hash), hex);
	/* { printf '\0'; cat golden; } | sha256sum */
	assert_string_equal(hex,
			    "92b8971059a4d9ec00e6557aedae63829cec52d18a2796898f59fb1f35e82f29");
	hasher_done(&h);
}

static void event_ids(void **unused)
{
	struct hasher h;
	uint8_t a[AUDIT_ID_SIZE], b[AUDIT_ID_SIZE];

	(void)unused;
	assert_int_equal(hasher_init(&h), 0);
	hash_event_id(&h, id, 7, a);
	hash_event_id(&h, id, 8, b);
	assert_memory_not_equal(a, b, sizeof(a));
	hash_event_id(&h, id, 7, b);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(a[6] >> 4, 8);
	assert_int_equal(a[8] >> 6, 2);
	hasher_done(&h);
}

static void length_limit(void **unused)
{
	static char value[AUDIT_RECORD_MAX + 1], buffer[AUDIT_RECORD_MAX + 1];
	struct audit_details details = {0};
	struct audit_record r = {.event = AUDIT_EVENT_LIST_ADD, .details = &details, .time_ns = 1};
	struct text t;
	size_t rest;

	(void)unused;
	audit_details_string(&details, "x", value);
	text_init(&t, buffer, sizeof(buffer));
	record_write(&r, &position, &t);
	rest = AUDIT_RECORD_MAX - t.length;
	memset(value, 'v', rest);
	text_init(&t, buffer, sizeof(buffer));
	record_write(&r, &position, &t);
	assert_false(t.truncated);
	assert_int_equal(t.length, AUDIT_RECORD_MAX);
	value[rest] = 'v';
	text_init(&t, buffer, sizeof(buffer));
	record_write(&r, &position, &t);
	assert_true(t.truncated);
}

static void most_details(void **unused)
{
	static char keys[AUDIT_DETAILS_MAX][8];
	_cleanup_(text_done) struct text t = {0};
	struct audit_details details = {0};
	struct audit_record r = {.event = AUDIT_EVENT_LIST_ADD, .details = &details};
	struct record_view view;

	(void)unused;
	for (unsigned int i = 0; i < AUDIT_DETAILS_MAX; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%02u", AUDIT_DETAILS_MAX - i);
		audit_details_u64(&details, keys[i], i);
	}
	write_to(&t, &r);
	assert_int_equal(record_parse(t.data, t.length, &view), 0);
	assert_memory_equal(view.details.data, "{\"k01\":31,\"k02\":30,", 19);
}

static void read_back(void **unused)
{
	struct record_view view;

	(void)unused;
	assert_int_equal(record_parse(golden, sizeof(golden) - 1, &view), 0);
	assert_int_equal(view.index, 7);
	assert_int_equal(view.severity, 2);
	assert_memory_equal(view.event_id, id, sizeof(id));
	assert_memory_equal(view.previous_hash, previous, sizeof(previous));
	assert_int_equal(view.event_type.length, strlen("list.add"));
	assert_memory_equal(view.event_type.data, "list.add", 8);
	assert_memory_equal(view.timestamp.data, "2026-11-20T", 11);
	assert_int_equal(view.resource.length,
			 strlen("{\"id\":\"198.51.100.0/24\",\"type\":\"block\"}"));
}

static void cut_or_extended(void **unused)
{
	struct record_view view;

	(void)unused;
	for (size_t length = 0; length < sizeof(golden) - 1; length++) {
		/* A copy of its own, so that reading past the end is seen. */
		char *copy = malloc(length + 1);

		assert_non_null(copy);
		memcpy(copy, golden, length);
		copy = realloc(copy, length ? length : 1);
		assert_true(record_parse(copy, length, &view) < 0);
		free(copy);
	}
	assert_true(record_parse(golden, sizeof(golden), &view) < 0);
}

/* Replace @from in the golden record, which occurs once, by @to. */
static int parse_with(const char *from, const char *to)
{
	_cleanup_(text_done) struct text t = {0};
	const char *at = strstr(golden, from);
	struct record_view view;

	assert_non_null(at);
	text_init_growing(&t);
	text_put(&t, golden, (size_t)(at - golden));
	text_puts(&t, to);
	text_puts(&t, at + strlen(from));
	return record_parse(t.data, t.length, &view);
}

static void liberties(void **unused)
{
	static const char *const details = "\"ttl\":0";

	(void)unused;
	assert_int_equal(parse_with(details, "\"ttl\":0"), 0);
	assert_int_equal(parse_with(details, "\"ttl\":-12"), 0);
	assert_int_equal(parse_with(details, "\"ttl\":[1,{\"a\":[]},null,false]"), 0);
	assert_int_equal(parse_with(details, "\"ttl\":[[[[[[1]]]]]]"), 0);

	assert_true(parse_with(details, "\"ttl\":[[[[[[[1]]]]]]]") < 0);
	assert_true(parse_with(details, "\"ttl\":00") < 0);
	assert_true(parse_with(details, "\"ttl\":-0") < 0);
	assert_true(parse_with(details, "\"ttl\":1.5") < 0);
	assert_true(parse_with(details, "\"ttl\":1e3") < 0);
	assert_true(parse_with(details, "\"ttl\":9007199254740992") < 0);
	assert_true(parse_with(details, "\"ttl\": 0") < 0);
	assert_true(parse_with(details, "\"ttl\":") < 0);
	assert_true(parse_with(details, "\"ttl\":[1,]") < 0);
	assert_true(parse_with(details, "\"ttl\":[1}") < 0);
	assert_true(parse_with(details, "\"ttl\":\"\\u0041\"") < 0);
	assert_true(parse_with(details, "\"ttl\":\"\\/\"") < 0);
	assert_true(parse_with(details, "\"ttl\":\"\t\"") < 0);
	assert_true(parse_with(details, "\"ttl\":\"\xc3\"") < 0);
	assert_true(parse_with("\"severity\":2", "\"severity\":6") < 0);
	assert_true(parse_with("\"severity\":2", "\"severity\":0") < 0);
	assert_true(parse_with("\"index\":7", "\"index\":07") < 0);
	assert_true(parse_with("89ab-8def", "89AB-8def") < 0);
	assert_true(parse_with("ab0000", "AB0000") < 0);
}

static void view_with_hash(void **unused)
{
	_cleanup_(text_done) struct text t = {0};
	uint8_t hash[AUDIT_HASH_SIZE] = {0x12};
	struct record_view view;
	const char *member;

	(void)unused;
	text_init_growing(&t);
	assert_int_equal(record_parse(golden, sizeof(golden) - 1, &view), 0);
	record_put_view(&t, golden, sizeof(golden) - 1, &view, hash);
	member = strstr(t.data, ",\"hash\":\"12000");
	assert_non_null(member);
	assert_memory_equal(member + 9 + 64, "\",\"index\":7", 11);
	/* Without the member it is the record again. */
	memmove(t.data + (member - t.data), member + 74, strlen(member + 74) + 1);
	assert_string_equal(t.data, golden);
}

static void every_event(void **unused)
{
	(void)unused;
	for (int e = 0; e < AUDIT_EVENT_MAX; e++) {
		const char *name = audit_event_to_str((enum audit_event)e);
		size_t word = strspn(name, "abcdefghijklmnopqrstuvwxyz_");

		assert_true(strlen(name) <= 32 && name[word] == '.' && name[word + 1]);
		assert_true(*audit_event_words((enum audit_event)e));
		for (int other = 0; other < e; other++)
			assert_string_not_equal(name, audit_event_to_str((enum audit_event)other));
	}
}

static void checksums(void **unused)
{
	uint8_t data[1000];

	(void)unused;
	/* RFC 3720, B.4, and the usual check value. */
	memset(data, 0, 32);
	assert_int_equal(crc32c(0, data, 32), 0x8a9136aa);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37);
	for (size_t i = 0; i < sizeof(data); i++) {
		assert_int_equal(crc32c(0, data, i), crc32c_portable(0, data, i));
		assert_int_equal(crc32c(crc32c(0, data, i), data + i, sizeof(data) - i),
				 crc32c(0, data, sizeof(data)));
	}
}

static void hash_alone(struct hasher *h, const struct sha256_message *m, uint8_t *ret)
{
	hash_begin(h);
	hash_add(h, m->head, m->head_length);
	hash_add(h, m->data, m->length);
	hash_end(h, ret);
}

static void assert_hashes(struct hasher *h, const struct sha256_message *m, unsigned int count)
{
	uint8_t got[HASH_MANY_MAX][AUDIT_HASH_SIZE], wanted[AUDIT_HASH_SIZE];

	hash_many(h, m, count, got);
	for (unsigned int i = 0; i < count; i++) {
		hash_alone(h, &m[i], wanted);
		assert_memory_equal(got[i], wanted, sizeof(wanted));
	}
}

/* All lengths around the ends of blocks against each other, all up to a record's largest by itself. */
static void assert_two_messages(struct hasher *h, const uint8_t *data)
{
	for (size_t i = 0; i < 4 * 260 * 260; i++) {
		const struct sha256_message m[] = {
			{data + 9, data, i % 2, i / 2 % 260},
			{data + 7, data + 1, i / 2 % 2 * 64, i / 4 / 260 % 260}};

		assert_hashes(h, m, 2);
	}
	for (size_t i = 0; i <= AUDIT_RECORD_MAX; i += i < 1000 ? 1 : 997) {
		const struct sha256_message m[] = {{"", data, 1, i}, {"", data + 1, 1, i}};

		assert_hashes(h, m, 2);
	}
}

/* As many as there may be and fewer, of one length, of different ones, and one far longer than the others. */
static void assert_many_messages(struct hasher *h, const uint8_t *data)
{
	struct sha256_message m[HASH_MANY_MAX];

	for (size_t length = 0; length < 700; length++) {
		for (unsigned int i = 0; i < HASH_MANY_MAX; i++)
			m[i] = (struct sha256_message){data + i, data + 2 * i, length % 65,
						       length + length % 5 * i};
		assert_hashes(h, m, HASH_MANY_MAX);
		m[length % HASH_MANY_MAX].length = length * 90;
		assert_hashes(h, m, 1 + (unsigned int)length % HASH_MANY_MAX);
	}
}

static void messages_at_once(void **unused)
{
	uint8_t *data = malloc(AUDIT_RECORD_MAX + 100);
	struct hasher h;

	(void)unused;
	assert_non_null(data);
	assert_int_equal(hasher_init(&h), 0);
	for (size_t i = 0; i < AUDIT_RECORD_MAX + 100; i++)
		data[i] = (uint8_t)(i * 37 + i / 256);
	for (unsigned int way = 0; way < 3; way++) {
		if (way != 1)
			assert_two_messages(&h, data);
		assert_many_messages(&h, data);
		/* As on a CPU without the instructions. */
		h.wide = false;
		h.pairs &= way == 0;
	}
	hasher_done(&h);
	free(data);
}

static void hex_digits(void **unused)
{
	uint8_t bytes[32], back[32];
	char text[2 * sizeof(bytes) + 1];

	(void)unused;
	for (unsigned int value = 0; value < 256; value++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(value + i * 11);
		hex_format(bytes, sizeof(bytes), text);
		for (size_t length = 0; length <= sizeof(bytes); length++) {
			assert_int_equal(hex_parse(text, length, back), 0);
			assert_memory_equal(back, bytes, length);
		}
	}
	for (size_t at = 0; at < 2 * sizeof(bytes); at++) {
		char was = text[at];

		for (int c = 0; c < 256; c++) {
			bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

			text[at] = (char)c;
			assert_int_equal(hex_parse(text, sizeof(bytes), back), digit ? 0 : -EINVAL);
		}
		text[at] = was;
	}
}

static void names_and_categories(void **state)
{
	(void)state;
	for (int event = 0; event < AUDIT_EVENT_MAX; event++) {
		const char *name = audit_event_to_str(event), *category;

		assert_int_equal(audit_event_from_str(name, strlen(name)), event);
		category = audit_category_to_str(audit_event_category(event));
		assert_int_equal(audit_category_from_str(category), audit_event_category(event));
	}
	assert_int_equal(audit_event_from_str("list.ad", 7), -EINVAL);
	assert_int_equal(audit_event_from_str("list.addition", 13), -EINVAL);
	assert_int_equal(audit_category_from_str("list.add"), -EINVAL);
}

static void nested_detail(void **unused)
{
	struct audit_details details = {0};
	struct audit_record r = {.event = AUDIT_EVENT_LIST_ADD, .details = &details};
	struct record_view view;
	struct text t;

	(void)unused;
	audit_details_u64(&details, "z", 1);
	audit_details_json(&details, "risk", "{\"base\":25,\"source\":{\"after\":7}}");
	audit_details_u64(&details, "a", 1);
	write_to(&t, &r);
	assert_int_equal(record_parse(t.data, t.length, &view), 0);
	assert_memory_equal(view.details.data,
			    "{\"a\":1,\"risk\":{\"base\":25,\"source\":{\"after\":7}},\"z\":1}",
			    view.details.length);
	text_done(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{"a nested detail stands in its place, as it is", nested_detail, NULL, NULL, NULL},
		{"a record is canonical JSON, byte by byte", canonical_bytes, NULL, NULL, NULL},
		{"what a caller leaves out has sensible values", defaults, NULL, NULL, NULL},
		{"the hash is the RFC 6962 leaf hash that sha256sum computes", leaf_hash, NULL,
		 NULL, NULL},
		{"an event_id follows from chain and index", event_ids, NULL, NULL, NULL},
		{"a record of 65,000 bytes is written, one of 65,001 is not", length_limit, NULL,
		 NULL, NULL},
		{"32 details are sorted and written", most_details, NULL, NULL, NULL},
		{"everything needed is read back from the bytes", read_back, NULL, NULL, NULL},
		{"a record that is cut anywhere or goes on is refused", cut_or_extended, NULL, NULL,
		 NULL},
		{"JSON that is correct but not canonical is refused", liberties, NULL, NULL, NULL},
		{"the view has the hash in its canonical place and nothing else", view_with_hash,
		 NULL, NULL, NULL},
		{"every event has a short, unique, dotted name", every_event, NULL, NULL, NULL},
		{"every event is found by its name and belongs to a category", names_and_categories,
		 NULL, NULL, NULL},
		{"messages hashed at once have the hashes that OpenSSL has for each",
		 messages_at_once, NULL, NULL, NULL},
		{"lower hex digits are read, and nothing else", hex_digits, NULL, NULL, NULL},
		{"CRC-32C agrees with RFC 3720 with and without the instruction", checksums, NULL,
		 NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
