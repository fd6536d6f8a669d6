/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/claimed.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

/* Of the body, and of Azure's object within it. */
static const struct {
	const char *member, *key;
} body_members[] = {{"user", "user"}, {"safety_identifier", "safety-identifier"}},
  azure_members[] = {{"end_user_id", "end-user-id"},
		     {"end_user_tenant_id", "end-user-tenant-id"},
		     {"source_ip", "source-ip"},
		     {"application_name", "application-name"}};

static int put(json_t **object, const char *key, const char *text, size_t len)
{
	if (len == 0 || !utf8_valid(text, len, NULL) || memchr(text, 0, len))
		return 0;
	if (len > CLAIMED_TEXT_MAX) {
		len = CLAIMED_TEXT_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	if (!*object && !(*object = json_object()))
		return -ENOMEM;
	return json_object_set_new(*object, key, json_stringn(text, len)) < 0 ? -ENOMEM : 0;
}

static int put_member(json_t **object, const char *key, const json_t *value)
{
	return json_is_string(value) ? put(object, key, json_string_value(value), json_string_length(value))
				     : 0;
}

static int put_body(json_t **object, const json_t *parameters)
{
	const json_t *azure = json_object_get(parameters, "user_security_context");
	int r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(body_members) && r == 0; i++)
		r = put_member(object, body_members[i].key,
			       json_object_get(parameters, body_members[i].member));
	for (size_t i = 0; i < ARRAY_SIZE(azure_members) && r == 0; i++)
		r = put_member(object, azure_members[i].key, json_object_get(azure, azure_members[i].member));
	return r;
}

int identity_claimed_read(const json_t *parameters, const struct identity_header *headers, size_t n_headers,
			  json_t **ret_claimed)
{
	_cleanup_(cleanup_json) json_t *claimed = NULL;
	_cleanup_(cleanup_json) json_t *by_header = NULL;
	int r = put_body(&claimed, parameters);

	for (size_t i = 0; i < MIN(n_headers, (size_t)CLAIMED_HEADERS_MAX) && r == 0; i++)
		if (headers[i].value)
			r = put(&by_header, headers[i].name, headers[i].value, strlen(headers[i].value));
	if (r == 0 && by_header) {
		if (!claimed && !(claimed = json_object()))
			return -ENOMEM;
		r = json_object_set(claimed, "headers", by_header) < 0 ? -ENOMEM : 0;
	}
	if (r < 0)
		return r;
	*ret_claimed = TAKE_PTR(claimed);
	return 0;
}
