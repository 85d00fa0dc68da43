/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/handout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"

DEFINE_CLEANUP(CURL *, curl_easy_cleanup)
DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)

/* What does not fit is dropped, and so is the newline at the end. */
static void take_answer(struct handout *h, const char *data, size_t length)
{
	size_t have = strlen(h->receipt), room = HANDOUT_RECEIPT_MAX - have;

	if (length > room)
		length = room;
	for (size_t i = 0; i < length; i++)
		h->receipt[have + i] = data[i] ? data[i] : '?';
	h->receipt[have + length] = '\0';
}

static void tidy_answer(struct handout *h)
{
	size_t length = strlen(h->receipt);

	while (length && (h->receipt[length - 1] == '\n' || h->receipt[length - 1] == '\r'))
		h->receipt[--length] = '\0';
	utf8_repair(h->receipt);
}

/* A file in memory: writing to a pipe would wait for a command that does not read. */
static int note_as_file(const struct handout *h, int *ret)
{
	_cleanup_close_ int fd = memfd_create("checkpoint", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, h->note, h->length) != (ssize_t)h->length || lseek(fd, 0, SEEK_SET) != 0)
		return -EIO;
	*ret = take_fd(&fd);
	return 0;
}

static pid_t spawn(const char *command, int in, int out)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int remaining_ms(uint64_t until_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return now_ns < until_ns ? (int)((until_ns - now_ns) / NSEC_PER_MSEC + 1) : 0;
}

/* Take what it prints until it has ended; 0: it did not, in time. */
static int attend(struct handout *h, int pidfd, int out)
{
	uint64_t until_ns = clock_monotonic_ns() + h->timeout_ms * NSEC_PER_MSEC;
	struct pollfd waited[] = {{.fd = pidfd, .events = POLLIN}, {.fd = out, .events = POLLIN}};
	char data[4096];

	for (;;) {
		int n = poll(waited, ARRAY_SIZE(waited), remaining_ms(until_ns));

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return n;
		if (waited[1].revents) {
			ssize_t got = read(out, data, sizeof(data));

			if (got > 0)
				take_answer(h, data, (size_t)got);
			else
				waited[1].fd = -1;
			continue;
		}
		if (waited[0].revents)
			return 1;
	}
}

static int run(struct handout *h, const char *command, int *ret_status)
{
	_cleanup_close_ int in = -1, out = -1, pidfd = -1;
	int ends[2], r = note_as_file(h, &in);
	pid_t pid;

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	out = ends[0];
	pid = spawn(command, in, ends[1]);
	close(ends[1]);
	if (pid < 0)
		return pid;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = pidfd < 0 ? -errno : attend(h, pidfd, out);
	if (r <= 0) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* should it not lead its group yet */
	}
	if (waitpid(pid, ret_status, 0) < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : r;
}

int handout_exec(struct handout *h, const char *command, struct fault *reterr)
{
	int status = 0, r = run(h, command, &status);

	tidy_answer(h);
	if (r == -ETIMEDOUT)
		return fault(reterr, r, "anchor.exec", "the command did not end in time");
	if (r < 0)
		return fault(reterr, r, "anchor.exec", "cannot run the command: %s", strerror(-r));
	if (WIFSIGNALED(status))
		return fault(reterr, -EIO, "anchor.exec", "the command was ended by signal %d",
			     WTERMSIG(status));
	if (WEXITSTATUS(status))
		return fault(reterr, -EIO, "anchor.exec", "the command ended with status %d",
			     WEXITSTATUS(status));
	return 0;
}

int handout_file(struct handout *h, const char *path, struct fault *reterr)
{
	struct fault f = {0};
	int r = fs_replace_file(path, h->note, h->length, 0644, &f);

	return r < 0 ? fault(reterr, r, "anchor.file", "%s", f.text) : 0;
}

static size_t receive(char *data, size_t size, size_t count, void *userdata)
{
	take_answer(userdata, data, size * count);
	return size * count;
}

int handout_url(struct handout *h, const char *url, struct fault *reterr)
{
	_cleanup_(curl_slist_free_allp) struct curl_slist *headers = NULL;
	_cleanup_(curl_easy_cleanupp) CURL *curl = curl_easy_init();
	CURLcode code;
	long status = 0;

	headers = curl_slist_append(NULL, "Content-Type: text/plain; charset=utf-8");
	if (!curl || !headers)
		return fault(reterr, -ENOMEM, "anchor.url", "out of memory");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)h->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)h->length);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, h->note);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, h);
	code = curl_easy_perform(curl);
	tidy_answer(h);
	if (code != CURLE_OK)
		return fault(reterr, -EIO, "anchor.url", "no answer: %s", curl_easy_strerror(code));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return fault(reterr, -EIO, "anchor.url", "it answers with status %ld", status);
	return 0;
}
