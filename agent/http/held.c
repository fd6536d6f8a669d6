/* SPDX-License-Identifier: Apache-2.0 */
#include "http/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A piece with so many bytes of data. */
static int add(struct held *held, size_t len, size_t max, struct held_piece **ret_piece)
{
	size_t size = sizeof(struct held_piece) + len;
	if (len > max || size > max || held->size > max - size)
		return -E2BIG;
	struct held_piece *piece = calloc(1, size);
	if (!piece)
		return -ENOMEM;
	if (held->last)
		held->last->next = piece;
	else
		held->first = piece;
	held->last = piece;
	held->size += size;
	*ret_piece = piece;
	return 0;
}

int held_chunk(struct held *held, const struct stream_chunk *chunk, size_t max)
{
	struct held_piece *piece;
	int r = add(held, chunk->len, max, &piece);
	if (r < 0)
		return r;
	memcpy(piece->data, chunk->data, chunk->len);
	piece->chunk = *chunk;
	piece->chunk.data = piece->data;
	piece->len = chunk->len;
	return 0;
}

int held_gap(struct held *held, uint64_t offset, uint64_t len, uint64_t ts_ns, enum gap_reason reason,
	     size_t max)
{
	struct held_piece *piece;
	int r = add(held, 0, max, &piece);
	if (r < 0)
		return r;
	piece->missing = true;
	piece->reason = reason;
	piece->chunk = (struct stream_chunk){.offset = offset, .ts_ns = ts_ns};
	piece->len = len;
	return 0;
}

struct held_piece *held_take(struct held *held)
{
	struct held_piece *piece = held->first;
	if (!piece)
		return NULL;
	held->first = piece->next;
	if (!held->first)
		*held = (struct held){};
	return piece;
}

void held_done(struct held *held)
{
	struct held_piece *piece;
	while ((piece = held_take(held)))
		free(piece);
}
