/* SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket_inflate.h"

#include <errno.h>

#include "base/macro.h"
#include "http/http_conn.h"

#define PIECE_OUT 16384
#define BITS_MIN  9	/* zlib's compressor takes 8 for 9, and nothing is lost by a larger window */
#define STATE_LEN 10240 /* of zlib, beside the window */
#define AT_BLOCK  128	/* in z_stream.data_type: between two blocks */

void websocket_inflate_init(struct websocket_inflate *inf, const struct http_limits *limits,
			    const struct websocket_deflate *params)
{
	*inf = (struct websocket_inflate){.limits = limits, .params = *params};
}

static int window_bits(const struct websocket_inflate *inf)
{
	return MAX((int)inf->params.window_bits, BITS_MIN);
}

static bool charge(struct websocket_inflate *inf)
{
	struct http_budget *budget = inf->limits->decoders;
	uint64_t len = (UINT64_C(1) << window_bits(inf)) + STATE_LEN;
	if (!budget)
		return true;
	if (len > budget->max - budget->used)
		return false;
	budget->used += len;
	inf->charged = len;
	return true;
}

static void uncharge(struct websocket_inflate *inf)
{
	if (inf->charged)
		inf->limits->decoders->used -= inf->charged;
	inf->charged = 0;
}

void websocket_inflate_done(struct websocket_inflate *inf)
{
	if (inf->ready)
		inflateEnd(&inf->z);
	inf->ready = false;
	uncharge(inf);
}

int websocket_inflate_begin(struct websocket_inflate *inf)
{
	if (inf->broken)
		return -EPIPE;
	inf->in = inf->out = 0;
	inf->final = false;
	if (inf->ready)
		return 0;
	if (!charge(inf))
		return -ENOBUFS;
	inf->z = (z_stream){};
	if (inflateInit2(&inf->z, -window_bits(inf)) != Z_OK) {
		uncharge(inf);
		return -ENOMEM;
	}
	inf->ready = true;
	return 0;
}

void websocket_inflate_break(struct websocket_inflate *inf)
{
	websocket_inflate_done(inf);
	inf->broken = !inf->params.no_context_takeover;
}

static bool over_limit(const struct websocket_inflate *inf)
{
	const struct http_limits *l = inf->limits;
	return inf->out > l->ratio_from && inf->out / l->max_ratio > inf->in;
}

/* How much may come out at once: the limit is met to the byte. */
static size_t room(const struct websocket_inflate *inf)
{
	return (size_t)MIN((uint64_t)PIECE_OUT, inf->limits->max_decoded - inf->out);
}

/* A stream that ended is followed by another one with the same window: inflateReset() would drop it, and to
 * copy it each time would let two bytes of input cost 32 KiB. */
static int go_on_after_final(struct websocket_inflate *inf)
{
	inf->final = false;
	return inflateResetKeep(&inf->z) == Z_OK ? 0 : -EBADMSG;
}

static int result_of(struct websocket_inflate *inf, int z)
{
	switch (z) {
	case Z_STREAM_END:
		inf->final = true;
		return 0;
	case Z_OK:
	case Z_BUF_ERROR: /* no progress: it wants more input */
		return 0;
	case Z_MEM_ERROR:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

static int run(struct websocket_inflate *inf, const uint8_t *data, size_t len, websocket_inflate_fn fn,
	       void *ctx)
{
	uint8_t out[PIECE_OUT];
	bool more = true;
	inf->z.next_in = (Bytef *)data;
	inf->z.avail_in = (uInt)len;
	while (more) {
		size_t space = room(inf);
		/* One byte over the limit is wanted for knowing that it is over. */
		bool full = space == 0;
		int r = inf->final && inf->z.avail_in ? go_on_after_final(inf) : 0;
		if (r < 0)
			return r;
		inf->z.next_out = out;
		inf->z.avail_out = full ? 1 : (uInt)space;
		uInt before = inf->z.avail_in, given = inf->z.avail_out;
		r = result_of(inf, inflate(&inf->z, Z_SYNC_FLUSH));
		size_t n = given - inf->z.avail_out;
		inf->in += before - inf->z.avail_in;
		if (n && full)
			return -E2BIG;
		inf->out += n;
		int taken = n ? fn(ctx, out, n) : 0;
		r = r < 0 ? r : taken;
		if (r < 0)
			return r;
		if (over_limit(inf))
			return -E2BIG;
		more = inf->z.avail_in || (!inf->z.avail_out && !inf->final);
	}
	return 0;
}

int websocket_inflate_add(struct websocket_inflate *inf, const uint8_t *data, size_t len,
			  websocket_inflate_fn fn, void *ctx)
{
	return len ? run(inf, data, len, fn, ctx) : 0;
}

/* A block that the message left unfinished would take the tail for its own. */
static int refuse_output(void *ctx, const uint8_t *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return -EBADMSG;
}

int websocket_inflate_end(struct websocket_inflate *inf)
{
	static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};
	/* A message of no bytes, or one that ends with a final block where one byte should follow it, does
	 * not leave room for the tail. */
	bool tailed = inf->in && !inf->final;
	int r = tailed ? run(inf, tail, sizeof(tail), refuse_output, NULL) : 0;
	if (r == 0 && tailed && !inf->final && !(inf->z.data_type & AT_BLOCK))
		r = -EBADMSG;
	if (r == 0 && inf->final)
		r = go_on_after_final(inf);
	if (r == 0 && inf->params.no_context_takeover)
		websocket_inflate_done(inf);
	return r;
}
