/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by session.c, session_exchange.c and session_events.c only. */

#include "openai/notes.h"
#include "openai/session.h"
#include "openai/session_config.h"
#include "openai/session_input.h"
#include "openai/session_output.h"
#include "openai/session_tally.h"
#include "openai/session_text.h"

#define SESSION_MAX_CLOSED   64 /* ids of responses that are known to be over */
#define SESSION_MAX_NAME     512
#define SESSION_MAX_METADATA 32768 /* the API allows 16 pairs of 64 and 512 characters */

enum session_mode {
	SESSION_UNDECIDED, /* the first messages will tell */
	SESSION_REALTIME,
	SESSION_RESPONSES,
	SESSION_OTHER,
};

/* An exchange whose response is still to come. */
struct session_exchange {
	uint64_t number;
	struct openai_request *request; /* without its body members, once given */
	char *response_id;		/* NULL: response.created has not come */
	char *event_id;			/* of response.create; or NULL */
	char *lane;			/* stream_id of the Responses API; or NULL */
	json_t *metadata;		/* of response.create; or NULL */
	bool apart;			/* not of the conversation ("out of band") */
	bool lossy;			/* bytes of the server were lost since it began */
	struct session_tally server;
	uint64_t first_ts_ns, last_ts_ns, first_token_ts_ns, chunks;
	struct session_output output;
	bool over_open; /* gave way to another */
};

struct openai_session {
	const struct openai_session_ops *ops;
	void *ctx;
	struct openai_request *handshake; /* kind, operation and the names only */
	char *target;
	uint64_t conn_id, first_number, n_exchanges;
	enum session_mode mode;
	unsigned n_looked; /* messages while undecided */

	struct session_config config;
	struct session_input input;
	struct session_exchange *open[SESSION_MAX_OPEN]; /* oldest first */
	size_t n_open;
	size_t room;			     /* for the output of all of them */
	uint64_t closed[SESSION_MAX_CLOSED]; /* hashes of ids; a ring */
	size_t n_closed;
	struct session_tally client, loose; /* since the last request; of the server, for the next exchange */
	struct session_output spoken;	    /* of a translation */
	uint64_t spoken_ts_ns;
	struct buf heard; /* the transcript of a translation's input */

	json_t *errors; /* array, or NULL */
	uint64_t errors_left_out;
	json_t *rate_limits; /* or NULL */
	bool transcribes;    /* transcriptions are all that it does */
	bool starved;	     /* memory ran out */
	bool ended, closed_well;
	unsigned close_code; /* of the first closing message; 0: none */
	uint64_t late;	     /* messages of responses that are over */
	struct openai_session_counts counts;
};

/* --- session_exchange.c --- */

/* How an exchange comes to its end. */
struct session_close {
	json_t *answer;	  /* the response object of the last event; or NULL */
	json_t *error;	  /* the event that says so; or NULL */
	bool whole;	  /* nothing more is owed */
	uint64_t ts_ns;	  /* if no message of its own says when */
	const char *what; /* a note of fixed text; or NULL */
};

/* The exchange begins, its request is given. over: members that go over the configuration (realtime), or the
 * body (Responses); or NULL. takes_input: the items that wait are its input. 0; -ENOMEM. */
int session_open(struct openai_session *s, uint64_t first_ts_ns, uint64_t last_ts_ns, json_t *over,
		 bool takes_input, struct session_exchange **ret_exchange);
/* The response is given, the exchange is over. *exchange is NULL afterwards, whatever happens. 0; -ENOMEM. */
int session_close(struct openai_session *s, struct session_exchange **exchange,
		  const struct session_close *how);

/* A transcription: request and response at once. own: the tally of its message; NULL: as of a response. */
int session_transcription(struct openai_session *s, const struct http_message *msg, json_t *event,
			  struct session_tally *own);

void session_exchange_free(struct session_exchange **exchange);

/* --- session_events.c --- */

/* 0; -ENOMEM. text->value is NULL for what is no JSON object. */
int session_on_client(struct openai_session *s, const struct http_message *msg,
		      const struct session_text *text);
int session_on_server(struct openai_session *s, const struct http_message *msg,
		      const struct session_text *text);
