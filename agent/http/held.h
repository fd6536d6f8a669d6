/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Chunks and gaps of one direction that nobody can read yet, kept in order until it is known who does.
 * Embedded by value; a zeroed one is empty. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/chunk.h"

struct held_piece {
	struct held_piece *next;
	bool missing; /* a gap: chunk.data is not there */
	enum gap_reason reason;
	struct stream_chunk chunk;
	uint64_t len; /* of either */
	uint8_t data[];
};

struct held {
	struct held_piece *first, *last; /* owned */
	size_t size;			 /* bytes of memory */
};

/* A copy. max: of held.size. 0; -E2BIG; -ENOMEM. */
int held_chunk(struct held *held, const struct stream_chunk *chunk, size_t max);
int held_gap(struct held *held, uint64_t offset, uint64_t len, uint64_t ts_ns, enum gap_reason reason,
	     size_t max);

/* The first piece, which the caller frees; NULL: none is left. */
struct held_piece *held_take(struct held *held);

void held_done(struct held *held);
