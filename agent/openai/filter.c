/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/filter.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

/* The list of that name in content_filter, made if it is not there. Borrowed; NULL: no memory. */
static json_t *list_of(struct openai_response *resp, const char *name)
{
	if (!resp->content_filter && !(resp->content_filter = json_object()))
		return NULL;
	json_t *list = json_object_get(resp->content_filter, name);
	if (list)
		return list;
	return json_object_set_new(resp->content_filter, name, json_array()) < 0
		       ? NULL
		       : json_object_get(resp->content_filter, name);
}

static int append(struct openai_response *resp, const char *name, json_t *entry)
{
	json_t *list = list_of(resp, name);
	return list && json_array_append(list, entry) == 0 ? 0 : -ENOMEM;
}

/* {key: index, "content_filter_results": results} */
static int append_results(struct openai_response *resp, const char *name, const char *key, json_t *index,
			  json_t *results)
{
	json_auto_t *entry = json_object();
	if (!entry || (index && json_object_set(entry, key, index) < 0) ||
	    json_object_set(entry, "content_filter_results", results) < 0)
		return -ENOMEM;
	return append(resp, name, entry);
}

int openai_filter_list(struct openai_response *resp, const json_t *filters)
{
	int r = 0;
	for (size_t i = 0; i < json_array_size(filters) && r == 0; i++) {
		json_t *entry = json_array_get(filters, i);
		const char *source = json_string_value(json_object_get(entry, "source_type"));
		r = append(resp, source && !strcmp(source, "prompt") ? "prompt" : "choices", entry);
	}
	return r;
}

static int take_prompt(struct openai_response *resp, json_t *answer)
{
	static const char *const keys[] = {"prompt_filter_results", "prompt_annotations"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *results = json_object_get(answer, keys[i]);
		if (!json_is_array(results))
			continue;
		json_t *list = list_of(resp, "prompt");
		if (!list || json_array_extend(list, results) < 0)
			return -ENOMEM;
		json_object_del(answer, keys[i]);
		break;
	}
	return 0;
}

int openai_filter_take(struct openai_response *resp, json_t *answer)
{
	int r = take_prompt(resp, answer);
	json_t *filters = json_object_get(answer, "content_filters");
	if (r < 0 || !json_is_array(filters))
		return r;
	r = openai_filter_list(resp, filters);
	if (r == 0)
		json_object_del(answer, "content_filters");
	return r;
}

int openai_filter_items(struct openai_response *resp, const json_t *items)
{
	int r = 0;
	for (size_t i = 0; i < json_array_size(items) && r == 0; i++) {
		const json_t *item = json_array_get(items, i);
		json_t *prompt = json_object_get(item, "prompt_filter_results");
		json_t *results = json_object_get(item, "content_filter_results");
		if (json_is_object(prompt))
			r = append_results(resp, "prompt", "prompt_index", NULL, prompt);
		if (r == 0 && results && !json_is_null(results))
			r = append_results(resp, "choices", "index", json_object_get(item, "index"), results);
	}
	return r;
}

int openai_filter_refusal(struct openai_response *resp, json_t *results)
{
	if (json_object_get(resp->content_filter, "prompt"))
		return 0;
	return append_results(resp, "prompt", "prompt_index", NULL, results);
}
