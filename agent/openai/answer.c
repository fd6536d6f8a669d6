/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/answer.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/error.h"
#include "openai/filter.h"
#include "openai/json.h"
#include "openai/usage.h"

/* While one answer is read. */
struct answer {
	struct openai_response *resp;
	enum openai_kind kind;
	bool joined;
	json_t *object;
	struct openai_verdict *verdict;
	struct openai_notes *notes;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static int keep_error(struct openai_response *resp, const struct openai_error *error,
		      struct openai_verdict *verdict)
{
	resp->error = json_incref(error->error);
	verdict->filtered |= error->filtered;
	verdict->timeout |= error->timeout;
	return 0;
}

static int add_error(struct answer *a, const struct openai_error *error)
{
	int r = keep_error(a->resp, error, a->verdict);
	if (r == 0 && error->details && json_object_set(a->object, "error_details", error->details) < 0)
		r = -ENOMEM;
	if (r == 0 && error->filter_results)
		r = openai_filter_refusal(a->resp, error->filter_results);
	return r == 0 ? openai_filter_list(a->resp, error->filters) : r;
}

/* A job or a video that failed and is looked up: the look-up went well. */
static bool is_object_with_error(const struct answer *a)
{
	return a->kind == OPENAI_OBJECT && a->resp->status < 400 && *text_of(a->object, "id");
}

static int take_error(struct answer *a)
{
	_cleanup_(openai_error_done) struct openai_error error = {0};
	if (is_object_with_error(a))
		return 0;
	int r = openai_error_read(&error, a->object, a->resp->status);
	if (r < 0 || !error.error)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(error.used) && error.used[i]; i++)
		json_object_del(a->object, error.used[i]);
	return add_error(a, &error);
}

/* A run says why it failed in a member of another name. */
static int take_last_error(struct answer *a)
{
	_cleanup_(openai_error_done) struct openai_error error = {0};
	json_t *last = json_object_get(a->object, "last_error");

	if (a->kind != OPENAI_RUN || a->resp->error || !json_is_object(last))
		return 0;
	json_auto_t *wrapped = json_object();
	if (!wrapped || json_object_set(wrapped, "error", last) < 0)
		return -ENOMEM;
	int r = openai_error_read(&error, wrapped, a->resp->status);
	if (r < 0 || !error.error)
		return r;
	json_object_del(a->object, "last_error");
	return add_error(a, &error);
}

static int take_name(struct answer *a, const char *key, char **ret_name)
{
	json_t *value = json_object_get(a->object, key);
	if (!value || json_is_null(value))
		return 0;
	int r = openai_json_name(value, ret_name);
	if (r == -EBADMSG)
		return json_is_string(value) && !json_string_length(value)
			       ? 0
			       : openai_notes_add(a->notes, "%s is not a name", key);
	if (r == 0)
		json_object_del(a->object, key);
	return r;
}

/* due: the kind's answers have this member as an array. */
static int take_array(struct answer *a, const char *key, bool due, json_t **ret_array)
{
	json_t *value = json_object_get(a->object, key);
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value))
		return due ? openai_notes_add(a->notes, "%s is not an array", key) : 0;
	*ret_array = json_incref(value);
	json_object_del(a->object, key);
	return 0;
}

static int add_reason(struct openai_response *resp, json_t *reason)
{
	if (!resp->finish_reason && !(resp->finish_reason = json_array()))
		return -ENOMEM;
	return json_array_append(resp->finish_reason, reason) < 0 ? -ENOMEM : 0;
}

static int take_choices(struct answer *a)
{
	struct openai_response *resp = a->resp;
	int r = take_array(a, "choices", true, &resp->choices);

	for (size_t i = 0; i < json_array_size(resp->choices) && r == 0; i++) {
		json_t *reason = json_object_get(json_array_get(resp->choices, i), "finish_reason");
		if (json_is_string(reason))
			r = add_reason(resp, reason);
	}
	return r == 0 ? openai_filter_items(resp, resp->choices) : r;
}

/* The status of a response or a run that is at an end, or waits for the client, stands for the reason of it.
 */
static int read_status(struct answer *a)
{
	static const char *const going_on[] = {"", "queued", "in_progress", "cancelling"};
	json_t *status = json_object_get(a->object, "status");
	json_t *reason = json_object_get(json_object_get(a->object, "incomplete_details"), "reason");

	if ((a->kind != OPENAI_RESPONSE && a->kind != OPENAI_RUN) || !json_is_string(status))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(going_on); i++)
		if (!strcmp(json_string_value(status), going_on[i]))
			return 0;
	bool incomplete = !strcmp(json_string_value(status), "incomplete");
	return add_reason(a->resp, incomplete && json_is_string(reason) ? reason : status);
}

static int take_data(struct answer *a)
{
	struct openai_response *resp = a->resp;
	bool image = a->kind == OPENAI_IMAGE;
	int r = take_array(a, "output", a->kind == OPENAI_RESPONSE, &resp->output);

	if (r == 0)
		r = take_array(a, "data", image || a->kind == OPENAI_EMBEDDING, &resp->data);
	if (r == 0 && image)
		r = openai_filter_items(resp, resp->data);
	if (r == 0 && a->kind == OPENAI_SPEECH && a->joined)
		r = take_array(a, "files", true, &resp->files);
	json_t *text = json_object_get(a->object, "text");
	if (r == 0 && a->kind == OPENAI_TRANSCRIPT && json_is_string(text)) {
		resp->text = json_incref(text);
		json_object_del(a->object, "text");
	}
	return r;
}

static int take_usage(struct answer *a)
{
	json_t *usage = json_object_get(a->object, "usage");
	int r = openai_usage_read(a->resp, usage, a->notes);
	if (a->resp->usage)
		json_object_del(a->object, "usage");
	return r;
}

/* What an answer of the kind cannot be without. */
static int note_lacking(struct answer *a)
{
	const struct openai_response *resp = a->resp;
	const char *lacking = NULL;

	switch (a->kind) {
	case OPENAI_CHAT:
	case OPENAI_COMPLETION:
		lacking = resp->choices ? NULL : "choices";
		break;
	case OPENAI_EMBEDDING:
	case OPENAI_IMAGE:
		lacking = resp->data ? NULL : "data";
		break;
	case OPENAI_TRANSCRIPT:
		lacking = resp->text ? NULL : "text";
		break;
	case OPENAI_UNKNOWN:
	case OPENAI_RESPONSE:
	case OPENAI_SPEECH:
	case OPENAI_RUN:
	case OPENAI_REALTIME:
	case OPENAI_OBJECT:
		break;
	}
	if (!lacking || resp->error)
		return 0;
	return openai_notes_add(a->notes, "the body has neither %s nor an error", lacking);
}

int openai_answer_read(struct openai_response *resp, enum openai_kind kind, json_t *object, bool joined,
		       struct openai_verdict *verdict, struct openai_notes *notes)
{
	struct answer answer = {resp, kind, joined, object, verdict, notes}, *a = &answer;
	int r = take_error(a);
	if (r == 0)
		r = take_last_error(a);
	if (r == 0)
		r = take_name(a, "id", &resp->response_id);
	if (r == 0)
		r = take_name(a, "model", &resp->model);
	if (r == 0)
		r = openai_filter_take(resp, object);
	if (r == 0)
		r = take_choices(a);
	if (r == 0)
		r = take_data(a);
	if (r == 0)
		r = read_status(a);
	if (r == 0)
		r = take_usage(a);
	if (r == 0)
		r = note_lacking(a);
	if (json_object_size(object))
		resp->extra = json_incref(object);
	return r;
}

int openai_answer_look(struct openai_response *resp, json_t *answer, struct openai_verdict *verdict)
{
	_cleanup_(openai_error_done) struct openai_error error = {0};
	_cleanup_(openai_notes_done) struct openai_notes unsaid;

	/* What is odd about a body of which nothing is expected is not told. */
	openai_notes_init(&unsaid);
	int r = openai_error_read(&error, answer, resp->status);
	if (r == 0 && error.error)
		r = keep_error(resp, &error, verdict);
	return r == 0 ? openai_usage_read(resp, json_object_get(answer, "usage"), &unsaid) : r;
}

/* OpenAI's keys and its short-lived secrets. */
static bool looks_like_key(const json_t *value)
{
	const char *text = json_string_value(value);
	return text && (!strncmp(text, "ek_", 3) || !strncmp(text, "sk-", 3));
}

static int hide(json_t *object, const char *key)
{
	return json_object_set_new(object, key, json_string("[credential]")) < 0 ? -ENOMEM : 1;
}

int openai_answer_hide_keys(json_t *answer, bool known)
{
	static const char *const keys[] = {"client_secret", "api_key"};
	int r = 0, found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys) && r >= 0; i++) {
		json_t *value = json_object_get(answer, keys[i]);
		if (json_is_string(value))
			r = hide(answer, keys[i]);
		else if (json_is_string(json_object_get(value, "value")))
			r = hide(value, "value");
		else
			r = 0;
		found |= r;
	}
	json_t *value = json_object_get(answer, "value");
	if (r >= 0 && (looks_like_key(value) || (known && json_is_string(value))))
		found |= r = hide(answer, "value");
	return r < 0 ? r : found;
}
