/* SPDX-License-Identifier: Apache-2.0 */

/* The Responses API. Its last event holds the whole response, which is then the answer. Of a stream that ends
 * before, the answer is put together from the response as it began and the events of its items. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "openai/blob.h"
#include "openai/stream.h"
#include "openai/stream_family.h"
#include "openai/stream_item.h"

struct response {
	json_t *base;	     /* the response as the last event before the end has it */
	json_t *final;	     /* as the end has it */
	struct item **items; /* by rising index */
	size_t n_items, cap_items;
	size_t n_unannounced; /* known by their pieces alone */
	bool over_items;
	bool begun; /* an event was of this family */

	bool has_seq;
	int64_t first_seq, last_seq;
	uint64_t n_lost, n_back; /* by the sequence numbers */
	bool middle;		 /* the stream is the rest of one */

	struct blob audio;
	bool has_audio, bad_image;
	struct join transcript; /* of the audio */
};

struct rule;
typedef int (*rule_fn)(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		       const struct stream_event *event);

/* What to do with an event of that type. */
struct rule {
	const char *type;
	rule_fn fn;
	int what;	   /* enum item_text or enum item_list */
	const char *index; /* member with the place in the item's list; or NULL */
	const char *text;  /* member with the text, or the part */
	bool whole;	   /* it is all of it */
};

static int add_response(struct stream_reader *rd, struct response *rp, const struct rule *rule,
			const struct stream_event *event)
{
	json_t *value = json_object_get(event->data, "response");

	(void)rule;
	if (json_is_object(value))
		stream_replace(&rp->base, value);
	else
		rd->n_odd++;
	return 0;
}

static void free_items(struct response *rp)
{
	for (size_t i = 0; i < rp->n_items; i++)
		item_free(&rp->items[i]);
	free(rp->items);
	rp->items = NULL;
	rp->n_items = rp->cap_items = 0;
}

static int add_final(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		     const struct stream_event *event)
{
	json_t *value = json_object_get(event->data, "response");

	(void)rule;
	rd->done = rd->closed = true;
	if (!json_is_object(value)) {
		rd->n_odd++;
		return 0;
	}
	rd->settled = true;
	stream_replace(&rp->final, value);
	free_items(rp);
	return 0;
}

static bool read_index(const json_t *data, const char *key, int64_t *ret_index)
{
	const json_t *value = json_object_get(data, key);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret_index = json_integer_value(value);
	return true;
}

/* Place of the first item whose index is not smaller. */
static size_t item_at(const struct response *rp, int64_t index)
{
	size_t from = 0, to = rp->n_items;

	/* Nearly always it is the last one, or a new one. */
	if (to && rp->items[to - 1]->index <= index)
		return rp->items[to - 1]->index == index ? to - 1 : to;
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (rp->items[mid]->index < index)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* *ret_item is NULL if there is no room for it. */
static int insert_item(struct response *rp, size_t at, int64_t index, struct item **ret_item)
{
	*ret_item = NULL;
	if (rp->n_items == STREAM_MAX_ITEMS) {
		rp->over_items = true;
		return 0;
	}
	if (rp->n_items == rp->cap_items) {
		size_t cap = rp->cap_items ? rp->cap_items * 2 : 8;
		struct item **items = reallocarray(rp->items, cap, sizeof(struct item *));
		if (!items)
			return -ENOMEM;
		rp->items = items;
		rp->cap_items = cap;
	}
	struct item *item;
	int r = item_new(&item, index);
	if (r < 0)
		return r;
	memmove(rp->items + at + 1, rp->items + at, (rp->n_items - at) * sizeof(struct item *));
	rp->items[at] = *ret_item = item;
	rp->n_items++;
	return 0;
}

/* The item that the event is of. *ret_item is NULL if the event does not say, or is left out. */
static int find_item(struct stream_reader *rd, struct response *rp, const struct stream_event *event,
		     struct item **ret_item)
{
	json_t *id = json_object_get(event->data, "item_id");
	int64_t index;

	*ret_item = NULL;
	if (!read_index(event->data, "output_index", &index)) {
		rd->n_odd++;
		return 0;
	}
	size_t at = item_at(rp, index);
	int r = 0;
	if (at < rp->n_items && rp->items[at]->index == index)
		*ret_item = rp->items[at];
	else
		r = insert_item(rp, at, index, ret_item);
	if (*ret_item && !(*ret_item)->id && !(*ret_item)->base && json_is_string(id))
		(*ret_item)->id = json_incref(id);
	return r;
}

static int add_item(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		    const struct stream_event *event)
{
	json_t *value = json_object_get(event->data, "item");
	struct item *item;

	if (!json_is_object(value)) {
		rd->n_odd++;
		return 0;
	}
	int r = find_item(rd, rp, event, &item);
	return item ? item_set(item, value, rule->whole, rd) : r;
}

static int add_part(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		    const struct stream_event *event)
{
	json_t *part = json_object_get(event->data, "part");
	struct item *item;
	int64_t index;

	if (!json_is_object(part) || !read_index(event->data, rule->index, &index)) {
		rd->n_odd++;
		return 0;
	}
	int r = find_item(rd, rp, event, &item);
	return item ? item_set_part(item, (enum item_list)rule->what, index, part, rule->whole, rd) : r;
}

static int add_text(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		    const struct stream_event *event)
{
	json_t *text = json_object_get(event->data, rule->text);
	json_t *logprobs = json_object_get(event->data, "logprobs");
	struct item *item;
	int64_t index = 0;

	if (!json_is_string(text) || (rule->index && !read_index(event->data, rule->index, &index))) {
		rd->n_odd++;
		return 0;
	}
	if (json_string_length(text))
		stream_token(rd, event);
	int r = find_item(rd, rp, event, &item);
	if (item)
		r = item_add_text(item, (enum item_text)rule->what, index, text, rule->whole, rd);
	if (r == 0 && item && rule->what == ITEM_OUTPUT_TEXT)
		r = item_add_logprobs(item, index, logprobs, rule->whole, rd);
	return r;
}

static int add_annotation(struct stream_reader *rd, struct response *rp, const struct rule *rule,
			  const struct stream_event *event)
{
	json_t *annotation = json_object_get(event->data, "annotation");
	struct item *item;
	int64_t index;

	if (!annotation || !read_index(event->data, rule->index, &index)) {
		rd->n_odd++;
		return 0;
	}
	int r = find_item(rd, rp, event, &item);
	return item ? item_add_annotation(item, index, annotation, rd) : r;
}

static int add_image(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		     const struct stream_event *event)
{
	json_t *image = json_object_get(event->data, rule->text);
	struct item *item;

	if (!json_is_string(image)) {
		rd->n_odd++;
		return 0;
	}
	stream_token(rd, event);
	int r = find_item(rd, rp, event, &item);
	if (item)
		r = item_add_image(item, image);
	rp->bad_image |= item && item->image.bad;
	return r;
}

/* The audio of a response is not of an item. */
static int add_audio(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		     const struct stream_event *event)
{
	json_t *piece = json_object_get(event->data, "delta");

	if (!json_is_string(piece)) {
		rd->n_odd++;
		return 0;
	}
	if (json_string_length(piece))
		stream_token(rd, event);
	rp->has_audio = true;
	return rule->text ? join_add(&rp->transcript, piece, &rd->budget) : blob_add(&rp->audio, piece);
}

static int ignore(struct stream_reader *rd, struct response *rp, const struct rule *rule,
		  const struct stream_event *event)
{
	(void)rd, (void)rp, (void)rule, (void)event;
	return 0;
}

#define DELTA(type, what, index)                                                                             \
	{                                                                                                    \
		"response." type ".delta", add_text, what, index, "delta", false                             \
	}
#define DONE(type, what, index, member)                                                                      \
	{                                                                                                    \
		"response." type ".done", add_text, what, index, member, true                                \
	}
#define PART(type, what, index, whole)                                                                       \
	{                                                                                                    \
		"response." type, add_part, what, index, NULL, whole                                         \
	}

/* The most frequent first. */
static const struct rule rules[] = {
	DELTA("output_text", ITEM_OUTPUT_TEXT, "content_index"),
	DELTA("function_call_arguments", ITEM_FUNCTION_ARGUMENTS, NULL),
	DELTA("reasoning_summary_text", ITEM_SUMMARY, "summary_index"),
	DELTA("reasoning_text", ITEM_REASONING, "content_index"),
	DELTA("refusal", ITEM_REFUSAL, "content_index"),
	DELTA("custom_tool_call_input", ITEM_INPUT, NULL),
	DELTA("code_interpreter_call_code", ITEM_CODE, NULL),
	DELTA("mcp_call_arguments", ITEM_MCP_ARGUMENTS, NULL),
	DELTA("apply_patch_call_operation_diff", ITEM_DIFF, NULL),
	DELTA("shell_call_command", ITEM_COMMAND, "command_index"),
	DONE("output_text", ITEM_OUTPUT_TEXT, "content_index", "text"),
	DONE("function_call_arguments", ITEM_FUNCTION_ARGUMENTS, NULL, "arguments"),
	DONE("reasoning_summary_text", ITEM_SUMMARY, "summary_index", "text"),
	DONE("reasoning_text", ITEM_REASONING, "content_index", "text"),
	DONE("refusal", ITEM_REFUSAL, "content_index", "refusal"),
	DONE("custom_tool_call_input", ITEM_INPUT, NULL, "input"),
	DONE("code_interpreter_call_code", ITEM_CODE, NULL, "code"),
	DONE("mcp_call_arguments", ITEM_MCP_ARGUMENTS, NULL, "arguments"),
	DONE("apply_patch_call_operation_diff", ITEM_DIFF, NULL, "diff"),
	DONE("shell_call_command", ITEM_COMMAND, "command_index", "command"),
	{"response.shell_call_command.added", add_text, ITEM_COMMAND, "command_index", "command", false},
	PART("content_part.added", ITEM_CONTENT_LIST, "content_index", false),
	PART("content_part.done", ITEM_CONTENT_LIST, "content_index", true),
	PART("reasoning_summary_part.added", ITEM_SUMMARY_LIST, "summary_index", false),
	PART("reasoning_summary_part.done", ITEM_SUMMARY_LIST, "summary_index", true),
	{"response.output_item.added", add_item, 0, NULL, NULL, false},
	{"response.output_item.done", add_item, 0, NULL, NULL, true},
	{"response.output_text.annotation.added", add_annotation, 0, "content_index", NULL, false},
	{"response.image_generation_call.partial_image", add_image, 0, NULL, "partial_image_b64", false},
	{"response.audio.delta", add_audio, 0, NULL, NULL, false},
	{"response.audio.transcript.delta", add_audio, 0, NULL, "transcript", false},
	{"response.audio.done", ignore, 0, NULL, NULL, false},
	{"response.audio.transcript.done", ignore, 0, NULL, NULL, false},
	{"response.created", add_response, 0, NULL, NULL, false},
	{"response.queued", add_response, 0, NULL, NULL, false},
	{"response.in_progress", add_response, 0, NULL, NULL, false},
	{"response.completed", add_final, 0, NULL, NULL, true},
	{"response.failed", add_final, 0, NULL, NULL, true},
	{"response.incomplete", add_final, 0, NULL, NULL, true},
	{"response.cancelled", add_final, 0, NULL, NULL, true},
	{"keepalive", ignore, 0, NULL, NULL, false},
};

static const struct rule *find_rule(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (!strcmp(rules[i].type, type))
			return &rules[i];
	return NULL;
}

/* `response.web_search_call.searching` and its like: they say the status of an item. Static text or NULL. */
static const char *status_of(const char *type)
{
	static const char *const words[] = {"in_progress", "completed",	   "failed",  "incomplete",
					    "searching",   "interpreting", "calling", "generating"};
	static const char call[] = "_call", prefix[] = "response.";
	const char *dot = strrchr(type, '.');
	size_t n = sizeof(call) - 1;

	if (strncmp(type, prefix, sizeof(prefix) - 1) != 0 || !dot || dot < type + sizeof(prefix) - 1 + n ||
	    memcmp(dot - n, call, n) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(dot + 1, words[i]))
			return words[i];
	return NULL;
}

/* Steps of items that have no status of their own. */
static bool is_step(const char *type)
{
	return !strncmp(type, "response.mcp_list_tools.", 24) ||
	       !strcmp(type, "response.compaction.compacting");
}

static int add_status(struct stream_reader *rd, struct response *rp, const char *status,
		      const struct stream_event *event)
{
	struct item *item;
	int r = find_item(rd, rp, event, &item);
	if (item && !item->done)
		item->status = status;
	return r;
}

static void note_sequence(struct response *rp, const struct stream_event *event, const struct rule *rule)
{
	int64_t seq;

	if (!read_index(event->data, "sequence_number", &seq))
		return;
	if (!rp->has_seq) {
		rp->has_seq = true;
		rp->first_seq = rp->last_seq = seq;
		/* Servers count from 0, some from 1. */
		rp->middle = seq > 1 || (seq == 1 && (!rule || rule->fn != add_response));
		return;
	}
	if (seq <= rp->last_seq) {
		rp->n_back++;
		return;
	}
	rp->n_lost += (uint64_t)(seq - rp->last_seq) - 1;
	rp->last_seq = seq;
}

static int response_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	struct response *rp = state;
	const struct rule *rule = find_rule(event->type);
	const char *status = rule ? NULL : status_of(event->type);

	note_sequence(rp, event, rule);
	if (event->error)
		return 0;
	if (rule || status)
		rp->begun = true;
	if (rule)
		return rule->fn(rd, rp, rule, event);
	if (status)
		return add_status(rd, rp, status, event);
	if (!is_step(event->type))
		rd->n_unknown++;
	return 0;
}

static int put_audio(struct response *rp, json_t *answer)
{
	json_t *value = NULL, *transcript = NULL;

	if (!rp->has_audio || json_object_get(answer, "audio"))
		return 0;
	int r = blob_value(&rp->audio, &value);
	if (r < 0)
		return r;
	json_auto_t *audio = value;
	r = join_value(&rp->transcript, &transcript);
	if (r == 0 && transcript)
		r = stream_put_new(audio, "transcript", transcript);
	return r == 0 ? stream_put(answer, "audio", audio) : r;
}

/* The items where their indices say, as far as the response that began has places; else one after another. */
static int put_items(struct stream_reader *rd, struct response *rp, json_t *answer)
{
	json_t *output = json_object_get(answer, "output");

	if (!json_is_array(output)) {
		output = json_array();
		if (stream_put_new(answer, "output", output) < 0)
			return -ENOMEM;
	}
	size_t have = json_array_size(output);
	for (size_t i = 0; i < rp->n_items; i++) {
		struct item *item = rp->items[i];
		json_t *value;
		rp->n_unannounced += !item->base;
		int r = item_value(item, rd, &value);
		if (r < 0)
			return r;
		if (((uint64_t)item->index < have ? json_array_set_new(output, (size_t)item->index, value)
						  : json_array_append_new(output, value)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int rebuild(struct stream_reader *rd, struct response *rp, json_t *answer)
{
	int r = 0;
	if (rp->n_items)
		r = put_items(rd, rp, answer);
	if (r == 0 && !json_object_get(answer, "status"))
		r = stream_put_new(answer, "status", json_string("in_progress"));
	return r;
}

static int response_answer(struct stream_reader *rd, void *state, json_t **ret_answer)
{
	struct response *rp = state;
	json_t *whole = rp->final ? rp->final : rp->base;

	rd->unfinished = !rd->done;
	if (!rp->begun)
		return 0;
	json_auto_t *answer = whole ? json_incref(whole) : json_object();
	int r = answer ? 0 : -ENOMEM;
	if (r == 0 && !rp->final)
		r = rebuild(rd, rp, answer);
	if (r == 0)
		r = put_audio(rp, answer);
	if (r == 0)
		*ret_answer = json_incref(answer);
	return r;
}

static int note_sequences(const struct response *rp, struct openai_notes *notes)
{
	int r = 0;
	if (rp->middle)
		r = openai_notes_add(notes,
				     "the stream begins with event %lld: what was before it is not in it",
				     (long long)rp->first_seq);
	if (r == 0 && rp->n_lost)
		r = openai_notes_add(notes,
				     "%llu events are missing from the stream, by its sequence numbers",
				     (unsigned long long)rp->n_lost);
	if (r == 0 && rp->n_back)
		r = openai_notes_add(notes, "the sequence numbers of %llu events of the stream do not rise",
				     (unsigned long long)rp->n_back);
	return r;
}

static int response_note(const struct stream_reader *rd, const void *state, struct openai_notes *notes,
			 bool *inexact)
{
	const struct response *rp = state;
	int r = note_sequences(rp, notes);

	if (r == 0 && rp->n_unannounced)
		r = openai_notes_add(notes, "%zu items of the output are known by their pieces alone",
				     rp->n_unannounced);
	if (r == 0 && rp->over_items && !rd->settled)
		r = openai_notes_add(notes, "more than %d items of output: the others are left out",
				     STREAM_MAX_ITEMS);
	if (r == 0 && rp->audio.bad)
		r = openai_notes_add(notes, "audio in the stream is not base64");
	if (r == 0 && rp->bad_image)
		r = openai_notes_add(notes, "a partial image is not base64");
	*inexact |= rp->n_back || rp->over_items || rp->audio.bad || rp->bad_image;
	return r;
}

static void response_done(void *state)
{
	struct response *rp = state;

	free_items(rp);
	json_decref(rp->base);
	json_decref(rp->final);
	blob_done(&rp->audio);
	join_done(&rp->transcript);
}

const struct stream_ops stream_response = {
	.state_size = sizeof(struct response),
	.event = response_event,
	.answer = response_answer,
	.note = response_note,
	.done = response_done,
};
