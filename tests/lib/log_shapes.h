/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Audit logs of every shape there is, to be damaged: see the table in log_shapes.c. */
#ifndef LIB_LOG_SHAPES_H
#define LIB_LOG_SHAPES_H

#include "audit/note.h"
#include "log_files.h"

#define LOG_SHAPES 10

struct log_shape {
	const char *name;
	struct log_files files;
	struct log_files older;	      /* the same log earlier; nothing if there is no such copy */
	struct log_files unexpired;   /* before records expired */
	char *early, *late;	      /* checkpoints that were kept elsewhere; NULL */
	char key[NOTE_VERIFIER_SIZE]; /* who signed late; "" */
};

/* Write them one after the other in @path, which is left empty, and with keys in @keys. They end the process if they cannot. */
void log_shapes_make(struct log_shape ret[static LOG_SHAPES], const char *path, const char *keys);
void log_shapes_done(struct log_shape shapes[static LOG_SHAPES]);

#endif
