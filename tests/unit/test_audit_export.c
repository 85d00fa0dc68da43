/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is exported can be read back by parsers that know only the format, whatever strangers called themselves; and a file is there only if
 * it is whole.
 */
#include "test_audit.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "export/escape.h"
#include "export/file.h"
#include "export/format.h"
#include "export/stream.h"

#define ROUNDS	   3000
#define CSV_FIELDS 17

static const char *const pieces[] = {
	"|",	       "=",
	"\\",	       "]",
	"\"",	       "'",
	"\n",	       "\r",
	"\t",	       ",",
	";",	       "+",
	"-",	       "@",
	" ",	       "%",
	"<",	       "CEF:0|",
	"\xc3\xa9",    "\xe2\x80\xa8",
	"\xc2\x85",    "\xf0\x9f\x98\x80",
	"\x01",	       "\x7f",
	"a",	       "\xef\xbc\x9d",
	"x09",	       "\\n",
	" suser=root", "\"][x y=\"",
	"\x1b[2J",     "=cmd|' /C calc'!A0",
};

static unsigned int seed = 1;

static unsigned int next_random(unsigned int below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

static void hostile(char ret[static 256])
{
	unsigned int count = next_random(8);

	*ret = '\0';
	for (unsigned int i = 0; i < count; i++)
		strncat(ret, pieces[next_random(ARRAY_SIZE(pieces))], 30);
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

/* A record as people see it, with @name wherever somebody else has a say. */
static char *make_view(const char *name)
{
	json_t *o = json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:s, s:i}, s:s, s:s, s:s, s:i, s:s, s:s,"
		" s:{s:s, s:s}, s:i, s:s}",
		"action", "add", "actor", "ip_address", "2001:db8::1", "role", "member", "user_id",
		"1000", "username", name, "details", "reason", name, "limit", name, "packets", 7,
		"event_id", "0197a3c2-1111-8222-8333-444455556666", "event_type", "list.add",
		"hash", "00ff", "index", 41, "outcome", "success", "previous_hash", "11ee",
		"resource", "id", name, "type", "list", "severity", 2, "timestamp",
		"2026-11-20T23:37:00.123456789Z");
	char *view;

	assert_non_null(o);
	view = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return view;
}

static char *render(enum export_format format, const char *view)
{
	struct text t;
	struct fault f = {0};

	text_init_growing(&t);
	if (export_put(&t, format, "host.example", 0, view, strlen(view), &f) < 0)
		fail_msg("%s", f.text);
	return text_take(&t);
}

/* One line, without control characters but @allowed and the end. */
static void assert_line(const char *line, const char *end, const char *allowed)
{
	size_t length = strlen(line), tail = strlen(end);

	assert_true(length > tail && strcmp(line + length - tail, end) == 0);
	assert_true(utf8_valid(line, length));
	for (size_t i = 0; i < length - tail; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 || c == 0x7f) && !strchr(allowed, c))
			fail_msg("byte %u at %zu of %s", c, i, line);
	}
	assert_null(strstr(line, "\xe2\x80\xa8"));
	assert_null(strstr(line, "\xc2\x85"));
}

/* The fields of a line of RFC 4180; the reader knows quotes and commas, nothing else. */
static size_t csv_parse(const char *line, char ret[static CSV_FIELDS + 1][4096])
{
	size_t count = 0;

	for (const char *s = line; count <= CSV_FIELDS; s++) {
		char *to = ret[count++];
		bool quoted = *s == '"';

		s += quoted;
		while (quoted ? *s != '"' || s[1] == '"' : *s != ',' && *s != '\r') {
			assert_true(*s);
			s += quoted && *s == '"';
			*to++ = *s++;
		}
		*to = '\0';
		s += quoted;
		if (*s == '\r')
			return count;
		assert_int_equal(*s, ',');
	}
	return count;
}

static void check_csv(const char *view, const char *name)
{
	static char fields[CSV_FIELDS + 1][4096];
	_cleanup_free_ char *line = render(EXPORT_CSV, view);

	assert_line(line, "\r\n", "");
	assert_int_equal(csv_parse(line, fields), CSV_FIELDS);
	for (size_t i = 0; i < CSV_FIELDS; i++)
		assert_false(fields[i][0] && strchr("=+-@|%", fields[i][0]));
	if (is_plain(name) && *fields[9] != '\'')
		assert_string_equal(fields[9], name);
	assert_string_equal(fields[15], "00ff");
}

static size_t cut_unescaped(const char *s, char c)
{
	size_t i = 0;

	for (; s[i] && s[i] != c; i++)
		i += s[i] == '\\' && s[i + 1];
	return i;
}

/* The value of @key in a CEF extension: a key is the word in front of an unescaped '='. */
static void cef_value(const char *extension, const char *key, char ret[static 4096])
{
	const char *name = extension;
	size_t equal;

	*ret = '\0';
	while (name[equal = cut_unescaped(name, '=')]) {
		const char *value = name + equal + 1, *end = value + cut_unescaped(value, '=');
		bool wanted = strlen(key) == equal && strncmp(name, key, equal) == 0;

		while (*end && *end != ' ') /* back over the next key */
			end--;
		for (; wanted && value < end; value++) {
			if (*value == '\\' && *++value == 'n')
				*ret++ = '\n';
			else
				*ret++ = *value;
			*ret = '\0';
		}
		if (wanted || !*end)
			return;
		name = end + 1;
	}
}

static void check_cef(const char *view, const char *name)
{
	_cleanup_free_ char *line = render(EXPORT_CEF, view);
	static char value[4096];
	const char *s = line;

	assert_line(line, "\n", "");
	line[strlen(line) - 1] = '\0';
	for (unsigned int i = 0; i < 7; i++) {
		s += cut_unescaped(s, '|');
		assert_int_equal(*s++, '|');
	}
	cef_value(s, "cs2", value);
	assert_string_equal(value, "00ff");
	cef_value(s, "suid", value);
	assert_string_equal(value, "1000");
	cef_value(s, "suser", value);
	if (is_plain(name))
		assert_string_equal(value, name);
}

static void check_leef(const char *view, const char *name)
{
	_cleanup_free_ char *line = render(EXPORT_LEEF, view);
	char *s = line, *word;
	bool seen = !*name;

	assert_line(line, "\n", "\t");
	line[strlen(line) - 1] = '\0';
	for (unsigned int i = 0; i < 6; i++)
		assert_non_null(strsep(&s, "|"));
	while ((word = strsep(&s, "\t"))) {
		char *value = strchr(word, '=');

		assert_non_null(value);
		*value++ = '\0';
		assert_int_equal(
			strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
			strlen(word));
		if (strcmp(word, "usrName") == 0) {
			assert_false(seen);
			seen = true;
			if (is_plain(name))
				assert_string_equal(value, name);
		}
	}
	assert_true(seen);
}

static void check_syslog(const char *view)
{
	_cleanup_free_ char *line = render(EXPORT_SYSLOG, view);
	json_t *message, *record = json_loads(view, 0, NULL);
	const char *s = line;
	char msgid[64];
	int at = 0;

	assert_line(line, "\n", "");
	for (const char *c = line; c[1]; c++)
		assert_true(*c >= ' ' && *c < 0x7f);
	assert_int_equal(sscanf(line,
				"<109>1 2026-11-20T23:37:00.123456Z host.example weir - %63s %n",
				msgid, &at),
			 1);
	assert_string_equal(msgid, "list.add");
	for (s += at; *s == '['; s++) {
		s += cut_unescaped(s, ']');
		assert_int_equal(*s, ']');
	}
	assert_int_equal(*s++, ' ');
	message = json_loads(s, 0, NULL);
	assert_true(json_equal(message, record));
	json_decref(message);
	json_decref(record);
}

static void check_json(enum export_format format, const char *view, const char *original,
		       const char *member)
{
	_cleanup_free_ char *line = render(format, view);
	json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL), *at;

	assert_non_null(o);
	assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
	at = original ? json_object_get(o, original) : o;
	if (member)
		assert_string_equal(json_string_value(json_object_get(at, member)), view);
	json_decref(o);
}

static void check_all(const char *name)
{
	_cleanup_free_ char *view = make_view(name);

	check_csv(view, name);
	check_cef(view, name);
	check_leef(view, name);
	check_syslog(view);
	check_json(EXPORT_NDJSON, view, NULL, NULL);
	check_json(EXPORT_OCSF, view, NULL, "raw_data");
	check_json(EXPORT_ECS, view, "event", "original");
}

static void test_hostile_names_stay_one_value_in_every_format(void **state)
{
	char name[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		check_all(pieces[i]);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		hostile(name);
		check_all(name);
	}
}

static void test_bytes_that_are_no_utf8_are_replaced(void **state)
{
	(void)state;
	for (int style = ESCAPE_CSV; style <= ESCAPE_NAME; style++)
		for (unsigned int c = 0x80; c < 0x100; c++) {
			char string[] = {'a', (char)c, 'b', '\0'};
			struct text t;

			text_init_growing(&t);
			escape_put(&t, string, (enum escape_style)style);
			assert_true(utf8_valid(t.data, t.length));
			assert_non_null(strchr(t.data, 'b'));
			text_done(&t);
		}
}

static void test_sealed_values_are_told_by_their_subject(void **state)
{
	static const char view[] =
		"{\"action\":\"x\",\"actor\":{\"ip_address\":\"\",\"role\":\"\",\"user_id\":\"\","
		"\"username\":{\"sealed\":\"c\",\"subject\":\"AAAAAAAAAAA\",\"state\":\"erased\"}},"
		"\"details\":{},\"event_id\":\"i\",\"event_type\":\"not.known\",\"hash\":\"h\","
		"\"index\":1,\"outcome\":\"denied\",\"previous_hash\":\"p\",\"resource\":{\"id\":"
		"{\"sealed\":\"c\",\"subject\":\"BBBBBBBBBBB\"},\"type\":\"source\"},\"severity\":5,"
		"\"timestamp\":\"2026-11-20T23:37:00.000000000Z\"}";

	(void)state;
	for (int i = 0; i < EXPORT_FORMAT_MAX; i++) {
		_cleanup_free_ char *line = render((enum export_format)i, view);

		if (i != EXPORT_JSON && i != EXPORT_NDJSON && i != EXPORT_SYSLOG &&
		    i != EXPORT_OCSF)
			assert_non_null(strstr(line, "erased:AAAAAAAAAAA"));
		assert_null(strstr(line, "src="));
	}
}

static void test_what_is_no_record_is_refused(void **state)
{
	static const char *const views[] = {"",	    "{}",  "[]", "{\"event_type\":\"x\"}",
					    "\xff", "null"};
	struct fault f = {0};
	struct text t;

	(void)state;
	text_init_growing(&t);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		assert_int_equal(export_put(&t, EXPORT_CEF, "h", 0, views[i], strlen(views[i]), &f),
				 -EBADMSG);
		assert_string_equal(f.code, "export.record");
	}
	text_done(&t);
}

/* Every event there is, in OCSF and ECS; $WEIR_OCSF names a file for them, to be held to a schema. */
static void test_every_event_has_a_class_and_a_category(void **state)
{
	const char *path = getenv("WEIR_OCSF");
	FILE *out = path ? fopen(path, "we") : NULL;

	(void)state;
	for (int i = 0; i < AUDIT_EVENT_MAX; i++) {
		_cleanup_free_ char *view = make_view(i % 2 ? "somebody" : "198.51.100.7"),
				    *typed = NULL, *line = NULL, *ecs = NULL;
		json_t *o = json_loads(view, 0, NULL), *event;

		json_object_set_new(o, "event_type",
				    json_string(audit_event_to_str((enum audit_event)i)));
		typed = json_dumps(o, JSON_COMPACT);
		json_decref(o);
		line = render(EXPORT_OCSF, typed);
		ecs = render(EXPORT_ECS, typed);
		o = json_loads(line, 0, NULL);
		assert_int_equal(json_integer_value(json_object_get(o, "type_uid")),
				 json_integer_value(json_object_get(o, "class_uid")) * 100 +
					 json_integer_value(json_object_get(o, "activity_id")));
		if (out)
			fputs(line, out);
		json_decref(o);
		o = json_loads(ecs, 0, NULL);
		event = json_object_get(o, "event");
		assert_int_equal(json_array_size(json_object_get(event, "category")), 1);
		assert_int_equal(json_array_size(json_object_get(event, "type")), 1);
		json_decref(o);
	}
	if (out)
		assert_int_equal(fclose(out), 0);
}

static void add_records(struct export_file *file, unsigned int count)
{
	_cleanup_free_ char *view = make_view("name");

	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(export_file_add(file, view, strlen(view), NULL), 0);
}

static unsigned int lines_of_gzip(const char *path)
{
	gzFile z = gzopen(path, "rb");
	unsigned int lines = 0;
	int c;

	assert_non_null(z);
	while ((c = gzgetc(z)) >= 0)
		lines += c == '\n';
	assert_int_equal(gzclose(z), Z_OK);
	return lines;
}

static void test_a_file_appears_whole_with_its_manifest_or_not_at_all(void **state)
{
	struct log *l = *state;
	char path[160], manifest[192];
	struct export_file_options o = {path, EXPORT_NDJSON, true, "h"};
	struct export_file *file = NULL;
	struct export_file_stats stats;
	struct fault f = {0};
	json_t *m, *extra = json_pack("{s:s}", "host", "h");

	snprintf(path, sizeof(path), "%s/out.gz", l->root);
	snprintf(manifest, sizeof(manifest), "%s.manifest.json", path);
	assert_int_equal(export_file_open(&o, &file, &f), 0);
	add_records(file, 2000);
	assert_int_equal(access(path, F_OK), -1);
	export_file_close(file);
	assert_int_equal(access(path, F_OK), -1);

	assert_int_equal(export_file_open(&o, &file, &f), 0);
	add_records(file, 2000);
	assert_int_equal(export_file_finish(file, &f), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(export_file_commit(file, extra, &f), 0);
	export_file_get_stats(file, &stats);
	export_file_close(file);
	assert_int_equal(lines_of_gzip(path), 2000);
	m = json_load_file(manifest, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(m, "records")), 2000);
	assert_string_equal(json_string_value(json_object_get(m, "sha256")), stats.sha256);
	json_decref(m);
	json_decref(extra);
	assert_int_equal(export_file_open(&o, &file, &f), -EEXIST);
	assert_string_equal(f.code, "export.exists");
}

static void test_a_stream_has_every_record_in_pieces_with_a_bound(void **state)
{
	struct log *l = *state;
	struct audit_query all_records;
	const struct export_stream_options options = {
		.audit_dir = l->path, .format = EXPORT_JSON, .query = &all_records};
	struct export_stream *s = NULL;
	struct text all, piece;
	json_t *array;
	int r = 1;

	audit_query_init(&all_records);
	make_small_log(l);
	text_init_growing(&all);
	text_init_growing(&piece);
	assert_int_equal(export_stream_open(&options, &s, NULL), 0);
	while (r == 1) {
		piece.length = 0;
		r = export_stream_next(s, &piece, NULL);
		assert_true(piece.length <= (64 << 10) + 2 * AUDIT_RECORD_MAX);
		text_put(&all, piece.data, piece.length);
	}
	assert_int_equal(r, 0);
	array = json_loads(all.data, 0, NULL);
	assert_int_equal(json_array_size(array), RECORDS);
	json_decref(array);
	text_done(&piece);
	text_done(&all);
	export_stream_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_names_stay_one_value_in_every_format),
		cmocka_unit_test(test_bytes_that_are_no_utf8_are_replaced),
		cmocka_unit_test(test_sealed_values_are_told_by_their_subject),
		cmocka_unit_test(test_what_is_no_record_is_refused),
		cmocka_unit_test(test_every_event_has_a_class_and_a_category),
		cmocka_unit_test_setup_teardown(
			test_a_file_appears_whole_with_its_manifest_or_not_at_all, log_set_up,
			log_tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_stream_has_every_record_in_pieces_with_a_bound, log_set_up,
			log_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
