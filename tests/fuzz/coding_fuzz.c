/* SPDX-License-Identifier: Apache-2.0 */

/* A coded body, cut in pieces as the fuzzer says: what comes out is bounded by the limits, and the same as
 * from the whole wherever no limit decides; memory is given back.
 *
 * Input: a byte of options (two bits each: the codings, stacked; a byte more: how many, small limits), a byte
 * that makes the pieces, then the body. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "http/coding.h"
#include "http/http_conn.h"
#include "must.h"

struct run {
	struct sha256 *sha;
	uint64_t out;
};

struct outcome {
	int error;
	uint64_t out;
	bool at_end;
	uint8_t sum[SHA256_LEN];
};

static int on_out(void *ctx, const uint8_t *data, size_t len)
{
	struct run *run = ctx;
	must(len > 0 && len <= CODING_PIECE);
	sha256_update(run->sha, data, len);
	run->out += len;
	return 0;
}

static struct outcome decode(const struct coding_list *list, const struct http_limits *base,
			     const uint8_t *data, size_t size, unsigned cut)
{
	struct http_budget budget = {.max = 16 << 20};
	struct http_limits limits = *base;
	struct outcome o = {.error = 0};
	struct run run = {.out = 0};
	struct coding *coding;
	const uint8_t *first;
	size_t first_len;

	limits.decoders = &budget;
	must(sha256_new(&run.sha) == 0);
	must(coding_new(&coding, list, &limits, on_out, &run) == 0);
	for (size_t at = 0; at < size && !o.error;) {
		size_t n = size - at;
		if (cut) {
			cut = cut * 5 + 1;
			n = 1 + (cut >> 3) % 16 < n ? 1 + (cut >> 3) % 16 : n;
		}
		uint8_t *copy = malloc(n);
		must(copy);
		memcpy(copy, data + at, n);
		o.error = coding_feed(coding, copy, n);
		free(copy);
		must(budget.used <= budget.max && budget.used <= limits.max_decoder);
		if (o.error && coding_is_text(coding, &first, &first_len))
			must(first_len == at && memcmp(first, data, at) == 0);
		at += n;
	}
	must(o.error == 0 || o.error == -EBADMSG || o.error == -EFBIG);
	must((coding_problem(coding) != NULL) == (o.error != 0));
	must(run.out <= limits.max_decoded);
	must(run.out <= limits.ratio_from || run.out <= size * limits.max_ratio);
	o.at_end = !o.error && coding_at_end(coding);
	o.out = run.out;
	coding_free(&coding);
	must(budget.used == 0);
	sha256_final(run.sha, o.sum);
	sha256_free(&run.sha);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_limits limits = http_limits_default;
	struct coding_list list = {.n = 0};
	if (size < 3)
		return 0;
	for (unsigned i = 0; i <= (data[1] & 3U); i++)
		coding_list_push(&list, (enum coding_kind)(data[0] >> 2 * i & 3), limits.max_codings);
	if (data[1] & 4) {
		limits.max_decoded = 3000;
		limits.ratio_from = 100;
		limits.max_ratio = 3;
	} else {
		limits.max_decoded = 1 << 20;
		limits.max_ratio = UINT32_MAX;
	}
	limits.max_decoder = 8 << 20;
	unsigned cut = data[2] + 1U;
	struct outcome whole = decode(&list, &limits, data + 3, size - 3, 0),
		       pieces = decode(&list, &limits, data + 3, size - 3, cut);
	if (whole.error == -EFBIG || pieces.error == -EFBIG)
		return 0;
	/* libzstd decodes a frame that it has whole in one pass, and finds corrupt what in pieces is merely
	 * not at its end; of a frame with an empty block it says, by how it is cut, that it has ended or that
	 * it has not. */
	bool zstd = false;
	for (size_t i = 0; i < list.n; i++)
		zstd |= list.kinds[i] == CODING_ZSTD;
	must(zstd || (whole.error == pieces.error && whole.at_end == pieces.at_end));
	/* Up to what is corrupt, a decoder may give more or less of what it has. */
	must(whole.error || pieces.error || whole.at_end != pieces.at_end ||
	     (whole.out == pieces.out && memcmp(whole.sum, pieces.sum, SHA256_LEN) == 0));
	return 0;
}
