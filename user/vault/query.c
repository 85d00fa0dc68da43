/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "vault/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct collector {
	struct meant_ids *ids;
	int error;
};

static int add(struct meant_ids *m, uint64_t id)
{
	if (m->count == QUERY_SUBJECTS_MAX)
		return -ERANGE;
	if (!m->ids)
		m->ids = calloc(QUERY_SUBJECTS_MAX, sizeof(*m->ids));
	if (!m->items)
		m->items = calloc(QUERY_SUBJECTS_MAX, sizeof(*m->items));
	if (!m->ids || !m->items)
		return -ENOMEM;
	personal_subject_format(id, m->ids[m->count]);
	m->items[m->count] = m->ids[m->count];
	m->count++;
	return 0;
}

static int on_subject(const struct vault_subject *s, void *userdata)
{
	struct collector *c = userdata;

	c->error = add(c->ids, s->id);
	return c->error < 0;
}

static int add_value(struct vault *v, enum field_kind kind, const char *value, struct meant_ids *m,
		     struct fault *reterr)
{
	struct fault f = {0};
	uint64_t id;
	int r = vault_find(v, kind, value, &id, &f);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		*reterr = f;
		return r;
	}
	return add(m, id);
}

/* What covers the prefix is meant as well as what it covers. */
static int add_address(struct vault *v, const struct prefix *p, struct meant_ids *m,
		       struct fault *reterr)
{
	struct collector c = {.ids = m};
	char text[PREFIX_TEXT_SIZE];
	int r = vault_each_in_prefix(v, p, on_subject, &c, reterr);

	if (c.error < 0 || r < 0)
		return c.error < 0 ? c.error : r;
	for (unsigned int bits = address_is_ipv4(p->address) ? 96 : 0; bits < p->bits; bits++) {
		struct prefix around = {.bits = (uint8_t)bits};

		memcpy(around.address, p->address, sizeof(around.address));
		address_mask(around.address, bits);
		prefix_format(&around, text);
		r = add_value(v, AUDIT_FIELD_ADDRESS, text, m, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct query_subjects borrow(const struct meant_ids *m)
{
	return (struct query_subjects){m->items, m->count};
}

int vault_mean(struct vault *v, struct audit_query *q, struct vault_meant *ret,
	       struct fault *reterr)
{
	int r = 0;

	if (vault_state(v) != VAULT_WORKS)
		return 0;
	if (audit_query_has(q, QUERY_ACTOR))
		r = add_value(v, AUDIT_FIELD_NAME, q->words[QUERY_ACTOR], &ret->actors, reterr);
	if (r == 0 && audit_query_has(q, QUERY_ADDRESS))
		r = add_address(v, &q->address, &ret->addresses, reterr);
	if (r == 0 && q->resource_is_address)
		r = add_value(v, AUDIT_FIELD_ADDRESS, strchr(q->words[QUERY_RESOURCE], '/') + 1,
			      &ret->resources, reterr);
	if (r == -ERANGE)
		return fault(reterr, r, "audit.query",
			     "more than %u addresses in the log are in %s: ask for a longer prefix",
			     QUERY_SUBJECTS_MAX, q->words[QUERY_ADDRESS]);
	if (r == -ENOMEM)
		return fault(reterr, r, "audit.memory", "out of memory");
	q->actors = borrow(&ret->actors);
	q->addresses = borrow(&ret->addresses);
	q->resources = borrow(&ret->resources);
	return r;
}

static void ids_done(struct meant_ids *m)
{
	free(m->ids);
	free(m->items);
	*m = (struct meant_ids){0};
}

void vault_meant_done(struct vault_meant *m)
{
	ids_done(&m->actors);
	ids_done(&m->addresses);
	ids_done(&m->resources);
}

void vault_name_actors(struct vault *v, struct audit_stats *s)
{
	for (size_t i = 0; i < s->actors.count; i++) {
		struct audit_count *actor = &s->actors.items[i];
		_cleanup_(text_done) struct text name = {.growing = true};
		uint64_t id;

		if (personal_subject_parse(actor->name, strlen(actor->name), &id) == 0 &&
		    vault_value(v, id, &name, NULL) == 0 && !name.truncated)
			snprintf(actor->name, sizeof(actor->name), "%s", name.data);
	}
}
