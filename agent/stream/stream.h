/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Puts records together: per connection and direction, contiguous bytes or exact gaps. One thread. */

#include <stddef.h>
#include <stdint.h>

#include "ring/record.h"
#include "stream/chunk.h"

/* A connection as the kernel announced it. If its announcement was lost all but id and tgid are zero. */
struct stream_conn {
	uint64_t id;
	uint64_t ssl; /* address of the SSL object in its process */
	uint64_t process_gen;
	uint64_t start_boot_ns; /* of the process, boot clock */
	uint64_t cgroup_id;
	uint32_t tgid, parent_tgid, uid, gid;
	uint32_t file_id; /* of the probed file; 0: not known */
	enum record_role role;
	char comm[16];
	char sni[OAITAP_NAME_MAX];   /* "" if none was set; of one inherited by fork(), set by on_socket() */
	struct record_socket socket; /* family 0: not known */
	uint64_t next[2];	     /* offset that comes next, by enum stream_dir */
	void *user;		     /* the callee's */
};

struct stream_ops {
	/* A new connection; sets conn->user. Non-zero: not wanted, nothing more is said of it. */
	int (*on_open)(void *ctx, struct stream_conn *conn);
	void (*on_chunk)(void *ctx, struct stream_conn *conn, const struct stream_chunk *chunk);
	void (*on_gap)(void *ctx, struct stream_conn *conn, const struct stream_gap *gap);
	/* conn->socket is known from now on; NULL: of no interest. */
	void (*on_socket)(void *ctx, struct stream_conn *conn);
	/* The connection is over; conn dies when the callback returns. */
	void (*on_close)(void *ctx, struct stream_conn *conn, uint64_t ts_ns);
};

struct stream;

struct stream_stats {
	uint64_t connections; /* seen so far */
	uint64_t open;	      /* now */
	uint64_t table_full;  /* records of connections for which there was no room */
	uint64_t table_bytes; /* payload bytes in them */
	uint64_t overlap;     /* bytes that came twice, left out the second time */
};

/* max_conns: bound of the table. ops and ctx are borrowed. 0; -ENOMEM. */
int stream_new(struct stream **ret_stream, size_t max_conns, const struct stream_ops *ops, void *ctx);
/* Without callbacks: call stream_close_all() first to end what is open. */
void stream_free(struct stream **stream);

void stream_record(struct stream *stream, const struct ring_record *rec);

/* Ends one connection from outside, with the offsets at which its directions ended (NULL: not known). */
void stream_close(struct stream *stream, uint64_t conn_id, const uint64_t end[2], uint64_t ts_ns);
void stream_close_all(struct stream *stream, uint64_t ts_ns);

/* Walks the open connections, as map_next(). The one just given may be closed. */
struct stream_conn *stream_next(struct stream *stream, size_t *cursor);

struct stream_stats stream_stats(const struct stream *stream);
