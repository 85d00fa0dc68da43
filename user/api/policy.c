/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The policy: read, reload, replace; and the end of enforcement. */
#include <string.h>

#include "api/internal.h"
#include "base/text.h"

void handle_policy_get(struct call *c)
{
	const struct policy *policy = engine_policy(c->engine);
	struct text body;

	http_response_header(c->response, "ETag", "\"g%u\"",
			     datapath_generation(engine_datapath(c->engine)));
	http_response_header(c->response, "X-Weir-Generation", "%u",
			     datapath_generation(engine_datapath(c->engine)));
	http_response_header(c->response, "X-Weir-Sha256", "%s", policy->sha256);
	text_init_growing(&body);
	text_put(&body, policy->text, policy->length);
	reply_text(c, "application/yaml", &body);
}

void handle_policy_put(struct call *c)
{
	char before[POLICY_SHA256_HEX_SIZE];
	const struct policy *policy;
	struct fault f = {0};
	int r;

	snprintf(before, sizeof(before), "%s", engine_policy(c->engine)->sha256);
	r = c->request->length ? engine_put_policy(c->engine, c->request->body, c->request->length,
						   &c->actor, &f)
			       : engine_reload(c->engine, &c->actor, &f);
	if (r < 0)
		return reply_fault(c, &f);
	policy = engine_policy(c->engine);
	reply_changed(c, 200,
		      json_pack("{s:I, s:s, s:s, s:b}", "generation",
				(json_int_t)datapath_generation(engine_datapath(c->engine)),
				"sha256", policy->sha256, "mode", policy_mode_str(policy->mode),
				"changed", strcmp(before, policy->sha256) != 0));
}

void handle_detach(struct call *c)
{
	struct fault f = {0};

	if (engine_detach(c->engine, &c->actor, &f) < 0)
		return reply_fault(c, &f);
	c->api->detach_when_sent = true;
	reply_changed(c, 200, json_pack("{s:s}", "detached", engine_options(c->engine)->iface));
}
