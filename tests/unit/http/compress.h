/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Makes compressed data for the tests. */

#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"

enum { RAW_DEFLATE = -MAX_WBITS, ZLIB = MAX_WBITS, GZIP = MAX_WBITS + 16, BR = 100, ZSTD = 101 };

static const int all_formats[] = {GZIP, ZLIB, RAW_DEFLATE, BR, ZSTD};
#define N_FORMATS (sizeof(all_formats) / sizeof(all_formats[0]))

static inline const char *format_name(int format)
{
	if (format == BR)
		return "br";
	return format == ZSTD ? "zstd" : format == GZIP ? "gzip" : "deflate";
}

/* Takes text piece by piece; each add() is flushed, so that the other side can have all of it. */
struct press {
	int format;
	z_stream z;
	BrotliEncoderState *br;
	ZSTD_CStream *zstd;
	struct buf out; /* bytes made and not taken yet */
};

static inline void press_init(struct press *p, int format)
{
	*p = (struct press){.format = format};
	buf_init(&p->out, SIZE_MAX / 2);
	if (format == BR) {
		p->br = BrotliEncoderCreateInstance(NULL, NULL, NULL);
		BrotliEncoderSetParameter(p->br, BROTLI_PARAM_QUALITY, 5);
	} else if (format == ZSTD) {
		p->zstd = ZSTD_createCStream();
	} else {
		assert_int_equal(deflateInit2(&p->z, 9, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY), Z_OK);
	}
}

static inline void press_zlib(struct press *p, const void *data, size_t len, bool end)
{
	static uint8_t room[65536];
	p->z.next_in = (Bytef *)(uintptr_t)data;
	p->z.avail_in = (uInt)len;
	do {
		p->z.next_out = room;
		p->z.avail_out = sizeof(room);
		deflate(&p->z, end ? Z_FINISH : Z_SYNC_FLUSH);
		assert_int_equal(buf_append(&p->out, room, sizeof(room) - p->z.avail_out), 0);
	} while (!p->z.avail_out);
}

static inline void press_br(struct press *p, const void *data, size_t len, bool end)
{
	const uint8_t *in = data;
	BrotliEncoderOperation op = end ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
	do {
		size_t room = 0;
		assert_true(BrotliEncoderCompressStream(p->br, op, &len, &in, &room, NULL, NULL));
		const uint8_t *made = BrotliEncoderTakeOutput(p->br, &room);
		if (room)
			assert_int_equal(buf_append(&p->out, made, room), 0);
	} while (len || BrotliEncoderHasMoreOutput(p->br));
}

static inline void press_zstd(struct press *p, const void *data, size_t len, bool end)
{
	static uint8_t room[65536];
	ZSTD_inBuffer in = {.src = data, .size = len};
	size_t left;
	do {
		ZSTD_outBuffer out = {.dst = room, .size = sizeof(room)};
		left = ZSTD_compressStream2(p->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_flush);
		assert_false(ZSTD_isError(left));
		assert_int_equal(buf_append(&p->out, room, out.pos), 0);
	} while (left || in.pos < in.size);
}

static inline void press_add(struct press *p, const void *data, size_t len, bool end)
{
	if (p->format == BR)
		press_br(p, data, len, end);
	else if (p->format == ZSTD)
		press_zstd(p, data, len, end);
	else
		press_zlib(p, data, len, end);
}

static inline void press_done(struct press *p)
{
	buf_done(&p->out);
	if (p->format == BR)
		BrotliEncoderDestroyInstance(p->br);
	else if (p->format == ZSTD)
		ZSTD_freeCStream(p->zstd);
	else
		deflateEnd(&p->z);
}

/* Appends data in that format. */
static inline void compress_to(struct buf *out, int format, const void *data, size_t len)
{
	struct press p;
	press_init(&p, format);
	press_add(&p, data, len, true);
	assert_int_equal(buf_append(out, p.out.data, p.out.len), 0);
	press_done(&p);
}

/* So many zero bytes. */
static inline void compress_zeros(struct buf *out, int format, uint64_t len)
{
	static const uint8_t zeros[1 << 20];
	struct press p;
	press_init(&p, format);
	if (format < BR)
		deflateParams(&p.z, 1, Z_DEFAULT_STRATEGY);
	for (uint64_t done = 0; done < len; done += sizeof(zeros))
		press_add(&p, zeros, sizeof(zeros), done + sizeof(zeros) >= len);
	assert_int_equal(buf_append(out, p.out.data, p.out.len), 0);
	press_done(&p);
}
