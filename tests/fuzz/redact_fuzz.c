/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction of any text and of any value: what comes out is UTF-8 and bounded, JSON text stays JSON text, and
 * nothing is found in it any more. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "must.h"
#include "policy/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[] = "0123456789abcdef";
/* Modes in turn, and the operator's patterns: one ordinary, one that reaches limits. */
static const struct redact_rule rules[] = {
	{.name = "password", .mode = REDACT_MASK},
	{.name = "secrets", .mode = REDACT_HASH},
	{.name = "email", .mode = REDACT_HASH},
	{.name = "iban", .mode = REDACT_DROP},
	{.name = "card", .replacement = "(card)"},
	{.name = "national-id", .mode = REDACT_HASH},
	{.name = "phone", .mode = REDACT_HASH},
	{.name = "ip"},
	{.name = "project", .pattern = "(?i)\\bproject (?<secret>[\\w\xc3\xa4]+)"},
	{.name = "nested", .pattern = "(?:x+x+)+y"},
};

static struct redactor *redactors[2];
static struct redact_scratch *scratch;

static void setup(void)
{
	for (int i = 0; i < 2; i++) {
		const struct redact_options options = {
			.names = i, .key = key, .key_len = sizeof(key) - 1, .match_limit = 5000};
		must(redactor_new(&redactors[i], rules, sizeof(rules) / sizeof(rules[0]), &options, NULL) ==
		     0);
	}
	must(redact_scratch_new(&scratch) == 0);
}

static bool is_json(const char *text, size_t len)
{
	json_error_t error;
	json_t *value = json_loadb(text, len, JSON_ALLOW_NUL, &error);
	json_decref(value);
	return value != NULL;
}

static void text_holds(const struct redactor *r, const char *text, size_t len)
{
	struct redact_report report = {0};
	char *out = NULL, *again = NULL;
	size_t out_len = 0, again_len = 0;
	int found = redact_text(r, scratch, text, len, "", NULL, &report, &out, &out_len);
	must(found == 0 || found == 1);
	must((found == 1) == (report.total > 0));
	if (found == 1) {
		must(out_len <= REDACT_GROWN(len));
		must(out[out_len] == 0);
		must(utf8_valid(out, out_len, NULL));
		must(report.withheld || !is_json(text, len) || is_json(out, out_len));
		must(redact_text(r, scratch, out, out_len, "", NULL, NULL, &again, &again_len) == 0);
	} else {
		must(utf8_valid(text, len, NULL));
	}
	free(out);
	redact_report_done(&report);
}

static void value_holds(const struct redactor *r, const char *text, size_t len)
{
	json_error_t error;
	json_t *copy = NULL, *value = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (!value)
		return;
	json_t *before = json_deep_copy(value);
	int found = redact_json_copy(r, scratch, value, "", NULL, NULL, &copy);
	must(found == 0 || found == 1);
	must(json_equal(before, value));
	must(found == 1 || json_equal(copy, value));
	must(redact_json(r, scratch, &copy, "", NULL, NULL) == 0);
	json_decref(copy);
	json_decref(before);
	json_decref(value);
}

/* The first byte chooses the options, and whether the rest is a JSON value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!redactors[0])
		setup();
	if (!size)
		return 0;
	const struct redactor *r = redactors[data[0] & 1];
	if (data[0] & 2)
		value_holds(r, (const char *)data + 1, size - 1);
	else
		text_holds(r, (const char *)data + 1, size - 1);
	return 0;
}
