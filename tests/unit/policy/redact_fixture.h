/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"

#include "base/macro.h"
#include "policy/redact.h"

__attribute__((unused)) static const struct redact_rule all_rules[] = {
	{.name = "secrets"},	 {.name = "email"}, {.name = "iban"}, {.name = "card"},
	{.name = "national-id"}, {.name = "phone"}, {.name = "ip"},
};

struct fixture {
	struct redactor *r;
	struct redact_scratch *s;
	struct redact_report report;
};

static inline struct fixture fixture_new(const struct redact_rule *rules, size_t n,
					 const struct redact_options *options)
{
	struct fixture f = {0};
	struct redact_error error = {0};
	int err = redactor_new(&f.r, rules, n, options, &error);
	if (err != 0)
		print_error("rule %zu at %zu: %s\n", error.rule, error.offset, error.text);
	assert_int_equal(err, 0);
	assert_int_equal(redact_scratch_new(&f.s), 0);
	return f;
}

static inline void fixture_done(struct fixture *f)
{
	redact_report_done(&f->report);
	redact_scratch_free(&f->s);
	redactor_free(&f->r);
}

/* What becomes of a text; the caller frees it. */
static inline char *redacted(struct fixture *f, const char *text, size_t len, const char *context)
{
	char *out = NULL;
	size_t out_len = 0;
	uint8_t *copy = guard_copy(text, len);
	int r = redact_text(f->r, f->s, (const char *)copy, len, "/t", context, &f->report, &out, &out_len);
	guard_free(copy, len);
	assert_true(r == 0 || r == 1);
	if (r == 0) {
		assert_null(out);
		out = malloc(len + 1);
		assert_non_null(out);
		memcpy(out, text, len);
		out[len] = 0;
		return out;
	}
	assert_int_equal(strlen(out) <= out_len, 1);
	assert_true(out_len <= REDACT_GROWN(len));
	return out;
}

static inline void assert_redacted(struct fixture *f, const char *text, const char *want)
{
	_cleanup_free_ char *got = redacted(f, text, strlen(text), NULL);
	assert_string_equal(got, want);
}
