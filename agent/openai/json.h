/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads JSON text (RFC 8259) as it comes from strangers, and says whether the value is all that the text
 * says.
 *
 * - An integer beyond 64 bits, or a number beyond a double, becomes a string of the same characters,
 * - a lone surrogate escape U+FFFD;
 * - of a repeated key the last value counts;
 * - what is open at the end of the text is closed. A number, literal or key that the end cut is left out, and
 *   so is a string of less than JSON_CUT_STRING_MIN bytes or directly in the outermost object: half a name is
 *   a wrong name. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "openai/notes.h"

/* Limit of one text, because a value in memory takes up to 100 times its text: 8 for each object and array
 * and 1 for each comma may sum up to this (about 80 MB at worst, if max_body allows for it). */
#define JSON_MAX_WEIGHT	    (2u << 20)
#define JSON_CUT_STRING_MIN 64

enum openai_json_flaw {
	JSON_CUT = 1 << 0,	  /* ends inside the value; the value is exact up to there */
	JSON_BIG_NUMBER = 1 << 1, /* value differs from the text */
	JSON_SURROGATE = 1 << 2,  /* value differs from the text */
	JSON_DUPLICATE = 1 << 3,  /* value differs from the text */
	JSON_BAD_UTF8 = 1 << 4,	  /* no value */
	JSON_BAD_SYNTAX = 1 << 5, /* no value */
	JSON_NUL_KEY = 1 << 6,	  /* no value */
	JSON_TOO_DEEP = 1 << 7,	  /* no value: more than 2048 levels */
	JSON_TOO_MANY = 1 << 8,	  /* no value: over JSON_MAX_WEIGHT */
};

/* The value, if there is one, is not what the text says. */
#define JSON_INEXACT (JSON_BIG_NUMBER | JSON_SURROGATE | JSON_DUPLICATE)

struct openai_json {
	json_t *value;	/* owned, or NULL */
	unsigned flaws; /* enum openai_json_flaw; 0: value is what the text says */
	size_t offset;	/* of the first flaw, in bytes; a parser's place, so the flaw may lie a little before
			   it */
};

/* text need not be NUL-terminated. 0 with or without a value; -ENOMEM. */
int openai_json_read(const uint8_t *text, size_t len, struct openai_json *ret_json);

/* One sentence for the flaws; `what` is what they are in ("the body"). 0; -ENOMEM. */
int openai_json_note(struct openai_notes *notes, const char *what, unsigned flaws, uint64_t offset);

/* A string of at least one character, without control characters: copied to *ret_text, which the caller
 * frees. 0; -EBADMSG: not such a value; -ENOMEM. */
int openai_json_name(const json_t *value, char **ret_text);

/* Weight of a value as in JSON_MAX_WEIGHT, counted to `limit` at most. */
size_t openai_json_weight(const json_t *value, size_t limit);
