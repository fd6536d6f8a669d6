/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "openai/body.h"
#include "openai/exchange.h"
#include "openai/file.h"
#include "openai/form.h"
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

static bool is_text_or_array(const json_t *value)
{
	return json_is_string(value) || json_is_array(value);
}

/* The rest stays in `object`, which becomes the parameters. */
static int take_members(struct openai_request *req, json_t *object, struct openai_notes *notes)
{
	const struct {
		const char *key;
		json_t **member;
		bool text; /* may also be a string */
	} members[] = {
		{"messages", &req->messages, false}, {"prompt", &req->prompt, true},
		{"input", &req->input, true},	     {"instructions", &req->instructions, true},
		{"tools", &req->tools, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *key = members[i].key;
		json_t *value = json_object_get(object, key);
		if (!value || json_is_null(value))
			continue;
		if (members[i].text ? is_text_or_array(value) : json_is_array(value)) {
			*members[i].member = json_incref(value);
			json_object_del(object, key);
		} else if (strcmp(key, "prompt") != 0 || !json_is_object(value)) {
			/* A prompt may also be a reference to one that is kept by the service. */
			int r = openai_notes_add(notes, "%s is not %s", key,
						 members[i].text ? "text or an array" : "an array");
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* stay: the body is kept as it is, so its model stays in it. */
static int take_model(struct openai_request *req, json_t *object, bool stay, struct openai_notes *notes)
{
	char *name;
	const json_t *model = json_object_get(object, "model");
	if (!model || json_is_null(model))
		return 0;
	int r = openai_json_name(model, &name);
	if (r == -EBADMSG)
		return openai_notes_add(notes, "model is not a name");
	if (r < 0)
		return r;
	free(req->model);
	req->model = name;
	if (!stay)
		json_object_del(object, "model");
	return 0;
}

/* In a form everything is text. */
static void take_stream(struct openai_request *req, json_t *object, bool form)
{
	const json_t *stream = json_object_get(object, "stream");
	const char *text = form ? json_string_value(stream) : NULL;
	bool yes = json_is_true(stream) || (text && !strcasecmp(text, "true"));
	bool no = json_is_false(stream) || (text && !strcasecmp(text, "false"));

	/* Speech is asked for as a stream in a word of its own. */
	const char *format = json_string_value(json_object_get(object, "stream_format"));
	req->stream = yes || (req->kind == OPENAI_SPEECH && format && !strcmp(format, "sse"));
	if (yes || no)
		json_object_del(object, "stream");
}

static int take_all(struct openai_request *req, json_t *object, bool form, struct openai_notes *notes)
{
	int r = take_model(req, object, false, notes);
	if (r < 0)
		return r;
	take_stream(req, object, form);
	r = take_members(req, object, notes);
	if (r == 0 && req->kind == OPENAI_CHAT && !req->messages && !json_object_get(object, "messages"))
		r = openai_notes_add(notes, "the body has no messages");
	if (r == 0 && req->kind == OPENAI_EMBEDDING && !req->input && !json_object_get(object, "input"))
		r = openai_notes_add(notes, "the body has no input");
	if (json_object_size(object))
		req->parameters = json_incref(object);
	return r;
}

/* Kinds whose every operation asks with a body. */
static bool needs_body(enum openai_kind kind)
{
	switch (kind) {
	case OPENAI_CHAT:
	case OPENAI_COMPLETION:
	case OPENAI_EMBEDDING:
	case OPENAI_IMAGE:
	case OPENAI_SPEECH:
	case OPENAI_TRANSCRIPT:
		return true;
	case OPENAI_UNKNOWN:
	case OPENAI_RESPONSE:
	case OPENAI_RUN:
	case OPENAI_REALTIME:
	case OPENAI_OBJECT:
		break;
	}
	return false;
}

/* Why the body holds no value. */
static int note_unread(const struct openai_request *req, const struct http_message *msg,
		       const struct openai_json *json, struct openai_notes *notes)
{
	const char *coding = openai_body_coding(msg);
	if (!msg->body_len && !needs_body(req->kind))
		return 0;
	if (!msg->body_len)
		return openai_notes_add(
			notes, "%s", msg->end == HTTP_END_COMPLETE ? "there is no body" : "no body was seen");
	if (!json->value && coding)
		return openai_notes_add(notes, "the body is compressed (%s) and was not decoded", coding);
	/* An SDP offer, say: kept as it is. */
	if (!json->value && !needs_body(req->kind) && openai_file_is_text(msg))
		return 0;
	int r = openai_json_note(notes, "the body", json->flaws, json->offset);
	if (r == 0 && json->value && !json_is_object(json->value))
		r = openai_notes_add(notes, "the body is not a JSON object");
	return r;
}

static int read_json(struct openai_request *req, const struct http_message *msg, struct openai_notes *notes)
{
	struct openai_json json;
	int r = openai_body_note_cut(notes, msg);
	if (r == 0)
		r = openai_json_read(msg->body, msg->body_len, &json);
	if (r < 0)
		return r;

	json_auto_t *value = json.value;
	bool known = req->kind != OPENAI_UNKNOWN;
	bool keep = !known || !json_is_object(value) || (json.flaws & JSON_INEXACT);
	if (known)
		r = note_unread(req, msg, &json, notes);
	if (r == 0 && keep)
		r = openai_body_keep(msg, json.flaws ? NULL : value, &req->body, &req->body_base64);
	if (r < 0 || !json_is_object(value))
		return r;
	if (known)
		return take_all(req, value, false, notes);
	req->stream = json_is_true(json_object_get(value, "stream"));
	return take_model(req, value, true, notes);
}

static int read_form(struct openai_request *req, const struct http_message *msg, struct openai_notes *notes)
{
	json_auto_t *fields = NULL;
	int r = openai_form_read(&fields, &req->files, msg, notes);
	return r == 0 ? take_all(req, fields, true, notes) : r;
}

static int read_body(struct openai_request *req, const struct http_message *msg, struct openai_notes *notes)
{
	int r = openai_body_note_missing(notes, msg);
	if (r < 0)
		return r;
	if (req->kind == OPENAI_UNKNOWN)
		return read_json(req, msg, notes);
	if (msg->n_parts)
		return read_form(req, msg, notes);
	if (msg->body_total && openai_file_is_type(msg) && !openai_body_must_be_json(req->kind) &&
	    req->kind != OPENAI_SPEECH)
		return openai_file_add_body(&req->files, msg);
	if (msg->body_total && http_message_is_type(msg, "multipart/form-data")) {
		r = openai_body_note_cut(notes, msg);
		if (r == 0)
			r = openai_notes_add(notes, "the form in the body could not be read");
		return r == 0 ? openai_body_keep(msg, NULL, &req->body, &req->body_base64) : r;
	}
	return read_json(req, msg, notes);
}

static bool asks_for_websocket(const struct http_message *msg)
{
	const char *upgrade = http_message_header(msg, "upgrade");
	return upgrade && strcasestr(upgrade, "websocket");
}

/* The model and the deployment that are not in the body. */
static void take_names(struct openai_request *req, struct openai_target *target, struct openai_match *match)
{
	req->deployment_id = TAKE_PTR(match->deployment);
	req->model = TAKE_PTR(match->model);
	if (req->kind != OPENAI_REALTIME)
		return;
	if (!req->deployment_id)
		req->deployment_id = TAKE_PTR(target->query_deployment);
	if (!req->model)
		req->model = TAKE_PTR(target->query_model);
}

/* *ret_model_is_deployment: only of those who ask a model. */
static int read_target(struct openai_request *req, const struct http_message *msg,
		       bool *ret_model_is_deployment, struct openai_notes *notes)
{
	_cleanup_(openai_target_done) struct openai_target target = {0};
	_cleanup_(openai_match_done) struct openai_match match = {0};
	int r = openai_target_read(&target, msg);
	if (r < 0)
		return r;
	const struct openai_asked asked = {
		.method = msg->method,
		.path = target.raw_path,
		.path_len = target.raw_path_len,
		.api_version = target.api_version,
		.upgrade = asks_for_websocket(msg),
	};
	r = openai_operation_find(&match, &asked);
	if (r == 0 && target.problem)
		r = openai_notes_add(notes, "%s", target.problem);
	if (r < 0)
		return r;
	req->backend = TAKE_PTR(target.backend);
	req->path = TAKE_PTR(target.path);
	req->api_version = TAKE_PTR(target.api_version);
	req->operation = match.operation->id;
	req->kind = match.operation->kind;
	req->answers_file = match.operation->flags & OP_ANSWERS_FILE;
	req->answers_key = match.operation->flags & OP_ANSWERS_KEY;
	take_names(req, &target, &match);
	*ret_model_is_deployment =
		match.model_is_deployment && req->kind != OPENAI_OBJECT && req->kind != OPENAI_UNKNOWN;
	return 0;
}

int openai_request_new(struct openai_request **ret_req, const struct http_message *msg)
{
	_cleanup_(openai_request_free) struct openai_request *req = calloc(1, sizeof(*req));
	_cleanup_(openai_notes_done) struct openai_notes notes;
	bool model_is_deployment = false;

	openai_notes_init(&notes);
	if (!req)
		return -ENOMEM;
	req->attempt = read_attempt(msg);
	int r = read_target(req, msg, &model_is_deployment, &notes);
	if (r == 0)
		r = read_body(req, msg, &notes);
	if (r == 0 && model_is_deployment && req->model && !req->deployment_id) {
		req->deployment_id = strdup(req->model);
		r = req->deployment_id ? 0 : -ENOMEM;
	}
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
