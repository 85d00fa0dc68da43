/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What operators change at run time and what must survive a reboot, in one SQLite file: list entries,
 * flags, the policies that were in force, and a small table of facts. A call that returned 0 is durable: it
 * survives loss of power. Knows rows, not what they mean. One thread at a time; the file is opened once per
 * process.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"

#define STORE_APPLICATION_ID   0x77656972 /* "weir": tells our files from those of other programs */
#define STORE_FULL_CHECK_BYTES (64ULL << 20) /* up to this size each start checks everything */
#define STORE_TEXT_MAX	       4096	     /* bytes of any one string, the NUL not counted */
#define STORE_POLICY_TEXT_MAX  (8U << 20)    /* bytes of a policy's text */
#define STORE_FOREVER	       UINT64_MAX    /* as a deadline; kept as NULL */
#define STORE_TIME_NS_MAX      INT64_MAX     /* any other time: the year 2262 */

struct store;

/**
 * Open or create the file, mode 0600, in a directory that only we can write to (the caller has seen
 * to that), and bring its schema up to date. Faults: store.path (-ELOOP a symbolic link, -EPERM
 * somebody else's, -EINVAL no regular file), store.foreign (-EINVAL: an SQLite file of another
 * program), store.newer (-EPROTONOSUPPORT: written by a later weir), store.damaged (-EUCLEAN: no
 * database, or its integrity check failed; the caller decides whether to move it away),
 * store.io for the rest: -ENOSPC, -EIO, -EBUSY (another process holds it), -EROFS, -EACCES, ...
 */
int store_open(const char *path, struct store **ret, struct fault *reterr);
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)

/* Schema version that this weir writes. */
size_t store_schema(void);

/*
 * What follows needs no open store and works on any file of ours, file.c.
 */

/**
 * Write one consistent copy of the database @path, which may be in use, to the file @copy, which is made; mode as
 * umask says. It needs no log beside it. Faults as for store_open().
 */
int store_snapshot(const char *path, const char *copy, struct fault *reterr);
/**
 * The whole integrity check, read-only. *@ret_schema is its schema version. Faults: store.foreign, store.newer,
 * store.damaged, store.io.
 */
int store_check(const char *path, uint64_t *ret_schema, struct fault *reterr);
/**
 * Rename the database, and its log with it, to "@path.@suffix"; @ret receives that name. What is not there is no
 * error. Nobody may have it open.
 */
int store_set_aside(const char *path, const char *suffix, char *ret, size_t size,
		    struct fault *reterr);

/*
 * Group the puts and deletes that follow into one durable step, for many at once. Ends with
 * store_commit() or store_rollback(); a failed commit has rolled back. No nesting.
 */
int store_begin(struct store *s, struct fault *reterr);
int store_commit(struct store *s, struct fault *reterr);
void store_rollback(struct store *s);

/* A list entry; its key is {kind, prefix}. */
struct store_list_row {
	uint8_t kind;
	struct prefix prefix;
	uint64_t until_real_ns; /* CLOCK_REALTIME, or STORE_FOREVER */
	uint64_t added_ns;	/* CLOCK_REALTIME */
	const char *reason;
	const char *added_by;
	bool recovered; /* from the kernel, after the store was lost */
};

/** Insert or replace. -ERANGE: a time beyond STORE_TIME_NS_MAX; -EMSGSIZE: a string too long. */
int store_list_put(struct store *s, const struct store_list_row *row, struct fault *reterr);

/** -ENOENT: no such row. */
int store_list_delete(struct store *s, uint8_t kind, const struct prefix *prefix,
		      struct fault *reterr);

/**
 * Call @fn with each row in the order kind, prefix_compare(); the strings live as long as the call.
 * @fn must not use the store. A negative return of @fn ends it and is returned, without a fault.
 */
int store_list_each(struct store *s, int (*fn)(const struct store_list_row *row, void *userdata),
		    void *userdata, struct fault *reterr);

/* What a flag was set to at run time; its key is the name. */
struct store_flag_row {
	const char *name;
	int enabled, permille;	       /* below 0 = not set */
	const char *sources, *tenants; /* separated by blanks; NULL = not set */
	uint64_t until_real_ns;	       /* CLOCK_REALTIME, or STORE_FOREVER */
	uint64_t set_ns;	       /* CLOCK_REALTIME */
	const char *reason;
	const char *set_by;
};

/** Insert or replace. Errors as store_list_put(). */
int store_flag_put(struct store *s, const struct store_flag_row *row, struct fault *reterr);
/** -ENOENT: no such row. */
int store_flag_delete(struct store *s, const char *name, struct fault *reterr);
/** As store_list_each(), in the order of names. */
int store_flag_each(struct store *s, int (*fn)(const struct store_flag_row *row, void *userdata),
		    void *userdata, struct fault *reterr);

/** -ENOENT: the key was never put; -ENOBUFS: the value does not fit @size. */
int store_meta_get(struct store *s, const char *key, char *ret, size_t size, struct fault *reterr);
int store_meta_put(struct store *s, const char *key, const char *value, struct fault *reterr);

/* A policy that was in force; its key is its generation. */
struct store_policy_row {
	uint32_t generation, parent; /* which it followed; 0 = none */
	const char *sha256;	     /* of its text, in lower hex */
	uint64_t length;	     /* of its text; ignored by store_policy_put() */
	uint32_t uid;
	const char *username, *reason;
	uint64_t applied_ns; /* CLOCK_REALTIME */
	const char *how, *state;
	/* That it was read with, and the daemon's own then; "" = none, NULL = not known. */
	const char *profile, *daemon_profile;
};

/** Insert or replace, and keep @text under its sha256 unless it is there. Faults as store_list_put(). */
int store_policy_put(struct store *s, const struct store_policy_row *row, const char *text,
		     size_t length, struct fault *reterr);
/** -ENOENT: no such generation. */
int store_policy_set_state(struct store *s, uint32_t generation, const char *how, const char *state,
			   struct fault *reterr);
/** Remove a generation, if it is there, and the text that nobody refers to any more. */
int store_policy_delete(struct store *s, uint32_t generation, struct fault *reterr);
/** As store_list_each(), in the order of the generations. */
int store_policy_each(struct store *s,
		      int (*fn)(const struct store_policy_row *row, void *userdata), void *userdata,
		      struct fault *reterr);
/** The text and a NUL, the caller's to free. -ENOENT. */
int store_policy_text(struct store *s, const char *sha256, char **ret, size_t *ret_length,
		      struct fault *reterr);

#define STORE_BOOT_ID_SIZE 40

/* The policy that has to be confirmed; there is one or none. */
struct store_pending_row {
	uint32_t generation, asked, former; /* in force; told to the operator; to go back to */
	char boot_id[STORE_BOOT_ID_SIZE];
	uint64_t until_boot_ns; /* CLOCK_BOOTTIME */
	uint64_t since_real_ns, until_real_ns;
};

int store_pending_put(struct store *s, const struct store_pending_row *row, struct fault *reterr);
/** -ENOENT: there is none. */
int store_pending_get(struct store *s, struct store_pending_row *ret, struct fault *reterr);
int store_pending_delete(struct store *s, struct fault *reterr);

#define STORE_DOCUMENT_MAX (64U << 10) /* bytes of a body */

/* How records are kept, what is held, and what data subjects asked for: JSON objects, by kind and id. */
struct store_document {
	const char *kind, *id, *body;
};

/** Insert or replace. -EMSGSIZE "store.text". */
int store_document_put(struct store *s, const struct store_document *document,
		       struct fault *reterr);
/** -ENOENT: there is none. */
int store_document_delete(struct store *s, const char *kind, const char *id, struct fault *reterr);
/* What a request was answered that may come again: its key is {uid, key}. */
struct store_answer {
	uint32_t uid;
	const char *key, *request; /* request: a hash of it */
	uint32_t status;
	const char *body; /* of at most STORE_DOCUMENT_MAX bytes */
	uint64_t made_ns; /* CLOCK_REALTIME */
};

struct store_answer_found {
	char request[65];
	uint32_t status;
	char *body; /* the caller's to free */
};

/** Insert or replace; then take out those made before @since_ns, and the oldest beyond @rows. -EMSGSIZE "store.text". */
int store_answer_put(struct store *s, const struct store_answer *answer, uint64_t since_ns,
		     uint32_t rows, struct fault *reterr);
/** -ENOENT: there is none that was made at @since_ns or later. */
int store_answer_get(struct store *s, uint32_t uid, const char *key, uint64_t since_ns,
		     struct store_answer_found *ret, struct fault *reterr);
/** Take out all: they may name somebody. */
int store_answers_clear(struct store *s, struct fault *reterr);

/* What a tenant had: packets, bytes and connections that passed, then those that were refused. */
#define STORE_USAGE_COUNTS 6

/* Of a day, since 1970. Its key is {tenant, day}. */
struct store_usage_row {
	const char *tenant;
	int64_t day;
	int64_t since; /* it may be of earlier days from this one on; usually day */
	uint64_t counts[STORE_USAGE_COUNTS];
};

/** Add to the row, or begin it; the earlier `since` stays. -ERANGE "store.usage": a count over INT64_MAX. */
int store_usage_add(struct store *s, const struct store_usage_row *row, struct fault *reterr);
/** As store_list_each(), the days from @first to @last of @tenant, the latest first. */
int store_usage_each(struct store *s, const char *tenant, int64_t first, int64_t last,
		     int (*fn)(const struct store_usage_row *row, void *userdata), void *userdata,
		     struct fault *reterr);
/** Whether there is a row of @tenant, of whatever day: 1, 0, or -errno. */
int store_usage_has(struct store *s, const char *tenant, struct fault *reterr);
/** Remove the rows of days before @day. *@ret: how many. */
int store_usage_prune(struct store *s, int64_t day, uint64_t *ret, struct fault *reterr);

/* Counters that only grow, as far as they are in rows of usage already. Its key is the tenant. */
struct store_meter_row {
	const char *tenant;
	uint64_t epoch; /* since when they count, which tells them from those before */
	uint64_t counts[STORE_USAGE_COUNTS];
};

/** Insert or replace. Within one step with store_usage_add(), so that nothing is added twice. */
int store_meter_put(struct store *s, const struct store_meter_row *row, struct fault *reterr);
int store_meter_each(struct store *s, int (*fn)(const struct store_meter_row *row, void *userdata),
		     void *userdata, struct fault *reterr);

/* Which thresholds of a quota have been told in a period. Its key is {tenant, unit, period}. */
struct store_threshold_row {
	const char *tenant;
	uint32_t unit, period;
	int64_t number; /* of the period */
	uint32_t level; /* how many */
};

int store_threshold_put(struct store *s, const struct store_threshold_row *row,
			struct fault *reterr);
int store_threshold_each(struct store *s,
			 int (*fn)(const struct store_threshold_row *row, void *userdata),
			 void *userdata, struct fault *reterr);

/** Leave nothing of deleted rows in the files: they are written anew, the log is emptied. */
int store_scrub(struct store *s, struct fault *reterr);
/** As store_list_each(). */
int store_document_each(struct store *s,
			int (*fn)(const struct store_document *document, void *userdata),
			void *userdata, struct fault *reterr);

#endif
