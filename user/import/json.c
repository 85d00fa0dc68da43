/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* JSON that somebody else wrote. */
#include <errno.h>
#include <string.h>

#include "import/internal.h"

/* No text has more values than it has of these characters, and one. */
static size_t count_values(const char *text, size_t length)
{
	size_t count = 1;

	for (size_t i = 0; i < length; i++)
		count += text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{';
	return count;
}

int import_json(const char *text, size_t length, json_t **ret, struct fault *reterr)
{
	json_error_t error;
	json_t *root;

	if (count_values(text, length) > IMPORT_VALUES_MAX)
		return fault(reterr, -E2BIG, "import.values", "it has more than %d values",
			     IMPORT_VALUES_MAX);
	root = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return fault(reterr, -ENOMEM, "import.memory", "out of memory");
	if (!root) {
		import_clean(error.text); /* it quotes what stands there */
		return fault(reterr, -EINVAL, "import.syntax", "line %d, column %d: no JSON: %s",
			     error.line, error.column, error.text);
	}
	*ret = root;
	return 0;
}
