/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction of a value, in place. */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/redact_internal.h"
#include "policy/redact_walk.h"

#define NUMBER_MIN 10000000 /* integers of fewer digits are not searched */

static int walk_value(struct redact_walk *w, json_t *value, const struct redact_place *place,
		      const char *context, json_t **ret_new);

/* The old text is cleared first: jansson frees it as it is. */
static int string_set(json_t *string, const struct redact_bytes *out)
{
	OPENSSL_cleanse((char *)(uintptr_t)json_string_value(string), json_string_length(string));
	return json_string_setn_nocheck(string, out->len ? out->data : "", out->len) < 0 ? -ENOMEM : 0;
}

int redact_walk_string(struct redact_walk *w, json_t *string, const struct redact_place *place,
		       const char *context, const struct redact_spans *given)
{
	const struct redact_subject subject = {json_string_value(string), json_string_length(string),
					       context};
	int err = redact_top(w->r, w->s, &subject, given, place, w->report);
	if (err == 1) {
		w->changed = true;
		err = string_set(string, &w->s->level[0].out);
	}
	return err;
}

int redact_walk_withhold(struct redact_walk *w, json_t *string, const struct redact_place *place)
{
	int err = redact_withhold(w->r, w->s, place, w->report);
	w->changed = true;
	return err < 0 ? err : string_set(string, &w->s->level[0].out);
}

#define INTEGER_TEXT 24

/* An integer as it is searched; its length. 0: it is not. */
static size_t integer_text(const json_t *value, char ret_text[static INTEGER_TEXT])
{
	const json_int_t n = json_integer_value(value);
	if (n < NUMBER_MIN && n > -NUMBER_MIN)
		return 0;
	return (size_t)snprintf(ret_text, INTEGER_TEXT, "%" JSON_INTEGER_FORMAT, n);
}

static int walk_integer(struct redact_walk *w, const json_t *value, const struct redact_place *place,
			const char *context, json_t **ret_new)
{
	char text[INTEGER_TEXT];
	size_t len = integer_text(value, text);
	if (len == 0)
		return 0;
	const struct redact_subject subject = {text, len, context};
	int err = redact_top(w->r, w->s, &subject, NULL, place, w->report);
	OPENSSL_cleanse(text, sizeof(text));
	if (err != 1)
		return err;
	const struct redact_bytes *out = &w->s->level[0].out;
	w->changed = true;
	*ret_new = out->len ? json_stringn_nocheck(out->data, out->len) : json_null();
	return *ret_new ? 0 : -ENOMEM;
}

/* --- names --- */

static int put_member(json_t *object, const char *name, size_t len, json_t *value)
{
	_cleanup_(redact_bytes_done) struct redact_bytes key = {0};
	int err = redact_bytes_add(&key, name, len);
	for (unsigned int n = 2; err == 0 && json_object_get(object, key.data); n++) {
		char number[16];
		int digits = snprintf(number, sizeof(number), " %u", n);
		redact_bytes_reset(&key);
		err = redact_bytes_add(&key, name, len);
		if (err == 0)
			err = redact_bytes_add(&key, number, (size_t)digits);
	}
	if (err < 0)
		return err;
	return json_object_set_nocheck(object, key.data, value) < 0 ? -ENOMEM : 0;
}

/* All members anew, since their order is that of their coming. Names that stay come as they are even if a new
 * one is alike: they have been there before. */
static int rename_members(struct redact_walk *w, json_t *object, const struct redact_place *place,
			  json_t *fresh)
{
	const char *name;
	json_t *value;
	json_object_foreach (object, name, value) {
		const struct redact_subject subject = {name, strlen(name), NULL};
		int err = redact_top(w->r, w->s, &subject, NULL, place, w->report);
		if (err < 0)
			return err;
		const struct redact_bytes *out = &w->s->level[0].out;
		if (err == 1)
			err = put_member(fresh, out->len ? out->data : "", out->len, value);
		else
			err = put_member(fresh, name, strlen(name), value);
		if (err < 0)
			return err;
	}
	return 0;
}

static bool any_name_changes(struct redact_walk *w, json_t *object)
{
	const char *name;
	json_t *value;
	json_object_foreach (object, name, value) {
		const struct redact_subject subject = {name, strlen(name), NULL};
		if (redact_changes(w->r, w->s, &subject))
			return true;
	}
	return false;
}

static int walk_names(struct redact_walk *w, json_t *object, const struct redact_place *place)
{
	const char *name;
	json_t *value;
	if (!any_name_changes(w, object))
		return 0;
	json_auto_t *fresh = json_object();
	if (!fresh)
		return -ENOMEM;
	int err = rename_members(w, object, place, fresh);
	if (err < 0)
		return err;
	w->changed = true;
	json_object_foreach (object, name, value)
		OPENSSL_cleanse((char *)(uintptr_t)name, strlen(name));
	json_object_clear(object);
	return json_object_update(object, fresh) < 0 ? -ENOMEM : 0;
}

/* --- containers --- */

static int walk_object(struct redact_walk *w, json_t *object, const struct redact_place *place)
{
	int err = w->r->names ? walk_names(w, object, place) : 0;
	for (void *it = json_object_iter(object); err == 0 && it; it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const struct redact_place here = {.above = place, .name = name};
		json_t *fresh = NULL;
		err = walk_value(w, json_object_iter_value(it), &here, name, &fresh);
		if (fresh && json_object_iter_set_new(object, it, fresh) < 0)
			err = -ENOMEM;
	}
	return err;
}

static int walk_array(struct redact_walk *w, json_t *array, const struct redact_place *place,
		      const char *context)
{
	int err = w->r->across_parts ? redact_walk_parts(w, array, place) : 0;
	for (size_t i = 0; err == 0 && i < json_array_size(array); i++) {
		const struct redact_place here = {.above = place, .index = i};
		json_t *fresh = NULL;
		err = walk_value(w, json_array_get(array, i), &here, context, &fresh);
		if (fresh && json_array_set_new(array, i, fresh) < 0)
			err = -ENOMEM;
	}
	return err;
}

static int withhold_deep(struct redact_walk *w, const struct redact_place *place, json_t **ret_new)
{
	w->s->withheld = "depth";
	int err = redact_withhold(w->r, w->s, place, w->report);
	if (err < 0)
		return err;
	w->changed = true;
	*ret_new = json_stringn_nocheck(w->s->level[0].out.data, w->s->level[0].out.len);
	return *ret_new ? 0 : -ENOMEM;
}

/* *ret_new: what takes the value's place, if it cannot be changed itself. */
static int walk_value(struct redact_walk *w, json_t *value, const struct redact_place *place,
		      const char *context, json_t **ret_new)
{
	int err = 0;
	if (json_is_string(value))
		return redact_walk_string(w, value, place, context, NULL);
	if (json_is_integer(value))
		return walk_integer(w, value, place, context, ret_new);
	if (!json_is_object(value) && !json_is_array(value))
		return 0;
	if (w->depth == REDACT_DEPTH_MAX)
		return withhold_deep(w, place, ret_new);
	w->depth++;
	err = json_is_object(value) ? walk_object(w, value, place) : walk_array(w, value, place, context);
	w->depth--;
	return err;
}

int redact_json(const struct redactor *redactor, struct redact_scratch *scratch, json_t **value,
		const char *path, const char *context, struct redact_report *report)
{
	struct redact_walk w = {.r = redactor, .s = scratch, .report = report};
	const struct redact_place place = {.base = path};
	json_t *fresh = NULL;
	int err = redact_limits(redactor, scratch);
	if (err == 0)
		err = walk_value(&w, *value, &place, context, &fresh);
	if (fresh) {
		json_decref(*value);
		*value = fresh;
	}
	redact_scratch_clear(scratch);
	return err < 0 ? err : w.changed;
}

/* --- copies --- */

static bool is_clean(struct redact_walk *w, json_t *value, const char *context);

static bool is_clean_object(struct redact_walk *w, json_t *object)
{
	const char *name;
	json_t *value;
	if (w->r->names && any_name_changes(w, object))
		return false;
	json_object_foreach (object, name, value)
		if (!is_clean(w, value, name))
			return false;
	return true;
}

static bool is_clean_array(struct redact_walk *w, json_t *array, const char *context)
{
	size_t i;
	json_t *item;
	if (w->r->across_parts && (redact_walk_parts(w, array, NULL) < 0 || w->changed))
		return false;
	json_array_foreach (array, i, item)
		if (!is_clean(w, item, context))
			return false;
	return true;
}

static bool is_clean_integer(struct redact_walk *w, const json_t *value, const char *context)
{
	char text[INTEGER_TEXT];
	size_t len = integer_text(value, text);
	if (len == 0)
		return true;
	const struct redact_subject subject = {text, len, context};
	const bool clean = !redact_changes(w->r, w->s, &subject);
	OPENSSL_cleanse(text, sizeof(text));
	return clean;
}

/* True: walk_value() would change nothing. Most values are so, and need no copy then. */
static bool is_clean(struct redact_walk *w, json_t *value, const char *context)
{
	const struct redact_subject subject = {json_string_value(value), json_string_length(value), context};
	if (json_is_string(value))
		return !redact_changes(w->r, w->s, &subject);
	if (json_is_integer(value))
		return is_clean_integer(w, value, context);
	if (!json_is_object(value) && !json_is_array(value))
		return true;
	if (w->depth == REDACT_DEPTH_MAX)
		return false;
	w->depth++;
	const bool clean =
		json_is_object(value) ? is_clean_object(w, value) : is_clean_array(w, value, context);
	w->depth--;
	return clean;
}

int redact_json_copy(const struct redactor *redactor, struct redact_scratch *scratch, const json_t *value,
		     const char *path, const char *context, struct redact_report *report, json_t **ret_value)
{
	struct redact_walk w = {.r = redactor, .s = scratch, .dry = true};
	json_t *from = (json_t *)(uintptr_t)value;
	int r = redact_limits(redactor, scratch);
	if (r < 0)
		return r;
	const bool clean = is_clean(&w, from, context);
	redact_scratch_clear(scratch);
	if (clean) {
		*ret_value = json_incref(from);
		return 0;
	}
	json_t *copy = json_deep_copy(value);
	if (!copy)
		return -ENOMEM;
	r = redact_json(redactor, scratch, &copy, path, context, report);
	if (r < 0)
		json_decref(copy);
	else
		*ret_value = copy;
	return r;
}
