/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Versions of the API: which one a request means, and what becomes of its answer. Handlers speak v1; migrate.c turns that
 * into later versions.
 */
#ifndef API_VERSION_H
#define API_VERSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

enum api_version {
#define VERSION(constant, word, status, deprecated, sunset, words) API_##constant,
#include "api/version.def"
#undef VERSION
	API_VERSION_MAX
};

enum api_status { API_BETA, API_STABLE, API_DEPRECATED, API_SUNSET };

struct api_version_info {
	const char *word;
	enum api_status status;
	int64_t deprecated_at, sunset_at; /* seconds since 1970; 0 = not decided */
	const char *words;
};

const struct api_version_info *api_version(enum api_version version);
const char *api_status_to_str(enum api_status status);
/** "v1", "1", "latest"; -1 if there is none. */
int api_version_from_str(const char *word);
enum api_version api_version_latest(void);

/**
 * Which version is meant: by the path ("/v2/limits", "/latest/limits"), or else by @header (X-API-Version), or else by
 * @accept ("application/json; version=2"), or else the latest. Either may be NULL. *@ret_path is the path behind the
 * version, with its '/'. Faults: version.unknown (-ENOENT: the path's; -ENOTSUP: a header's), version.conflict (-EINVAL: path and header differ),
 * version.sunset (-EOWNERDEAD).
 */
int api_version_choose(const char *path, const char *header, const char *accept,
		       enum api_version *ret, const char **ret_path, struct fault *reterr);

/* What differs between versions, by resource. */
struct api_migration {
	const char *resource;	  /* the first segment of its paths */
	enum api_version version; /* from which on it is otherwise */
	const char *words;	  /* what is, for the guide */
	/* Turn an answer of the version before into one of this version; in place. May be NULL. */
	void (*response)(json_t *body);
	/* Turn a request of this version into one of the version before; in place. May be NULL. */
	void (*request)(json_t *body);
};

/** The table, and its length. */
const struct api_migration *api_migrations(size_t *ret_count);
/** The migrations that apply to @path (behind the version) and what is to be done with its bodies. */
void api_migrate_response(enum api_version version, const char *path, json_t *body);
/** A row of @path has a request function. */
bool api_migrates_request(enum api_version version, const char *path);
void api_migrate_request(enum api_version version, const char *path, json_t *body);

#endif
