/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "datapath/sockets.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "bpf/sockets.skel.h"
#include "datapath/sock_destroy.h"

#define ROWS_PER_READ 256

struct sockets {
	struct sockets_bpf *skeleton;
	struct bpf_link *list, *kill; /* kill NULL: this kernel cannot */
	struct ring_buffer *ends;
	void (*ended)(const struct weir_socket_end *end, void *userdata);
	void *ended_userdata;
	unsigned int ended_left;
};

static bool kernel_destroys(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool does = btf && btf__find_by_name_kind(btf, "bpf_sock_destroy", BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return does;
}

/* What finds no room of its own is counted there. */
static int add_rest(const struct sockets *s)
{
	_cleanup_free_ struct weir_service *service = calloc(1, sizeof(*service));
	int fd = bpf_map__fd(s->skeleton->maps.weir_services);

	if (!service)
		return -ENOMEM;
	for (enum weir_socket_direction i = WEIR_SOCKET_INCOMING; i < WEIR_SOCKET_DIRECTION_MAX;
	     i++) {
		const struct weir_service_key key = {.direction = (__u8)i};

		if (bpf_map_update_elem(fd, &key, service, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int attach(struct sockets *s)
{
	struct sockets_bpf *k = s->skeleton;
	int r = sockets_bpf__attach(k);

	if (r < 0)
		return r;
	s->list = k->links.weir_sock_list;
	s->kill = k->links.weir_sock_kill;
	return s->list ? 0 : -EOPNOTSUPP;
}

static int take_end(void *userdata, void *data, size_t size)
{
	struct sockets *s = userdata;

	if (size >= sizeof(struct weir_socket_end))
		s->ended(data, s->ended_userdata);
	return --s->ended_left ? 0 : -EAGAIN; /* it is consumed in any case */
}

int sockets_open(struct sockets **ret, struct fault *reterr)
{
	_cleanup_(sockets_closep) struct sockets *s = calloc(1, sizeof(*s));
	struct stat netns;
	int r;

	if (!s)
		return fault(reterr, -ENOMEM, "sockets.load", "out of memory");
	s->skeleton = sockets_bpf__open();
	if (!s->skeleton)
		return fault(reterr, -errno, "sockets.load",
			     "cannot open the programs for connections: %s", strerror(errno));
	if (stat("/proc/thread-self/ns/net", &netns) < 0)
		return fault(reterr, -errno, "sockets.load",
			     "cannot tell our network namespace: %s", strerror(errno));
	s->skeleton->rodata->weir_netns = (uint32_t)netns.st_ino;
	bpf_program__set_autoload(s->skeleton->progs.weir_sock_kill, kernel_destroys());
	r = fault_point(NULL, "sockets.load");
	r = r ?: sockets_bpf__load(s->skeleton);
	r = r ?: add_rest(s);
	if (r < 0)
		return fault(reterr, r, "sockets.load",
			     "the kernel refused the programs for connections: %s; they need BTF "
			     "(CONFIG_DEBUG_INFO_BTF)",
			     strerror(-r));
	r = fault_point(NULL, "sockets.attach");
	r = r ?: attach(s);
	if (r < 0)
		return fault(reterr, r, "sockets.attach",
			     "cannot attach the programs for connections: %s", strerror(-r));
	s->ends =
		ring_buffer__new(bpf_map__fd(s->skeleton->maps.weir_sock_ends), take_end, s, NULL);
	if (!s->ends)
		return fault(reterr, -errno, "sockets.load",
			     "cannot read the connections that end: %s", strerror(errno));
	*ret = take_ptr(s);
	return 0;
}

void sockets_close(struct sockets *s)
{
	if (!s)
		return;
	ring_buffer__free(s->ends);
	sockets_bpf__destroy(s->skeleton);
	free(s);
}

/* An iterator runs while somebody reads it. */
static int read_all(struct bpf_link *link,
		    int (*fn)(const struct weir_socket_row *row, void *userdata), void *userdata)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	struct weir_socket_row rows[ROWS_PER_READ];
	size_t held = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, (char *)rows + held, sizeof(rows) - held);
		size_t whole;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		held += (size_t)n;
		whole = held / sizeof(rows[0]);
		for (size_t i = 0; i < whole; i++) {
			int r = fn(&rows[i], userdata);

			if (r < 0)
				return r;
		}
		held -= whole * sizeof(rows[0]);
		memmove(rows, &rows[whole], held);
	}
}

int sockets_each(const struct sockets *s,
		 int (*fn)(const struct weir_socket_row *row, void *userdata), void *userdata)
{
	return read_all(s->list, fn, userdata);
}

void sockets_sample(struct sockets *s, uint32_t one_in)
{
	__atomic_store_n(&s->skeleton->bss->weir_sample_most, one_in ? UINT32_MAX / one_in : 0,
			 __ATOMIC_RELAXED);
}

void sockets_ended(struct sockets *s, void (*fn)(const struct weir_socket_end *end, void *userdata),
		   void *userdata)
{
	s->ended = fn;
	s->ended_userdata = userdata;
	s->ended_left = SOCKETS_ENDED_MAX;
	ring_buffer__consume(s->ends);
}

uint64_t sockets_sample_lost(const struct sockets *s)
{
	return __atomic_load_n(&s->skeleton->bss->weir_sample_lost, __ATOMIC_RELAXED);
}

bool sockets_by_program(const struct sockets *s)
{
	return s->kill;
}

static int ignore(const struct weir_socket_row *row, void *userdata)
{
	(void)row;
	(void)userdata;
	return 0;
}

static int kill_by_program(const struct sockets *s, const struct weir_socket_row *rows,
			   size_t count, size_t *ret_ended)
{
	int fd = bpf_map__fd(s->skeleton->maps.weir_sock_doomed), r = 0;
	size_t put = 0, ended = 0;
	int failed = 0;

	for (; put < count && r == 0; put++) {
		const uint64_t none = 0;

		if (bpf_map_update_elem(fd, &rows[put].cookie, &none, BPF_ANY) < 0)
			r = -errno;
	}
	r = r ?: read_all(s->kill, ignore, NULL);
	for (size_t i = 0; i < put; i++) {
		uint64_t outcome = 0;

		bpf_map_lookup_elem(fd, &rows[i].cookie, &outcome);
		bpf_map_delete_elem(fd, &rows[i].cookie);
		ended += outcome == 1;
		if (outcome > 1)
			failed = (int)outcome - 1;
	}
	*ret_ended = ended;
	return r ?: ended || !failed ? r : -failed;
}

int sockets_kill(const struct sockets *s, const struct weir_socket_row *rows, size_t count,
		 size_t *ret_ended, struct fault *reterr)
{
	int r = fault_point(NULL, "sockets.kill");

	*ret_ended = 0;
	r = r
		    ?: s->kill ? kill_by_program(s, rows, count, ret_ended)
			       : sock_destroy(rows, count, ret_ended);
	if (r < 0)
		return fault(reterr, r, "sockets.kill", "connections could not be ended: %s",
			     strerror(-r));
	return 0;
}

int sockets_services(const struct sockets *s, struct sockets_service **ret, size_t *ret_count)
{
	int fd = bpf_map__fd(s->skeleton->maps.weir_services);
	_cleanup_free_ struct sockets_service *services =
		calloc(WEIR_SOCKET_SERVICES, sizeof(*services));
	struct weir_service_key key, *last = NULL;
	size_t count = 0;

	if (!services)
		return -ENOMEM;
	/* None is ever removed. */
	while (count < WEIR_SOCKET_SERVICES && bpf_map_get_next_key(fd, last, &key) == 0) {
		services[count].key = key;
		if (bpf_map_lookup_elem(fd, &key, &services[count].service) < 0)
			break;
		last = &services[count++].key;
	}
	*ret = take_ptr(services);
	*ret_count = count;
	return 0;
}

uint64_t sockets_quantile_us(const __u64 buckets[static WEIR_SOCKET_BUCKETS], unsigned int permille)
{
	uint64_t sum = 0, below = 0;

	for (size_t i = 0; i < WEIR_SOCKET_BUCKETS; i++)
		sum += buckets[i];
	for (size_t i = 0; i < WEIR_SOCKET_BUCKETS && sum; i++) {
		below += buckets[i];
		if (below * 1000 >= sum * permille)
			return 1ULL << i;
	}
	return 0;
}
