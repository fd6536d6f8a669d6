/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The messages of one direction that belong to one exchange, taken together: bytes, hash, times, losses. The
 * payloads are concatenated in the order in which they came. Embedded by value; all zero is none yet. */

#include "base/digest.h"
#include "http/message.h"

struct session_tally {
	struct sha256 *sha; /* owned; NULL until the first message */
	bool inexact;	    /* bytes are missing from what was hashed */
	uint64_t messages, bytes, kept, missing, wire;
	uint64_t unread, flawed; /* messages that were no JSON object, or not exactly one; by the caller */
	enum gap_reason reason;
	enum http_end end; /* the first that is not HTTP_END_COMPLETE */
	const char *problem;
	uint64_t first_ts_ns, last_ts_ns;
};

/* 0; -ENOMEM: the message counts but its bytes are not in the hash, which is not given then. */
int session_tally_add(struct session_tally *tally, const struct http_message *msg);

/* Fills what an event says of the body and of losses, and starts anew. The body itself is not there: body is
 * NULL while body_len says how much of it was kept by the http stage (and so could be read). */
void session_tally_take(struct session_tally *tally, struct http_message *msg);

void session_tally_done(struct session_tally *tally);
