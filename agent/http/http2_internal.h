/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by http2.c, which reads frames, and http2_stream.c, which makes messages of them. */

#include "base/buf.h"
#include "base/map.h"
#include "http/draft.h"
#include "http/hpack.h"
#include "http/http2.h"
#include "http/http2_fields.h"
#include "http/http2_frame.h"

/* One message of a stream. */
struct http2_half {
	struct http_draft draft; /* draft.msg: set from the message's beginning to its end */
	bool begun;
	bool head;   /* its header fields were read, as far as they can be: what comes now are trailers */
	bool ended;  /* given, or waiting to be: no more bytes belong to it */
	bool early;  /* ended because the stream said [DONE]: the end of its framing is still to come */
	bool lost;   /* bytes are missing in its direction that may be its own */
	bool capped; /* a limit was reached; `why` says which */
	enum gap_reason lost_reason;
	const char *why;
	uint64_t wire;	  /* bytes so far, missing ones included */
	uint64_t missing; /* of them, before the message began */
	enum gap_reason missing_reason;
	uint64_t data; /* bytes in DATA, padding not included, missing ones included */
	size_t heads;  /* counted in http2.heads */
	uint64_t last_ts_ns;
};

struct http2_stream {
	uint32_t id;
	uint64_t exchange;
	struct http2_half half[2];     /* by enum http_role */
	struct http_message *response; /* owned: ended, and waiting for the request to end, or to come */
	uint64_t kept;		       /* of it, counted in limits.budget */
	size_t heads;		       /* of it, counted in http2.heads */
	bool held;		       /* it waits for a request that has not come */
	bool head_method;	       /* the request's is HEAD */
	struct http2_stream *prev, *next;
};

enum http2_state {
	HTTP2_START,   /* the client's first bytes: a preface, or the middle of a connection */
	HTTP2_FRAME,   /* in a frame's header */
	HTTP2_PAYLOAD, /* in a frame's payload, `left` bytes to come */
	HTTP2_LOST,    /* waiting for a call that begins with frames */
	HTTP2_STOPPED,
};

/* Whose bytes those of the frame at hand are. */
enum http2_owner {
	HTTP2_OWN_CONNECTION, /* framing */
	HTTP2_OWN_MESSAGE,    /* of `stream` in this direction */
	HTTP2_OWN_NOBODY,     /* unreadable */
};

/* One direction. */
struct http2_side {
	enum http_role role;
	enum stream_dir dir;
	enum http2_state state;
	uint64_t offset, framing;
	uint64_t piece; /* number of the chunk being read */
	uint64_t ts_ns;
	const char *why;  /* LOST, STOPPED */
	uint64_t marked;  /* the last exchange that http2_mark_lost() has seen */
	bool strict;	  /* was lost before: frames must be plausible */
	uint32_t last_id; /* requests: the highest stream that was begun */
	size_t preface;	  /* START: bytes of it so far */

	/* The frame at hand. */
	uint8_t head[HTTP2_HEADER_LEN];
	size_t head_len;
	uint64_t frame_ts_ns; /* its first byte */
	struct http2_frame frame;
	uint32_t left;	  /* of its payload */
	uint8_t fixed[8]; /* what stands before its content */
	uint32_t fixed_len, fixed_want;
	uint32_t padding; /* at the payload's end */
	bool skip;	  /* its content cannot be read */
	enum http2_owner owner;
	struct http2_stream *stream; /* OWN_MESSAGE; NULL once it is gone */
	const char *nobody;	     /* OWN_NOBODY: why */

	/* The header block at hand. */
	bool block_open;
	uint32_t block_id;		   /* stream of its frames */
	struct http2_stream *block_stream; /* whose message it belongs to, or NULL */
	bool block_ends;		   /* it ends the message */
	bool block_skip;		   /* cannot be read any more */
	uint64_t block_ts_ns;
	struct buf block;
	struct hpack *hpack; /* owned */
};

struct http2 {
	uint64_t conn_id;
	const struct http_limits *limits;
	const struct http_conn_ops *ops;
	void *ctx;
	struct http2_side side[2];	   /* by enum http_role */
	struct map *streams;		   /* by their ids, mixed */
	struct http2_stream *first, *last; /* oldest first */
	uint64_t exchanges;
	size_t heads;		   /* bytes of header fields in messages that are not given yet */
	struct coding_total total; /* of all streams' bodies */
	size_t n_held;		   /* streams that are held */
	uint32_t goaway;	   /* the server answers no stream above */
	unsigned goaways;	   /* how often it said so */
	uint32_t max_frame;	   /* the largest payload that either side allows */
	uint64_t idle_ns; /* when a stream that said [DONE], or that is held, may be due; or UINT64_MAX */
	uint64_t now_ns;
	bool out_of_memory;
};

/* --- streams (http2_stream.c) ------------------------------------------------------------ */

struct http2_stream *http2_stream_find(struct http2 *h, uint32_t id);

/* Makes room first: the oldest stream is given up if there are too many. 0; -ENOMEM. */
int http2_stream_new(struct http2 *h, uint32_t id, struct http2_stream **ret_stream);

/* The message begins, with nothing known of its header fields. 0; -ENOMEM. */
int http2_begin(struct http2 *h, struct http2_stream *s, enum http_role role, uint64_t ts_ns);

/* The same, and they will not be: bytes of its body, or its trailers, came first. 0; -ENOMEM. */
int http2_begin_blind(struct http2 *h, struct http2_stream *s, enum http_role role, uint64_t ts_ns);

/* The message that begun is none: an interim response. Its bytes stay. */
void http2_unbegin(struct http2 *h, struct http2_stream *s, enum http_role role);

/* The stream has no message after all: its bytes are reported. Frees the stream. */
void http2_reject(struct http2 *h, struct http2_stream *s, enum http_role role, const char *why);

/* A flaw of the message. */
void http2_flaw(struct http2_half *half, const char *problem);

/* The message ends; one that has not begun is given without anything in it. problem: static, or NULL. May
 * free the stream. */
void http2_end(struct http2 *h, struct http2_stream *s, enum http_role role, enum http_end end,
	       const char *problem);

/* The rest of the framing of a message that ended early has come. May free the stream. */
void http2_early_over(struct http2 *h, struct http2_stream *s, enum http_role role);

/* Bytes of unknown number are missing in the direction, or cannot be read: each open message may lack a part.
 */
void http2_mark_lost(struct http2 *h, struct http2_side *side, enum gap_reason reason);
/* More of that, while the direction is lost: of streams that the other direction has opened since. */
void http2_mark_skipped(struct http2 *h, struct http2_side *side, enum gap_reason reason);

void http2_half_lost(struct http2_half *half, enum gap_reason reason);

/* A RST_STREAM of either side; text says which. Frees the stream. */
void http2_reset(struct http2 *h, struct http2_stream *s, const char *text);

/* The server answers no stream above that one. */
void http2_refuse_above(struct http2 *h, uint32_t last_id);
/* If it said so of this one, whose request has begun. May free the stream. */
void http2_refuse(struct http2 *h, struct http2_stream *s);

/* The request does not come any more, of all responses that began before ts_ns. */
void http2_release_held(struct http2 *h, uint64_t ts_ns);

/* Body bytes of the message. 0; -ENOMEM. */
int http2_body(struct http2 *h, struct http2_side *side, struct http2_half *half, const uint8_t *data,
	       size_t len);

/* All streams end, in order. */
void http2_end_all(struct http2 *h, enum http_end end, const char *problem);
void http2_free_all(struct http2 *h);

/* --- header blocks (http2_block.c) ------------------------------------------------------- */

/* The stream's message in that direction while it has not ended; or NULL, also if s is. */
struct http2_half *http2_half_of(const struct http2_side *side, struct http2_stream *s);

/* More of the block at hand. 0; -ENOMEM. */
int http2_block_bytes(struct http2 *h, struct http2_side *side, const uint8_t *data, size_t len);

/* It is whole. May free its stream. 0; -ENOMEM. */
int http2_block_end(struct http2 *h, struct http2_side *side);

/* Bytes of it are missing; what is there is read. 0; -ENOMEM. */
int http2_block_lose(struct http2 *h, struct http2_side *side, enum gap_reason reason);

/* The sender broke it off, or its frames contradict themselves. 0; -ENOMEM. */
int http2_block_break(struct http2 *h, struct http2_side *side, const char *problem);

/* No more of it comes, whether it was read or not. May free its stream. */
void http2_block_close(struct http2 *h, struct http2_side *side);

/* The connection's end cuts it short: what can be read of it is, and nothing is no message. 0; -ENOMEM. */
int http2_block_cut(struct http2 *h, struct http2_side *side);

/* --- the rest (http2.c) ------------------------------------------------------------------ */

void http2_unreadable(struct http2 *h, enum http_role role, uint64_t len, bool missing, const char *why);
