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

static bool is_one_of(const char *text, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, names[i]))
			return true;
	return false;
}

static bool names_filter(const char *text)
{
	static const char *const names[] = {"content_filter", "contentFilter", "content_policy_violation",
					    "moderation_blocked", "ResponsibleAIPolicyViolation"};
	return is_one_of(text, names, ARRAY_SIZE(names));
}

/* "Timeout", "server_timeout", "timeout_error", "RequestTimeout", "OperationTimedOut", "DeadlineExceeded",
 * ... */
static bool names_timeout(const char *text)
{
	static const char *const parts[] = {"timeout", "timedout", "timed_out", "deadline"};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(text, parts[i]))
			return true;
	return false;
}

static bool has_blocked(const json_t *filters)
{
	for (size_t i = 0; i < json_array_size(filters); i++)
		if (json_is_true(json_object_get(json_array_get(filters, i), "blocked")))
			return true;
	return false;
}

/* What the members of an error say besides its text. */
static void read_meaning(struct openai_error *e, const json_t *object)
{
	json_t *inner = json_object_get(object, "innererror");
	if (!json_is_object(inner))
		inner = json_object_get(object, "inner_error");
	json_t *results = json_object_get(inner, "content_filter_result");
	if (!json_is_object(results))
		results = json_object_get(inner, "content_filter_results");
	if (json_is_object(results))
		e->filter_results = json_incref(results);
	json_t *filters = json_object_get(object, "content_filters");
	if (json_is_array(filters))
		e->filters = json_incref(filters);

	const char *said[] = {text_of(object, "code"), text_of(object, "type"), text_of(inner, "code")};
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		e->filtered |= names_filter(said[i]);
		e->timeout |= names_timeout(said[i]);
	}
	e->filtered |= has_blocked(filters);
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
	read_meaning(e, object);
	return r;
}

/* {"statusCode": 401, "message": ...}, {"code": ..., "message": ...}, {"detail": ...}, and, where the error
 * is but a word or a sentence, {"error": "Not Found", "message": ...} */
static int read_bare(struct openai_error *e, const json_t *answer)
{
	static const struct {
		const char *from, *to;
	} members[] = {{"statusCode", "code"}, {"code", "code"},     {"type", "type"}, {"message", "message"},
		       {"detail", "message"},  {"error", "message"}, {"error", "code"}};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(members) && n < ARRAY_SIZE(e->used); i++) {
		json_t *value = json_object_get(answer, members[i].from);
		if (!value || json_object_get(e->error, members[i].to))
			continue;
		if (n && !strcmp(e->used[n - 1], members[i].from))
			continue;
		int r = set_text(e->error, members[i].to, value);
		if (r < 0)
			return r;
		if (json_object_get(e->error, members[i].to))
			e->used[n++] = members[i].from;
	}
	read_meaning(e, answer);
	return 0;
}

/* An error is said, and what it is: the value of `error`, or NULL for what read_bare() reads. */
static bool find(const json_t *answer, int status, json_t **ret_value)
{
	json_t *value = json_object_get(answer, "error");

	if (json_is_null(value) || json_is_false(value))
		value = NULL;
	*ret_value = value;
	if (status < 400)
		return value;
	if (!value)
		*ret_value = json_array_get(json_object_get(answer, "errors"), 0);
	else if (json_object_get(answer, "message") && !json_is_object(value))
		*ret_value = NULL;
	return value || *ret_value || json_object_get(answer, "message") || json_object_get(answer, "detail");
}

int openai_error_read(struct openai_error *ret_error, const json_t *answer, int status)
{
	_cleanup_(openai_error_done) struct openai_error e = {0};
	json_t *value;
	int r;

	if (!find(answer, status, &value)) {
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
	if (value && value == json_object_get(answer, "error"))
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
	json_decref(error->filters);
	*error = (struct openai_error){0};
}
