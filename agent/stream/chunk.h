/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the stream stage gives: per connection and direction, bytes in order or an exact gap. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As the watched process sees it. */
enum stream_dir {
	STREAM_WRITE = 0, /* what it wrote to the connection */
	STREAM_READ = 1,  /* what it read from it */
};

/* Why bytes are missing. */
enum gap_reason {
	GAP_NONE = 0,
	GAP_RING_FULL, /* the ring buffer had no room */
	GAP_LIMIT,     /* over the configured size of one call */
	GAP_FAULT,     /* the process's memory could not be read */
	GAP_LOST,      /* noticed by its offset only; the kernel did not say why */
	GAP_SKIPPED,   /* over the configured size of one message: not copied any more */
	GAP_SENDFILE,  /* SSL_sendfile: the bytes never were in the process's memory */
};

struct stream_chunk {
	uint64_t conn_id;
	enum stream_dir dir;
	uint64_t offset; /* position of data[0] in its direction, from 0 at the connection's first byte */
	uint64_t peer_offset; /* position the other direction had reached when these bytes were captured */
	uint64_t ts_ns;	      /* CLOCK_MONOTONIC: entry of the write call, return of the read call */
	bool call_start;      /* data[0] was the first byte of one SSL_read or SSL_write call */
	const uint8_t *data;  /* borrowed: dies when the callback returns */
	size_t len;	      /* at least 1 */
};

/* Chunks and gaps of one direction are contiguous: each begins where the one before ended. */
struct stream_gap {
	uint64_t conn_id;
	enum stream_dir dir;
	uint64_t offset;
	uint64_t len; /* bytes missing, at least 1 */
	uint64_t ts_ns;
	enum gap_reason reason;
};
