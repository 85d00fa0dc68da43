/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The policy of a backup, back in its place. A policy of several files is at each moment the one that was there or the
 * one of the backup, whenever this ends: first the policy file is one text that says all of it, then the included
 * files are laid out, and the file that includes them comes last, if it then says the same.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/restore_internal.h"
#include "base/fs.h"
#include "policy/policy.h"

#define POLICY_BYTES_MAX (16U << 20)

/* Copy @from to @to, whatever file systems they are on; what is there is kept under another name. */
static int put_file(const struct restoration *x, const char *from, const char *to, char *ret_aside,
		    struct fault *reterr)
{
	char names[2][PATH_MAX];
	const char *steps[2][2] = {{to, names[0]}, {from, to}};
	int r = restore_other_name(x, to, "replaced", names[0], reterr);

	if (r == 0 && restore_exists(to) && ret_aside)
		memcpy(ret_aside, names[0], PATH_MAX);
	for (size_t i = restore_exists(to) ? 0 : 1; r == 0 && i < ARRAY_SIZE(steps); i++) {
		_cleanup_free_ char *data = NULL;
		size_t length;

		r = fs_read_file(steps[i][0], POLICY_BYTES_MAX, &data, &length, reterr);
		if (r == 0)
			r = fs_replace_file(steps[i][1], data, length, 0640, reterr);
	}
	return r;
}

/* Where the policy goes: where the caller says, or into a directory of its own; never where the archive says. */
static int policy_target(struct restoration *x, char ret[static PATH_MAX], struct fault *reterr)
{
	char path[PATH_MAX], directory[PATH_MAX];
	int r;

	if (x->options->policy_path)
		return snprintf(ret, PATH_MAX, "%s", x->options->policy_path) < PATH_MAX
			       ? 0
			       : fault(reterr, -ENAMETOOLONG, "backup.write",
				       "the path of the policy is too long");
	r = restore_join(path, x->options->state_dir, "policy", reterr);
	if (r == 0)
		r = restore_other_name(x, path, "from-backup", directory, reterr);
	if (r == 0 && mkdir(directory, 0700) < 0)
		return fault(reterr, -errno, "backup.write", "cannot create '%s': %s", directory,
			     strerror(errno));
	return r < 0 ? r : restore_join(ret, directory, BACKUP_POLICY, reterr);
}

/* Make the directories that lead from @directory to the file @name below it. */
static int make_directories(const char *directory, const char *name, struct fault *reterr)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (snprintf(part, sizeof(part), "%s/%.*s", directory, (int)(slash - name), name) >=
		    (int)sizeof(part))
			return fault(reterr, -ENAMETOOLONG, "backup.write",
				     "%.200s... is too long a path", directory);
		if (mkdir(part, 0750) < 0 && errno != EEXIST)
			return fault(reterr, -errno, "backup.write", "cannot create '%s': %s", part,
				     strerror(errno));
	}
	return 0;
}

/* An included file that is in the way goes where no pattern finds it: its directory's name begins with a dot. */
static int set_include_aside(struct restoration *x, const char *directory, const char *name,
			     struct fault *reterr)
{
	char *aside = x->result->includes_aside;
	char from[PATH_MAX], to[PATH_MAX];
	int r = restore_join(from, directory, name, reterr);

	if (r < 0 || !restore_exists(from))
		return r;
	if (!*aside &&
	    snprintf(aside, PATH_MAX, "%s/.policy-replaced-%s", directory, x->stamp) >= PATH_MAX)
		return fault(reterr, -ENAMETOOLONG, "backup.write", "%.200s... is too long a path",
			     directory);
	if (mkdir(aside, 0700) < 0 && errno != EEXIST)
		return fault(reterr, -errno, "backup.write", "cannot create '%s': %s", aside,
			     strerror(errno));
	r = make_directories(aside, name, reterr);
	if (r == 0)
		r = restore_join(to, aside, name, reterr);
	return r < 0 ? r : restore_move(from, to, reterr);
}

static int put_includes(struct restoration *x, const char *directory, struct fault *reterr)
{
	const struct backup_manifest *m = &x->unpacked.report.manifest;
	int r = 0;

	for (size_t i = 0; i < m->count && r == 0; i++) {
		const char *name = m->members[i].name + strlen(BACKUP_INCLUDE);
		char from[PATH_MAX], to[PATH_MAX];

		if (strncmp(m->members[i].name, BACKUP_INCLUDE, strlen(BACKUP_INCLUDE)) != 0)
			continue;
		r = restore_join(from, x->unpacked.path, m->members[i].name, reterr);
		if (r == 0)
			r = restore_join(to, directory, name, reterr);
		if (r == 0)
			r = make_directories(directory, name, reterr);
		if (r == 0)
			r = set_include_aside(x, directory, name, reterr);
		if (r == 0)
			r = put_file(x, from, to, NULL, reterr);
	}
	return r;
}

static bool is_in_backup(const struct restoration *x, const char *name)
{
	char member[BACKUP_NAME_MAX + 1];

	return snprintf(member, sizeof(member), BACKUP_INCLUDE "%s", name) <= BACKUP_NAME_MAX &&
	       backup_manifest_find(&x->unpacked.report.manifest, member);
}

/* Files that the patterns find and the backup does not have would change what the policy says. */
static int set_others_aside(struct restoration *x, const char *path, const char *directory,
			    struct fault *reterr)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	int r = 0;

	if (policy_files(path, &p, NULL) < 0)
		return 0; /* it will not be used */
	for (size_t i = 1; i < p->file_count && r == 0; i++) {
		const char *name = policy_file_below(p, i);

		if (name && !is_in_backup(x, name))
			r = set_include_aside(x, directory, name, reterr);
	}
	return r;
}

static bool says(const char *path, const struct policy *wanted)
{
	_cleanup_(policy_freep) struct policy *p = NULL;

	return policy_files(path, &p, NULL) == 0 && strcmp(p->sha256, wanted->sha256) == 0;
}

/* @policy is what the unpacked files say. */
static int put_files(struct restoration *x, const struct policy *policy, struct fault *reterr)
{
	struct backup_restored *to = x->result;
	char staged[PATH_MAX], directory[PATH_MAX];
	char *slash;
	int r;

	memcpy(directory, to->policy, sizeof(directory));
	slash = strrchr(directory, '/');
	snprintf(slash ? slash : directory,
		 slash ? sizeof(directory) - (size_t)(slash - directory) : sizeof(directory), "%s",
		 slash ? "" : ".");
	r = put_includes(x, *directory ? directory : "/", reterr);
	if (r == 0)
		r = fs_stage_file(to->policy, policy->files[0]->text, policy->files[0]->length,
				  0640, staged, reterr);
	if (r < 0)
		return r;
	r = set_others_aside(x, staged, *directory ? directory : "/", reterr);
	if (r == 0 && says(staged, policy))
		return fs_commit_file(to->policy, staged, reterr);
	fs_abort_file(staged);
	to->policy_is_one_text = r == 0;
	return r;
}

/* The policy and what it includes as they lie in the backup; NULL: it is one file, or they make no policy. */
static int read_unpacked(struct restoration *x, struct policy **ret, struct fault *reterr)
{
	char from[PATH_MAX], directory[PATH_MAX], to[PATH_MAX];
	int r = restore_join(from, x->unpacked.path, BACKUP_POLICY, reterr);

	if (r == 0)
		r = restore_join(directory, x->unpacked.path, "include", reterr);
	if (r == 0)
		r = restore_join(to, directory, ".policy",
				 reterr); /* no included file is called so */
	*ret = NULL;
	if (r < 0 || !restore_exists(directory) || !restore_exists(from))
		return r;
	r = restore_move(from, to, reterr);
	if (r < 0)
		return r;
	policy_files(to, ret, NULL);
	return restore_move(to, from, reterr);
}

int restore_policy(struct restoration *x, struct fault *reterr)
{
	const struct backup_manifest *m = &x->unpacked.report.manifest;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	struct backup_restored *to = x->result;
	const char *which = BACKUP_POLICY;
	char from[PATH_MAX];
	int r;

	/* What was in force and not confirmed is not to come back as what was. */
	if (!backup_manifest_find(m, which))
		which = to->unconfirmed ? NULL : BACKUP_IN_FORCE;
	if (!which || !backup_manifest_find(m, which))
		return 0;
	r = restore_join(from, x->unpacked.path, which, reterr);
	if (r == 0)
		r = read_unpacked(x, &policy, reterr);
	if (r == 0)
		r = policy_target(x, to->policy, reterr);
	if (r == 0 && policy)
		r = fs_replace_file(from, policy->text, policy->length, 0600, reterr);
	if (r == 0)
		r = put_file(x, from, to->policy, to->policy_aside, reterr);
	return r < 0 || !policy ? r : put_files(x, policy, reterr);
}
