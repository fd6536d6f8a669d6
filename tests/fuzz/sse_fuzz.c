/* SPDX-License-Identifier: Apache-2.0 */

/* An event stream, cut in pieces as the fuzzer says: the events must be the same as from the whole, none
 * longer than the limit, and in order; and so must be what tells the stream's end.
 *
 * Input: two bytes of limit (little endian), a byte that makes the pieces, then the stream. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "http/sse.h"
#include "http/sse_end.h"
#include "must.h"

struct run {
	struct sha256 *sha; /* of all events */
	size_t max_event;
	uint64_t end, len, events;
};

static void on_event(void *ctx, const struct sse_event *e)
{
	struct run *run = ctx;
	uint64_t facts[3] = {e->offset, e->end, e->data_len};
	must(e->data_len <= run->max_event && strlen(e->event) <= run->max_event);
	must(e->data[e->data_len] == 0);
	must(e->offset >= run->end && e->end > e->offset && e->end <= run->len);
	run->end = e->end;
	run->events++;
	sha256_update(run->sha, facts, sizeof(facts));
	sha256_update(run->sha, e->event, strlen(e->event) + 1);
	sha256_update(run->sha, e->data, e->data_len);
}

static uint64_t decode(const uint8_t *data, size_t size, size_t max_event, unsigned cut,
		       uint8_t ret_sum[static SHA256_LEN], bool *ret_said)
{
	struct run run = {.max_event = max_event, .len = size};
	struct sse *sse;
	struct sse_end end = {0};
	must(sha256_new(&run.sha) == 0);
	must(sse_new(&sse, max_event, on_event, &run) == 0);
	for (size_t at = 0; at < size;) {
		size_t n = size - at;
		if (cut) {
			cut = cut * 5 + 1;
			n = 1 + (cut >> 3) % 16 < n ? 1 + (cut >> 3) % 16 : n;
		}
		uint8_t *copy = malloc(n);
		must(copy);
		memcpy(copy, data + at, n);
		must(sse_feed(sse, copy, n) == 0);
		sse_end_feed(&end, copy, n);
		free(copy);
		at += n;
	}
	must(sse_end(sse) == 0);
	uint64_t skipped = sse_skipped(sse);
	must(skipped + run.events <= size / 3 + 1);
	*ret_said = sse_end_said(&end);
	sha256_final(run.sha, ret_sum);
	sha256_free(&run.sha);
	sse_free(&sse);
	return skipped;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t whole[SHA256_LEN], pieces[SHA256_LEN];
	bool whole_said, pieces_said;
	if (size < 3)
		return 0;
	size_t max_event = data[0] | (size_t)data[1] << 8;
	unsigned cut = data[2] + 1U;
	data += 3;
	size -= 3;
	uint64_t skipped = decode(data, size, max_event, 0, whole, &whole_said);
	must(decode(data, size, max_event, cut, pieces, &pieces_said) == skipped);
	must(memcmp(whole, pieces, sizeof(whole)) == 0);
	must(whole_said == pieces_said);
	return 0;
}
