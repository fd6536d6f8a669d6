/* SPDX-License-Identifier: Apache-2.0 */
#include "http/upgrade.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "http/websocket_frame.h"

uint64_t upgrade_offset(const struct upgrade *u, enum http_role role)
{
	if (u->websocket[role])
		return websocket_offset(u->websocket[role]);
	return role == HTTP_REQUEST && u->waiting ? u->held_end : http1_offset(u->http1[role]);
}

static void on_message(void *ctx, struct http_message *msg)
{
	struct upgrade *u = ctx;
	u->ops->on_message(u->ctx, msg);
}

static void on_client_unreadable(void *ctx, uint64_t len, bool missing, const char *why)
{
	struct upgrade *u = ctx;
	u->ops->on_unreadable(u->ctx, u->dir[HTTP_REQUEST], len, missing, why);
}

static void on_server_unreadable(void *ctx, uint64_t len, bool missing, const char *why)
{
	struct upgrade *u = ctx;
	u->ops->on_unreadable(u->ctx, u->dir[HTTP_RESPONSE], len, missing, why);
}

static const struct websocket_ops websocket_ops[] = {
	[HTTP_REQUEST] = {.message = on_message, .unreadable = on_client_unreadable},
	[HTTP_RESPONSE] = {.message = on_message, .unreadable = on_server_unreadable},
};

/* --- what is held ------------------------------------------------------------------------ */

static void report(struct upgrade *u, uint64_t len, bool missing, const char *why)
{
	if (len)
		on_client_unreadable(u, len, missing, why);
}

/* All that is held, and all that comes until the answer does. */
static void spill(struct upgrade *u, const char *why)
{
	struct held_piece *piece;
	u->spilt = why;
	while ((piece = held_take(&u->held))) {
		report(u, piece->len, piece->missing, why);
		free(piece);
	}
}

/* r: of the attempt to hold so many bytes more. */
static int held_or_spilt(struct upgrade *u, int r, uint64_t len, bool missing)
{
	u->held_end += len;
	if (r == 0)
		return 0;
	if (!u->spilt)
		spill(u, r == -E2BIG ? "more than the limit was sent before the handshake's answer"
				     : "out of memory");
	report(u, len, missing, u->spilt);
	return r == -ENOMEM ? r : 0;
}

static int hold(struct upgrade *u, const struct stream_chunk *chunk)
{
	int r = u->spilt ? -E2BIG : held_chunk(&u->held, chunk, u->limits->max_head);
	return held_or_spilt(u, r, chunk->len, false);
}

static int hold_gap(struct upgrade *u, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	int r = u->spilt ? -E2BIG : held_gap(&u->held, u->held_end, len, ts_ns, reason, u->limits->max_head);
	return held_or_spilt(u, r, len, true);
}

/* To whoever reads the direction now. False: the parser took only a part, and waits again. */
static bool replay_piece(struct upgrade *u, struct held_piece *piece, int *ret_error)
{
	int r;
	if (piece->missing && u->websocket[HTTP_REQUEST])
		r = websocket_gap(u->websocket[HTTP_REQUEST], piece->len, piece->chunk.ts_ns, piece->reason);
	else if (piece->missing)
		r = http1_gap(u->http1[HTTP_REQUEST], piece->len, piece->chunk.ts_ns, piece->reason);
	else if (u->websocket[HTTP_REQUEST])
		r = websocket_data(u->websocket[HTTP_REQUEST], &piece->chunk);
	else
		r = http1_data(u->http1[HTTP_REQUEST], &piece->chunk);
	if (r < 0)
		*ret_error = r;
	if (!u->waiting || piece->missing)
		return true;
	uint64_t used = http1_offset(u->http1[HTTP_REQUEST]) - piece->chunk.offset;
	piece->chunk.call_start &= used == 0;
	piece->chunk.offset += used;
	piece->chunk.data += used;
	piece->chunk.len -= used;
	piece->len -= used;
	return piece->len == 0;
}

/* Among what is held there may be another request that asks. */
static int replay(struct upgrade *u)
{
	int error = 0;
	while (u->held.first && !u->waiting) {
		if (replay_piece(u, u->held.first, &error))
			free(held_take(&u->held));
	}
	return error;
}

/* --- asked and answered ------------------------------------------------------------------ */

void upgrade_ask(struct upgrade *u)
{
	struct http1 *requests = u->http1[HTTP_REQUEST];
	http1_leave(requests);
	u->waiting = true;
	if (!u->held.first)
		u->held_end = http1_offset(requests);
}

int upgrade_refuse(struct upgrade *u)
{
	const struct held_piece *first = u->held.first;
	http1_return(u->http1[HTTP_REQUEST], first ? first->chunk.offset : u->held_end, u->spilt);
	u->waiting = false;
	u->spilt = NULL;
	return replay(u);
}

/* The direction is WebSocket from that position on. */
static int open_direction(struct upgrade *u, enum http_role role, uint64_t offset, const char *lost)
{
	u->start.role = role;
	u->start.offset = offset;
	u->start.lost = lost;
	return websocket_new(&u->websocket[role], &u->start, u->limits, &websocket_ops[role], u);
}

static int open_held(struct upgrade *u)
{
	const struct held_piece *first = u->held.first;
	int r = open_direction(u, HTTP_REQUEST, first ? first->chunk.offset : u->held_end, u->spilt);
	if (r < 0)
		return r;
	u->waiting = false;
	u->spilt = NULL;
	return replay(u);
}

int upgrade_grant(struct upgrade *u, uint64_t exchange, const struct websocket_deflate deflate[static 2],
		  const char *lost)
{
	struct http1 *responses = u->http1[HTTP_RESPONSE];
	http1_leave(responses);
	u->granted = true;
	u->start = (struct websocket_start){
		.conn_id = u->conn_id, .exchange = exchange, .deflate = deflate[HTTP_RESPONSE]};
	int r = open_direction(u, HTTP_RESPONSE, http1_offset(responses), lost);
	u->start.deflate = deflate[HTTP_REQUEST];
	if (r == 0 && u->waiting)
		r = open_held(u);
	return r;
}

int upgrade_open_request(struct upgrade *u)
{
	http1_leave(u->http1[HTTP_REQUEST]);
	return open_direction(u, HTTP_REQUEST, http1_offset(u->http1[HTTP_REQUEST]), NULL);
}

/* --- feeding ----------------------------------------------------------------------------- */

static bool is_held(const struct upgrade *u, enum http_role role)
{
	return role == HTTP_REQUEST && u->waiting;
}

/* The request that asked is lost, and here the client goes on with a frame. */
static bool begins_without_request(const struct upgrade *u, enum http_role role,
				   const struct stream_chunk *chunk)
{
	return role == HTTP_REQUEST && upgrade_wants_request(u) && chunk->call_start &&
	       http1_idle(u->http1[role]) &&
	       websocket_frame_plausible(role, u->start.deflate.agreed, chunk->data, chunk->len);
}

static int read_http1(struct upgrade *u, enum http_role role, const struct stream_chunk *chunk)
{
	if (!begins_without_request(u, role, chunk))
		return http1_data(u->http1[role], chunk);
	http1_leave(u->http1[role]);
	return open_direction(u, role, http1_offset(u->http1[role]),
			      "the request for WebSocket was not captured");
}

int upgrade_data(struct upgrade *u, enum http_role role, const struct stream_chunk *chunk)
{
	struct stream_chunk rest = *chunk;
	int r = 0;
	if (!u->websocket[role] && !is_held(u, role))
		r = read_http1(u, role, chunk);
	/* What HTTP left over. */
	uint64_t used = upgrade_offset(u, role) - chunk->offset;
	if (used == rest.len)
		return r;
	rest.call_start &= used == 0;
	rest.offset += used;
	rest.data += used;
	rest.len -= used;
	if (u->websocket[role]) {
		int read = websocket_data(u->websocket[role], &rest);
		return r < 0 ? r : read;
	}
	if (is_held(u, role))
		return hold(u, &rest);
	/* There was no memory for the next parser. */
	upgrade_stop(u, HTTP_END_LIMIT, "out of memory");
	(void)http1_data(u->http1[role], &rest);
	return -ENOMEM;
}

int upgrade_gap(struct upgrade *u, enum http_role role, uint64_t len, uint64_t ts_ns, enum gap_reason reason)
{
	if (u->websocket[role])
		return websocket_gap(u->websocket[role], len, ts_ns, reason);
	if (is_held(u, role))
		return hold_gap(u, len, ts_ns, reason);
	return http1_gap(u->http1[role], len, ts_ns, reason);
}

void upgrade_stop(struct upgrade *u, enum http_end end, const char *why)
{
	if (u->waiting && !u->spilt)
		spill(u, why);
	for (enum http_role role = HTTP_REQUEST; role <= HTTP_RESPONSE; role++) {
		struct http1 *http1 = u->http1[role];
		if (u->websocket[role]) {
			websocket_stop(u->websocket[role], end, why);
		} else if (http1_left(http1)) {
			http1_return(http1, upgrade_offset(u, role), why);
			http1_stop(http1, why);
		}
	}
	u->waiting = false;
}

void upgrade_done(struct upgrade *u)
{
	websocket_free(&u->websocket[HTTP_REQUEST]);
	websocket_free(&u->websocket[HTTP_RESPONSE]);
	held_done(&u->held);
}
