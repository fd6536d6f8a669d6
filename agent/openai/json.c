/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/json.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "openai/json_parse.h"
#include "openai/text.h"

/* The text is not UTF-8 from `bad` on: if that is only a character cut by the end, what is before it counts.
 */
static int read_cut_character(const uint8_t *text, size_t len, size_t bad, struct openai_json *json)
{
	const struct openai_json none = {.flaws = JSON_BAD_UTF8, .offset = bad};
	*json = none;
	if (!openai_text_is_cut_character(text + bad, len - bad))
		return 0;
	int r = openai_json_parse(text, bad, json);
	if (r == 0 && !(json->flaws & JSON_CUT)) {
		json_decref(json->value);
		*json = none;
	}
	return r;
}

static int read_text(const uint8_t *text, size_t len, struct openai_json *json)
{
	size_t bad;
	int r = openai_json_parse(text, len, json);
	/* Of a text that is no JSON the encoding says more. */
	if (r < 0 || json->value || json->flaws == JSON_TOO_MANY || utf8_valid((const char *)text, len, &bad))
		return r;
	return read_cut_character(text, len, bad, json);
}

int openai_json_read(const uint8_t *text, size_t len, struct openai_json *ret_json)
{
	struct openai_json json = {0};
	size_t bom = len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;

	int r = read_text(bom ? text + bom : text, len - bom, &json);
	if (r < 0)
		return r;
	json.offset += bom;
	*ret_json = json;
	return 0;
}

int openai_json_note(struct openai_notes *notes, const char *what, unsigned flaws, uint64_t offset)
{
	static const struct {
		unsigned flaw;
		const char *text;
	} sentences[] = {
		{JSON_CUT, "ends early"},
		{JSON_BIG_NUMBER, "has a number that is too large to be held exactly (recorded as a string)"},
		{JSON_SURROGATE, "has half a surrogate pair (recorded as U+FFFD)"},
		{JSON_DUPLICATE, "has a key twice in one object (the last counts)"},
		{JSON_BAD_UTF8, "is not valid UTF-8"},
		{JSON_BAD_SYNTAX, "is not JSON"},
		{JSON_NUL_KEY, "has a NUL character in a key"},
		{JSON_TOO_DEEP, "is nested too deeply"},
		{JSON_TOO_MANY, "has too many values"},
	};

	bool first = true;
	for (size_t i = 0; i < ARRAY_SIZE(sentences); i++) {
		if (!(flaws & sentences[i].flaw))
			continue;
		int r = first && sentences[i].flaw != JSON_TOO_MANY
				? openai_notes_add(notes, "%s %s, near byte %llu", what, sentences[i].text,
						   (unsigned long long)offset)
				: openai_notes_add(notes, "%s %s", what, sentences[i].text);
		if (r < 0)
			return r;
		first = false;
	}
	return 0;
}

int openai_json_name(const json_t *value, char **ret_text)
{
	const char *text = json_string_value(value);
	size_t len = text ? json_string_length(value) : 0;
	if (len == 0 || !openai_text_is_printable(text, len))
		return -EBADMSG;
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	return 0;
}

size_t openai_json_weight(const json_t *value, size_t limit)
{
	size_t weight = json_is_object(value) || json_is_array(value) ? 8 : 1;

	if (json_is_object(value)) {
		const char *key;
		json_t *item;
		json_object_foreach ((json_t *)value, key, item)
			if ((weight += openai_json_weight(item, limit)) >= limit)
				return limit;
	} else {
		for (size_t i = 0; i < json_array_size(value); i++)
			if ((weight += openai_json_weight(json_array_get(value, i), limit)) >= limit)
				return limit;
	}
	return MIN(weight, limit);
}
