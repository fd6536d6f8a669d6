/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/pretty.h"

#include <string.h>

#include "base/macro.h"

/* So that the size of a file is always shown. */
#define NAME_MAX_SHOWN ((size_t)256)

static const json_t *text_of(const json_t *object, const char *key)
{
	return pretty_get(object, key, JSON_STRING);
}

static bool says(const json_t *object, const char *key, const char *text)
{
	const json_t *value = text_of(object, key);
	return value && strcmp(json_string_value(value), text) == 0;
}

/* Appends up to plain's ceiling. */
static int append_some(struct buf *plain, const char *text, size_t len)
{
	return buf_append(plain, text, MIN(len, plain->max - plain->len));
}

static int append_text(struct buf *plain, const char *text)
{
	return append_some(plain, text, strlen(text));
}

static int append_part(struct buf *plain, const json_t *part)
{
	const json_t *text = text_of(part, "text"), *type = text_of(part, "type");
	int r = 0;
	if (!text)
		text = text_of(part, "refusal");
	if (json_is_string(part))
		text = part;
	if (plain->len)
		r = append_some(plain, "\n", 1);
	if (r == 0 && text)
		return append_some(plain, json_string_value(text), json_string_length(text));
	if (r == 0)
		r = append_some(plain, "[", 1);
	if (r == 0 && type)
		r = append_some(plain, json_string_value(type), json_string_length(type));
	return r < 0 ? r : append_some(plain, "]", 1);
}

int pretty_content(struct buf *plain, const json_t *content)
{
	size_t i;
	const json_t *part;
	int r = 0;

	if (json_is_string(content))
		return append_some(plain, json_string_value(content), json_string_length(content));
	if (json_is_object(content))
		return append_part(plain, content);
	json_array_foreach (content, i, part)
		if (r == 0 && plain->len < plain->max)
			r = append_part(plain, part);
	return r;
}

/* What was said last by the user, of messages or of the items of an input; NULL: nobody said anything. */
static const json_t *last_of_user(const json_t *messages)
{
	for (size_t i = json_array_size(messages); i-- > 0;) {
		const json_t *message = json_array_get(messages, i);
		if (says(message, "role", "user"))
			return json_object_get(message, "content");
	}
	return NULL;
}

/* Several texts, or texts as numbers, as embeddings and completions take them. */
static int append_texts(struct buf *plain, const json_t *texts)
{
	const json_t *first = json_array_get(texts, 0);
	size_t n = json_array_size(texts);
	int r = 0;

	if (json_is_number(first))
		return buf_appendf(plain, "[%zu tokens]", n);
	if (n > 1)
		r = buf_appendf(plain, "[%zu texts] ", n);
	if (r == 0 && json_is_array(first))
		return buf_appendf(plain, "[%zu tokens]", json_array_size(first));
	return r == 0 ? append_some(plain, json_string_value(first), json_string_length(first)) : r;
}

static int append_result(struct buf *plain, const json_t *item)
{
	const json_t *output = text_of(item, "output");
	int r = append_text(plain, "\xe2\x9a\x99 ");
	return r == 0 ? append_some(plain, json_string_value(output), json_string_length(output)) : r;
}

static int append_input(struct buf *plain, const json_t *input)
{
	const json_t *said = last_of_user(input), *last = json_array_get(input, json_array_size(input) - 1);

	/* What a tool gave follows what the user said long ago. */
	if (says(last, "type", "function_call_output") && text_of(last, "output"))
		return append_result(plain, last);
	if (said)
		return pretty_content(plain, said);
	if (json_is_object(json_array_get(input, 0)))
		return pretty_content(plain, input);
	return append_texts(plain, input);
}

int pretty_question(struct buf *plain, const json_t *event)
{
	static const char *const keys[] = {"prompt", "input", "instructions"};
	const json_t *said = last_of_user(json_object_get(event, "messages"));

	if (said)
		return pretty_content(plain, said);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *value = json_object_get(event, keys[i]);
		if (json_array_size(value))
			return append_input(plain, value);
		if (value && !json_is_array(value))
			return pretty_content(plain, value);
	}
	return 0;
}

static int append_call(struct buf *text, const json_t *call)
{
	const json_t *function = pretty_get(call, "function", JSON_OBJECT);
	const json_t *name = text_of(function ? function : call, "name");
	const json_t *arguments = text_of(function ? function : call, "arguments");
	if (!name)
		return 0;
	int r = append_some(text, text->len ? " \xe2\x9a\x99 " : "\xe2\x9a\x99 ", text->len ? 5 : 4);
	if (r == 0)
		r = append_some(text, json_string_value(name), json_string_length(name));
	if (r == 0)
		r = append_some(text, "(", 1);
	if (r == 0 && arguments)
		r = append_some(text, json_string_value(arguments), json_string_length(arguments));
	return r < 0 ? r : append_some(text, ")", 1);
}

/* "[reasoning]", "[web_search_call]": items that are no text. */
static int append_kind(struct buf *text, const json_t *item)
{
	const json_t *type = text_of(item, "type"), *summary = json_object_get(item, "summary");
	if (!type || text->len)
		return 0;
	int r = append_text(text, "[");
	if (r == 0)
		r = append_some(text, json_string_value(type), json_string_length(type));
	if (r == 0)
		r = append_text(text, "]");
	if (r < 0 || !json_array_size(summary))
		return r;
	return pretty_content(text, summary);
}

int pretty_item(struct buf *text, const json_t *item)
{
	const json_t *message = pretty_get(item, "message", JSON_OBJECT), *content, *call;
	size_t i;
	if (!message)
		message = item;
	content = json_object_get(message, "content");
	if (!content || json_is_null(content))
		content = json_object_get(message, "refusal");
	if (!content || json_is_null(content))
		content = json_object_get(message, "text");
	int r = pretty_content(text, content);
	json_array_foreach (pretty_get(message, "tool_calls", JSON_ARRAY), i, call)
		if (r == 0)
			r = append_call(text, call);
	if (r == 0)
		r = append_call(text, message);
	return r < 0 ? r : append_kind(text, item);
}

/* Numbers, or base64 of 4 bytes each. */
static size_t dimensions(const json_t *embedding)
{
	return json_is_string(embedding) ? json_string_length(embedding) / 4 * 3 / 4
					 : json_array_size(embedding);
}

static int append_images(struct buf *plain, const json_t *data)
{
	double bytes = 0;
	size_t i, n = json_array_size(data);
	const json_t *item;

	json_array_foreach (data, i, item)
		bytes += (double)(json_string_length(json_object_get(item, "b64_json")) / 4 * 3);
	int r = buf_appendf(plain, "[%zu image%s", n, n == 1 ? "" : "s");
	if (r == 0 && bytes > 0) {
		r = append_text(plain, ", ");
		if (r == 0)
			r = pretty_bytes(plain, bytes);
	}
	return r < 0 ? r : append_text(plain, "]");
}

int pretty_data(struct buf *plain, const json_t *data)
{
	const json_t *first = json_array_get(data, 0);
	size_t n = json_array_size(data);

	if (!json_is_array(data))
		return 0;
	if (json_object_get(first, "embedding"))
		return buf_appendf(plain, "[%zu embedding%s, %zu dimensions]", n, n == 1 ? "" : "s",
				   dimensions(json_object_get(first, "embedding")));
	if (json_object_get(first, "b64_json") || json_object_get(first, "url"))
		return append_images(plain, data);
	return buf_appendf(plain, "[%zu item%s]", n, n == 1 ? "" : "s");
}

int pretty_file(struct buf *plain, const json_t *file)
{
	static const char *const keys[] = {"name", "file-name", "content-type"};
	int r = append_text(plain, "[");

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *value = text_of(file, keys[i]);
		if (!value)
			continue;
		if (r == 0)
			r = append_some(plain, json_string_value(value),
					MIN(json_string_length(value), NAME_MAX_SHOWN));
		if (r == 0)
			r = append_text(plain, i == 0 ? ": " : ", ");
	}
	if (r == 0)
		r = pretty_bytes(plain, pretty_number(file, "bytes", -1));
	return r < 0 ? r : append_text(plain, "]");
}
