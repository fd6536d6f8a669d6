/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <stdlib.h>

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
	free(caller->resource_id);
	free(caller->name);
	json_decref(caller->roles);
	json_decref(caller->scopes);
	json_decref(caller->groups);
	free(caller->token_id);
	free(caller->issuer);
	free(caller->audience);
	free(caller->key_fingerprint);
	free(caller->key_name);
	json_decref(caller->key_labels);
	*caller = (struct identity_caller){0};
}
