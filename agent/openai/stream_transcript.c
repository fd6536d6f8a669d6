/* SPDX-License-Identifier: Apache-2.0 */

/* Transcriptions as events: pieces of text, segments of speakers, then the whole text with its usage. */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/stream_family.h"

struct transcript {
	struct join text;
	json_t *logprobs; /* array, of the pieces */
	json_t *segments; /* array */
	json_t *final;	  /* object: the members of the last event */
	bool begun;
};

static int add_delta(struct stream_reader *rd, struct transcript *t, const struct stream_event *event)
{
	json_t *delta = json_object_get(event->data, "delta");
	json_t *logprobs = json_object_get(event->data, "logprobs");

	if (!json_is_string(delta)) {
		rd->n_odd++;
		return 0;
	}
	if (json_string_length(delta))
		stream_token(rd, event);
	int r = join_add(&t->text, delta, &rd->budget);
	if (r == 0 && json_array_size(logprobs))
		r = stream_extend(&t->logprobs, logprobs, &rd->budget);
	return r;
}

static int add_segment(struct stream_reader *rd, struct transcript *t, const struct stream_event *event)
{
	if (json_string_length(json_object_get(event->data, "text")))
		stream_token(rd, event);
	if (!t->segments && !(t->segments = json_array()))
		return -ENOMEM;
	/* Its `type` is the event's, and so is that of segments in the answer without a stream. */
	if (!join_budget_take(&rd->budget, event->data, NULL))
		return 0;
	return json_array_append(t->segments, event->data) < 0 ? -ENOMEM : 0;
}

static int transcript_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	struct transcript *t = state;
	bool delta = !strcmp(event->type, "transcript.text.delta");
	bool segment = !strcmp(event->type, "transcript.text.segment");

	if (event->error)
		return 0;
	if (!delta && !segment && strcmp(event->type, "transcript.text.done") != 0) {
		rd->n_unknown++;
		return 0;
	}
	t->begun = true;
	json_object_del(event->data, "obfuscation");
	if (delta)
		return add_delta(rd, t, event);
	if (segment)
		return add_segment(rd, t, event);
	rd->done = rd->closed = true;
	json_object_del(event->data, "type");
	if (!json_is_string(json_object_get(event->data, "text")))
		rd->n_odd++;
	stream_replace(&t->final, event->data);
	return 0;
}

static int transcript_answer(struct stream_reader *rd, void *state, json_t **ret_answer)
{
	const struct transcript *t = state;
	json_t *text = NULL;

	rd->unfinished = !rd->done;
	if (!t->begun)
		return 0;
	json_auto_t *answer = t->final ? json_copy(t->final) : json_object();
	int r = answer ? join_value(&t->text, &text) : -ENOMEM;
	json_auto_t *joined = text;
	if (r == 0 && !json_is_string(json_object_get(answer, "text")))
		r = stream_put(answer, "text", joined);
	if (r == 0 && !json_object_get(answer, "logprobs"))
		r = stream_put(answer, "logprobs", t->logprobs);
	if (r == 0 && !json_object_get(answer, "segments"))
		r = stream_put(answer, "segments", t->segments);
	if (r == 0)
		*ret_answer = json_incref(answer);
	return r;
}

static void transcript_done(void *state)
{
	struct transcript *t = state;

	join_done(&t->text);
	json_decref(t->logprobs);
	json_decref(t->segments);
	json_decref(t->final);
}

const struct stream_ops stream_transcript = {
	.state_size = sizeof(struct transcript),
	.event = transcript_event,
	.answer = transcript_answer,
	.done = transcript_done,
};
