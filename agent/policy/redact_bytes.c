/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact_bytes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KEPT (256u << 10)

int redact_bytes_room(struct redact_bytes *b, size_t len)
{
	if (b->data && len <= b->cap - b->len)
		return 0;
	if (len > SIZE_MAX / 4 - b->len)
		return -ENOMEM;
	size_t cap = b->cap ? b->cap * 2 : 256;
	while (cap < b->len + len)
		cap *= 2;
	char *data = malloc(cap + 1);
	if (!data)
		return -ENOMEM;
	if (b->data) {
		memcpy(data, b->data, b->len + 1);
		OPENSSL_cleanse(b->data, b->len);
		free(b->data);
	} else {
		data[0] = 0;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

int redact_bytes_add(struct redact_bytes *b, const void *data, size_t len)
{
	int r = redact_bytes_room(b, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return 0;
}

void redact_bytes_reset(struct redact_bytes *b)
{
	if (b->cap > KEPT) {
		redact_bytes_done(b);
		return;
	}
	if (b->len == 0)
		return;
	OPENSSL_cleanse(b->data, b->len);
	b->data[0] = 0;
	b->len = 0;
}

void redact_bytes_done(struct redact_bytes *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->len);
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
