/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An engine without a kernel, for the requests of fuzz_http.c: real lists, real policies and a real
 * audit log, and the parts of the HTTP server and the recorder that hand requests and answers on.
 * Every change is counted, and its audit record is written and read back.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "api/http.h"
#include "engine/engine.h"

struct engine {
	struct engine_options options;
	struct list_set *lists;
	struct policy *policy;
	const char *audit_dir;
	int panic;	      /* enum weir_mode, or PANIC_NONE */
	unsigned int changes; /* of lists, policy or attachment */
	unsigned int denied;
	unsigned int questions; /* about the audit log */
};

/** A new engine with an entry on each list and a policy. */
void fake_engine_init(struct engine *e, const char *audit_dir);
void fake_engine_done(struct engine *e);

/* What http_start() was given: the control socket's options, and those of the metrics' TCP port. */
extern struct http_options fake_servers[2];

/* What http_request.exchange points to. */
#define FAKE_PAIRS_MAX 8
struct fake_exchange {
	struct fake_pair {
		const char *name, *value;
	} arguments[FAKE_PAIRS_MAX], headers[FAKE_PAIRS_MAX];
	unsigned int argument_count, header_count;
};

#endif
