/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is said over a WebSocket: sessions of the realtime API (conversations, transcriptions, translations;
 * the names of its beta as well) and the Responses API over WebSocket. Messages go in, in the order in which
 * they came; exchanges come out, each as a request and a response that are like those of HTTP.
 *
 * An exchange is
 * - a response: its request is the client's response.create or, when the server begins by itself (voice
 * detection, steering), its response.created;
 * - a transcription of the user's audio (conversation.item.input_audio_transcription.completed or .failed),
 * which has a model and a usage of its own, in whatever session;
 * - at the session's end, what has been said and was not answered: items, audio that was never committed,
 * errors that belong to no response; of a translation all of it.
 *
 * Request: `input` has the conversation items since the exchange before (or response.create's own `input`:
 * then those wait for the next), `instructions`, `tools`, and in `parameters` the rest of the session's
 * configuration as it holds at that moment, response.create's members over it;
 * parameters.conversation_changes are the client's events that changed the conversation otherwise. Audio is
 * {bytes, sha256} wherever it stands: it is not kept. Response: from its last event; where that has no audio,
 * {bytes, sha256} of what was streamed stands in the content part. `extra` also has rate_limits as last said,
 * and session_errors (errors since the response before it that belong to no response). The status is 101.
 *
 * The messages that are given with them are made up: no headers, no body (`body` is NULL); target of the
 * handshake, conn_id of the connection, exchange = (number of the handshake << 32) + n, n from 1. What they
 * say of the body is about the payloads of WebSocket messages, concatenated. body_len says how much of them
 * could be read.
 * - A request has what the client sent since the request before it, its own response.create included.
 * - A response has the server's messages that name it (response_id; with the Responses API all that come
 * while it runs) and those that name none: these belong to the oldest response in flight, or if there is none
 * to the next exchange. So each message counts once.
 * - A transcription in a conversation has nothing of the client's and only its own last message; in a session
 * that only transcribes it is like a response. Times: a request is its response.create (or response.created;
 * of a transcription, the commit of its audio); a response goes from the first message that names it to the
 * last. chunks counts those.
 *
 * Messages that are no JSON objects count in the body and are said in `problem`. A session whose messages are
 * none of these APIs' gives no exchanges; its messages are counted as left out, and so is what follows the
 * last exchange.
 *
 * Memory is bounded by one message and the limits in session_input.h, session_output.h, session_config.h and
 * below, whatever comes; what is over a limit is left out and said in `problem`. No I/O, no clock; one thread
 * at a time. */

#include <stdint.h>

#include "openai/exchange.h"

#define SESSION_MAX_OPEN   32 /* responses in flight; the oldest gives way, as interrupted */
#define SESSION_MAX_ERRORS 16 /* that wait for the next response */

/* All borrowed for the call. A request is given before its response, and each gets exactly one, unless memory
 * runs out. */
struct openai_session_ops {
	void (*on_request)(void *ctx, const struct http_message *msg, const struct openai_request *req);
	/* req has no body members any more. */
	void (*on_response)(void *ctx, const struct http_message *msg, const struct openai_request *req,
			    const struct openai_response *resp);
};

struct openai_session_counts {
	uint64_t messages, bytes;	   /* all, closing ones included */
	uint64_t left_out, left_out_bytes; /* of these: in no exchange. Final once the session has ended */
	uint64_t unknown;		   /* JSON, but of a type that no API has */
	uint64_t unreadable;		   /* not a JSON object */
};

struct openai_session;

/* handshake and target (of its request; or NULL) are copied as far as needed, ops and ctx borrowed.
 * conn_id, exchange: of the handshake. 0; -ENOMEM. */
int openai_session_new(struct openai_session **ret_session, const struct openai_request *handshake,
		       const char *target, uint64_t conn_id, uint64_t exchange,
		       const struct openai_session_ops *ops, void *ctx);
/* Gives nothing more: call openai_session_end() first. */
void openai_session_free(struct openai_session **session);

/* A message of either side (protocol HTTP_WEBSOCKET). 0; -ENOMEM: what the message meant is lost in part, the
 * session goes on and the next response says so. */
int openai_session_message(struct openai_session *session, const struct http_message *msg);

/* The connection has ended, or the close of the session was seen: exchanges in flight are given as
 * interrupted. Again: nothing happens. ts_ns: monotonic. 0; -ENOMEM. */
int openai_session_end(struct openai_session *session, uint64_t ts_ns);

void openai_session_counts(const struct openai_session *session, struct openai_session_counts *ret_counts);
