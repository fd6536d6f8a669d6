/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_input.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

static int add_to(struct session_input *in, json_t **list, json_t *value)
{
	size_t room = SESSION_MAX_INPUT - in->cost;
	size_t cost = session_cost(value, room + 1);

	if (cost > room || json_array_size(in->items) + json_array_size(in->changes) >= SESSION_MAX_ITEMS) {
		in->left_out++;
		return 0;
	}
	if (!*list && !(*list = json_array()))
		return -ENOMEM;
	if (json_array_append(*list, value) < 0)
		return -ENOMEM;
	in->cost += cost;
	return 0;
}

int session_input_add(struct session_input *in, json_t *item)
{
	return add_to(in, &in->items, item);
}

int session_input_change(struct session_input *in, json_t *event)
{
	json_object_del(event, "event_id");
	return add_to(in, &in->changes, event);
}

/* --- ids ----------------------------------------------------------------------------- */

void session_input_know(struct session_input *in, const char *item_id)
{
	in->known[in->n_known++ % SESSION_MAX_KNOWN] = session_name_hash(item_id);
}

static bool is_known(const struct session_input *in, const char *item_id)
{
	uint64_t hash = session_name_hash(item_id);
	for (size_t i = 0; i < MIN(in->n_known, (size_t)SESSION_MAX_KNOWN); i++)
		if (in->known[i] == hash)
			return true;
	return false;
}

static uint64_t likeness(const json_t *item)
{
	const char *type = session_text_of(item, "type"), *role = session_text_of(item, "role");
	return session_name_hash(type ? type : "") * 31 + session_name_hash(role ? role : "");
}

/* True if an item like this one waits for its answer; it waits no more. */
static bool take_echo(struct session_input *in, const json_t *item)
{
	uint64_t like = likeness(item);
	for (size_t i = 0; i < in->n_echoes; i++) {
		if (in->echoes[i] != like)
			continue;
		in->n_echoes--;
		memmove(in->echoes + i, in->echoes + i + 1, (in->n_echoes - i) * sizeof(in->echoes[0]));
		return true;
	}
	return false;
}

/* The waiting item of that id; if there is none, the first one like it that has no id gets it. */
static json_t *find_item(struct session_input *in, const char *item_id, const json_t *like)
{
	for (size_t i = 0; i < json_array_size(in->items); i++) {
		const char *id = session_text_of(json_array_get(in->items, i), "id");
		if (id && !strcmp(id, item_id))
			return json_array_get(in->items, i);
	}
	for (size_t i = 0; like && i < json_array_size(in->items); i++) {
		json_t *item = json_array_get(in->items, i);
		if (!json_object_get(item, "id") && likeness(item) == likeness(like))
			return item;
	}
	return NULL;
}

/* --- items --------------------------------------------------------------------------- */

int session_input_create(struct session_input *in, json_t *item)
{
	const char *id = session_text_of(item, "id");

	if (!json_is_object(item))
		return 0;
	if (id)
		session_input_know(in, id);
	else if (in->n_echoes < SESSION_MAX_ECHOES)
		in->echoes[in->n_echoes++] = likeness(item);
	return session_input_add(in, item);
}

/* What the model says or calls is output of a response. */
static bool is_output(const json_t *item)
{
	const char *type = session_text_of(item, "type"), *role = session_text_of(item, "role");
	if (role && !strcmp(role, "assistant"))
		return true;
	return type && (!strcmp(type, "function_call") || !strcmp(type, "mcp_call") ||
			!strcmp(type, "mcp_list_tools") || !strcmp(type, "mcp_approval_request"));
}

int session_input_added(struct session_input *in, json_t *item)
{
	const char *id = session_text_of(item, "id");

	if (!id || is_known(in, id))
		return 0;
	session_input_know(in, id);
	if (take_echo(in, item)) {
		json_t *own = find_item(in, id, item);
		if (own && !json_object_get(own, "id") &&
		    json_object_set_nocheck(own, "id", json_object_get(item, "id")) < 0)
			return -ENOMEM;
		return 0;
	}
	return is_output(item) ? 0 : session_input_add(in, item);
}

/* --- audio --------------------------------------------------------------------------- */

int session_input_append(struct session_input *in, const struct session_text *event)
{
	if (!event->audio) {
		in->buffer.inexact = true;
		return 0;
	}
	int r = session_audio_add(&in->buffer, event->audio, event->audio_len);
	in->buffer.inexact |= event->audio_cut || r < 0;
	return r == -EBADMSG ? 0 : r;
}

/* Takes the buffer as a message of the user. */
static int audio_item(struct session_input *in, json_t **ret_item)
{
	json_t *audio;
	int r = session_audio_take(&in->buffer, &audio);
	if (r < 0)
		return r;
	json_t *item = json_pack("{s:s, s:s, s:[{s:s, s:o}]}", "type", "message", "role", "user", "content",
				 "type", "input_audio", "audio", audio);
	if (!item)
		return -ENOMEM;
	*ret_item = item;
	return 0;
}

static json_t *audio_part(const json_t *item)
{
	return json_array_get(json_object_get(item, "content"), 0);
}

static int drop_commit(struct session_input *in)
{
	json_decref(in->commits[0]);
	in->n_commits--;
	memmove(in->commits, in->commits + 1, in->n_commits * sizeof(in->commits[0]));
	return 0;
}

int session_input_commit(struct session_input *in)
{
	json_t *made = NULL;
	int r = audio_item(in, &made);
	if (r < 0)
		return r;
	json_auto_t *item = made;
	if (in->n_commits == SESSION_MAX_COMMITS)
		drop_commit(in);
	in->commits[in->n_commits++] = json_incref(item);
	return session_input_add(in, item);
}

static void remember(struct session_input *in, const char *item_id, uint64_t ts_ns, json_t *audio)
{
	size_t at = in->n_heard++ % SESSION_MAX_HEARD;
	json_decref(in->heard[at].audio);
	in->heard[at].id = session_name_hash(item_id);
	in->heard[at].ts_ns = ts_ns;
	in->heard[at].audio = json_incref(audio);
}

int session_input_committed(struct session_input *in, const char *item_id, uint64_t ts_ns)
{
	json_t *item = NULL;
	bool asked = in->n_commits > 0;

	if (!item_id || is_known(in, item_id))
		return 0;
	session_input_know(in, item_id);
	int r = asked ? 0 : audio_item(in, &item);
	if (r < 0)
		return r;
	if (asked)
		item = json_incref(in->commits[0]);
	json_auto_t *owned = item;
	remember(in, item_id, ts_ns, json_object_get(audio_part(item), "audio"));
	if (json_object_set_new(item, "id", json_string(item_id)) < 0)
		return -ENOMEM;
	return asked ? drop_commit(in) : session_input_add(in, item);
}

int session_input_uncommitted(struct session_input *in)
{
	return in->n_commits ? drop_commit(in) : 0;
}

int session_input_clear(struct session_input *in)
{
	json_t *audio;
	int r = session_audio_take(&in->buffer, &audio);
	if (r < 0)
		return r;
	json_auto_t *event = json_pack("{s:s, s:o}", "type", "input_audio_buffer.clear", "audio", audio);
	return event ? session_input_change(in, event) : -ENOMEM;
}

int session_input_transcribed(struct session_input *in, const char *item_id, json_t *transcript)
{
	json_t *item = item_id ? find_item(in, item_id, NULL) : NULL;
	json_t *part = audio_part(item);
	size_t room = SESSION_MAX_INPUT - in->cost;

	if (!json_is_object(part) || !json_is_string(transcript))
		return 0;
	if (json_string_length(transcript) > room) {
		in->left_out++;
		return 0;
	}
	in->cost += json_string_length(transcript);
	return json_object_set_nocheck(part, "transcript", transcript) < 0 ? -ENOMEM : 0;
}

json_t *session_input_heard(const struct session_input *in, const char *item_id, uint64_t *ret_ts_ns)
{
	uint64_t hash = item_id ? session_name_hash(item_id) : 0;
	for (size_t i = 0; hash && i < MIN(in->n_heard, (size_t)SESSION_MAX_HEARD); i++) {
		if (in->heard[i].id != hash)
			continue;
		*ret_ts_ns = in->heard[i].ts_ns;
		return in->heard[i].audio;
	}
	return NULL;
}

json_t *session_input_pick(struct session_input *in, const char *item_id)
{
	for (size_t i = 0; item_id && i < json_array_size(in->items); i++) {
		json_t *item = json_array_get(in->items, i);
		const char *id = session_text_of(item, "id");
		if (!id || strcmp(id, item_id) != 0)
			continue;
		json_incref(item);
		json_array_remove(in->items, i);
		in->cost -= MIN(in->cost, session_cost(item, SESSION_MAX_INPUT));
		return item;
	}
	return NULL;
}

int session_input_rest(struct session_input *in, const char *transcript, size_t len)
{
	json_t *made = NULL;
	if (!in->buffer.pieces && !len)
		return 0;
	int r = audio_item(in, &made);
	json_auto_t *item = made;
	if (r == 0 && len &&
	    json_object_set_new_nocheck(audio_part(item), "transcript",
					json_stringn_nocheck(transcript, len)) < 0)
		r = -ENOMEM;
	return r < 0 ? r : session_input_add(in, item);
}

/* --- all of it ----------------------------------------------------------------------- */

void session_input_take(struct session_input *in, json_t **ret_items, json_t **ret_changes)
{
	*ret_items = json_array_size(in->items) ? json_incref(in->items) : NULL;
	*ret_changes = json_array_size(in->changes) ? json_incref(in->changes) : NULL;
	json_decref(in->items);
	json_decref(in->changes);
	in->items = in->changes = NULL;
	in->cost = 0;
}

bool session_input_is_empty(const struct session_input *in)
{
	return !json_array_size(in->items) && !json_array_size(in->changes);
}

void session_input_done(struct session_input *in)
{
	json_decref(in->items);
	json_decref(in->changes);
	while (in->n_commits)
		drop_commit(in);
	for (size_t i = 0; i < ARRAY_SIZE(in->heard); i++)
		json_decref(in->heard[i].audio);
	session_audio_done(&in->buffer);
	*in = (struct session_input){0};
}
