/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Signed notes and checkpoints as other transparency logs have them: c2sp.org/signed-note and
 * c2sp.org/tlog-checkpoint. A note is text and signatures over it; of the kinds of signatures only Ed25519 is
 * made and checked, others are carried along. A checkpoint is a note that states a tree's size and root.
 */
#ifndef AUDIT_NOTE_H
#define AUDIT_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "audit/hash.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/text.h"

#define NOTE_SIZE_MAX	    65536 /* bytes of a note; more is refused */
#define NOTE_SIGNATURES_MAX 64
#define NOTE_NAME_MAX	    200 /* bytes of a key's name and of an origin */
#define NOTE_KEY_SIZE	    32	/* Ed25519, public */
#define NOTE_SIGNATURE_SIZE 64
/* name+id+base64(type, key) and the NUL */
#define NOTE_VERIFIER_SIZE  (NOTE_NAME_MAX + 1 + 8 + 1 + 44 + 1)

/* Who a signature is by: a key's public half and its name. */
struct note_verifier {
	char name[NOTE_NAME_MAX + 1];
	uint32_t id; /* the first 4 bytes of SHA-256(name || 0x0A || 0x01 || key) */
	uint8_t key[NOTE_KEY_SIZE];
};

/** -EINVAL: @name cannot be the name of a key: empty, too long, or with a blank, a control character or '+'. */
int note_verifier_init(struct note_verifier *v, const char *name,
		       const uint8_t key[static NOTE_KEY_SIZE]);
/** Parse "name+id+base64" of an Ed25519 key. -EINVAL "note.key", also if the id is not that of name and key. */
int note_verifier_parse(const char *text, struct note_verifier *ret, struct fault *reterr);
void note_verifier_format(const struct note_verifier *v, char ret[static NOTE_VERIFIER_SIZE]);

struct note_signature {
	const char *name; /* in the note; not NUL-terminated */
	size_t name_length;
	uint32_t id;
	size_t length;			      /* of the signature, whatever its kind */
	uint8_t ed25519[NOTE_SIGNATURE_SIZE]; /* if length is NOTE_SIGNATURE_SIZE */
};

struct note {
	const char *text; /* what is signed, with its last newline; points into what was parsed */
	size_t text_length;
	size_t count;
	struct note_signature signatures[NOTE_SIGNATURES_MAX];
};

/** Parse a note; @data must outlive @ret. -EINVAL "note.format": no note, with the reason. Proves nothing. */
int note_parse(const char *data, size_t length, struct note *ret, struct fault *reterr);
/**
 * Is there a signature by @v, and is it good? 0; -ENOKEY "note.unsigned": there is none; -EKEYREJECTED
 * "note.signature": there is one and it is not over this text.
 */
int note_verify(const struct note *note, const struct note_verifier *v, struct fault *reterr);

/* A key that signs. */
struct note_signer {
	struct note_verifier verifier;
	struct evp_pkey_st *key;
};

/** Append the line of a signature over the @text_length bytes of @text to @t. -EIO: libcrypto refused. */
int note_sign(const struct note_signer *signer, const char *text, size_t text_length,
	      struct text *t);
/** The whole note in memory from malloc(), signed by all @count. @text ends with a newline. -ENOMEM, -EIO. */
int note_make(const char *text, const struct note_signer *signers, size_t count, char **ret);

struct checkpoint {
	char origin[NOTE_NAME_MAX + 1];
	uint64_t size;
	uint8_t root[AUDIT_HASH_SIZE];
};

/** Read the text of a note as a checkpoint. -EINVAL "checkpoint.format". Lines behind the third are allowed. */
int checkpoint_parse(const struct note *note, struct checkpoint *ret, struct fault *reterr);
/** The text of a note that states @c; NULL: no memory. The caller's to free. */
char *checkpoint_format(const struct checkpoint *c);

#endif
