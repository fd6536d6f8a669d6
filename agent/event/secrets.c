/* SPDX-License-Identifier: Apache-2.0 */
#include "event/secrets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define SECRETS_MAX 8

/* Shorter ones are placeholders ("dummy"), which may well stand in a text. */
#define SECRET_MIN 16

struct event_secrets {
	char *values[SECRETS_MAX];
	size_t n;
};

static const char *const credential_headers[] = {
	"api-key", "authorization", "cookie", "ocp-apim-subscription-key", "proxy-authorization", "x-api-key",
};

static bool is_credential(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(credential_headers); i++)
		if (strcmp(name, credential_headers[i]) == 0)
			return true;
	return false;
}

/* Calls fn for each credential in a message's headers; stops when it fails and returns its error. */
static int walk(const struct http_message *msg, int (*fn)(void *ctx, const char *value, size_t len),
		void *ctx)
{
	for (size_t i = 0; i < msg->n_headers; i++) {
		if (!is_credential(msg->headers[i].name))
			continue;
		const char *value = msg->headers[i].value;
		for (const char *p = value; *p; p++) /* after the scheme of an authorization */
			if (*p == ' ' || *p == '\t')
				value = p + 1;
		size_t len = strlen(value);
		int r = len >= SECRET_MIN ? fn(ctx, value, len) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int keep(void *ctx, const char *value, size_t len)
{
	struct event_secrets *s = ctx;
	if (s->n == SECRETS_MAX)
		return 0;
	s->values[s->n] = strndup(value, len);
	return s->values[s->n++] ? 0 : -ENOMEM;
}

int event_secrets_new(struct event_secrets **ret_secrets, const struct http_message *request)
{
	struct event_secrets *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	int r = walk(request, keep, s);
	if (r < 0) {
		event_secrets_free(&s);
		return r;
	}
	*ret_secrets = s;
	return 0;
}

void event_secrets_free(struct event_secrets **secrets)
{
	if (!*secrets)
		return;
	for (size_t i = 0; i < (*secrets)->n; i++) {
		if ((*secrets)->values[i])
			explicit_bzero((*secrets)->values[i], strlen((*secrets)->values[i]));
		free((*secrets)->values[i]);
	}
	free(*secrets);
	*secrets = NULL;
}

static int hide(void *ctx, const char *value, size_t len)
{
	return json_text_hide(ctx, value, len);
}

void event_secrets_hide_headers(struct json_text *w, const struct http_message *request)
{
	(void)walk(request, hide, w);
}

void event_secrets_hide_kept(struct json_text *w, const struct event_secrets *secrets)
{
	for (size_t i = 0; secrets && i < secrets->n; i++)
		if (json_text_hide(w, secrets->values[i], strlen(secrets->values[i])) < 0)
			return;
}
