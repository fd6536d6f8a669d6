/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/usage.h"

#include <stddef.h>

#include "base/macro.h"

/* Integers up to here survive a reader that holds numbers in a double. */
#define TOKENS_MAX ((1LL << 53) - 1)

#define SPELLINGS 4

struct count {
	size_t member; /* of struct openai_response */
	const char *keys[2];
};

static const struct count totals[] = {
	{offsetof(struct openai_response, prompt_tokens), {"prompt_tokens", "input_tokens"}},
	{offsetof(struct openai_response, completion_tokens), {"completion_tokens", "output_tokens"}},
	{offsetof(struct openai_response, total_tokens), {"total_tokens", NULL}},
};

static const struct {
	const char *objects[SPELLINGS];
	struct count counts[2];
} details[] = {
	{{"prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details"},
	 {{offsetof(struct openai_response, cached_tokens), {"cached_tokens", NULL}},
	  {offsetof(struct openai_response, prompt_audio_tokens), {"audio_tokens", NULL}}}},
	{{"completion_tokens_details", "output_tokens_details", "output_token_details",
	  "completion_token_details"},
	 {{offsetof(struct openai_response, reasoning_tokens), {"reasoning_tokens", NULL}},
	  {offsetof(struct openai_response, completion_audio_tokens), {"audio_tokens", NULL}}}},
};

static int64_t *member_of(struct openai_response *resp, const struct count *count)
{
	return (int64_t *)(void *)((char *)resp + count->member);
}

/* inside: the object's own name, for the note; NULL for usage itself. */
static int read_count(struct openai_response *resp, const json_t *object, const char *inside,
		      const struct count *count, struct openai_notes *notes)
{
	for (size_t i = 0; i < ARRAY_SIZE(count->keys) && count->keys[i]; i++) {
		const json_t *value = json_object_get(object, count->keys[i]);
		if (!value || json_is_null(value))
			continue;
		if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		    json_integer_value(value) > TOKENS_MAX)
			return openai_notes_add(notes, "usage.%s%s%s is not a whole number from 0 to 2^53-1",
						inside ? inside : "", inside ? "." : "", count->keys[i]);
		*member_of(resp, count) = json_integer_value(value);
		return 0;
	}
	return 0;
}

static int read_details(struct openai_response *resp, const json_t *usage, struct openai_notes *notes)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(details); i++)
		for (size_t j = 0; j < SPELLINGS; j++) {
			const char *name = details[i].objects[j];
			const json_t *object = json_object_get(usage, name);
			if (!json_is_object(object))
				continue;
			for (size_t k = 0; k < ARRAY_SIZE(details[i].counts) && r == 0; k++)
				r = read_count(resp, object, name, &details[i].counts[k], notes);
			break;
		}
	return r;
}

void openai_usage_init(struct openai_response *resp)
{
	resp->usage_source = OPENAI_USAGE_NONE;
	resp->prompt_tokens = resp->completion_tokens = resp->total_tokens = -1;
	resp->cached_tokens = resp->reasoning_tokens = -1;
	resp->prompt_audio_tokens = resp->completion_audio_tokens = -1;
}

int openai_usage_read(struct openai_response *resp, json_t *usage, struct openai_notes *notes)
{
	int r = 0;

	if (!usage || json_is_null(usage))
		return 0;
	if (!json_is_object(usage))
		return openai_notes_add(notes, "usage is not an object");
	json_decref(resp->usage);
	resp->usage = json_incref(usage);
	openai_usage_init(resp);
	for (size_t i = 0; i < ARRAY_SIZE(totals) && r == 0; i++)
		r = read_count(resp, usage, NULL, &totals[i], notes);
	if (r == 0)
		r = read_details(resp, usage, notes);
	const json_t *total = json_object_get(usage, "total_tokens");
	if ((!total || json_is_null(total)) && resp->prompt_tokens >= 0 && resp->completion_tokens >= 0 &&
	    resp->prompt_tokens <= TOKENS_MAX - resp->completion_tokens)
		resp->total_tokens = resp->prompt_tokens + resp->completion_tokens;
	if (resp->prompt_tokens >= 0 || resp->completion_tokens >= 0 || resp->total_tokens >= 0)
		resp->usage_source = OPENAI_USAGE_REPORTED;
	return r;
}
