/* SPDX-License-Identifier: Apache-2.0 */

/* A conversation from the fuzzer's bytes: calls of both directions, pieces of calls, gaps, pauses. Checks
 * that every byte is accounted for once, that gaps are counted exactly, and that messages come in order and
 * once.
 *
 * Input: one byte of options, then records: a byte of flags, two of length (little endian), and unless it is
 * a gap or a pause, so many bytes. */

#include "http_run.h"

enum { OPTION_SMALL = 1, OPTION_SERVER = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_limits limits = http_limits_default;
	struct run run = {.limits = &limits, .now_ns = 1};
	if (!size)
		return 0;
	unsigned options = *data++;
	size--;
	if (options & OPTION_SMALL) {
		limits.max_head = 64;
		limits.max_headers = 3;
		limits.max_body = 16;
		limits.max_pending = 3;
	}
	run.request_dir = options & OPTION_SERVER ? STREAM_READ : STREAM_WRITE;
	must(http_conn_new(&run.conn, 1, run.request_dir, &limits, &ops, &run) == 0);
	while (size >= 3) {
		unsigned flags = data[0];
		size_t len = data[1] | (size_t)data[2] << 8;
		data += 3;
		size -= 3;
		if (flags & FLAG_PAUSE) {
			wait_idle(&run);
			continue;
		}
		if (!(flags & FLAG_GAP) && len > size)
			len = size;
		if (!len)
			continue;
		feed(&run, flags, data, len);
		if (!(flags & FLAG_GAP)) {
			data += len;
			size -= len;
		}
	}
	run_end(&run);
	return 0;
}
