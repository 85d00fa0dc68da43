/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The description of the API, as the version that is asked has it. */
#include "api/internal.h"
#include "base/text.h"

#include "api/openapi.h" /* made from openapi.yaml */

void handle_openapi(struct call *c)
{
	static const char *const documents[] = {
#define VERSION(constant, word, status, deprecated, sunset, words)                                 \
	[API_##constant] = openapi_##constant,
#include "api/version.def"
#undef VERSION
	};
	struct text body;

	text_init_growing(&body);
	text_puts(&body, documents[c->version]);
	text_puts(&body, "\n");
	reply_text(c, "application/json", &body);
}
