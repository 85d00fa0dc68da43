/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "export/ship.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "audit/hash.h"
#include "audit/query.h"
#include "audit/reader.h"
#include "base/fs.h"
#include "export/sink.h"

#define IDLE_MSEC     200
#define BATCH_RECORDS 256
#define BATCH_BYTES   (256U << 10)
#define BACKOFF_NS    (NSEC_PER_SEC / 2)
#define CURSOR_NS     NSEC_PER_SEC /* between two writes of it */
#define CURSOR_BYTES  128

/* One target and its thread. What is not under the lock belongs to the thread. */
struct lane {
	struct shipper *shipper;
	char name[SHIP_NAME_MAX + 1];
	char *to, *headers_file;
	enum export_format format;
	struct audit_query query;
	char cursor_path[PATH_MAX];
	int stop_fd;
	pthread_t thread;

	struct reader *reader;
	struct sink *sink;
	struct text view, text;
	uint64_t next, confirmed,
		stored; /* indexes: the next to send, all before arrived, in the cursor */
	uint64_t stored_ns, backoff_ns, wait_ns;
	struct {
		bool set;
		uint64_t next, written, arrived_ns;
	} mark; /* a place up to which records arrive */
	bool failing;

	pthread_mutex_t lock;
	struct ship_stats stats;
};

struct shipper {
	struct shipper_options options;
	char audit_dir[PATH_MAX], cursor_dir[PATH_MAX];
	char host[EXPORT_HOST_SIZE];
	struct otlp_resource resource;
	struct lane *lanes[SHIP_TARGETS_MAX];
	size_t count;
};

static void publish(struct lane *l)
{
	pthread_mutex_lock(&l->lock);
	l->stats.next = l->next;
	l->stats.confirmed = l->confirmed;
	l->stats.failing = l->failing;
	pthread_mutex_unlock(&l->lock);
}

/* Wait; true: the thread is to end. */
static bool pause_for(const struct lane *l, uint64_t ns)
{
	struct pollfd stop = {l->stop_fd, POLLIN, 0};

	return poll(&stop, 1, (int)(ns / NSEC_PER_MSEC)) > 0;
}

static void tell(struct lane *l, enum audit_event event, const char *words)
{
	struct audit_details details = {0};
	struct audit_record record = {
		.event = event,
		.outcome = event == AUDIT_EVENT_EXPORT_FAILED ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"export", l->name},
		.details = &details,
	};

	audit_details_string(&details, "to", l->to);
	audit_details_u64(&details, "next_index", l->next);
	if (words)
		audit_details_string(&details, "error", words);
	l->shipper->options.record(&record, l->shipper->options.userdata);
}

/* The cursor is "INDEX HASH\n": the first record that has not arrived, and the hash of the one before it. */
static void cursor_store(struct lane *l)
{
	char line[CURSOR_BYTES];
	char hash[AUDIT_HASH_TEXT] = "-";
	_cleanup_(reader_closep) struct reader *reader = NULL;
	uint8_t bytes[AUDIT_HASH_SIZE];

	if (l->confirmed == l->stored)
		return;
	/* Also of one that expired meanwhile. */
	if (l->confirmed && reader_open(l->shipper->audit_dir, &reader, NULL) == 0 &&
	    reader_hash_at(reader, l->confirmed - 1, bytes, NULL) == 0)
		hex_format(bytes, AUDIT_HASH_SIZE, hash);
	snprintf(line, sizeof(line), "%" PRIu64 " %s\n", l->confirmed, hash);
	/* If it cannot be written, records are sent twice after a restart: no reason to end. */
	if (fs_replace_file(l->cursor_path, line, strlen(line), 0600, NULL) == 0)
		l->stored = l->confirmed;
}

/* Go on where the cursor says, if the log is still the one that it was made of. */
static void cursor_load(struct lane *l)
{
	_cleanup_(reader_closep) struct reader *reader = NULL;
	char hash[AUDIT_HASH_TEXT], *end, *rest;
	_cleanup_free_ char *line = NULL;
	struct reader_record record;
	uint64_t index;
	size_t length;

	if (fs_read_file(l->cursor_path, CURSOR_BYTES, &line, &length, NULL) < 0)
		return;
	rest = line;
	end = strsep(&rest, " ");
	if (!rest || parse_u64(end, 1, AUDIT_INDEX_MAX, &index) < 0)
		return;
	end = strsep(&rest, "\n");
	if (reader_open(l->shipper->audit_dir, &reader, NULL) < 0)
		return;
	reader_with_expired(reader); /* the one it stands at may have */
	if (reader_seek(reader, index - 1, NULL) < 0 || reader_next(reader, &record, NULL) <= 0 ||
	    record.view.index != index - 1)
		return;
	hex_format(record.hash, AUDIT_HASH_SIZE, hash);
	if (strcmp(end, "-") == 0 || strcmp(end, hash) == 0)
		l->next = l->confirmed = l->stored = index;
}

static void fail(struct lane *l, const struct fault *f)
{
	pthread_mutex_lock(&l->lock);
	l->stats.errors++;
	snprintf(l->stats.because, sizeof(l->stats.because), "%.250s", f->text);
	utf8_repair(l->stats.because);
	pthread_mutex_unlock(&l->lock);
	l->wait_ns = l->sink ? sink_retry_after_ns(l->sink) : 0;
	sink_close(l->sink);
	l->sink = NULL;
	l->mark.set = false;
	l->next = l->confirmed; /* what was on its way is sent again */
	reader_close(l->reader);
	l->reader = NULL;
	if (!l->failing)
		tell(l, AUDIT_EVENT_EXPORT_FAILED, f->text);
	l->failing = true;
	publish(l);
}

static void confirm(struct lane *l)
{
	uint64_t now_ns = clock_monotonic_ns(),
		 settle_ns =
			 sink_is_datagram(l->sink) || sink_is_stream(l->sink) ? SHIP_SETTLE_NS : 0;

	if (!l->mark.set && l->next > l->confirmed) {
		l->mark.set = true;
		l->mark.next = l->next;
		l->mark.written = sink_written(l->sink);
		l->mark.arrived_ns = 0;
	}
	if (l->mark.set && !l->mark.arrived_ns && sink_arrived(l->sink) >= l->mark.written)
		l->mark.arrived_ns = now_ns;
	if (l->mark.set && l->mark.arrived_ns && now_ns - l->mark.arrived_ns >= settle_ns) {
		l->confirmed = l->mark.next;
		l->mark.set = false;
		l->backoff_ns = BACKOFF_NS;
		if (l->failing) {
			l->failing = false;
			tell(l, AUDIT_EVENT_EXPORT_RESTORED, NULL);
		}
	}
	if (now_ns - l->stored_ns >= CURSOR_NS) {
		cursor_store(l);
		l->stored_ns = now_ns;
	}
	publish(l);
}

/* The view without its details, for a datagram. */
static int shorten(struct lane *l, struct fault *reterr)
{
	json_t *o = json_loadb(l->view.data, l->view.length, 0, NULL);
	_cleanup_free_ char *line = NULL;

	json_object_set_new(o, "details",
			    json_pack("{s:I}", "omitted_bytes", (json_int_t)l->view.length));
	line = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	l->text.length = 0;
	pthread_mutex_lock(&l->lock);
	l->stats.shortened++;
	pthread_mutex_unlock(&l->lock);
	return line ? export_put(&l->text, l->format, l->shipper->host, 0, line, strlen(line),
				 reterr)
		    : fault(reterr, -ENOMEM, "export.memory", "out of memory");
}

/* The record in view, of a request that it may begin. */
static int render_request(struct lane *l, struct fault *reterr)
{
	struct export_event e;
	int r = export_event_read(l->view.data, l->view.length, &e, reterr);

	if (r < 0)
		return r;
	if (!l->text.length)
		otlp_put_head(&l->text, OTLP_LOGS, &l->shipper->resource);
	otlp_put_record(&l->text, &e);
	export_event_done(&e);
	return l->text.truncated ? fault(reterr, -ENOMEM, "export.memory", "out of memory") : 0;
}

/* Render one record behind what waits in text. */
static int render(struct lane *l, const struct reader_record *record, struct fault *reterr)
{
	size_t at = l->text.length, length;
	char count[24];
	int r;

	l->view.length = 0;
	record_put_view(&l->view, record->data, record->length, &record->view, record->hash);
	if (sink_is_receiver(l->sink))
		return render_request(l, reterr);
	if (!at && l->format == EXPORT_CSV && sink_is_new(l->sink))
		export_put_head(&l->text, l->format);
	at = l->text.length;
	r = export_put(&l->text, l->format, l->shipper->host, 0, l->view.data, l->view.length,
		       reterr);
	if (r == 0 && sink_is_datagram(l->sink) && l->text.length > SINK_DATAGRAM_MAX)
		r = shorten(l, reterr);
	if (r < 0 || l->format != EXPORT_SYSLOG)
		return r;
	/* RFC 6587, 3.4.1: a stream counts octets and has no newline, a datagram neither. */
	if (sink_is_stream(l->sink) || sink_is_datagram(l->sink))
		l->text.length--;
	length = l->text.length - at;
	if (!sink_is_stream(l->sink))
		return 0;
	snprintf(count, sizeof(count), "%zu ", length);
	text_puts(&l->text, count);
	if (l->text.truncated)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	memmove(l->text.data + at + strlen(count), l->text.data + at, length);
	memcpy(l->text.data + at, count, strlen(count));
	return 0;
}

static int send_text(struct lane *l, uint64_t records, struct fault *reterr)
{
	int r = 0;

	if (l->text.length && sink_is_receiver(l->sink))
		otlp_put_tail(&l->text);
	if (l->text.length)
		r = sink_write(l->sink, l->text.data, l->text.length, reterr);
	if (r == 0 && l->text.length && sink_is_receiver(l->sink)) {
		pthread_mutex_lock(&l->lock);
		l->stats.rejected += sink_rejected(l->sink, records);
		pthread_mutex_unlock(&l->lock);
	}
	l->text.length = 0;
	return r;
}

/* Send up to a batch of records. How many were looked at. */
static int send_batch(struct lane *l, struct fault *reterr)
{
	struct reader_record record;
	uint64_t sent = 0;
	int n = 0, r = 0;

	l->text.length = 0;
	while (n < BATCH_RECORDS && l->text.length < BATCH_BYTES &&
	       (r = reader_next(l->reader, &record, reterr)) > 0) {
		n++;
		if (audit_query_match(&l->query, &record.view)) {
			r = render(l, &record, reterr);
			sent++;
		}
		if (r >= 0 && sink_is_datagram(l->sink))
			r = send_text(l, 1, reterr);
		if (r < 0)
			return r;
		l->next = record.view.index + 1;
	}
	if (r >= 0)
		r = send_text(l, sent, reterr);
	if (r >= 0)
		r = sink_sync(l->sink, reterr);
	pthread_mutex_lock(&l->lock);
	l->stats.sent += r < 0 ? 0 : sent;
	pthread_mutex_unlock(&l->lock);
	return r < 0 ? r : n;
}

static int prepare(struct lane *l, struct fault *reterr)
{
	int r = 0;

	if (!l->reader) {
		r = reader_open(l->shipper->audit_dir, &l->reader, reterr);
		if (r == 0)
			r = reader_seek(l->reader, l->next, reterr);
		if (r < 0) {
			reader_close(l->reader);
			l->reader = NULL;
		} else {
			reader_set_opener(l->reader, l->shipper->options.opener);
		}
	}
	if (r == 0 && !l->sink)
		r = sink_open(l->to, l->headers_file, l->stop_fd, &l->sink, reterr);
	return r;
}

static void *run(void *userdata)
{
	struct lane *l = userdata;
	bool stop = false;

	cursor_load(l);
	publish(l);
	while (!stop) {
		struct fault f = {0};
		int r = prepare(l, &f);

		if (r == 0)
			r = send_batch(l, &f);
		if (r == -ECANCELED)
			break;
		if (r < 0) {
			fail(l, &f);
			stop = pause_for(l,
					 l->wait_ns > l->backoff_ns ? l->wait_ns : l->backoff_ns);
			l->backoff_ns *= l->backoff_ns < SHIP_BACKOFF_MAX_NS ? 2 : 1;
			continue;
		}
		confirm(l);
		stop = pause_for(l, r < BATCH_RECORDS / 2 ? IDLE_MSEC * NSEC_PER_MSEC : 0);
	}
	cursor_store(l);
	return NULL;
}

static void lane_free(struct lane *l)
{
	if (!l)
		return;
	sink_close(l->sink);
	reader_close(l->reader);
	text_done(&l->view);
	text_done(&l->text);
	if (l->stop_fd >= 0)
		close(l->stop_fd);
	pthread_mutex_destroy(&l->lock);
	free(l->to);
	free(l->headers_file);
	free(l);
}

static void lane_stop(struct lane *l)
{
	eventfd_write(l->stop_fd, 1);
	pthread_join(l->thread, NULL);
	lane_free(l);
}

static struct lane *lane_start(struct shipper *s, const struct ship_target *t)
{
	struct lane *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->shipper = s;
	l->backoff_ns = BACKOFF_NS;
	pthread_mutex_init(&l->lock, NULL);
	text_init_growing(&l->view);
	text_init_growing(&l->text);
	snprintf(l->name, sizeof(l->name), "%s", t->name);
	l->to = strdup(t->to);
	l->headers_file = t->headers_file ? strdup(t->headers_file) : NULL;
	l->format = t->format;
	audit_query_init(&l->query);
	l->query.categories = t->categories;
	l->query.severity = t->min_severity;
	snprintf(l->stats.name, sizeof(l->stats.name), "%s", t->name);
	snprintf(l->stats.to, sizeof(l->stats.to), "%.127s", t->to);
	utf8_repair(l->stats.to);
	l->stats.format = export_format_to_str(t->format);
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (!l->to || (t->headers_file && !l->headers_file) || l->stop_fd < 0 ||
	    snprintf(l->cursor_path, sizeof(l->cursor_path), "%s/%s", s->cursor_dir, t->name) >=
		    (int)sizeof(l->cursor_path) ||
	    pthread_create(&l->thread, NULL, run, l) != 0) {
		lane_free(l);
		return NULL;
	}
	return l;
}

int shipper_new(const struct shipper_options *options, struct shipper **ret, struct fault *reterr)
{
	_cleanup_free_ struct shipper *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fault(reterr, -ENOMEM, "export.memory", "out of memory");
	s->options = *options;
	if (snprintf(s->audit_dir, sizeof(s->audit_dir), "%s", options->audit_dir) >=
		    (int)sizeof(s->audit_dir) ||
	    snprintf(s->cursor_dir, sizeof(s->cursor_dir), "%s", options->cursor_dir) >=
		    (int)sizeof(s->cursor_dir))
		return fault(reterr, -ENAMETOOLONG, "fs.open", "a path is too long");
	export_host(s->host);
	if (options->resource)
		s->resource = *options->resource;
	r = fs_own_directory(s->cursor_dir, 0700, reterr);
	if (r == 0)
		*ret = take_ptr(s);
	return r;
}

static bool is_same(const struct lane *l, const struct ship_target *t)
{
	return strcmp(l->name, t->name) == 0 && strcmp(l->to, t->to) == 0 &&
	       strcmp(l->headers_file ?: "", t->headers_file ?: "") == 0 &&
	       l->format == t->format && l->query.categories == t->categories &&
	       l->query.severity == t->min_severity;
}

int shipper_configure(struct shipper *s, const struct ship_target *targets, size_t count,
		      struct fault *reterr)
{
	struct lane *lanes[SHIP_TARGETS_MAX] = {0};
	size_t kept = 0;
	int r = 0;

	assert(count <= SHIP_TARGETS_MAX);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < s->count; j++)
			if (s->lanes[j] && is_same(s->lanes[j], &targets[i])) {
				lanes[i] = s->lanes[j];
				s->lanes[j] = NULL;
			}
	/* Before the new ones: one of the same name goes on where its predecessor was. */
	for (size_t j = 0; j < s->count; j++)
		if (s->lanes[j])
			lane_stop(s->lanes[j]);
	for (size_t i = 0; i < count; i++) {
		lanes[i] = lanes[i] ?: lane_start(s, &targets[i]);
		if (lanes[i])
			s->lanes[kept++] = lanes[i];
		else
			r = fault(reterr, -EAGAIN, "export.start", "export '%s' cannot be started",
				  targets[i].name);
	}
	s->count = kept;
	return r;
}

void shipper_free(struct shipper *s)
{
	if (!s)
		return;
	shipper_configure(s, NULL, 0, NULL);
	free(s);
}

size_t shipper_get_stats(struct shipper *s, struct ship_stats ret[static SHIP_TARGETS_MAX])
{
	for (size_t i = 0; i < s->count; i++) {
		pthread_mutex_lock(&s->lanes[i]->lock);
		ret[i] = s->lanes[i]->stats;
		pthread_mutex_unlock(&s->lanes[i]->lock);
	}
	return s->count;
}
