/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/answer.h"
#include "openai/body.h"
#include "openai/exchange.h"
#include "openai/file.h"
#include "openai/json.h"
#include "openai/notes.h"
#include "openai/stream.h"
#include "openai/text.h"
#include "openai/usage.h"

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
	case OPENAI_TIMEOUT:
		return "timeout";
	case OPENAI_INTERRUPTED:
		break;
	}
	return "interrupted";
}

/* While one response is read. */
struct reading {
	struct openai_response *resp;
	const struct http_message *msg;
	struct openai_notes notes;
	enum openai_kind kind;		/* read it as that; UNKNOWN: keep it as it is */
	bool orphan;			/* whether it is a chat completion can only be told from the body */
	bool answers_file, answers_key; /* as in the request */
	bool secret;			/* it does give out a credential: its bytes are not kept */
	bool ends_early; /* what was seen of the body ends inside of it, and nothing of what was seen is
			    lacking */
	struct openai_verdict verdict;
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

static bool fully_seen(const struct http_message *msg)
{
	return msg->missing_bytes == 0 && msg->body_total == msg->body_len;
}

static int keep_body(struct reading *rd, json_t *exact_json)
{
	if (rd->secret && !exact_json)
		return rd->msg->body_len
			       ? openai_notes_add(&rd->notes, "the body is not recorded: it may "
							      "hold the credential that it gives out")
			       : 0;
	return openai_body_keep(rd->msg, exact_json, &rd->resp->body, &rd->resp->body_base64);
}

/* Kinds, statuses and methods that go without. */
static bool may_be_empty(const struct reading *rd)
{
	int status = rd->resp->status;
	return rd->kind == OPENAI_OBJECT || rd->kind == OPENAI_REALTIME || status == 101 || status == 204 ||
	       status == 304;
}

/* why: NULL if it is only to be said why there is nothing to read. */
static int note_unread(struct reading *rd, const char *why)
{
	const char *coding = openai_body_coding(rd->msg);
	if (rd->kind == OPENAI_UNKNOWN || rd->orphan)
		return 0;
	if (!rd->msg->body_len) {
		bool empty = rd->msg->end == HTTP_END_COMPLETE;
		if (empty && may_be_empty(rd))
			return 0;
		return openai_notes_add(&rd->notes, "%s", empty ? "there is no body" : "no body was seen");
	}
	if (coding)
		return openai_notes_add(&rd->notes, "the body is compressed (%s) and was not decoded",
					coding);
	return why ? openai_notes_add(&rd->notes, "%s", why) : 0;
}

static int hide_keys(struct reading *rd, json_t *answer)
{
	int r = openai_answer_hide_keys(answer, rd->answers_key);
	rd->secret = rd->answers_key || r > 0;
	if (r <= 0)
		return r;
	return openai_notes_add(&rd->notes, "a credential that the answer gives out is not recorded");
}

static int read_answer(struct reading *rd, json_t *answer, bool joined)
{
	return openai_answer_read(rd->resp, rd->kind, answer, joined, &rd->verdict, &rd->notes);
}

static int read_stream(struct reading *rd)
{
	_cleanup_(openai_stream_done) struct openai_stream stream = {0};
	struct openai_response *resp = rd->resp;
	bool chat = rd->kind == OPENAI_CHAT || rd->kind == OPENAI_COMPLETION;
	int r = openai_body_note_cut(&rd->notes, rd->msg);
	if (r == 0)
		r = openai_stream_read(&stream, rd->msg, rd->kind, &rd->notes);
	if (r < 0)
		return r;
	resp->chunks = stream.chunks;
	if (stream.answer) {
		resp->first_token_ts_ns = stream.first_token_ts_ns;
		rd->ends_early = stream.unfinished && !stream.done && fully_seen(rd->msg);
		r = read_answer(rd, stream.answer, true);
	} else {
		r = note_unread(rd, chat ? "the stream has no chunk of a chat completion"
					 : "the stream has no event of an answer");
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

/* Text and lists are what some operations answer with; they are kept as they are. */
static bool is_as_good(const struct reading *rd, const json_t *value)
{
	return rd->kind == OPENAI_OBJECT &&
	       (value ? json_is_array(value) : rd->resp->status < 400 && openai_file_is_text(rd->msg));
}

/* A body that is no JSON object, or of which none is expected. */
static int keep_whole(struct reading *rd, const struct openai_json *json)
{
	const struct http_message *msg = rd->msg;
	json_t *value = json->value;
	int r = keep_body(rd, json->flaws ? NULL : value);
	if (r == 0)
		r = openai_answer_look(rd->resp, value, &rd->verdict);
	if (r == 0)
		r = note_unread(rd, NULL);
	if (r < 0 || rd->kind == OPENAI_UNKNOWN || !msg->body_len || openai_body_coding(msg) ||
	    is_as_good(rd, value))
		return r;
	return value ? openai_notes_add(&rd->notes, "the body is not a JSON object")
		     : openai_json_note(&rd->notes, "the body", json->flaws, json->offset);
}

static int read_json(struct reading *rd)
{
	struct openai_json json;
	int r = openai_body_note_cut(&rd->notes, rd->msg);
	if (r == 0)
		r = openai_json_read(rd->msg->body, rd->msg->body_len, &json);
	if (r < 0)
		return r;
	json_auto_t *value = json.value;
	if (rd->orphan && !says_chat(value))
		rd->kind = OPENAI_UNKNOWN;
	rd->ends_early = (json.flaws & JSON_CUT) && rd->msg->body_len && fully_seen(rd->msg) &&
			 rd->kind != OPENAI_UNKNOWN && !rd->orphan;
	r = hide_keys(rd, value);
	if (r < 0)
		return r;
	if (rd->kind == OPENAI_UNKNOWN || !json_is_object(value))
		return keep_whole(rd, &json);
	if (json.flaws & JSON_INEXACT)
		r = keep_body(rd, NULL);
	if (r == 0)
		r = openai_json_note(&rd->notes, "the body", json.flaws, json.offset);
	return r == 0 ? read_answer(rd, value, false) : r;
}

static bool is_json_type(const struct http_message *msg)
{
	return http_message_is_type(msg, "application/json") || http_message_is_type(msg, "text/json") ||
	       http_message_is_type(msg, "application/problem+json");
}

static bool is_file(const struct reading *rd)
{
	if (rd->kind == OPENAI_UNKNOWN || rd->resp->status >= 400 || !rd->msg->body_total)
		return false;
	if (rd->answers_file || rd->kind == OPENAI_SPEECH)
		return rd->answers_file || (!is_json_type(rd->msg) && !openai_file_is_text(rd->msg));
	return !openai_body_must_be_json(rd->kind) && openai_file_is_type(rd->msg);
}

/* Transcriptions come as text or as subtitles, too. */
static int read_text(struct reading *rd)
{
	struct openai_response *resp = rd->resp;
	int r = openai_body_note_cut(&rd->notes, rd->msg);
	if (r == 0)
		r = note_unread(rd, NULL);
	if (r == 0)
		r = openai_body_keep(rd->msg, NULL, &resp->text, &resp->body_base64);
	if (r < 0 || !resp->body_base64)
		return r;
	resp->body = TAKE_PTR(resp->text);
	return openai_body_coding(rd->msg) ? 0 : openai_notes_add(&rd->notes, "the body is not text");
}

static int read_plain(struct reading *rd)
{
	rd->resp->chunks = rd->msg->reads;
	if (is_file(rd)) {
		int r = note_unread(rd, NULL);
		return r == 0 ? openai_file_add_body(&rd->resp->files, rd->msg) : r;
	}
	if (rd->kind == OPENAI_TRANSCRIPT && rd->resp->status < 400 && openai_file_is_text(rd->msg))
		return read_text(rd);
	return read_json(rd);
}

/* An event stream by its type and looks; of a proxy's JSON error under that type the looks count. */
static bool is_stream(const struct reading *rd, const struct openai_request *req)
{
	const struct http_message *msg = rd->msg;
	const uint8_t *p = msg->body;
	size_t i = 0;

	if (rd->answers_file && msg->status < 400)
		return false;
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

	if (rd->verdict.filtered)
		return OPENAI_FILTERED;
	if (rd->verdict.timeout || resp->status == 408 || resp->status == 504 || resp->status == 524)
		return OPENAI_TIMEOUT;
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
	openai_usage_init(resp);
	resp->whole = msg->end == HTTP_END_COMPLETE;
	int r = openai_body_note_missing(&rd->notes, msg);
	if (r == 0)
		r = is_stream(rd, req) ? read_stream(rd) : read_plain(rd);
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
		.kind = req ? req->kind : OPENAI_CHAT,
		.orphan = !req,
		.answers_file = req && req->answers_file,
		.answers_key = req && req->answers_key,
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
