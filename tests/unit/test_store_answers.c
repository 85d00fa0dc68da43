/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers that are given again, on a real file: whose they are, how long and how many are kept; and their keys. */
#include "test_store.h"

#include "api/idempotency.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void put(struct store *s, uint32_t uid, const char *key, uint64_t made_ns, uint64_t since_ns,
		uint32_t rows)
{
	const struct store_answer a = {uid, key, HASH, 201, "{\"a\":1}", made_ns};
	struct fault f = {0};

	if (store_answer_put(s, &a, since_ns, rows, &f) < 0)
		fail_msg("%s", f.text);
}

static bool has(struct store *s, uint32_t uid, const char *key, uint64_t since_ns)
{
	struct store_answer_found found = {0};
	struct fault f = {0};
	int r = store_answer_get(s, uid, key, since_ns, &found, &f);

	if (r == 0) {
		assert_int_equal(found.status, 201);
		assert_string_equal(found.request, HASH);
		assert_string_equal(found.body, "{\"a\":1}");
	} else {
		assert_int_equal(r, -ENOENT);
	}
	free(found.body);
	return r == 0;
}

static void test_an_answer_outlives_the_process_and_is_its_users_own(void **state)
{
	struct fixture *x = *state;

	put(x->store, 7, "key", 100, 0, 10);
	open_again(x);
	assert_true(has(x->store, 7, "key", 100));
	assert_false(has(x->store, 8, "key", 0));
	assert_false(has(x->store, 7, "other", 0));
	assert_false(has(x->store, 7, "key", 101));
	assert_int_equal(store_answers_clear(x->store, NULL), 0);
	assert_false(has(x->store, 7, "key", 0));
}

static void test_the_oldest_go_first(void **state)
{
	const struct fixture *x = *state;

	put(x->store, 1, "a", 300, 0, 2);
	put(x->store, 1, "b", 100, 0, 2);
	put(x->store, 2, "c", 200, 0, 2);
	assert_true(has(x->store, 1, "a", 0));
	assert_false(has(x->store, 1, "b", 0));
	assert_true(has(x->store, 2, "c", 0));
	put(x->store, 2, "d", 400, 300, 9);
	assert_false(has(x->store, 2, "c", 0));
	assert_true(has(x->store, 1, "a", 0));
}

static void test_an_answer_has_a_limit(void **state)
{
	struct store_answer a = {1, "long", HASH, 201, NULL, 1};
	char *body = malloc(STORE_DOCUMENT_MAX + 2);
	const struct fixture *x = *state;

	assert_non_null(body);
	memset(body, 'x', STORE_DOCUMENT_MAX + 1);
	body[STORE_DOCUMENT_MAX + 1] = '\0';
	a.body = body;
	assert_int_equal(store_answer_put(x->store, &a, 0, 10, NULL), -EMSGSIZE);
	body[STORE_DOCUMENT_MAX] = '\0';
	assert_int_equal(store_answer_put(x->store, &a, 0, 10, NULL), 0);
	free(body);
}

static void test_keys_are_tokens_quoted_or_not(void **unused)
{
	char key[IDEMPOTENCY_KEY_MAX + 1], longest[IDEMPOTENCY_KEY_MAX + 2];
	static const char *const bad[] = {"", "\"\"", "a b", "\"a", "a\"", "\"a\"b", "a;b", "\xc3"};

	(void)unused;
	assert_int_equal(idempotency_parse("\"8e03978e-40d5\"", key), 0);
	assert_string_equal(key, "8e03978e-40d5");
	assert_int_equal(idempotency_parse("a.b_c~", key), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(idempotency_parse(bad[i], key), -EINVAL);
	memset(longest, 'k', sizeof(longest));
	longest[IDEMPOTENCY_KEY_MAX + 1] = '\0';
	assert_int_equal(idempotency_parse(longest, key), -EINVAL);
	longest[IDEMPOTENCY_KEY_MAX] = '\0';
	assert_int_equal(idempotency_parse(longest, key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_OPENED(test_an_answer_outlives_the_process_and_is_its_users_own),
		TEST_OPENED(test_the_oldest_go_first),
		TEST_OPENED(test_an_answer_has_a_limit),
		cmocka_unit_test(test_keys_are_tokens_quoted_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
