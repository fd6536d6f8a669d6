/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/stream_item.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"

/* In the order in which they are put into an element of a list. */
enum slot_what { WHAT_PART, WHAT_TEXT, WHAT_REFUSAL, WHAT_ANNOTATIONS, WHAT_LOGPROBS };

struct place {
	enum item_list list;
	enum slot_what what;
	const char *parent;    /* member of the item that holds the text or its list; or NULL: the item */
	const char *member;    /* NULL: the element of the list is the text */
	const char *part_type; /* of an element that no event has added */
	const char *item_type; /* of an item that no event has added */
};

static const struct place places[] = {
	[ITEM_OUTPUT_TEXT] = {ITEM_CONTENT_LIST, WHAT_TEXT, NULL, "text", "output_text", "message"},
	[ITEM_REFUSAL] = {ITEM_CONTENT_LIST, WHAT_REFUSAL, NULL, "refusal", "refusal", "message"},
	[ITEM_REASONING] = {ITEM_CONTENT_LIST, WHAT_TEXT, NULL, "text", "reasoning_text", "reasoning"},
	[ITEM_SUMMARY] = {ITEM_SUMMARY_LIST, WHAT_TEXT, NULL, "text", "summary_text", "reasoning"},
	[ITEM_FUNCTION_ARGUMENTS] = {ITEM_NO_LIST, WHAT_TEXT, NULL, "arguments", NULL, "function_call"},
	[ITEM_MCP_ARGUMENTS] = {ITEM_NO_LIST, WHAT_TEXT, NULL, "arguments", NULL, "mcp_call"},
	[ITEM_INPUT] = {ITEM_NO_LIST, WHAT_TEXT, NULL, "input", NULL, "custom_tool_call"},
	[ITEM_CODE] = {ITEM_NO_LIST, WHAT_TEXT, NULL, "code", NULL, "code_interpreter_call"},
	[ITEM_DIFF] = {ITEM_NO_LIST, WHAT_TEXT, "operation", "diff", NULL, "apply_patch_call"},
	[ITEM_COMMAND] = {ITEM_COMMAND_LIST, WHAT_TEXT, "action", NULL, NULL, "shell_call"},
};

static const struct {
	const char *parent, *name;
} lists[] = {
	[ITEM_NO_LIST] = {NULL, NULL},
	[ITEM_CONTENT_LIST] = {NULL, "content"},
	[ITEM_SUMMARY_LIST] = {NULL, "summary"},
	[ITEM_COMMAND_LIST] = {"action", "commands"},
};

/* One thing at one place of the item; an item's slots are sorted by the first three members. */
struct item_slot {
	enum item_list list;
	int64_t index;
	enum slot_what what;
	const struct place *place; /* of a text: as its first piece says */
	struct buf text;
	json_t *value; /* of the others: the part, or an array */
	bool whole;    /* all of it has come */
};

static void slot_free(struct item_slot **slot)
{
	if (!*slot)
		return;
	buf_done(&(*slot)->text);
	json_decref((*slot)->value);
	free(*slot);
	*slot = NULL;
}

int item_new(struct item **ret_item, int64_t index)
{
	struct item *item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	item->index = index;
	*ret_item = item;
	return 0;
}

static void free_slots(struct item *item)
{
	for (size_t i = 0; i < item->n_slots; i++)
		slot_free(&item->slots[i]);
	free(item->slots);
	item->slots = NULL;
	item->n_slots = item->cap_slots = 0;
}

void item_free(struct item **item)
{
	if (!*item)
		return;
	free_slots(*item);
	blob_done(&(*item)->image);
	json_decref((*item)->base);
	json_decref((*item)->id);
	free(*item);
	*item = NULL;
}

/* Place of the first slot that is not before the one asked for. */
static size_t slot_at(const struct item *item, enum item_list list, int64_t index, enum slot_what what)
{
	size_t from = 0, to = item->n_slots;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		const struct item_slot *s = item->slots[mid];
		bool before = s->list != list	  ? s->list < list
			      : s->index != index ? s->index < index
						  : s->what < what;
		if (before)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct item_slot *find_slot(const struct item *item, enum item_list list, int64_t index,
				   enum slot_what what)
{
	size_t at = slot_at(item, list, index, what);
	struct item_slot *s = at < item->n_slots ? item->slots[at] : NULL;

	return s && s->list == list && s->index == index && s->what == what ? s : NULL;
}

/* *ret_slot is NULL if there is no room for it. */
static int need_slot(struct item *item, enum item_list list, int64_t index, enum slot_what what,
		     struct stream_reader *rd, struct item_slot **ret_slot)
{
	*ret_slot = find_slot(item, list, index, what);
	if (*ret_slot)
		return 0;
	if (item->n_slots == ITEM_MAX_SLOTS || !rd->budget.nodes) {
		rd->budget.over_limit = true;
		return 0;
	}
	if (item->n_slots == item->cap_slots) {
		size_t cap = item->cap_slots ? item->cap_slots * 2 : 4;
		struct item_slot **slots = reallocarray(item->slots, cap, sizeof(struct item_slot *));
		if (!slots)
			return -ENOMEM;
		item->slots = slots;
		item->cap_slots = cap;
	}
	struct item_slot *slot = calloc(1, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	slot->list = list;
	slot->index = index;
	slot->what = what;
	buf_init(&slot->text, SIZE_MAX / 4);
	size_t at = slot_at(item, list, index, what);
	memmove(item->slots + at + 1, item->slots + at, (item->n_slots - at) * sizeof(struct item_slot *));
	item->slots[at] = *ret_slot = slot;
	item->n_slots++;
	rd->budget.nodes--;
	return 0;
}

/* All that can be said of the element at that place has been said. */
static bool is_closed(const struct item *item, enum item_list list, int64_t index, struct stream_reader *rd)
{
	const struct item_slot *part = find_slot(item, list, index, WHAT_PART);
	bool closed = item->done || (part && part->whole);

	rd->n_odd += closed;
	return closed;
}

static bool same_id(const json_t *a, const json_t *b)
{
	const json_t *left = json_object_get(a, "id"), *right = json_object_get(b, "id");
	return !json_is_string(left) || !json_is_string(right) || json_equal(left, right);
}

int item_set(struct item *item, json_t *value, bool done, struct stream_reader *rd)
{
	if (item->done && !done) {
		rd->n_odd++;
		return 0;
	}
	rd->budget.mixed |= item->base && !same_id(item->base, value);
	if (!join_budget_take(&rd->budget, value, item->base))
		return 0;
	stream_replace(&item->base, value);
	item->done = done;
	item->status = NULL;
	if (done) {
		rd->budget.nodes += item->n_slots;
		free_slots(item);
	}
	return 0;
}

int item_add_text(struct item *item, enum item_text text, int64_t index, const json_t *piece, bool whole,
		  struct stream_reader *rd)
{
	const struct place *place = &places[text];
	size_t len = json_string_length(piece);
	struct item_slot *slot;

	if (is_closed(item, place->list, index, rd))
		return 0;
	int r = need_slot(item, place->list, index, place->what, rd, &slot);
	if (r < 0 || !slot)
		return r;
	if (slot->whole) {
		rd->n_odd++;
		return 0;
	}
	if (!slot->place)
		slot->place = place;
	if (!item->type)
		item->type = place->item_type;
	if (whole) {
		rd->budget.text += slot->text.len;
		buf_reset(&slot->text);
		slot->whole = true;
	}
	if (len > rd->budget.text) {
		rd->budget.over_limit = true;
		return 0;
	}
	rd->budget.text -= len;
	return buf_append(&slot->text, json_string_value(piece), len);
}

int item_set_part(struct item *item, enum item_list list, int64_t index, json_t *part, bool done,
		  struct stream_reader *rd)
{
	struct item_slot *slot;

	if (is_closed(item, list, index, rd))
		return 0;
	int r = need_slot(item, list, index, WHAT_PART, rd, &slot);
	if (r < 0 || !slot || !join_budget_take(&rd->budget, part, slot->value))
		return r;
	stream_replace(&slot->value, part);
	slot->whole = done;
	if (!item->type)
		item->type = list == ITEM_CONTENT_LIST ? "message" : "reasoning";
	if (!done)
		return 0;
	/* The part holds what its pieces were. */
	size_t from = slot_at(item, list, index, WHAT_PART) + 1, to = from;
	while (to < item->n_slots && item->slots[to]->list == list && item->slots[to]->index == index)
		slot_free(&item->slots[to++]);
	memmove(item->slots + from, item->slots + to, (item->n_slots - to) * sizeof(struct item_slot *));
	item->n_slots -= to - from;
	rd->budget.nodes += to - from;
	return 0;
}

int item_add_annotation(struct item *item, int64_t index, json_t *annotation, struct stream_reader *rd)
{
	struct item_slot *slot;

	if (is_closed(item, ITEM_CONTENT_LIST, index, rd))
		return 0;
	int r = need_slot(item, ITEM_CONTENT_LIST, index, WHAT_ANNOTATIONS, rd, &slot);
	if (r < 0 || !slot || !join_budget_take(&rd->budget, annotation, NULL))
		return r;
	if (!slot->value && !(slot->value = json_array()))
		return -ENOMEM;
	return json_array_append(slot->value, annotation) < 0 ? -ENOMEM : 0;
}

int item_add_logprobs(struct item *item, int64_t index, json_t *logprobs, bool whole,
		      struct stream_reader *rd)
{
	struct item_slot *slot;

	/* Said with a text, which has been counted if it comes too late. */
	if (!json_array_size(logprobs) || item->done)
		return 0;
	int r = need_slot(item, ITEM_CONTENT_LIST, index, WHAT_LOGPROBS, rd, &slot);
	if (r < 0 || !slot)
		return r;
	if (!whole)
		return stream_extend(&slot->value, logprobs, &rd->budget);
	if (join_budget_take(&rd->budget, logprobs, slot->value))
		stream_replace(&slot->value, logprobs);
	return 0;
}

int item_add_image(struct item *item, const json_t *base64)
{
	item->n_images++;
	if (!item->type)
		item->type = "image_generation_call";
	blob_reset(&item->image);
	return blob_add(&item->image, base64);
}

/* The member, made if it is not there. *mixed: it was there, and was something else. Borrowed; NULL: -ENOMEM.
 */
static json_t *need_member(json_t *object, const char *key, bool array, bool *mixed)
{
	json_t *value = json_object_get(object, key);

	if (array ? json_is_array(value) : json_is_object(value))
		return value;
	*mixed |= value && !json_is_null(value);
	value = array ? json_array() : json_object();
	return json_object_set_new_nocheck(object, key, value) < 0 ? NULL : value;
}

static int text_value(const struct item_slot *slot, json_t **ret_text)
{
	const struct buf *b = &slot->text;
	*ret_text = json_stringn_nocheck(b->len ? (const char *)b->data : "", b->len);
	return *ret_text ? 0 : -ENOMEM;
}

/* What a slot says of the element of a list. */
static int put_slot(json_t *element, const struct item_slot *slot, bool *mixed)
{
	json_t *text;
	bool annotations = slot->what == WHAT_ANNOTATIONS;

	if (slot->what == WHAT_PART)
		return 0;
	if (slot->place) {
		int r = text_value(slot, &text);
		return r == 0 ? stream_put_new(element, slot->place->member, text) : r;
	}
	json_t *array = need_member(element, annotations ? "annotations" : "logprobs", true, mixed);
	return array && (!slot->value || json_array_extend(array, slot->value) == 0) ? 0 : -ENOMEM;
}

static const char *part_type(struct item_slot *const *slots, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slots[i]->place)
			return slots[i]->place->part_type;
	return "output_text";
}

/* The element that n slots are of. `have` is the one that the item as it was added has there, or NULL. */
static int make_element(struct item_slot *const *slots, size_t n, json_t *have, bool *mixed,
			json_t **ret_element)
{
	json_t *part = slots[0]->what == WHAT_PART ? slots[0]->value : have;

	/* A list of texts. */
	if (slots[n - 1]->place && !slots[n - 1]->place->member)
		return text_value(slots[n - 1], ret_element);
	*mixed |= part && !json_is_object(part);
	json_auto_t *element = json_is_object(part) ? json_incref(part) : json_object();
	if (!element)
		return -ENOMEM;
	if (!json_object_size(element)) {
		int r = stream_put_new(element, "type", json_string(part_type(slots, n)));
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		int r = put_slot(element, slots[i], mixed);
		if (r < 0)
			return r;
	}
	*ret_element = json_incref(element);
	return 0;
}

/* The slots from `at` on that are of one list. Their indices say the order: an index beyond what is there is
 * the next place. *ret_next: the first slot that is not of the list. */
static int put_list(const struct item *item, size_t at, json_t *value, bool *mixed, size_t *ret_next)
{
	enum item_list list = item->slots[at]->list;
	const char *parent = lists[list].parent;
	json_t *holder = parent ? need_member(value, parent, false, mixed) : value;
	json_t *array = holder ? need_member(holder, lists[list].name, true, mixed) : NULL;
	size_t have = json_array_size(array);

	if (!array)
		return -ENOMEM;
	while (at < item->n_slots && item->slots[at]->list == list) {
		int64_t index = item->slots[at]->index;
		size_t n = 1;
		bool in_place = (uint64_t)index < have;
		json_t *element;
		while (at + n < item->n_slots && item->slots[at + n]->list == list &&
		       item->slots[at + n]->index == index)
			n++;
		int r = make_element(item->slots + at, n,
				     in_place ? json_array_get(array, (size_t)index) : NULL, mixed, &element);
		if (r < 0)
			return r;
		if ((in_place ? json_array_set_new(array, (size_t)index, element)
			      : json_array_append_new(array, element)) < 0)
			return -ENOMEM;
		at += n;
	}
	*ret_next = at;
	return 0;
}

/* A text that is a member of the item itself. */
static int put_own(const struct item_slot *slot, json_t *value, bool *mixed)
{
	json_t *text;

	json_t *holder = slot->place->parent ? need_member(value, slot->place->parent, false, mixed) : value;
	int r = holder ? text_value(slot, &text) : -ENOMEM;
	return r == 0 ? stream_put_new(holder, slot->place->member, text) : r;
}

static int put_slots(const struct item *item, json_t *value, bool *mixed)
{
	for (size_t at = 0; at < item->n_slots;) {
		int r = 0;
		if (item->slots[at]->list != ITEM_NO_LIST)
			r = put_list(item, at, value, mixed, &at);
		else
			r = put_own(item->slots[at++], value, mixed);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An item that no event has added. */
static int make_base(struct item *item)
{
	item->base = json_object();
	if (!item->base)
		return -ENOMEM;
	int r = stream_put(item->base, "id", item->id);
	if (r == 0 && item->type)
		r = stream_put_new(item->base, "type", json_string(item->type));
	if (r == 0)
		r = stream_put_new(item->base, "status", json_string("in_progress"));
	return r;
}

static int put_images(struct item *item)
{
	json_t *value = NULL;
	int r = blob_value(&item->image, &value);
	if (r < 0)
		return r;
	json_auto_t *images = value;
	r = stream_put_new(images, "count", json_integer((json_int_t)item->n_images));
	return r == 0 ? stream_put(item->base, "partial_images", images) : r;
}

int item_value(struct item *item, struct stream_reader *rd, json_t **ret_value)
{
	int r = item->base ? 0 : make_base(item);
	if (r == 0)
		r = put_slots(item, item->base, &rd->budget.mixed);
	if (r == 0 && item->status)
		r = stream_put_new(item->base, "status", json_string(item->status));
	if (r == 0 && item->n_images && !item->done)
		r = put_images(item);
	if (r == 0)
		*ret_value = json_incref(item->base);
	return r;
}
