/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One output item of a streamed response, put together from the events of its output_index: the item as it
 * was added, parts and texts as they come, or the item as it was done, which replaces them. What comes for
 * something that is done already is left out and counted in rd->n_odd. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "openai/blob.h"
#include "openai/stream_family.h"

/* Parts and texts of one item that are kept. */
#define ITEM_MAX_SLOTS 1024

/* Where in an item the pieces of a text belong. */
enum item_text {
	ITEM_OUTPUT_TEXT,
	ITEM_REFUSAL,
	ITEM_REASONING,
	ITEM_SUMMARY,
	ITEM_FUNCTION_ARGUMENTS,
	ITEM_MCP_ARGUMENTS,
	ITEM_INPUT,
	ITEM_CODE,
	ITEM_DIFF,
	ITEM_COMMAND,
};

enum item_list { ITEM_NO_LIST, ITEM_CONTENT_LIST, ITEM_SUMMARY_LIST, ITEM_COMMAND_LIST };

struct item_slot;

struct item {
	int64_t index;
	json_t *base;	    /* as it was added or done; NULL: neither came */
	bool done;	    /* base is all there is to say */
	json_t *id;	    /* as its pieces call it; or NULL */
	const char *type;   /* static, as its pieces imply; or NULL */
	const char *status; /* static, by the last event that said one; or NULL */
	struct item_slot **slots;
	size_t n_slots, cap_slots;
	struct blob image; /* the last preview */
	uint64_t n_images;
};

/* 0; -ENOMEM. */
int item_new(struct item **ret_item, int64_t index);
void item_free(struct item **item);

/* The functions that add take references of their own. 0, also if something was left out; -ENOMEM. */
int item_set(struct item *item, json_t *value, bool done, struct stream_reader *rd);
/* index: place in the text's list, if it has one. whole: text is all of it. */
int item_add_text(struct item *item, enum item_text text, int64_t index, const json_t *piece, bool whole,
		  struct stream_reader *rd);
int item_set_part(struct item *item, enum item_list list, int64_t index, json_t *part, bool done,
		  struct stream_reader *rd);
/* Elements of the text part at that place. */
int item_add_annotation(struct item *item, int64_t index, json_t *annotation, struct stream_reader *rd);
int item_add_logprobs(struct item *item, int64_t index, json_t *logprobs, bool whole,
		      struct stream_reader *rd);
int item_add_image(struct item *item, const json_t *base64);

/* A new reference. Uses the item up: it can only be freed afterwards. 0; -ENOMEM. */
int item_value(struct item *item, struct stream_reader *rd, json_t **ret_value);
