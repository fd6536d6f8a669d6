/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_config.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "openai/session_text.h"

/* The API nests audio.input.turn_detection. */
#define MERGE_DEPTH 3

static int merge(json_t *into, json_t *over, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach (over, key, value) {
		json_t *have = json_object_get(into, key);
		int r = 0;
		if (depth < MERGE_DEPTH && json_is_object(have) && json_is_object(value) &&
		    (depth || !strcmp(key, "audio"))) {
			json_auto_t *copy = json_copy(have);
			if (!copy)
				return -ENOMEM;
			r = merge(copy, value, depth + 1);
			value = copy;
			if (r == 0 && json_object_set_nocheck(into, key, value) < 0)
				r = -ENOMEM;
		} else if (json_object_set_nocheck(into, key, value) < 0) {
			r = -ENOMEM;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int session_config_ask(struct session_config *config, json_t *session)
{
	size_t room = SESSION_MAX_CONFIG - config->asked_cost;
	size_t cost = session_cost(session, room + 1);

	config->n_asked++;
	if (!json_is_object(session))
		return 0;
	if (cost > room) {
		config->over_limit = true;
		return 0;
	}
	if (!config->asked && !(config->asked = json_object()))
		return -ENOMEM;
	config->asked_cost += cost;
	return merge(config->asked, session, 0);
}

void session_config_settle(struct session_config *config)
{
	if (config->n_asked && --config->n_asked)
		return;
	json_decref(config->asked);
	config->asked = NULL;
	config->asked_cost = 0;
}

void session_config_say(struct session_config *config, json_t *session, bool answers)
{
	if (json_is_object(session)) {
		bool fits = session_cost(session, SESSION_MAX_CONFIG + 1) <= SESSION_MAX_CONFIG;
		config->over_limit |= !fits;
		if (fits) {
			json_decref(config->said);
			config->said = json_incref(session);
		}
	}
	if (answers)
		session_config_settle(config);
}

int session_config_now(const struct session_config *config, json_t *over, json_t **ret_config)
{
	static const char *const left_out[] = {"object", "id", "expires_at"};

	json_auto_t *now = config->said ? json_copy(config->said) : json_object();
	if (!now)
		return -ENOMEM;
	int r = config->asked ? merge(now, config->asked, 0) : 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
		json_object_del(now, left_out[i]);
	if (over)
		r = merge(now, over, 0);
	if (r < 0)
		return r;
	/* A credential, whoever gave it. */
	json_object_del(now, "client_secret");
	*ret_config = json_incref(now);
	return 0;
}

json_t *session_config_get(const struct session_config *config, const char *key)
{
	json_t *value = json_object_get(config->asked, key);
	return value ? value : json_object_get(config->said, key);
}

void session_config_done(struct session_config *config)
{
	json_decref(config->said);
	json_decref(config->asked);
	*config = (struct session_config){0};
}
