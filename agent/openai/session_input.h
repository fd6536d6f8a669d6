/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a session has been given since its last exchange: conversation items, audio, and what else changed the
 * conversation. Embedded by value; all zero is nothing. Bounded by the limits below; what is over them is
 * counted.
 *
 * An item that the client creates is said again by the server (created, added, done); it counts once. Audio
 * that is committed becomes a message of the user, {type: "message", role: "user", content: [{type:
 * "input_audio", audio: {bytes, sha256}, transcript?}]}, which is all the bytes that were sent since the last
 * commit: with voice detection the server decides what of them it uses. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "openai/session_audio.h"
#include "openai/session_text.h"

#define SESSION_MAX_INPUT   ((size_t)2 << 20) /* what items and changes may cost in memory */
#define SESSION_MAX_ITEMS   1024	      /* items and changes */
#define SESSION_MAX_COMMITS 32		      /* commits of the client without an answer */
#define SESSION_MAX_ECHOES  64		      /* items of the client without an answer */
#define SESSION_MAX_KNOWN   256		      /* ids that are known again */
#define SESSION_MAX_HEARD   32		      /* items whose audio is known again when it is transcribed */

struct session_input {
	json_t *items, *changes; /* arrays, or NULL */
	size_t cost;
	uint64_t left_out; /* items and changes over a limit */

	struct session_audio buffer;	      /* appended, not committed */
	json_t *commits[SESSION_MAX_COMMITS]; /* items of the client's commits, oldest first */
	size_t n_commits;
	uint64_t echoes[SESSION_MAX_ECHOES]; /* hashes of type and role, oldest first */
	size_t n_echoes;
	uint64_t known[SESSION_MAX_KNOWN]; /* hashes of ids; a ring */
	size_t n_known;
	struct {
		uint64_t id;
		uint64_t ts_ns;
		json_t *audio;	    /* {bytes, sha256} */
	} heard[SESSION_MAX_HEARD]; /* a ring */
	size_t n_heard;
};

/* All return 0 or -ENOMEM; values are kept by reference. */

/* input_audio_buffer.append, .commit and .clear by the client, .committed by the server. */
int session_input_append(struct session_input *in, const struct session_text *event);
int session_input_commit(struct session_input *in);
int session_input_clear(struct session_input *in);
int session_input_committed(struct session_input *in, const char *item_id, uint64_t ts_ns);
/* The server did not take the client's oldest commit. */
int session_input_uncommitted(struct session_input *in);

/* conversation.item.create by the client; what the server says of an item. */
int session_input_create(struct session_input *in, json_t *item);
int session_input_added(struct session_input *in, json_t *item);
/* An item that is known to come from the model: it is not input. */
void session_input_know(struct session_input *in, const char *item_id);

/* Input that is no conversation item of its own (response.steer), and what else the client does to the
 * conversation (truncate, delete). */
int session_input_add(struct session_input *in, json_t *item);
int session_input_change(struct session_input *in, json_t *event);

/* The transcript of an item's audio, where the item still waits. */
int session_input_transcribed(struct session_input *in, const char *item_id, json_t *transcript);
/* {bytes, sha256} of the item's audio as committed, and when; borrowed, or NULL. */
json_t *session_input_heard(const struct session_input *in, const char *item_id, uint64_t *ret_ts_ns);
/* Takes the item out of those that wait; NULL if it is not there. */
json_t *session_input_pick(struct session_input *in, const char *item_id);
/* Audio that was appended and never committed becomes an item, if there is any. transcript: of it, if len is
 * not 0. */
int session_input_rest(struct session_input *in, const char *transcript, size_t len);

/* Gives what there is; arrays, or NULL for none. */
void session_input_take(struct session_input *in, json_t **ret_items, json_t **ret_changes);
bool session_input_is_empty(const struct session_input *in);

void session_input_done(struct session_input *in);
