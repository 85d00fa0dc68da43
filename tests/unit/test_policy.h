/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the language share: files in a directory of their own. */
#ifndef TEST_POLICY_H
#define TEST_POLICY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "policy/policy.h"
#include "test_policy_collect.h"

#define HEAD "apiVersion: weir/v1\nmode: enforce\n"

struct directory {
	char path[32]; /* removed in the end */
};

static inline int directory_make(void **state)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	*state = d;
	snprintf(d->path, sizeof(d->path), "/tmp/weir-policy-XXXXXX");
	return mkdtemp(d->path) ? 0 : -1;
}

static inline int directory_entry(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int directory_remove(void **state)
{
	struct directory *d = *state;

	nftw(d->path, directory_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(d);
	return 0;
}

/* Write a file below the directory, making the directory it is in. Returns its path, which
 * holds until the 16th call from here. */
static inline const char *put(const struct directory *d, const char *name, const char *text)
{
	static char paths[16][256];
	static unsigned int turn;
	char *path = paths[turn++ % 16], *slash;
	FILE *f;

	snprintf(path, sizeof(paths[0]), "%s/%s", d->path, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0755);
	*slash = '/';
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fchmod(fileno(f), 0644), 0);
	fclose(f);
	return path;
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, directory_make, directory_remove)

#endif
