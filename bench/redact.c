/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of the redaction rules, in one thread: all built-in ones over several kinds of text, then one by one
 * over prose. Prints a table. Nothing fails on a number. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "policy/redact.h"

#define TEXT_LEN (256u << 10)
#define ROUNDS	 5
#define ROUND_S	 0.05

static const struct redact_rule all[] = {
	{.name = "secrets"},	 {.name = "email"}, {.name = "iban"}, {.name = "card"},
	{.name = "national-id"}, {.name = "phone"}, {.name = "ip"},
};

static const char *const prose[] = {
	"The committee met on Tuesday, 14 March 2023, and agreed on twelve of the thirty-seven points that "
	"were before it. ",
	"A longer discussion arose about the third chapter, which nobody had read to the end; it was left "
	"for the autumn. ",
	"Please summarise the attached report in no more than 250 words, and keep the tone friendly but "
	"exact. ",
	"\"It is not the rain,\" she said, \"but the wind that opens the door.\" He shrugged, and went on "
	"with his work. ",
	"Prices rose by 3.4 % in the second quarter (see page 12), while wages stayed what they had been in "
	"2021.\n\n",
	"In the end it was decided that the bridge should be built in two stages: first the piers, then the "
	"deck. ",
};
static const char *const chat[] = {
	"{\"role\":\"user\",\"content\":\"Summarise the attached report in 250 words.\\nKeep the tone "
	"friendly.\"},",
	"{\"role\":\"assistant\",\"content\":\"Of course. \\u00dcber alles: the report says that prices rose "
	"by 3.4 % in 2021.\"},",
	"{\"role\":\"tool\",\"tool_call_id\":\"call_abcDEFghiJKLmnoPQRstu\",\"content\":\"{\\\"rows\\\":[1,2,"
	"3],\\\"next\\\":null}\"},",
};
static const char *const code[] = {
	"static int read_exactly(int fd, uint8_t *data, size_t len)\n{\n\tfor (size_t got = 0; got < len;) "
	"{\n",
	"\t\tssize_t n = read(fd, data + got, len - got);\n\t\tif (n == 0)\n\t\t\treturn -EBADMSG;\n",
	"#define LIMIT_MAX 0x7fffffff /* bytes, see section 4.2 */\n\tstd::vector<std::string> v(16);\n",
	"@app.route(\"/items/<int:id>\")\ndef item(id): return db.get(id) or abort(404)\n",
	"index 3b18e51..a7c3f2d 100644\n--- a/agent/base/buf.c\n+++ b/agent/base/buf.c\n@@ -12,7 +12,9 @@\n",
};
static const char *const dense[] = {
	"Jane Doe <jane.doe@example.com>, +49 30 901820, DE89 3704 0044 0532 0130 00, from 203.0.113.77. ",
	"Card 4111 1111 1111 1111 exp 12/29, SSN 536-22-8714, call (415) 555-0132 or 020 7946 0958. ",
	"order 112-3456789-1234567, 44051401359, 2001:db8::17:1, https://u:p4ss@db.example.com:5432/x\n",
};

/* What a writer could repeat to make the search slow. */
static const char *const hostile[] = {
	"@",	   "a@",    "a.b@",  "%40",	    "1",	   "1 ",
	"12-34-",  "+1",    "(1",    "-",	    "--",	   ":",
	"::",	   "1:",    "://a:", "-----BEGIN ", "sk-",	   "password=",
	"bearer ", "eyJa.", "DE89 ", "tel 1",	    "2026-03-14 ", "1.2.3.4 ",
	"AB 1",	   "Q~",    "\\",    "\xc3\xa4@",   "[\"",	   "ssn 536-22-8714 ",
};

static char *fill(const char *const *lines, size_t n, const char *before, const char *after)
{
	char *text = malloc(TEXT_LEN + 512);
	if (!text)
		exit(1);
	size_t len = (size_t)sprintf(text, "%s", before);
	for (size_t i = 0; len < TEXT_LEN; i++)
		len += (size_t)sprintf(text + len, "%s", lines[(i * 7 + i / 5) % n]);
	sprintf(text + len - (after[0] != 0), "%s", after);
	return text;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The best round, in MB/s: what slows the machine is not ours. */
static double speed(const struct redactor *r, struct redact_scratch *s, const char *text)
{
	const size_t len = strlen(text);
	double best = 0;
	for (int round = 0; round < ROUNDS; round++) {
		size_t bytes = 0;
		const double start = now();
		double took = 0;
		while (took < ROUND_S) {
			char *out = NULL;
			size_t out_len;
			if (redact_text(r, s, text, len, "", NULL, NULL, &out, &out_len) < 0)
				exit(1);
			free(out);
			bytes += len;
			took = now() - start;
		}
		best = MAX(best, (double)bytes / took / 1e6);
	}
	return best;
}

static double speed_of(const struct redact_rule *rules, size_t n, const char *text)
{
	struct redactor *r = NULL;
	struct redact_scratch *s = NULL;
	if (redactor_new(&r, rules, n, NULL, NULL) < 0 || redact_scratch_new(&s) < 0)
		exit(1);
	double mb = speed(r, s, text);
	redact_scratch_free(&s);
	redactor_free(&r);
	return mb;
}

/* Per byte as much for a long text as for a short one: what a text costs is linear in its length. */
static void hostile_table(void)
{
	static char text[(1 << 20) + 1];
	struct redactor *r = NULL;
	struct redact_scratch *s = NULL;
	if (redactor_new(&r, all, ARRAY_SIZE(all), NULL, NULL) < 0 || redact_scratch_new(&s) < 0)
		exit(1);
	printf("%-28s %8s %8s %8s  ns per byte\n", "all rules, over and over", "16 KiB", "128 KiB", "1 MiB");
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		const size_t n = strlen(hostile[i]);
		for (size_t k = 0; k < sizeof(text) - 1; k++)
			text[k] = hostile[i][k % n];
		printf("  %-26s", hostile[i]);
		for (unsigned int shift = 14; shift <= 20; shift += 3) {
			/* Whole characters only. */
			const size_t len = (1U << shift) / n * n;
			const char kept = text[len];
			text[len] = 0;
			printf(" %8.1f", 1e3 / speed(r, s, text));
			text[len] = kept;
		}
		puts("");
	}
	redact_scratch_free(&s);
	redactor_free(&r);
}

int main(void)
{
	char *english = fill(prose, ARRAY_SIZE(prose), "", "");
	char *texts[] = {english, fill(chat, ARRAY_SIZE(chat), "[", "]"),
			 fill(code, ARRAY_SIZE(code), "", ""), fill(dense, ARRAY_SIZE(dense), "", "")};
	static const char *const names[] = {"English prose", "chat, JSON", "code", "dense with findings"};
	const struct redact_rule word = {.name = "project", .pattern = "(?i)\\bproject [A-Z]\\w+"};

	printf("%-28s %8s\n", "all built-in rules", "MB/s");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		printf("  %-26s %8.0f\n", names[i], speed_of(all, ARRAY_SIZE(all), texts[i]));
	printf("%-28s %8s %8s\n", "one rule", "prose", "dense");
	for (size_t i = 0; redact_builtin_name(i, NULL); i++) {
		const struct redact_rule one = {.name = redact_builtin_name(i, NULL)};
		printf("  %-26s %8.0f %8.0f\n", one.name, speed_of(&one, 1, texts[0]),
		       speed_of(&one, 1, texts[3]));
	}
	printf("  %-26s %8.0f %8.0f\n", "an operator's pattern", speed_of(&word, 1, texts[0]),
	       speed_of(&word, 1, texts[3]));
	hostile_table();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	return 0;
}
