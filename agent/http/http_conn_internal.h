/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by http_conn.c, which feeds the parsers of a connection, and http_conn_pair.c, which takes their
 * messages and pairs responses with requests. */

#include "http/http1.h"
#include "http/http2.h"
#include "http/http_conn.h"
#include "http/pending.h"
#include "http/upgrade.h"

struct http_conn {
	uint64_t id;
	enum stream_dir request_dir;
	struct http_limits limits;
	const struct http_conn_ops *ops;
	void *ctx;

	struct http1 *requests, *responses; /* owned */
	struct http2 *http2;		    /* owned; set: it reads both directions from now on */
	bool spoke_http1;		    /* there was a message of HTTP/1 */
	uint64_t preface;		    /* where the first line of HTTP/2's preface ended, or 0 */
	struct upgrade upgrade;		    /* to WebSocket */
	uint64_t asking;		    /* upgrade.waiting: exchange whose answer decides */
	struct pending_queue queue;
	uint64_t exchanges; /* numbers given so far */
	uint64_t now_ns;    /* of the chunk or gap being read */
	bool lossy, pipelined, unpaired;
	bool out_of_memory;

	uint64_t request; /* exchange of the request at hand, 0: none */

	/* The response at hand. */
	bool response_begun, response_matched, response_orphan;
	uint64_t response;	 /* its exchange, once matched */
	uint64_t response_start; /* R of http_conn_pair.c */
	uint64_t response_peer;	 /* W of it */
	uint64_t response_ts_ns;
	uint64_t orphan_ts_ns; /* when the last response without request began */
};

static inline enum stream_dir http_conn_response_dir(const struct http_conn *c)
{
	return c->request_dir == STREAM_WRITE ? STREAM_READ : STREAM_WRITE;
}

/* --- pairs (http_conn_pair.c) ------------------------------------------------------------ */

/* What the two parsers of HTTP/1 call; ctx is the connection. */
extern const struct http1_ops http_conn_request_ops, http_conn_response_ops;

/* The response to this request is lost. */
void http_conn_give_unseen(struct http_conn *c, struct pending *e);

/* No request will be answered any more. */
void http_conn_release_unanswered(struct http_conn *c);

/* What the answer, or its loss, means for what the client sent after having asked for WebSocket. */
void http_conn_settle_upgrade(struct http_conn *c);

/* Both directions. why: static. */
void http_conn_stop_http1(struct http_conn *c, const char *why);
