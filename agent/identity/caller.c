/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "identity/token.h"

const char *identity_kind_name(enum identity_kind kind)
{
	switch (kind) {
	case IDENTITY_ENTRA:
		return "entra";
	case IDENTITY_API_KEY:
		return "api-key";
	case IDENTITY_SUBSCRIPTION_KEY:
		return "subscription-key";
	case IDENTITY_BEARER:
		return "bearer";
	case IDENTITY_NONE:
		break;
	}
	return "none";
}

void identity_caller_done(struct identity_caller *caller)
{
	free(caller->tenant_id);
	free(caller->object_id);
	free(caller->app_id);
	free(caller->name);
	json_decref(caller->roles);
	json_decref(caller->scopes);
	free(caller->token_id);
	free(caller->issuer);
	free(caller->audience);
	free(caller->key_fingerprint);
	*caller = (struct identity_caller){0};
}

/* The token of "Bearer TOKEN" (RFC 6750 section 2.1; the scheme's case does not matter), or NULL. Points into
 * value. */
static const char *bearer_token(const char *value)
{
	static const char scheme[] = "bearer";
	if (!value || strncasecmp(value, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	value += sizeof(scheme) - 1;
	size_t blanks = strspn(value, " \t");
	return blanks > 0 || !*value ? value + blanks : NULL;
}

static bool present(const char *value)
{
	return value && *value;
}

static int set_key(struct identity_caller *c, const struct identity_key *key, enum identity_kind kind,
		   const char *credential)
{
	c->kind = kind;
	return identity_fingerprint(key, credential, strlen(credential), &c->key_fingerprint);
}

static int read_keys(const struct identity_key *key, const struct identity_headers *headers,
		     const char *bearer, struct identity_caller *c)
{
	if (present(headers->api_key))
		return set_key(c, key, IDENTITY_API_KEY, headers->api_key);
	if (bearer && strncmp(bearer, "sk-", 3) == 0)
		return set_key(c, key, IDENTITY_API_KEY, bearer);
	if (present(headers->subscription_key))
		return set_key(c, key, IDENTITY_SUBSCRIPTION_KEY, headers->subscription_key);
	if (present(headers->authorization) && !bearer)
		c->problem = "the authorization header is not a bearer token";
	else if (bearer && !*bearer)
		c->problem = "the bearer token is empty";
	return 0;
}

int identity_caller_read(const struct identity_key *key, const struct identity_headers *headers,
			 struct identity_caller *ret_caller)
{
	_cleanup_(identity_caller_done) struct identity_caller token = {0};
	_cleanup_(identity_caller_done) struct identity_caller c = {0};
	const char *bearer = bearer_token(headers->authorization);
	enum token_class class = TOKEN_OPAQUE;

	int r = present(bearer) ? token_read(bearer, strlen(bearer), &class, &token) : 0;
	if (r == 0 && class != TOKEN_ENTRA)
		r = read_keys(key, headers, bearer, &c);
	if (r == 0 && present(bearer) && c.kind == IDENTITY_NONE) {
		identity_caller_done(&c);
		c = token;
		token = (struct identity_caller){0};
		c.verification = "unverified";
		if (class == TOKEN_ENTRA)
			c.kind = IDENTITY_ENTRA;
		else
			r = set_key(&c, key, IDENTITY_BEARER, bearer);
	}
	if (r < 0)
		return r;
	*ret_caller = c;
	c = (struct identity_caller){0};
	return 0;
}
