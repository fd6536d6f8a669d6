/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A growable run of bytes that is cleared wherever it moves from and before it is freed. base/buf.h leaves
 * what it held in freed memory. Embedded by value; not thread-safe. */

#include <stddef.h>

struct redact_bytes {
	char *data; /* owned; data[len] is 0 once something was appended */
	size_t len, cap;
};

/* 0; -ENOMEM: nothing was appended. */
int redact_bytes_add(struct redact_bytes *b, const void *data, size_t len);
int redact_bytes_room(struct redact_bytes *b, size_t len); /* for len more bytes */
/* Empties. What is kept for the next use is cleared if it is small, else freed. */
void redact_bytes_reset(struct redact_bytes *b);
void redact_bytes_done(struct redact_bytes *b);
