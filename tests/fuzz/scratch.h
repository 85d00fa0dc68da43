/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A directory for the files of a target: in memory, and gone with the process however it ends. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

/** Its path. Where it takes rights that we lack, a directory in /tmp that a normal exit removes. */
const char *scratch_directory(void);

/** Remove @path and all below it. Fine if there is nothing. */
void scratch_remove(const char *path);

#endif
