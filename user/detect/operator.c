/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "detect/operator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/text.h"

#define TCP_ESTABLISHED 1

struct search {
	const char *proc;
	struct operator_origin *origins;
	size_t count;
};

/* A process, as far as it matters here. */
struct process {
	pid_t pid, parent;
	unsigned int uid;
	char name[32];
};

static void add(struct search *s, const struct operator_origin *origin)
{
	for (size_t i = 0; i < s->count; i++)
		if (memcmp(s->origins[i].address, origin->address, 16) == 0 &&
		    s->origins[i].port == origin->port)
			return;
	if (s->count < OPERATOR_ORIGINS_MAX)
		s->origins[s->count++] = *origin;
}

/* The file @name of process @pid, with a NUL behind it. -EFBIG: it is longer than any that makes sense. */
static int read_file(const struct search *s, pid_t pid, const char *name, char **ret,
		     size_t *ret_length)
{
	_cleanup_free_ char *text = malloc(OPERATOR_FILE_MAX + 1);
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	size_t length = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	if (snprintf(path, sizeof(path), "%s/%d/%s", s->proc, (int)pid, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	while (length < OPERATOR_FILE_MAX &&
	       (n = read(fd, text + length, OPERATOR_FILE_MAX - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	*ret = take_ptr(text);
	*ret_length = length;
	return 0;
}

static int read_process(const struct search *s, pid_t pid, struct process *ret)
{
	_cleanup_free_ char *text = NULL;
	const char *parent, *uid;
	size_t length;
	int r = read_file(s, pid, "status", &text, &length);

	if (r < 0)
		return r;
	*ret = (struct process){.pid = pid};
	parent = strstr(text, "\nPPid:");
	uid = strstr(text, "\nUid:");
	if (sscanf(text, "Name: %31[^\n]", ret->name) != 1 || !parent || !uid ||
	    sscanf(parent, " PPid: %d", &ret->parent) != 1 ||
	    sscanf(uid, " Uid: %u", &ret->uid) != 1)
		return -EBADMSG;
	return 0;
}

/* "198.51.100.7 50022 192.0.2.1 22"; link-local addresses have a zone. */
static void take_connection(struct search *s, pid_t pid, const char *text)
{
	struct operator_origin origin = {.pid = pid};
	char from[64], to[64];
	unsigned int from_port, port;

	if (sscanf(text, "%63s %5u %63s %5u", from, &from_port, to, &port) != 4 || port > 65535)
		return;
	from[strcspn(from, "%")] = to[strcspn(to, "%")] = '\0';
	if (address_parse(from, origin.address) < 0 || address_parse(to, origin.to) < 0)
		return;
	origin.port = (uint16_t)port;
	add(s, &origin);
}

static void look_at_environment(struct search *s, pid_t pid)
{
	static const char name[] = "SSH_CONNECTION=";
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (read_file(s, pid, "environ", &text, &length) < 0)
		return;
	for (size_t at = 0; at < length; at += strlen(text + at) + 1)
		if (strncmp(text + at, name, sizeof(name) - 1) == 0)
			take_connection(s, pid, text + at + sizeof(name) - 1);
}

/* The inode numbers of the process's sockets. */
static size_t list_sockets(const struct search *s, pid_t pid,
			   unsigned long long ret[static OPERATOR_SOCKETS_MAX])
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[PATH_MAX], target[64];
	struct dirent *entry;
	size_t count = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%d/fd", s->proc, (int)pid);
	dir = opendir(path);
	while (dir && count < OPERATOR_SOCKETS_MAX && (entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%llu]", &ret[count]) == 1)
			count++;
	}
	return count;
}

/* An address as /proc/net/tcp has it: words of the host's byte order in hexadecimal. */
static bool parse_hex(const char *text, size_t words, uint8_t ret[static 16])
{
	uint32_t word;
	char part[9];

	memset(ret, 0, 16);
	if (words == 1)
		ret[10] = ret[11] = 0xff;
	if (strlen(text) != 8 * words)
		return false;
	for (size_t i = 0; i < words; i++) {
		snprintf(part, sizeof(part), "%.8s", text + 8 * i);
		if (sscanf(part, "%8x", &word) != 1)
			return false;
		memcpy(ret + (words == 1 ? 12 : 4 * i), &word, sizeof(word));
	}
	return true;
}

/* A line of /proc/net/tcp or tcp6 is about one of these sockets. */
static bool parse_line(const char *line, const unsigned long long *sockets, size_t count,
		       struct operator_origin *ret)
{
	char to[33], from[33];
	unsigned int port, from_port, state;
	unsigned long long inode;
	size_t words;

	if (sscanf(line, "%*d: %32[0-9A-F]:%4X %32[0-9A-F]:%4X %2X %*s %*s %*s %*u %*u %llu", to,
		   &port, from, &from_port, &state, &inode) != 6 ||
	    state != TCP_ESTABLISHED)
		return false;
	words = strlen(from) / 8;
	if ((words != 1 && words != 4) || !parse_hex(from, words, ret->address) ||
	    !parse_hex(to, words, ret->to))
		return false;
	ret->port = (uint16_t)port;
	for (size_t i = 0; i < count; i++)
		if (sockets[i] == inode)
			return true;
	return false;
}

static void look_at_sockets(struct search *s, pid_t pid)
{
	static const char *const files[] = {"net/tcp", "net/tcp6"};
	unsigned long long sockets[OPERATOR_SOCKETS_MAX];
	size_t count = list_sockets(s, pid, sockets);

	for (size_t i = 0; i < ARRAY_SIZE(files) && count; i++) {
		_cleanup_fclose_ FILE *f = NULL;
		char path[PATH_MAX], line[512];

		snprintf(path, sizeof(path), "%s/%d/%s", s->proc, (int)pid, files[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			struct operator_origin origin = {.pid = pid};

			if (parse_line(line, sockets, count, &origin))
				add(s, &origin);
		}
	}
}

static bool serves_logins(const char *name)
{
	return strncmp(name, "sshd", 4) == 0 || strcmp(name, "dropbear") == 0;
}

/* A server that shells live in while nobody is there; how it is called, and those who look at it. */
static const struct {
	const char *server, *client;
} multiplexers[] = {
	{"tmux: server", "tmux: client"},
	{"screen", "screen"},
};

/* Look at @pid and its ancestors. Returns whether one serves those that look at it from other logins. */
static bool look_upwards(struct search *s, pid_t pid, struct process *ret_server)
{
	struct process p = {.parent = pid};
	bool found = false;

	for (unsigned int i = 0; i < OPERATOR_ANCESTORS_MAX && p.parent > 1; i++) {
		if (read_process(s, p.parent, &p) < 0)
			break;
		if (serves_logins(p.name))
			look_at_sockets(s, p.pid);
		else
			look_at_environment(s, p.pid);
		for (size_t j = 0; j < ARRAY_SIZE(multiplexers); j++) {
			if (strcmp(p.name, multiplexers[j].server) != 0)
				continue;
			*ret_server = p;
			found = true;
		}
	}
	return found;
}

static bool looks_at(const struct process *client, const struct process *server)
{
	if (client->pid == server->pid || client->uid != server->uid)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(multiplexers); i++)
		if (strcmp(server->name, multiplexers[i].server) == 0 &&
		    strcmp(client->name, multiplexers[i].client) == 0)
			return true;
	return false;
}

/* Whoever looks at the server now may be the one who asks; what he came by, the server does not know. */
static void look_at_clients(struct search *s, const struct process *server)
{
	_cleanup_closedir_ DIR *dir = opendir(s->proc);
	struct process client, unused;
	struct dirent *entry;
	uint32_t pid;

	for (unsigned int i = 0; dir && i < OPERATOR_PROCESSES_MAX && (entry = readdir(dir)); i++)
		if (parse_u32(entry->d_name, 2, INT32_MAX, &pid) == 0 &&
		    read_process(s, (pid_t)pid, &client) == 0 && looks_at(&client, server))
			look_upwards(s, client.pid, &unused);
}

size_t operator_origins(const char *proc, pid_t pid,
			struct operator_origin ret[static OPERATOR_ORIGINS_MAX])
{
	struct search s = {.proc = proc, .origins = ret};
	struct process server;

	if (look_upwards(&s, pid, &server))
		look_at_clients(&s, &server);
	return s.count;
}
