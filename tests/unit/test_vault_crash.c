/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A vault whose process dies after any call, or loses power: it opens again with its key, what was durable is there,
 * and of what was erased no file has anything.
 */
#include "test_audit.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "../lib/crash.h"
#include "audit/personal.h"
#include "vault/vault.h"

#define VALUES	 64 /* subjects of one life, at most */
#define PROMISES 200
#define VALUE_LENGTH                                                                               \
	40 /* of their rows in the file, with the tag: nobody meets 40 random bytes by chance */

static const uint8_t id[AUDIT_ID_SIZE] = {1, 2, 3};
static const struct personal_place place = {id, "resource.id"};

enum fate {
	UNKNOWN, /* never promised */
	DURABLE,
	DOOMED, /* being erased: there or not */
	ERASED,
};

struct promise {
	uint8_t fate[VALUES];
	char key_id[VAULT_KEY_ID_SIZE]; /* "": any */
};

/* Shared between who works, who dies, and who looks. */
struct life {
	const struct log *log;
	struct personal_sealed sealed[VALUES];
	uint8_t row[VALUES][VALUE_LENGTH]; /* as the file has it: encrypted */
	uint64_t acked;			   /* promises[acked - 1] is the last */
	volatile uint64_t *watched;	   /* the same, for who watches; NULL: nobody does */
	struct promise promises[PROMISES];
};

static void value_of(unsigned int n, char ret[static VALUE_LENGTH - 15])
{
	snprintf(ret, VALUE_LENGTH - 15, "somebody with number %03u", n);
}

static int seal(struct vault *v, struct life *life, unsigned int n)
{
	struct personal_keeper *k = vault_keeper(v);
	char value[VALUE_LENGTH - 15];

	value_of(n, value);
	return k->seal(AUDIT_FIELD_NAME, value, &place, &life->sealed[n], k->userdata);
}

static int sync_vault(struct vault *v)
{
	struct personal_keeper *k = vault_keeper(v);

	return k->sync(NULL, k->userdata);
}

/* What is in the file of a value, for whoever looks for it later. By a connection that is gone at once. */
static int remember(struct life *life, const char *path, unsigned int n)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	int r = -EIO;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT value FROM subject WHERE id = ?1", -1, &s, NULL) ==
		    SQLITE_OK &&
	    sqlite3_bind_int64(s, 1, (int64_t)life->sealed[n].subject) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == VALUE_LENGTH) {
		memcpy(life->row[n], sqlite3_column_blob(s, 0), VALUE_LENGTH);
		r = 0;
	}
	sqlite3_finalize(s);
	sqlite3_close(db);
	return r;
}

/* The next promise is the last one, changed. */
static struct promise *begin_promise(struct life *life)
{
	struct promise *next = &life->promises[life->acked];

	*next = life->acked ? next[-1] : (struct promise){0};
	return next;
}

static void promise(struct life *life)
{
	life->acked++;
	if (life->watched)
		*life->watched = life->acked;
}

static int put_values(struct vault *v, struct life *life, unsigned int from, unsigned int to)
{
	struct promise *p;
	char path[64];
	int r = 0;

	for (unsigned int n = from; n < to && r == 0; n++)
		r = seal(v, life, n);
	r = r ?: sync_vault(v);
	snprintf(path, sizeof(path), "%s/" VAULT_FILE, life->log->root);
	for (unsigned int n = from; n < to && r == 0; n++)
		r = remember(life, path, n);
	p = begin_promise(life);
	memset(p->fate + from, DURABLE, to - from);
	if (r == 0)
		promise(life);
	return r;
}

static int erase_value(struct vault *v, struct life *life, unsigned int n)
{
	size_t erased;
	int r;

	begin_promise(life)->fate[n] = DOOMED;
	promise(life);
	r = vault_erase(v, &life->sealed[n].subject, 1, &erased, NULL);
	begin_promise(life)->fate[n] = ERASED;
	if (r == 0)
		promise(life);
	return r;
}

static int rotate(struct vault *v, struct life *life)
{
	struct vault_status status;
	int r;

	begin_promise(life)->key_id[0] = '\0';
	promise(life);
	r = vault_rotate(v, NULL);
	vault_get_status(v, &status);
	memcpy(begin_promise(life)->key_id, status.key_id, sizeof(status.key_id));
	if (r == 0)
		promise(life);
	return r;
}

static struct vault *open_vault(const struct life *life)
{
	const struct vault_options options = {.state_dir = life->log->root, .owner = true};
	struct vault *v = NULL;

	return vault_open(&options, &v, NULL) == 0 ? v : NULL;
}

static int live(volatile uint64_t *acked, void *userdata)
{
	struct life *life = userdata;
	struct vault *v = open_vault(life);
	int r = v && vault_state(v) == VAULT_WORKS ? 0 : -EIO;

	life->watched = acked;
	r = r ?: put_values(v, life, 0, 3);
	r = r ?: erase_value(v, life, 1);
	r = r ?: put_values(v, life, 3, 5);
	r = r ?: rotate(v, life);
	r = r ?: erase_value(v, life, 3);
	r = r ?: put_values(v, life, 5, 6);
	vault_close(v);
	return r;
}

static void fail_as(const struct crash *x, const char *what, const char *words)
{
	if (x)
		crash_broken(x, what, words);
	fail_msg("%s: %s", what, words);
}

static void look_for_erased(const struct crash *x, struct life *life, const struct promise *p,
			    const char *when)
{
	for (unsigned int n = 0; p && n < VALUES; n++)
		if (p->fate[n] == ERASED &&
		    crash_has_bytes(life->log->root, life->row[n], VALUE_LENGTH))
			fail_as(x, "what was erased is in a file", when);
}

static void look_at_value(const struct crash *x, struct life *life, struct vault *v, enum fate fate,
			  unsigned int n)
{
	_cleanup_(text_done) struct text value = {.growing = true};
	const struct personal_opener *o = vault_opener(v);
	char expected[VALUE_LENGTH - 15];
	int r;

	if (fate == UNKNOWN)
		return;
	value_of(n, expected);
	r = o->open(&life->sealed[n], &place, &value, o->userdata);
	if (r == 0 && (fate == ERASED || strcmp(value.data, expected) != 0))
		fail_as(x, expected, fate == ERASED ? "can be opened" : "is another value");
	if (r < 0 && (fate == DURABLE || r != -ENOENT))
		fail_as(x, expected, strerror(-r));
	/* Gone is gone: not only from the table. */
	if (r < 0 && crash_has_bytes(life->log->root, life->row[n], VALUE_LENGTH))
		fail_as(x, expected, "is erased, and still in a file");
}

static void look_after(const struct crash *x, struct life *life, const struct promise *p)
{
	struct vault_status status;
	struct vault *v;
	uint64_t before;

	look_for_erased(x, life, p, "before anybody opened the vault");
	v = open_vault(life);
	assert_non_null(v);
	vault_get_status(v, &status);
	if (status.state != VAULT_WORKS)
		fail_as(x, "the vault", status.trouble.text);
	if (*status.set_aside)
		fail_as(x, "the vault", "was set aside");
	if (p && *p->key_id && strcmp(status.key_id, p->key_id) != 0)
		fail_as(x, "the key", "is another one than promised");
	look_for_erased(x, life, p, "after it was opened");
	for (unsigned int n = 0; p && n < VALUES; n++)
		look_at_value(x, life, v, p->fate[n], n);
	vault_close(v);
	look_for_erased(x, life, p, "after it was closed");
	before = crash_checksum(life->log->root);
	vault_close(open_vault(life));
	if (crash_checksum(life->log->root) != before)
		fail_as(x, "a second start", "changed files");
}

static void look(const struct crash *x, uint64_t acked, void *userdata)
{
	struct life *life = userdata;

	look_after(x, life, acked ? &life->promises[acked - 1] : NULL);
}

static struct life *make_life(const struct log *l)
{
	struct life *life = crash_shared(sizeof(*life));

	life->log = l;
	return life;
}

static void any_call(void **state)
{
	const struct log *l = *state;
	const struct crash_plan plan = {
		.root = l->root,
		.work = live,
		.look = look,
		.userdata = make_life(l),
		.all = crash_full() ? 6 : 1,
		.some = crash_full() ? 60 : 4,
	};

	crash_run(&plan);
}

/* Until killed, or out of values. */
static void live_on(struct life *life, unsigned int seed)
{
	struct vault *v;
	unsigned int next = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	v = open_vault(life);
	if (!v || vault_state(v) != VAULT_WORKS)
		_exit(1);
	while (next < VALUES && life->promises[life->acked ? life->acked - 1 : 0].fate[next])
		next++;
	while (next + 3 <= VALUES && life->acked + 5 < PROMISES) {
		int r = put_values(v, life, next, next + 3);

		seed = seed * 1103515245 + 12345;
		r = r ?: erase_value(v, life, next + (seed >> 16) % 3);
		if (r == 0 && seed >> 28 & 1)
			r = rotate(v, life);
		if (r < 0)
			_exit(1);
		next += 3;
	}
	pause();
}

static void killed(void **state)
{
	const struct log *l = *state;
	struct life *life = make_life(l);
	unsigned int rounds = crash_full() ? 300 : 30, seed = 7, erased = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		struct timespec pause = {0};
		struct promise *p;
		pid_t child;

		if (life->acked > PROMISES / 2) { /* begin anew */
			crash_clear(l->root);
			memset(life, 0, sizeof(*life));
			life->log = l;
		}
		seed = seed * 1103515245 + 12345;
		pause.tv_nsec = (long)(seed >> 8) % 12000000;
		child = fork();
		if (child == 0)
			live_on(life, seed);
		assert_true(child > 0);
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		p = life->acked ? &life->promises[life->acked - 1] : NULL;
		look_after(NULL, life, p);
		for (unsigned int n = 0; p && n < VALUES; n++)
			erased += p->fate[n] == ERASED;
		/* What the dead one had not got to is made once more, under the same numbers. */
		for (unsigned int n = 0; p && n < VALUES; n++)
			if (p->fate[n] == DOOMED)
				p->fate[n] = UNKNOWN;
	}
	print_message("# %u kills, %u times something erased was looked for\n", rounds, erased);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(words, fn) {words, fn, log_set_up, log_tear_down, NULL}
		T("a vault that dies after any call, or loses power, keeps what it promised and "
		  "nothing that it erased",
		  any_call),
		T("nor does kill -9 at any moment cost a value, or bring one back", killed),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
