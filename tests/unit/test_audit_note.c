/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signed notes, checkpoints and keys: what others publish verifies here, what we sign verifies with openssl. */
#include "test_audit.h"

#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

#include "audit/base64.h"
#include "audit/key.h"
#include "audit/note.h"

#define DASH "\xe2\x80\x94 "

extern char **environ;

/* The examples of c2sp.org/signed-note and of Go's x/mod/sumdb/note. */
static const struct {
	const char *key, *name, *note;
	uint32_t id;
} published[] = {
	{"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "example.com/foo",
	 "This is an example message.\n\n" DASH "example.com/foo "
	 "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72In"
	 "eyaQM=\n",
	 0x530d903a},
	{"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann",
	 "If you think cryptography is the answer to your problem,\n"
	 "then you don't know what your problem is.\n\n" DASH "PeterNeumann "
	 "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyB"
	 "wJnAM=\n",
	 0xc74f20a3},
};

static void published_notes_verify(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(published); i++) {
		struct note_verifier v;
		struct note note;
		char again[NOTE_VERIFIER_SIZE];

		assert_int_equal(note_verifier_parse(published[i].key, &v, NULL), 0);
		assert_string_equal(v.name, published[i].name);
		assert_int_equal(v.id, published[i].id);
		note_verifier_format(&v, again);
		assert_string_equal(again, published[i].key);
		assert_int_equal(
			note_parse(published[i].note, strlen(published[i].note), &note, NULL), 0);
		assert_int_equal(note.count, 1);
		assert_int_equal(note_verify(&note, &v, NULL), 0);
	}
}

static void a_changed_note_is_refused(void **state)
{
	size_t length = strlen(published[0].note), text = strlen("This is an example message.\n");
	_cleanup_free_ char *copy = strdup(published[0].note);
	struct note_verifier v;

	(void)state;
	assert_int_equal(note_verifier_parse(published[0].key, &v, NULL), 0);
	for (size_t i = 0; i < 8 * length; i++) {
		struct note note;
		struct fault f = {0};
		int r;

		copy[i / 8] ^= (char)(1 << i % 8);
		r = note_parse(copy, length, &note, &f);
		if (r == 0)
			r = note_verify(&note, &v, &f);
		if (r == 0)
			fail_msg("bit %zu flipped, and it verifies", i);
		assert_true(*f.text && *f.code);
		if (i / 8 < text - 1 && (uint8_t)copy[i / 8] >= ' ' && (uint8_t)copy[i / 8] < 0x80)
			assert_int_equal(r, -EKEYREJECTED);
		copy[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t cut = 0; cut < length; cut++) {
		struct note note;

		assert_int_equal(note_parse(copy, cut, &note, NULL), -EINVAL);
	}
}

static void only_keys_that_are_meant_count(void **state)
{
	struct note_verifier foo, peter, same_name;
	uint8_t other[NOTE_KEY_SIZE] = {1};
	struct note note;

	(void)state;
	assert_int_equal(note_verifier_parse(published[0].key, &foo, NULL), 0);
	assert_int_equal(note_verifier_parse(published[1].key, &peter, NULL), 0);
	assert_int_equal(note_verifier_init(&same_name, foo.name, other), 0);
	assert_int_equal(note_parse(published[0].note, strlen(published[0].note), &note, NULL), 0);
	assert_int_equal(note_verify(&note, &peter, NULL), -ENOKEY);
	assert_int_equal(note_verify(&note, &same_name, NULL), -ENOKEY);
	same_name.id = foo.id; /* a collision of ids */
	assert_int_equal(note_verify(&note, &same_name, NULL), -EKEYREJECTED);
}

static void verifier_keys_are_read_strictly(void **state)
{
	static const char *const bad[] = {
		"",
		"example.com/foo",
		"example.com/foo+530d903a",
		"+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/ foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2kAA==",
	};
	char name[NOTE_NAME_MAX + 2];
	uint8_t key[NOTE_KEY_SIZE] = {0};
	struct note_verifier v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (note_verifier_parse(bad[i], &v, NULL) != -EINVAL)
			fail_msg("'%s' is taken for a key", bad[i]);
	memset(name, 'n', sizeof(name));
	name[NOTE_NAME_MAX + 1] = '\0';
	assert_int_equal(note_verifier_init(&v, name, key), -EINVAL);
	name[NOTE_NAME_MAX] = '\0';
	assert_int_equal(note_verifier_init(&v, name, key), 0);
	assert_int_equal(note_verifier_init(&v, "a\xc2\xa0z", key), -EINVAL); /* U+00A0 */
	assert_int_equal(note_verifier_init(&v, "a\xe3\x80\x80z", key), -EINVAL);
	assert_int_equal(note_verifier_init(&v, "a\xffz", key), -EINVAL);
	assert_int_equal(note_verifier_init(&v, "h\xc3\xb6st/weir", key), 0);
}

static void base64_has_one_way_to_write_a_value(void **state)
{
	static const char *const bad[] = {
		"A",	"AA",	"AAA",	"AA=A", "A===", "====",	 "AB==",     "AAB=",
		"A A=", " AAA", "AAA ", "AA\n", "-_AA", "AAAAA", "AA==AAAA",
	};
	uint8_t bytes[64];
	size_t length;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (base64_parse(bad[i], strlen(bad[i]), bytes, sizeof(bytes), &length) != -EINVAL)
			fail_msg("'%s' is taken for base64", bad[i]);
	assert_int_equal(base64_parse("", 0, bytes, 0, &length), 0);
	assert_int_equal(length, 0);
	for (size_t n = 0; n < sizeof(bytes); n++) {
		char buffer[BASE64_LENGTH(64) + 1];
		uint8_t again[64];
		struct text t;

		memset(bytes, (int)(255 - n), n);
		text_init(&t, buffer, sizeof(buffer));
		base64_put(&t, bytes, n);
		assert_int_equal(t.length, BASE64_LENGTH(n));
		assert_int_equal(base64_parse(t.data, t.length, again, n, &length), 0);
		assert_int_equal(length, n);
		assert_memory_equal(again, bytes, n);
		if (n)
			assert_int_equal(base64_parse(t.data, t.length, again, n - 1, &length),
					 -ENOBUFS);
	}
}

static void checkpoints_are_read_strictly(void **state)
{
	static const char root[] = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
	static const struct {
		const char *lines; /* before the root */
		const char *after;
		int want;
	} rows[] = {
		{"example.com/behind-the-sofa\n20852163\n", "\n", 0},
		{"o\n0\n", "\n", 0},
		{"o\n9007199254740991\n", "\n", 0},
		{"o\n1\n", "\nextension\n", 0},
		{"o\n9007199254740992\n", "\n", -EINVAL},
		{"o\n99999999999999999999999999\n", "\n", -EINVAL},
		{"\n1\n", "\n", -EINVAL},
		{"o\n01\n", "\n", -EINVAL},
		{"o\n\n", "\n", -EINVAL},
		{"o\n+1\n", "\n", -EINVAL},
		{"o\n1 \n", "\n", -EINVAL},
		{"o\n1\n", "A\n", -EINVAL},
		{"o\n1\n", "\n\n", -EINVAL},
		{"o\n", "\n", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[256];
		struct note note = {.text = text};
		struct checkpoint c;

		snprintf(text, sizeof(text), "%s%s%s", rows[i].lines, root, rows[i].after);
		note.text_length = strlen(text);
		if (checkpoint_parse(&note, &c, NULL) != rows[i].want)
			fail_msg("row %zu", i);
		if (rows[i].want == 0 && i < 3) {
			_cleanup_free_ char *again = checkpoint_format(&c);

			assert_string_equal(again, text);
		}
	}
}

static void run(const char *const *argv)
{
	int status;
	pid_t pid;

	/* NULL-terminated, and posix_spawn() changes none of it. */
	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, environ),
			 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void what_we_sign_verifies_with_openssl(void **state)
{
	const struct log *l = *state;
	char pem[160], public[160], text[160], signature[160];
	struct checkpoint c = {.origin = "host/weir/01234567", .size = 7, .root = {1}};
	_cleanup_free_ char *body = checkpoint_format(&c), *made = NULL;
	_cleanup_(note_signer_done) struct note_signer first = {0}, second = {0}, loaded = {0};
	struct note_signer both[2];
	struct note note;

	mkdir(l->path, 0700);
	file_path(l, "key.pem", pem);
	file_path(l, "public.pem", public);
	file_path(l, "text", text);
	file_path(l, "signature", signature);
	assert_int_equal(key_generate(c.origin, &first, NULL), 0);
	assert_int_equal(key_generate(c.origin, &second, NULL), 0);
	assert_int_equal(key_store(pem, &first, NULL), 0);
	assert_int_equal(key_load(pem, c.origin, &loaded, NULL), 0);
	assert_memory_equal(&loaded.verifier, &first.verifier, sizeof(first.verifier));

	both[0] = loaded;
	both[1] = second;
	assert_int_equal(note_make(body, both, 2, &made), 0);
	assert_int_equal(note_parse(made, strlen(made), &note, NULL), 0);
	assert_int_equal(note.count, 2);
	assert_int_equal(note_verify(&note, &first.verifier, NULL), 0);
	assert_int_equal(note_verify(&note, &second.verifier, NULL), 0);

	file_put(l, "text", (const uint8_t *)note.text, note.text_length);
	file_put(l, "signature", note.signatures[0].ed25519, NOTE_SIGNATURE_SIZE);
	run((const char *const[]){"openssl", "pkey", "-in", pem, "-pubout", "-out", public, NULL});
	run((const char *const[]){"openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey",
				  public, "-in", text, "-sigfile", signature, "-out", "/dev/null",
				  NULL});
}

static void a_key_that_others_may_read_is_refused(void **state)
{
	const struct log *l = *state;
	_cleanup_(note_signer_done) struct note_signer key = {0}, again = {0};
	char pem[160], link[160];
	struct stat st;

	mkdir(l->path, 0700);
	file_path(l, "key.pem", pem);
	file_path(l, "link.pem", link);
	assert_int_equal(key_load(pem, "name", &again, NULL), -ENOENT);
	assert_int_equal(key_generate("name", &key, NULL), 0);
	assert_int_equal(key_store(pem, &key, NULL), 0);
	assert_int_equal(stat(pem, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(symlink(pem, link), 0);
	assert_int_equal(key_load(link, "name", &again, NULL), -ELOOP);
	for (mode_t bit = 1; bit <= 040; bit <<= 1) {
		assert_int_equal(chmod(pem, 0400 | bit), 0);
		assert_int_equal(key_load(pem, "name", &again, NULL), -EPERM);
	}
	assert_int_equal(unlink(pem), 0);
	file_put(l, "key.pem", (const uint8_t *)"no key", 6);
	assert_int_equal(chmod(pem, 0400), 0);
	assert_int_equal(key_load(pem, "name", &again, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_notes_verify),
		cmocka_unit_test(a_changed_note_is_refused),
		cmocka_unit_test(only_keys_that_are_meant_count),
		cmocka_unit_test(verifier_keys_are_read_strictly),
		cmocka_unit_test(base64_has_one_way_to_write_a_value),
		cmocka_unit_test(checkpoints_are_read_strictly),
		cmocka_unit_test_setup_teardown(what_we_sign_verifies_with_openssl, log_set_up,
						log_tear_down),
		cmocka_unit_test_setup_teardown(a_key_that_others_may_read_is_refused, log_set_up,
						log_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
