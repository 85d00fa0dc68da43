/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets one by one, as the daemon streams them: lines for people, JSON, or a capture. ^C asks the daemon to end it, so
 * that what is on its way still comes, and with it how many packets there were and how many were lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/ask.h"
#include "cli/query.h"
#include "cli/render.h"
#include "trace/filter.h"
#include "trace/pcapng.h"

#define SNAP_OF_CAPTURE "96"
#define LINE_BYTES_MAX	8192
#define TIMEOUT_MIN_MS	10000 /* the daemon says something every two seconds */

struct job {
	const struct cli *cli;
	const char *name; /* of the capture; NULL: none; "-": standard output */
	FILE *file; /* NULL until the daemon traces: who is refused leaves no file behind, and keeps an old one */
	struct pcapng pcap;
	struct text line; /* of the answer, what has no end yet */
	json_t *end;	  /* the last line */
	json_int_t lost;
	struct fault fault;
	pthread_t watcher;
	bool watches;
};

/* Members may be missing or null: then @fallback. */
static const char *string_of(const json_t *packet, const char *key, const char *fallback)
{
	return json_string_value(json_object_get(packet, key)) ?: fallback;
}

static json_int_t number_of(const json_t *packet, const char *key)
{
	return json_integer_value(json_object_get(packet, key));
}

static void put_end_point(FILE *out, const json_t *packet, const char *key, const char *port_key)
{
	const json_t *port = json_object_get(packet, port_key);
	const char *address = string_of(packet, key, "?");
	bool brackets = json_is_integer(port) && strchr(address, ':');

	fprintf(out, brackets ? "[%s]" : "%s", address);
	if (json_is_integer(port))
		fprintf(out, ":%" JSON_INTEGER_FORMAT, json_integer_value(port));
}

static void print_packet(const struct cli *cli, const json_t *packet)
{
	const char *rule = string_of(packet, "rule", NULL);
	const char *tenant = string_of(packet, "tenant", NULL);
	const char *time = string_of(packet, "timestamp", "");

	/* Of the time people need the part within the day. */
	fprintf(cli->out, "%.15s %s %s %s", strlen(time) > 26 ? time + 11 : time,
		string_of(packet, "interface", "?"), string_of(packet, "verdict", "?"),
		string_of(packet, "reason", "?"));
	if (json_is_string(json_object_get(packet, "source"))) {
		fprintf(cli->out, " %s ", string_of(packet, "protocol", "?"));
		put_end_point(cli->out, packet, "source", "source_port");
		fputs(" > ", cli->out);
		put_end_point(cli->out, packet, "destination", "destination_port");
	}
	fprintf(cli->out, " %" JSON_INTEGER_FORMAT, number_of(packet, "length"));
	if (rule)
		fprintf(cli->out, " rule %s", rule);
	if (tenant)
		fprintf(cli->out, " tenant %s", tenant);
	fputc('\n', cli->out);
}

/* RFC 3339 with nanoseconds, UTC. */
static uint64_t parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char digits[10];
	uint64_t ns = 0;

	if (!rest || *rest != '.' || strlen(rest) < 10)
		return 0;
	memcpy(digits, rest + 1, 9);
	digits[9] = '\0';
	parse_u64(digits, 0, NSEC_PER_SEC - 1, &ns);
	return (uint64_t)timegm(&tm) * NSEC_PER_SEC + ns;
}

static bool write_capture(struct job *j)
{
	struct text *out = &j->pcap.out;
	bool ok = !out->truncated && fwrite(out->data, 1, out->length, j->file) == out->length;

	out->length = 0;
	if (!ok)
		fault(&j->fault, errno ? -errno : -EIO, "trace.write",
		      "cannot write the capture: %s", strerror(errno ?: EIO));
	return ok;
}

static bool capture_packet(struct job *j, const json_t *packet)
{
	const char *rule = string_of(packet, "rule", NULL);
	const char *tenant = string_of(packet, "tenant", NULL);
	const char *encoded = string_of(packet, "packet", "");
	uint8_t bytes[WEIR_TRACE_SNAP_MAX];
	char comment[256];
	struct pcapng_packet p = {
		.time_ns = parse_time(string_of(packet, "timestamp", "")),
		.interface = string_of(packet, "interface", "?"),
		.comment = comment,
		.data = bytes,
		.length = (uint32_t)number_of(packet, "length"),
	};
	size_t length;

	if (base64_parse(encoded, strlen(encoded), bytes, sizeof(bytes), &length) < 0) {
		fault(&j->fault, -EBADMSG, "trace.answer", "the daemon's answer is no packet");
		return false;
	}
	p.captured = (uint32_t)length;
	snprintf(comment, sizeof(comment), "%s %s%s%s%s%s", string_of(packet, "verdict", "?"),
		 string_of(packet, "reason", "?"), rule ? " rule " : "", rule ?: "",
		 tenant ? " tenant " : "", tenant ?: "");
	pcapng_put(&j->pcap, &p, (uint64_t)j->lost);
	return j->pcap.out.length < BUFSIZ || write_capture(j);
}

static void print_lost(const struct cli *cli, const json_t *line)
{
	fprintf(cli->err,
		"%" JSON_INTEGER_FORMAT " packets were lost: %" JSON_INTEGER_FORMAT
		" over the budget so far, %" JSON_INTEGER_FORMAT
		" because nobody read them in time\n",
		number_of(line, "count"), number_of(line, "over_budget"), number_of(line, "lost"));
}

/* A line of the stream. False: break off. */
static bool take_line(struct job *j, const char *text, size_t length)
{
	json_t *line = json_loadb(text, length, 0, NULL);
	const char *type = string_of(line, "type", "");
	bool ok = true;

	if (!line)
		ok = fault(&j->fault, -EBADMSG, "trace.answer", "the daemon's answer is no JSON") ==
		     0;
	else if (strcmp(type, "packet") == 0 && j->name)
		ok = capture_packet(j, line);
	else if (strcmp(type, "packet") == 0 && !j->cli->json)
		print_packet(j->cli, line);
	if (strcmp(type, "lost") == 0 && !j->cli->json && !j->name)
		print_lost(j->cli, line);
	if (strcmp(type, "lost") == 0 || strcmp(type, "end") == 0)
		j->lost = number_of(line, "over_budget") + number_of(line, "lost");
	if (j->cli->json && !j->name && strcmp(type, "heartbeat") != 0)
		fprintf(j->cli->out, "%.*s\n", (int)length, text);
	if (strcmp(type, "end") == 0) {
		json_decref(j->end);
		j->end = json_incref(line);
	}
	json_decref(line);
	return ok;
}

static bool open_capture(struct job *j)
{
	int fd;

	if (strcmp(j->name, "-") == 0) {
		j->file = stdout;
		return true;
	}
	/* Packets are nobody else's business. */
	fd = open(j->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	j->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!j->file)
		fault(&j->fault, -errno, "trace.write", "cannot open '%.200s' for the capture: %s",
		      j->name, strerror(errno));
	return j->file;
}

static bool take(const char *data, size_t length, void *userdata)
{
	struct job *j = userdata;

	if (j->name && !j->file && !open_capture(j))
		return false;
	while (length) {
		const char *end = memchr(data, '\n', length);
		size_t size = end ? (size_t)(end - data) : length;

		text_put(&j->line, data, size);
		if (j->line.truncated || j->line.length > LINE_BYTES_MAX) {
			fault(&j->fault, -EBADMSG, "trace.answer",
			      "a line of the answer is too long");
			return false;
		}
		if (end && !take_line(j, j->line.data, j->line.length))
			return false;
		if (end)
			j->line.length = 0;
		data += size + !!end;
		length -= size + !!end;
	}
	if (j->file && j->pcap.out.length && !write_capture(j))
		return false;
	/* Whoever reads this has gone: so does the trace. */
	return fflush(j->file ?: j->cli->out) == 0;
}

/* Waits for ^C, on a thread of its own, and asks the daemon to end; the second one ends us. */
static void *watch(void *userdata)
{
	const struct job *j = userdata;
	const struct client_request request = {.method = "DELETE", .path = "/v1/trace"};
	_cleanup_(client_response_done) struct client_response response = {0};
	struct fault f = {0};
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigwait(&signals, &number);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	ask_call(j->cli, &request, &response, &f);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	sigwait(&signals, &number);
	_exit(128 + number);
}

static void start_watching(struct job *j)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	j->watches = pthread_create(&j->watcher, NULL, watch, j) == 0;
	if (!j->watches)
		pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static void stop_watching(struct job *j)
{
	if (!j->watches)
		return;
	pthread_cancel(j->watcher);
	pthread_join(j->watcher, NULL);
	j->watches = false;
}

/* "1/1000" or "1000". */
static int put_sample(const struct cli *cli, struct text *path)
{
	const char *value = cli_value(cli, CLI_OPTION_SAMPLE, NULL);
	uint32_t n;

	if (!value)
		return CLI_OK;
	if (parse_u32(strncmp(value, "1/", 2) == 0 ? value + 2 : value, 1, WEIR_TRACE_SAMPLE_MAX,
		      &n) < 0)
		return cli_usage(cli, "--sample '%s' is not 1/1 to 1/%u", value,
				 WEIR_TRACE_SAMPLE_MAX);
	text_printf(path, "&sample=%" PRIu32, n);
	return CLI_OK;
}

static int put_budget(const struct cli *cli, struct text *path)
{
	const char *value = cli_value(cli, CLI_OPTION_BUDGET, NULL);
	char digits[8];
	uint32_t percent;

	if (!value)
		return CLI_OK;
	snprintf(digits, sizeof(digits), "%s", value);
	if (*digits && digits[strlen(digits) - 1] == '%')
		digits[strlen(digits) - 1] = '\0';
	if (strlen(value) >= sizeof(digits) || parse_u32(digits, 1, 100, &percent) < 0)
		return cli_usage(cli, "--budget '%s' is not 1%% to 100%%", value);
	text_printf(path, "&budget=%" PRIu32, percent);
	return CLI_OK;
}

static int make_path(const struct cli *cli, struct text *path, uint32_t *ret_snap)
{
	bool captures = cli_value(cli, CLI_OPTION_PCAP, NULL);
	const char *snap = cli_value(cli, CLI_OPTION_SNAP, captures ? SNAP_OF_CAPTURE : "0");
	const char *count = cli_value(cli, CLI_OPTION_COUNT, NULL);
	_cleanup_(text_done) struct text filter = {.growing = true};
	uint64_t n;
	int exit;

	if (parse_u32(snap, 0, WEIR_TRACE_SNAP_MAX, ret_snap) < 0)
		return cli_usage(cli, "--snap '%s' is no number to %d", snap, WEIR_TRACE_SNAP_MAX);
	if (count && parse_u64(count, 1, UINT64_MAX - 1, &n) < 0)
		return cli_usage(cli, "--count '%s' is no number from 1 on", count);
	if (captures && cli_value(cli, CLI_OPTION_HIDE_ADDRESSES, NULL))
		return cli_usage(cli, "--hide-addresses does not go with --pcap: the bytes of a "
				      "packet have its addresses");
	for (size_t i = 0; i < cli->operand_count; i++)
		text_printf(&filter, "%s%s", i ? " " : "", cli->operands[i]);
	text_printf(path, "/v1/trace?snap=%" PRIu32, *ret_snap);
	query_put_argument(path, "filter", filter.data ?: "");
	if (count)
		text_printf(path, "&count=%s", count);
	if (cli_value(cli, CLI_OPTION_HIDE_ADDRESSES, NULL))
		text_puts(path, "&hide_addresses");
	exit = put_sample(cli, path);
	if (exit == CLI_OK)
		exit = put_budget(cli, path);
	if (exit == CLI_OK && (path->truncated || filter.truncated))
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	return exit;
}

/* What it came to, on stderr. */
static void print_end(const struct job *j)
{
	const json_t *e = j->end;

	fprintf(j->cli->err,
		"%" JSON_INTEGER_FORMAT " packets shown of %" JSON_INTEGER_FORMAT
		" that matched, %" JSON_INTEGER_FORMAT " seen; %" JSON_INTEGER_FORMAT
		" were over the budget, %" JSON_INTEGER_FORMAT " lost, %" JSON_INTEGER_FORMAT
		" not sampled\n",
		number_of(e, "packets"), number_of(e, "matched"), number_of(e, "seen"),
		number_of(e, "over_budget"), number_of(e, "lost") + number_of(e, "unread"),
		number_of(e, "not_sampled"));
}

static void end_capture(struct job *j)
{
	pcapng_end(&j->pcap, clock_real_ns(), (uint64_t)number_of(j->end, "matched"),
		   (uint64_t)j->lost + (uint64_t)number_of(j->end, "unread"));
	write_capture(j);
	if (fflush(j->file) != 0 && !j->fault.err)
		fault(&j->fault, -errno, "trace.write", "cannot write the capture: %s",
		      strerror(errno));
}

static int run(struct job *j, const char *path)
{
	_cleanup_(client_response_done) struct client_response response = {0};
	const struct client_request request = {
		.method = "GET", .path = path, .take = take, .userdata = j};
	struct fault f = {0};
	int r = ask_call(j->cli, &request, &response, &f);

	stop_watching(j);
	if (r == 0 && (response.status < 200 || response.status > 299))
		return ask_refused(j->cli, &response);
	/* What came has come, however it ended. */
	if (j->file)
		end_capture(j);
	if (j->fault.err)
		return cli_fault(j->cli, &j->fault);
	if (r < 0 && f.err == -ECANCELED) /* nobody reads on */
		return CLI_OK;
	if (r < 0)
		return ask_unreachable(j->cli, &f);
	if (!j->end)
		return cli_fail(j->cli, CLI_FAILED, "trace.ended",
				"the daemon ended the trace: it stops", NULL);
	if (!j->cli->json || j->file)
		print_end(j);
	return CLI_OK;
}

int cmd_trace(struct cli *cli)
{
	_cleanup_(text_done) struct text path = {.growing = true};
	struct job j = {
		.cli = cli,
		.name = cli_value(cli, CLI_OPTION_PCAP, NULL),
		.line.growing = true,
	};
	uint32_t snap;
	int exit = make_path(cli, &path, &snap);

	if (exit != CLI_OK)
		return exit;
	if (cli->json)
		cli->lines = true; /* one value would never end */
	if (cli->timeout_ms < TIMEOUT_MIN_MS)
		cli->timeout_ms = TIMEOUT_MIN_MS;
	signal(SIGPIPE, SIG_IGN);
	if (j.name)
		pcapng_init(&j.pcap, snap);
	start_watching(&j);
	exit = run(&j, path.data);
	stop_watching(&j);
	if (j.file && j.file != stdout)
		fclose(j.file);
	pcapng_done(&j.pcap);
	text_done(&j.line);
	json_decref(j.end);
	return exit;
}
