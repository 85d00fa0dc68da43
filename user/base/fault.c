/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"

int fault(struct fault *f, int err, const char *code, const char *format, ...)
{
	va_list ap;

	assert(err < 0);
	if (!f)
		return err;
	f->err = err;
	f->code = code;
	va_start(ap, format);
	vsnprintf(f->text, sizeof(f->text), format, ap);
	va_end(ap);
	utf8_repair(f->text); /* "%.64s" may cut a character in two */
	return err;
}
