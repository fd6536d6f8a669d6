/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One decoder: gzip (RFC 1952), deflate (RFC 1950, or RFC 1951 bare, as some senders do), br (RFC 7932) or
 * zstd (RFC 8878), by zlib, libbrotlidec and libzstd. Bytes in, bytes out, as far as either side has room. No
 * I/O, no clock, no globals. What it allocates is counted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coding_kind { CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD };

struct http_budget;

/* What several decoders may allocate together. The budget is shared with others, borrowed, and may be NULL.
 */
struct decoder_memory {
	size_t used, max;
	struct http_budget *budget;
	bool refused; /* something was asked for that is over a limit */
};

/* False: so much is not left, and nothing is taken. */
bool decoder_memory_take(struct decoder_memory *memory, size_t len);
void decoder_memory_give(struct decoder_memory *memory, size_t len);

struct decoder_io {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len; /* room */
};

struct decoder;

/* memory is borrowed and outlives the decoder. 0; -ENOBUFS: over a limit of memory; -ENOMEM. */
int decoder_new(struct decoder **ret_decoder, enum coding_kind kind, struct decoder_memory *memory);
void decoder_free(struct decoder **decoder);

/* Moves both sides of io on. All that can be decoded came out if room is left. 0; -EBADMSG: corrupt; -EILSEQ:
 * the data has ended and something else follows; -EFBIG: it asks for a window larger than a quarter of the
 * memory; -ENOBUFS: over a limit of memory; -ENOMEM. After an error the decoder is of no more use. */
int decoder_step(struct decoder *decoder, struct decoder_io *io);

/* The data may end here. */
bool decoder_ended(const struct decoder *decoder);
