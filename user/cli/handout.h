/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Giving a checkpoint to somebody else to keep: a command, a file, a web server. */
#ifndef CLI_HANDOUT_H
#define CLI_HANDOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define HANDOUT_RECEIPT_MAX 1000 /* bytes that are kept of an answer */

struct handout {
	const char *note;
	size_t length;
	uint32_t timeout_ms;
	char receipt[HANDOUT_RECEIPT_MAX + 1]; /* what was answered, valid UTF-8 */
};

/**
 * Run @command by /bin/sh in a process group of its own, with the note as its stdin. What it prints is the receipt.
 * -ETIMEDOUT "anchor.exec": it was killed; -EIO: it ended with another status than 0; -errno.
 */
int handout_exec(struct handout *h, const char *command, struct fault *reterr);
/** Replace the file by the note, in one step. -errno "anchor.file". */
int handout_file(struct handout *h, const char *path, struct fault *reterr);
/** POST it: http and https, no redirects. -EIO "anchor.url": no answer, or one that is not 2xx; -EINVAL. */
int handout_url(struct handout *h, const char *url, struct fault *reterr);

#endif
