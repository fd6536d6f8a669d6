/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* Of an item and of a part by themselves, with the state of a hash. */
#define ITEM_COST 512
#define PART_COST 1024

/* Events X.delta, whose `delta` is the next piece, and X.done, whose member is the whole. */
static const struct kind {
	const char *event;
	const char *list, *type, *member;
	bool audio;
} kinds[] = {
	{"response.output_text", "content", "output_text", "text", false},
	{"response.text", "content", "text", "text", false},
	{"response.output_audio_transcript", "content", "output_audio", "transcript", false},
	{"response.audio_transcript", "content", "audio", "transcript", false},
	{"response.output_audio", "content", "output_audio", "transcript", true},
	{"response.audio", "content", "audio", "transcript", true},
	{"response.refusal", "content", "refusal", "refusal", false},
	{"response.reasoning_text", "content", "reasoning_text", "text", false},
	{"response.reasoning_summary_text", "summary", "summary_text", "text", false},
	{"response.function_call_arguments", NULL, NULL, "arguments", false},
	{"response.mcp_call_arguments", NULL, NULL, "arguments", false},
	{"response.custom_tool_call_input", NULL, NULL, "input", false},
	{"response.code_interpreter_call_code", NULL, NULL, "code", false},
	/* A translation has one stream for all of the session. */
	{"session.output_transcript", "content", "output_audio", "transcript", false},
	{"session.output_audio", "content", "output_audio", "transcript", true},
};

static bool type_is(const char *type, const char *begin, const char *end)
{
	size_t n = strlen(begin);
	return strncmp(type, begin, n) == 0 && strcmp(type + n, end) == 0;
}

/* --- items and parts ----------------------------------------------------------------- */

static void item_free(struct session_output *out, struct session_item *item)
{
	*out->room += item->cost + ITEM_COST + item->n_parts * PART_COST;
	for (size_t i = 0; i < item->n_parts; i++) {
		*out->room += item->parts[i].text.len;
		buf_done(&item->parts[i].text);
		session_audio_done(&item->parts[i].audio);
	}
	json_decref(item->value);
	free(item->parts);
	free(item->id);
	free(item);
}

static int64_t index_of(const json_t *event, const char *key)
{
	const json_t *value = json_object_get(event, key);
	return json_is_integer(value) ? json_integer_value(value) : 0;
}

static struct session_item *known_item(const struct session_output *out, const char *id, int64_t index)
{
	for (size_t i = out->n_items; i-- > 0;) {
		struct session_item *item = out->items[i];
		if (id && item->id ? !strcmp(item->id, id) : item->index == index)
			return item;
	}
	return NULL;
}

static int new_item(struct session_output *out, const char *id, int64_t index, struct session_item **ret_item)
{
	if (out->n_items == out->cap_items) {
		size_t cap = out->cap_items ? out->cap_items * 2 : 2;
		struct session_item **items = reallocarray(out->items, cap, sizeof(items[0]));
		if (!items)
			return -ENOMEM;
		out->items = items;
		out->cap_items = cap;
	}
	struct session_item *item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	if (id && !(item->id = strdup(id))) {
		free(item);
		return -ENOMEM;
	}
	item->index = index;
	item->cost = id ? strlen(id) : 0;
	*out->room -= ITEM_COST + item->cost;
	size_t at = out->n_items++;
	for (; at && out->items[at - 1]->index > index; at--)
		out->items[at] = out->items[at - 1];
	out->items[at] = *ret_item = item;
	return 0;
}

/* *ret_item is NULL if there are too many. */
static int get_item(struct session_output *out, const char *id, const json_t *event,
		    struct session_item **ret_item)
{
	int64_t index = index_of(event, "output_index");
	*ret_item = known_item(out, id, index);
	if (*ret_item)
		return 0;
	size_t cost = ITEM_COST + (id ? strlen(id) : 0);
	if (out->n_items == SESSION_MAX_OUTPUT_ITEMS || *out->room < cost) {
		out->over_limit = true;
		return 0;
	}
	return new_item(out, id, index, ret_item);
}

static int new_part(struct session_output *out, struct session_item *item, int64_t index,
		    const struct kind *kind, struct session_part **ret_part)
{
	if (item->n_parts == item->cap_parts) {
		size_t cap = item->cap_parts ? item->cap_parts * 2 : 1;
		struct session_part *parts = reallocarray(item->parts, cap, sizeof(parts[0]));
		if (!parts)
			return -ENOMEM;
		item->parts = parts;
		item->cap_parts = cap;
	}
	size_t at = item->n_parts++;
	for (; at && item->parts[at - 1].index > index; at--)
		item->parts[at] = item->parts[at - 1];
	item->parts[at] = (struct session_part){
		.index = index, .list = kind->list, .type = kind->type, .member = kind->member};
	buf_init(&item->parts[at].text, SESSION_MAX_OUTPUT);
	*out->room -= PART_COST;
	*ret_part = &item->parts[at];
	return 0;
}

static bool same_list(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* *ret_part is NULL if there are too many. */
static int get_part(struct session_output *out, struct session_item *item, int64_t index,
		    const struct kind *kind, struct session_part **ret_part)
{
	*ret_part = NULL;
	for (size_t i = 0; i < item->n_parts; i++) {
		if (item->parts[i].index != index || !same_list(item->parts[i].list, kind->list))
			continue;
		*ret_part = &item->parts[i];
		return 0;
	}
	if (item->n_parts == SESSION_MAX_PARTS || *out->room < PART_COST) {
		out->over_limit = true;
		return 0;
	}
	return new_part(out, item, index, kind, ret_part);
}

/* --- events -------------------------------------------------------------------------- */

static int add_text(struct session_output *out, struct session_part *part, const json_t *value)
{
	size_t len = json_string_length(value);
	if (len > *out->room) {
		out->over_limit = true;
		return 0;
	}
	int r = buf_append(&part->text, json_string_value(value), len);
	if (r == 0)
		*out->room -= len;
	return r == -E2BIG ? 0 : r;
}

static int set_text(struct session_output *out, struct session_part *part, const json_t *value)
{
	if (!json_is_string(value))
		return 0;
	*out->room += part->text.len;
	buf_reset(&part->text);
	return add_text(out, part, value);
}

static int add_audio(struct session_part *part, const struct session_text *event)
{
	int r = event->audio ? session_audio_add(&part->audio, event->audio, event->audio_len) : -EBADMSG;
	part->audio.inexact |= event->audio_cut || r < 0;
	return r == -EBADMSG ? 0 : r;
}

static int add_piece(struct session_output *out, const struct session_text *event, const struct kind *kind,
		     bool delta)
{
	const json_t *value = event->value;
	struct session_item *item;
	int r = get_item(out, session_text_of(value, "item_id"), value, &item);
	if (r < 0 || !item)
		return r;
	const char *key = kind->list && !strcmp(kind->list, "summary") ? "summary_index" : "content_index";
	struct session_part *part;
	r = get_part(out, item, kind->list ? index_of(value, key) : 0, kind, &part);
	if (r < 0 || !part)
		return r;
	if (!delta)
		return kind->audio ? 0 : set_text(out, part, json_object_get(value, kind->member));
	out->has_token = true;
	if (kind->audio)
		return add_audio(part, event);
	return add_text(out, part, json_object_get(value, "delta"));
}

static int set_item(struct session_output *out, const json_t *event)
{
	json_t *value = json_object_get(event, "item");
	struct session_item *item;

	if (!json_is_object(value))
		return 0;
	int r = get_item(out, session_text_of(value, "id"), event, &item);
	if (r < 0 || !item)
		return r;
	size_t cost = session_cost(value, SESSION_MAX_OUTPUT);
	if (cost > *out->room) {
		out->over_limit = true;
		return 0;
	}
	*out->room -= cost;
	item->cost += cost; /* that of the value before stays charged: it is a small one */
	json_decref(item->value);
	item->value = json_incref(value);
	return 0;
}

int session_output_add(struct session_output *out, const struct session_text *event)
{
	const char *type = event->type;

	if (!strcmp(type, "response.output_item.added") || !strcmp(type, "response.output_item.done"))
		return set_item(out, event->value);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		bool delta = type_is(type, kinds[i].event, ".delta");
		if (delta || type_is(type, kinds[i].event, ".done"))
			return add_piece(out, event, &kinds[i], delta);
	}
	return 0;
}

/* --- the answer ---------------------------------------------------------------------- */

static bool lacks(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return !value || json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
	       (json_is_array(value) && !json_array_size(value));
}

static int set_member(json_t *object, const struct session_part *part)
{
	if (!part->text.len || !lacks(object, part->member))
		return 0;
	json_t *text = json_stringn_nocheck((const char *)part->text.data, part->text.len);
	return json_object_set_new_nocheck(object, part->member, text) < 0 ? -ENOMEM : 0;
}

/* What the part does not say itself. */
static int complete_part(json_t *value, struct session_part *part)
{
	json_t *audio;
	int r = set_member(value, part);
	if (r < 0 || !part->audio.pieces)
		return r;
	r = session_audio_take(&part->audio, &audio);
	if (r < 0)
		return r;
	return json_object_set_new_nocheck(value, "audio", audio) < 0 ? -ENOMEM : 0;
}

static int append_part(json_t *list, struct session_part *part)
{
	json_auto_t *value = json_pack("{s:s}", "type", part->type);
	if (!value || (!part->text.len && json_object_set_new(value, part->member, json_string("")) < 0))
		return -ENOMEM;
	int r = complete_part(value, part);
	if (r < 0)
		return r;
	return json_array_append(list, value) < 0 ? -ENOMEM : 0;
}

/* Parts of one list: those that the item has are completed; those that it lacks follow. */
static int complete_list(json_t *item, struct session_part *part)
{
	json_t *list = json_object_get(item, part->list);
	if (!json_is_array(list)) {
		list = json_array();
		if (json_object_set_new(item, part->list, list) < 0)
			return -ENOMEM;
	}
	if (part->index >= 0 && (uint64_t)part->index < json_array_size(list)) {
		json_t *value = json_array_get(list, (size_t)part->index);
		return json_is_object(value) ? complete_part(value, part) : 0;
	}
	return append_part(list, part);
}

static int complete_item(json_t *value, struct session_item *item)
{
	int r = 0;
	for (size_t i = 0; i < item->n_parts && r == 0; i++) {
		struct session_part *part = &item->parts[i];
		r = part->list ? complete_list(value, part) : set_member(value, part);
	}
	return r;
}

int session_output_complete(struct session_output *out, json_t *output)
{
	int r = 0;
	for (size_t i = 0; i < json_array_size(output) && r == 0; i++) {
		json_t *value = json_array_get(output, i);
		if (!json_is_object(value))
			continue;
		struct session_item *item = known_item(out, session_text_of(value, "id"), (int64_t)i);
		if (item)
			r = complete_item(value, item);
	}
	return r;
}

static int item_value(struct session_item *item, json_t **ret_value)
{
	json_auto_t *value = item->value ? json_deep_copy(item->value) : json_object();
	if (!value ||
	    (item->id && lacks(value, "id") && json_object_set_new(value, "id", json_string(item->id)) < 0))
		return -ENOMEM;
	if (!item->value && item->n_parts && item->parts[0].list &&
	    json_object_set_new(value, "type", json_string("message")) < 0)
		return -ENOMEM;
	int r = complete_item(value, item);
	if (r < 0)
		return r;
	*ret_value = json_incref(value);
	return 0;
}

int session_output_take(struct session_output *out, json_t **ret_output)
{
	json_auto_t *output = out->n_items ? json_array() : NULL;
	if (out->n_items && !output)
		return -ENOMEM;
	for (size_t i = 0; i < out->n_items; i++) {
		json_t *value = NULL;
		int r = item_value(out->items[i], &value);
		if (r < 0)
			return r;
		if (json_array_append_new(output, value) < 0)
			return -ENOMEM;
	}
	*ret_output = output ? json_incref(output) : NULL;
	return 0;
}

void session_output_done(struct session_output *out)
{
	for (size_t i = 0; i < out->n_items; i++)
		item_free(out, out->items[i]);
	free(out->items);
	*out = (struct session_output){.room = out->room};
}
