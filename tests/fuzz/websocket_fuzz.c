/* SPDX-License-Identifier: Apache-2.0 */

/* One direction of WebSocket from the fuzzer's bytes: pieces and gaps. Checks that every byte is accounted
 * for once, that gaps are counted exactly, and that without gaps it does not matter how the bytes are cut.
 *
 * Input: two bytes of options, then records: a byte of flags, two of length (little endian), and unless it is
 * a gap, so many bytes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/websocket.h"
#include "must.h"

enum { FLAG_GAP = 1, FLAG_CALL = 2 };
enum { OPTION_CLIENT = 1, OPTION_SMALL = 2, OPTION_LOST = 4, OPTION_DEFLATE = 8, OPTION_FRESH = 16 };

#define START 100

struct run {
	struct websocket *ws;
	const struct http_limits *limits;
	struct websocket_start start;
	uint64_t now_ns, at, given, gaps;
	uint64_t wire, unreadable, missing;
	/* What came out, in short. */
	uint64_t n, sum;
};

static void mix(struct run *run, uint64_t value)
{
	run->sum = (run->sum ^ value) * UINT64_C(0x100000001b3);
}

static void check_message(const struct run *run, const struct http_message *m)
{
	must(m->role == run->start.role && m->protocol == HTTP_WEBSOCKET && m->exchange == 9);
	must(m->opcode == 1 || m->opcode == 2 || m->opcode == 8);
	must(!m->method && !m->target && !m->n_headers && !m->status);
	must(m->body_len <= run->limits->max_body && m->body_len <= m->body_total);
	must((m->body != NULL) == (m->body_len > 0) && (!m->body || m->body[m->body_len] == 0));
	must(m->n_marks <= 1024 && m->n_marks <= m->reads);
	must(m->coded_total + m->missing_bytes + 2 <= m->wire_bytes);
	must(m->decoded ? m->body_total <= run->limits->max_decoded
			: !m->body_total || m->body_total == m->coded_total);
	must(m->first_ts_ns <= m->last_ts_ns);
	must(!m->body_sha256_valid || m->missing_bytes == 0);
	must(!m->missing_bytes || m->missing_reason != GAP_NONE);
	must(m->end == HTTP_END_COMPLETE || m->end == HTTP_END_CLOSED || m->problem);
	must(m->end != HTTP_END_UNSEEN);
	must(m->opcode != 8 || m->body_total <= 125);
	for (size_t i = 1; i < m->n_marks; i++)
		must(m->marks[i - 1].body_offset < m->marks[i].body_offset);
}

static void on_message(void *ctx, struct http_message *m)
{
	struct run *run = ctx;
	check_message(run, m);
	run->wire += m->wire_bytes;
	run->missing += m->missing_bytes;
	run->n++;
	mix(run, m->opcode);
	mix(run, m->end);
	mix(run, m->wire_bytes);
	mix(run, m->body_total);
	mix(run, m->coded_total);
	mix(run, m->decoded);
	for (size_t i = 0; i < SHA256_LEN; i++)
		mix(run, m->body_sha256[i]);
	http_message_free(&m);
}

static void on_unreadable(void *ctx, uint64_t len, bool missing, const char *why)
{
	struct run *run = ctx;
	must(len > 0 && why);
	*(missing ? &run->missing : &run->unreadable) += len;
	run->wire += missing ? len : 0;
}

static const struct websocket_ops ops = {.message = on_message, .unreadable = on_unreadable};

static void feed(struct run *run, unsigned flags, const uint8_t *data, size_t len)
{
	run->now_ns++;
	if (flags & FLAG_GAP) {
		must(websocket_gap(run->ws, len, run->now_ns, GAP_LOST) == 0);
		run->gaps += len;
	} else {
		/* A copy of its own, so that reading past it is noticed. */
		uint8_t *copy = malloc(len);
		must(copy);
		memcpy(copy, data, len);
		struct stream_chunk chunk = {
			.offset = run->at,
			.ts_ns = run->now_ns,
			.call_start = flags & FLAG_CALL,
			.data = copy,
			.len = len,
		};
		must(websocket_data(run->ws, &chunk) == 0);
		free(copy);
		run->given += len;
	}
	run->at += len;
	must(websocket_offset(run->ws) == run->at);
}

static void begin(struct run *run, const struct http_limits *limits, const struct websocket_start *start)
{
	*run = (struct run){.limits = limits, .start = *start, .at = START};
	must(websocket_new(&run->ws, start, limits, &ops, run) == 0);
}

static void end(struct run *run)
{
	websocket_close(run->ws);
	must(run->missing == run->gaps);
	must(run->wire + run->unreadable + websocket_framing(run->ws) == run->given + run->gaps);
	mix(run, run->unreadable);
	mix(run, websocket_framing(run->ws));
	websocket_free(&run->ws);
}

/* whole: takes the same bytes in one piece. */
static void feed_records(struct run *run, const uint8_t *data, size_t size, uint8_t *whole, size_t *ret_len)
{
	size_t n = 0;
	while (size >= 3) {
		unsigned flags = data[0];
		size_t len = data[1] | (size_t)data[2] << 8;
		data += 3;
		size -= 3;
		if (!(flags & FLAG_GAP) && len > size)
			len = size;
		if (!len)
			continue;
		feed(run, flags, data, len);
		if (flags & FLAG_GAP)
			continue;
		memcpy(whole + n, data, len);
		n += len;
		data += len;
		size -= len;
	}
	*ret_len = n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_limits limits = http_limits_default;
	struct run cut, whole;
	size_t len;
	if (size < 2)
		return 0;
	unsigned options = data[0];
	struct websocket_start start = {
		.role = options & OPTION_CLIENT ? HTTP_REQUEST : HTTP_RESPONSE,
		.exchange = 9,
		.offset = START,
		.lost = options & OPTION_LOST ? "lost" : NULL,
		.deflate = {.agreed = options & OPTION_DEFLATE,
			    .no_context_takeover = options & OPTION_FRESH,
			    .window_bits = (uint8_t)(8 + data[1] % 8)},
	};
	if (options & OPTION_SMALL) {
		limits.max_body = 16;
		limits.max_decoded = 100;
	}
	/* What is decoded by then depends on the cuts. */
	limits.max_ratio = UINT32_MAX;
	uint8_t *bytes = malloc(size);
	must(bytes);
	begin(&cut, &limits, &start);
	feed_records(&cut, data + 2, size - 2, bytes, &len);
	bool lossy = cut.gaps || start.lost;
	end(&cut);
	if (!lossy && len) {
		begin(&whole, &limits, &start);
		feed(&whole, 0, bytes, len);
		end(&whole);
		/* Once synchronisation is lost, a call that begins like a frame may find it again. */
		must(cut.unreadable || whole.unreadable || (cut.n == whole.n && cut.sum == whole.sum));
	}
	free(bytes);
	return 0;
}
