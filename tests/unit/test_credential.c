/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys, tokens, one-time passwords, and how long who guesses has to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "identity/credential.h"
#include "identity/lockout.h"
#include "identity/totp.h"

static const uint8_t SIGNER[CREDENTIAL_DIGEST] = {1, 2, 3};

static void test_a_key_is_known_again_by_its_digest_and_no_other_is(void **unused)
{
	char key[CREDENTIAL_KEY_SIZE], id[CREDENTIAL_ID + 1];
	uint8_t kept[CREDENTIAL_DIGEST], digest[CREDENTIAL_DIGEST];

	(void)unused;
	assert_int_equal(credential_key_new(key, kept), 0);
	assert_int_equal(strlen(key), CREDENTIAL_KEY_SIZE - 1);
	assert_int_equal(credential_key_parse(key, id, digest), 0);
	assert_memory_equal(key + 5, id, CREDENTIAL_ID);
	assert_true(credential_equal(kept, digest, sizeof(kept)));
	for (size_t i = 14; i < strlen(key); i++) {
		char was = key[i];

		key[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(credential_key_parse(key, id, digest), 0);
		assert_false(credential_equal(kept, digest, sizeof(kept)));
		key[i] = was;
	}
}

static void test_what_is_not_exactly_a_key_is_none(void **unused)
{
	static const char *const none[] = {
		"",
		"weir_",
		"weir_0123abcd_",
		"weir_0123abcd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"weir_0123abcd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"weir_0123ABCD_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"weir_0123abcd-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"Weir_0123abcd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"weir_0123abcd_AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA",
	};
	char id[CREDENTIAL_ID + 1];
	uint8_t digest[CREDENTIAL_DIGEST];

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(credential_key_parse(none[i], id, digest), -EINVAL);
}

static void test_equal_is_equal_of_every_byte(void **unused)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)unused;
	assert_true(credential_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a) * 8; i++) {
		b[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(credential_equal(a, b, sizeof(a)));
		b[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void test_a_token_opens_with_its_key_and_unchanged_only(void **unused)
{
	static const uint8_t other[CREDENTIAL_DIGEST] = {1, 2, 4};
	_cleanup_(text_done) struct text token = {.growing = true};
	char payload[CREDENTIAL_PAYLOAD_MAX + 1];

	(void)unused;
	assert_int_equal(credential_sign(SIGNER, "{\"uid\":1000}", &token), 0);
	assert_int_equal(credential_open(SIGNER, token.data, payload), 0);
	assert_string_equal(payload, "{\"uid\":1000}");
	assert_int_equal(credential_open(other, token.data, payload), -EBADMSG);
	for (size_t i = 0; i < token.length; i++) {
		char was = token.data[i];

		token.data[i] = was == 'A' ? 'B' : 'A';
		assert_true(credential_open(SIGNER, token.data, payload) < 0);
		token.data[i] = '\0';
		assert_true(credential_open(SIGNER, token.data, payload) < 0);
		token.data[i] = was;
	}
	text_puts(&token, "A");
	assert_int_equal(credential_open(SIGNER, token.data, payload), -EINVAL);
}

static void test_payloads_up_to_the_limit_come_back(void **unused)
{
	static const size_t lengths[] = {0, 1, 2, 3, 4, 5, 100, 8190, 8191, 8192, 8193};
	static char payload[CREDENTIAL_PAYLOAD_MAX + 2], opened[CREDENTIAL_PAYLOAD_MAX + 1];

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		_cleanup_(text_done) struct text token = {.growing = true};

		memset(payload, 'x', lengths[i]);
		if (lengths[i] > CREDENTIAL_PAYLOAD_MAX) {
			assert_int_equal(credential_sign(SIGNER, payload, &token), -EMSGSIZE);
			continue;
		}
		assert_int_equal(credential_sign(SIGNER, payload, &token), 0);
		assert_int_equal(credential_open(SIGNER, token.data, opened), 0);
		assert_string_equal(opened, payload);
	}
}

/* RFC 6238, appendix B: its secrets, times and passwords of eight digits. */
static void test_one_time_passwords_are_those_of_rfc_6238(void **unused)
{
	static const struct {
		uint64_t time;
		uint32_t sha1, sha256;
	} vectors[] = {
		{59, 94287082, 46119246},	  {1111111109, 7081804, 68084774},
		{1111111111, 14050471, 67062674}, {1234567890, 89005924, 91819424},
		{2000000000, 69279037, 90698825}, {20000000000, 65353130, 77737706},
	};
	static const uint8_t secret[] = "12345678901234567890123456789012";

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		assert_int_equal(totp_code(TOTP_SHA1, secret, 20, vectors[i].time / 30, 8),
				 vectors[i].sha1);
		assert_int_equal(totp_code(TOTP_SHA256, secret, 32, vectors[i].time / 30, 8),
				 vectors[i].sha256);
	}
}

static void code_of(const struct totp *t, uint64_t step, char ret[static 7])
{
	snprintf(ret, 7, "%06u", totp_code(t->algorithm, t->secret, TOTP_SECRET, step, 6));
}

static void test_a_password_is_good_one_step_early_or_late_and_once(void **unused)
{
	struct totp t = {.algorithm = TOTP_SHA256, .secret = "an ordinary secret.."};
	const uint64_t now = 1800000000, step = now / TOTP_STEP_S;
	char code[7];
	uint64_t used;

	(void)unused;
	for (int away = -3; away <= 3; away++) {
		code_of(&t, step + (uint64_t)away, code);
		assert_int_equal(totp_check(&t, code, now, &used), abs(away) <= 1 ? 0 : -EINVAL);
	}
	code_of(&t, step, code);
	assert_int_equal(totp_check(&t, code, now, &used), 0);
	t.last_step = used;
	assert_int_equal(totp_check(&t, code, now, &used), -EALREADY);
	assert_int_equal(totp_check(&t, code, now + TOTP_STEP_S, &used), -EALREADY);
	code_of(&t, step - 1, code);
	assert_int_equal(totp_check(&t, code, now, &used), -EALREADY);
	code_of(&t, step + 1, code);
	assert_int_equal(totp_check(&t, code, now, &used), 0);
	assert_int_equal(totp_check(&t, "", now, &used), -EINVAL);
	assert_int_equal(totp_check(&t, "12345", now, &used), -EINVAL);
	assert_int_equal(totp_check(&t, "1234567", now, &used), -EINVAL);
	assert_int_equal(totp_check(&t, "12345x", now, &used), -EINVAL);
}

/* RFC 4648, section 10, without padding. */
static void test_secrets_are_written_in_base32_and_read_back(void **unused)
{
	static const char *const vectors[][2] = {{"f", "MY"},		{"fo", "MZXQ"},
						 {"foo", "MZXW6"},	{"foob", "MZXW6YQ"},
						 {"fooba", "MZXW6YTB"}, {"foobar", "MZXW6YTBOI"}};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t length = strlen(vectors[i][0]);
		char buffer[32];
		uint8_t back[8];
		struct text t;

		text_init(&t, buffer, sizeof(buffer));
		totp_put_base32(&t, (const uint8_t *)vectors[i][0], length);
		assert_string_equal(buffer, vectors[i][1]);
		assert_int_equal(totp_parse_base32(buffer, back, length), 0);
		assert_memory_equal(back, vectors[i][0], length);
		assert_int_equal(totp_parse_base32(buffer, back, length + 1), -EINVAL);
		assert_int_equal(totp_parse_base32("1", back, 1), -EINVAL);
	}
}

static void test_the_uri_is_what_authenticators_read(void **unused)
{
	const struct totp t = {.algorithm = TOTP_SHA1, .secret = "12345678901234567890"};
	char buffer[256];
	struct text text;

	(void)unused;
	text_init(&text, buffer, sizeof(buffer));
	totp_put_uri(&text, &t, "al ice", "host");
	assert_string_equal(buffer, "otpauth://totp/weir:al%20ice%40host?secret="
				    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=weir&algorithm=SHA1&"
				    "digits=6&period=30");
}

#define T0 1800000000ULL

/* Fail until locked out; for how long that is. */
static uint32_t fail_until_locked(struct lockout *l, uid_t uid, uint64_t now)
{
	for (unsigned int i = 1; i < LOCKOUT_FAILURES; i++) {
		assert_null(lockout_fail(l, uid, now));
		assert_int_equal(lockout_left(l, uid, now), 0);
	}
	assert_non_null(lockout_fail(l, uid, now));
	return lockout_left(l, uid, now);
}

static void test_who_fails_again_waits_longer_until_a_day_passed(void **unused)
{
	static const uint32_t waits[] = {60, 300, 900, 3600, 3600};
	struct lockout *l = calloc(1, sizeof(*l));
	uint64_t now = T0;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		assert_int_equal(fail_until_locked(l, 1000, now), waits[i]);
		assert_int_equal(lockout_left(l, 1000, now + waits[i] - 1), 1);
		assert_int_equal(lockout_left(l, 1000, now + waits[i]), 0);
		assert_int_equal(lockout_left(l, 1001, now), 0);
		now += waits[i] + 1;
	}
	assert_int_equal(fail_until_locked(l, 1000, now + LOCKOUT_FORGET_S), waits[0]);
	free(l);
}

static void test_failures_far_apart_lock_nobody_out(void **unused)
{
	struct lockout *l = calloc(1, sizeof(*l));

	(void)unused;
	for (unsigned int i = 0; i < 100; i++)
		assert_null(lockout_fail(l, 1000, T0 + i * (LOCKOUT_WINDOW_S / 3)));
	free(l);
}

static void test_a_clock_that_is_set_back_locks_for_an_hour_at_most(void **unused)
{
	struct lockout *l = calloc(1, sizeof(*l));

	(void)unused;
	fail_until_locked(l, 1000, T0);
	assert_int_equal(lockout_left(l, 1000, T0 - 1000000), LOCKOUT_LONGEST_S);
	lockout_restore(l, 1001, 3, T0 + 100);
	assert_int_equal(lockout_left(l, 1001, T0), 100);
	assert_int_equal(fail_until_locked(l, 1001, T0 + 101), 3600);
	free(l);
}

static void test_a_crowd_of_users_forgets_nobody_who_is_locked_out(void **unused)
{
	struct lockout *l = calloc(1, sizeof(*l));

	(void)unused;
	fail_until_locked(l, 1000, T0);
	for (uid_t uid = 2000; uid < 2000 + 4 * LOCKOUT_USERS_MAX; uid++)
		lockout_fail(l, uid, T0 + 1);
	assert_int_equal(lockout_left(l, 1000, T0 + 1), 59);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_known_again_by_its_digest_and_no_other_is),
		cmocka_unit_test(test_what_is_not_exactly_a_key_is_none),
		cmocka_unit_test(test_equal_is_equal_of_every_byte),
		cmocka_unit_test(test_a_token_opens_with_its_key_and_unchanged_only),
		cmocka_unit_test(test_payloads_up_to_the_limit_come_back),
		cmocka_unit_test(test_one_time_passwords_are_those_of_rfc_6238),
		cmocka_unit_test(test_a_password_is_good_one_step_early_or_late_and_once),
		cmocka_unit_test(test_secrets_are_written_in_base32_and_read_back),
		cmocka_unit_test(test_the_uri_is_what_authenticators_read),
		cmocka_unit_test(test_who_fails_again_waits_longer_until_a_day_passed),
		cmocka_unit_test(test_failures_far_apart_lock_nobody_out),
		cmocka_unit_test(test_a_clock_that_is_set_back_locks_for_an_hour_at_most),
		cmocka_unit_test(test_a_crowd_of_users_forgets_nobody_who_is_locked_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
