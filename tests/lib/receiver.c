/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "receiver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX (2U << 20)

static size_t count_of(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static bool is_whole(const char *request)
{
	const char *length = strcasestr(request, "Content-Length: "),
		   *body = strstr(request, "\r\n\r\n");

	return length && body && strlen(body + 4) >= (size_t)strtol(length + 16, NULL, 10);
}

static void serve(struct receiver *r, int fd)
{
	char *request = calloc(1, REQUEST_MAX);
	size_t length = 0;
	ssize_t n;

	assert_non_null(request);
	while (!is_whole(request) &&
	       (n = recv(fd, request + length, REQUEST_MAX - 1 - length, 0)) > 0)
		length += (size_t)n;
	pthread_mutex_lock(&r->lock);
	free(r->request);
	r->request = request;
	r->requests++;
	if (r->answer && strstr(r->answer, " 200 "))
		r->taken += count_of(request, r->word);
	if (r->answer)
		send(fd, r->answer, strlen(r->answer), MSG_NOSIGNAL);
	pthread_mutex_unlock(&r->lock);
}

static void *receive(void *userdata)
{
	struct receiver *r = userdata;
	int fd;

	while ((fd = accept(r->fd, NULL, NULL)) >= 0) {
		serve(r, fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	return NULL;
}

void receiver_start(struct receiver *r, const char *word, const char *answer)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(a);

	*r = (struct receiver){.word = word, .answer = answer};
	pthread_mutex_init(&r->lock, NULL);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(r->fd, 16), 0);
	assert_int_equal(getsockname(r->fd, (struct sockaddr *)&a, &size), 0);
	snprintf(r->endpoint, sizeof(r->endpoint), "http://127.0.0.1:%u/", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
}

void receiver_answer(struct receiver *r, const char *answer)
{
	pthread_mutex_lock(&r->lock);
	r->answer = answer;
	pthread_mutex_unlock(&r->lock);
}

uint64_t receiver_taken(struct receiver *r)
{
	uint64_t taken;

	pthread_mutex_lock(&r->lock);
	taken = r->taken;
	pthread_mutex_unlock(&r->lock);
	return taken;
}

void receiver_stop(struct receiver *r)
{
	shutdown(r->fd, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r->request);
}
