/* SPDX-License-Identifier: Apache-2.0 */

/* Runs of assistants. Events have a name and hold an object of the API in its state of that moment, or a
 * delta of one; the last state of each counts, and of what has no final state, the deltas joined. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "openai/stream.h"
#include "openai/stream_family.h"

/* A message or a step of the run. */
struct entry {
	json_t *id;    /* string */
	json_t *value; /* the last state, or NULL */
	bool complete; /* it was the final one */
	struct join delta;
};

struct entries {
	struct entry *all;
	size_t n, cap;
	size_t last; /* the one found last: nearly always the next one too */
};

struct run {
	json_t *run, *thread; /* last states */
	struct entries messages, steps;
	bool over_entries;
	bool begun;
};

/* The longest prefix that fits says what the event is of; what follows it is the state. */
enum subject { SUBJECT_STEP, SUBJECT_RUN, SUBJECT_MESSAGE, SUBJECT_THREAD, SUBJECT_NONE };

static const char *const subjects[] = {
	[SUBJECT_STEP] = "thread.run.step",
	[SUBJECT_RUN] = "thread.run",
	[SUBJECT_MESSAGE] = "thread.message",
	[SUBJECT_THREAD] = "thread",
};

static enum subject subject_of(const struct stream_event *event, const char **ret_state)
{
	const char *object = json_string_value(json_object_get(event->data, "object"));
	const char *status = json_string_value(json_object_get(event->data, "status"));
	bool named = !strncmp(event->name, "thread.", 7);
	const char *name = named || !object ? event->name : object;

	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		size_t n = strlen(subjects[i]);
		if (strncmp(name, subjects[i], n) != 0 || (name[n] && name[n] != '.'))
			continue;
		/* An event without a name is known by its object, and the object's status is its state. */
		*ret_state = name[n] ? name + n + 1 : status ? status : "in_progress";
		return (enum subject)i;
	}
	return SUBJECT_NONE;
}

/* *ret_entry is NULL if there is no room for it. */
static int find_entry(struct run *run, struct entries *list, json_t *id, struct entry **ret_entry)
{
	*ret_entry = NULL;
	if (list->n && json_equal(list->all[list->last].id, id)) {
		*ret_entry = &list->all[list->last];
		return 0;
	}
	for (size_t i = 0; i < list->n; i++)
		if (json_equal(list->all[i].id, id)) {
			list->last = i;
			*ret_entry = &list->all[i];
			return 0;
		}
	if (list->n == STREAM_MAX_ENTRIES) {
		run->over_entries = true;
		return 0;
	}
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 4;
		struct entry *all = reallocarray(list->all, cap, sizeof(*all));
		if (!all)
			return -ENOMEM;
		list->all = all;
		list->cap = cap;
	}
	list->last = list->n++;
	list->all[list->last] = (struct entry){.id = json_incref(id)};
	*ret_entry = &list->all[list->last];
	return 0;
}

static bool is_final_state(const char *state)
{
	return strcmp(state, "created") != 0 && strcmp(state, "queued") != 0 &&
	       strcmp(state, "in_progress") != 0;
}

static int add_state(struct stream_reader *rd, struct entry *e, const char *state, json_t *value)
{
	if (!join_budget_take(&rd->budget, value, e->value))
		return 0;
	stream_replace(&e->value, value);
	e->complete = is_final_state(state);
	if (e->complete)
		join_done(&e->delta);
	return 0;
}

static bool has_token(const json_t *delta)
{
	return json_array_size(json_object_get(delta, "content")) ||
	       json_array_size(json_object_get(json_object_get(delta, "step_details"), "tool_calls"));
}

static int add_delta(struct stream_reader *rd, struct entry *e, const struct stream_event *event)
{
	json_t *delta = json_object_get(event->data, "delta");

	if (!json_is_object(delta) || e->complete) {
		rd->n_odd++;
		return 0;
	}
	if (has_token(delta))
		stream_token(rd, event);
	return join_add(&e->delta, delta, &rd->budget);
}

static int add_entry(struct stream_reader *rd, struct run *run, struct entries *list, const char *state,
		     const struct stream_event *event)
{
	json_t *id = json_object_get(event->data, "id");
	struct entry *entry;

	if (!json_is_string(id)) {
		rd->n_odd++;
		return 0;
	}
	int r = find_entry(run, list, id, &entry);
	if (r < 0 || !entry)
		return r;
	return !strcmp(state, "delta") ? add_delta(rd, entry, event)
				       : add_state(rd, entry, state, event->data);
}

static int run_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	struct run *run = state;
	const char *word = "";

	if (event->error)
		return 0;
	rd->budget.by_index = true;
	if (!strcmp(event->name, "done")) {
		rd->done = rd->closed = true;
		return 0;
	}
	enum subject subject = subject_of(event, &word);
	run->begun |= subject != SUBJECT_NONE;
	switch (subject) {
	case SUBJECT_STEP:
		return add_entry(rd, run, &run->steps, word, event);
	case SUBJECT_MESSAGE:
		return add_entry(rd, run, &run->messages, word, event);
	case SUBJECT_RUN:
		stream_replace(&run->run, event->data);
		return 0;
	case SUBJECT_THREAD:
		stream_replace(&run->thread, event->data);
		return 0;
	case SUBJECT_NONE:
		break;
	}
	rd->n_unknown++;
	return 0;
}

/* The state with what the deltas say since. */
static int entry_value(struct entry *e, json_t **ret_value)
{
	json_t *joined = NULL;
	json_auto_t *value = e->value ? json_incref(e->value) : json_object();
	int r = value ? join_value(&e->delta, &joined) : -ENOMEM;
	json_auto_t *delta = joined;

	if (r == 0 && !e->value)
		r = stream_put(value, "id", e->id);
	if (r == 0 && delta && json_object_update_recursive(value, delta) < 0)
		r = -ENOMEM;
	if (r == 0)
		*ret_value = json_incref(value);
	return r;
}

static int put_entries(struct entries *list, const char *key, json_t *answer)
{
	if (!list->n)
		return 0;
	json_auto_t *values = json_array();
	int r = values ? 0 : -ENOMEM;
	for (size_t i = 0; i < list->n && r == 0; i++) {
		json_t *value = NULL;
		r = entry_value(&list->all[i], &value);
		if (r == 0 && json_array_append_new(values, value) < 0)
			r = -ENOMEM;
	}
	return r == 0 ? stream_put(answer, key, values) : r;
}

/* Nothing more comes in this stream; a run that requires action goes on in another one. */
static bool is_over(const json_t *run)
{
	static const char *const words[] = {"completed", "failed",     "cancelled",
					    "expired",	 "incomplete", "requires_action"};
	const char *status = json_string_value(json_object_get(run, "status"));

	for (size_t i = 0; status && i < ARRAY_SIZE(words); i++)
		if (!strcmp(status, words[i]))
			return true;
	return false;
}

static int run_answer(struct stream_reader *rd, void *state, json_t **ret_answer)
{
	struct run *run = state;

	rd->unfinished = !is_over(run->run);
	if (!run->begun)
		return 0;
	json_auto_t *answer = run->run ? json_copy(run->run) : json_object();
	int r = answer ? stream_put(answer, "thread", run->thread) : -ENOMEM;
	if (r == 0)
		r = put_entries(&run->messages, "messages", answer);
	if (r == 0)
		r = put_entries(&run->steps, "steps", answer);
	if (r == 0)
		*ret_answer = json_incref(answer);
	return r;
}

static int run_note(const struct stream_reader *rd, const void *state, struct openai_notes *notes,
		    bool *inexact)
{
	const struct run *run = state;
	int r = 0;

	if (run->over_entries)
		r = openai_notes_add(notes, "more than %d messages or steps: the others are left out",
				     STREAM_MAX_ENTRIES);
	if (r == 0 && rd->budget.over_calls)
		r = openai_notes_add(notes,
				     "more than %d pieces of a message or step: the others are left out",
				     JOIN_MAX_CALLS);
	*inexact |= run->over_entries;
	return r;
}

static void entries_done(struct entries *list)
{
	for (size_t i = 0; i < list->n; i++) {
		json_decref(list->all[i].id);
		json_decref(list->all[i].value);
		join_done(&list->all[i].delta);
	}
	free(list->all);
}

static void run_done(void *state)
{
	struct run *run = state;

	entries_done(&run->messages);
	entries_done(&run->steps);
	json_decref(run->run);
	json_decref(run->thread);
}

const struct stream_ops stream_run = {
	.state_size = sizeof(struct run),
	.says_done = true,
	.event = run_event,
	.answer = run_answer,
	.note = run_note,
	.done = run_done,
};
