/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct stream {
	struct map *conns;   /* id to struct stream_conn */
	struct map *sockets; /* cookie to the struct stream_conn that has a name, or was there first */
	size_t max_conns;
	const struct stream_ops *ops;
	void *ctx;
	/* Written by one thread, read by any. */
	atomic_uint_least64_t connections, open, table_full, table_bytes, overlap;
};

static void add(atomic_uint_least64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

int stream_new(struct stream **ret_stream, size_t max_conns, const struct stream_ops *ops, void *ctx)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	int r = map_new(&s->conns);
	if (r >= 0)
		r = map_new(&s->sockets);
	if (r < 0) {
		map_free(&s->conns);
		free(s);
		return r;
	}
	s->max_conns = max_conns;
	s->ops = ops;
	s->ctx = ctx;
	*ret_stream = s;
	return 0;
}

void stream_free(struct stream **stream)
{
	struct stream *s = *stream;
	if (!s)
		return;
	map_clear_free(s->conns);
	map_free(&s->conns);
	map_free(&s->sockets);
	free(s);
	*stream = NULL;
}

static void conn_remove(struct stream *s, struct stream_conn *conn)
{
	map_remove(s->conns, conn->id);
	if (conn->socket.cookie && map_get(s->sockets, conn->socket.cookie) == conn)
		map_remove(s->sockets, conn->socket.cookie);
	atomic_fetch_sub_explicit(&s->open, 1, memory_order_relaxed);
	free(conn);
}

/* Takes over a connection, or NULL if there is no room or it is not wanted. */
static struct stream_conn *conn_add(struct stream *s, const struct stream_conn *made)
{
	if (map_len(s->conns) >= s->max_conns)
		return NULL;
	struct stream_conn *conn = malloc(sizeof(*conn));
	if (!conn)
		return NULL;
	*conn = *made;
	if (map_put(s->conns, conn->id, conn) < 0) {
		free(conn);
		return NULL;
	}
	add(&s->connections, 1);
	add(&s->open, 1);
	if (s->ops->on_open(s->ctx, conn) != 0) {
		conn_remove(s, conn);
		return NULL;
	}
	return conn;
}

static void on_open(struct stream *s, const struct record_open *rec)
{
	if (map_get(s->conns, rec->conn_id))
		return;
	struct stream_conn made = {
		.id = rec->conn_id,
		.ssl = rec->ssl,
		.process_gen = rec->process_gen,
		.start_boot_ns = rec->start_boot_ns,
		.cgroup_id = rec->cgroup_id,
		.tgid = rec->tgid,
		.parent_tgid = rec->parent_tgid,
		.uid = rec->uid,
		.gid = rec->gid,
		.file_id = rec->file_id,
		.role = (enum record_role)rec->role,
	};
	memcpy(made.comm, rec->comm, sizeof(made.comm));
	memcpy(made.sni, rec->sni, sizeof(made.sni));
	if (!conn_add(s, &made))
		add(&s->table_full, 1);
}

static enum gap_reason gap_reason_of(unsigned int loss)
{
	static const enum gap_reason reasons[] = {
		[RECORD_LOSS_NONE] = GAP_LOST,	       [RECORD_LOSS_RING_FULL] = GAP_RING_FULL,
		[RECORD_LOSS_CALL_LIMIT] = GAP_LIMIT,  [RECORD_LOSS_FAULT] = GAP_FAULT,
		[RECORD_LOSS_SENDFILE] = GAP_SENDFILE, [RECORD_LOSS_SKIPPED] = GAP_SKIPPED,
	};
	return loss <= RECORD_LOSS_SKIPPED ? reasons[loss] : GAP_LOST;
}

static void give_gap(struct stream *s, struct stream_conn *conn, enum stream_dir dir, uint64_t end,
		     enum gap_reason reason, uint64_t ts_ns)
{
	if (end <= conn->next[dir])
		return;
	struct stream_gap gap = {
		.conn_id = conn->id,
		.dir = dir,
		.offset = conn->next[dir],
		.len = end - conn->next[dir],
		.ts_ns = ts_ns,
		.reason = reason,
	};
	conn->next[dir] = end;
	s->ops->on_gap(s->ctx, conn, &gap);
}

static void give_chunk(struct stream *s, struct stream_conn *conn, const struct record_data *rec)
{
	enum stream_dir dir = (enum stream_dir)rec->dir;
	uint64_t end = rec->offset + rec->payload_len;
	uint64_t skip = rec->offset < conn->next[dir] ? conn->next[dir] - rec->offset : 0;

	if (skip) {
		add(&s->overlap, skip < rec->payload_len ? skip : rec->payload_len);
		if (skip >= rec->payload_len)
			return;
	}
	struct stream_chunk chunk = {
		.conn_id = conn->id,
		.dir = dir,
		.offset = rec->offset + skip,
		.peer_offset = rec->peer_offset,
		.ts_ns = rec->ts_ns,
		.call_start = rec->call_start && !skip,
		.data = rec->payload + skip,
		.len = rec->payload_len - skip,
	};
	conn->next[dir] = end;
	s->ops->on_chunk(s->ctx, conn, &chunk);
}

static void on_data(struct stream *s, const struct ring_record *record)
{
	const struct record_data *rec = record->data;
	struct stream_conn *conn = map_get(s->conns, rec->conn_id);

	if (!conn) {
		/* Its announcement found no room in the ring: what is known is in this record. */
		struct stream_conn made = {.id = rec->conn_id, .tgid = rec->tgid};
		conn = conn_add(s, &made);
	}
	if (!conn) {
		add(&s->table_full, 1);
		add(&s->table_bytes, rec->payload_len + rec->gap_len);
		return;
	}
	enum stream_dir dir = (enum stream_dir)rec->dir;
	give_gap(s, conn, dir, rec->offset, gap_reason_of(rec->loss), rec->ts_ns);
	if (record->type == RECORD_GAP) {
		give_gap(s, conn, dir, rec->offset + rec->gap_len, gap_reason_of(rec->gap_loss), rec->ts_ns);
		return;
	}
	give_chunk(s, conn, rec);
}

static void close_conn(struct stream *s, struct stream_conn *conn, const uint64_t end[2],
		       const uint8_t loss[2], uint64_t ts_ns)
{
	for (int dir = STREAM_WRITE; end && dir <= STREAM_READ; dir++)
		give_gap(s, conn, (enum stream_dir)dir, end[dir], gap_reason_of(loss ? loss[dir] : 0), ts_ns);
	s->ops->on_close(s->ctx, conn, ts_ns);
	conn_remove(s, conn);
}

/* A process that inherited a connection by fork() goes on with it without naming the server again. It is the
 * same connection only if both the object's address and the socket are: then the name is known. */
static void name_inherit(struct stream *s, struct stream_conn *conn)
{
	if (!conn->socket.cookie)
		return;
	const struct stream_conn *other = map_get(s->sockets, conn->socket.cookie);
	if (!other || other == conn || (!other->sni[0] && conn->sni[0])) {
		(void)map_put(s->sockets, conn->socket.cookie, conn);
		return;
	}
	if (!conn->sni[0] && other->ssl == conn->ssl && other->role == conn->role)
		memcpy(conn->sni, other->sni, sizeof(conn->sni));
}

static void on_socket(struct stream *s, const struct record_socket *rec)
{
	struct stream_conn *conn = map_get(s->conns, rec->conn_id);
	if (!conn)
		return;
	if (conn->socket.cookie && map_get(s->sockets, conn->socket.cookie) == conn)
		map_remove(s->sockets, conn->socket.cookie);
	conn->socket = *rec;
	name_inherit(s, conn);
	if (s->ops->on_socket)
		s->ops->on_socket(s->ctx, conn);
}

static void on_close(struct stream *s, const struct record_close *rec)
{
	struct stream_conn *conn = map_get(s->conns, rec->conn_id);
	const uint64_t end[2] = {rec->end[0], rec->end[1]};
	if (conn)
		close_conn(s, conn, end, rec->loss, rec->ts_ns);
}

void stream_record(struct stream *s, const struct ring_record *rec)
{
	switch (rec->type) {
	case RECORD_OPEN:
		on_open(s, rec->open);
		break;
	case RECORD_DATA:
	case RECORD_GAP:
		on_data(s, rec);
		break;
	case RECORD_SOCKET:
		on_socket(s, rec->socket);
		break;
	case RECORD_CLOSE:
		on_close(s, rec->close);
		break;
	case RECORD_HELLO:
	case RECORD_WHO:
		break; /* not of a connection that is known here */
	case RECORD_EXEC:
	case RECORD_EXIT:
		break; /* the pipeline asks the kernel's table where each direction ended, then calls
			  stream_close() */
	}
}

void stream_close(struct stream *s, uint64_t conn_id, const uint64_t end[2], uint64_t ts_ns)
{
	struct stream_conn *conn = map_get(s->conns, conn_id);
	if (conn)
		close_conn(s, conn, end, NULL, ts_ns);
}

struct stream_conn *stream_next(struct stream *s, size_t *cursor)
{
	uint64_t key;
	void *conn;
	return map_next(s->conns, cursor, &key, &conn) ? conn : NULL;
}

void stream_close_all(struct stream *s, uint64_t ts_ns)
{
	size_t cursor = 0;
	struct stream_conn *conn;
	while ((conn = stream_next(s, &cursor)))
		close_conn(s, conn, NULL, NULL, ts_ns);
}

struct stream_stats stream_stats(const struct stream *s)
{
	return (struct stream_stats){
		.connections = atomic_load_explicit(&s->connections, memory_order_relaxed),
		.open = atomic_load_explicit(&s->open, memory_order_relaxed),
		.table_full = atomic_load_explicit(&s->table_full, memory_order_relaxed),
		.table_bytes = atomic_load_explicit(&s->table_bytes, memory_order_relaxed),
		.overlap = atomic_load_explicit(&s->overlap, memory_order_relaxed),
	};
}
