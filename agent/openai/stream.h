/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Joins a streamed answer (server-sent events) into the body that the non-streaming answer would have had.
 *
 * The shapes, by kind; whatever the stream has not said is absent:
 * - OPENAI_CHAT, OPENAI_COMPLETION: the completion.
 * - OPENAI_RESPONSE: the response of the last event, as it is. Without it, the response as it began, with the
 *   `output` that has come so far, and a `status` as it was (or "in_progress"). An output item has what its
 *   events said of it: text, refusal, arguments, annotations and so on in their places;
 *   `partial_images` {bytes, sha256, count} of previews, of which the last one is hashed. Audio, which is in
 *   no item, is `audio` {bytes, sha256, transcript?} beside the output.
 * - OPENAI_IMAGE: {data: [{b64_json}], created, usage, size, ...} and `partial_images` as above.
 * - OPENAI_SPEECH: {files: [{bytes, sha256}], usage}; the hash only if the end of the audio came.
 * - OPENAI_TRANSCRIPT: {text, usage, logprobs, segments}.
 * - OPENAI_RUN: the run in its last state, and beside its own members `thread` (the object, if the stream
 *   created it), `messages` and `steps` (arrays, in the order in which they began).
 *
 * An error that the stream tells (a data object with `error`, `event: error`, "type": "error") is the
 * answer's `error`, next to what came before it. Bytes and SHA-256 are of what was base64; of what was not,
 * there is no hash. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "openai/exchange.h"
#include "openai/notes.h"

/* Choices of one stream that are kept (the API allows n up to 128). */
#define STREAM_MAX_CHOICES 128
/* Output items of a response. */
#define STREAM_MAX_ITEMS 1024
/* Messages of a run, and as many steps. */
#define STREAM_MAX_ENTRIES 256

struct openai_stream {
	json_t *answer; /* owned; NULL if no event was of the kind, or an error, or the kind is not joined */
	uint64_t chunks;
	bool done;	 /* it said that it is complete: [DONE], or the kind's last event */
	bool unfinished; /* something without its end: a choice without finish_reason, or no choice at all; a
			  * response, image, speech or transcript without the last event; a run that goes on
			  */
	bool inexact;	 /* answer is not all that the events say: the body is worth keeping */
	uint64_t
		first_token_ts_ns; /* first event with text, arguments, refusal, audio or an image; 0: none */
};

/* The body looks like server-sent events. */
bool openai_stream_detect(const struct http_message *msg);

/* kind: whose events they are; of kinds that are not above, they are only counted and the end is looked for.
 * What is left out or cannot be read goes to notes, and so does the lack of an end. Linear in the size of the
 * body; memory is bounded by it and by the limits of join.h and json.h. 0; -ENOMEM. */
int openai_stream_read(struct openai_stream *ret_stream, const struct http_message *msg,
		       enum openai_kind kind, struct openai_notes *notes);
void openai_stream_done(struct openai_stream *stream);
