/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What -o ndjson and yaml make of the JSON that a command prints: a stream to print it to. What is no
 * JSON (a file that a command writes to stdout) passes as it is.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

/**
 * A stream in front of @to: each JSON value becomes a YAML document, or, for an answer of the form
 * {"items": [...]} (@rows names the member), each of its items a line. NULL = out of memory. End it with fclose(3), which does not
 * close @to and fails if something could not be written.
 */
FILE *output_open(FILE *to, bool yaml, const char *rows);

#endif
