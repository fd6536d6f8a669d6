/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The configuration of a session: what the server said last, and over it what the client has asked for since.
 * Embedded by value; all zero is none. */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* What one configuration may cost in memory; a larger one is left out. */
#define SESSION_MAX_CONFIG ((size_t)512 << 10)

struct session_config {
	json_t *said;	   /* object, or NULL */
	json_t *asked;	   /* object: changes that the server has not confirmed yet; or NULL */
	size_t asked_cost; /* of all that went into it */
	unsigned n_asked;  /* session.update without an answer */
	bool over_limit;   /* a configuration was left out since the last look */
};

/* session: the member of that name; kept by reference, never changed. 0; -ENOMEM. */
int session_config_ask(struct session_config *config, json_t *session);
/* answers: to a change that the client asked for. */
void session_config_say(struct session_config *config, json_t *session, bool answers);
/* The server has refused a change. */
void session_config_settle(struct session_config *config);

/* What holds now, with these members (or NULL) over it: a new object that the caller may change at its
 * outermost level. Objects below `audio` are merged, any other member is replaced as a whole. Secrets and
 * what only names the session are left out. 0; -ENOMEM. */
int session_config_now(const struct session_config *config, json_t *over, json_t **ret_config);

/* A member as it holds now, or NULL. Borrowed. */
json_t *session_config_get(const struct session_config *config, const char *key);

void session_config_done(struct session_config *config);
