/* SPDX-License-Identifier: Apache-2.0 */
/* What is told without running a pattern is told right: the same is found by a redactor whose tables rule
 * nothing out, and wherever in a block of the pass a text lies. */
#include "redact_fixture.h"

#include "policy/redact_internal.h"

#define LINES_MAX 1024
#define MIXED	  8000

static char *lines[LINES_MAX];
static size_t n_lines;

static int read_file(const char *path)
{
	char line[8192];
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (n_lines < LINES_MAX && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] != '#')
			assert_non_null(lines[n_lines++] = strdup(line));
	}
	return fclose(file);
}

static int read_lines(void **state)
{
	(void)state;
	return read_file("tests/unit/policy/redact_known.cases") |
	       read_file("tests/unit/policy/redact_clean.cases");
}

static int free_lines(void **state)
{
	(void)state;
	while (n_lines > 0)
		free(lines[--n_lines]);
	return 0;
}

static void fill(uint64_t *words, size_t size, size_t forms)
{
	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = forms == 64 ? UINT64_MAX : (1ULL << forms) - 1;
}

/* Every form is tried at every word and mark that its shape fits. */
static void rule_nothing_out(struct redactor *r)
{
	struct redact_numbers *n = &r->numbers;
	const size_t numbers = r->first[REDACT_NUMBER + 1] - r->first[REDACT_NUMBER];
	fill(n->first, sizeof(n->first), numbers);
	fill(n->digit_run, sizeof(n->digit_run), numbers);
	fill(n->word_run, sizeof(n->word_run), numbers);
	fill(n->digits, sizeof(n->digits), numbers);
	fill(n->bare, sizeof(n->bare), numbers);
	n->lettered = 0;
	fill(r->leads[0], sizeof(r->leads), r->first[REDACT_PREFIX + 1] - r->first[REDACT_PREFIX]);
}

static unsigned int draw(unsigned int below)
{
	static uint64_t seed = 20261;
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(seed >> 33) % below;
}

static void add(char *text, size_t max, const char *from, size_t len)
{
	size_t n = strlen(text);
	len = MIN(len, max - 1 - n);
	memcpy(text + n, from, len);
	text[n + len] = 0;
}

/* Pieces of the corpus, digits, and what stands between. */
static void mix(char *text, size_t max)
{
	static const char *const marks[] = {" ", "-", ".", "/", "(", ")", "+", ":",  "::", "@",
					    "_", ",", "~", "=", "0", "1", "A", "x2", "\n", "\xc2\xa0"};
	text[0] = 0;
	for (unsigned int i = 2 + draw(12); i > 0; i--) {
		const char *line = lines[draw((unsigned int)n_lines)];
		size_t from = draw((unsigned int)strlen(line) + 1), len = draw(64);
		/* Not in the middle of a character. */
		while (((uint8_t)line[from] & 0xc0) == 0x80)
			from++;
		len = MIN(len, strlen(line + from));
		while (((uint8_t)line[from + len] & 0xc0) == 0x80)
			len++;
		if (draw(3))
			add(text, max, line + from, len);
		for (unsigned int k = draw(2) ? draw(20) : 0; k > 0; k--)
			add(text, max, &"0123456789"[draw(10)], 1);
		const char *mark = marks[draw(ARRAY_SIZE(marks))];
		add(text, max, mark, strlen(mark));
	}
}

static void compare(struct fixture *f, struct fixture *slow, const char *text)
{
	_cleanup_free_ char *got = redacted(f, text, strlen(text), NULL);
	_cleanup_free_ char *want = redacted(slow, text, strlen(text), NULL);
	if (strcmp(got, want) != 0)
		fail_msg("%s\n  got  %s\n  want %s", text, got, want);
	assert_int_equal(f->report.total, slow->report.total);
}

static void test_tables(void **state)
{
	(void)state;
	char text[1024];
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	struct fixture slow = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	rule_nothing_out(slow.r);
	for (size_t i = 0; i < n_lines; i++)
		compare(&f, &slow, lines[i]);
	for (unsigned int i = 0; i < MIXED; i++) {
		mix(text, sizeof(text));
		compare(&f, &slow, text);
	}
	assert_true(f.report.total > 1000);
	fixture_done(&f);
	fixture_done(&slow);
}

/* Lines before a text change nothing in it, but it lies elsewhere in the blocks that are looked at. */
static void test_borders(void **state)
{
	(void)state;
	static char moved[70 + 8192];
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	for (size_t i = 0; i < n_lines; i++) {
		_cleanup_free_ char *want = redacted(&f, lines[i], strlen(lines[i]), NULL);
		for (size_t by = 1; by < 70; by += 1 + (i & 1)) {
			memset(moved, '\n', by);
			strcpy(moved + by, lines[i]);
			_cleanup_free_ char *got = redacted(&f, moved, strlen(moved), NULL);
			if (strcmp(got + by, want) != 0)
				fail_msg("by %zu: %s\n  got  %s\n  want %s", by, lines[i], got + by, want);
		}
	}
	fixture_done(&f);
}

/* A value in which nothing is found is not copied; one in which something is stays as it was itself. */
static void test_copies(void **state)
{
	(void)state;
	const struct redact_options options = {.names = true, .across_parts = true};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), &options);
	json_t *clean = json_pack("[{s:s, s:i, s:s}, {s:s}]", "text", "nothing of 2024-10-21", "n",
				  1764000000, "json", "{\"a\":[1,\"\\n\"]}", "text", "at all");
	json_t *split = json_pack("[{s:s}, {s:s}]", "text", "jane@exam", "text", "ple.com"), *copy = NULL;
	json_t *before = json_deep_copy(split);
	assert_int_equal(redact_json_copy(f.r, f.s, clean, "", NULL, &f.report, &copy), 0);
	assert_ptr_equal(copy, clean);
	json_decref(copy);
	assert_int_equal(redact_json_copy(f.r, f.s, split, "", NULL, &f.report, &copy), 1);
	assert_true(json_equal(split, before));
	assert_string_equal(json_string_value(json_object_get(json_array_get(copy, 0), "text")), "[email]");
	assert_string_equal(json_string_value(json_object_get(json_array_get(copy, 1), "text")), "");
	assert_int_equal(f.report.total, 1);
	json_decref(copy);
	json_decref(before);
	json_decref(split);
	json_decref(clean);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_copies),
	};
	return cmocka_run_group_tests(tests, read_lines, free_lines);
}
