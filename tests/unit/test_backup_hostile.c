/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Archives that somebody made or damaged: each is refused with a reason, and nothing is written outside, or left. */
#include "test_backup.h"

#include <zlib.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* One file of an archive made by hand. */
struct piece {
	const char *name, *content;
	uint64_t size; /* 0 = that of the content */
	char kind;     /* 0 = a file */
	bool bad_header;
};

#define MANIFEST(members)                                                                          \
	"{\"weir_backup\":1,\"created\":\"x\",\"host\":\"x\",\"version\":\"x\","                   \
	"\"policy_path\":\"\",\"audit\":null,\"database\":null,\"members\":[" members "]}"
#define MEMBER(name, size) "{\"name\":\"" name "\",\"size\":" size ",\"sha256\":\"" ZEROS "\"}"
#define FIRST(content)                                                                             \
	{                                                                                          \
		BACKUP_MANIFEST, content, 0, 0, false                                              \
	}

static void put_piece(gzFile gz, const struct piece *p)
{
	uint8_t block[USTAR_BLOCK], zeros[USTAR_BLOCK] = {0};
	struct ustar_entry entry = {0};
	size_t length = strlen(p->content);
	unsigned int sum = 0;

	snprintf(entry.name, sizeof(entry.name), "%s", p->name);
	entry.size = p->size ?: length;
	assert_int_equal(ustar_encode(&entry, block), 0);
	if (p->kind)
		block[156] = (uint8_t)p->kind;
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", (sum + p->bad_header) & 0777777);
	gzwrite(gz, block, sizeof(block));
	gzwrite(gz, p->content, (unsigned int)length);
	gzwrite(gz, zeros, (unsigned int)((USTAR_BLOCK - length % USTAR_BLOCK) % USTAR_BLOCK));
}

static void make(const struct world *w, const struct piece *pieces, size_t count)
{
	static const uint8_t end[2 * USTAR_BLOCK];
	gzFile gz = gzopen(w->archive, "wb");

	assert_non_null(gz);
	for (size_t i = 0; i < count; i++)
		put_piece(gz, &pieces[i]);
	gzwrite(gz, end, sizeof(end));
	assert_int_equal(gzclose(gz), Z_OK);
}

/* Refused as @code by verify and by restore, and no trace of it. */
static void refused_as(struct world *w, const char *code, const char *what)
{
	struct backup_restored restored;
	const char *got = refusal(w, NULL);
	struct fault f;

	if (strcmp(got, code) != 0)
		fail_msg("%s: refused as '%s', not as '%s'", what, got, code);
	assert_true(put_back(w, w->other, true, &restored, &f) < 0);
	assert_string_equal(f.code, code);
	assert_int_equal(names_like(w->other, "weir", NULL), 0);
	assert_int_equal(names_like(w->other, "audit", NULL), 0);
	assert_int_equal(names_like(w->other, ".weir", NULL), 0);
	assert_int_equal(names_like(w->root, ".weir", NULL), 0);
	assert_int_equal(names_like(w->root, "evil", NULL), 0);
}

static void names_and_kinds_that_no_backup_has_are_refused(void **state)
{
	static const struct {
		const char *what, *code;
		struct piece pieces[3];
		size_t count;
	} cases[] = {
		{"a name that leads upwards",
		 "backup.name",
		 {FIRST(MANIFEST("")), {"weir-backup/../../evil", "x", 0, 0, false}},
		 2},
		{"a name that leads upwards, in the manifest",
		 "backup.name",
		 {FIRST(MANIFEST(MEMBER("../evil", "1")))},
		 1},
		{"an include that leads upwards, in the manifest",
		 "backup.name",
		 {FIRST(MANIFEST(MEMBER("include/a/../../evil", "1")))},
		 1},
		{"a hidden include",
		 "backup.name",
		 {FIRST(MANIFEST(MEMBER("include/.evil", "1")))},
		 1},
		{"an include without a name",
		 "backup.name",
		 {FIRST(MANIFEST(MEMBER("include/", "1")))},
		 1},
		{"an absolute name",
		 "backup.name",
		 {FIRST(MANIFEST("")), {"/tmp/evil", "x", 0, 0, false}},
		 2},
		{"an absolute name first", "backup.name", {{"/etc/passwd", "x", 0, 0, false}}, 1},
		{"a name with a control character",
		 "backup.name",
		 {FIRST(MANIFEST("")), {"weir-backup/\033[2J", "x", 0, 0, false}},
		 2},
		{"a symbolic link",
		 "backup.kind",
		 {FIRST(MANIFEST("")), {"weir-backup/weir.db", "", 0, '2', false}},
		 2},
		{"a hard link",
		 "backup.kind",
		 {FIRST(MANIFEST("")), {"weir-backup/weir.db", "", 0, '1', false}},
		 2},
		{"a device", "backup.kind", {{"weir-backup/manifest.json", "", 0, '3', false}}, 1},
		{"a directory", "backup.kind", {{"weir-backup/", "", 0, '5', false}}, 1},
		{"a long name of GNU tar",
		 "backup.kind",
		 {{"././@LongLink", "", 0, 'L', false}},
		 1},
		{"a file beside the manifest's",
		 "backup.extra",
		 {FIRST(MANIFEST("")), {"weir-backup/evil", "x", 0, 0, false}},
		 2},
		{"another file than the manifest's",
		 "backup.extra",
		 {FIRST(MANIFEST(MEMBER("policy.yaml", "1"))),
		  {"weir-backup/evil", "x", 0, 0, false}},
		 2},
		{"a file that is missing",
		 "backup.missing",
		 {FIRST(MANIFEST(MEMBER("policy.yaml", "1")))},
		 1},
		{"another size than the manifest's",
		 "backup.size",
		 {FIRST(MANIFEST(MEMBER("policy.yaml", "1"))),
		  {"weir-backup/policy.yaml", "xx", 0, 0, false}},
		 2},
		{"another content than the manifest's",
		 "backup.digest",
		 {FIRST(MANIFEST(MEMBER("policy.yaml", "1"))),
		  {"weir-backup/policy.yaml", "x", 0, 0, false}},
		 2},
		{"no manifest", "backup.manifest", {{"weir-backup/weir.db", "x", 0, 0, false}}, 1},
		{"nothing at all", "backup.manifest", {{0}}, 0},
		{"a header whose checksum is wrong",
		 "backup.header",
		 {{BACKUP_MANIFEST, "x", 0, 0, true}},
		 1},
		{"a size that the data do not have",
		 "backup.truncated",
		 {{BACKUP_MANIFEST, "x", 1 << 20, 0, false}},
		 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(*state, cases[i].pieces, cases[i].count);
		refused_as(*state, cases[i].code, cases[i].what);
	}
}

static void manifests_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		const char *manifest, *code;
	} cases[] = {
		{"", "backup.manifest"},
		{"[]", "backup.manifest"},
		{"{}", "backup.manifest"},
		{"{\"weir_backup\":0}", "backup.manifest"},
		{"{\"weir_backup\":2}", "backup.newer"},
		{"{\"weir_backup\":1}", "backup.manifest"},
		{MANIFEST("7"), "backup.manifest"},
		{MANIFEST("{}"), "backup.manifest"},
		{MANIFEST(MEMBER("policy.yaml", "1") "," MEMBER("policy.yaml", "1")),
		 "backup.manifest"},
		{MANIFEST(MEMBER("weir.db", "1")), "backup.manifest"},
		{MANIFEST(MEMBER("policy.yaml", "-1")), "backup.size"},
		{MANIFEST(MEMBER("policy.yaml", "99999999999")), "backup.size"},
		{MANIFEST(MEMBER("audit/state", "8193")), "backup.size"},
		{MANIFEST(MEMBER("audit/1.seg", "1")), "backup.name"},
		{MANIFEST("{\"name\":\"policy.yaml\",\"size\":1,\"sha256\":\"\"}"),
		 "backup.manifest"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct piece piece = FIRST(cases[i].manifest);

		make(*state, &piece, 1);
		refused_as(*state, cases[i].code, cases[i].manifest);
	}
}

static void a_manifest_nested_deeply_is_refused(void **state)
{
	_cleanup_free_ char *deep = malloc(1 << 20);

	memset(deep, '[', (1 << 20) - 1);
	deep[(1 << 20) - 1] = '\0';
	const struct piece piece = FIRST(deep);

	make(*state, &piece, 1);
	refused_as(*state, "backup.manifest", "a million brackets");
}

/* A few kilobytes that announce terabytes never get to be unpacked. */
static void a_bomb_is_refused_before_it_is_unpacked(void **state)
{
	_cleanup_free_ char *manifest = NULL;
	size_t size;
	FILE *f = open_memstream(&manifest, &size);

	fputs("{\"weir_backup\":1,\"created\":\"x\",\"host\":\"x\",\"version\":\"x\","
	      "\"policy_path\":\"\",\"audit\":{\"chain_id\":\"00000000000000000000000000000000\","
	      "\"incarnation\":0,\"records\":1,\"last_hash\":\"" ZEROS
	      "\"},\"database\":null,\"members\":[" MEMBER("audit/state", "8192"),
	      f);
	for (unsigned int i = 0; i < BACKUP_MEMBERS_MAX - 1; i++)
		fprintf(f,
			",{\"name\":\"audit/%020u.seg\",\"size\":268435456,\"sha256\":\"" ZEROS
			"\"}",
			i);
	fputs("]}", f);
	fclose(f);
	const struct piece piece = FIRST(manifest);

	make(*state, &piece, 1);
	refused_as(*state, "backup.space", "four terabytes");
}

static void a_manifest_beyond_its_limit_is_refused(void **state)
{
	const struct piece piece = {BACKUP_MANIFEST, "{", BACKUP_MANIFEST_MAX + 1, 0, false};

	make(*state, &piece, 1);
	refused_as(*state, "backup.size", "a manifest of 4 MiB and a byte");
}

static char *slurp(const char *path, size_t *ret)
{
	char *data = NULL;

	assert_int_equal(fs_read_file(path, 1 << 20, &data, ret, NULL), 0);
	return data;
}

static void spill(const char *path, const char *data, size_t length)
{
	FILE *f = fopen(path, "w");

	assert_int_equal(fwrite(data, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
}

static void an_archive_cut_anywhere_is_refused(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *whole = NULL;
	size_t size;

	make_host(w);
	whole = slurp(w->archive, &size);
	for (size_t length = 0; length < size; length += 1 + size / 150) {
		spill(w->archive, whole, length);
		assert_string_equal(refusal(w, NULL), "backup.truncated");
	}
	spill(w->archive, whole, size - 1);
	assert_string_equal(refusal(w, NULL), "backup.truncated");
	assert_int_equal(names_like(w->root, ".weir", NULL), 0);
}

static void an_archive_with_anything_behind_it_is_refused(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *whole = NULL;
	size_t size;

	make_host(w);
	whole = slurp(w->archive, &size);
	spill(w->archive, whole, size + 1); /* a NUL */
	assert_string_equal(refusal(w, NULL), "backup.trailing");
}

/* What the archive says of itself; NULL if it is refused. Digests of all that is in it are part of that. */
static char *content(const struct world *w)
{
	_cleanup_(backup_report_done) struct backup_report report = {0};

	if (backup_verify(w->archive, w->root, (struct archive_progress){0}, &report, NULL) < 0)
		return NULL;
	return backup_manifest_format(&report.manifest);
}

/* Some bits of a compressed stream may be one way or the other without changing what comes out. */
static void no_flipped_bit_changes_what_comes_back(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *whole = NULL, *before = NULL;
	size_t size;

	make_host(w);
	before = content(w);
	whole = slurp(w->archive, &size);
	/* Behind gzip's own header, of which time and system mean nothing. */
	for (size_t at = 10; at < size; at += 1 + size / 200) {
		whole[at] ^= 0x10;
		spill(w->archive, whole, size);
		whole[at] ^= 0x10;
		_cleanup_free_ char *after = content(w);

		if (after && strcmp(after, before) != 0)
			fail_msg("byte %zu of %zu changes the content", at, size);
	}
	spill(w->archive, "no archive", 10);
	assert_string_equal(refusal(w, NULL), "backup.gzip");
}

static void what_is_no_file_is_refused(void **state)
{
	struct world *w = *state;

	assert_string_equal(refusal(w, NULL), "backup.read");
	assert_int_equal(mkfifo(w->archive, 0600), 0);
	assert_string_equal(refusal(w, NULL), "backup.read");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_and_kinds_that_no_backup_has_are_refused),
		TEST(manifests_that_make_no_sense_are_refused),
		TEST(a_manifest_nested_deeply_is_refused),
		TEST(a_bomb_is_refused_before_it_is_unpacked),
		TEST(a_manifest_beyond_its_limit_is_refused),
		TEST(an_archive_cut_anywhere_is_refused),
		TEST(an_archive_with_anything_behind_it_is_refused),
		TEST(no_flipped_bit_changes_what_comes_back),
		TEST(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests_name("hostile backups", tests, NULL, NULL);
}
