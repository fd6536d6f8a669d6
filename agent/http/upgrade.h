/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A connection on its way from HTTP/1 to WebSocket: what the client sends after having asked is held until
 * the answer decides, and then read by the one or the other. Embedded by value in the connection, which tells
 * it what was asked and answered; no I/O, no clock. */

#include <stdbool.h>
#include <stdint.h>

#include "http/held.h"
#include "http/http1.h"
#include "http/websocket.h"

struct upgrade {
	uint64_t conn_id;
	const struct http_limits *limits; /* borrowed, as are ops and ctx */
	const struct http_conn_ops *ops;
	void *ctx;
	enum stream_dir dir[2]; /* by role, as all that follows */
	struct http1 *http1[2]; /* borrowed */

	struct websocket *websocket[2]; /* owned; set: it reads that direction */
	struct websocket_start start;	/* granted: for the request direction, which may come later */
	bool granted;

	bool waiting;	   /* the request direction is held */
	struct held held;  /* it comes out of the oldest piece first */
	uint64_t held_end; /* waiting: position up to which the direction is known */
	const char *spilt; /* set: there was too much to hold, so all was reported unreadable */
};

/* The request at hand, in its end(), is the last one until it is answered. */
void upgrade_ask(struct upgrade *u);

/* The answer was another one: HTTP goes on. 0; -ENOMEM. */
int upgrade_refuse(struct upgrade *u);

/* Both directions are WebSocket from here on: after the response at hand (in its end()) or at once, and after
 * the request that asked. If that one is still to come (its record may), upgrade_open_request() is called in
 * its end(). lost: the response was not captured; static. 0; -ENOMEM. */
int upgrade_grant(struct upgrade *u, uint64_t exchange, const struct websocket_deflate deflate[static 2],
		  const char *lost);
int upgrade_open_request(struct upgrade *u);

/* Granted, and the request that asked was not seen. */
static inline bool upgrade_wants_request(const struct upgrade *u)
{
	return u->granted && !u->websocket[HTTP_REQUEST];
}

/* Bytes or a gap at upgrade_offset(), for whoever reads the direction now. 0; -ENOMEM. */
int upgrade_data(struct upgrade *u, enum http_role role, const struct stream_chunk *chunk);
int upgrade_gap(struct upgrade *u, enum http_role role, uint64_t len, uint64_t ts_ns, enum gap_reason reason);

/* Position up to which the direction is known. */
uint64_t upgrade_offset(const struct upgrade *u, enum http_role role);

/* Nothing is read any more: WebSocket messages at hand are given, with that end. HTTP's are left alone. */
void upgrade_stop(struct upgrade *u, enum http_end end, const char *why);

void upgrade_done(struct upgrade *u);
