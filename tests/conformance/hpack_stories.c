/* SPDX-License-Identifier: Apache-2.0 */
/* The stories of hpack-test-case: header blocks that 14 encoders wrote, and the fields that they wrote. The
 * argument is the folder; each story is a connection's one direction. Read from its beginning, everything
 * must come out. Read from the middle, or after a block that was lost, some fields cannot be known: they are
 * counted, and none is wrong. */
#include "report.h"

#include <dirent.h>
#include <limits.h>

#include <jansson.h>

#include "base/digit.h"
#include "http/hpack.h"

#define MIDDLES 4 /* places at which a story is begun, or loses a block */

static const struct hpack_limits plenty = {.max_fields = 1000000, .max_size = 1 << 30};
static struct report report;
static size_t unknown_fields, known_fields;

/* What must come out of a block; `next` is the field to come. */
struct wanted {
	const json_t *fields;
	size_t next;
	bool all; /* every field is known */
};

static bool is_field(const json_t *field, const uint8_t *name, size_t name_len, const uint8_t *value,
		     size_t value_len)
{
	const char *key;
	json_t *text;
	json_object_foreach ((json_t *)field, key, text)
		return strlen(key) == name_len && memcmp(key, name, name_len) == 0 &&
		       json_string_length(text) == value_len &&
		       memcmp(json_string_value(text), value, value_len) == 0;
	return false;
}

/* A field that is not the one to come may only be a later one, if those between can be unknown. */
static int on_field(void *ctx, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len)
{
	struct wanted *w = ctx;
	for (; w->next < json_array_size(w->fields); w->next++) {
		if (is_field(json_array_get(w->fields, w->next), name, name_len, value, value_len)) {
			w->next++;
			return 0;
		}
		if (w->all)
			break;
	}
	fail_msg("field %zu is not %.*s: %.*s", w->next, (int)name_len, name, (int)value_len, value);
	return 0;
}

static size_t unhex(const char *hex, uint8_t **ret_data)
{
	size_t len = strlen(hex) / 2;
	uint8_t *data = malloc(len + 1);
	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(hex_digit((uint8_t)hex[2 * i]) << 4 | hex_digit((uint8_t)hex[2 * i + 1]));
	*ret_data = data;
	return len;
}

/* Returns how many fields are unknown. */
static size_t read_block(struct hpack *h, const json_t *block, bool all)
{
	struct wanted w = {.fields = json_object_get(block, "headers"), .all = all};
	struct hpack_counts counts;
	uint8_t *wire;
	size_t len = unhex(json_string_value(json_object_get(block, "wire")), &wire);
	/* A mapping for each block is slow: once is enough. */
	uint8_t *copy = all ? guard_copy(wire, len) : wire;
	int r = hpack_block(h, copy, len, false, &plenty, on_field, &w, &counts);
	if (all)
		guard_free(copy, len);
	free(wire);
	assert_int_equal(r, 0);
	assert_int_equal(counts.over, 0);
	assert_int_equal(counts.fields + counts.unknown, json_array_size(w.fields));
	if (all)
		assert_int_equal(counts.unknown, 0);
	return counts.unknown;
}

static void read_whole(const json_t *blocks)
{
	struct hpack *h;
	assert_int_equal(hpack_new(&h, true), 0);
	for (size_t i = 0; i < json_array_size(blocks); i++)
		read_block(h, json_array_get(blocks, i), true);
	hpack_free(&h);
}

/* All blocks but the one at `lost`; without `fresh`, not those before it either: the
 * connection was not seen from its beginning. */
static void read_around(const json_t *blocks, size_t lost, bool fresh)
{
	struct hpack *h;
	assert_int_equal(hpack_new(&h, fresh), 0);
	for (size_t i = 0; fresh && i < lost; i++)
		read_block(h, json_array_get(blocks, i), false);
	if (fresh)
		hpack_reset(h);
	for (size_t i = lost + 1; i < json_array_size(blocks); i++) {
		const json_t *block = json_array_get(blocks, i);
		size_t unknown = read_block(h, block, false);
		unknown_fields += unknown;
		known_fields += json_array_size(json_object_get(block, "headers")) - unknown;
	}
	hpack_free(&h);
}

static void test_story(void **state)
{
	char *path = *state; /* owned */
	json_error_t error;
	json_t *story = json_load_file(path, 0, &error);
	if (!story)
		fail_msg("%s: %s", path, error.text);
	const json_t *blocks = json_object_get(story, "cases");
	size_t n = json_array_size(blocks);
	read_whole(blocks);
	for (size_t i = 0; i < MIDDLES; i++)
		read_around(blocks, n * i / MIDDLES, i % 2);
	report.passed += n;
	json_decref(story);
	free(path);
}

/* --- the folder -------------------------------------------------------------------------- */

static int is_entry(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Counted without our code, so that a story that fails counts too. */
static size_t count_cases(const char *path)
{
	json_t *story = json_load_file(path, 0, NULL);
	size_t n = json_array_size(json_object_get(story, "cases"));
	json_decref(story);
	return n;
}

static void add_encoder(const char *folder, const char *encoder)
{
	struct dirent **stories;
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, encoder);
	int n = scandir(path, &stories, is_entry, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", folder, encoder, stories[i]->d_name);
		report_add(&report, path + strlen(folder) + 1, test_story, strdup(path));
		report.cases += count_cases(path);
		free(stories[i]);
	}
	if (n >= 0)
		free(stories);
}

int main(int argc, char **argv)
{
	struct dirent **encoders;
	int n = argc == 2 ? scandir(argv[1], &encoders, is_entry, alphasort) : -1;
	if (n < 0) {
		fprintf(stderr, "usage: hpack_stories FOLDER\n");
		return 2;
	}
	for (int i = 0; i < n; i++) {
		add_encoder(argv[1], encoders[i]->d_name);
		free(encoders[i]);
	}
	free(encoders);
	int r = report_run(&report, "hpack");
	fprintf(stderr, "fields after a loss or from the middle: %zu known, %zu unknown\n", known_fields,
		unknown_fields);
	return r;
}
