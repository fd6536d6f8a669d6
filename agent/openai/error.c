/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* A string as it is; null, false and absent are nothing; anything else as JSON text. */
static int set_text(json_t *error, const char *key, json_t *value)
{
	if (!value || json_is_null(value) || json_is_false(value))
		return 0;
	if (json_is_string(value))
		return json_object_set_nocheck(error, key, value) < 0 ? -ENOMEM : 0;
	_cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!text)
		return -ENOMEM;
	return json_object_set_new_nocheck(error, key, json_string_nocheck(text)) < 0 ? -ENOMEM : 0;
}

static int set_details(struct openai_error *e, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		if (!strcmp(key, "code") || !strcmp(key, "type") || !strcmp(key, "message") ||
		    json_is_null(value))
			continue;
		if (!e->details && !(e->details = json_object()))
			return -ENOMEM;
		if (json_object_set_nocheck(e->details, key, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void read_filter(struct openai_error *e, const json_t *object)
{
	json_t *inner = json_object_get(object, "innererror");
	if (!json_is_object(inner))
		inner = json_object_get(object, "inner_error");
	json_t *results = json_object_get(inner, "content_filter_result");
	if (!json_is_object(results))
		results = json_object_get(inner, "content_filter_results");
	if (json_is_object(results))
		e->filter_results = json_incref(results);
	e->filtered = !strcmp(text_of(object, "code"), "content_filter") ||
		      !strcmp(text_of(object, "code"), "content_policy_violation") ||
		      !strcmp(text_of(inner, "code"), "ResponsibleAIPolicyViolation");
}

static int read_object(struct openai_error *e, const json_t *object)
{
	int r = set_text(e->error, "code", json_object_get(object, "code"));
	if (r == 0)
		r = set_text(e->error, "type", json_object_get(object, "type"));
	if (r == 0)
		r = set_text(e->error, "message", json_object_get(object, "message"));
	if (r == 0)
		r = set_details(e, object);
	read_filter(e, object);
	return r;
}

/* {"statusCode": 401, "message": ...}, {"code": ..., "message": ...}, {"detail": ...} */
static int read_bare(struct openai_error *e, const json_t *answer)
{
	static const struct {
		const char *from, *to;
	} members[] = {{"statusCode", "code"},
		       {"code", "code"},
		       {"type", "type"},
		       {"message", "message"},
		       {"detail", "message"}};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(members) && n < ARRAY_SIZE(e->used); i++) {
		json_t *value = json_object_get(answer, members[i].from);
		if (!value || json_object_get(e->error, members[i].to))
			continue;
		int r = set_text(e->error, members[i].to, value);
		if (r < 0)
			return r;
		if (json_object_get(e->error, members[i].to))
			e->used[n++] = members[i].from;
	}
	return 0;
}

int openai_error_read(struct openai_error *ret_error, const json_t *answer, int status)
{
	_cleanup_(openai_error_done) struct openai_error e = {0};
	json_t *value = json_object_get(answer, "error");
	bool bare =
		status >= 400 && (json_object_get(answer, "message") || json_object_get(answer, "detail"));
	int r = 0;

	if (json_is_null(value) || json_is_false(value))
		value = NULL;
	if (!value && !bare) {
		*ret_error = e;
		return 0;
	}
	e.error = json_object();
	if (!e.error)
		return -ENOMEM;
	if (json_is_object(value))
		r = read_object(&e, value);
	else if (value)
		r = set_text(e.error, "message", value);
	else
		r = read_bare(&e, answer);
	if (r < 0)
		return r;
	if (value)
		e.used[0] = "error";
	*ret_error = e;
	e = (struct openai_error){0};
	return 0;
}

void openai_error_done(struct openai_error *error)
{
	json_decref(error->error);
	json_decref(error->details);
	json_decref(error->filter_results);
	*error = (struct openai_error){0};
}
