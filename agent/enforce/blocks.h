/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who is blocked, and until when: the agent's half of the kernel's table. No I/O, no clock. One thread. Used
 * inside this stage only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/block.h"

struct blocks;

/* One block. What data points to is freed with it by the table's owner. */
struct block {
	struct block_key key;
	uint64_t begun_ns, until_ns;
	uint64_t violations; /* that began and extended it */
	uint64_t ended;	     /* connections that were ended */
	void *data;
};

int blocks_new(struct blocks **ret_blocks); /* 0; -ENOMEM */
void blocks_free(struct blocks **blocks);   /* must be empty */

/* A violation: begins a block, or extends the one there is; a block never becomes shorter. for_ns is at most
 * a year. 1: it is new; 0: extended; -ENOSPC: BLOCK_SUBJECTS_MAX are blocked. *ret_block is borrowed until
 * the next call with this table. */
int blocks_add(struct blocks *blocks, const struct block_key *key, uint64_t now_ns, uint64_t for_ns,
	       struct block **ret_block);

/* NULL: not blocked. Borrowed until the next call. */
struct block *blocks_find(struct blocks *blocks, const struct block_key *key);

/* Takes one out that is over, the earliest first. False: none is. UINT64_MAX for now_ns: all are. */
bool blocks_take_due(struct blocks *blocks, uint64_t now_ns, struct block *ret_block);

/* Takes out that one. False: it is not there. */
bool blocks_take(struct blocks *blocks, const struct block_key *key, struct block *ret_block);

/* When the next one is over; UINT64_MAX: there is none. */
uint64_t blocks_next_ns(const struct blocks *blocks);

size_t blocks_len(const struct blocks *blocks, bool processes); /* of processes, or of cgroups */
