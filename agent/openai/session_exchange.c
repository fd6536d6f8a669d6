/* SPDX-License-Identifier: Apache-2.0 */

/* Exchanges of a session: how they begin and end, and what is said of them. */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/json.h"
#include "openai/session_answer.h"
#include "openai/session_internal.h"

void session_exchange_free(struct session_exchange **exchange)
{
	struct session_exchange *e = *exchange;
	if (!e)
		return;
	openai_request_free(&e->request);
	session_tally_done(&e->server);
	if (e->output.room)
		session_output_done(&e->output);
	json_decref(e->metadata);
	free(e->response_id);
	free(e->event_id);
	free(e->lane);
	free(e);
	*exchange = NULL;
}

/* --- requests ------------------------------------------------------------------------ */

static int copy(char **ret_copy, const char *text)
{
	if (text && !(*ret_copy = strdup(text)))
		return -ENOMEM;
	return 0;
}

/* The handshake's facts are those of each exchange. */
static int request_new(struct openai_session *s, struct openai_request **ret_req)
{
	const struct openai_request *from = s->handshake;
	_cleanup_(openai_request_free) struct openai_request *req = calloc(1, sizeof(*req));
	if (!req)
		return -ENOMEM;
	req->kind = from->kind;
	req->operation = from->operation;
	req->attempt = from->attempt;
	req->stream = true;
	int r = copy(&req->backend, from->backend);
	if (r == 0)
		r = copy(&req->path, from->path);
	if (r == 0)
		r = copy(&req->api_version, from->api_version);
	if (r == 0)
		r = copy(&req->deployment_id, from->deployment_id);
	if (r == 0)
		r = copy(&req->model, from->model);
	if (r < 0)
		return r;
	*ret_req = TAKE_PTR(req);
	return 0;
}

static int set_model(struct openai_request *req, const json_t *value, struct openai_notes *notes)
{
	char *model;
	if (!value || json_is_null(value))
		return 0;
	int r = openai_json_name(value, &model);
	if (r == -EBADMSG)
		return openai_notes_add(notes, "model is not a name");
	if (r < 0)
		return r;
	free(req->model);
	req->model = model;
	return 0;
}

static void take_member(json_t *object, const char *key, bool fits, json_t **ret_value)
{
	if (!fits)
		return;
	*ret_value = json_incref(json_object_get(object, key));
	json_object_del(object, key);
}

/* members: what holds for the exchange; used up. */
static int fill_request(struct openai_request *req, json_t *members, struct openai_notes *notes)
{
	const json_t *input = json_object_get(members, "input");
	const json_t *instructions = json_object_get(members, "instructions");

	int r = set_model(req, json_object_get(members, "model"), notes);
	if (r < 0)
		return r;
	if (req->model)
		json_object_del(members, "model");
	take_member(members, "input", json_is_string(input) || json_is_array(input), &req->input);
	take_member(members, "instructions", json_is_string(instructions) || json_is_array(instructions),
		    &req->instructions);
	take_member(members, "tools", json_is_array(json_object_get(members, "tools")), &req->tools);
	if (json_object_size(members))
		req->parameters = json_incref(members);
	return 0;
}

/* What the client did to the conversation besides adding to it. */
static int put_changes(json_t *members, json_t *changes)
{
	if (!changes)
		return 0;
	return json_object_set_nocheck(members, "conversation_changes", changes) < 0 ? -ENOMEM : 0;
}

static int put_waiting(struct openai_session *s, struct openai_request *req)
{
	json_auto_t *items = NULL, *changes = NULL;
	session_input_take(&s->input, &items, &changes);
	if (!req->input)
		req->input = json_incref(items);
	if (!changes)
		return 0;
	if (!req->parameters && !(req->parameters = json_object()))
		return -ENOMEM;
	return put_changes(req->parameters, changes);
}

static int note_tally(const struct session_tally *t, const char *whose, struct openai_notes *notes)
{
	int r = 0;
	if (t->unread)
		r = openai_notes_add(notes, "%llu messages of the %s are not JSON objects",
				     (unsigned long long)t->unread, whose);
	if (r == 0 && t->flawed)
		r = openai_notes_add(notes, "%llu messages of the %s could not be read exactly",
				     (unsigned long long)t->flawed, whose);
	if (r == 0 && t->missing)
		r = openai_notes_add(
			notes,
			"%llu bytes of messages of the %s were not captured, what is recorded may lack them",
			(unsigned long long)t->missing, whose);
	if (r == 0 && t->kept < t->bytes)
		r = openai_notes_add(notes, "only %llu of %llu bytes of messages of the %s were kept",
				     (unsigned long long)t->kept, (unsigned long long)t->bytes, whose);
	return r;
}

static int note_request(struct openai_session *s, const struct session_tally *tally,
			struct openai_notes *notes)
{
	int r = note_tally(tally, "client", notes);
	if (r == 0 && s->input.left_out)
		r = openai_notes_add(notes, "%llu items of the conversation are over a limit and left out",
				     (unsigned long long)s->input.left_out);
	if (r == 0 && s->config.over_limit)
		r = openai_notes_add(notes, "the session's configuration is over a limit and left out");
	s->input.left_out = 0;
	s->config.over_limit = false;
	return r;
}

/* tally: of the messages that are the request. */
static int complete_request(struct openai_session *s, struct openai_request *req, json_t *members,
			    bool takes_input, const struct session_tally *tally)
{
	struct openai_notes notes;
	openai_notes_init(&notes);
	int r = fill_request(req, members, &notes);
	if (r == 0 && takes_input)
		r = put_waiting(s, req);
	if (r == 0)
		r = note_request(s, tally, &notes);
	if (r == 0)
		req->problem = openai_notes_take(&notes);
	openai_notes_done(&notes);
	return r;
}

static struct http_message message_of(const struct openai_session *s, enum http_role role, uint64_t number)
{
	return (struct http_message){
		.role = role,
		.protocol = HTTP_WEBSOCKET,
		.conn_id = s->conn_id,
		.exchange = number,
		.opcode = 1,
		.status = role == HTTP_RESPONSE ? 101 : 0,
	};
}

static void give_request(struct openai_session *s, struct session_exchange *e, struct session_tally *tally,
			 uint64_t first_ts_ns, uint64_t last_ts_ns)
{
	static char method[] = "GET";
	struct http_message msg = message_of(s, HTTP_REQUEST, e->number);
	msg.method = method;
	msg.target = s->target;
	session_tally_take(tally, &msg);
	msg.first_ts_ns = first_ts_ns;
	msg.last_ts_ns = last_ts_ns;
	s->ops->on_request(s->ctx, &msg, e->request);
	openai_request_shed(e->request);
}

static int exchange_new(struct openai_session *s, struct session_exchange **ret_exchange)
{
	_cleanup_(session_exchange_free) struct session_exchange *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->output.room = &s->room;
	int r = request_new(s, &e->request);
	if (r < 0)
		return r;
	e->number = s->first_number + ++s->n_exchanges;
	*ret_exchange = TAKE_PTR(e);
	return 0;
}

/* What holds for the exchange: a new object. */
static int members_of(struct openai_session *s, json_t *over, json_t **ret_members)
{
	if (s->mode != SESSION_RESPONSES)
		return session_config_now(&s->config, over, ret_members);
	json_auto_t *members = over ? json_copy(over) : json_object();
	if (!members)
		return -ENOMEM;
	json_object_del(members, "type");
	json_object_del(members, "event_id");
	json_object_del(members, "client_secret");
	*ret_members = json_incref(members);
	return 0;
}

static int make_room(struct openai_session *s, uint64_t ts_ns)
{
	if (s->n_open < SESSION_MAX_OPEN)
		return 0;
	const struct session_close how = {
		.ts_ns = ts_ns,
		.what = "too many responses are in flight: this one, the oldest, is not followed any further",
	};
	struct session_exchange *oldest = s->open[0];
	oldest->over_open = true;
	return session_close(s, &oldest, &how);
}

int session_open(struct openai_session *s, uint64_t first_ts_ns, uint64_t last_ts_ns, json_t *over,
		 bool takes_input, struct session_exchange **ret_exchange)
{
	_cleanup_(session_exchange_free) struct session_exchange *e = NULL;
	json_t *held = NULL;

	int r = make_room(s, first_ts_ns);
	if (r == 0)
		r = exchange_new(s, &e);
	if (r == 0)
		r = members_of(s, over, &held);
	json_auto_t *members = held;
	if (r == 0)
		r = complete_request(s, e->request, members, takes_input, &s->client);
	if (r < 0)
		return r;
	give_request(s, e, &s->client, first_ts_ns, last_ts_ns);
	if (s->n_open == 0) {
		e->server = s->loose;
		s->loose = (struct session_tally){0};
	}
	s->open[s->n_open++] = *ret_exchange = e;
	TAKE_PTR(e);
	return 0;
}

/* --- responses ----------------------------------------------------------------------- */

/* Facts about the session that wait for an answer to be said with. */
static int put_session_facts(struct openai_session *s, struct openai_response *resp,
			     struct openai_notes *notes)
{
	int r = session_answer_extra(resp, "rate_limits", TAKE_PTR(s->rate_limits));
	if (r == 0)
		r = session_answer_extra(resp, "session_errors", TAKE_PTR(s->errors));
	if (r == 0 && s->errors_left_out)
		r = openai_notes_add(notes, "%llu errors of the session are left out",
				     (unsigned long long)s->errors_left_out);
	if (r == 0 && s->late)
		r = openai_notes_add(notes, "%llu messages are about responses that were over",
				     (unsigned long long)s->late);
	if (r == 0 && s->starved)
		r = openai_notes_add(notes, "memory ran out, what is recorded of the session may lack parts");
	s->errors_left_out = s->late = 0;
	s->starved = false;
	return r;
}

static int put_output(struct openai_response *resp, struct session_output *out)
{
	if (json_array_size(resp->output))
		return session_output_complete(out, resp->output);
	json_t *streamed = NULL;
	int r = session_output_take(out, &streamed);
	if (r == 0 && streamed) {
		json_decref(resp->output);
		resp->output = streamed;
	}
	return r;
}

static int note_close(struct openai_session *s, const struct session_exchange *e,
		      const struct session_close *how, struct openai_notes *notes)
{
	int r = note_tally(&e->server, "server", notes);
	if (r == 0 && e->output.over_limit)
		r = openai_notes_add(notes, "the output has more than can be kept: the rest is left out");
	if (r == 0 && how->what)
		r = openai_notes_add(notes, "%s", how->what);
	if (r == 0 && s->ended && !how->whole && s->close_code)
		r = openai_notes_add(notes, "the session was closed with code %u", s->close_code);
	return r;
}

static int model_of(struct openai_response *resp, const struct openai_request *req)
{
	return resp->model ? 0 : copy(&resp->model, req->model);
}

static int fill_response(struct openai_session *s, struct session_exchange *e,
			 const struct session_close *how, struct openai_response *resp,
			 struct openai_notes *notes)
{
	int r = how->answer ? session_answer_read(resp, how->answer, notes) : 0;
	if (r == 0)
		r = session_answer_fail(resp, how->error);
	if (r == 0)
		r = put_output(resp, &e->output);
	if (r == 0 && !resp->response_id)
		r = copy(&resp->response_id, e->response_id);
	if (r == 0)
		r = model_of(resp, e->request);
	if (r == 0)
		r = put_session_facts(s, resp, notes);
	if (r == 0)
		r = note_close(s, e, how, notes);
	resp->whole = how->whole;
	resp->chunks = e->chunks;
	resp->first_token_ts_ns = e->first_token_ts_ns;
	session_answer_judge(resp);
	return r;
}

static void give_response(struct openai_session *s, struct session_exchange *e,
			  const struct session_close *how, const struct openai_response *resp)
{
	struct http_message msg = message_of(s, HTTP_RESPONSE, e->number);
	session_tally_take(&e->server, &msg);
	msg.first_ts_ns = e->first_ts_ns ? e->first_ts_ns : how->ts_ns;
	msg.last_ts_ns = MAX(e->last_ts_ns, msg.first_ts_ns);
	if (!how->whole && msg.end == HTTP_END_COMPLETE)
		msg.end = e->over_open ? HTTP_END_LIMIT : HTTP_END_CLOSED;
	s->ops->on_response(s->ctx, &msg, e->request, resp);
}

static void forget(struct openai_session *s, const struct session_exchange *e)
{
	size_t at = 0;
	while (at < s->n_open && s->open[at] != e)
		at++;
	if (at < s->n_open) {
		s->n_open--;
		memmove(s->open + at, s->open + at + 1, (s->n_open - at) * sizeof(s->open[0]));
	}
	if (e->response_id)
		s->closed[s->n_closed++ % SESSION_MAX_CLOSED] = session_name_hash(e->response_id);
}

int session_close(struct openai_session *s, struct session_exchange **exchange,
		  const struct session_close *how)
{
	_cleanup_(session_exchange_free) struct session_exchange *e = TAKE_PTR(*exchange);
	_cleanup_(openai_response_free) struct openai_response *resp = NULL;
	struct openai_notes notes;

	forget(s, e);
	openai_notes_init(&notes);
	int r = session_answer_new(&resp);
	if (r == 0)
		r = fill_response(s, e, how, resp, &notes);
	if (r == 0)
		resp->problem = openai_notes_take(&notes);
	openai_notes_done(&notes);
	if (r < 0)
		return r;
	give_response(s, e, how, resp);
	return 0;
}

/* --- transcriptions ------------------------------------------------------------------ */

/* The item as it was committed, or as much of it as is known. */
static int heard_item(struct openai_session *s, const char *item_id, uint64_t *ts_ns, json_t **ret_item)
{
	json_t *audio = session_input_heard(&s->input, item_id, ts_ns);
	json_t *item = s->transcribes ? session_input_pick(&s->input, item_id) : NULL;
	if (!item)
		item = json_pack("{s:s*, s:s, s:s, s:[{s:s, s:O*}]}", "id", item_id, "type", "message",
				 "role", "user", "content", "type", "input_audio", "audio", audio);
	*ret_item = item;
	return item ? 0 : -ENOMEM;
}

/* `transcription` of the configuration: audio.input.transcription, in the beta input_audio_transcription. */
static json_t *transcription_of(const struct openai_session *s)
{
	json_t *audio = session_config_get(&s->config, "audio");
	json_t *found = json_object_get(json_object_get(audio, "input"), "transcription");
	return found ? found : session_config_get(&s->config, "input_audio_transcription");
}

static int transcription_request(struct openai_session *s, struct openai_request *req, json_t *item,
				 const struct session_tally *tally)
{
	json_t *how = transcription_of(s);
	json_auto_t *members = json_pack("{s:[O]}", "input", item);
	if (!members || (how && json_object_set(members, "transcription", how) < 0))
		return -ENOMEM;
	free(req->model);
	req->model = NULL;
	json_t *model = json_object_get(how, "model");
	if (model && json_object_set(members, "model", model) < 0)
		return -ENOMEM;
	return complete_request(s, req, members, false, tally);
}

static int transcription_answer(struct openai_response *resp, json_t *event, struct openai_notes *notes)
{
	static const char *const left_out[] = {"type", "event_id", "transcript", "usage", "error"};
	json_t *text = json_object_get(event, "transcript");
	const char *key;
	json_t *value;

	if (json_is_string(text))
		resp->text = json_incref(text);
	int r = session_answer_usage(resp, event, notes);
	if (r == 0)
		r = json_object_get(event, "error") ? session_answer_fail(resp, event) : 0;
	json_object_foreach (event, key, value) {
		bool skip = false;
		for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
			skip |= !strcmp(key, left_out[i]);
		if (r == 0 && !skip)
			r = session_answer_extra(resp, key, json_incref(value));
	}
	return r;
}

static int close_transcription(struct openai_session *s, struct session_exchange *e, json_t *event)
{
	_cleanup_(openai_response_free) struct openai_response *resp = NULL;
	const struct session_close how = {.whole = true};
	struct openai_notes notes;

	openai_notes_init(&notes);
	int r = session_answer_new(&resp);
	if (r == 0)
		r = transcription_answer(resp, event, &notes);
	if (r == 0)
		r = model_of(resp, e->request);
	if (r == 0 && s->transcribes)
		r = put_session_facts(s, resp, &notes);
	if (r == 0)
		r = note_tally(&e->server, "server", &notes);
	if (r == 0)
		resp->problem = openai_notes_take(&notes);
	openai_notes_done(&notes);
	if (r < 0)
		return r;
	resp->whole = true;
	resp->chunks = e->server.messages;
	session_answer_judge(resp);
	give_response(s, e, &how, resp);
	return 0;
}

int session_transcription(struct openai_session *s, const struct http_message *msg, json_t *event,
			  struct session_tally *own)
{
	_cleanup_(session_exchange_free) struct session_exchange *e = NULL;
	struct session_tally nothing = {0}, *sent = own ? &nothing : &s->client;
	uint64_t ts_ns = msg->first_ts_ns;
	json_t *found = NULL;

	int r = exchange_new(s, &e);
	if (r == 0)
		r = heard_item(s, session_text_of(event, "item_id"), &ts_ns, &found);
	json_auto_t *item = found;
	if (r == 0)
		r = transcription_request(s, e->request, item, sent);
	if (r < 0)
		return r;
	e->first_ts_ns = msg->first_ts_ns;
	e->last_ts_ns = msg->last_ts_ns;
	e->server = own ? *own : s->loose;
	*(own ? own : &s->loose) = (struct session_tally){0};
	give_request(s, e, sent, ts_ns, ts_ns);
	return close_transcription(s, e, event);
}
