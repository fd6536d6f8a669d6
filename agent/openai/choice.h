/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One choice of a streamed chat completion or completion, joined from the choices of its index in the chunks.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "openai/join.h"

enum choice_shape {
	CHOICE_MESSAGE, /* pieces are called `delta`, joined they are the `message` */
	CHOICE_TEXT,	/* pieces of `text` */
};

struct choice {
	int64_t index;
	enum choice_shape shape;
	struct join content; /* the message, or the text */
	struct join logprobs;
	json_t *finish_reason;	/* string, or NULL */
	json_t *filter_results; /* object, or NULL */
	json_t *filter_offsets; /* object, or NULL */
	json_t *other;		/* object of unknown keys, or NULL */
};

/* 0; -ENOMEM. */
int choice_new(struct choice **ret_choice, int64_t index, enum choice_shape shape);
void choice_free(struct choice **choice);

/* Adds a chunk's choice of the same index; its values may be moved or changed. What does not fit is left out
 * and said in budget. 0; -ENOMEM. */
int choice_add(struct choice *choice, json_t *piece, struct join_budget *budget);

/* In the shape of the non-streaming answer; a new reference. 0; -ENOMEM. */
int choice_value(const struct choice *choice, json_t **ret_value);

/* A piece with text, a tool call or a refusal, and not only a role. */
bool choice_has_token(const json_t *piece, enum choice_shape shape);
