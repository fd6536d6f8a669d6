/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "openai/session_internal.h"

/* Messages after which a session that has not said what it is is taken for none. */
#define LOOKS_MAX 64

#define OPCODE_CLOSE 8

static enum session_mode mode_of(const char *path)
{
	size_t len = path ? strlen(path) : 0;
	while (len && path[len - 1] == '/')
		len--;
	if (len >= 10 && !strncasecmp(path + len - 10, "/responses", 10))
		return SESSION_RESPONSES;
	return path && strcasestr(path, "/realtime") ? SESSION_REALTIME : SESSION_UNDECIDED;
}

static int copy_name(char **ret_copy, const char *text)
{
	if (text && !(*ret_copy = strdup(text)))
		return -ENOMEM;
	return 0;
}

static int copy_handshake(struct openai_session *s, const struct openai_request *from, const char *target)
{
	struct openai_request *to = s->handshake = calloc(1, sizeof(*to));
	if (!to)
		return -ENOMEM;
	to->kind = from->kind;
	to->operation = from->operation;
	to->attempt = from->attempt;
	int r = copy_name(&to->backend, from->backend);
	if (r == 0)
		r = copy_name(&to->path, from->path);
	if (r == 0)
		r = copy_name(&to->api_version, from->api_version);
	if (r == 0)
		r = copy_name(&to->deployment_id, from->deployment_id);
	if (r == 0)
		r = copy_name(&to->model, from->model);
	return r == 0 ? copy_name(&s->target, target) : r;
}

int openai_session_new(struct openai_session **ret_session, const struct openai_request *handshake,
		       const char *target, uint64_t conn_id, uint64_t exchange,
		       const struct openai_session_ops *ops, void *ctx)
{
	_cleanup_(openai_session_free) struct openai_session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->ctx = ctx;
	s->conn_id = conn_id;
	s->first_number = exchange << 32;
	s->mode = mode_of(handshake->path);
	s->transcribes = target && strstr(target, "intent=transcription");
	s->room = SESSION_MAX_OUTPUT;
	s->spoken.room = &s->room;
	buf_init(&s->heard, SESSION_MAX_OUTPUT);
	int r = copy_handshake(s, handshake, target);
	if (r < 0)
		return r;
	*ret_session = TAKE_PTR(s);
	return 0;
}

void openai_session_free(struct openai_session **session)
{
	struct openai_session *s = *session;
	if (!s)
		return;
	for (size_t i = 0; i < s->n_open; i++)
		session_exchange_free(&s->open[i]);
	session_output_done(&s->spoken);
	session_config_done(&s->config);
	session_input_done(&s->input);
	session_tally_done(&s->client);
	session_tally_done(&s->loose);
	json_decref(s->errors);
	json_decref(s->rate_limits);
	buf_done(&s->heard);
	openai_request_free(&s->handshake);
	free(s->target);
	free(s);
	*session = NULL;
}

/* --- messages ------------------------------------------------------------------------ */

static bool is_one_of(const char *type, const char *const *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/* Gateways have paths of their own: what is said there tells. */
static void look(struct openai_session *s, const struct session_text *text)
{
	static const char *const realtime[] = {
		"session.created",
		"session.update",
		"transcription_session.created",
		"transcription_session.update",
		"input_audio_buffer.append",
		"session.input_audio_buffer.append",
		"conversation.item.create",
	};
	if (is_one_of(text->type, realtime, ARRAY_SIZE(realtime)))
		s->mode = SESSION_REALTIME;
	else if (!strcmp(text->type, "response.create"))
		s->mode = json_object_get(text->value, "model") || json_object_get(text->value, "input")
				  ? SESSION_RESPONSES
				  : SESSION_REALTIME;
	else if (++s->n_looked == LOOKS_MAX)
		s->mode = SESSION_OTHER;
}

static bool is_readable(const struct openai_session *s)
{
	return s->mode == SESSION_REALTIME || s->mode == SESSION_RESPONSES;
}

static void leave_out(struct openai_session *s, uint64_t messages, uint64_t bytes)
{
	s->counts.left_out += messages;
	s->counts.left_out_bytes += bytes;
}

static int on_message(struct openai_session *s, const struct http_message *msg)
{
	struct session_text text = {.type = ""};
	int r = session_text_read(&text, msg->body, msg->body_len);
	if (r < 0) {
		leave_out(s, 1, msg->body_total);
		return r;
	}
	s->counts.unreadable += !text.value;
	if (s->mode == SESSION_UNDECIDED)
		look(s, &text);
	if (!is_readable(s))
		leave_out(s, 1, msg->body_total);
	else if (msg->role == HTTP_REQUEST)
		r = session_on_client(s, msg, &text);
	else
		r = session_on_server(s, msg, &text);
	session_text_done(&text);
	return r;
}

/* RFC 6455 section 5.5.1: a code of two bytes, if anything. After the server's nothing can come. */
static int on_close(struct openai_session *s, const struct http_message *msg)
{
	leave_out(s, 1, msg->body_total);
	if (!s->close_code && msg->body_len >= 2)
		s->close_code = (unsigned)msg->body[0] << 8 | msg->body[1];
	return msg->role == HTTP_RESPONSE ? openai_session_end(s, msg->last_ts_ns) : 0;
}

int openai_session_message(struct openai_session *session, const struct http_message *msg)
{
	struct openai_session *s = session;
	int r = 0;

	s->counts.messages++;
	s->counts.bytes += msg->body_total;
	if (msg->opcode == OPCODE_CLOSE)
		r = on_close(s, msg);
	else if (s->mode == SESSION_OTHER || s->ended)
		leave_out(s, 1, msg->body_total);
	else
		r = on_message(s, msg);
	s->starved |= r < 0;
	return r;
}

/* --- the end ------------------------------------------------------------------------- */

static int close_all(struct openai_session *s, uint64_t ts_ns)
{
	const struct session_close how = {.ts_ns = ts_ns,
					  .what = "the session ended before the response did"};
	int r = 0;
	while (s->n_open) {
		struct session_exchange *oldest = s->open[0];
		int next = session_close(s, &oldest, &how);
		r = r < 0 ? r : next;
	}
	return r;
}

static bool has_rest(const struct openai_session *s)
{
	return !session_input_is_empty(&s->input) || json_array_size(s->errors) || s->spoken.n_items;
}

/* The error that the session ended with stands for all. */
static int close_rest(struct openai_session *s, struct session_exchange *e, uint64_t ts_ns)
{
	json_auto_t *error = json_incref(json_array_get(s->errors, 0));
	bool translation = s->spoken.n_items > 0;
	struct session_close how = {
		.error = error,
		.whole = translation && s->closed_well,
		.ts_ns = ts_ns,
		.what = translation ? NULL : "the session ended and no answer was asked for",
	};
	struct session_output none = e->output;
	e->output = s->spoken;
	s->spoken = none;
	e->first_token_ts_ns = s->spoken_ts_ns;
	e->chunks = e->server.messages;
	e->first_ts_ns = e->server.first_ts_ns;
	e->last_ts_ns = e->server.last_ts_ns;
	return session_close(s, &e, &how);
}

/* What was said and is in no exchange becomes the last one. */
static int give_rest(struct openai_session *s, uint64_t ts_ns)
{
	struct session_exchange *e;
	int r = session_input_rest(&s->input, (const char *)s->heard.data, s->heard.len);
	if (r < 0 || !has_rest(s))
		return r;
	uint64_t first = s->client.first_ts_ns ? s->client.first_ts_ns : ts_ns;
	uint64_t last = s->client.last_ts_ns ? s->client.last_ts_ns : ts_ns;
	r = session_open(s, first, last, NULL, true, &e);
	return r < 0 ? r : close_rest(s, e, ts_ns);
}

int openai_session_end(struct openai_session *session, uint64_t ts_ns)
{
	struct openai_session *s = session;
	if (s->ended)
		return 0;
	s->ended = true;
	int r = close_all(s, ts_ns);
	int next = is_readable(s) ? give_rest(s, ts_ns) : 0;
	leave_out(s, s->client.messages + s->loose.messages, s->client.bytes + s->loose.bytes);
	return r < 0 ? r : next;
}

void openai_session_counts(const struct openai_session *session, struct openai_session_counts *ret_counts)
{
	*ret_counts = session->counts;
}
