/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel: what it can do, how fast it tells the time, and how much memory it gives. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "base/text.h"
#include "datapath/probe.h"
#include "doctor/internal.h"

#define KERNEL_MAJOR 6 /* the oldest that is tested: 6.1 */
#define KERNEL_MINOR 1

/* The first two numbers of a release such as "6.1.0-18-amd64". */
static int parse_release(const char *release, uint32_t *ret_major, uint32_t *ret_minor)
{
	char major[16], minor[16];
	size_t n = strcspn(release, "."), m;

	if (n >= sizeof(major) || release[n] != '.')
		return -EINVAL;
	m = strspn(release + n + 1, "0123456789");
	if (m >= sizeof(minor))
		return -EINVAL;
	snprintf(major, sizeof(major), "%.*s", (int)n, release);
	snprintf(minor, sizeof(minor), "%.*s", (int)m, release + n + 1);
	return parse_u32(major, 0, 1000, ret_major) < 0 || parse_u32(minor, 0, 1000, ret_minor) < 0
		       ? -EINVAL
		       : 0;
}

static int kernel_release(const struct visit *v, char *ret, size_t size, uint32_t *ret_major,
			  uint32_t *ret_minor)
{
	int r = read_line(v, "/proc/sys/kernel/osrelease", ret, size);

	return r < 0 ? r : parse_release(ret, ret_major, ret_minor);
}

void check_kernel_version(const struct visit *v)
{
	char release[128];
	uint32_t major, minor;

	if (kernel_release(v, release, sizeof(release), &major, &minor) < 0)
		say_skip(v, "the kernel does not say its version");
	else if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		say_warn(v, "apt install linux-image-amd64, and reboot",
			 "Linux %s: older than 6.1, the oldest that weir is tested on", release);
	else
		say_ok(v, "Linux %s", release);
}

void check_kernel_btf(const struct visit *v)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", v->options->root) >=
	    (int)sizeof(path))
		say_skip(v, "the path is too long");
	else if (access(path, R_OK) == 0)
		say_ok(v, "the kernel describes its types");
	else
		say_fail(v, "use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build it",
			 "/sys/kernel/btf/vmlinux: %s", strerror(errno));
}

static const struct {
	const char *name, *without;
	bool must;
} features[] = {
	[DATAPATH_FEATURE_XDP] = {"XDP", "no packet can be dropped in the driver", true},
	[DATAPATH_FEATURE_LINK] = {"XDP links", "enforcement cannot outlive the daemon", true},
	[DATAPATH_FEATURE_RINGBUF] = {"ring buffers", "no event reaches the audit log", true},
	[DATAPATH_FEATURE_TP_BTF] = {"typed tracepoints", "limits on open connections are refused",
				     false},
	[DATAPATH_FEATURE_SYNCOOKIE] = {"SYN cookies from XDP",
					"policies with syn_cookies are refused", false},
};
_Static_assert(ARRAY_SIZE(features) == DATAPATH_FEATURE_MAX, "a feature has no words");

void check_kernel_features(const struct visit *v)
{
	for (enum datapath_feature f = 0; f < DATAPATH_FEATURE_MAX; f++) {
		int r = datapath_probe(f);

		if (r == -EPERM)
			return say_skip(v, "it takes root, or CAP_BPF and CAP_NET_ADMIN, to tell");
		if (r < 0)
			say_skip(v, "%s: cannot tell: %s", features[f].name, strerror(-r));
		else if (r)
			say_ok(v, "%s", features[f].name);
		else if (features[f].must)
			say_fail(v, "use Linux 6.1 or later", "no %s: %s", features[f].name,
				 features[f].without);
		else
			say_warn(v, "use Linux 6.1 or later", "no %s: %s", features[f].name,
				 features[f].without);
	}
}

void check_kernel_jit(const struct visit *v)
{
	uint64_t jit;
	int r = read_number(v, "/proc/sys/net/core/bpf_jit_enable", &jit);

	if (r == -ENOENT)
		say_skip(v, "only the first network namespace tells whether programs are compiled");
	else if (r < 0)
		say_skip(v, "/proc/sys/net/core/bpf_jit_enable: %s", strerror(-r));
	else if (jit)
		say_ok(v, "programs are compiled");
	else
		say_warn(v, "sysctl -w net.core.bpf_jit_enable=1",
			 "programs are interpreted: several times as slow");
}

void check_clock_source(const struct visit *v)
{
	static const char *const slow[] = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"};
	char name[64];
	int r = read_line(v, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
			  name, sizeof(name));

	if (r < 0)
		return say_skip(v, "the kernel does not say its clock source: %s", strerror(-r));
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		if (strcmp(name, slow[i]) == 0)
			return say_warn(
				v,
				"see dmesg for why tsc is not used; boot with tsc=reliable if it is",
				"clock source %s: reading the time costs each packet a microsecond",
				name);
	say_ok(v, "clock source %s", name);
}

void check_clock_sync(const struct visit *v)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	if (state < 0)
		say_skip(v, "adjtimex: %s", strerror(errno));
	else if (state == TIME_ERROR || t.status & STA_UNSYNC)
		say_warn(
			v, "timedatectl set-ntp true, or install chrony",
			"nothing keeps the clock right: deadlines and times in records may be wrong");
	else
		say_ok(v, "the clock is synchronised, to within %ld ms", t.maxerror / 1000);
}

/* Maps were charged to RLIMIT_MEMLOCK before 5.11. */
void check_memory_lock(const struct visit *v)
{
	char release[128];
	uint32_t major, minor;
	struct rlimit limit;

	if (kernel_release(v, release, sizeof(release), &major, &minor) < 0 ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return say_skip(v, "the kernel does not say its version, or the limit");
	if (major > 5 || (major == 5 && minor >= 11))
		return say_ok(v, "this kernel charges maps to the control group, not to a limit");
	if (limit.rlim_cur == RLIM_INFINITY)
		say_ok(v, "unlimited");
	else
		say_fail(v, "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit",
			 "at most %" PRIu64 " bytes can be locked: maps will not fit",
			 (uint64_t)limit.rlim_cur);
}

/* The path of our control group, of version 2; "/" in an unmounted or older hierarchy. */
static int own_cgroup(const struct visit *v, char *ret, size_t size)
{
	char path[PATH_MAX], line[PATH_MAX];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%.1000s/proc/self/cgroup", v->options->root);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0 && strlen(line + 3) < size) {
			memcpy(ret, line + 3, strlen(line + 3) + 1);
			return 0;
		}
	}
	return -ENOENT;
}

void check_memory_cgroup(const struct visit *v)
{
	char group[1024], path[PATH_MAX];
	struct datapath_pins pins = {0};
	uint64_t max, now = 0, left;

	if (own_cgroup(v, group, sizeof(group)) < 0)
		return say_skip(v, "no control groups of version 2: no limit is known");
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
	if (read_number(v, path, &max) < 0)
		return say_ok(v, "no limit on the memory of maps");
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", group);
	read_number(v, path, &now);
	datapath_survey(v->options->pin_dir, &pins);
	left = max > now ? max - now : 0;
	/* A policy of another size has both tables at once for a moment. */
	if (pins.bytes > left)
		say_warn(v, "raise MemoryMax= of the unit (memory.max)",
			 "maps take %" PRIu64 " MiB, and %" PRIu64 " of %" PRIu64
			 " MiB are left: a policy with a larger table may be refused",
			 pins.bytes >> 20, left >> 20, max >> 20);
	else
		say_ok(v, "maps take %" PRIu64 " MiB; %" PRIu64 " of %" PRIu64 " MiB are left",
		       pins.bytes >> 20, left >> 20, max >> 20);
}
