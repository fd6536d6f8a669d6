/* SPDX-License-Identifier: Apache-2.0 */

/* Chat completions and completions: chunks, each with pieces of choices. */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/choice.h"
#include "openai/stream.h"
#include "openai/stream_family.h"

struct chunks {
	struct choice *choices[STREAM_MAX_CHOICES]; /* by rising index */
	size_t n_choices;
	bool over_choices, bad_choice;
	bool has_choices; /* a `choices` array was seen, maybe empty */

	json_t *top; /* object: the answer's members but choices, usage, error and the prompt's filter results
		      */
	json_t *usage, *prompt_filter;
};

/* Azure's first chunk and the results of its asynchronous filter: they speak about the answer, and what they
 * say of its id, model and time is empty or wrong. */
static bool is_annotation(const json_t *chunk)
{
	const json_t *id = json_object_get(chunk, "id");
	const json_t *choices = json_object_get(chunk, "choices");

	if (!json_is_string(id) || json_string_length(id))
		return false;
	for (size_t i = 0; i < json_array_size(choices); i++) {
		const json_t *choice = json_array_get(choices, i);
		if (json_object_get(choice, "delta") || json_object_get(choice, "text"))
			return false;
	}
	return true;
}

static int find_choice(struct chunks *c, const json_t *piece, enum choice_shape shape,
		       struct choice **ret_choice)
{
	const json_t *value = json_object_get(piece, "index");
	int64_t index = json_is_integer(value) ? json_integer_value(value) : 0;
	size_t at = c->n_choices;

	*ret_choice = NULL;
	if (!json_is_object(piece) || (value && !json_is_integer(value)) || index < 0) {
		c->bad_choice = true;
		return 0;
	}
	while (at && c->choices[at - 1]->index > index)
		at--;
	if (at && c->choices[at - 1]->index == index) {
		*ret_choice = c->choices[at - 1];
		return 0;
	}
	if (c->n_choices == STREAM_MAX_CHOICES) {
		c->over_choices = true;
		return 0;
	}
	struct choice *choice;
	int r = choice_new(&choice, index, shape);
	if (r < 0)
		return r;
	memmove(c->choices + at + 1, c->choices + at, (c->n_choices - at) * sizeof(c->choices[0]));
	c->choices[at] = *ret_choice = choice;
	c->n_choices++;
	return 0;
}

static int add_choices(struct stream_reader *rd, struct chunks *c, json_t *choices, enum choice_shape shape,
		       const struct stream_event *event)
{
	c->has_choices = true;
	for (size_t i = 0; i < json_array_size(choices); i++) {
		json_t *piece = json_array_get(choices, i);
		struct choice *choice;
		if (choice_has_token(piece, shape))
			stream_token(rd, event);
		int r = find_choice(c, piece, shape, &choice);
		if (r == 0 && choice)
			r = choice_add(choice, piece, &rd->budget);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_identity(const char *key)
{
	return !strcmp(key, "id") || !strcmp(key, "model") || !strcmp(key, "created") ||
	       !strcmp(key, "object");
}

static bool is_blank(const json_t *value)
{
	return json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
	       (json_is_integer(value) && !json_integer_value(value));
}

/* id, model, created and object: the first that is said. Of the others the last, and null replaces nothing.
 */
static int add_top(struct stream_reader *rd, struct chunks *c, const char *key, json_t *value)
{
	const json_t *have = json_object_get(c->top, key);

	if (is_identity(key) ? have || is_blank(value) : have && json_is_null(value))
		return 0;
	if (json_is_string(have) && json_equal(have, value))
		return 0;
	if (!strcmp(key, "object") && json_is_string(value) &&
	    !strcmp(json_string_value(value), "chat.completion.chunk"))
		return stream_put_new(c->top, key, json_string("chat.completion"));
	if (!join_budget_take(&rd->budget, value, have))
		return 0;
	return json_object_set(c->top, key, value) < 0 ? -ENOMEM : 0;
}

static int add_member(struct stream_reader *rd, struct chunks *c, const char *key, json_t *value,
		      bool annotation)
{
	if (!strcmp(key, "obfuscation") || !strcmp(key, "error")) /* random padding; the driver's */
		return 0;
	if (!strcmp(key, "usage") && (json_is_object(value) || json_is_null(value))) {
		if (json_is_object(value))
			stream_replace(&c->usage, value);
		return 0;
	}
	if ((!strcmp(key, "prompt_filter_results") || !strcmp(key, "prompt_annotations")) &&
	    json_is_array(value))
		return stream_extend(&c->prompt_filter, value, &rd->budget);
	if (annotation && (is_identity(key) || is_blank(value)))
		return 0;
	return add_top(rd, c, key, value);
}

static int add_chunk(struct stream_reader *rd, struct chunks *c, const struct stream_event *event,
		     enum choice_shape shape)
{
	bool annotation = is_annotation(event->data);
	const char *key;
	json_t *value;

	if (!c->top && !(c->top = json_object()))
		return -ENOMEM;
	/* `event: error` whose data is the error itself. */
	if (event->error && !json_object_get(event->data, "error"))
		return 0;
	json_object_foreach (event->data, key, value) {
		int r = !strcmp(key, "choices") && json_is_array(value)
				? add_choices(rd, c, value, shape, event)
				: add_member(rd, c, key, value, annotation);
		if (r < 0)
			return r;
	}
	return 0;
}

static int chat_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	return add_chunk(rd, state, event, CHOICE_MESSAGE);
}

static int completion_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	return add_chunk(rd, state, event, CHOICE_TEXT);
}

static int put_choices(const struct chunks *c)
{
	if (!c->has_choices)
		return 0;
	json_auto_t *choices = json_array();
	if (!choices)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_choices; i++) {
		json_t *value;
		int r = choice_value(c->choices[i], &value);
		if (r < 0)
			return r;
		if (json_array_append_new(choices, value) < 0)
			return -ENOMEM;
	}
	return stream_put(c->top, "choices", choices);
}

static int chunks_answer(struct stream_reader *rd, void *state, json_t **ret_answer)
{
	const struct chunks *c = state;

	rd->unfinished = c->n_choices == 0;
	for (size_t i = 0; i < c->n_choices; i++)
		rd->unfinished |= !c->choices[i]->finish_reason;
	if (!c->has_choices && !rd->error)
		return 0;
	int r = put_choices(c);
	if (r == 0)
		r = stream_put(c->top, "usage", c->usage);
	if (r == 0)
		r = stream_put(c->top, "prompt_filter_results", c->prompt_filter);
	if (r == 0)
		*ret_answer = json_incref(c->top);
	return r;
}

static int chunks_note(const struct stream_reader *rd, const void *state, struct openai_notes *notes,
		       bool *inexact)
{
	const struct chunks *c = state;
	int r = 0;

	if (c->bad_choice)
		r = openai_notes_add(notes, "a choice has no usable index");
	if (r == 0 && c->over_choices)
		r = openai_notes_add(notes, "more than %d choices: the others are left out",
				     STREAM_MAX_CHOICES);
	if (r == 0 && rd->budget.over_calls)
		r = openai_notes_add(notes, "more than %d tool calls in a choice: the others are left out",
				     JOIN_MAX_CALLS);
	*inexact |= c->bad_choice || c->over_choices;
	return r;
}

static void chunks_done(void *state)
{
	struct chunks *c = state;

	for (size_t i = 0; i < c->n_choices; i++)
		choice_free(&c->choices[i]);
	json_decref(c->top);
	json_decref(c->usage);
	json_decref(c->prompt_filter);
}

const struct stream_ops stream_chat = {
	.state_size = sizeof(struct chunks),
	.chunks = true,
	.says_done = true,
	.event = chat_event,
	.answer = chunks_answer,
	.note = chunks_note,
	.done = chunks_done,
};

const struct stream_ops stream_completion = {
	.state_size = sizeof(struct chunks),
	.chunks = true,
	.says_done = true,
	.event = completion_event,
	.answer = chunks_answer,
	.note = chunks_note,
	.done = chunks_done,
};
