/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/version.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static const struct api_version_info versions[] = {
#define VERSION(constant, word, status, deprecated, sunset, words)                                 \
	[API_##constant] = {word, API_##status, deprecated, sunset, words},
#include "api/version.def"
#undef VERSION
};

const struct api_version_info *api_version(enum api_version version)
{
	return &versions[version];
}

const char *api_status_to_str(enum api_status status)
{
	static const char *const words[] = {
		[API_BETA] = "beta",
		[API_STABLE] = "stable",
		[API_DEPRECATED] = "deprecated",
		[API_SUNSET] = "sunset",
	};

	return words[status];
}

enum api_version api_version_latest(void)
{
	enum api_version latest = 0;

	for (enum api_version i = 0; i < API_VERSION_MAX; i++)
		if (versions[i].status == API_STABLE)
			latest = i;
	return latest;
}

/* The version that the first @length bytes of @word name; -1: none. */
static int find(const char *word, size_t length)
{
	if (length == strlen("latest") && strncmp(word, "latest", length) == 0)
		return (int)api_version_latest();
	for (enum api_version i = 0; i < API_VERSION_MAX; i++) {
		const char *name = versions[i].word;

		if (length == strlen(name) && strncmp(word, name, length) == 0)
			return (int)i;
		if (length == strlen(name + 1) && strncmp(word, name + 1, length) == 0)
			return (int)i;
	}
	return -1;
}

int api_version_from_str(const char *word)
{
	return find(word, strlen(word));
}

/* A version at the beginning of a path: "v" and digits, or "latest". Returns its length; 0: there is none. */
static size_t version_in_path(const char *path)
{
	size_t length = strcspn(path + 1, "/");

	if (length == strlen("latest") && strncmp(path + 1, "latest", length) == 0)
		return length;
	if (path[1] == 'v' && length > 1 && strspn(path + 2, "0123456789") == length - 1)
		return length;
	return 0;
}

/* Formats of metrics have versions of their own (metrics/accept.c). */
static bool is_of_metrics(const char *range)
{
	return strncasecmp(range, "application/openmetrics-text", 28) == 0 ||
	       strncasecmp(range, "text/plain", 10) == 0;
}

/* The value of the parameter "version" of a media range; NULL: it has none. */
static const char *version_in_range(const char *range, const char *end, size_t *ret_length)
{
	while ((range = memchr(range, ';', (size_t)(end - range)))) {
		range += 1 + strspn(range + 1, " \t");
		if (strncasecmp(range, "version=", 8) == 0) {
			range += 8;
			*ret_length = strcspn(range, ";, \t");
			return range;
		}
	}
	return NULL;
}

/* The same of the first range that has one. */
static const char *version_in_accept(const char *accept, size_t *ret_length)
{
	const char *found = NULL;

	while (accept && *accept && !found) {
		size_t length;

		accept += strspn(accept, ", \t");
		length = strcspn(accept, ",");
		if (!is_of_metrics(accept))
			found = version_in_range(accept, accept + length, ret_length);
		accept += length;
	}
	return found;
}

/* @error: what it is if there is none. */
static int set(const char *word, size_t length, int error, int *version, struct fault *reterr)
{
	int found = find(word, length);

	if (found < 0)
		return fault(reterr, error, "version.unknown",
			     "there is no version '%.*s' of the API: GET /versions lists them",
			     (int)(length < 40 ? length : 40), word);
	if (*version >= 0 && *version != found)
		return fault(reterr, -EINVAL, "version.conflict",
			     "the path asks for version %s, a header for %s",
			     versions[*version].word, versions[found].word);
	*version = found;
	return 0;
}

int api_version_choose(const char *path, const char *header, const char *accept,
		       enum api_version *ret, const char **ret_path, struct fault *reterr)
{
	size_t length = version_in_path(path), accept_length = 0;
	const char *accepted = version_in_accept(accept, &accept_length);
	int version = -1, r = 0;

	*ret_path = length ? path + 1 + length : path;
	if (length)
		r = set(path + 1, length, -ENOENT, &version, reterr);
	if (r == 0 && header)
		r = set(header, strlen(header), -ENOTSUP, &version, reterr);
	if (r == 0 && accepted)
		r = set(accepted, accept_length, -ENOTSUP, &version, reterr);
	if (r < 0)
		return r;
	*ret = version < 0 ? api_version_latest() : (enum api_version)version;
	if (versions[*ret].status == API_SUNSET)
		return fault(reterr, -EOWNERDEAD, "version.sunset",
			     "version %s of the API is gone; the latest is %s", versions[*ret].word,
			     versions[api_version_latest()].word);
	return 0;
}
