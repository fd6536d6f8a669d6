/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Makes WebSocket frames and compressed payloads, by the RFCs and by zlib. */

#include "guard.h"

#include <string.h>
#include <zlib.h>

#include "base/buf.h"

enum { FIN = 0x80, RSV1 = 0x40, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

#define NO_MASK UINT32_MAX

static inline void put_byte(struct buf *b, unsigned byte)
{
	uint8_t c = (uint8_t)byte;
	assert_int_equal(buf_append(b, &c, 1), 0);
}

static inline void put_bytes(struct buf *b, const void *data, size_t len)
{
	assert_int_equal(buf_append(b, data, len), 0);
}

/* The header of a frame; len_bytes: 0, 2 or 8 that the length is written with. mask: NO_MASK for none. */
static inline void put_frame_head(struct buf *b, unsigned first, uint32_t mask, uint64_t len, int len_bytes)
{
	unsigned short_len = len_bytes == 0 ? (unsigned)len : len_bytes == 2 ? 126 : 127;
	put_byte(b, first);
	put_byte(b, short_len | (mask == NO_MASK ? 0 : 0x80));
	for (int i = len_bytes - 1; i >= 0; i--)
		put_byte(b, (unsigned)(len >> (8 * i)) & 0xff);
	for (int i = 3; mask != NO_MASK && i >= 0; i--)
		put_byte(b, mask >> (8 * i) & 0xff);
}

static inline void put_frame(struct buf *b, unsigned first, uint32_t mask, const void *data, size_t len)
{
	const uint8_t *p = data;
	put_frame_head(b, first, mask, len, len < 126 ? 0 : len < 65536 ? 2 : 8);
	if (mask == NO_MASK)
		put_bytes(b, data, len);
	for (size_t i = 0; mask != NO_MASK && i < len; i++)
		put_byte(b, p[i] ^ (mask >> (8 * (3 - i % 4)) & 0xff));
}

/* One message's payload, without the tail of an empty block. A fresh deflater each time has no context. */
static inline void put_deflated(struct buf *b, z_stream *z, const void *data, size_t len)
{
	uint8_t out[4096];
	size_t start = b->len;
	/* RFC 7692 section 7.2.3.6: an empty message is one byte. */
	if (!len) {
		put_byte(b, 0);
		return;
	}
	z->next_in = (Bytef *)data;
	z->avail_in = (uInt)len;
	do {
		z->next_out = out;
		z->avail_out = sizeof(out);
		assert_true(deflate(z, Z_SYNC_FLUSH) != Z_STREAM_ERROR);
		put_bytes(b, out, sizeof(out) - z->avail_out);
	} while (!z->avail_out);
	assert_true(b->len >= start + 4);
	assert_memory_equal(b->data + b->len - 4, "\x00\x00\xff\xff", 4);
	b->len -= 4;
}

static inline void deflater_init(z_stream *z, int bits)
{
	*z = (z_stream){};
	assert_int_equal(deflateInit2(z, Z_BEST_COMPRESSION, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
}
