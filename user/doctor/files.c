/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lies in files: pins, state, policy, audit log. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <weir/live.h>

#include "audit/reader.h"
#include "audit/snapshot.h"
#include "datapath/probe.h"
#include "doctor/internal.h"
#include "policy/policy.h"
#include "store/store.h"

#define SPACE_FAIL_BYTES (16ULL << 20)
#define SPACE_WARN_BYTES (256ULL << 20)
#define TAIL_RECORDS	 1000

/* The directory itself, or the nearest one above it that is there. */
static int nearest(const char *path, char ret[static PATH_MAX])
{
	struct stat st;

	if (snprintf(ret, PATH_MAX, "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	while (stat(ret, &st) < 0) {
		char *slash = strrchr(ret, '/');

		if (errno != ENOENT || !slash)
			return -errno;
		if (slash == ret)
			slash++;
		*slash = '\0';
	}
	return 0;
}

void check_bpffs(const struct visit *v)
{
	const char *mount = "mount -t bpf bpf /sys/fs/bpf";
	char path[PATH_MAX];
	struct statfs fs;
	int r = nearest(v->options->pin_dir, path);

	if (r == 0 && statfs(path, &fs) < 0)
		r = -errno;
	if (r < 0)
		say_skip(v, "%s: %s", v->options->pin_dir, strerror(-r));
	else if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
		say_fail(v, mount, "%s is not in a bpffs: nothing can be pinned there",
			 v->options->pin_dir);
	else if (access(path, W_OK) < 0)
		say_fail(v, "mount -o remount,rw /sys/fs/bpf, or use another --bpffs",
			 "%s cannot be written to: %s", path, strerror(errno));
	else
		say_ok(v, "%s is in a bpffs", v->options->pin_dir);
}

void check_pins(const struct visit *v)
{
	const char *dir = v->options->pin_dir;
	struct datapath_pins pins;
	struct stat st;
	char fix[200];
	int r = datapath_survey(dir, &pins);

	if (r == -ENOENT)
		return say_ok(v, "nothing is pinned in %s", dir);
	if (r < 0 || stat(dir, &st) < 0)
		return say_skip(v, "%s: %s", dir, strerror(r < 0 ? -r : errno));
	snprintf(fix, sizeof(fix), "chown -R %u %.100s; chmod 700 %.60s", geteuid(), dir, dir);
	if (st.st_uid != geteuid() || st.st_mode & 022 || pins.has_foreign)
		say_fail(
			v, fix,
			"%s (uid %u, mode %04o) or a pin in it belongs to others, or they may write "
			"there: who replaces a pin decides what is enforced",
			dir, st.st_uid, st.st_mode & 07777);
	else if (pins.abi && pins.abi != WEIR_ABI)
		say_warn(v, "start the daemon, which says whether it can take them over",
			 "%s: made by a weir of ABI %u, this one has %u", dir, pins.abi, WEIR_ABI);
	else
		say_ok(v, "%s: %u maps of %" PRIu64 " MiB, %u programs, %u links", dir, pins.maps,
		       pins.bytes >> 20, pins.programs, pins.links);
}

void check_state_directory(const struct visit *v)
{
	const char *dir = v->options->state_dir;
	char fix[200];
	struct stat st;

	snprintf(fix, sizeof(fix), "chown %u %.80s && chmod 700 %.80s", geteuid(), dir, dir);
	if (lstat(dir, &st) < 0 && errno == ENOENT && !v->options->daemon_runs)
		say_ok(v, "%s is not there yet: the daemon makes it", dir);
	else if (lstat(dir, &st) < 0)
		say_fail(v, fix, "%s: %s", dir, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		say_fail(v, "use another --state-dir", "%s is no directory, or a link to one", dir);
	else if (st.st_uid != geteuid() && geteuid() != 0)
		say_skip(v, "%s belongs to uid %u: ask as that user, or as root", dir, st.st_uid);
	else if (st.st_uid != geteuid() || st.st_mode & 022)
		say_fail(v, fix,
			 "%s belongs to uid %u with mode %04o: it must be ours and writable by "
			 "nobody else",
			 dir, st.st_uid, st.st_mode & 07777);
	else if (st.st_mode & 055)
		say_warn(v, fix, "%s can be read by others (mode %04o)", dir, st.st_mode & 07777);
	else
		say_ok(v, "%s is ours alone", dir);
}

void check_state_space(const struct visit *v)
{
	char path[PATH_MAX];
	struct statvfs fs;
	uint64_t room;
	int r = nearest(v->options->state_dir, path);

	if (r == 0 && statvfs(path, &fs) < 0)
		r = -errno;
	if (r < 0)
		return say_skip(v, "%s: %s", v->options->state_dir, strerror(-r));
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		say_fail(v, "mount -o remount,rw the file system",
			 "%s is on a read-only file system", path);
	else if (room < SPACE_FAIL_BYTES || (fs.f_files && !fs.f_favail))
		say_fail(v, "free some, or move --state-dir",
			 "%s: %" PRIu64 " MiB and %" PRIu64
			 " files are left: records are being lost, "
			 "or will be",
			 path, room >> 20, (uint64_t)fs.f_favail);
	else if (room < SPACE_WARN_BYTES)
		say_warn(v, "free some, or move --state-dir", "%s: only %" PRIu64 " MiB are left",
			 path, room >> 20);
	else
		say_ok(v, "%s: %" PRIu64 " MiB are free", path, room >> 20);
}

/* What an earlier daemon set aside, so that somebody looks at it. */
static void say_set_aside(const struct visit *v)
{
	_cleanup_closedir_ DIR *dir = opendir(v->options->state_dir);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		if (strncmp(entry->d_name, "weir.db.damaged-", 16) == 0 && length > 4 &&
		    entry->d_name[length - 4] != '-')
			say_warn(v, "look for the cause (dmesg, smartctl); then remove it",
				 "a damaged database was set aside as %.60s", entry->d_name);
	}
}

void check_state_database(const struct visit *v)
{
	char path[PATH_MAX];
	struct fault f = {0};
	struct stat st;
	uint64_t schema;

	if (snprintf(path, sizeof(path), "%s/weir.db", v->options->state_dir) >= (int)sizeof(path))
		return say_skip(v, "the path is too long");
	if (lstat(path, &st) < 0)
		return say_skip(v, "%s: %s", path, strerror(errno));
	if (access(path, R_OK) < 0)
		return say_skip(v, "%s: %s", path, strerror(errno));
	if (store_check(path, &schema, &f) == 0)
		say_ok(v, "%s is sound, schema %" PRIu64, path, schema);
	else if (f.err == -EUCLEAN)
		say_fail(v,
			 "restart the daemon: it sets it aside and recovers what the kernel holds",
			 "%s", f.text);
	else
		say_fail(v, f.err == -EPROTONOSUPPORT ? "install the weir that wrote it" : "", "%s",
			 f.text);
	say_set_aside(v);
}

void check_policy_file(const struct visit *v)
{
	const char *path = v->options->policy_path;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	struct fault f = {0};
	struct stat st;
	char fix[200];

	if (!path)
		return say_skip(v, "no policy file is known: use --policy");
	if (access(path, R_OK) < 0 && errno == EACCES)
		return say_skip(v, "%s: may not be read", path);
	snprintf(fix, sizeof(fix), "chmod 600 %.180s", path);
	if (stat(path, &st) == 0 && st.st_mode & 022)
		return say_fail(v, fix,
				"%s: others may write to it (mode %04o), and so decide who "
				"reaches this host",
				path, st.st_mode & 07777);
	snprintf(fix, sizeof(fix), "weir policy check %.180s", path);
	if (policy_load(path, &policy, &f) < 0)
		say_fail(v, fix, "%.300s", f.text);
	else
		say_ok(v, "%s is correct", path);
}

/* The last records follow one another, up to the one that was acknowledged last. */
static int verify_tail(const char *path, const struct audit_snapshot *now, char ret_time[static 64],
		       struct fault *reterr)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	uint64_t first =
		now->tip.next_index > TAIL_RECORDS ? now->tip.next_index - TAIL_RECORDS : 0;
	uint8_t hash[AUDIT_HASH_SIZE];
	struct reader_record record;
	int r = reader_open(path, &reader, reterr);

	if (r == 0) {
		reader_with_expired(reader);
		r = reader_seek(reader, first, reterr);
	}
	for (uint64_t i = first; r >= 0 && i < now->tip.next_index; i++) {
		r = reader_next(reader, &record, reterr);
		if (r < 0)
			return r;
		if (r == 0 || (i > first && record.data &&
			       memcmp(record.view.previous_hash, hash, sizeof(hash)) != 0))
			return fault(reterr, -EBADMSG, "audit.damaged",
				     "record %" PRIu64 " is missing, or does not follow the one "
				     "before",
				     i);
		memcpy(hash, record.hash, sizeof(hash));
		snprintf(ret_time, 64, "%.*s", (int)record.view.timestamp.length,
			 record.view.timestamp.data);
	}
	if (r >= 0 && memcmp(hash, now->tip.last_hash, sizeof(hash)) != 0)
		return fault(reterr, -EBADMSG, "audit.damaged",
			     "the last record is not the one that was acknowledged");
	return r < 0 ? r : 0;
}

void check_audit_log(const struct visit *v)
{
	_cleanup_(audit_snapshot_done) struct audit_snapshot now = {.dir = -1};
	char path[PATH_MAX], fix[200], time[64] = "";
	struct fault f = {0};
	int r;

	if (snprintf(path, sizeof(path), "%s/audit", v->options->state_dir) >= (int)sizeof(path))
		return say_skip(v, "the path is too long");
	r = audit_snapshot_take(path, &now, &f);
	if (r == 0)
		r = verify_tail(path, &now, time, &f);
	snprintf(fix, sizeof(fix), "weir audit verify %.150s", path);
	if (r == -ENOENT || r == -EACCES || r == -EPERM)
		say_skip(v, "%s", f.text);
	else if (r < 0)
		say_fail(v, fix, "%s", f.text);
	else if (now.tip.incarnation)
		say_fail(v, fix, "acknowledged records were found missing or changed, %u times",
			 now.tip.incarnation);
	else
		say_ok(v,
		       "%" PRIu64 " records, the last at %.19sZ; the end of the chain is in order",
		       now.tip.next_index, time);
}
