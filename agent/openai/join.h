/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Joins the deltas of one message into the message. A tree of values, each built from its pieces in time
 * linear in their length:
 * - strings are concatenated; `id`, `type` and `role` are taken once, from the first that is not empty, and a
 *   `name` that is only repeated is not;
 * - objects are joined member by member;
 * - `tool_calls` is joined element by element by the elements' `index` (which is left out of the result);
 *   without `index` a new `id` begins a new element;
 * - so is, if the budget says by_index, every array whose first element has an `index`;
 * - other arrays are concatenated;
 * - of anything else the last one counts, and null never replaces a value. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"

#define JOIN_MAX_NODES	 16384 /* values in all trees that share a budget */
#define JOIN_MAX_MEMBERS 64    /* members of one object */
#define JOIN_MAX_CALLS	 128   /* elements of one array that is joined by index */
#define JOIN_MAX_DEPTH	 8     /* below it the last value counts, as a whole */

/* Shared by the trees of one stream. The flags after by_index say what was left out. */
struct join_budget {
	size_t nodes;	 /* left */
	size_t weight;	 /* left, of values kept as they are (json.h) */
	size_t text;	 /* left, in bytes */
	bool by_index;	 /* see above */
	bool over_limit; /* some values */
	bool over_calls; /* some elements of arrays that are joined by index */
	bool mixed;	 /* pieces that are not of the kind of those before */
};

enum join_kind { JOIN_NONE, JOIN_NULL, JOIN_TEXT, JOIN_VALUE, JOIN_OBJECT, JOIN_ARRAY, JOIN_CALLS };

/* A value; all zero is one that has got nothing yet. */
struct join {
	char *key;     /* owned; NULL for roots and elements */
	int64_t index; /* of an element of JOIN_CALLS */
	enum join_kind kind;
	struct buf text;
	json_t *value; /* JOIN_VALUE, JOIN_ARRAY */
	struct join **items;
	size_t n_items, cap_items;
};

/* 0, also when something was left out; -ENOMEM. */
int join_add(struct join *join, json_t *piece, struct join_budget *budget);

/* What was joined, a new reference; *ret_value is NULL if nothing was ever added. 0; -ENOMEM. */
int join_value(const struct join *join, json_t **ret_value);

/* The member of a JOIN_OBJECT, or NULL. Borrowed. */
const struct join *join_member(const struct join *join, const char *key);

void join_done(struct join *join);

/* Pays for a value that is about to be kept in place of `old` (or NULL). False: over the limit, nothing paid.
 */
bool join_budget_take(struct join_budget *budget, const json_t *value, const json_t *old);
