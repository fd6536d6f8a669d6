/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/sse.h"
#include "openai/choice.h"
#include "openai/join.h"
#include "openai/json.h"

/* While one body is read. */
struct reader {
	const struct http_message *msg;
	struct openai_stream *out;
	bool join;
	bool ending; /* what comes now has no end of its own in the body */
	int r;	     /* the first -ENOMEM: callbacks cannot return it */

	struct choice *choices[STREAM_MAX_CHOICES]; /* by rising index */
	size_t n_choices;
	bool over_choices, bad_choice;
	struct join_budget budget;

	json_t *top; /* object: the answer's members but choices, usage, error and the prompt's filter results
		      */
	json_t *usage, *error, *prompt_filter;
	bool has_choices; /* a `choices` array was seen, maybe empty */

	unsigned flaws; /* of all events that were not exact JSON */
	uint64_t flaw_offset, n_flawed, n_late;
	bool cut;
};

bool openai_stream_detect(const struct http_message *msg)
{
	static const char *const fields[] = {"data", "event", "id", "retry", ""};
	const char *p = (const char *)msg->body;
	size_t len = msg->body_len;

	if (len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) {
		p += 3;
		len -= 3;
	}
	while (len && (*p == '\n' || *p == '\r')) {
		p++;
		len--;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = strlen(fields[i]);
		if (len > n && !memcmp(p, fields[i], n) && p[n] == ':')
			return true;
	}
	return false;
}

/* Azure's first chunk and the results of its asynchronous filter: they speak about the answer, and what they
 * say of its id, model and time is empty or wrong. */
static bool is_annotation(const json_t *chunk)
{
	const json_t *id = json_object_get(chunk, "id");
	const json_t *choices = json_object_get(chunk, "choices");

	if (!json_is_string(id) || json_string_length(id))
		return false;
	for (size_t i = 0; i < json_array_size(choices); i++)
		if (json_object_get(json_array_get(choices, i), "delta"))
			return false;
	return true;
}

static int find_choice(struct reader *rd, const json_t *piece, struct choice **ret_choice)
{
	const json_t *value = json_object_get(piece, "index");
	int64_t index = json_is_integer(value) ? json_integer_value(value) : 0;
	size_t at = rd->n_choices;

	*ret_choice = NULL;
	if (!json_is_object(piece) || (value && !json_is_integer(value)) || index < 0) {
		rd->bad_choice = true;
		return 0;
	}
	while (at && rd->choices[at - 1]->index > index)
		at--;
	if (at && rd->choices[at - 1]->index == index) {
		*ret_choice = rd->choices[at - 1];
		return 0;
	}
	if (rd->n_choices == STREAM_MAX_CHOICES) {
		rd->over_choices = true;
		return 0;
	}
	struct choice *choice;
	int r = choice_new(&choice, index);
	if (r < 0)
		return r;
	memmove(rd->choices + at + 1, rd->choices + at, (rd->n_choices - at) * sizeof(rd->choices[0]));
	rd->choices[at] = *ret_choice = choice;
	rd->n_choices++;
	return 0;
}

static int add_choices(struct reader *rd, json_t *choices, uint64_t ts_offset)
{
	rd->has_choices = true;
	for (size_t i = 0; i < json_array_size(choices); i++) {
		json_t *piece = json_array_get(choices, i);
		struct choice *choice;
		if (!rd->out->first_token_ts_ns && choice_has_token(piece))
			rd->out->first_token_ts_ns = http_message_time_at(rd->msg, ts_offset);
		int r = find_choice(rd, piece, &choice);
		if (r == 0 && choice)
			r = choice_add(choice, piece, &rd->budget);
		if (r < 0)
			return r;
	}
	return 0;
}

static int extend(json_t **array, json_t *more, struct join_budget *budget)
{
	if (!*array && !(*array = json_array()))
		return -ENOMEM;
	if (!join_budget_take(budget, more, NULL))
		return 0;
	return json_array_extend(*array, more) < 0 ? -ENOMEM : 0;
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
static int add_top(struct reader *rd, const char *key, json_t *value)
{
	const json_t *have = json_object_get(rd->top, key);

	if (is_identity(key) ? have || is_blank(value) : have && json_is_null(value))
		return 0;
	if (json_is_string(have) && json_equal(have, value))
		return 0;
	if (!strcmp(key, "object") && json_is_string(value) &&
	    !strcmp(json_string_value(value), "chat.completion.chunk"))
		return json_object_set_new(rd->top, key, json_string("chat.completion")) < 0 ? -ENOMEM : 0;
	if (!join_budget_take(&rd->budget, value, have))
		return 0;
	return json_object_set(rd->top, key, value) < 0 ? -ENOMEM : 0;
}

static int add_member(struct reader *rd, const char *key, json_t *value, bool annotation, uint64_t ts_offset)
{
	if (!strcmp(key, "choices") && json_is_array(value))
		return add_choices(rd, value, ts_offset);
	if (!strcmp(key, "obfuscation")) /* random padding of each chunk */
		return 0;
	if (!strcmp(key, "usage") && (json_is_object(value) || json_is_null(value))) {
		if (json_is_object(value)) {
			json_decref(rd->usage);
			rd->usage = json_incref(value);
		}
		return 0;
	}
	if (!strcmp(key, "error")) {
		if (!rd->error && !json_is_null(value))
			rd->error = json_incref(value);
		return 0;
	}
	if ((!strcmp(key, "prompt_filter_results") || !strcmp(key, "prompt_annotations")) &&
	    json_is_array(value))
		return extend(&rd->prompt_filter, value, &rd->budget);
	if (annotation && (is_identity(key) || is_blank(value)))
		return 0;
	return add_top(rd, key, value);
}

static int add_chunk(struct reader *rd, const struct sse_event *event, json_t *chunk)
{
	bool annotation = is_annotation(chunk);
	const char *key;
	json_t *value;

	/* `event: error` whose data is the error itself. */
	if (!strcmp(event->event, "error") && !json_object_get(chunk, "error")) {
		if (!rd->error)
			rd->error = json_incref(chunk);
		return 0;
	}
	json_object_foreach (chunk, key, value) {
		int r = add_member(rd, key, value, annotation, event->end ? event->end - 1 : 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static void note_flaw(struct reader *rd, const struct sse_event *event, unsigned flaws)
{
	if (!rd->n_flawed++)
		rd->flaw_offset = event->offset;
	rd->flaws |= flaws;
}

static int read_event(struct reader *rd, const struct sse_event *event)
{
	struct openai_json json;
	int r = openai_json_read((const uint8_t *)event->data, event->data_len, &json);
	if (r < 0)
		return r;
	json_auto_t *chunk = json.value;
	bool readable = json_is_object(chunk) && !(json.flaws & JSON_CUT);
	if (rd->ending && !readable) {
		rd->cut = true;
		return 0;
	}
	if (json.flaws || !readable)
		note_flaw(rd, event, json.flaws ? json.flaws : JSON_BAD_SYNTAX);
	return readable ? add_chunk(rd, event, chunk) : 0;
}

static bool says_done(const struct sse_event *event)
{
	const char *p = event->data;
	size_t len = event->data_len;

	while (len && (*p == ' ' || *p == '\t' || *p == '\n')) {
		p++;
		len--;
	}
	while (len && (p[len - 1] == ' ' || p[len - 1] == '\t' || p[len - 1] == '\n'))
		len--;
	return len == 6 && !memcmp(p, "[DONE]", 6);
}

/* The last event of streams of the Responses API, which have no [DONE]. */
static bool is_final_event(const struct sse_event *event)
{
	return !strcmp(event->event, "response.completed") || !strcmp(event->event, "response.failed") ||
	       !strcmp(event->event, "response.incomplete");
}

static void on_event(void *ctx, const struct sse_event *event)
{
	struct reader *rd = ctx;

	if (rd->r < 0)
		return;
	if (says_done(event)) {
		rd->out->done = true;
		return;
	}
	if (event->data_len == 0)
		return;
	rd->out->chunks++;
	if (!rd->join) {
		rd->out->done |= is_final_event(event) && !rd->ending;
		return;
	}
	/* The client stops reading at [DONE]: what follows never reached the application. */
	if (rd->out->done)
		rd->n_late++;
	else
		rd->r = read_event(rd, event);
}

static int put(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_nocheck(object, key, value) < 0 ? -ENOMEM : 0;
}

static int put_choices(struct reader *rd)
{
	if (!rd->has_choices)
		return 0;
	json_auto_t *choices = json_array();
	if (!choices)
		return -ENOMEM;
	for (size_t i = 0; i < rd->n_choices; i++) {
		json_t *value;
		int r = choice_value(rd->choices[i], &value);
		if (r < 0)
			return r;
		if (json_array_append_new(choices, value) < 0)
			return -ENOMEM;
	}
	return put(rd->top, "choices", choices);
}

static int build_answer(struct reader *rd)
{
	if (!rd->has_choices && !rd->error)
		return 0;
	int r = put_choices(rd);
	if (r == 0)
		r = put(rd->top, "usage", rd->usage);
	if (r == 0)
		r = put(rd->top, "prompt_filter_results", rd->prompt_filter);
	if (r == 0)
		r = put(rd->top, "error", rd->error);
	if (r == 0)
		rd->out->answer = json_incref(rd->top);
	return r;
}

static int note_left_out(struct reader *rd, uint64_t skipped, struct openai_notes *notes)
{
	int r = 0;
	if (rd->n_flawed) {
		r = openai_notes_add(notes, "%llu events of the stream could not be read exactly",
				     (unsigned long long)rd->n_flawed);
		if (r == 0)
			r = openai_json_note(notes, "an event", rd->flaws, rd->flaw_offset);
	}
	if (r == 0 && rd->cut)
		r = openai_notes_add(notes, "the last event of the stream is cut");
	if (r == 0 && skipped)
		r = openai_notes_add(notes, "%llu events of the stream are too long",
				     (unsigned long long)skipped);
	if (r == 0 && rd->n_late)
		r = openai_notes_add(notes, "%llu events follow the end of the stream",
				     (unsigned long long)rd->n_late);
	if (r == 0 && rd->bad_choice)
		r = openai_notes_add(notes, "a choice has no usable index");
	if (r == 0 && rd->over_choices)
		r = openai_notes_add(notes, "more than %d choices: the others are left out",
				     STREAM_MAX_CHOICES);
	if (r == 0 && rd->budget.over_calls)
		r = openai_notes_add(notes, "more than %d tool calls in a choice: the others are left out",
				     JOIN_MAX_CALLS);
	if (r == 0 && rd->budget.over_limit)
		r = openai_notes_add(
			notes, "the stream has more values than can be joined: the others are left out");
	if (r == 0 && rd->budget.mixed)
		r = openai_notes_add(notes, "the pieces of a value in the stream are not of one type");
	rd->out->inexact = rd->n_flawed || skipped || rd->n_late || rd->bad_choice || rd->over_choices ||
			   rd->budget.over_calls || rd->budget.over_limit || rd->budget.mixed;
	return r;
}

static void reader_done(struct reader *rd)
{
	for (size_t i = 0; i < rd->n_choices; i++)
		choice_free(&rd->choices[i]);
	json_decref(rd->top);
	json_decref(rd->usage);
	json_decref(rd->error);
	json_decref(rd->prompt_filter);
}

static int drive(struct reader *rd, uint64_t *ret_skipped)
{
	_cleanup_(sse_free) struct sse *sse = NULL;
	int r = sse_new(&sse, MAX(rd->msg->body_len, (size_t)1024), on_event, rd);
	if (r == 0 && rd->msg->body_len)
		r = sse_feed(sse, rd->msg->body, rd->msg->body_len);
	rd->ending = true;
	if (r == 0)
		r = sse_end(sse);
	if (r == 0)
		*ret_skipped = sse_skipped(sse);
	return r < 0 ? r : rd->r;
}

int openai_stream_read(struct openai_stream *ret_stream, const struct http_message *msg,
		       enum openai_kind kind, struct openai_notes *notes)
{
	_cleanup_(openai_stream_done) struct openai_stream stream = {0};
	_cleanup_(reader_done) struct reader rd = {
		.msg = msg,
		.out = &stream,
		.join = kind != OPENAI_UNKNOWN,
		.top = json_object(),
		.budget = {.nodes = JOIN_MAX_NODES, .weight = JSON_MAX_WEIGHT, .text = msg->body_len},
	};
	uint64_t skipped = 0;

	if (!rd.top)
		return -ENOMEM;
	int r = drive(&rd, &skipped);
	if (r == 0 && rd.join)
		r = build_answer(&rd);
	if (r == 0 && rd.join && stream.answer)
		r = note_left_out(&rd, skipped, notes);
	if (r < 0)
		return r;
	stream.unfinished = rd.n_choices == 0;
	for (size_t i = 0; i < rd.n_choices; i++)
		stream.unfinished |= !rd.choices[i]->finish_reason;
	*ret_stream = stream;
	stream.answer = NULL;
	return 0;
}

void openai_stream_done(struct openai_stream *stream)
{
	json_decref(stream->answer);
	stream->answer = NULL;
}
