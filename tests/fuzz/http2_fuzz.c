/* SPDX-License-Identifier: Apache-2.0 */

/* A conversation in HTTP/2 from the fuzzer's bytes: frames of both directions, whole or in pieces, gaps
 * anywhere, pauses, a beginning that was not seen. Checks what http_run.h says.
 *
 * Input: one byte of options, then records: a byte of flags and a byte of length; unless it is a gap or a
 * pause, then for a frame a byte each of type, flags and stream, and in any case so many bytes. */

#include "http_run.h"

#include "http/http2_frame.h"

enum { OPTION_SMALL = 1, OPTION_SERVER = 2, OPTION_MIDDLE = 4, OPTION_BYTES = 8 };
enum { FLAG_RAW = 16, FLAG_CUT = 32, FLAG_LONG = 64 };

/* By the fuzzer's choice at once, in two pieces, or byte by byte. */
static void feed_cut(struct run *run, unsigned flags, const uint8_t *data, size_t len, size_t piece)
{
	for (size_t from = 0; from < len; from += piece) {
		feed(run, flags, data + from, len - from < piece ? len - from : piece);
		flags |= FLAG_CONTINUED;
	}
}

static size_t frame_write(const uint8_t *head, const uint8_t *payload, size_t len, unsigned flags,
			  uint8_t *out)
{
	/* A length that is a lie runs on into the next frames. */
	size_t claim = flags & FLAG_LONG ? len + 20 : len;
	memset(out, 0, HTTP2_HEADER_LEN);
	out[1] = (uint8_t)(claim >> 8);
	out[2] = (uint8_t)claim;
	out[3] = head[0];
	out[4] = head[1];
	out[8] = head[2];
	memcpy(out + HTTP2_HEADER_LEN, payload, len);
	return HTTP2_HEADER_LEN + len;
}

static void play(struct run *run, unsigned options, const uint8_t *data, size_t size)
{
	uint8_t bytes[HTTP2_HEADER_LEN + 256];
	while (size >= 2) {
		unsigned flags = data[0];
		size_t len = data[1], head = flags & FLAG_RAW ? 0 : 3;
		data += 2;
		size -= 2;
		/* From the client's side. */
		if (run->request_dir == STREAM_READ)
			flags ^= FLAG_READ;
		if (flags & FLAG_PAUSE) {
			wait_idle(run);
			continue;
		}
		if (flags & FLAG_GAP) {
			if (len)
				feed(run, flags, NULL, len);
			continue;
		}
		if (size < head)
			break;
		len = len < size - head ? len : size - head;
		size_t n = len;
		if (head)
			n = frame_write(data, data + head, len, flags, bytes);
		else
			memcpy(bytes, data, len);
		size_t piece = options & OPTION_BYTES ? 1 : flags & FLAG_CUT ? (n + 1) / 2 : n;
		if (n)
			feed_cut(run, flags & (FLAG_READ | FLAG_CONTINUED), bytes, n, piece);
		data += head + len;
		size -= head + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_limits limits = http_limits_default;
	struct run run = {.limits = &limits, .now_ns = 1};
	if (!size)
		return 0;
	unsigned options = data[0];
	if (options & OPTION_SMALL) {
		limits.max_head = 64;
		limits.max_headers = 3;
		limits.max_body = 16;
		limits.max_streams = 3;
		limits.max_heads = 100;
	}
	run.request_dir = options & OPTION_SERVER ? STREAM_READ : STREAM_WRITE;
	must(http_conn_new(&run.conn, 1, run.request_dir, &limits, &ops, &run) == 0);
	if (!(options & OPTION_MIDDLE))
		feed(&run, run.request_dir == STREAM_READ ? FLAG_READ : 0, (const uint8_t *)http2_preface,
		     HTTP2_PREFACE_LEN);
	play(&run, options, data + 1, size - 1);
	run_end(&run);
	return 0;
}
