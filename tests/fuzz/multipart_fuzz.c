/* SPDX-License-Identifier: Apache-2.0 */

/* A multipart body, cut in pieces as the fuzzer says: the parts must be the same as from the whole, and
 * within the limits; with a gap, no more than bounded.
 *
 * Input: a byte of options, a byte that makes the pieces, the content-type up to a NUL, then the body. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "http/http_conn.h"
#include "http/multipart.h"
#include "must.h"

enum { OPTION_SMALL = 1, OPTION_GAP = 2 };

static void add_text(struct sha256 *sha, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 0;
	sha256_update(sha, &len, sizeof(len));
	if (text)
		sha256_update(sha, text, len);
}

static void check_part(struct http_part *part, const struct http_limits *limits, struct sha256 *sha)
{
	must(part->data_len <= limits->max_part_value && part->data_len <= part->bytes);
	must((part->data != NULL) == (part->data_len > 0));
	must(!part->data_len || !part->filename);
	add_text(sha, part->name);
	add_text(sha, part->filename);
	add_text(sha, part->content_type);
	sha256_update(sha, &part->bytes, sizeof(part->bytes));
	sha256_update(sha, &part->whole, sizeof(part->whole));
	sha256_update(sha, part->sha256, SHA256_LEN);
	if (part->data_len)
		sha256_update(sha, part->data, part->data_len);
	free(part->name);
	free(part->filename);
	free(part->content_type);
	free(part->data);
}

static bool read_parts(const char *type, const struct http_limits *base, const uint8_t *data, size_t size,
		       unsigned cut, bool gap, uint8_t ret_sum[static SHA256_LEN])
{
	struct http_budget budget = {.max = 2000};
	struct http_limits limits = *base;
	struct multipart *mp;
	struct http_part *parts;
	size_t n;
	const char *problem = NULL;
	struct sha256 *sha;
	uint64_t bytes = 0;

	limits.budget = &budget;
	int r = multipart_new(&mp, type, &limits);
	must(r == 0 || r == -EBADMSG);
	if (r < 0)
		return false;
	for (size_t at = 0; at < size;) {
		size_t len = size - at;
		if (cut) {
			cut = cut * 5 + 1;
			len = 1 + (cut >> 3) % 16 < len ? 1 + (cut >> 3) % 16 : len;
		}
		uint8_t *copy = malloc(len);
		must(copy);
		memcpy(copy, data + at, len);
		must(multipart_feed(mp, copy, len) == 0);
		free(copy);
		must(budget.used <= budget.max && budget.used <= limits.max_part_text);
		if (gap && (cut & 0x700) == 0)
			multipart_missing(mp);
		at += len;
	}
	multipart_end(mp, &parts, &n, &problem);
	must(budget.used == 0);
	multipart_free(&mp);
	must(n <= limits.max_parts);
	must(sha256_new(&sha) == 0);
	for (size_t i = 0; i < n; i++) {
		bytes += parts[i].bytes;
		check_part(&parts[i], &limits, sha);
	}
	must(bytes <= size);
	free(parts);
	add_text(sha, problem);
	sha256_final(sha, ret_sum);
	sha256_free(&sha);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_limits limits = http_limits_default;
	uint8_t whole[SHA256_LEN], pieces[SHA256_LEN];
	if (size < 3)
		return 0;
	unsigned options = data[0], cut = data[1] + 1U;
	const uint8_t *end = memchr(data + 2, 0, size - 2);
	if (!end)
		return 0;
	if (options & OPTION_SMALL) {
		limits.max_parts = 3;
		limits.max_part_head = 64;
		limits.max_part_value = 16;
		limits.max_part_text = 40;
	}
	const char *type = (const char *)data + 2;
	const uint8_t *body = end + 1;
	size_t len = size - (size_t)(body - data);
	bool read = read_parts(type, &limits, body, len, 0, false, whole);
	must(read_parts(type, &limits, body, len, cut, false, pieces) == read);
	must(!read || memcmp(whole, pieces, sizeof(whole)) == 0);
	if (options & OPTION_GAP)
		read_parts(type, &limits, body, len, cut, true, pieces);
	return 0;
}
