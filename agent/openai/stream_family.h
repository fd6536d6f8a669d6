/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the reader of streams (stream.c) and the families of streams share. A family knows the events of some
 * operations and joins them; it is one file with one table of operations, entered in stream.c.
 *
 * The driver takes the events apart: JSON, `[DONE]`, errors, and what follows the end. Families see objects
 * only, in order, and never a byte of the body. What they keep of an event is bounded by the budget, or is
 * one value that replaces the one before. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "http/message.h"
#include "openai/join.h"
#include "openai/notes.h"

/* Borrowed for the call; values of data may be moved or changed. */
struct stream_event {
	const char *name; /* its `event:` line, "" without one */
	const char *type; /* data's `type`; without it the name */
	json_t *data;	  /* object */
	bool error;	  /* it tells an error, which the driver has taken */
	uint64_t last;	  /* place of its last byte in the body */
};

/* While one body is read. Families set the members of the second block. */
struct stream_reader {
	const struct http_message *msg;
	json_t *error; /* the first one, owned; or NULL */

	struct join_budget budget;
	uint64_t first_token_ts_ns;
	bool done;	    /* the end was said; more events may come all the same */
	bool closed;	    /* no event may come any more */
	bool unfinished;    /* by answer(): it lacks what a complete one has */
	bool settled;	    /* the answer is what one event says: flaws of those before do not touch it */
	uint64_t n_unknown; /* events of no known type */
	uint64_t n_odd;	    /* events that lack what they must say: an index, a text; left out */
};

struct stream_ops {
	size_t state_size; /* bytes of the family's state, which begins all zero */
	bool chunks;	   /* data has no `type`: an `error` in any of them is the stream's */
	bool says_done;	   /* its end is [DONE] */

	/* 0; -ENOMEM. */
	int (*event)(struct stream_reader *rd, void *state, const struct stream_event *event);

	/* After the last event. *ret_answer: a new reference to an object of the caller's own, or NULL if no
	 * event was the family's. 0; -ENOMEM. */
	int (*answer)(struct stream_reader *rd, void *state, json_t **ret_answer);

	/* What is left out or remarkable, if there is an answer; *inexact is set if the body is worth keeping
	 * for it. NULL: the family has nothing of its own to say. 0; -ENOMEM. */
	int (*note)(const struct stream_reader *rd, const void *state, struct openai_notes *notes,
		    bool *inexact);

	void (*done)(void *state);
};

extern const struct stream_ops stream_chat, stream_completion;
extern const struct stream_ops stream_response;
extern const struct stream_ops stream_image;
extern const struct stream_ops stream_speech;
extern const struct stream_ops stream_transcript;
extern const struct stream_ops stream_run;

/* The event brings something of the answer: the first one is remembered by its time. */
void stream_token(struct stream_reader *rd, const struct stream_event *event);

/* Adds value, unless it is NULL. 0; -ENOMEM. */
int stream_put(json_t *object, const char *key, json_t *value);
/* The same, and value's reference is taken; NULL is an allocation that failed. */
int stream_put_new(json_t *object, const char *key, json_t *value);

/* *slot becomes value, a new reference. For values of which there is one in a stream: not in the budget. */
void stream_replace(json_t **slot, json_t *value);

/* Adds the elements to *array, which is made if it is NULL. What the budget does not allow is left out. 0;
 * -ENOMEM. */
int stream_extend(json_t **array, json_t *more, struct join_budget *budget);
