/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/leaves.h"

#include <errno.h>
#include <string.h>

int leaves_open(struct leaves *l, const char *audit_dir, uint64_t first, struct fault *reterr)
{
	int r;

	*l = (struct leaves){.first = first, .next = UINT64_MAX};
	r = reader_open(audit_dir, &l->reader, reterr);

	if (r == 0)
		reader_with_expired(l->reader);
	return r;
}

void leaves_done(struct leaves *l)
{
	reader_close(l->reader);
	l->reader = NULL;
}

static int leaf(uint64_t index, uint8_t ret[static AUDIT_HASH_SIZE], void *userdata)
{
	struct leaves *l = userdata;
	struct reader_record record;
	int r = l->next == index ? 0 : reader_seek(l->reader, l->first + index, NULL);

	r = r < 0 ? r : reader_next(l->reader, &record, NULL);
	if (r < 0)
		return r;
	if (r == 0 || record.view.index != l->first + index)
		return -EBADMSG;
	memcpy(ret, record.hash, AUDIT_HASH_SIZE);
	l->next = index + 1;
	return 0;
}

struct tile_leaves leaves_source(struct leaves *l)
{
	return (struct tile_leaves){leaf, l};
}
