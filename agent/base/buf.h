/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A growable byte buffer with a ceiling. Embedded by value; not thread-safe. */

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; NULL while empty; data[len] is always readable and 0 once allocated */
	size_t len;    /* bytes used */
	size_t cap;    /* bytes allocated, less the terminating 0 */
	size_t max;    /* ceiling for len, in bytes */
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);

/* Drops the content and keeps the memory. */
void buf_reset(struct buf *b);

/* All or nothing. 0; -E2BIG: would pass the ceiling; -ENOMEM. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_append_str(struct buf *b, const char *s);
int buf_appendf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Removes the first len bytes (at most all). */
void buf_consume(struct buf *b, size_t len);

/* The content, NUL-terminated; the caller frees it. The buffer is empty afterwards. NULL: out of memory. */
char *buf_take_str(struct buf *b);
