/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/form.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "openai/file.h"
#include "openai/json.h"
#include "openai/text.h"

/* What fields were like, for the notes. */
struct form {
	json_t *fields, *files;
	uint64_t n_cut, n_bad;
};

static bool is_field(const struct http_part *part)
{
	static const char *const types[] = {"text/", "application/json", "application/sdp"};

	if (part->filename || !part->name)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types) && part->content_type; i++)
		if (!strncasecmp(part->content_type, types[i], strlen(types[i])))
			return true;
	return !part->content_type;
}

/* Another field of that name; `list` if its name says that there may be several. */
static int put_value(json_t *fields, const char *key, json_t *value, bool list)
{
	json_t *have = json_object_get(fields, key);

	if (!have && !list)
		return json_object_set_nocheck(fields, key, value) < 0 ? -ENOMEM : 0;
	if (json_is_array(have))
		return json_array_append(have, value) < 0 ? -ENOMEM : 0;
	json_auto_t *array = json_array();
	if (!array || (have && json_array_append(array, have) < 0) || json_array_append(array, value) < 0)
		return -ENOMEM;
	return json_object_set_nocheck(fields, key, array) < 0 ? -ENOMEM : 0;
}

/* The name without a final "[]". */
static int read_name(const struct http_part *part, json_t **ret_name, bool *ret_list)
{
	size_t len = strlen(part->name);
	bool list = len > 2 && !strcmp(part->name + len - 2, "[]");

	*ret_list = list;
	return openai_text_value(part->name, list ? len - 2 : len, ret_name);
}

static int read_field(struct form *form, const struct http_part *part)
{
	const char *data = (const char *)part->data;
	size_t len = data ? part->data_len : 0, bad;
	bool cut = !part->whole || part->bytes > len;
	bool list;

	/* Half a name is a wrong name, as in json.h. */
	form->n_cut += cut;
	if (cut && len < JSON_CUT_STRING_MIN)
		return 0;
	if (len && !utf8_valid(data, len, &bad)) {
		if (cut && openai_text_is_cut_character(part->data + bad, len - bad))
			len = bad;
		else
			form->n_bad++;
	}

	json_auto_t *name = NULL, *value = NULL;
	int r = read_name(part, &name, &list);
	if (r == 0)
		r = openai_text_value(data, len, &value);
	return r == 0 ? put_value(form->fields, json_string_value(name), value, list) : r;
}

static int note(const struct form *form, struct openai_notes *notes)
{
	int r = 0;
	if (form->n_cut)
		r = openai_notes_add(notes, "%llu fields of the form are cut",
				     (unsigned long long)form->n_cut);
	if (r == 0 && form->n_bad)
		r = openai_notes_add(
			notes,
			"%llu fields of the form are not UTF-8 (recorded with U+FFFD in place of "
			"the bad bytes)",
			(unsigned long long)form->n_bad);
	return r;
}

static void form_done(struct form *form)
{
	json_decref(form->fields);
	json_decref(form->files);
}

int openai_form_read(json_t **ret_fields, json_t **ret_files, const struct http_message *msg,
		     struct openai_notes *notes)
{
	_cleanup_(form_done) struct form form = {.fields = json_object()};
	int r = form.fields ? 0 : -ENOMEM;

	for (size_t i = 0; i < msg->n_parts && r == 0; i++)
		r = is_field(&msg->parts[i]) ? read_field(&form, &msg->parts[i])
					     : openai_file_add_part(&form.files, &msg->parts[i]);
	if (r == 0)
		r = note(&form, notes);
	if (r < 0)
		return r;
	*ret_fields = TAKE_PTR(form.fields);
	*ret_files = TAKE_PTR(form.files);
	return 0;
}
