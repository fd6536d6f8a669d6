/* SPDX-License-Identifier: Apache-2.0 */
#include "http/decoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/macro.h"
#include "http/http_conn.h"

#define START_MAX      4
#define WINDOW_LOG_MIN 10 /* what libzstd takes (RFC 8878 section 3.1.1.1.2) */
#define WINDOW_LOG_MAX 27

/* Before each allocation stands its length, since libbrotlidec does not say it again when it frees. */
union block {
	size_t len;
	max_align_t align;
};

struct decoder {
	enum coding_kind kind;
	struct decoder_memory *memory;
	z_stream z;
	BrotliDecoderState *br;	  /* owned */
	ZSTD_DStream *zstd;	  /* owned */
	size_t zstd_len;	  /* of it, as counted */
	bool open;		  /* the library works on a member or frame */
	bool again;		  /* one has ended already */
	uint8_t start[START_MAX]; /* what came first, until it is clear what it is */
	size_t start_len;
};

/* --- memory ------------------------------------------------------------------------------ */

bool decoder_memory_take(struct decoder_memory *m, size_t len)
{
	bool fits = len <= m->max - m->used && (!m->budget || len <= m->budget->max - m->budget->used);
	if (!fits) {
		m->refused = true;
		return false;
	}
	m->used += len;
	if (m->budget)
		m->budget->used += len;
	return true;
}

void decoder_memory_give(struct decoder_memory *m, size_t len)
{
	m->used -= len;
	if (m->budget)
		m->budget->used -= len;
}

static void *memory_alloc(void *opaque, size_t len)
{
	struct decoder_memory *m = opaque;
	if (len > SIZE_MAX - sizeof(union block) || !decoder_memory_take(m, len))
		return NULL;
	union block *block = malloc(sizeof(*block) + len);
	if (!block) {
		decoder_memory_give(m, len);
		return NULL;
	}
	block->len = len;
	return block + 1;
}

static void memory_free(void *opaque, void *p)
{
	if (!p)
		return;
	union block *block = (union block *)p - 1;
	decoder_memory_give(opaque, block->len);
	free(block);
}

static void *zlib_alloc(void *opaque, unsigned n, unsigned len)
{
	size_t total;
	return __builtin_mul_overflow((size_t)n, (size_t)len, &total) ? NULL : memory_alloc(opaque, total);
}

static int out_of_memory(const struct decoder *d)
{
	return d->memory->refused ? -ENOBUFS : -ENOMEM;
}

/* libzstd's stable interface takes no allocator: what it holds is counted after the fact. */
static int recount_zstd(struct decoder *d)
{
	size_t len = ZSTD_sizeof_DStream(d->zstd);
	decoder_memory_give(d->memory, d->zstd_len);
	d->zstd_len = 0;
	if (!decoder_memory_take(d->memory, len))
		return -ENOBUFS;
	d->zstd_len = len;
	return 0;
}

/* --- gzip and deflate -------------------------------------------------------------------- */

static int zlib_open(struct decoder *d, int window_bits)
{
	d->z.zalloc = zlib_alloc;
	d->z.zfree = memory_free;
	d->z.opaque = d->memory;
	if (inflateInit2(&d->z, window_bits) != Z_OK)
		return out_of_memory(d);
	d->open = true;
	return 0;
}

static int zlib_step(struct decoder *d, struct decoder_io *io)
{
	uInt in_len = (uInt)MIN(io->in_len, (size_t)UINT32_MAX),
	     out_len = (uInt)MIN(io->out_len, (size_t)UINT32_MAX);
	/* The library does not write here; its interface is older than const. */
	d->z.next_in = (Bytef *)(uintptr_t)io->in;
	d->z.avail_in = in_len;
	d->z.next_out = io->out;
	d->z.avail_out = out_len;
	int r = inflate(&d->z, Z_SYNC_FLUSH);
	io->in += in_len - d->z.avail_in;
	io->in_len -= in_len - d->z.avail_in;
	io->out += out_len - d->z.avail_out;
	io->out_len -= out_len - d->z.avail_out;
	if (r == Z_STREAM_END) {
		d->open = false;
		d->again = true;
	} else if (r == Z_MEM_ERROR) {
		return out_of_memory(d);
	} else if (r != Z_OK && r != Z_BUF_ERROR) {
		return -EBADMSG;
	}
	return 0;
}

/* A member may follow the other (RFC 1952 section 2.2). */
static int step_gzip(struct decoder *d, struct decoder_io *io)
{
	if (!d->open && d->again) {
		if (!io->in_len)
			return 0;
		if (io->in[0] != 0x1f)
			return -EILSEQ;
		inflateReset(&d->z);
		d->open = true;
	}
	return zlib_step(d, io);
}

/* The first two bytes are a zlib header (RFC 1950 section 2.2) that wants no dictionary. A bare stream could
 * begin so only with a stored block whose padding is not zero. */
static bool is_zlib(const uint8_t start[static 2])
{
	return (start[0] & 0x0f) == 8 && start[0] >> 4 <= 7 && (start[0] << 8 | start[1]) % 31 == 0 &&
	       !(start[1] & 0x20);
}

static int step_deflate(struct decoder *d, struct decoder_io *io)
{
	if (d->again)
		return io->in_len ? -EILSEQ : 0;
	if (d->open)
		return zlib_step(d, io);
	while (d->start_len < 2 && io->in_len) {
		d->start[d->start_len++] = *io->in++;
		io->in_len--;
	}
	if (d->start_len < 2)
		return 0;
	int r = zlib_open(d, is_zlib(d->start) ? MAX_WBITS : -MAX_WBITS);
	if (r < 0)
		return r;
	/* No stream is shorter than two bytes, and two do not bring more than there is room for. */
	struct decoder_io start = {.in = d->start, .in_len = 2, .out = io->out, .out_len = io->out_len};
	r = zlib_step(d, &start);
	io->out = start.out;
	io->out_len = start.out_len;
	return r;
}

/* --- br ---------------------------------------------------------------------------------- */

static int step_br(struct decoder *d, struct decoder_io *io)
{
	if (d->again)
		return io->in_len ? -EILSEQ : 0;
	BrotliDecoderResult result =
		BrotliDecoderDecompressStream(d->br, &io->in_len, &io->in, &io->out_len, &io->out, NULL);
	if (result == BROTLI_DECODER_RESULT_SUCCESS) {
		d->open = false;
		d->again = true;
	} else if (result == BROTLI_DECODER_RESULT_ERROR) {
		BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(d->br);
		bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
			      code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
		return memory ? out_of_memory(d) : -EBADMSG;
	}
	return 0;
}

/* --- zstd -------------------------------------------------------------------------------- */

/* The bytes can begin a frame, skippable ones included (RFC 8878 section 3.1). The library would also read
 * the formats that came before the RFC, which nobody sends and nobody has looked at for long. */
static bool can_begin_frame(const uint8_t *start, size_t len)
{
	static const uint8_t frame[START_MAX] = {0x28, 0xb5, 0x2f, 0xfd},
			     skippable[START_MAX] = {0x50, 0x2a, 0x4d, 0x18};
	bool skip = (start[0] & 0xf0) == skippable[0];
	const uint8_t *magic = skip ? skippable : frame;
	return (skip || start[0] == frame[0]) && memcmp(start + 1, magic + 1, len - 1) == 0;
}

static int zstd_step(struct decoder *d, struct decoder_io *io)
{
	ZSTD_inBuffer in = {.src = io->in, .size = io->in_len};
	ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
	size_t r = ZSTD_decompressStream(d->zstd, &out, &in);
	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	if (ZSTD_isError(r)) {
		ZSTD_ErrorCode code = ZSTD_getErrorCode(r);
		if (code == ZSTD_error_memory_allocation)
			return -ENOMEM;
		return code == ZSTD_error_frameParameter_windowTooLarge ? -EFBIG : -EBADMSG;
	}
	if (r == 0) {
		d->open = false;
		d->again = true;
		d->start_len = 0;
	}
	return recount_zstd(d);
}

static int step_zstd(struct decoder *d, struct decoder_io *io)
{
	if (d->open)
		return zstd_step(d, io);
	while (d->start_len < START_MAX && io->in_len) {
		d->start[d->start_len++] = *io->in++;
		io->in_len--;
		if (!can_begin_frame(d->start, d->start_len))
			return d->again ? -EILSEQ : -EBADMSG;
	}
	if (d->start_len < START_MAX)
		return 0;
	d->open = true;
	struct decoder_io start = {
		.in = d->start, .in_len = START_MAX, .out = io->out, .out_len = io->out_len};
	return zstd_step(d, &start);
}

static int zstd_open(struct decoder *d)
{
	int log = WINDOW_LOG_MIN;
	while (log < WINDOW_LOG_MAX && (size_t)2 << log <= d->memory->max / 4)
		log++;
	d->zstd = ZSTD_createDStream();
	if (!d->zstd)
		return -ENOMEM;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, log)))
		return -ENOMEM;
	return recount_zstd(d);
}

/* --- all of them ------------------------------------------------------------------------- */

static int open_library(struct decoder *d)
{
	switch (d->kind) {
	case CODING_GZIP:
		return zlib_open(d, MAX_WBITS + 16);
	case CODING_DEFLATE:
		return 0;
	case CODING_BR:
		d->br = BrotliDecoderCreateInstance(memory_alloc, memory_free, d->memory);
		return d->br ? 0 : out_of_memory(d);
	case CODING_ZSTD:
		return zstd_open(d);
	}
	return -EBADMSG;
}

int decoder_new(struct decoder **ret_decoder, enum coding_kind kind, struct decoder_memory *memory)
{
	_cleanup_(decoder_free) struct decoder *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->kind = kind;
	d->memory = memory;
	int r = open_library(d);
	if (r < 0)
		return r;
	*ret_decoder = TAKE_PTR(d);
	return 0;
}

void decoder_free(struct decoder **decoder)
{
	struct decoder *d = *decoder;
	if (!d)
		return;
	if (d->z.state)
		inflateEnd(&d->z);
	if (d->br)
		BrotliDecoderDestroyInstance(d->br);
	ZSTD_freeDStream(d->zstd);
	decoder_memory_give(d->memory, d->zstd_len);
	free(d);
	*decoder = NULL;
}

int decoder_step(struct decoder *d, struct decoder_io *io)
{
	switch (d->kind) {
	case CODING_GZIP:
		return step_gzip(d, io);
	case CODING_DEFLATE:
		return step_deflate(d, io);
	case CODING_BR:
		return step_br(d, io);
	case CODING_ZSTD:
		return step_zstd(d, io);
	}
	return -EBADMSG;
}

bool decoder_ended(const struct decoder *d)
{
	return d->again && !d->open && d->start_len == (d->kind == CODING_DEFLATE ? 2 : 0);
}
