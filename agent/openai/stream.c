/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/sse.h"
#include "openai/json.h"
#include "openai/stream_family.h"

/* Kinds that are not here are not joined. */
static const struct stream_ops *const families[] = {
	[OPENAI_CHAT] = &stream_chat,	      [OPENAI_COMPLETION] = &stream_completion,
	[OPENAI_RESPONSE] = &stream_response, [OPENAI_IMAGE] = &stream_image,
	[OPENAI_SPEECH] = &stream_speech,     [OPENAI_TRANSCRIPT] = &stream_transcript,
	[OPENAI_RUN] = &stream_run,
};

/* While one body is read. */
struct driver {
	struct stream_reader rd;
	const struct stream_ops *ops; /* or NULL: only counted */
	void *state;
	bool ending; /* what comes now has no end of its own in the body */
	int r;	     /* the first -ENOMEM: callbacks cannot return it */

	uint64_t chunks;
	unsigned flaws; /* of all events that were not exact JSON */
	uint64_t flaw_offset, n_flawed, n_late;
	bool settled_inexact; /* and of the one that settled the answer */
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

void stream_token(struct stream_reader *rd, const struct stream_event *event)
{
	if (!rd->first_token_ts_ns)
		rd->first_token_ts_ns = http_message_time_at(rd->msg, event->last);
}

int stream_put(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_nocheck(object, key, value) < 0 ? -ENOMEM : 0;
}

int stream_put_new(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new_nocheck(object, key, value) < 0 ? -ENOMEM : 0;
}

void stream_replace(json_t **slot, json_t *value)
{
	json_incref(value);
	json_decref(*slot);
	*slot = value;
}

int stream_extend(json_t **array, json_t *more, struct join_budget *budget)
{
	if (!*array && !(*array = json_array()))
		return -ENOMEM;
	if (!join_budget_take(budget, more, NULL))
		return 0;
	return json_array_extend(*array, more) < 0 ? -ENOMEM : 0;
}

/* An event that is the error itself, less what says that it is one. */
static int take_whole_error(struct driver *d, const json_t *data)
{
	json_auto_t *error = json_copy((json_t *)data);
	if (!error)
		return -ENOMEM;
	const char *type = json_string_value(json_object_get(error, "type"));
	if (type && !strcmp(type, "error")) {
		json_object_del(error, "type");
		json_object_del(error, "sequence_number");
		json_object_del(error, "obfuscation");
	}
	stream_replace(&d->rd.error, error);
	return 0;
}

/* {"error": ...}; `event: error` or "type": "error", with or without such a member. Objects that have a name
 * or a type may have an `error` of their own. */
static int take_error(struct driver *d, struct stream_event *event)
{
	json_t *member = json_object_get(event->data, "error");
	bool named = !strcmp(event->name, "error") || !strcmp(event->type, "error");
	bool nameless = !*event->type || !strcmp(event->type, "message");

	if (json_is_null(member))
		member = NULL;
	event->error = member ? named || nameless || d->ops->chunks : named;
	if (!event->error || d->rd.error)
		return 0;
	if (!member)
		return take_whole_error(d, event->data);
	stream_replace(&d->rd.error, member);
	return 0;
}

static int read_object(struct driver *d, const struct sse_event *sse, json_t *data, unsigned flaws)
{
	const char *type = json_string_value(json_object_get(data, "type"));
	struct stream_event event = {
		.name = sse->event,
		.type = type ? type : sse->event,
		.data = data,
		.last = sse->end ? sse->end - 1 : 0,
	};
	bool settled = d->rd.settled;
	int r = take_error(d, &event);
	if (r == 0)
		r = d->ops->event(&d->rd, d->state, &event);
	if (d->rd.settled && !settled)
		d->settled_inexact = flaws != 0;
	return r;
}

static int read_event(struct driver *d, const struct sse_event *event)
{
	struct openai_json json;
	int r = openai_json_read((const uint8_t *)event->data, event->data_len, &json);
	if (r < 0)
		return r;
	json_auto_t *data = json.value;
	bool readable = json_is_object(data) && !(json.flaws & JSON_CUT);
	if (d->ending && !readable) {
		d->cut = true;
		return 0;
	}
	if (json.flaws || !readable) {
		if (!d->n_flawed++)
			d->flaw_offset = event->offset;
		d->flaws |= json.flaws ? json.flaws : JSON_BAD_SYNTAX;
	}
	return readable ? read_object(d, event, data, json.flaws) : 0;
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

/* The last event of streams that have no [DONE], by its name: of streams that are not joined. */
static bool is_final_event(const struct sse_event *event)
{
	return !strcmp(event->event, "response.completed") || !strcmp(event->event, "response.failed") ||
	       !strcmp(event->event, "response.incomplete");
}

static void on_event(void *ctx, const struct sse_event *event)
{
	struct driver *d = ctx;

	if (d->r < 0)
		return;
	if (says_done(event)) {
		d->rd.done = d->rd.closed = true;
		return;
	}
	if (event->data_len == 0)
		return;
	d->chunks++;
	if (!d->ops) {
		d->rd.done |= is_final_event(event) && !d->ending;
		return;
	}
	/* The client stops reading at the end: what follows never reached the application. */
	if (d->rd.closed)
		d->n_late++;
	else
		d->r = read_event(d, event);
}

static int drive(struct driver *d, uint64_t *ret_skipped)
{
	_cleanup_(sse_free) struct sse *sse = NULL;
	const struct http_message *msg = d->rd.msg;
	int r = sse_new(&sse, MAX(msg->body_len, (size_t)1024), on_event, d);
	if (r == 0 && msg->body_len)
		r = sse_feed(sse, msg->body, msg->body_len);
	d->ending = true;
	if (r == 0)
		r = sse_end(sse);
	if (r == 0)
		*ret_skipped = sse_skipped(sse);
	return r < 0 ? r : d->r;
}

static int build_answer(struct driver *d, json_t **ret_answer)
{
	json_t *joined = NULL;
	int r = d->ops->answer(&d->rd, d->state, &joined);
	if (r < 0)
		return r;
	json_auto_t *answer = joined;
	const json_t *said = json_object_get(answer, "error");
	if (d->rd.error && (!said || json_is_null(said))) {
		if (!answer && !(answer = json_object()))
			return -ENOMEM;
		r = stream_put(answer, "error", d->rd.error);
	}
	if (r == 0)
		*ret_answer = json_incref(answer);
	return r;
}

static int note_events(const struct driver *d, uint64_t skipped, struct openai_notes *notes)
{
	const struct {
		uint64_t n;
		const char *text;
	} counts[] = {
		{skipped, "are too long"},
		{d->rd.n_odd, "do not say what they must and are left out"},
		{d->rd.n_unknown, "are of no known type"},
	};
	int r = 0;

	if (d->n_flawed) {
		r = openai_notes_add(notes, "%llu events of the stream could not be read exactly",
				     (unsigned long long)d->n_flawed);
		if (r == 0)
			r = openai_json_note(notes, "an event", d->flaws, d->flaw_offset);
	}
	if (r == 0 && d->cut)
		r = openai_notes_add(notes, "the last event of the stream is cut");
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		if (r == 0 && counts[i].n)
			r = openai_notes_add(notes, "%llu events of the stream %s",
					     (unsigned long long)counts[i].n, counts[i].text);
	if (r == 0 && d->n_late)
		r = openai_notes_add(notes, "%llu events follow the end of the stream",
				     (unsigned long long)d->n_late);
	return r;
}

static int note_end(const struct driver *d, struct openai_notes *notes)
{
	if (d->rd.done || d->rd.error)
		return 0;
	return openai_notes_add(notes, "%s",
				d->ops->says_done ? "the stream does not say [DONE]"
						  : "the stream ends without its last event");
}

static int note_left_out(const struct driver *d, uint64_t skipped, struct openai_notes *notes,
			 bool *ret_inexact)
{
	const struct stream_reader *rd = &d->rd;
	bool pieces = d->n_flawed || skipped || rd->n_odd || rd->n_unknown || rd->budget.over_calls ||
		      rd->budget.over_limit || rd->budget.mixed;

	int r = note_events(d, skipped, notes);
	if (r == 0 && d->ops->note)
		r = d->ops->note(rd, d->state, notes, &pieces);
	if (r == 0 && rd->budget.over_limit && !rd->settled)
		r = openai_notes_add(
			notes, "the stream has more values than can be joined: the others are left out");
	if (r == 0 && rd->budget.mixed && !rd->settled)
		r = openai_notes_add(notes, "the pieces of a value in the stream are not of one type");
	if (r == 0)
		r = note_end(d, notes);
	*ret_inexact = d->n_late || (rd->settled ? d->settled_inexact : pieces);
	return r;
}

static void driver_done(struct driver *d)
{
	if (d->state)
		d->ops->done(d->state);
	free(d->state);
	json_decref(d->rd.error);
}

int openai_stream_read(struct openai_stream *ret_stream, const struct http_message *msg,
		       enum openai_kind kind, struct openai_notes *notes)
{
	_cleanup_(openai_stream_done) struct openai_stream stream = {0};
	_cleanup_(driver_done) struct driver d = {
		.rd = {.msg = msg,
		       .budget = {.nodes = JOIN_MAX_NODES, .weight = JSON_MAX_WEIGHT, .text = msg->body_len}},
		.ops = (size_t)kind < ARRAY_SIZE(families) ? families[kind] : NULL,
	};
	uint64_t skipped = 0;

	if (d.ops && !(d.state = calloc(1, d.ops->state_size)))
		return -ENOMEM;
	int r = drive(&d, &skipped);
	if (r == 0 && d.ops)
		r = build_answer(&d, &stream.answer);
	if (r == 0 && stream.answer)
		r = note_left_out(&d, skipped, notes, &stream.inexact);
	if (r < 0)
		return r;
	stream.chunks = d.chunks;
	stream.done = d.rd.done;
	stream.unfinished = d.rd.unfinished;
	stream.first_token_ts_ns = d.rd.first_token_ts_ns;
	*ret_stream = stream;
	stream.answer = NULL;
	return 0;
}

void openai_stream_done(struct openai_stream *stream)
{
	json_decref(stream->answer);
	stream->answer = NULL;
}
