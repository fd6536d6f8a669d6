/* SPDX-License-Identifier: Apache-2.0 */
/* JSONTestSuite's files, as json_cases.py wrote them, with what Python's json makes of each. What must be
 * accepted has that value, and no flaw but those that json.h announces for it; what must be refused has no
 * value, or is said to end early. */
#include "report.h"

#include <stdarg.h>

#include "base/macro.h"
#include "case_file.h"
#include "openai/json.h"

struct json_case {
	const char *must;
	const char *flaws;
	const char *value; /* NULL: Python refuses it */
	uint8_t *text;	   /* owned */
	size_t len;
};

static void read_case(const struct file_case *c, struct json_case *j)
{
	*j = (struct json_case){};
	for (size_t i = 0; i < c->n; i++) {
		const char *line = c->lines[i], *rest;
		if ((rest = case_line(line, "text")))
			j->text = case_hex(rest, &j->len);
		else if ((rest = case_line(line, "must")))
			j->must = rest;
		else if ((rest = case_line(line, "flaws")))
			j->flaws = rest;
		else if ((rest = case_line(line, "value")))
			j->value = rest;
	}
	if (!j->text || !j->must)
		fail_msg("%s: the case is not complete", c->name);
}

static unsigned announced(const char *words)
{
	static const struct {
		const char *word;
		unsigned flaw;
	} names[] = {
		{"big", JSON_BIG_NUMBER},
		{"surrogate", JSON_SURROGATE},
		{"duplicate", JSON_DUPLICATE},
		{"nul-key", JSON_NUL_KEY},
	};
	unsigned flaws = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strstr(words, names[i].word))
			flaws |= names[i].flaw;
	/* There is no value then, and of one that is none nothing else is said. */
	return flaws & JSON_NUL_KEY ? JSON_NUL_KEY : flaws;
}

static void check_value(const char *name, const struct json_case *want, const struct openai_json *got)
{
	json_error_t error;
	json_t *value = json_loads(want->value, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	unsigned flaws = announced(want->flaws);
	if (got->flaws != flaws)
		fail_msg("%s: the flaws are %#x and not %#x", name, got->flaws, flaws);
	if (flaws == JSON_NUL_KEY)
		assert_null(got->value);
	else if (!value || !json_equal(value, got->value))
		fail_msg("%s: the value is not %s", name, want->value);
	json_decref(value);
}

static bool is_refused(const struct openai_json *json)
{
	if (!json->value)
		assert_true(json->flaws != 0);
	return !json->value || json->flaws & JSON_CUT;
}

static void check(const char *name, const struct json_case *want, const struct openai_json *got)
{
	bool refused = is_refused(got);
	if (strcmp(want->must, "refuse") == 0) {
		if (!refused)
			fail_msg("%s: it was accepted", name);
		return;
	}
	if (strcmp(want->must, "either") == 0)
		print_message("%s is %s, flaws %#x; Python: %s\n", name, refused ? "refused" : "accepted",
			      got->flaws, want->value ? "accepted" : "refused");
	if (want->value && (!refused || strcmp(want->must, "accept") == 0))
		check_value(name, want, got);
	else if (!refused)
		fail_msg("%s: it was accepted, and is no JSON to Python", name);
}

static void test_text(void **state)
{
	const struct file_case *c = *state;
	struct json_case want;
	struct openai_json got;
	read_case(c, &want);
	uint8_t *copy = guard_copy(want.text, want.len);
	assert_int_equal(openai_json_read(copy, want.len, &got), 0);
	guard_free(copy, want.len);
	check(c->name, &want, &got);
	json_decref(got.value);
	free(want.text);
}

int main(int argc, char **argv)
{
	struct report report = {};
	struct case_file file;
	if (argc != 2) {
		fprintf(stderr, "usage: json_suite FILE\n");
		return 2;
	}
	case_file_load(&file, argv[1]);
	for (size_t i = 0; i < file.n; i++)
		report_add(&report, file.cases[i].name, test_text, &file.cases[i]);
	int r = report_run(&report, "json");
	case_file_done(&file);
	return r;
}
