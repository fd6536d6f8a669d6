/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/join.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/json.h"

static int add(struct join *join, json_t *piece, struct join_budget *budget, int depth);

bool join_budget_take(struct join_budget *budget, const json_t *value, const json_t *old)
{
	size_t back = old ? openai_json_weight(old, SIZE_MAX) : 0;
	size_t weight = openai_json_weight(value, budget->weight + back + 1);
	if (weight > budget->weight + back) {
		budget->over_limit = true;
		return false;
	}
	budget->weight = budget->weight + back - weight;
	return true;
}

static void item_free(struct join **item)
{
	if (!*item)
		return;
	join_done(*item);
	free(*item);
	*item = NULL;
}

/* Inserts at `at`. *ret_item is NULL if the budget is used up. */
static int insert_item(struct join *join, size_t at, const char *key, struct join_budget *budget,
		       struct join **ret_item)
{
	*ret_item = NULL;
	if (budget->nodes == 0) {
		budget->over_limit = true;
		return 0;
	}
	if (join->n_items == join->cap_items) {
		size_t cap = join->cap_items ? join->cap_items * 2 : 4;
		struct join **items = reallocarray(join->items, cap, sizeof(struct join *));
		if (!items)
			return -ENOMEM;
		join->items = items;
		join->cap_items = cap;
	}
	_cleanup_(item_free) struct join *item = calloc(1, sizeof(*item));
	if (!item || (key && !(item->key = strdup(key))))
		return -ENOMEM;
	memmove(join->items + at + 1, join->items + at, (join->n_items - at) * sizeof(struct join *));
	join->items[at] = *ret_item = TAKE_PTR(item);
	join->n_items++;
	budget->nodes--;
	return 0;
}

static bool taken_once(const char *key)
{
	return key && (!strcmp(key, "id") || !strcmp(key, "type") || !strcmp(key, "role"));
}

static int add_text(struct join *join, const json_t *piece, struct join_budget *budget)
{
	const char *text = json_string_value(piece);
	size_t len = json_string_length(piece);
	struct buf *b = &join->text;

	if (b->len && taken_once(join->key))
		return 0;
	if (b->len == len && len && join->key && !strcmp(join->key, "name") && !memcmp(b->data, text, len))
		return 0;
	if (len > budget->text) {
		budget->over_limit = true;
		return 0;
	}
	budget->text -= len;
	return buf_append(b, text, len);
}

static int add_members(struct join *join, json_t *piece, struct join_budget *budget, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach (piece, key, value) {
		struct join *member = (struct join *)join_member(join, key);
		if (!member && join->n_items == JOIN_MAX_MEMBERS) {
			budget->over_limit = true;
			continue;
		}
		int r = 0;
		if (!member)
			r = insert_item(join, join->n_items, key, budget, &member);
		if (r == 0 && member)
			r = add(member, value, budget, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether this id begins a call of its own, for servers that give no index. */
static bool is_other_call(const struct join *call, const json_t *element)
{
	const struct join *have = join_member(call, "id");
	const json_t *id = json_object_get(element, "id");
	size_t len = json_string_length(id);
	return len && have && have->text.len &&
	       (have->text.len != len || memcmp(have->text.data, json_string_value(id), len) != 0);
}

static int find_call(struct join *join, const json_t *element, struct join_budget *budget,
		     struct join **ret_call)
{
	const json_t *value = json_object_get(element, "index");
	struct join *last = join->n_items ? join->items[join->n_items - 1] : NULL;
	int64_t index = json_is_integer(value) ? json_integer_value(value) : 0;
	size_t at = join->n_items;

	if (!json_is_integer(value) && last)
		index = last->index + (is_other_call(last, element) && last->index < INT64_MAX);
	while (at && join->items[at - 1]->index > index)
		at--;
	if (at && join->items[at - 1]->index == index) {
		*ret_call = join->items[at - 1];
		return 0;
	}
	*ret_call = NULL;
	if (join->n_items == JOIN_MAX_CALLS) {
		budget->over_calls = true;
		return 0;
	}
	int r = insert_item(join, at, NULL, budget, ret_call);
	if (*ret_call) {
		(*ret_call)->index = index;
		(*ret_call)->kind = JOIN_OBJECT;
	}
	return r;
}

static int add_calls(struct join *join, json_t *piece, struct join_budget *budget, int depth)
{
	for (size_t i = 0; i < json_array_size(piece); i++) {
		json_t *element = json_array_get(piece, i);
		struct join *call = NULL;
		if (!json_is_object(element)) {
			budget->mixed = true;
			continue;
		}
		int r = find_call(join, element, budget, &call);
		if (r == 0 && call) {
			if (json_is_integer(json_object_get(element, "index")))
				json_object_del(element, "index");
			r = add_members(call, element, budget, depth + 1);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_array(struct join *join, json_t *piece, struct join_budget *budget)
{
	if (!join->value && !(join->value = json_array()))
		return -ENOMEM;
	if (!join_budget_take(budget, piece, NULL))
		return 0;
	return json_array_extend(join->value, piece) < 0 ? -ENOMEM : 0;
}

static int add_value(struct join *join, json_t *piece, struct join_budget *budget)
{
	if (!join_budget_take(budget, piece, join->value))
		return 0;
	json_decref(join->value);
	join->value = json_incref(piece);
	return 0;
}

static bool is_indexed(const struct join *join, const json_t *array, const struct join_budget *budget)
{
	if (join->key && !strcmp(join->key, "tool_calls"))
		return true;
	return budget->by_index && json_is_integer(json_object_get(json_array_get(array, 0), "index"));
}

static enum join_kind kind_of(const struct join *join, const json_t *piece, const struct join_budget *budget,
			      int depth)
{
	if (json_is_string(piece))
		return JOIN_TEXT;
	if (json_is_object(piece))
		return depth < JOIN_MAX_DEPTH ? JOIN_OBJECT : JOIN_VALUE;
	if (json_is_array(piece))
		return is_indexed(join, piece, budget) ? JOIN_CALLS : JOIN_ARRAY;
	return JOIN_VALUE;
}

static int add(struct join *join, json_t *piece, struct join_budget *budget, int depth)
{
	if (json_is_null(piece)) {
		if (join->kind == JOIN_NONE)
			join->kind = JOIN_NULL;
		return 0;
	}
	enum join_kind kind = kind_of(join, piece, budget, depth);
	if (join->kind == JOIN_NONE || join->kind == JOIN_NULL) {
		join->kind = kind;
		buf_init(&join->text, SIZE_MAX / 4);
	}
	/* An empty array is of either kind. */
	if (join->kind == JOIN_ARRAY && kind == JOIN_CALLS && !json_array_size(join->value))
		join->kind = JOIN_CALLS;
	if (join->kind == JOIN_CALLS && kind == JOIN_ARRAY && !json_array_size(piece))
		return 0;
	if (join->kind != kind) {
		budget->mixed = true;
		return 0;
	}
	switch (kind) {
	case JOIN_TEXT:
		return add_text(join, piece, budget);
	case JOIN_OBJECT:
		return add_members(join, piece, budget, depth);
	case JOIN_CALLS:
		return add_calls(join, piece, budget, depth);
	case JOIN_ARRAY:
		return add_array(join, piece, budget);
	default:
		return add_value(join, piece, budget);
	}
}

int join_add(struct join *join, json_t *piece, struct join_budget *budget)
{
	return add(join, piece, budget, 0);
}

static int items_value(const struct join *join, json_t **ret_value)
{
	bool calls = join->kind == JOIN_CALLS;
	json_auto_t *all = calls ? json_array() : json_object();
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < join->n_items; i++) {
		json_t *value = NULL;
		int r = join_value(join->items[i], &value);
		if (r < 0)
			return r;
		if (!value)
			continue;
		if ((calls ? json_array_append_new(all, value)
			   : json_object_set_new_nocheck(all, join->items[i]->key, value)) < 0)
			return -ENOMEM;
	}
	*ret_value = json_incref(all);
	return 0;
}

int join_value(const struct join *join, json_t **ret_value)
{
	json_t *value = NULL;

	switch (join->kind) {
	case JOIN_NONE:
		*ret_value = NULL;
		return 0;
	case JOIN_NULL:
		value = json_null();
		break;
	case JOIN_TEXT:
		value = json_stringn_nocheck(join->text.len ? (const char *)join->text.data : "",
					     join->text.len);
		break;
	case JOIN_VALUE:
	case JOIN_ARRAY:
		value = join->value ? json_incref(join->value) : json_null();
		break;
	case JOIN_OBJECT:
	case JOIN_CALLS:
		return items_value(join, ret_value);
	}
	if (!value)
		return -ENOMEM;
	*ret_value = value;
	return 0;
}

const struct join *join_member(const struct join *join, const char *key)
{
	for (size_t i = 0; i < join->n_items; i++)
		if (join->items[i]->key && !strcmp(join->items[i]->key, key))
			return join->items[i];
	return NULL;
}

void join_done(struct join *join)
{
	for (size_t i = 0; i < join->n_items; i++)
		item_free(&join->items[i]);
	free(join->items);
	free(join->key);
	buf_done(&join->text);
	json_decref(join->value);
	*join = (struct join){0};
}
