/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of the interfaces: which are attached, which went away, and getting each back under
 * protection once it is there again. What is true is asked of the kernel each time, four times a second and
 * whenever it says that an interface changed; so nothing depends on having seen every change.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/internal.h"

#define LOOK_NS	      (250 * NSEC_PER_MSEC)
#define PINS_NS	      (500 * NSEC_PER_MSEC)
#define RETRY_MIN_NS  (250 * NSEC_PER_MSEC)
#define RETRY_MAX_NS  (8 * NSEC_PER_SEC)
#define RETRY_SOON_NS (50 * NSEC_PER_MSEC) /* after news of interfaces, which may come in floods */

static const char *const state_names[] = {
	[ENGINE_LINK_ATTACHED] = "attached", [ENGINE_LINK_ABSENT] = "absent",
	[ENGINE_LINK_REFUSED] = "refused",   [ENGINE_LINK_AWAY] = "away",
	[ENGINE_LINK_DETACHED] = "detached",
};
_Static_assert(ARRAY_SIZE(state_names) == ENGINE_LINK_STATE_MAX, "a state has no name");

const char *engine_link_state_to_str(enum engine_link_state state)
{
	return state_names[state];
}

static void put_time(struct audit_details *details, const char *key, uint64_t real_ns)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_format_rfc3339(real_ns, text);
	audit_details_string(details, key, text);
}

static void record(struct engine *e, enum audit_event event, const char *iface,
		   struct audit_details *details, bool failed)
{
	struct audit_record r = {
		.event = event,
		.outcome = failed ? AUDIT_FAILURE : AUDIT_SUCCESS,
		.resource = {"interface", iface},
		.details = details,
	};

	engine_record(e, &r, &ENGINE_SYSTEM);
}

static void set_state(struct link_watch *w, enum engine_link_state state)
{
	w->view.state = state;
	w->view.since_ns = clock_real_ns();
}

/* Gone, or moved away. @cause: for people. */
static void lose(struct engine *e, struct link_watch *w, enum engine_link_state state,
		 const char *cause)
{
	struct audit_details details = {0};

	set_state(w, state);
	w->lost_real_ns = w->view.since_ns;
	w->lost_ns = clock_monotonic_ns();
	w->back_ns = w->retry_ns = 0;
	w->backoff_ns = RETRY_MIN_NS;
	w->view.losses++;
	w->view.error = (struct fault){0};
	w->view.mode = DATAPATH_DETACHED;
	snprintf(w->cause, sizeof(w->cause), "%s", cause);
	log_error(state == ENGINE_LINK_AWAY ? "an interface is out of reach; it stays protected"
					    : "an interface is no longer protected",
		  "iface", w->view.name, "cause", cause);
	audit_details_string(&details, "cause", cause);
	audit_details_u64(&details, "ifindex", w->view.ifindex);
	put_time(&details, "lost_at", w->lost_real_ns);
	record(e, AUDIT_EVENT_SYSTEM_LINK_LOST, w->view.name, &details, false);
}

static void restore(struct engine *e, struct link_watch *w, const struct datapath_link *link)
{
	struct audit_details details = {0};
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t gap_ns = w->back_ns ? now_ns - w->back_ns : 0;
	uint64_t now_real_ns = clock_real_ns();
	char gap[24];

	audit_details_string(&details, "cause", w->cause);
	put_time(&details, "lost_at", w->lost_real_ns);
	put_time(&details, "back_at", now_real_ns - gap_ns);
	put_time(&details, "attached_at", now_real_ns);
	audit_details_u64(&details, "gap_ms", (gap_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
	audit_details_u64(&details, "absent_ms", (now_ns - gap_ns - w->lost_ns) / NSEC_PER_MSEC);
	audit_details_u64(&details, "ifindex", link->ifindex);
	audit_details_string(&details, "mode", datapath_mode_to_str(link->mode));
	w->view.gap_ns += gap_ns;
	w->back_ns = 0;
	w->view.error = (struct fault){0};
	w->view.ifindex = link->ifindex;
	w->view.mode = link->mode;
	memcpy(w->view.name, link->name, sizeof(w->view.name));
	set_state(w, ENGINE_LINK_ATTACHED);
	snprintf(gap, sizeof(gap), "%llu",
		 (unsigned long long)((gap_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
	log_warn("an interface is protected again", "iface", w->view.name, "gap_ms", gap);
	record(e, AUDIT_EVENT_SYSTEM_LINK_RESTORED, w->view.name, &details, false);
}

/* The interface is there, and cannot be protected. Said once per reason; tried again and again. */
static void refuse(struct engine *e, struct link_watch *w, const char *iface, const struct fault *f)
{
	struct audit_details details = {0};

	w->retry_ns = clock_monotonic_ns() + w->backoff_ns;
	w->backoff_ns = w->backoff_ns * 2 < RETRY_MAX_NS ? w->backoff_ns * 2 : RETRY_MAX_NS;
	if (w->view.state == ENGINE_LINK_REFUSED && strcmp(w->view.error.text, f->text) == 0)
		return;
	set_state(w, ENGINE_LINK_REFUSED);
	w->view.error = *f;
	log_error("AN INTERFACE IS NOT PROTECTED and is tried again", "iface", iface, "code",
		  f->code, "error", f->text);
	audit_details_string(&details, "code", f->code);
	audit_details_string(&details, "error", f->text);
	record(e, AUDIT_EVENT_SYSTEM_LINK_REFUSED, iface, &details, true);
}

/* The name under which it may be back: the one it had last, or the one it was asked for by. */
static const char *name_here(const struct link_watch *w)
{
	if (if_nametoindex(w->view.name))
		return w->view.name;
	return if_nametoindex(w->view.asked) ? w->view.asked : NULL;
}

static void try_to_attach(struct engine *e, size_t number)
{
	struct link_watch *w = &e->links[number];
	uint64_t now_ns = clock_monotonic_ns();
	const char *iface = name_here(w);
	struct datapath_link link;
	struct fault f = {0};

	if (!iface) {
		if (w->back_ns)
			w->view.gap_ns += now_ns - w->back_ns;
		if (w->view.state == ENGINE_LINK_REFUSED)
			set_state(w, ENGINE_LINK_ABSENT);
		w->back_ns = 0;
		return;
	}
	if (!w->back_ns)
		w->back_ns = strcmp(w->cause, ENGINE_CAUSE_FORCED) == 0 ? w->lost_ns : now_ns;
	if (now_ns < w->retry_ns)
		return;
	if (datapath_attach_one(e->datapath, number, iface, e->options.allow_generic, &f) < 0)
		return refuse(e, w, iface, &f);
	datapath_link(e->datapath, number, &link);
	restore(e, w, &link);
}

static void renamed(struct engine *e, size_t number, const char *name)
{
	struct link_watch *w = &e->links[number];
	struct audit_details details = {0};

	log_warn("an interface was renamed; it stays protected", "iface", w->view.name, "now",
		 name);
	audit_details_string(&details, "now", name);
	audit_details_u64(&details, "ifindex", w->view.ifindex);
	record(e, AUDIT_EVENT_SYSTEM_LINK_RENAMED, w->view.name, &details, false);
	snprintf(w->view.name, sizeof(w->view.name), "%s", name);
	datapath_link_renamed(e->datapath, number, name);
}

static void look_at(struct engine *e, size_t number)
{
	struct link_watch *w = &e->links[number];
	struct datapath_link link;

	datapath_link(e->datapath, number, &link);
	if (w->view.state == ENGINE_LINK_ATTACHED) {
		if (link.state == DATAPATH_LINK_AWAY)
			lose(e, w, ENGINE_LINK_AWAY, "moved to another network namespace");
		else if (link.state != DATAPATH_LINK_ATTACHED)
			lose(e, w, ENGINE_LINK_ABSENT,
			     if_nametoindex(w->view.name) == w->view.ifindex
				     ? ENGINE_CAUSE_FORCED
				     : "the interface was deleted");
		else if (strcmp(link.name, w->view.name) != 0)
			renamed(e, number, link.name);
	} else if (w->view.state == ENGINE_LINK_AWAY) {
		if (link.state == DATAPATH_LINK_ATTACHED)
			return restore(e, w, &link);
		/* Deleted there, or another one has its name here. */
		if (link.state != DATAPATH_LINK_AWAY || name_here(w))
			set_state(w, ENGINE_LINK_ABSENT);
	}
	if (w->view.state == ENGINE_LINK_ABSENT || w->view.state == ENGINE_LINK_REFUSED)
		try_to_attach(e, number);
}

static void look_at_pins(struct engine *e)
{
	struct audit_details details = {0};
	struct fault f = {0};
	size_t missing;
	int r = datapath_keep_pins(e->datapath, &missing, &f);

	if (!missing || (r < 0 && e->pins_fault.err && strcmp(e->pins_fault.text, f.text) == 0)) {
		if (!missing)
			e->pins_fault = (struct fault){0};
		return;
	}
	e->pins_fault = f;
	audit_details_u64(&details, "missing", missing);
	if (r < 0) {
		audit_details_string(&details, "error", f.text);
		log_error(
			"pins are missing and cannot be restored: enforcement would end with this "
			"daemon",
			"error", f.text);
	} else {
		log_error("pins were missing; they are restored", "bpffs", e->options.pin_dir);
	}
	record(e, AUDIT_EVENT_SYSTEM_PINS_LOST, e->options.iface, &details, r < 0);
}

uint64_t links_tick(struct engine *e)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns >= e->links_due_ns) {
		for (size_t i = 0; i < e->options.iface_count; i++)
			look_at(e, i);
		e->links_due_ns = now_ns + LOOK_NS;
	}
	if (now_ns >= e->pins_due_ns) {
		look_at_pins(e);
		e->pins_due_ns = now_ns + PINS_NS;
	}
	return e->links_due_ns < e->pins_due_ns ? e->links_due_ns : e->pins_due_ns;
}

void engine_links_changed(struct engine *e)
{
	uint64_t soon_ns = clock_monotonic_ns() + RETRY_SOON_NS;

	if (e->detached)
		return;
	for (size_t i = 0; i < e->options.iface_count; i++) {
		if (e->links[i].retry_ns > soon_ns)
			e->links[i].retry_ns = soon_ns;
		look_at(e, i);
	}
}

int links_attach(struct engine *e, struct fault *reterr)
{
	const char *ifaces[DATAPATH_LINKS_MAX] = {0};
	bool adopted[DATAPATH_LINKS_MAX] = {0};
	size_t count = e->options.iface_count;
	int r;

	for (size_t i = 0; i < count; i++)
		if (!e->options.wait_for_iface || if_nametoindex(e->options.ifaces[i]))
			ifaces[i] = e->options.ifaces[i];
	r = datapath_attach_all(e->datapath, ifaces, count, e->options.allow_generic, adopted,
				reterr);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		struct link_watch *w = &e->links[i];
		struct datapath_link link;

		datapath_link(e->datapath, i, &link);
		w->adopted = adopted[i];
		w->view.asked = e->options.ifaces[i];
		snprintf(w->view.name, sizeof(w->view.name), "%s", w->view.asked);
		w->view.ifindex = link.ifindex;
		w->view.mode = link.mode;
		set_state(w, ifaces[i] ? ENGINE_LINK_ATTACHED : ENGINE_LINK_ABSENT);
	}
	return 0;
}

void links_record(struct engine *e)
{
	for (size_t i = 0; i < e->options.iface_count; i++) {
		struct link_watch *w = &e->links[i];
		struct audit_details details = {0};

		if (w->view.state == ENGINE_LINK_ABSENT) {
			lose(e, w, ENGINE_LINK_ABSENT, "the interface is not there yet");
			continue;
		}
		if (w->view.mode == DATAPATH_GENERIC)
			log_warn("attached in the slow generic mode", "iface", w->view.name);
		audit_details_string(&details, "mode", datapath_mode_to_str(w->view.mode));
		audit_details_u64(&details, "generation", datapath_generation(e->datapath));
		record(e, w->adopted ? AUDIT_EVENT_SYSTEM_ADOPT : AUDIT_EVENT_SYSTEM_ATTACH,
		       w->view.name, &details, false);
	}
}

int engine_detach_link(struct engine *e, const char *iface, const struct engine_actor *actor,
		       struct fault *reterr)
{
	struct link_watch *found = NULL;
	size_t others = 0, number = 0;
	struct audit_record r = {
		.event = AUDIT_EVENT_SYSTEM_DETACH,
		.resource = {"interface", iface},
	};

	for (size_t i = 0; i < e->options.iface_count; i++) {
		struct link_watch *w = &e->links[i];

		if (w->view.state == ENGINE_LINK_DETACHED)
			continue;
		if (strcmp(w->view.name, iface) == 0) {
			found = w;
			number = i;
		} else {
			others++;
		}
	}
	if (!found)
		return fault(reterr, -ENOENT, "engine.interface",
			     "'%s' is no interface that this daemon protects", iface);
	if (!others)
		return engine_detach(e, actor, reterr);
	if (engine_proceed(actor, reterr, "end enforcement on %s", iface) < 0 ||
	    datapath_detach(e->datapath, number, reterr) < 0)
		return reterr->err;
	set_state(found, ENGINE_LINK_DETACHED);
	found->view.mode = DATAPATH_DETACHED;
	engine_record(e, &r, actor);
	return 0;
}

const struct engine_link *engine_link(const struct engine *e, size_t index)
{
	return index < e->options.iface_count ? &e->links[index].view : NULL;
}

uint64_t engine_link_gap_ns(const struct engine *e, size_t index)
{
	const struct link_watch *w = &e->links[index];

	return w->view.gap_ns + (w->back_ns ? clock_monotonic_ns() - w->back_ns : 0);
}

enum datapath_mode engine_attach_mode(const struct engine *e)
{
	enum datapath_mode mode = DATAPATH_NATIVE;

	for (size_t i = 0; i < e->options.iface_count; i++) {
		const struct engine_link *link = &e->links[i].view;

		if (link->mode == DATAPATH_DETACHED && link->state != ENGINE_LINK_AWAY &&
		    link->state != ENGINE_LINK_DETACHED)
			return DATAPATH_DETACHED;
		if (link->mode == DATAPATH_GENERIC)
			mode = DATAPATH_GENERIC;
	}
	return mode;
}

const char *engine_pins_trouble(const struct engine *e)
{
	return e->pins_fault.err ? e->pins_fault.text : NULL;
}
