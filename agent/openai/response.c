/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/body.h"
#include "openai/error.h"
#include "openai/exchange.h"
#include "openai/json.h"
#include "openai/notes.h"
#include "openai/stream.h"
#include "openai/text.h"

/* Integers up to here survive a reader that holds numbers in a double. */
#define TOKENS_MAX ((1LL << 53) - 1)

const char *openai_outcome_name(enum openai_outcome outcome)
{
	switch (outcome) {
	case OPENAI_OK:
		return "ok";
	case OPENAI_HTTP_ERROR:
		return "http-error";
	case OPENAI_STREAM_ERROR:
		return "stream-error";
	case OPENAI_FILTERED:
		return "filtered";
	case OPENAI_INTERRUPTED:
		return "interrupted";
	}
	return "interrupted";
}

/* While one response is read. */
struct reading {
	struct openai_response *resp;
	const struct http_message *msg;
	struct openai_notes notes;
	bool chat;	 /* read it as a chat completion */
	bool orphan;	 /* whether it is one can only be told from the body */
	bool filtered;	 /* the error names the content filter */
	bool ends_early; /* what was seen of the body ends inside of it, and nothing of what was seen is
			    lacking */
};

/* Digits and at most one point: no sign, no exponent, and no locale. */
static double read_ms(const char *text)
{
	static const double scale[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,	 1e6,  1e7,
				       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	uint64_t digits = 0;
	size_t n = 0, decimals = 0;
	bool point = false;

	for (const char *p = text; p && *p; p++) {
		if (*p == '.' && !point) {
			point = true;
			continue;
		}
		if (*p < '0' || *p > '9' || ++n > 15)
			return -1;
		digits = digits * 10 + (uint64_t)(*p - '0');
		decimals += point;
	}
	return n ? (double)digits / scale[decimals] : -1;
}

static int read_tokens(const json_t *usage, const char *key, int64_t *ret_tokens, struct openai_notes *notes)
{
	const json_t *value = json_object_get(usage, key);
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > TOKENS_MAX)
		return openai_notes_add(notes, "usage.%s is not a whole number from 0 to 2^53-1", key);
	*ret_tokens = json_integer_value(value);
	return 0;
}

static int take_usage(struct reading *rd, json_t *answer)
{
	struct openai_response *resp = rd->resp;
	json_t *usage = json_object_get(answer, "usage");
	if (!usage || json_is_null(usage))
		return 0;
	if (!json_is_object(usage))
		return openai_notes_add(&rd->notes, "usage is not an object");
	resp->usage = json_incref(usage);
	json_object_del(answer, "usage");
	int r = read_tokens(resp->usage, "prompt_tokens", &resp->prompt_tokens, &rd->notes);
	if (r == 0)
		r = read_tokens(resp->usage, "completion_tokens", &resp->completion_tokens, &rd->notes);
	if (r == 0)
		r = read_tokens(resp->usage, "total_tokens", &resp->total_tokens, &rd->notes);
	if (resp->prompt_tokens >= 0 || resp->completion_tokens >= 0 || resp->total_tokens >= 0)
		resp->usage_source = OPENAI_USAGE_REPORTED;
	return r;
}

/* Sets one list of content_filter. */
static int set_filter(struct openai_response *resp, const char *key, json_t *list)
{
	if (!resp->content_filter && !(resp->content_filter = json_object()))
		return -ENOMEM;
	return json_object_set(resp->content_filter, key, list) < 0 ? -ENOMEM : 0;
}

static int take_prompt_filter(struct reading *rd, json_t *answer)
{
	static const char *const keys[] = {"prompt_filter_results", "prompt_annotations"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *list = json_object_get(answer, keys[i]);
		if (!json_is_array(list))
			continue;
		int r = set_filter(rd->resp, "prompt", list);
		if (r < 0)
			return r;
		json_object_del(answer, keys[i]);
		break;
	}
	return 0;
}

static int add_choice_filter(json_t *list, const json_t *choice)
{
	json_t *results = json_object_get(choice, "content_filter_results");
	json_t *index = json_object_get(choice, "index");
	if (!results || json_is_null(results))
		return 0;
	json_auto_t *entry = json_object();
	if (!entry || (index && json_object_set(entry, "index", index) < 0) ||
	    json_object_set(entry, "content_filter_results", results) < 0 ||
	    json_array_append(list, entry) < 0)
		return -ENOMEM;
	return 0;
}

static int read_choices(struct openai_response *resp)
{
	json_auto_t *filters = json_array();
	json_auto_t *reasons = json_array();
	int r = 0;

	if (!filters || !reasons)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(resp->choices); i++) {
		json_t *choice = json_array_get(resp->choices, i);
		json_t *reason = json_object_get(choice, "finish_reason");
		if (json_is_string(reason) && json_array_append(reasons, reason) < 0)
			return -ENOMEM;
		r = add_choice_filter(filters, choice);
		if (r < 0)
			return r;
	}
	if (json_array_size(reasons))
		resp->finish_reason = json_incref(reasons);
	if (json_array_size(filters))
		r = set_filter(resp, "choices", filters);
	return r;
}

static int take_choices(struct reading *rd, json_t *answer)
{
	json_t *choices = json_object_get(answer, "choices");
	if (!choices || json_is_null(choices))
		return 0;
	if (!json_is_array(choices))
		return openai_notes_add(&rd->notes, "choices is not an array");
	rd->resp->choices = json_incref(choices);
	json_object_del(answer, "choices");
	return read_choices(rd->resp);
}

static int take_name(struct reading *rd, json_t *answer, const char *key, char **ret_name)
{
	json_t *value = json_object_get(answer, key);
	if (!value || json_is_null(value))
		return 0;
	int r = openai_json_name(value, ret_name);
	if (r == -EBADMSG)
		return json_is_string(value) && !json_string_length(value)
			       ? 0
			       : openai_notes_add(&rd->notes, "%s is not a name", key);
	if (r == 0)
		json_object_del(answer, key);
	return r;
}

/* What the filter said of the prompt that it refused. */
static int set_refusal(struct openai_response *resp, json_t *results)
{
	if (json_object_get(resp->content_filter, "prompt"))
		return 0;
	json_auto_t *list = json_array();
	json_auto_t *entry = json_object();
	if (!list || !entry || json_object_set(entry, "content_filter_results", results) < 0 ||
	    json_array_append(list, entry) < 0)
		return -ENOMEM;
	return set_filter(resp, "prompt", list);
}

/* answer is left as it is if `strip` is false: it is the body to be kept. */
static int take_error(struct reading *rd, json_t *answer, bool strip)
{
	_cleanup_(openai_error_done) struct openai_error error = {0};
	int r = openai_error_read(&error, answer, rd->resp->status);
	if (r < 0 || !error.error)
		return r;
	rd->resp->error = json_incref(error.error);
	rd->filtered = error.filtered;
	if (!strip)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(error.used) && error.used[i]; i++)
		json_object_del(answer, error.used[i]);
	if (error.details && json_object_set(answer, "error_details", error.details) < 0)
		return -ENOMEM;
	return error.filter_results ? set_refusal(rd->resp, error.filter_results) : 0;
}

static int read_answer(struct reading *rd, json_t *answer)
{
	struct openai_response *resp = rd->resp;
	int r = take_error(rd, answer, true);
	if (r == 0)
		r = take_name(rd, answer, "id", &resp->response_id);
	if (r == 0)
		r = take_name(rd, answer, "model", &resp->model);
	if (r == 0)
		r = take_prompt_filter(rd, answer);
	if (r == 0)
		r = take_choices(rd, answer);
	if (r == 0)
		r = take_usage(rd, answer);
	if (r == 0 && !resp->choices && !resp->error)
		r = openai_notes_add(&rd->notes, "the body has neither choices nor an error");
	if (json_object_size(answer))
		resp->extra = json_incref(answer);
	return r;
}

static bool fully_seen(const struct http_message *msg)
{
	return msg->missing_bytes == 0 && msg->body_total == msg->body_len;
}

static int keep_body(struct reading *rd, json_t *exact_json)
{
	return openai_body_keep(rd->msg, exact_json, &rd->resp->body, &rd->resp->body_base64);
}

static int note_unread(struct reading *rd, const char *why)
{
	const char *coding = openai_body_coding(rd->msg);
	if (!rd->chat || rd->orphan)
		return 0;
	if (!rd->msg->body_len) {
		bool empty = rd->msg->end == HTTP_END_COMPLETE;
		return openai_notes_add(&rd->notes, "%s", empty ? "there is no body" : "no body was seen");
	}
	if (coding)
		return openai_notes_add(&rd->notes, "the body is compressed (%s) and was not decoded",
					coding);
	return why ? openai_notes_add(&rd->notes, "%s", why) : 0;
}

static int read_stream(struct reading *rd)
{
	_cleanup_(openai_stream_done) struct openai_stream stream = {0};
	struct openai_response *resp = rd->resp;
	int r = openai_stream_read(&stream, rd->msg, rd->chat ? OPENAI_CHAT : OPENAI_UNKNOWN, &rd->notes);
	if (r < 0)
		return r;
	resp->chunks = stream.chunks;
	if (stream.answer) {
		resp->first_token_ts_ns = stream.first_token_ts_ns;
		rd->ends_early = stream.unfinished && !stream.done && fully_seen(rd->msg);
		r = read_answer(rd, stream.answer);
		if (r == 0 && !stream.done && !resp->error)
			r = openai_notes_add(&rd->notes, "the stream does not say [DONE]");
	} else {
		r = note_unread(rd, "the stream has no chunk of a chat completion");
	}
	if (r == 0 && (!stream.answer || stream.inexact))
		r = keep_body(rd, NULL);
	resp->whole |= stream.done;
	return r;
}

static bool says_chat(const json_t *answer)
{
	const char *object = json_string_value(json_object_get(answer, "object"));
	return object && !strcmp(object, "chat.completion") &&
	       json_is_array(json_object_get(answer, "choices"));
}

static int read_json(struct reading *rd)
{
	struct openai_json json;
	int r = openai_json_read(rd->msg->body, rd->msg->body_len, &json);
	if (r < 0)
		return r;
	json_auto_t *value = json.value;
	rd->resp->chunks = rd->msg->reads;
	rd->ends_early = (json.flaws & JSON_CUT) && rd->msg->body_len && fully_seen(rd->msg) && rd->chat &&
			 !rd->orphan;

	bool chat = rd->chat && (!rd->orphan || says_chat(value));
	if (!chat || !json_is_object(value)) {
		r = keep_body(rd, json.flaws ? NULL : value);
		if (r == 0)
			r = take_error(rd, value, false);
		if (r == 0)
			r = note_unread(rd, NULL);
		if (r < 0 || !chat || !rd->msg->body_len || openai_body_coding(rd->msg))
			return r;
		return value ? openai_notes_add(&rd->notes, "the body is not a JSON object")
			     : openai_json_note(&rd->notes, "the body", json.flaws, json.offset);
	}
	if (json.flaws & JSON_INEXACT)
		r = keep_body(rd, NULL);
	if (r == 0)
		r = openai_json_note(&rd->notes, "the body", json.flaws, json.offset);
	return r == 0 ? read_answer(rd, value) : r;
}

/* An event stream by its type and looks; of a proxy's JSON error under that type the looks count. */
static bool is_stream(const struct reading *rd, const struct openai_request *req)
{
	const struct http_message *msg = rd->msg;
	const uint8_t *p = msg->body;
	size_t i = 0;

	if (openai_stream_detect(msg))
		return !req || req->stream || http_message_is_type(msg, "text/event-stream");
	while (i < msg->body_len && strchr(" \t\r\n", p[i]) && p[i])
		i++;
	bool json = i < msg->body_len && (p[i] == '{' || p[i] == '[');
	return !json && msg->body_len && msg->status < 400 && http_message_is_type(msg, "text/event-stream");
}

static enum openai_outcome judge(const struct reading *rd)
{
	const struct openai_response *resp = rd->resp;

	if (rd->filtered)
		return OPENAI_FILTERED;
	if (resp->status >= 400)
		return OPENAI_HTTP_ERROR;
	if (resp->error)
		return OPENAI_STREAM_ERROR;
	for (size_t i = 0; i < json_array_size(resp->finish_reason); i++)
		if (!strcmp(json_string_value(json_array_get(resp->finish_reason, i)), "content_filter"))
			return OPENAI_FILTERED;
	return resp->whole && resp->status ? OPENAI_OK : OPENAI_INTERRUPTED;
}

/* Only where the body did not say. */
static int model_from_header(struct reading *rd)
{
	const char *model = http_message_header(rd->msg, "openai-model");
	if (rd->resp->model || !model || !*model || !openai_text_is_printable(model, strlen(model)))
		return 0;
	rd->resp->model = strdup(model);
	return rd->resp->model ? 0 : -ENOMEM;
}

static int read_all(struct reading *rd, const struct openai_request *req)
{
	struct openai_response *resp = rd->resp;
	const struct http_message *msg = rd->msg;

	resp->status = msg->status;
	resp->model_ms = read_ms(http_message_header(msg, "openai-processing-ms"));
	resp->prompt_tokens = resp->completion_tokens = resp->total_tokens = -1;
	resp->cached_tokens = resp->reasoning_tokens = -1;
	resp->prompt_audio_tokens = resp->completion_audio_tokens = -1;
	resp->whole = msg->end == HTTP_END_COMPLETE;
	int r = openai_body_note_missing(&rd->notes, msg);
	if (r == 0)
		r = is_stream(rd, req) ? read_stream(rd) : read_json(rd);
	if (r == 0)
		r = model_from_header(rd);
	if (rd->ends_early)
		resp->whole = false;
	resp->outcome = judge(rd);
	return r;
}

int openai_response_new(struct openai_response **ret_resp, const struct openai_request *req,
			const struct http_message *msg)
{
	_cleanup_(openai_response_free) struct openai_response *resp = calloc(1, sizeof(*resp));
	struct reading rd = {
		.resp = resp,
		.msg = msg,
		.chat = !req || req->kind == OPENAI_CHAT,
		.orphan = !req,
	};

	if (!resp)
		return -ENOMEM;
	openai_notes_init(&rd.notes);
	int r = read_all(&rd, req);
	if (r == 0)
		resp->problem = openai_notes_take(&rd.notes);
	openai_notes_done(&rd.notes);
	if (r < 0)
		return r;
	*ret_resp = TAKE_PTR(resp);
	return 0;
}

void openai_response_free(struct openai_response **resp)
{
	struct openai_response *r = *resp;
	if (!r)
		return;
	free(r->model);
	free(r->response_id);
	free(r->problem);
	json_decref(r->choices);
	json_decref(r->output);
	json_decref(r->data);
	json_decref(r->text);
	json_decref(r->files);
	json_decref(r->finish_reason);
	json_decref(r->usage);
	json_decref(r->content_filter);
	json_decref(r->error);
	json_decref(r->extra);
	json_decref(r->body);
	free(r);
	*resp = NULL;
}
