/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/labels.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

const char *json_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	size_t len = json_string_length(value);
	/* jansson lets a NUL in only if asked to, so this is the whole text. */
	return len > 0 && len <= IDENTITY_TEXT_MAX ? json_string_value(value) : NULL;
}

int json_text_copy(const json_t *object, const char *key, char **ret_copy)
{
	const char *text = json_text(object, key);
	if (!text || *ret_copy)
		return 0;
	*ret_copy = strdup(text);
	return *ret_copy ? 0 : -ENOMEM;
}

void labels_done(struct identity_labels *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		free(labels->items[i].name);
		free(labels->items[i].value);
	}
	free(labels->items);
	*labels = (struct identity_labels){0};
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int label_add(struct identity_labels *labels, const char *name, const char *value)
{
	struct identity_label *label = &labels->items[labels->n];
	label->name = strdup(name);
	label->value = strdup(value);
	labels->n++;
	return label->name && label->value ? 0 : -ENOMEM;
}

/* Names and values that are over the limit are left out, and counted, like labels beyond the most. */
int labels_read(const json_t *object, struct identity_labels *ret_labels)
{
	struct identity_labels labels = {0};
	size_t n_names = 0, n = json_is_object(object) ? json_object_size(object) : 0;
	const char *key;
	json_t *value;
	int r = 0;

	if (n == 0)
		return 0;
	_cleanup_free_ const char **names = calloc(n, sizeof(*names));
	labels.items = calloc(MIN(n, (size_t)IDENTITY_LABELS_MAX), sizeof(*labels.items));
	if (!names || !labels.items) {
		free(labels.items);
		return -ENOMEM;
	}
	json_object_foreach ((json_t *)object, key, value)
		if (json_is_string(value))
			names[n_names++] = key;
	qsort(names, n_names, sizeof(*names), by_name);
	for (size_t i = 0; i < n_names && r == 0; i++) {
		const json_t *text = json_object_get(object, names[i]);
		if (labels.n < IDENTITY_LABELS_MAX && strlen(names[i]) <= IDENTITY_TEXT_MAX &&
		    json_string_length(text) <= IDENTITY_TEXT_MAX)
			r = label_add(&labels, names[i], json_string_value(text));
		else
			labels.left_out++;
	}
	if (r < 0) {
		labels_done(&labels);
		return r;
	}
	*ret_labels = labels;
	return 0;
}

const char *labels_get(const struct identity_labels *labels, const char *name)
{
	for (size_t i = 0; i < labels->n; i++)
		if (strcmp(labels->items[i].name, name) == 0)
			return labels->items[i].value;
	return NULL;
}
