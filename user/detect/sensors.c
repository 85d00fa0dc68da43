/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "detect/sensors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define ANSWER_MAX                                                                                 \
	16384 /* bytes; what the kernel says of one interface without its VFs is under 4 KiB */
#define STAT_FIELDS  8 /* user nice system idle iowait irq softirq steal; guests are in user */
#define STAT_SOFTIRQ 6

struct sensors {
	char *ifaces; /* names, separated by commas */
	int netlink_fd;
	uint32_t sequence;
	struct sensors_sample *read; /* what is being read, of any kind */
	char text[SENSORS_STAT_MAX];
};

int sensors_new(const char *ifaces, struct sensors **ret)
{
	_cleanup_(sensors_freep) struct sensors *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->netlink_fd = -1;
	s->ifaces = strdup(ifaces);
	if (!s->ifaces)
		return -ENOMEM;
	s->read = sensors_sample_new(POLICY_TARGET_SOFTIRQ);
	if (!s->read)
		return -ENOMEM;
	*ret = take_ptr(s);
	return 0;
}

void sensors_free(struct sensors *s)
{
	if (!s)
		return;
	close_fdp(&s->netlink_fd);
	free(s->read);
	free(s->ifaces);
	free(s);
}

struct sensors_sample *sensors_sample_new(enum policy_target target)
{
	size_t cpus = target == POLICY_TARGET_SOFTIRQ ? SENSORS_CPUS_MAX : 0;

	return calloc(1, sizeof(struct sensors_sample) + cpus * sizeof(struct sensors_cpu));
}

/* The number at *@text, which is moved behind it. */
static int take_number(const char **text, uint64_t *ret)
{
	char digits[24];
	size_t length;

	*text += strspn(*text, " ");
	length = strspn(*text, "0123456789");
	if (!length || length >= sizeof(digits))
		return -EBADMSG;
	memcpy(digits, *text, length);
	digits[length] = '\0';
	*text += length;
	return parse_u64(digits, 0, UINT64_MAX, ret);
}

/* "cpu3 123 0 45 ...": -ENOENT if it is the line of no single CPU. */
static int parse_cpu(const char *line, uint64_t *ret_number, struct sensors_cpu *ret)
{
	struct sensors_cpu cpu = {0};

	if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9')
		return -ENOENT;
	line += 3;
	if (take_number(&line, ret_number) < 0)
		return -EBADMSG;
	for (int field = 0; field < STAT_FIELDS; field++) {
		uint64_t ticks;

		if (take_number(&line, &ticks) < 0)
			return -EBADMSG;
		cpu.total += ticks;
		if (field == STAT_SOFTIRQ)
			cpu.softirq = ticks;
	}
	*ret = cpu;
	return 0;
}

int sensors_parse_stat(const char *text, struct sensors_sample *ret)
{
	struct sensors_cpu cpu;
	uint64_t number;

	ret->cpu_count = 0;
	memset(ret->cpus, 0, SENSORS_CPUS_MAX * sizeof(ret->cpus[0]));
	while (*text) {
		int r = parse_cpu(text, &number, &cpu);

		if (r == -EBADMSG)
			return r;
		if (r == 0 && number < SENSORS_CPUS_MAX) {
			ret->cpus[number] = cpu;
			if (number >= ret->cpu_count)
				ret->cpu_count = (uint32_t)number + 1;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return ret->cpu_count ? 0 : -EBADMSG;
}

int sensors_softirq_share(const struct sensors_sample *before, const struct sensors_sample *after,
			  uint64_t *ret)
{
	uint64_t busiest = 0;
	bool any = false;

	for (uint32_t i = 0; i < before->cpu_count && i < after->cpu_count; i++) {
		const struct sensors_cpu *was = &before->cpus[i], *is = &after->cpus[i];
		uint64_t share;

		/* A CPU that was off in between, or whose idle time the kernel took back. */
		if (!was->total || is->total <= was->total || is->softirq < was->softirq)
			continue;
		share = 1000 * (is->softirq - was->softirq) / (is->total - was->total);
		if (share > busiest)
			busiest = share;
		any = true;
	}
	if (!any)
		return -ENODATA;
	*ret = busiest > 1000 ? 1000 : busiest;
	return 0;
}

static int read_stat(struct sensors *s)
{
	_cleanup_close_ int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (length < sizeof(s->text) - 1) {
		n = read(fd, s->text + length, sizeof(s->text) - 1 - length);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		length += (size_t)n;
	}
	/* The last line may be cut off in the middle of a number. */
	while (length && s->text[length - 1] != '\n')
		length--;
	s->text[length] = '\0';
	return sensors_parse_stat(s->text, s->read);
}

static int parse_attributes(const struct nlmsghdr *header, uint64_t *ret)
{
	const char *at = (const char *)header + NLMSG_SPACE(sizeof(struct ifinfomsg));
	size_t left = header->nlmsg_len - NLMSG_SPACE(sizeof(struct ifinfomsg));
	struct rtnl_link_stats64 stats = {0};
	struct rtattr attribute;

	while (left >= sizeof(attribute)) {
		size_t step;

		memcpy(&attribute, at, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > left)
			return -EBADMSG;
		if (attribute.rta_type == IFLA_STATS64) {
			size_t length = attribute.rta_len - RTA_LENGTH(0);

			/* Newer kernels have more fields behind those we know. */
			memcpy(&stats, at + RTA_LENGTH(0),
			       length < sizeof(stats) ? length : sizeof(stats));
			*ret = stats.rx_dropped + stats.rx_missed_errors + stats.rx_over_errors +
			       stats.rx_fifo_errors;
			return 0;
		}
		step = RTA_ALIGN(attribute.rta_len);
		if (step > left)
			break;
		at += step;
		left -= step;
	}
	return -EBADMSG;
}

int sensors_parse_link(const void *message, size_t length, uint64_t *ret)
{
	const struct nlmsghdr *header = message;
	struct nlmsgerr error;

	if (length < sizeof(*header) || header->nlmsg_len > length ||
	    header->nlmsg_len < NLMSG_SPACE(sizeof(struct ifinfomsg)))
		return -EBADMSG;
	if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_len >= NLMSG_LENGTH(sizeof(error))) {
		memcpy(&error, (const char *)message + NLMSG_HDRLEN, sizeof(error));
		return error.error < 0 ? error.error : -EBADMSG;
	}
	return header->nlmsg_type == RTM_NEWLINK ? parse_attributes(header, ret) : -EBADMSG;
}

/* The socket belongs to the network namespace it was made in. */
static int open_netlink(struct sensors *s)
{
	const struct timeval patience = {.tv_usec = 200000};
	_cleanup_close_ int fd = -1;

	if (s->netlink_fd >= 0)
		return 0;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	s->netlink_fd = take_fd(&fd);
	return 0;
}

static int send_request(struct sensors *s, const char *name, size_t length)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
		struct rtattr attribute;
		char name[IF_NAMESIZE];
	} request = {
		.header.nlmsg_len = sizeof(request),
		.header.nlmsg_type = RTM_GETLINK,
		.header.nlmsg_flags = NLM_F_REQUEST,
		.header.nlmsg_seq = ++s->sequence,
		.attribute.rta_len = RTA_LENGTH(IF_NAMESIZE),
		.attribute.rta_type = IFLA_IFNAME,
	};

	if (length >= sizeof(request.name))
		return -ENODEV;
	memcpy(request.name, name, length);
	return send(s->netlink_fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* What the interface lost, added to *@lost. */
static int read_link(struct sensors *s, const char *name, size_t length, uint64_t *lost)
{
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
	const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
	uint64_t here;
	int r = open_netlink(s);

	r = r ?: send_request(s, name, length);
	if (r < 0)
		return r;
	for (int attempt = 0; attempt < 8; attempt++) {
		ssize_t n = recv(s->netlink_fd, answer, sizeof(answer), MSG_TRUNC);

		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if ((size_t)n > sizeof(answer))
			return -EMSGSIZE;
		/* An answer that came too late for the question before is not this one's. */
		if ((size_t)n < sizeof(*header) || header->nlmsg_seq != s->sequence)
			continue;
		r = sensors_parse_link(answer, (size_t)n, &here);
		if (r == 0)
			*lost += here;
		return r;
	}
	return -ETIMEDOUT;
}

/* All of them, or nothing: a sum that an interface is missing from would look like a loss later. */
static int read_links(struct sensors *s)
{
	const char *name = s->ifaces;
	int r = 0;

	s->read->lost = 0;
	while (r == 0) {
		size_t length = strcspn(name, ",");

		r = read_link(s, name, length, &s->read->lost);
		if (!name[length])
			break;
		name += length + 1;
	}
	return r;
}

/* Packets per second, rounded up: one is not none. */
static int lost_per_second(const struct sensors_sample *before, const struct sensors_sample *after,
			   uint64_t *ret)
{
	uint64_t elapsed_ns = after->taken_ns - before->taken_ns;
	unsigned __int128 scaled;

	if (after->lost < before->lost || !elapsed_ns)
		return -ENODATA;
	scaled = (unsigned __int128)(after->lost - before->lost) * NSEC_PER_SEC;
	*ret = (uint64_t)((scaled + elapsed_ns - 1) / elapsed_ns);
	return 0;
}

int sensors_measure(struct sensors *s, enum policy_target target, struct sensors_sample *sample,
		    uint64_t now_ns, uint64_t *ret)
{
	bool softirq = target == POLICY_TARGET_SOFTIRQ;
	int r = softirq ? read_stat(s) : read_links(s);

	if (r < 0)
		return r;
	s->read->taken_ns = now_ns;
	r = -ENODATA;
	if (sample->taken_ns)
		r = softirq ? sensors_softirq_share(sample, s->read, ret)
			    : lost_per_second(sample, s->read, ret);
	sample->taken_ns = now_ns;
	sample->lost = s->read->lost;
	if (softirq) {
		sample->cpu_count = s->read->cpu_count;
		memcpy(sample->cpus, s->read->cpus, sizeof(s->read->cpus[0]) * SENSORS_CPUS_MAX);
	}
	return r;
}
