/* SPDX-License-Identifier: Apache-2.0 */
#include "enforce/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* Some dozens at the most in practice: walked, not searched. */
struct blocks {
	struct block all[BLOCK_SUBJECTS_MAX];
	size_t n;
};

int blocks_new(struct blocks **ret_blocks)
{
	struct blocks *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	*ret_blocks = b;
	return 0;
}

void blocks_free(struct blocks **blocks)
{
	free(*blocks);
	*blocks = NULL;
}

struct block *blocks_find(struct blocks *b, const struct block_key *key)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->all[i].key.id == key->id && b->all[i].key.tgid == key->tgid)
			return &b->all[i];
	return NULL;
}

int blocks_add(struct blocks *b, const struct block_key *key, uint64_t now_ns, uint64_t for_ns,
	       struct block **ret_block)
{
	struct block *block = blocks_find(b, key);
	bool is_new = !block;

	if (is_new) {
		if (b->n == BLOCK_SUBJECTS_MAX)
			return -ENOSPC;
		block = &b->all[b->n++];
		*block = (struct block){.key = *key, .begun_ns = now_ns};
	}
	block->until_ns = MAX(block->until_ns, now_ns + for_ns);
	block->violations++;
	*ret_block = block;
	return is_new;
}

static void take_at(struct blocks *b, size_t at, struct block *ret_block)
{
	*ret_block = b->all[at];
	b->all[at] = b->all[--b->n];
}

bool blocks_take_due(struct blocks *b, uint64_t now_ns, struct block *ret_block)
{
	size_t first = b->n;

	for (size_t i = 0; i < b->n; i++)
		if (b->all[i].until_ns <= now_ns &&
		    (first == b->n || b->all[i].until_ns < b->all[first].until_ns))
			first = i;
	if (first == b->n)
		return false;
	take_at(b, first, ret_block);
	return true;
}

bool blocks_take(struct blocks *b, const struct block_key *key, struct block *ret_block)
{
	struct block *block = blocks_find(b, key);
	if (!block)
		return false;
	take_at(b, (size_t)(block - b->all), ret_block);
	return true;
}

uint64_t blocks_next_ns(const struct blocks *b)
{
	uint64_t next_ns = UINT64_MAX;
	for (size_t i = 0; i < b->n; i++)
		next_ns = MIN(next_ns, b->all[i].until_ns);
	return next_ns;
}

size_t blocks_len(const struct blocks *b, bool processes)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++)
		n += processes == (b->all[i].key.tgid != 0);
	return n;
}
