/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the readers of this folder share. They return nothing where nothing can be done about it: what fails for good is kept
 * in import->error, and what cannot be translated is a note. */
#ifndef IMPORT_INTERNAL_H
#define IMPORT_INTERNAL_H

#include "import/import.h"

/* Where something stands: a line, or a name such as "inet filter input handle 7", or both. */
struct place_in {
	unsigned int line;
	const char *name; /* NULL = none */
};

/* An entry as a tool has it. */
struct found {
	enum list_kind kind;
	const char *word; /* an address, a prefix or a range */
	size_t length;
	uint64_t seconds; /* IMPORT_FOREVER; 0 = it ends now: a note */
	const char *reason;
	uint16_t chain;
};

/* Add an entry, several for a range; or a note if it cannot be one. */
void import_add(struct import *i, const struct found *found, const struct place_in *place);
/* @text of @length bytes stands there, and this is why it is not, or otherwise, in weir. */
void import_note(struct import *i, enum import_note_kind kind, const struct place_in *place,
		 const char *text, size_t length, const char *why, ...)
	__attribute__((format(printf, 6, 7)));
/* Drop what is said twice, and of the entries of rules those that would let others pass that are blocked. */
void import_tidy(struct import *i);

/** The fault of what failed for good; 0: nothing did. */
int import_end(const struct import *i, struct fault *reterr);

/* Bytes that steer a terminal, break a line of YAML or are no UTF-8 become '?'. */
void import_clean(char *string);
/* Cut it to @max bytes between two characters. */
void import_cut(char *string, size_t max);

/** A protocol as policies name it: "icmp6". NULL: by its number. */
const char *import_protocol(unsigned int number);

/* Lines of a text. */
struct lines {
	const char *at, *end;
	unsigned int number; /* of the last one that was given */
};

/** The next line without its end. False: that was all. */
bool lines_next(struct lines *l, const char **ret, size_t *ret_length);
/** The word at *@at before @end, behind blanks; false: none. *@at is moved behind it. */
bool words_next(const char **at, const char *end, const char **ret, size_t *ret_length);
bool word_is(const char *word, size_t length, const char *what);

/** Read JSON, with its limits. Faults: import.syntax, import.values, import.memory. */
int import_json(const char *text, size_t length, json_t **ret, struct fault *reterr);

/* Readers; import_text() chose by the tool. 0, or a fault. */
int import_fail2ban(struct import *i, const char *text, size_t length, struct fault *reterr);
int import_nft(struct import *i, const char *text, size_t length, struct fault *reterr);
int import_ipset(struct import *i, const char *text, size_t length, struct fault *reterr);
int import_crowdsec(struct import *i, const char *text, size_t length, struct fault *reterr);
int import_xdp_filter(struct import *i, const char *text, size_t length, struct fault *reterr);

#endif
