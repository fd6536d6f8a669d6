/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/choice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

int choice_new(struct choice **ret_choice, int64_t index, enum choice_shape shape)
{
	struct choice *choice = calloc(1, sizeof(*choice));
	if (!choice)
		return -ENOMEM;
	choice->index = index;
	choice->shape = shape;
	*ret_choice = choice;
	return 0;
}

void choice_free(struct choice **choice)
{
	struct choice *c = *choice;
	if (!c)
		return;
	join_done(&c->content);
	join_done(&c->logprobs);
	json_decref(c->finish_reason);
	json_decref(c->filter_results);
	json_decref(c->filter_offsets);
	json_decref(c->other);
	free(c);
	*choice = NULL;
}

static int make_object(json_t **object)
{
	if (!*object)
		*object = json_object();
	return *object ? 0 : -ENOMEM;
}

static int keep(json_t **object, const char *key, json_t *value, struct join_budget *budget)
{
	int r = make_object(object);
	if (r < 0)
		return r;
	const json_t *old = json_object_get(*object, key);
	if (old && json_is_null(value))
		return 0;
	if (!join_budget_take(budget, value, old))
		return 0;
	return json_object_set(*object, key, value) < 0 ? -ENOMEM : 0;
}

/* Later pieces speak of later text: what was once filtered stays filtered. */
static int add_filter_results(struct choice *choice, json_t *results, struct join_budget *budget)
{
	const char *category;
	json_t *verdict;

	int r = make_object(&choice->filter_results);
	json_object_foreach (results, category, verdict) {
		const json_t *have = json_object_get(choice->filter_results, category);
		if (json_is_true(json_object_get(have, "filtered")) &&
		    !json_is_true(json_object_get(verdict, "filtered")))
			continue;
		if (r == 0)
			r = keep(&choice->filter_results, category, verdict, budget);
	}
	return r;
}

/* The span that all results together speak of. */
static int add_filter_offsets(struct choice *choice, json_t *offsets, struct join_budget *budget)
{
	const char *key;
	json_t *value;

	int r = make_object(&choice->filter_offsets);
	json_object_foreach (offsets, key, value) {
		const json_t *have = json_object_get(choice->filter_offsets, key);
		if (json_is_integer(have) && json_is_integer(value)) {
			json_int_t a = json_integer_value(have), b = json_integer_value(value);
			if (!strcmp(key, "start_offset") ? b >= a : b <= a)
				continue;
		}
		if (r == 0)
			r = keep(&choice->filter_offsets, key, value, budget);
	}
	return r;
}

static int add_member(struct choice *choice, const char *key, json_t *value, struct join_budget *budget)
{
	if (!strcmp(key, "index"))
		return 0;
	bool message = choice->shape == CHOICE_MESSAGE;
	if (!strcmp(key, message ? "delta" : "text")) {
		if (message ? json_is_object(value) : json_is_string(value))
			return join_add(&choice->content, value, budget);
		budget->mixed |= !json_is_null(value);
		return 0;
	}
	if (!strcmp(key, "logprobs"))
		return join_add(&choice->logprobs, value, budget);
	if (!strcmp(key, "finish_reason") && (json_is_string(value) || json_is_null(value))) {
		if (json_is_string(value)) {
			json_decref(choice->finish_reason);
			choice->finish_reason = json_incref(value);
		}
		return 0;
	}
	if (!strcmp(key, "content_filter_results") && json_is_object(value))
		return add_filter_results(choice, value, budget);
	if (!strcmp(key, "content_filter_offsets") && json_is_object(value))
		return add_filter_offsets(choice, value, budget);
	return keep(&choice->other, key, value, budget);
}

int choice_add(struct choice *choice, json_t *piece, struct join_budget *budget)
{
	const char *key;
	json_t *value;

	json_object_foreach (piece, key, value) {
		int r = add_member(choice, key, value, budget);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Role and content first, content also if it never came (a call of a tool only). */
static int message_value(const struct choice *choice, json_t **ret_message)
{
	json_t *joined = NULL;
	const char *key;
	json_t *value;

	int r = join_value(&choice->content, &joined);
	if (r < 0)
		return r;
	json_auto_t *all = joined;
	json_auto_t *message = json_object();
	value = json_object_get(all, "role");
	if (!message || (value && json_object_set_nocheck(message, "role", value) < 0))
		return -ENOMEM;
	value = json_object_get(all, "content");
	if (json_object_set_new_nocheck(message, "content", value ? json_incref(value) : json_null()) < 0)
		return -ENOMEM;
	json_object_foreach (all, key, value)
		if (strcmp(key, "role") != 0 && strcmp(key, "content") != 0 &&
		    json_object_set_nocheck(message, key, value) < 0)
			return -ENOMEM;
	*ret_message = json_incref(message);
	return 0;
}

/* `message`, or `text`; nothing if no piece had it. */
static int put_content(const struct choice *choice, json_t *value)
{
	bool message = choice->shape == CHOICE_MESSAGE;
	json_t *content = NULL;

	if (choice->content.kind == JOIN_NONE)
		return 0;
	int r = message ? message_value(choice, &content) : join_value(&choice->content, &content);
	if (r < 0)
		return r;
	return json_object_set_new_nocheck(value, message ? "message" : "text", content) < 0 ? -ENOMEM : 0;
}

int choice_value(const struct choice *choice, json_t **ret_value)
{
	json_t *part = NULL;
	const char *key;
	json_t *other;

	json_auto_t *value = json_object();
	if (!value || json_object_set_new_nocheck(value, "index", json_integer(choice->index)) < 0)
		return -ENOMEM;
	int r = put_content(choice, value);
	if (r == 0)
		r = join_value(&choice->logprobs, &part);
	if (r < 0)
		return r;
	if (part && json_object_set_new_nocheck(value, "logprobs", part) < 0)
		return -ENOMEM;
	part = choice->finish_reason ? json_incref(choice->finish_reason) : json_null();
	if (json_object_set_new_nocheck(value, "finish_reason", part) < 0)
		return -ENOMEM;
	if (choice->filter_results &&
	    json_object_set_nocheck(value, "content_filter_results", choice->filter_results) < 0)
		return -ENOMEM;
	if (choice->filter_offsets &&
	    json_object_set_nocheck(value, "content_filter_offsets", choice->filter_offsets) < 0)
		return -ENOMEM;
	json_object_foreach (choice->other, key, other)
		if (!json_object_get(value, key) && json_object_set_nocheck(value, key, other) < 0)
			return -ENOMEM;
	*ret_value = json_incref(value);
	return 0;
}

bool choice_has_token(const json_t *piece, enum choice_shape shape)
{
	if (shape == CHOICE_TEXT)
		return json_string_length(json_object_get(piece, "text")) > 0;
	json_t *delta = json_object_get(piece, "delta");
	const char *key;
	json_t *value;

	json_object_foreach (delta, key, value)
		if (strcmp(key, "role") != 0 &&
		    (json_string_length(value) || json_object_size(value) || json_array_size(value)))
			return true;
	return false;
}
