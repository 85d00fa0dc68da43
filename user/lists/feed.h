/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a feed: a file of addresses, prefixes and ranges that somebody else writes. So it is read with
 * some patience and without trust. A line that makes no sense is counted and left out; a file with too many
 * of them, or with nothing in it, is refused as a whole, for the content that is in force is better than half
 * of another. Needs nothing but the file: any thread can do it.
 *
 *   plain   an address, a prefix or a range (198.51.100.3-198.51.100.9) per line; # and ; begin a comment
 *   netset  the same, and what `ipset save` writes: add NAME PREFIX ...
 *   drop    Spamhaus DROP: PREFIX ; SBL123, or an object of JSON per line; the SBL number becomes the reason
 *   csv     a column of a table: by number, by its name in the header, or the first that holds addresses
 *
 * A file is a whole only if whoever writes it says so by renaming it into place; a file that changes while it
 * is read is refused.
 */
#ifndef LISTS_FEED_H
#define LISTS_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "lists/content.h"

#define FEED_FILE_MAX	     (64U << 20) /* bytes */
#define FEED_LINE_MAX	     4096	 /* bytes; a longer one is bad */
#define FEED_BAD_PERCENT_MAX 10		 /* of the lines that are neither blank nor comment */
#define FEED_COLUMN_MAX	     64
#define FEED_WORD_MAX	     64 /* bytes of a column's name */
#define FEED_EXAMPLES	     3
#define FEED_SHA256_SIZE     65

enum feed_format {
	FEED_AUTO,
	FEED_PLAIN,
	FEED_NETSET,
	FEED_DROP,
	FEED_CSV,
	FEED_FORMAT_MAX,
};

const char *feed_format_to_str(enum feed_format format);
/** -EINVAL: no such format. */
int feed_format_from_str(const char *name, enum feed_format *ret);

struct feed_source {
	const char *path;
	enum feed_format format;
	unsigned int column;	 /* csv: counted from 1; 0 = by name or by itself */
	const char *column_name; /* csv: NULL = none */
};

/* What tells one state of a file from another. */
struct feed_signature {
	uint64_t device, inode, size;
	uint64_t modified_ns, changed_ns; /* CLOCK_REALTIME */
};

struct feed_report {
	enum feed_format format; /* as found */
	struct feed_signature signature;
	char sha256[FEED_SHA256_SIZE];
	size_t lines;	   /* that say something: neither blank nor comment */
	size_t bad;	   /* of these, left out */
	size_t masked;	   /* had bits beyond the prefix's length, which were cleared */
	size_t duplicates; /* prefixes that an earlier line lists already */
	char examples[FEED_EXAMPLES][120]; /* of bad lines: "line 12: 'x' is no address" */
};

/** What is at @path now. -errno. */
int feed_stat(const char *path, struct feed_signature *ret);
bool feed_same(const struct feed_signature *a, const struct feed_signature *b);

/**
 * Read and check the whole file. @ret_report is filled as far as it got, in any case. Faults: feed.read (errno of
 * open(2), read(2)), feed.type (-EINVAL: no regular file), feed.writable (-EPERM: group or others may write to it,
 * and who writes a feed decides who can reach the host), feed.size (-EFBIG), feed.changed (-EAGAIN: while it was
 * read), feed.empty, feed.bad (-EINVAL), feed.full (-E2BIG: more prefixes than lists hold), feed.memory.
 */
int feed_read(const struct feed_source *source, struct list_content **ret,
	      struct feed_report *ret_report, struct fault *reterr);
/** The same of @length bytes that are in memory; the signature and sha256 stay as they are. */
int feed_parse(const struct feed_source *source, const char *text, size_t length,
	       struct list_content **ret, struct feed_report *report, struct fault *reterr);

/* For this folder: what a word lists. */
enum feed_word { FEED_WORD_OK, FEED_WORD_MASKED, FEED_WORD_BAD, FEED_WORD_ALL };

#define FEED_PREFIXES_MAX 256 /* that a range can take */

/**
 * An address, a prefix or a range, as the prefixes that cover it and nothing else, in order. FEED_WORD_ALL: it
 * covers all of IPv4 or IPv6, which no feed can mean.
 */
enum feed_word feed_word_parse(const char *word, size_t length,
			       struct prefix ret[static FEED_PREFIXES_MAX], size_t *ret_count);

#endif
