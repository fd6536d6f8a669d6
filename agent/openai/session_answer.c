/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_answer.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/error.h"
#include "openai/json.h"
#include "openai/session_text.h"
#include "openai/usage.h"

#define STATUS_SWITCHED 101

int session_answer_new(struct openai_response **ret_resp)
{
	struct openai_response *resp = calloc(1, sizeof(*resp));
	if (!resp)
		return -ENOMEM;
	resp->status = STATUS_SWITCHED;
	resp->model_ms = -1;
	openai_usage_init(resp);
	*ret_resp = resp;
	return 0;
}

int session_answer_usage(struct openai_response *resp, const json_t *owner, struct openai_notes *notes)
{
	return openai_usage_read(resp, json_object_get(owner, "usage"), notes);
}

int session_answer_extra(struct openai_response *resp, const char *key, json_t *value)
{
	json_auto_t *owned = value;
	if (!owned)
		return 0;
	if (!resp->extra && !(resp->extra = json_object()))
		return -ENOMEM;
	return json_object_set_nocheck(resp->extra, key, owned) < 0 ? -ENOMEM : 0;
}

static int set_error(struct openai_response *resp, json_t *owner)
{
	_cleanup_(openai_error_done) struct openai_error error = {0};
	int r = openai_error_read(&error, owner, STATUS_SWITCHED);
	if (r < 0 || !error.error)
		return r;
	resp->error = json_incref(error.error);
	if (error.filtered)
		resp->outcome = OPENAI_FILTERED;
	return session_answer_extra(resp, "error_details", json_incref(error.details));
}

int session_answer_fail(struct openai_response *resp, json_t *error)
{
	if (!error || resp->error)
		return 0;
	if (json_is_object(json_object_get(error, "error")))
		return set_error(resp, error);
	/* It is the error itself: an event whose type is "error", or what stands inside of one. */
	const char *type = session_text_of(error, "type");
	json_auto_t *bare = json_copy(error);
	json_auto_t *owner = json_object();
	if (!bare || !owner)
		return -ENOMEM;
	if (type && !strcmp(type, "error"))
		json_object_del(bare, "type");
	if (json_object_set(owner, "error", bare) < 0)
		return -ENOMEM;
	return set_error(resp, owner);
}

static int take_name(json_t *answer, const char *key, char **ret_name, struct openai_notes *notes)
{
	json_t *value = json_object_get(answer, key);
	if (!value || json_is_null(value))
		return 0;
	int r = openai_json_name(value, ret_name);
	if (r == -EBADMSG)
		return openai_notes_add(notes, "%s is not a name", key);
	if (r == 0)
		json_object_del(answer, key);
	return r;
}

/* Why it ended: the reason that is given with it, or else its status. */
static int read_reason(struct openai_response *resp, const json_t *answer)
{
	json_t *reason = json_object_get(json_object_get(answer, "status_details"), "reason");
	if (!json_is_string(reason))
		reason = json_object_get(json_object_get(answer, "incomplete_details"), "reason");
	if (!json_is_string(reason))
		reason = json_object_get(answer, "status");
	if (!json_is_string(reason))
		return 0;
	resp->finish_reason = json_array();
	return !resp->finish_reason || json_array_append(resp->finish_reason, reason) < 0 ? -ENOMEM : 0;
}

static int take_error(struct openai_response *resp, json_t *answer)
{
	json_t *details = json_object_get(answer, "status_details");
	json_t *error = json_object_get(answer, "error");
	int r = 0;

	if (error && !json_is_null(error)) {
		r = set_error(resp, answer);
		json_object_del(answer, "error");
	} else if (json_object_get(details, "error")) {
		r = set_error(resp, details);
	}
	return r;
}

static void take_output(struct openai_response *resp, json_t *answer)
{
	json_t *output = json_object_get(answer, "output");
	if (!json_is_array(output))
		return;
	resp->output = json_incref(output);
	json_object_del(answer, "output");
}

static bool status_is(const json_t *answer, const char *status)
{
	const char *text = session_text_of(answer, "status");
	return text && !strcmp(text, status);
}

int session_answer_read(struct openai_response *resp, json_t *answer, struct openai_notes *notes)
{
	json_auto_t *rest = json_copy(answer);
	const char *key;
	json_t *value;

	if (!rest)
		return -ENOMEM;
	int r = take_error(resp, rest);
	if (r == 0)
		r = take_name(rest, "id", &resp->response_id, notes);
	if (r == 0)
		r = take_name(rest, "model", &resp->model, notes);
	if (r == 0)
		r = read_reason(resp, rest);
	if (r == 0)
		r = session_answer_usage(resp, rest, notes);
	if (r < 0)
		return r;
	take_output(resp, rest);
	if (resp->usage)
		json_object_del(rest, "usage");
	json_object_foreach (rest, key, value)
		if ((r = session_answer_extra(resp, key, json_incref(value))) < 0)
			return r;
	if (status_is(answer, "failed") && resp->outcome == OPENAI_OK)
		resp->outcome = OPENAI_STREAM_ERROR;
	if (status_is(answer, "cancelled") && resp->outcome == OPENAI_OK)
		resp->outcome = OPENAI_INTERRUPTED;
	return 0;
}

void session_answer_judge(struct openai_response *resp)
{
	const char *reason = json_string_value(json_array_get(resp->finish_reason, 0));

	if (resp->outcome == OPENAI_FILTERED)
		return;
	if (resp->error)
		resp->outcome = OPENAI_STREAM_ERROR;
	else if (resp->outcome == OPENAI_STREAM_ERROR)
		return;
	else if (reason && !strcmp(reason, "content_filter"))
		resp->outcome = OPENAI_FILTERED;
	else if (!resp->whole)
		resp->outcome = OPENAI_INTERRUPTED;
}
