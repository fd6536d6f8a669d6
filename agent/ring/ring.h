/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Drains the ring buffer. One thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/record.h"

typedef void (*ring_record_fn)(void *ctx, const struct ring_record *rec);

struct ring;

struct ring_stats {
	uint64_t records; /* all that arrived */
	uint64_t bytes;	  /* payload of data records */
	uint64_t bad;	  /* records that failed the check, and were left out */
};

/* map_fd: the ring buffer map (borrowed). 0; negative errno of libbpf. */
int ring_new(struct ring **ret_ring, int map_fd, ring_record_fn fn, void *ctx);
void ring_free(struct ring **ring);

/* Gives what is there, at most RING_BATCH records, waiting up to timeout_ms for the first: under load the
 * ring is never empty, and the caller has other work too. Number of records; negative errno (-EINTR
 * included). */
#define RING_BATCH 4096
int ring_poll(struct ring *ring, int timeout_ms);

/* Atomic reads: any thread. */
struct ring_stats ring_stats(const struct ring *ring);

/* Checks one raw record. 0; -EBADMSG. Public for tests. */
int ring_check(const void *data, size_t size, struct ring_record *ret_rec);
