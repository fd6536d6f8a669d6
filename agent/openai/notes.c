/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/notes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/macro.h"

#define NOTES_MAX 2048

void openai_notes_init(struct openai_notes *notes)
{
	buf_init(&notes->text, NOTES_MAX);
}

void openai_notes_done(struct openai_notes *notes)
{
	buf_done(&notes->text);
}

int openai_notes_add(struct openai_notes *notes, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *text = NULL;
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	int r = buf_appendf(&notes->text, "%s%s", notes->text.len ? "; " : "", text);
	return r == -E2BIG ? 0 : r;
}

char *openai_notes_take(struct openai_notes *notes)
{
	return notes->text.len ? buf_take_str(&notes->text) : NULL;
}
