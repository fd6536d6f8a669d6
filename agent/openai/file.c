/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/file.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "openai/text.h"

/* A final '/' or '+' stands for all that begin so. */
static bool type_is_one_of(const struct http_message *msg, const char *const *types, size_t n)
{
	const char *value = http_message_header(msg, "content-type");
	size_t len = value ? strcspn(value, "; \t") : 0;

	for (size_t i = 0; i < n; i++) {
		size_t type_len = strlen(types[i]);
		bool prefix = types[i][type_len - 1] == '/';
		if ((prefix ? len > type_len : len == type_len) && !strncasecmp(value, types[i], type_len))
			return true;
	}
	return false;
}

bool openai_file_is_type(const struct http_message *msg)
{
	static const char *const types[] = {
		"audio/",
		"image/",
		"video/",
		"font/",
		"application/octet-stream",
		"binary/octet-stream",
		"application/pdf",
		"application/zip",
		"application/gzip",
		"application/x-gzip",
		"application/x-tar",
		"application/jsonl",
		"application/x-jsonl",
		"application/jsonlines",
		"application/x-ndjson",
		"application/ndjson",
		"text/jsonl",
	};
	return type_is_one_of(msg, types, ARRAY_SIZE(types));
}

bool openai_file_is_text(const struct http_message *msg)
{
	static const char *const types[] = {"text/", "application/x-subrip", "application/sdp"};
	return type_is_one_of(msg, types, ARRAY_SIZE(types)) && !http_message_is_type(msg, "text/json");
}

static int put_text(json_t *entry, const char *key, const char *text)
{
	json_t *value;
	if (!text)
		return 0;
	int r = openai_text_value(text, strlen(text), &value);
	if (r < 0)
		return r;
	return json_object_set_new(entry, key, value) < 0 ? -ENOMEM : 0;
}

/* sha256: NULL if it is not of the whole. */
static int put_content(json_t *entry, uint64_t bytes, const uint8_t *sha256)
{
	char hex[SHA256_HEX_LEN];
	json_int_t n = bytes > INT64_MAX ? INT64_MAX : (json_int_t)bytes;

	if (json_object_set_new(entry, "bytes", json_integer(n)) < 0)
		return -ENOMEM;
	if (!sha256)
		return 0;
	hex_encode(sha256, SHA256_LEN, hex);
	return json_object_set_new(entry, "sha256", json_string(hex)) < 0 ? -ENOMEM : 0;
}

static int append(json_t **files, json_t *entry)
{
	if (!*files && !(*files = json_array()))
		return -ENOMEM;
	return json_array_append(*files, entry) < 0 ? -ENOMEM : 0;
}

int openai_file_add_body(json_t **files, const struct http_message *msg)
{
	json_auto_t *entry = json_object();
	if (!entry)
		return -ENOMEM;
	int r = put_text(entry, "content-type", http_message_header(msg, "content-type"));
	if (r == 0)
		r = put_content(entry, msg->body_total, msg->body_sha256_valid ? msg->body_sha256 : NULL);
	return r == 0 ? append(files, entry) : r;
}

int openai_file_add_part(json_t **files, const struct http_part *part)
{
	json_auto_t *entry = json_object();
	if (!entry)
		return -ENOMEM;
	int r = put_text(entry, "name", part->name);
	if (r == 0)
		r = put_text(entry, "file-name", part->filename);
	if (r == 0)
		r = put_text(entry, "content-type", part->content_type);
	if (r == 0)
		r = put_content(entry, part->bytes, part->whole ? part->sha256 : NULL);
	return r == 0 ? append(files, entry) : r;
}
