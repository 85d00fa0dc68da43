/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy file as the disk has it: whether it, with what it includes, already says what a policy says, and how
 * to make it say so without losing what somebody wrote. Included files are read and never written. What takes
 * the policy file's place is one text, unless a file that was set aside says the same: then that gets its place back.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/internal.h"

#define HASH_PART 12 /* digits of a policy's hash in a name, as many as the history shows */

static bool is_in_history(const struct engine *e, const char *sha256)
{
	for (size_t i = 0; i < e->history.count; i++)
		if (e->history.items[i].persisted &&
		    strcmp(e->history.items[i].sha256, sha256) == 0)
			return true;
	return false;
}

/* What there is on the disk. */
struct found {
	char sha256[POLICY_SHA256_HEX_SIZE]; /* "" = no policy can be made of it */
	bool lost;			     /* it would be, were it not set aside */
};

/* Hashes tell most of it: the texts of the history include nothing. */
static void look(const struct engine *e, const struct policy *policy, struct found *ret)
{
	const char *path = e->options.policy_path;
	_cleanup_(policy_freep) struct policy *p = NULL;
	_cleanup_free_ char *text = NULL;
	size_t length;

	*ret = (struct found){0};
	if (fs_read_file(path, POLICY_TEXT_MAX, &text, &length, NULL) == 0 &&
	    policy_text_hash(text, length, ret->sha256) == 0 &&
	    (strcmp(ret->sha256, policy->sha256) == 0 || is_in_history(e, ret->sha256)))
		return;
	ret->sha256[0] = '\0';
	ret->lost = access(path, F_OK) == 0;
	if (policy_files(path, &p, NULL) < 0)
		return;
	memcpy(ret->sha256, p->sha256, sizeof(ret->sha256));
	ret->lost = p->includes || !is_in_history(e, p->sha256);
}

/* The text of the file @path, if with what it includes it says what @policy does. */
static bool says_the_same(const char *path, const struct policy *policy, char **ret,
			  size_t *ret_length)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	char *text;

	if (policy_files(path, &p, NULL) < 0 || strcmp(p->sha256, policy->sha256) != 0)
		return false;
	text = malloc(p->files[0]->length + 1);
	if (!text)
		return false;
	memcpy(text, p->files[0]->text, p->files[0]->length + 1);
	*ret = text;
	*ret_length = p->files[0]->length;
	return true;
}

/* A file that was set aside and says what @policy does; its name goes to @from. */
static bool find_aside(const struct engine *e, const struct policy *policy,
		       char from[static PATH_MAX], char **ret, size_t *ret_length)
{
	const char *path = e->options.policy_path, *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	_cleanup_closedir_ DIR *d = NULL;
	char directory[PATH_MAX] = ".", begin[NAME_MAX + 1], end[HASH_PART + 2];
	const struct dirent *entry;

	if (snprintf(from, PATH_MAX, "%s" FILES_UNCONFIRMED, path) < PATH_MAX &&
	    access(from, F_OK) == 0 && says_the_same(from, policy, ret, ret_length))
		return true;
	if (slash)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash + 1 - path), path);
	snprintf(begin, sizeof(begin), "%s" FILES_REPLACED, base);
	snprintf(end, sizeof(end), ".%.*s", HASH_PART, policy->sha256);
	d = opendir(directory);
	while (d && (entry = readdir(d))) {
		size_t length = strlen(entry->d_name);

		if (strncmp(entry->d_name, begin, strlen(begin)) == 0 && length > strlen(end) &&
		    strcmp(entry->d_name + length - strlen(end), end) == 0 &&
		    snprintf(from, PATH_MAX, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path,
			     entry->d_name) < PATH_MAX &&
		    says_the_same(from, policy, ret, ret_length))
			return true;
	}
	*from = '\0';
	return false;
}

/* A name for what says @sha256, which is "" if that is not known. */
static int replaced_name(const struct engine *e, const char *sha256, char ret[static PATH_MAX],
			 struct fault *reterr)
{
	const char *path = e->options.policy_path;
	char stamp[CLOCK_STAMP_SIZE];

	clock_format_stamp(clock_real_ns(), stamp);
	if (snprintf(ret, PATH_MAX, "%s" FILES_REPLACED "%s%s%.*s", path, stamp, *sha256 ? "." : "",
		     HASH_PART, sha256) < PATH_MAX)
		return 0;
	return fault(reterr, -ENAMETOOLONG, "fs.write", "%s is too long a path", path);
}

/* @path + FILES_UNCONFIRMED is for what waits now: what an earlier one left there gets a name for good. */
static int unconfirmed_name(const struct engine *e, char ret[static PATH_MAX], struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	char name[PATH_MAX];
	int r;

	if (snprintf(ret, PATH_MAX, "%s" FILES_UNCONFIRMED, e->options.policy_path) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "fs.write", "%s is too long a path",
			     e->options.policy_path);
	if (access(ret, F_OK) < 0)
		return 0;
	policy_files(ret, &p, NULL);
	r = replaced_name(e, p ? p->sha256 : "", name, reterr);
	if (r == 0 && rename(ret, name) < 0)
		return fault(reterr, -errno, "fs.write", "cannot rename %s: %s", ret,
			     strerror(errno));
	return r;
}

/* A copy, so that at no moment there is no policy file. */
static int set_aside(const struct engine *e, bool unconfirmed, const struct found *found,
		     struct files_change *c, struct fault *reterr)
{
	const char *path = e->options.policy_path;
	_cleanup_free_ char *data = NULL;
	char aside[PATH_MAX];
	size_t length;
	int r;

	if (unconfirmed)
		r = unconfirmed_name(e, aside, reterr);
	else
		r = replaced_name(e, found->sha256, aside, reterr);
	if (r == 0)
		r = fs_read_file(path, FILES_BYTES_MAX, &data, &length, reterr);
	if (r == 0)
		r = fs_replace_file(aside, data, length, 0600, reterr);
	if (r == 0)
		memcpy(c->aside, aside, sizeof(aside));
	return r;
}

bool files_say(const struct engine *e, const struct policy *policy)
{
	struct found found;

	look(e, policy, &found);
	return strcmp(found.sha256, policy->sha256) == 0;
}

int files_stage(const struct engine *e, const struct policy *policy, bool unconfirmed,
		struct files_change *ret, struct fault *reterr)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	struct found found;
	int r = 0;

	*ret = (struct files_change){0};
	look(e, policy, &found);
	ret->none = strcmp(found.sha256, policy->sha256) == 0;
	if (ret->none)
		return 0;
	if (unconfirmed || found.lost)
		r = set_aside(e, unconfirmed, &found, ret, reterr);
	if (r == 0 && !find_aside(e, policy, ret->from, &text, &length))
		length = policy->length;
	if (r == 0)
		r = fs_stage_file(e->options.policy_path, text ?: policy->text, length, 0640,
				  ret->staged, reterr);
	if (r < 0 && *ret->aside)
		unlink(ret->aside);
	return r;
}

int files_commit(struct engine *e, struct files_change *c, struct fault *reterr)
{
	int r = 0;

	if (c->none)
		return 0;
	r = fs_commit_file(e->options.policy_path, c->staged, reterr);
	if (r < 0)
		return r;
	if (*c->from)
		unlink(c->from);
	if (*c->aside)
		log_info("the policy file that was replaced is kept", "as", c->aside);
	snprintf(e->set_aside, sizeof(e->set_aside), "%s", c->aside);
	return 0;
}

void files_abort(const struct files_change *c)
{
	if (c->none)
		return;
	fs_abort_file(c->staged);
	if (*c->aside)
		unlink(c->aside);
}

int files_put(struct engine *e, const struct policy *policy, bool unconfirmed, struct fault *reterr)
{
	struct files_change c;
	int r = files_stage(e, policy, unconfirmed, &c, reterr);

	return r < 0 ? r : files_commit(e, &c, reterr);
}
