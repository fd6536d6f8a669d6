/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define MASK	  "[masked]"
#define NO_HASH	  "hmac-sha256:00000000000000000000000000000000"
#define DEPTH_MAX 2048

struct shaper {
	enum config_keep how;
	uint32_t max;
	const struct identity_key *key;
};

/* Members that tell parts apart, and the words that the API has for them. Anything else there is a text. */
static bool is_word_of_api(const char *key, const char *text)
{
	static const char *const keys[] = {"role", "type", "object", "status", "finish_reason"};
	static const char *const words[] = {
		"user",
		"assistant",
		"system",
		"developer",
		"tool",
		"function",
		"text",
		"image_url",
		"input_text",
		"input_image",
		"input_audio",
		"input_file",
		"output_text",
		"output_audio",
		"refusal",
		"message",
		"function_call",
		"function_call_output",
		"reasoning",
		"summary_text",
		"reasoning_text",
		"web_search_call",
		"file_search_call",
		"code_interpreter_call",
		"computer_call",
		"image_generation_call",
		"mcp_call",
		"object",
		"string",
		"number",
		"integer",
		"boolean",
		"array",
		"null",
		"stop",
		"length",
		"tool_calls",
		"content_filter",
		"completed",
		"in_progress",
		"incomplete",
		"failed",
		"cancelled",
		"list",
		"embedding",
	};
	bool found = false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		found |= strcmp(keys[i], key) == 0;
	for (size_t i = 0; found && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], text) == 0)
			return true;
	return false;
}

/* Bytes of the first max characters of UTF-8. */
static size_t cut_at(const char *text, size_t len, uint32_t max)
{
	size_t i = 0;
	for (uint32_t n = 0; i < len && n < max; n++)
		do
			i++;
		while (i < len && ((unsigned char)text[i] & 0xc0) == 0x80);
	return i;
}

char *shape_text(enum config_keep how, uint32_t max, const struct identity_key *key, const char *text,
		 size_t len)
{
	char *hash = NULL;
	switch (how) {
	case CONFIG_MASK:
		return strdup(MASK);
	case CONFIG_HASH:
		if (!key)
			return strdup(NO_HASH);
		return identity_fingerprint(key, text, len, &hash) == 0 ? hash : NULL;
	case CONFIG_TRUNCATE:
		return strndup(text, cut_at(text, len, max));
	case CONFIG_KEEP:
	case CONFIG_DROP:
		break;
	}
	return strndup(text, len);
}

static json_t *shape_string(const struct shaper *s, const char *key, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);
	if (s->how == CONFIG_TRUNCATE)
		return json_stringn_nocheck(text, cut_at(text, len, s->max));
	if (key && is_word_of_api(key, text))
		return json_string_nocheck(text);
	_cleanup_free_ char *shaped = shape_text(s->how, s->max, s->key, text, len);
	return shaped ? json_string_nocheck(shaped) : NULL;
}

static json_t *shape(const struct shaper *s, const char *key, const json_t *value, unsigned int depth);

static json_t *shape_array(const struct shaper *s, const json_t *value, unsigned int depth)
{
	json_t *array = json_array();
	for (size_t i = 0; array && i < json_array_size(value); i++)
		if (json_array_append_new(array, shape(s, NULL, json_array_get(value, i), depth + 1)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *shape_object(const struct shaper *s, const json_t *value, unsigned int depth)
{
	json_t *from = (json_t *)(uintptr_t)value, *object = json_object(), *member;
	const char *key;
	json_object_foreach (from, key, member)
		if (!object ||
		    json_object_set_new_nocheck(object, key, shape(s, key, member, depth + 1)) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *shape(const struct shaper *s, const char *key, const json_t *value, unsigned int depth)
{
	if (depth > DEPTH_MAX)
		return json_null();
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return shape_object(s, value, depth);
	case JSON_ARRAY:
		return shape_array(s, value, depth);
	case JSON_STRING:
		return shape_string(s, key, value);
	case JSON_INTEGER:
	case JSON_REAL:
		if (s->how != CONFIG_TRUNCATE && !(key && strcmp(key, "index") == 0))
			return json_integer(0);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return json_incref((json_t *)(uintptr_t)value);
}

json_t *shape_value(enum config_keep how, uint32_t max, const struct identity_key *key, const json_t *value)
{
	const struct shaper s = {.how = how, .max = max, .key = key};
	return shape(&s, NULL, value, 0);
}
