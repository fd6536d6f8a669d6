/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Collects the sentences of one `problem`. Embedded by value. Callers pass fixed text and numbers, never
 * bytes of a message. Sentences past the ceiling are left out. */

#include "base/buf.h"

struct openai_notes {
	struct buf text;
};

void openai_notes_init(struct openai_notes *notes);
void openai_notes_done(struct openai_notes *notes);

/* 0; -ENOMEM. */
int openai_notes_add(struct openai_notes *notes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The line, owned by the caller, or NULL if there is no sentence. Never allocates. */
char *openai_notes_take(struct openai_notes *notes);
