/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/blob.h"

#include <errno.h>
#include <string.h>

#include "base/digit.h"
#include "base/macro.h"

#define BLOB_PART 3072

/* Bytes on their way to the hash. */
struct part {
	uint8_t data[BLOB_PART + 3];
	size_t len;
};

static void flush(struct blob *blob, struct part *part)
{
	sha256_update(blob->sha, part->data, part->len);
	blob->bytes += part->len;
	part->len = 0;
}

/* The bytes of a group of four that ends here: 2 characters are one byte, 3 two, 4 three. */
static void end_group(struct blob *blob, struct part *part)
{
	uint32_t bits = blob->bits << (6 * (4 - blob->n_chars));

	blob->bad |= blob->n_chars == 1;
	for (unsigned i = 0; i + 1 < blob->n_chars; i++)
		part->data[part->len++] = (uint8_t)(bits >> (16 - 8 * i));
	blob->bits = blob->n_chars = 0;
}

int blob_add(struct blob *blob, const json_t *base64)
{
	const char *text = json_string_value(base64);
	size_t len = text ? json_string_length(base64) : 0;
	struct part part = {.len = 0};

	blob->bad |= !text;
	if (!blob->sha) {
		int r = sha256_new(&blob->sha);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < len; i++) {
		int value = base64_digit((uint8_t)text[i]);
		if (value < 0) {
			/* Padding ends a group; what it cannot end is no base64. */
			blob->bad |= text[i] != '=';
			if (blob->n_chars)
				end_group(blob, &part);
			continue;
		}
		blob->bits = blob->bits << 6 | (uint32_t)value;
		if (++blob->n_chars == 4)
			end_group(blob, &part);
		if (part.len >= BLOB_PART)
			flush(blob, &part);
	}
	flush(blob, &part);
	return 0;
}

void blob_reset(struct blob *blob)
{
	if (blob->sha)
		sha256_reset(blob->sha);
	blob->bytes = blob->bits = blob->n_chars = 0;
}

int blob_value(struct blob *blob, json_t **ret_value)
{
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX_LEN];
	struct part part = {.len = 0};

	if (!blob->sha) {
		int r = sha256_new(&blob->sha);
		if (r < 0)
			return r;
	}
	if (blob->n_chars)
		end_group(blob, &part);
	flush(blob, &part);
	sha256_final(blob->sha, sum);
	hex_encode(sum, sizeof(sum), hex);
	json_auto_t *value = json_object();
	if (!value ||
	    json_object_set_new_nocheck(value, "bytes", json_integer((json_int_t)blob->bytes)) < 0 ||
	    (!blob->bad && json_object_set_new_nocheck(value, "sha256", json_string(hex)) < 0))
		return -ENOMEM;
	*ret_value = json_incref(value);
	return 0;
}

void blob_done(struct blob *blob)
{
	sha256_free(&blob->sha);
	*blob = (struct blob){0};
}
