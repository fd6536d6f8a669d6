/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What one response has streamed so far, from its events: text is joined, audio is counted and hashed. Serves
 * twice: it gives the audio's bytes to the answer that the last event holds, and it is the answer if that
 * event never comes. Embedded by value; all zero is nothing yet. Names of events and members are those of the
 * realtime API, of its beta and of the Responses API. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "openai/session_audio.h"
#include "openai/session_text.h"

/* What the output of all responses of a session in flight may cost in memory, together. */
#define SESSION_MAX_OUTPUT	 ((size_t)4 << 20)
#define SESSION_MAX_OUTPUT_ITEMS 128 /* of one response */
#define SESSION_MAX_PARTS	 64  /* of one item */

/* Part of an item, or (without type) a text of the item itself: the arguments of a call. */
struct session_part {
	int64_t index;
	const char *list;   /* static: the item's member that it is in, or NULL */
	const char *type;   /* static; or NULL */
	const char *member; /* static: what its text is called */
	struct buf text;
	struct session_audio audio;
};

struct session_item {
	char *id; /* or NULL */
	int64_t index;
	json_t *value; /* as it was added, or as it is done; or NULL */
	size_t cost;   /* of value */
	struct session_part *parts;
	size_t n_parts, cap_parts;
};

struct session_output {
	struct session_item **items;
	size_t n_items, cap_items;
	size_t *room;	 /* borrowed: what the session may still keep */
	bool over_limit; /* some text or items were left out */
	bool has_token;	 /* text, audio or a call has begun */
};

/* Takes an event of the response; others than those of its output do nothing. 0; -ENOMEM. */
int session_output_add(struct session_output *out, const struct session_text *event);

/* Adds to the answer's output what only the stream had. output: array, changed in place. 0; -ENOMEM. */
int session_output_complete(struct session_output *out, json_t *output);

/* The output as far as it came, in the shape of the answer; *ret_output is NULL if there is none. 0; -ENOMEM.
 */
int session_output_take(struct session_output *out, json_t **ret_output);

void session_output_done(struct session_output *out);
