/* SPDX-License-Identifier: Apache-2.0 */

/* What each event of a session does. */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/json.h"
#include "openai/session_internal.h"

/* One event while it is looked at. */
struct occasion {
	const struct http_message *msg;
	const struct session_text *text;
	struct session_exchange *exchange; /* that it belongs to; or NULL */
};

struct handler {
	const char *type;
	int (*fn)(struct openai_session *s, const struct occasion *o);
};

static bool begins(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

/* Events of these families are the APIs', whether or not anything follows from them. */
static bool is_of_the_api(const char *type)
{
	static const char *const families[] = {
		"response.", "conversation.",	       "input_audio_buffer.", "output_audio_buffer.",
		"session.",  "transcription_session.", "mcp_list_tools.",     "rate_limits."};
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (begins(type, families[i]))
			return true;
	return !strcmp(type, "error");
}

static int handle(struct openai_session *s, const struct handler *handlers, size_t n,
		  const struct occasion *o)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(o->text->type, handlers[i].type))
			return handlers[i].fn(s, o);
	if (!is_of_the_api(o->text->type))
		s->counts.unknown++;
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* NULL if it is none, or too long to be one. */
static int name_of(const json_t *object, const char *key, char **ret_name)
{
	const json_t *value = json_object_get(object, key);
	int r = json_string_length(value) <= SESSION_MAX_NAME ? openai_json_name(value, ret_name) : 0;
	return r == -EBADMSG ? 0 : r;
}

/* --- of both sides ------------------------------------------------------------------- */

static void look_at_session(struct openai_session *s, const struct occasion *o)
{
	json_t *session = json_object_get(o->text->value, "session");
	const char *type = session_text_of(session, "type");
	if (begins(o->text->type, "transcription_session."))
		s->transcribes = true;
	else if (type)
		s->transcribes = !strcmp(type, "transcription");
}

/* --- of the client ------------------------------------------------------------------- */

static int on_create(struct openai_session *s, const struct occasion *o)
{
	bool realtime = s->mode == SESSION_REALTIME;
	json_t *event = o->text->value;
	json_t *over = realtime ? json_object_get(event, "response") : event;
	const char *conversation = session_text_of(over, "conversation");
	struct session_exchange *e;

	if (!json_is_object(over))
		over = NULL;
	bool own_input = json_is_array(json_object_get(over, "input"));
	int r = session_open(s, o->msg->first_ts_ns, o->msg->last_ts_ns, over, realtime && !own_input, &e);
	if (r < 0)
		return r;
	e->apart = realtime && conversation && !strcmp(conversation, "none");
	json_t *metadata = realtime ? json_object_get(over, "metadata") : NULL;
	if (json_is_object(metadata) && session_cost(metadata, SESSION_MAX_METADATA) < SESSION_MAX_METADATA)
		e->metadata = json_incref(metadata);
	r = name_of(event, "event_id", &e->event_id);
	return r == 0 && !realtime ? name_of(event, "stream_id", &e->lane) : r;
}

static int on_steer(struct openai_session *s, const struct occasion *o)
{
	json_t *input = json_object_get(o->text->value, "input");
	int r = json_is_string(input) ? session_input_add(&s->input, input) : 0;
	for (size_t i = 0; i < json_array_size(input) && r == 0; i++)
		r = session_input_add(&s->input, json_array_get(input, i));
	return r;
}

static int on_update(struct openai_session *s, const struct occasion *o)
{
	look_at_session(s, o);
	return session_config_ask(&s->config, json_object_get(o->text->value, "session"));
}

static int on_item_create(struct openai_session *s, const struct occasion *o)
{
	return session_input_create(&s->input, json_object_get(o->text->value, "item"));
}

static int on_change(struct openai_session *s, const struct occasion *o)
{
	return session_input_change(&s->input, o->text->value);
}

static int on_append(struct openai_session *s, const struct occasion *o)
{
	return session_input_append(&s->input, o->text);
}

static int on_commit(struct openai_session *s, const struct occasion *o)
{
	(void)o;
	return session_input_commit(&s->input);
}

static int on_clear(struct openai_session *s, const struct occasion *o)
{
	(void)o;
	return session_input_clear(&s->input);
}

static const struct handler client_handlers[] = {
	{"input_audio_buffer.append", on_append},
	{"session.input_audio_buffer.append", on_append},
	{"input_audio_buffer.commit", on_commit},
	{"input_audio_buffer.clear", on_clear},
	{"conversation.item.create", on_item_create},
	{"conversation.item.truncate", on_change},
	{"conversation.item.delete", on_change},
	{"response.create", on_create},
	{"response.steer", on_steer},
	{"session.update", on_update},
	{"transcription_session.update", on_update},
};

static int tally_add(struct session_tally *tally, const struct http_message *msg,
		     const struct session_text *text)
{
	tally->unread += !text->value;
	tally->flawed += text->value && text->flaws;
	return session_tally_add(tally, msg);
}

int session_on_client(struct openai_session *s, const struct http_message *msg,
		      const struct session_text *text)
{
	const struct occasion o = {.msg = msg, .text = text};
	int first = tally_add(&s->client, msg, text);
	int r = text->value ? handle(s, client_handlers, ARRAY_SIZE(client_handlers), &o) : 0;
	return r < 0 ? r : first;
}

/* --- of the server: the session ------------------------------------------------------ */

static int on_created_session(struct openai_session *s, const struct occasion *o)
{
	look_at_session(s, o);
	session_config_say(&s->config, json_object_get(o->text->value, "session"), false);
	return 0;
}

static int on_updated_session(struct openai_session *s, const struct occasion *o)
{
	look_at_session(s, o);
	session_config_say(&s->config, json_object_get(o->text->value, "session"), true);
	return 0;
}

static int on_closed_session(struct openai_session *s, const struct occasion *o)
{
	(void)o;
	s->closed_well = true;
	return 0;
}

static int on_item(struct openai_session *s, const struct occasion *o)
{
	return session_input_added(&s->input, json_object_get(o->text->value, "item"));
}

static int on_committed(struct openai_session *s, const struct occasion *o)
{
	return session_input_committed(&s->input, session_text_of(o->text->value, "item_id"),
				       o->msg->first_ts_ns);
}

static int on_rate_limits(struct openai_session *s, const struct occasion *o)
{
	json_t *limits = json_object_get(o->text->value, "rate_limits");
	if (session_cost(limits, SESSION_MAX_CONFIG) == SESSION_MAX_CONFIG)
		return 0;
	json_decref(s->rate_limits);
	s->rate_limits = json_incref(limits);
	return 0;
}

static int on_heard(struct openai_session *s, const struct occasion *o)
{
	const json_t *delta = json_object_get(o->text->value, "delta");
	int r = buf_append(&s->heard, json_string_value(delta), json_string_length(delta));
	if (r == -E2BIG)
		s->spoken.over_limit = true;
	return r == -E2BIG ? 0 : r;
}

static int on_spoken(struct openai_session *s, const struct occasion *o)
{
	int r = session_output_add(&s->spoken, o->text);
	if (s->spoken.has_token && !s->spoken_ts_ns)
		s->spoken_ts_ns = o->msg->last_ts_ns;
	return r;
}

/* --- of the server: errors ----------------------------------------------------------- */

static json_t *error_object(json_t *event)
{
	json_t *error = json_object_get(event, "error");
	return json_is_object(error) ? error : event;
}

/* An error about something else than a response, as far as its code and parameter tell. */
static bool is_about_other(const json_t *error)
{
	static const char *const begin[] = {
		"session", "item",     "input_audio_buffer", "output_audio_buffer",
		"audio",   "truncate", "response_cancel",    "conversation.item"};
	const char *const said[] = {session_text_of(error, "code"), session_text_of(error, "param")};

	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		for (size_t j = 0; j < ARRAY_SIZE(begin); j++)
			if (said[i] && begins(said[i], begin[j]) && strcmp(said[i], "session_expired") != 0)
				return true;
	return false;
}

static struct session_exchange *waiting_of(struct openai_session *s, const char *event_id)
{
	for (size_t i = 0; i < s->n_open; i++)
		if (!s->open[i]->response_id && same(s->open[i]->event_id, event_id))
			return s->open[i];
	return NULL;
}

static struct session_exchange *oldest_of_lane(struct openai_session *s, const char *lane)
{
	for (size_t i = 0; i < s->n_open; i++)
		if (same(s->open[i]->lane, lane))
			return s->open[i];
	return NULL;
}

/* Whose event a server's error is; NULL: no exchange's. */
static struct session_exchange *error_of(struct openai_session *s, const json_t *event)
{
	const json_t *error = error_object((json_t *)event);
	const char *event_id = session_text_of(error, "event_id");

	if (s->mode == SESSION_RESPONSES)
		return oldest_of_lane(s, session_text_of(event, "stream_id"));
	if (event_id)
		return waiting_of(s, event_id);
	/* The server takes them in order. */
	return is_about_other(error) ? NULL : waiting_of(s, NULL);
}

static int keep_error(struct openai_session *s, json_t *error)
{
	const size_t limit = SESSION_MAX_CONFIG / SESSION_MAX_ERRORS;
	if (json_array_size(s->errors) >= SESSION_MAX_ERRORS || session_cost(error, limit) >= limit) {
		s->errors_left_out++;
		return 0;
	}
	if (!s->errors && !(s->errors = json_array()))
		return -ENOMEM;
	return json_array_append(s->errors, error) < 0 ? -ENOMEM : 0;
}

static int on_error(struct openai_session *s, const struct occasion *o)
{
	json_t *error = error_object(o->text->value);
	const char *code = session_text_of(error, "code"), *param = session_text_of(error, "param");

	if (o->exchange) {
		const struct session_close how = {
			.error = o->text->value, .whole = true, .ts_ns = o->msg->last_ts_ns};
		struct session_exchange *e = o->exchange;
		return session_close(s, &e, &how);
	}
	if (code && begins(code, "input_audio_buffer_commit"))
		(void)session_input_uncommitted(&s->input);
	if (s->config.n_asked && param && begins(param, "session"))
		session_config_settle(&s->config);
	return keep_error(s, error);
}

/* --- of the server: responses -------------------------------------------------------- */

static const char *id_of(const json_t *event)
{
	const json_t *id = json_object_get(event, "response_id");
	if (!json_is_string(id))
		id = json_object_get(json_object_get(event, "response"), "id");
	return json_string_length(id) <= SESSION_MAX_NAME ? json_string_value(id) : NULL;
}

static bool is_over(const struct openai_session *s, const char *id)
{
	uint64_t hash = session_name_hash(id);
	for (size_t i = 0; i < MIN(s->n_closed, (size_t)SESSION_MAX_CLOSED); i++)
		if (s->closed[i] == hash)
			return true;
	return false;
}

static struct session_exchange *find(struct openai_session *s, const char *id)
{
	for (size_t i = 0; id && i < s->n_open; i++)
		if (s->open[i]->response_id && !strcmp(s->open[i]->response_id, id))
			return s->open[i];
	return NULL;
}

/* The request that a response answers: by the metadata that the server repeats, or else in order. */
static struct session_exchange *match(struct openai_session *s, const json_t *event)
{
	const json_t *metadata = json_object_get(json_object_get(event, "response"), "metadata");
	const char *lane = s->mode == SESSION_RESPONSES ? session_text_of(event, "stream_id") : NULL;

	for (size_t i = 0; i < s->n_open && json_object_size(metadata); i++)
		if (!s->open[i]->response_id && json_equal(s->open[i]->metadata, metadata))
			return s->open[i];
	for (size_t i = 0; i < s->n_open; i++)
		if (!s->open[i]->response_id && same(s->open[i]->lane, lane) &&
		    (!json_object_size(s->open[i]->metadata) || !metadata))
			return s->open[i];
	return NULL;
}

/* The response of that id begins, or goes on although its beginning was not seen. */
static int begin(struct openai_session *s, const struct occasion *o, struct session_exchange **ret_exchange)
{
	json_t *event = o->text->value;
	json_t *response = json_object_get(event, "response");
	bool direct = json_is_string(json_object_get(event, "response_id"));
	struct session_exchange *e = match(s, event);
	int r = 0;

	if (!e)
		r = session_open(s, o->msg->first_ts_ns, o->msg->last_ts_ns, NULL, true, &e);
	if (r == 0 && s->mode == SESSION_RESPONSES && !e->lane)
		r = name_of(event, "stream_id", &e->lane);
	if (r < 0)
		return r;
	r = direct ? name_of(event, "response_id", &e->response_id)
		   : name_of(response, "id", &e->response_id);
	if (r < 0)
		return r;
	e->apart |= s->mode == SESSION_REALTIME && json_is_null(json_object_get(response, "conversation_id"));
	*ret_exchange = e;
	return 0;
}

/* A conversation has one response at a time: if messages were lost, the end of the one before was among them.
 */
static int end_lost(struct openai_session *s, const struct session_exchange *begun, uint64_t ts_ns)
{
	for (size_t i = 0; i < s->n_open && s->mode == SESSION_REALTIME && !begun->apart; i++) {
		struct session_exchange *e = s->open[i];
		if (e == begun || !e->response_id || !e->lossy || e->apart)
			continue;
		const struct session_close how = {.ts_ns = ts_ns,
						  .what = "the end of the response was not captured"};
		return session_close(s, &e, &how);
	}
	return 0;
}

/* The exchange that the event names; *ret_exchange is NULL if it names none. */
static int find_or_begin(struct openai_session *s, const struct occasion *o,
			 struct session_exchange **ret_exchange)
{
	const char *type = o->text->type, *id = id_of(o->text->value);
	struct session_exchange *e = find(s, id);

	*ret_exchange = e;
	if (e || !begins(type, "response."))
		return 0;
	if (id && is_over(s, id)) {
		s->late++;
		return 0;
	}
	if (strcmp(type, "response.created") != 0 && s->mode == SESSION_RESPONSES &&
	    !begins(type, "response.steer")) {
		*ret_exchange = oldest_of_lane(s, session_text_of(o->text->value, "stream_id"));
		if (*ret_exchange)
			return 0;
	}
	if (!id && strcmp(type, "response.created") != 0)
		return 0;
	int r = begin(s, o, &e);
	if (r < 0)
		return r;
	*ret_exchange = e;
	return end_lost(s, e, o->msg->first_ts_ns);
}

static int on_done(struct openai_session *s, const struct occasion *o)
{
	json_t *answer = json_object_get(o->text->value, "response");
	const struct session_close how = {
		.answer = json_is_object(answer) ? answer : NULL,
		.whole = !(o->text->flaws & JSON_CUT),
		.ts_ns = o->msg->last_ts_ns,
	};
	struct session_exchange *e = o->exchange;
	return e ? session_close(s, &e, &how) : 0;
}

static int on_output(struct openai_session *s, const struct occasion *o)
{
	struct session_exchange *e = o->exchange;
	const char *item_id = session_text_of(json_object_get(o->text->value, "item"), "id");

	if (!e)
		return 0;
	if (item_id)
		session_input_know(&s->input, item_id);
	int r = session_output_add(&e->output, o->text);
	if (e->output.has_token && !e->first_token_ts_ns)
		e->first_token_ts_ns = o->msg->last_ts_ns;
	return r;
}

static const struct handler server_handlers[] = {
	{"response.done", on_done},
	{"response.completed", on_done},
	{"response.failed", on_done},
	{"response.incomplete", on_done},
	{"error", on_error},
	{"session.created", on_created_session},
	{"transcription_session.created", on_created_session},
	{"session.updated", on_updated_session},
	{"transcription_session.updated", on_updated_session},
	{"session.closed", on_closed_session},
	{"conversation.item.added", on_item},
	{"conversation.item.created", on_item},
	{"conversation.item.done", on_item},
	{"input_audio_buffer.committed", on_committed},
	{"rate_limits.updated", on_rate_limits},
	{"session.input_transcript.delta", on_heard},
	{"session.output_transcript.delta", on_spoken},
	{"session.output_audio.delta", on_spoken},
};

static void mark_loss(struct openai_session *s, const struct http_message *msg,
		      const struct session_text *text)
{
	if (!msg->missing_bytes && msg->end == HTTP_END_COMPLETE && text->value && !(text->flaws & JSON_CUT))
		return;
	for (size_t i = 0; i < s->n_open; i++)
		s->open[i]->lossy = true;
}

/* A transcription in the midst of a conversation is an exchange beside it. */
static int on_transcription(struct openai_session *s, const struct occasion *o)
{
	json_t *event = o->text->value;
	struct session_tally own = {0}, *tally = s->transcribes ? &s->loose : &own;
	int r = tally_add(tally, o->msg, o->text);
	int next = s->transcribes ? 0
				  : session_input_transcribed(&s->input, session_text_of(event, "item_id"),
							      json_object_get(event, "transcript"));
	r = r < 0 ? r : next;
	next = session_transcription(s, o->msg, event, s->transcribes ? NULL : &own);
	session_tally_done(&own);
	return r < 0 ? r : next;
}

static bool is_transcription(const char *type)
{
	return !strcmp(type, "conversation.item.input_audio_transcription.completed") ||
	       !strcmp(type, "conversation.item.input_audio_transcription.failed");
}

static int count_server(struct openai_session *s, const struct occasion *o)
{
	struct session_exchange *e = o->exchange;
	if (e) {
		if (!e->chunks++)
			e->first_ts_ns = o->msg->first_ts_ns;
		e->last_ts_ns = o->msg->last_ts_ns;
	}
	return tally_add(e ? &e->server : s->n_open ? &s->open[0]->server : &s->loose, o->msg, o->text);
}

int session_on_server(struct openai_session *s, const struct http_message *msg,
		      const struct session_text *text)
{
	struct occasion o = {.msg = msg, .text = text};
	int r = 0;

	mark_loss(s, msg, text);
	if (text->value && is_transcription(text->type))
		return on_transcription(s, &o);
	if (text->value && !strcmp(text->type, "error"))
		o.exchange = error_of(s, text->value);
	else if (text->value)
		r = find_or_begin(s, &o, &o.exchange);
	int next = count_server(s, &o);
	r = r < 0 ? r : next;
	if (!text->value)
		return r;
	if (begins(text->type, "response.") && o.exchange) {
		next = on_output(s, &o);
		r = r < 0 ? r : next;
	}
	next = handle(s, server_handlers, ARRAY_SIZE(server_handlers), &o);
	return r < 0 ? r : next;
}
