/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A policy on its way from text to the datapath: policy_parse() turns strict YAML into the checked
 * model below, policy_compile() turns the model into an image of map entries. Neither knows of a
 * kernel or of anything but its input, so both give the same answer offline as in the daemon.
 * Whatever is wrong is one struct fault: a stable code, and words that begin with the place as
 * name:line:column.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/list.h>
#include <weir/policy.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "policy/units.h"

#define POLICY_TEXT_MAX	       (8U << 20) /* bytes */
#define POLICY_STRING_MAX      128	  /* bytes of a name in metadata, or of a reason */
#define POLICY_NAME_MAX	       32	  /* bytes of a service's or limit's name */
#define POLICY_SERVICES_MAX    64
#define POLICY_PORTS_MAX       128		     /* ports and ranges of a service */
#define POLICY_DSTS_MAX	       256		     /* destinations of a service */
#define POLICY_DSTS_TOTAL_MAX  WEIR_DESTINATIONS_MAX /* destinations of all services */
#define POLICY_SHA256_HEX_SIZE 65
#define POLICY_FRAGMENTS       "fragments" /* name of the built-in limit on later fragments */

enum policy_action {
	POLICY_PASS,
	POLICY_DROP,
	POLICY_LIMIT, /* fragments only */
};

enum policy_scope {
	POLICY_SCOPE_SOURCE, /* a bucket per IPv4 address or IPv6 /64 */
	POLICY_SCOPE_MAX,
};

struct policy_entry {
	struct prefix prefix;
	uint64_t ttl_ns; /* from the moment of loading; 0 = for ever */
	char *reason;	 /* NULL = none given */
	unsigned int line;
};

struct policy_list {
	struct policy_entry *entries; /* in the order of the text; equal prefixes may repeat */
	size_t count;
};

struct policy_port_range {
	uint16_t first;
	uint16_t last; /* inclusive */
};

/* What a limit applies to. A packet matches if it meets every condition that is given. */
struct policy_service {
	char name[POLICY_NAME_MAX + 1];
	unsigned int line;
	struct prefix *dsts; /* sorted, no duplicates; none = any */
	size_t dst_count;
	struct policy_port_range *ports; /* sorted, neither overlapping nor adjacent; none = any */
	size_t port_count;
	bool any_protocol;
	bool protocols[WEIR_PROTOCOLS]; /* meaningful unless any_protocol */
};

struct policy_limit {
	char name[POLICY_NAME_MAX + 1];
	unsigned int line; /* 0 = built in */
	unsigned int column;
	enum policy_scope scope;
	const struct policy_service *service; /* one of the policy's; NULL = every packet */
	bool has_packets;
	bool has_bytes; /* at least one of the two */
	struct policy_rate rate;
	uint64_t burst;	     /* packets */
	uint64_t byte_rate;  /* bytes per second */
	uint64_t byte_burst; /* bytes */
};

struct policy {
	char *name; /* what the text was called: a path, or "request" */
	char *text; /* as it was given, followed by a NUL */
	size_t length;
	char sha256[POLICY_SHA256_HEX_SIZE]; /* of the text */
	struct {
		char *name, *owner, *change; /* NULL = not given */
	} metadata;
	enum weir_mode mode;
	struct policy_list allow, block;
	struct policy_service *services;
	size_t service_count;
	struct policy_limit *limits;
	size_t limit_count;
	enum policy_action malformed, other, fragments;
	struct policy_limit fragment_limit; /* meaningful if fragments == POLICY_LIMIT */
};

/**
 * Check @length bytes of @text and build the model. @name stands in front of what is wrong. The
 * text is copied. -EINVAL: refused; -E2BIG: more of something than its maximum; -ENOMEM.
 */
int policy_parse(const char *name, const char *text, size_t length, struct policy **ret,
		 struct fault *reterr);

/**
 * Read and parse a regular file. -EPERM: group or others may write to it, and who writes a policy
 * decides who can reach the host. Other errors are those of open(2), read(2) and policy_parse().
 */
int policy_load(const char *path, struct policy **ret, struct fault *reterr);
void policy_free(struct policy *policy);
DEFINE_CLEANUP(struct policy *, policy_free)

const char *policy_scope_str(enum policy_scope scope);

/* A destination with the limits of all shorter prefixes that cover it, and of any without. */
struct policy_destination {
	struct prefix prefix;
	uint64_t limits;
};

/* What a bit of the masks stands for. A rule on packets and bytes has two limits of one name. */
struct policy_image_limit {
	char name[POLICY_NAME_MAX + 1];
	enum weir_unit unit;
	unsigned int line; /* in the policy's text; 0 = built in */
	int rule;	   /* index into policy.limits; -1 = the limit on fragments */
};

/* One copy of the datapath's tables, more than 1 MiB of it: keep it on the heap. */
struct policy_image {
	struct weir_policy policy; /* generation, slots and names are the datapath's to fill in */
	struct weir_port_limits ports[WEIR_PORTS];
	struct policy_destination *destinations; /* sorted by prefix; POLICY_DSTS_TOTAL_MAX and
						  * one more, to tell IPv4 from ::/0 */
	size_t destination_count;
	struct policy_image_limit limits[WEIR_LIMITS_MAX]; /* policy.limit_count of them */
};

/**
 * Compile for a coarse clock that may lag @tick_ns behind. Time is rounded so that never more than
 * a rate is admitted. -E2BIG: more limits, in all or for one kind of packet, than the datapath
 * takes; -ERANGE: a burst lasts longer than a bucket can count; -ENOMEM.
 */
int policy_compile(const struct policy *policy, uint64_t tick_ns, struct policy_image **ret,
		   struct fault *reterr);
void policy_image_free(struct policy_image *image);
DEFINE_CLEANUP(struct policy_image *, policy_image_free)

#endif
