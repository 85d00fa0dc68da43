/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "api/etag.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/text.h"

#define HASH_BYTES 16

/* Members that change without anybody's doing: at the top, or in the items of a list. */
static const char *const alive[] = {"hits", "left_seconds", "run"};

/* Operations of route.def, and what reads the thing that they are about: from their own path. */
static const struct tagged {
	const char *operation;
	void (*read)(struct call *c);
	bool changes;
	bool own; /* its handlers have a number for it, and compare it themselves */
} table[] = {
	{"getPolicy", handle_policy_get, false, true},
	{"putPolicy", handle_policy_get, true, true},
	{"rollbackPolicy", handle_policy_get, true, true},
	{"listFlags", handle_flags, false, false},
	{"getFlag", handle_flag_get, false, false},
	{"setFlag", handle_flag_get, true, false},
	{"unsetFlag", handle_flag_get, true, false},
	{"getListEntry", handle_list_entry, false, false},
	{"removeListEntry", handle_list_entry, true, false},
	{"listRetentionPolicies", handle_retention_get, false, false},
	{"setRetentionPolicy", handle_retention_get, true, false},
};

static const struct tagged *find(const struct call *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].operation, c->operation) == 0)
			return &table[i];
	return NULL;
}

static void take_out_alive(json_t *object)
{
	for (size_t i = 0; i < ARRAY_SIZE(alive); i++)
		json_object_del(object, alive[i]);
}

int etag_of(json_t *body, const char *version, char ret[static ETAG_SIZE])
{
	_cleanup_free_ char *text = NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context;
	json_t *item;
	bool hashed;
	size_t i;

	take_out_alive(body);
	json_array_foreach (json_object_get(body, "items"), i, item) {
		take_out_alive(item);
	}
	text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	context = EVP_MD_CTX_new();
	hashed = text && context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
		 EVP_DigestUpdate(context, version, strlen(version) + 1) &&
		 EVP_DigestUpdate(context, text, strlen(text)) &&
		 EVP_DigestFinal_ex(context, digest, NULL);
	EVP_MD_CTX_free(context);
	if (!hashed)
		return -ENOMEM;
	for (i = 0; i < HASH_BYTES; i++)
		snprintf(ret + 1 + 2 * i, 3, "%02x", digest[i]);
	ret[0] = ret[ETAG_SIZE - 2] = '"';
	ret[ETAG_SIZE - 1] = '\0';
	return 0;
}

/* The tag that @text begins with, quotes included; 0: none. */
static size_t tag_length(const char *text)
{
	size_t length = 1;

	if (*text != '"')
		return 0;
	while ((unsigned char)text[length] > ' ' && text[length] != '"' && text[length] != 0x7f)
		length++;
	return text[length] == '"' ? length + 1 : 0;
}

int etag_is_in(const char *header, const char *tag, bool weak)
{
	bool found = false;

	if (strlen(header) > ETAG_HEADER_MAX)
		return -EINVAL;
	header += strspn(header, " \t");
	if (*header == '*')
		return header[1 + strspn(header + 1, " \t")] ? -EINVAL : 1;
	for (;;) {
		bool is_weak = strncmp(header, "W/", 2) == 0;
		size_t length = tag_length(header + 2 * is_weak);

		if (!length)
			return -EINVAL;
		header += 2 * is_weak;
		found |= (weak || !is_weak) && length == strlen(tag) &&
			 memcmp(header, tag, length) == 0;
		header += length;
		header += strspn(header, " \t");
		if (!*header)
			return found;
		if (*header != ',')
			return -EINVAL;
		header += 1 + strspn(header + 1, " \t");
	}
}

static const char *own_tag(const struct http_response *r)
{
	for (unsigned int i = 0; i < r->header_count; i++)
		if (strcmp(r->headers[i].name, "ETag") == 0)
			return r->headers[i].value;
	return NULL;
}

/* The ETag of an answer as a handler made it. 0, or -errno: it has none. */
static int tag_of(const struct call *c, char ret[static ETAG_SIZE])
{
	const struct http_response *r = c->response;
	json_t *body;
	int error;

	if (r->status != 200 || !r->body)
		return -ENOENT;
	body = json_loadb(r->body, r->length, 0, NULL);
	error = body ? etag_of(body, api_version(c->version)->word, ret) : -ENOMEM;
	json_decref(body);
	return error;
}

/* The ETag that a GET of the path would give now. 0, or -errno: there is nothing, which the handler has to say. */
static int tag_now(const struct call *c, const struct tagged *t, char ret[static ETAG_SIZE])
{
	struct http_response response = {0};
	struct call read = *c;
	int r;

	read.response = &response;
	t->read(&read);
	r = tag_of(&read, ret);
	free(response.body);
	return r;
}

static void refuse_header(struct call *c, const char *name)
{
	reply_problem(c, 400, "request.etag",
		      "%s must be *, or ETags as answers have them, with their quotes: at most %u "
		      "bytes",
		      name, ETAG_HEADER_MAX);
}

bool etag_refuses(struct call *c)
{
	const struct tagged *t = find(c);
	const char *wanted = http_header(c->request, "If-Match");
	const char *known = http_header(c->request, "If-None-Match");
	char tag[ETAG_SIZE];
	int r;

	if (!t)
		return false;
	if (!t->changes) {
		r = known ? etag_is_in(known, "", true) : 0;
		if (r < 0)
			refuse_header(c, "If-None-Match");
		return r < 0;
	}
	if (!wanted && c->version >= API_V2) {
		reply_problem(c, 428, "request.precondition",
			      "a change takes If-Match, with the ETag that GET gave, or * for "
			      "whatever is there");
		return true;
	}
	if (!wanted || t->own)
		return false;
	r = tag_now(c, t, tag) < 0 ? 1 : etag_is_in(wanted, tag, false);
	if (r < 0)
		refuse_header(c, "If-Match");
	if (r == 0)
		reply_problem(c, 412, "request.stale",
			      "it is not any more what If-Match says: read it again");
	return r <= 0;
}

/* The client has what the answer says. */
static void reply_not_modified(struct http_response *r)
{
	free(r->body);
	r->body = NULL;
	r->length = 0;
	r->content_type = NULL;
	r->status = 304;
}

void etag_put(struct call *c)
{
	struct http_response *r = c->response;
	const struct tagged *t = find(c);
	const char *known = http_header(c->request, "If-None-Match"), *tag;
	char made[ETAG_SIZE];

	if (!t || t->changes || r->status != 200)
		return;
	if (!own_tag(r) && tag_of(c, made) == 0)
		http_response_header(r, "ETag", "%s", made);
	tag = own_tag(r);
	if (known && tag && etag_is_in(known, tag, true) > 0)
		reply_not_modified(r);
}
