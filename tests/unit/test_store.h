/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tests of the store share: a file in a directory of its own, and a store on it that is opened as often as a test likes. */
#ifndef TEST_STORE_H
#define TEST_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/store.h"

struct fixture {
	char directory[32];
	char path[64];
	struct store *store; /* NULL until open_again() */
};

static inline void open_again(struct fixture *x)
{
	struct fault f = {0};

	store_close(x->store);
	x->store = NULL;
	if (store_open(x->path, &x->store, &f) < 0)
		fail_msg("%s", f.text);
}

static inline int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	snprintf(x->directory, sizeof(x->directory), "/tmp/weir-store-XXXXXX");
	assert_non_null(mkdtemp(x->directory));
	snprintf(x->path, sizeof(x->path), "%s/weir.db", x->directory);
	*state = x;
	return 0;
}

static inline int set_up_opened(void **state)
{
	set_up(state);
	open_again(*state);
	return 0;
}

static inline int tear_down(void **state)
{
	_cleanup_free_ struct fixture *x = *state;
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;

	store_close(x->store);
	d = opendir(x->directory);
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	return rmdir(x->directory);
}

#define TEST(name)	  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_OPENED(name) cmocka_unit_test_setup_teardown(name, set_up_opened, tear_down)

#endif
