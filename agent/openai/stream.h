/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Joins a streamed chat completion into the body that the non-streaming answer would have had. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "openai/exchange.h"
#include "openai/notes.h"

/* Choices of one stream that are kept (the API allows n up to 128). */
#define STREAM_MAX_CHOICES 128

struct openai_stream {
	json_t *answer; /* owned; NULL if no event was a chunk of a chat completion or an error */
	uint64_t chunks;
	bool done;	 /* it said that it is complete */
	bool unfinished; /* a choice without finish_reason, or no choice at all */
	bool inexact;	 /* answer is not all that the events say: the body is worth keeping */
	uint64_t first_token_ts_ns;
};

/* The body looks like server-sent events. */
bool openai_stream_detect(const struct http_message *msg);

/* kind: whose chunks they are; OPENAI_UNKNOWN only counts and looks for the end.
 * What is left out or cannot be read goes to notes. Linear in the size of the body. 0; -ENOMEM. */
int openai_stream_read(struct openai_stream *ret_stream, const struct http_message *msg,
		       enum openai_kind kind, struct openai_notes *notes);
void openai_stream_done(struct openai_stream *stream);
