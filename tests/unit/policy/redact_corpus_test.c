/* SPDX-License-Identifier: Apache-2.0 */
/* Recall and precision of the built-in rules over the corpus (make_cases.py says how its lines are to be
 * read). */
#include "redact_fixture.h"

#include <ctype.h>

#define LINE_MAX_LEN 8192
#define EXPECTED_MAX 8
#define RULES	     64
#define REQUIRED     0.99

struct expected {
	char rule[REDACT_NAME_MAX + 1];
	char value[LINE_MAX_LEN];
};

struct sample {
	char text[LINE_MAX_LEN], want[LINE_MAX_LEN];
	struct expected expected[EXPECTED_MAX];
	size_t n;
};

struct score {
	char rule[REDACT_NAME_MAX + 1];
	unsigned int hit, missed, wrong;
};

static struct score scores[RULES];
static struct sample sample;

static struct score *score_of(const char *rule)
{
	for (size_t i = 0; i < RULES; i++) {
		if (!scores[i].rule[0])
			snprintf(scores[i].rule, sizeof(scores[i].rule), "%s", rule);
		if (!strcmp(scores[i].rule, rule))
			return &scores[i];
	}
	fail_msg("too many rules");
	return NULL;
}

static void unescape(char *s)
{
	char *to = s;
	for (; *s; s++) {
		unsigned int byte;
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		s++;
		if (*s == 'x' && sscanf(s + 1, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			s += 2;
		} else {
			*to++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
		}
	}
	*to = 0;
}

static void append(char *to, const char *from, size_t len)
{
	size_t n = strlen(to);
	assert_true(n + len < LINE_MAX_LEN);
	memcpy(to + n, from, len);
	to[n + len] = 0;
}

/* The marks go; what they say stays. */
static void read_sample(char *line)
{
	unescape(line);
	memset(&sample, 0, sizeof(sample));
	for (char *at = line;;) {
		char *open = strstr(at, "{{"), *bar = open ? strchr(open, '|') : NULL;
		/* JSON may have two braces in a row too. */
		while (open && (!bar || !islower((unsigned char)open[2]) ||
				strspn(open + 2, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
					(size_t)(bar - open - 2))) {
			open = strstr(open + 1, "{{");
			bar = open ? strchr(open, '|') : NULL;
		}
		if (!open) {
			append(sample.text, at, strlen(at));
			append(sample.want, at, strlen(at));
			return;
		}
		char *close = strstr(bar, "}}");
		assert_non_null(close);
		assert_true(sample.n < EXPECTED_MAX);
		struct expected *e = &sample.expected[sample.n++];
		snprintf(e->rule, sizeof(e->rule), "%.*s", (int)(bar - open - 2), open + 2);
		snprintf(e->value, sizeof(e->value), "%.*s", (int)(close - bar - 1), bar + 1);
		append(sample.text, at, (size_t)(open - at));
		append(sample.want, at, (size_t)(open - at));
		append(sample.text, e->value, strlen(e->value));
		append(sample.want, "[", 1);
		append(sample.want, e->rule, strlen(e->rule));
		append(sample.want, "]", 1);
		at = close + 2;
	}
}

static uint64_t found_of(const struct redact_report *report, const char *rule)
{
	uint64_t n = 0;
	for (size_t i = 0; i < report->n_hits; i++)
		if (!strcmp(report->hits[i].rule, rule))
			n += report->hits[i].count;
	return n;
}

/* What was found beyond what was expected is wrong; a match with other ends than expected is both. */
static void judge(const char *got, const struct redact_report *report)
{
	const bool exact = !strcmp(got, sample.want) || (strchr(got, '"') && report->total == sample.n);
	unsigned int hits = 0;
	for (size_t i = 0; i < sample.n; i++) {
		const struct expected *e = &sample.expected[i];
		size_t same = 0;
		for (size_t k = 0; k <= i; k++)
			same += !strcmp(sample.expected[k].rule, e->rule);
		bool hit = found_of(report, e->rule) >= same && !strstr(got, e->value) && (exact || i > 0);
		score_of(e->rule)->hit += hit;
		score_of(e->rule)->missed += !hit;
		hits += hit;
	}
	for (size_t i = 0; i < report->n_hits; i++) {
		uint64_t due = 0;
		for (size_t k = 0; k < sample.n; k++)
			due += !strcmp(sample.expected[k].rule, report->hits[i].rule);
		if (report->hits[i].count > due || (!exact && i == 0))
			score_of(report->hits[i].rule)->wrong += (unsigned int)MAX(
				report->hits[i].count - MIN(due, report->hits[i].count), 1u);
	}
	if (!exact || hits != sample.n)
		print_message("  text %s\n  want %s\n  got  %s\n", sample.text, sample.want, got);
}

static unsigned int run_file(struct fixture *f, const char *path)
{
	char line[LINE_MAX_LEN];
	unsigned int n = 0;
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' && n == 0)
			continue;
		n++;
		read_sample(line);
		redact_report_done(&f->report);
		_cleanup_free_ char *got = redacted(f, sample.text, strlen(sample.text), NULL);
		judge(got, &f->report);
		/* What was redacted stays as it is. */
		_cleanup_free_ char *again = redacted(f, got, strlen(got), NULL);
		assert_string_equal(again, got);
	}
	fclose(file);
	return n;
}

static void print_score(const struct score *s)
{
	print_message("%-20s %6u %6u %6u %7.2f%% %8.2f%%\n", s->rule, s->hit, s->missed, s->wrong,
		      100.0 * s->hit / MAX(s->hit + s->missed, 1u),
		      100.0 * s->hit / MAX(s->hit + s->wrong, 1u));
}

static void test_corpus(void **state)
{
	(void)state;
	struct score sum = {.rule = "sum"};
	struct fixture f = fixture_new(all_rules, ARRAY_SIZE(all_rules), NULL);
	unsigned int known = run_file(&f, "tests/unit/policy/redact_known.cases");
	unsigned int clean = run_file(&f, "tests/unit/policy/redact_clean.cases");
	assert_true(known >= 300 && clean >= 300);
	print_message("%u texts with something, %u without\n%-20s %6s %6s %6s %8s %9s\n", known, clean,
		      "rule", "found", "missed", "wrong", "recall", "precision");
	for (size_t i = 0; i < RULES && scores[i].rule[0]; i++) {
		print_score(&scores[i]);
		sum.hit += scores[i].hit;
		sum.missed += scores[i].missed;
		sum.wrong += scores[i].wrong;
	}
	print_score(&sum);
	assert_true(sum.hit >= 300);
	assert_true(sum.hit >= REQUIRED * (sum.hit + sum.missed));
	assert_true(sum.hit >= REQUIRED * (sum.hit + sum.wrong));
	fixture_done(&f);
}

/* Every rule has a text in the corpus that it finds. */
static void test_every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; redact_builtin_name(i, NULL); i++) {
		const char *name = redact_builtin_name(i, NULL);
		if (!strcmp(name, "secrets") || !strcmp(name, "national-id"))
			continue;
		if (score_of(name)->hit == 0)
			fail_msg("no text for %s", name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_every_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
