/* SPDX-License-Identifier: Apache-2.0 */

/* Images as events: previews, of which only the last one's size and hash are kept, and the images. The answer
 * has them as the non-streaming one does; what the events say beside them is its own members. */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/blob.h"
#include "openai/stream_family.h"

struct image {
	struct blob preview; /* the last one */
	uint64_t n_previews;
	json_t *data;	/* array */
	json_t *answer; /* object: the other members */
	bool two_usages;
};

/* What of an event belongs to the image; the rest to the whole answer. */
static bool of_image(const char *key)
{
	return !strcmp(key, "b64_json") || !strcmp(key, "url") || !strcmp(key, "revised_prompt");
}

static bool of_event(const char *key)
{
	return !strcmp(key, "type") || !strcmp(key, "partial_image_index") ||
	       !strcmp(key, "sequence_number") || !strcmp(key, "obfuscation");
}

static int put_rest(struct stream_reader *rd, struct image *im, const char *key, json_t *value)
{
	/* As the answer without a stream calls it. */
	if (!strcmp(key, "created_at"))
		key = "created";
	const json_t *have = json_object_get(im->answer, key);
	if (have && json_is_null(value))
		return 0;
	if (have && !strcmp(key, "usage") && !json_is_null(have) && !json_equal(have, value))
		im->two_usages = true;
	if (!join_budget_take(&rd->budget, value, have))
		return 0;
	return json_object_set_nocheck(im->answer, key, value) < 0 ? -ENOMEM : 0;
}

static int add_members(struct stream_reader *rd, struct image *im, json_t *event, json_t *ret_image)
{
	const char *key;
	json_t *value;

	json_object_foreach (event, key, value) {
		int r = 0;
		if (of_event(key))
			continue;
		if (!of_image(key))
			r = put_rest(rd, im, key, value);
		else if (ret_image)
			r = stream_put(ret_image, key, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_image(struct stream_reader *rd, struct image *im, json_t *event)
{
	json_auto_t *image = json_object();
	if (!image)
		return -ENOMEM;
	int r = add_members(rd, im, event, image);
	if (r < 0)
		return r;
	if (!json_object_size(image)) {
		rd->n_odd++;
		return 0;
	}
	if (!join_budget_take(&rd->budget, image, NULL))
		return 0;
	if (!im->data && !(im->data = json_array()))
		return -ENOMEM;
	return json_array_append(im->data, image) < 0 ? -ENOMEM : 0;
}

static int add_preview(struct stream_reader *rd, struct image *im, json_t *event)
{
	const json_t *image = json_object_get(event, "b64_json");
	if (!json_is_string(image)) {
		rd->n_odd++;
		return 0;
	}
	im->n_previews++;
	blob_reset(&im->preview);
	int r = blob_add(&im->preview, image);
	return r == 0 ? add_members(rd, im, event, NULL) : r;
}

static int image_event(struct stream_reader *rd, void *state, const struct stream_event *event)
{
	struct image *im = state;
	bool completed = !strcmp(event->type, "image_generation.completed") ||
			 !strcmp(event->type, "image_edit.completed");

	if (event->error)
		return 0;
	if (!completed && strcmp(event->type, "image_generation.partial_image") != 0 &&
	    strcmp(event->type, "image_edit.partial_image") != 0) {
		rd->n_unknown++;
		return 0;
	}
	if (!im->answer && !(im->answer = json_object()))
		return -ENOMEM;
	stream_token(rd, event);
	if (!completed)
		return add_preview(rd, im, event->data);
	rd->done = true; /* but of several images each has such an event */
	return add_image(rd, im, event->data);
}

static int put_previews(struct image *im)
{
	json_t *value = NULL;
	if (!im->n_previews)
		return 0;
	int r = blob_value(&im->preview, &value);
	if (r < 0)
		return r;
	json_auto_t *previews = value;
	r = stream_put_new(previews, "count", json_integer((json_int_t)im->n_previews));
	return r == 0 ? stream_put(im->answer, "partial_images", previews) : r;
}

static int image_answer(struct stream_reader *rd, void *state, json_t **ret_answer)
{
	struct image *im = state;

	rd->unfinished = !rd->done;
	if (!im->answer)
		return 0;
	int r = stream_put(im->answer, "data", im->data);
	if (r == 0)
		r = put_previews(im);
	if (r == 0)
		*ret_answer = json_incref(im->answer);
	return r;
}

static int image_note(const struct stream_reader *rd, const void *state, struct openai_notes *notes,
		      bool *inexact)
{
	const struct image *im = state;
	int r = 0;

	(void)rd;
	if (im->preview.bad)
		r = openai_notes_add(notes, "a partial image is not base64");
	if (r == 0 && im->two_usages)
		r = openai_notes_add(notes, "the stream has several values of usage: the last one counts");
	*inexact |= im->preview.bad || im->two_usages;
	return r;
}

static void image_done(void *state)
{
	struct image *im = state;

	blob_done(&im->preview);
	json_decref(im->data);
	json_decref(im->answer);
}

const struct stream_ops stream_image = {
	.state_size = sizeof(struct image),
	.event = image_event,
	.answer = image_answer,
	.note = image_note,
	.done = image_done,
};
