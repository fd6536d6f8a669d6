/* SPDX-License-Identifier: Apache-2.0 */

/* Speech as events: pieces of audio, then the usage. The answer without a stream is the audio as a file. */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/blob.h"
#include "openai/stream_family.h"

struct speech {
	struct blob audio;
	json_t *usage;
	bool begun; /* an event was of this family */
};

static int speech_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	struct speech *s = state;
	bool delta = !strcmp(event->type, "speech.audio.delta");

	if (event->error)
		return 0;
	if (!delta && strcmp(event->type, "speech.audio.done") != 0) {
		rd->n_unknown++;
		return 0;
	}
	s->begun = true;
	if (delta) {
		const json_t *audio = json_object_get(event->data, "audio");
		if (!json_is_string(audio)) {
			rd->n_odd++;
			return 0;
		}
		if (json_string_length(audio))
			stream_token(rd, event);
		return blob_add(&s->audio, audio);
	}
	rd->done = rd->closed = true;
	stream_replace(&s->usage, json_object_get(event->data, "usage"));
	return 0;
}

static int speech_answer(struct stream_reader *rd, void *state, json_t **ret_answer)
{
	struct speech *s = state;
	json_t *audio = NULL;

	rd->unfinished = !rd->done;
	if (!s->begun)
		return 0;
	json_auto_t *answer = json_object();
	json_auto_t *files = json_array();
	int r = answer && files ? blob_value(&s->audio, &audio) : -ENOMEM;
	/* The hash of a file is one of the whole. */
	if (r == 0 && !rd->done)
		json_object_del(audio, "sha256");
	if (r == 0 && json_array_append_new(files, audio) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = stream_put(answer, "files", files);
	if (r == 0)
		r = stream_put(answer, "usage", s->usage);
	if (r == 0)
		*ret_answer = json_incref(answer);
	return r;
}

static int speech_note(const struct stream_reader *rd, const void *state, struct openai_notes *notes,
		       bool *inexact)
{
	const struct speech *s = state;

	(void)rd;
	*inexact |= s->audio.bad;
	return s->audio.bad ? openai_notes_add(notes, "audio in the stream is not base64") : 0;
}

static void speech_done(void *state)
{
	struct speech *s = state;

	blob_done(&s->audio);
	json_decref(s->usage);
}

const struct stream_ops stream_speech = {
	.state_size = sizeof(struct speech),
	.event = speech_event,
	.answer = speech_answer,
	.note = speech_note,
	.done = speech_done,
};
