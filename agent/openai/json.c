/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/json.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "openai/repair.h"
#include "openai/text.h"

static bool too_many(const uint8_t *text, size_t len)
{
	size_t weight = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		if (text[i] == '"')
			in_string = true;
		else if (text[i] == '{' || text[i] == '[')
			weight += 8;
		else if (text[i] == ',')
			weight++;
	}
	return weight > JSON_MAX_WEIGHT;
}

/* 0 with *ret_flaw 0 and the value, or with the flaw and its place; -ENOMEM. */
static int load(const void *text, size_t len, size_t flags, json_t **ret_value, unsigned *ret_flaw,
		size_t *ret_offset)
{
	json_error_t error;
	json_t *value = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY | flags, &error);
	if (value) {
		*ret_value = value;
		*ret_flaw = 0;
		return 0;
	}
	/* jansson says nothing when what failed was an allocation. */
	if (!error.text[0] || json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	*ret_offset = error.position > 0 ? MIN((size_t)error.position, len) : 0;
	switch (json_error_code(&error)) {
	case json_error_premature_end_of_input:
		/* jansson also takes a NUL for the end. */
		*ret_flaw = *ret_offset == len && ((const char *)text)[len - 1] ? JSON_CUT : JSON_BAD_SYNTAX;
		break;
	case json_error_stack_overflow:
		*ret_flaw = JSON_TOO_DEEP;
		break;
	case json_error_duplicate_key:
		*ret_flaw = JSON_DUPLICATE;
		break;
	case json_error_null_byte_in_key:
		*ret_flaw = JSON_NUL_KEY;
		break;
	default:
		*ret_flaw = JSON_BAD_SYNTAX;
	}
	return 0;
}

/* Second reading. `first` is the flaw of the first one. */
static int read_repaired(const uint8_t *text, size_t len, unsigned first, struct openai_json *json)
{
	struct buf copy;
	unsigned flaws = 0, flaw;
	size_t offset;

	buf_init(&copy, SIZE_MAX / 4);
	int r = openai_json_repair(text, len, &copy, &flaws);
	if (r == 0)
		r = load(copy.data, copy.len, JSON_REJECT_DUPLICATES, &json->value, &flaw, &offset);
	if (r == 0 && flaw == JSON_DUPLICATE) {
		flaws |= JSON_DUPLICATE;
		r = load(copy.data, copy.len, 0, &json->value, &flaw, &offset);
	}
	buf_done(&copy);
	if (r == -E2BIG || r == -EBADMSG) {
		json->flaws = first;
		return 0;
	}
	if (r < 0)
		return r;
	json->flaws = json->value ? flaws : flaw;
	if (!json->flaws || (!json->value && flaw == JSON_CUT))
		json->flaws = first;
	return 0;
}

/* The text is not UTF-8 from `bad` on: if that is only a character cut by the end, what is before it counts.
 */
static int read_cut_character(const uint8_t *text, size_t len, size_t bad, struct openai_json *json)
{
	json->offset = bad;
	json->flaws = JSON_BAD_UTF8;
	if (!openai_text_is_cut_character(text + bad, len - bad))
		return 0;
	int r = read_repaired(text, bad, JSON_BAD_UTF8, json);
	if (r == 0 && !(json->flaws & JSON_CUT)) {
		json_decref(json->value);
		*json = (struct openai_json){.flaws = JSON_BAD_UTF8, .offset = bad};
	}
	return r;
}

static int read_text(const uint8_t *text, size_t len, struct openai_json *json)
{
	size_t bad;

	if (len == 0) {
		json->flaws = JSON_CUT;
		return 0;
	}
	if (len > JSON_SMALL && too_many(text, len)) {
		json->flaws = JSON_TOO_MANY;
		return 0;
	}
	int r = load(text, len, JSON_REJECT_DUPLICATES, &json->value, &json->flaws, &json->offset);
	if (r < 0 || json->value)
		return r;
	if (!utf8_valid((const char *)text, len, &bad))
		return read_cut_character(text, len, bad, json);
	if (json->flaws == JSON_TOO_DEEP || json->flaws == JSON_NUL_KEY)
		return 0;
	return read_repaired(text, len, json->flaws, json);
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
