/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/body.h"
#include "openai/exchange.h"
#include "openai/json.h"
#include "openai/notes.h"
#include "openai/operation.h"
#include "openai/target.h"

#define ATTEMPT_MAX 1000000

static int read_attempt(const struct http_message *msg)
{
	const char *text = http_message_header(msg, "x-stainless-retry-count");
	int n = 0;

	for (const char *p = text; p && *p; p++) {
		if (*p < '0' || *p > '9' || n > ATTEMPT_MAX)
			return 0;
		n = n * 10 + (*p - '0');
	}
	return n > ATTEMPT_MAX ? 0 : n;
}

/* The rest stays in `object`, which becomes the parameters. */
static int take_array(json_t *object, const char *key, json_t **ret_array, struct openai_notes *notes)
{
	json_t *value = json_object_get(object, key);
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value))
		return openai_notes_add(notes, "%s is not an array", key);
	*ret_array = json_incref(value);
	json_object_del(object, key);
	return 0;
}

static int read_model(struct openai_request *req, const json_t *object, struct openai_notes *notes)
{
	const json_t *model = json_object_get(object, "model");
	if (!model || json_is_null(model))
		return 0;
	int r = openai_json_name(model, &req->model);
	return r == -EBADMSG ? openai_notes_add(notes, "model is not a name") : r;
}

static int read_chat(struct openai_request *req, json_t *object, struct openai_notes *notes)
{
	if (req->model)
		json_object_del(object, "model");
	if (json_is_boolean(json_object_get(object, "stream")))
		json_object_del(object, "stream");
	int r = take_array(object, "messages", &req->messages, notes);
	if (r == 0)
		r = take_array(object, "tools", &req->tools, notes);
	if (r < 0)
		return r;
	if (!req->messages && !json_object_get(object, "messages"))
		r = openai_notes_add(notes, "the body has no messages");
	if (json_object_size(object))
		req->parameters = json_incref(object);
	return r;
}

/* Why the body holds no value. */
static int note_unread(const struct http_message *msg, const struct openai_json *json,
		       struct openai_notes *notes)
{
	const char *coding = openai_body_coding(msg);
	if (!msg->body_len)
		return openai_notes_add(
			notes, "%s", msg->end == HTTP_END_COMPLETE ? "there is no body" : "no body was seen");
	if (!json->value && coding)
		return openai_notes_add(notes, "the body is compressed (%s) and was not decoded", coding);
	int r = openai_json_note(notes, "the body", json->flaws, json->offset);
	if (r == 0 && json->value && !json_is_object(json->value))
		r = openai_notes_add(notes, "the body is not a JSON object");
	return r;
}

static int read_body(struct openai_request *req, const struct http_message *msg, bool model_is_deployment,
		     struct openai_notes *notes)
{
	struct openai_json json;
	int r = openai_body_note_missing(notes, msg);
	if (r == 0)
		r = openai_json_read(msg->body, msg->body_len, &json);
	if (r < 0)
		return r;

	json_auto_t *value = json.value;
	bool chat = req->kind == OPENAI_CHAT;
	bool keep = !chat || !json_is_object(value) || (json.flaws & JSON_INEXACT);
	if (chat)
		r = note_unread(msg, &json, notes);
	if (r == 0 && keep)
		r = openai_body_keep(msg, json.flaws ? NULL : value, &req->body, &req->body_base64);
	if (r < 0 || !json_is_object(value))
		return r;

	req->stream = json_is_true(json_object_get(value, "stream"));
	r = read_model(req, value, notes);
	if (r == 0 && model_is_deployment && req->model && !req->deployment_id) {
		req->deployment_id = strdup(req->model);
		r = req->deployment_id ? 0 : -ENOMEM;
	}
	return r == 0 && chat ? read_chat(req, value, notes) : r;
}

static int read_target(struct openai_request *req, const struct http_message *msg,
		       const struct openai_operation **ret_op, struct openai_notes *notes)
{
	_cleanup_(openai_target_done) struct openai_target target = {0};
	int r = openai_target_read(&target, msg);
	if (r == 0)
		r = openai_operation_find(msg->method, target.raw_path, target.raw_path_len, ret_op,
					  &req->deployment_id);
	if (r == 0 && target.problem)
		r = openai_notes_add(notes, "%s", target.problem);
	if (r < 0)
		return r;
	req->backend = TAKE_PTR(target.backend);
	req->path = TAKE_PTR(target.path);
	req->api_version = TAKE_PTR(target.api_version);
	req->operation = (*ret_op)->id;
	req->kind = (*ret_op)->kind;
	return 0;
}

int openai_request_new(struct openai_request **ret_req, const struct http_message *msg)
{
	_cleanup_(openai_request_free) struct openai_request *req = calloc(1, sizeof(*req));
	_cleanup_(openai_notes_done) struct openai_notes notes;
	const struct openai_operation *op;

	openai_notes_init(&notes);
	if (!req)
		return -ENOMEM;
	req->attempt = read_attempt(msg);
	int r = read_target(req, msg, &op, &notes);
	if (r == 0)
		r = read_body(req, msg, op->model_is_deployment, &notes);
	if (r < 0)
		return r;
	req->problem = openai_notes_take(&notes);
	*ret_req = TAKE_PTR(req);
	return 0;
}

void openai_request_shed(struct openai_request *req)
{
	json_t **const values[] = {&req->messages, &req->prompt, &req->input,	   &req->instructions,
				   &req->tools,	   &req->files,	 &req->parameters, &req->body};
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		json_decref(*values[i]);
		*values[i] = NULL;
	}
}

void openai_request_free(struct openai_request **req)
{
	struct openai_request *r = *req;
	if (!r)
		return;
	free(r->backend);
	free(r->path);
	free(r->api_version);
	free(r->deployment_id);
	free(r->model);
	free(r->problem);
	openai_request_shed(r);
	free(r);
	*req = NULL;
}
