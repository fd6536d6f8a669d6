/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of one text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/redact_internal.h"

/* A replacement can uncover a match: what stood beside it now ends a word, or what is dropped joins its
 * neighbours. So the outcome is searched again until nothing is found. */
#define ROUNDS_MAX 12

/* Of what one match may cost, for a whole text. */
#define BUDGET_FACTOR 20

static int add_given(struct redact_scratch *s, const struct redact_spans *given)
{
	int err = 0;
	for (size_t i = 0; err == 0 && given && i < given->n; i++)
		err = redact_span_push(s, &s->spans, given->v[i]);
	return err;
}

int redact_plain(const struct redactor *r, struct redact_scratch *s, unsigned int level,
		 const struct redact_subject *subject, const struct redact_spans *given)
{
	struct redact_level *l = &s->level[level];
	struct redact_subject now = *subject;
	for (int round = 0;; round++, given = NULL) {
		s->spans.n = 0;
		int err = add_given(s, given);
		if (err == 0)
			err = redact_find(r, s, &now, &s->spans);
		if (err != 0)
			return err;
		if (!s->spans.n)
			return round > 0;
		if (round == ROUNDS_MAX) {
			s->withheld = r->rules[s->spans.v[0].rule].name;
			return REDACT_WITHHELD;
		}
		s->used = true;
		redact_bytes_reset(&l->next);
		err = redact_apply(r, s, now.text, now.len, &s->spans, REDACT_GROWN(subject->len), &l->next);
		if (err != 0)
			return err;
		const struct redact_bytes out = l->next;
		l->next = l->out;
		l->out = out;
		now.text = out.data;
		now.len = out.len;
	}
}

int redact_string(const struct redactor *r, struct redact_scratch *s, unsigned int level,
		  const struct redact_subject *subject, const struct redact_spans *given)
{
	if (level == r->nested || (given && given->n) || !redact_may_be_json(subject->text, subject->len))
		return redact_plain(r, s, level, subject, given);
	/* Its literals have no trigger that it does not have itself. */
	if (redact_is_quiet(r, subject))
		return 0;
	return redact_is_json(subject->text, subject->len) ? redact_literals(r, s, level, subject)
							   : redact_plain(r, s, level, subject, given);
}

void redact_scratch_clear(struct redact_scratch *s)
{
	if (!s->used)
		return;
	s->used = false;
	redact_bytes_reset(&s->norm);
	redact_bytes_reset(&s->joined);
	for (size_t i = 0; i < ARRAY_SIZE(s->view); i++) {
		redact_bytes_reset(&s->view[i]);
		redact_bytes_reset(&s->map[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(s->level); i++) {
		redact_bytes_reset(&s->level[i].out);
		redact_bytes_reset(&s->level[i].next);
		redact_bytes_reset(&s->level[i].decoded);
	}
}

int redact_withhold(const struct redactor *r, struct redact_scratch *s, const struct redact_place *place,
		    struct redact_report *report)
{
	struct redact_bytes *out = &s->level[0].out;
	s->used = true;
	redact_bytes_reset(out);
	if (redact_bytes_add(out, "[withheld:", 10) < 0 ||
	    redact_bytes_add(out, s->withheld, strlen(s->withheld)) < 0 || redact_bytes_add(out, "]", 1) < 0)
		return -ENOMEM;
	int err = redact_report_add(r, s, true, place, report);
	return err ? err : 1;
}

/* 0, or REDACT_WITHHELD: it is too long, or not a text. */
static int begin(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject)
{
	if (s->counted)
		memset(s->counts, 0, sizeof(s->counts));
	s->counted = false;
	s->budget = (uint64_t)r->match_limit * BUDGET_FACTOR;
	s->withheld = subject->len > REDACT_TEXT_MAX		       ? "size"
		      : !utf8_valid(subject->text, subject->len, NULL) ? "utf-8"
								       : NULL;
	return s->withheld ? REDACT_WITHHELD : 0;
}

bool redact_changes(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject)
{
	if (redact_is_dull(r, subject))
		return false;
	if (begin(r, s, subject) != 0)
		return true;
	if (r->nested && redact_may_be_json(subject->text, subject->len))
		return redact_string(r, s, 0, subject, NULL) != 0;
	s->spans.n = 0;
	return redact_find(r, s, subject, &s->spans) != 0 || s->spans.n > 0;
}

int redact_top(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
	       const struct redact_spans *given, const struct redact_place *place,
	       struct redact_report *report)
{
	if (!(given && given->n) && redact_is_dull(r, subject))
		return 0;
	int err = begin(r, s, subject);
	if (err == 0)
		err = redact_string(r, s, 0, subject, given);
	if (err == REDACT_WITHHELD)
		return redact_withhold(r, s, place, report);
	if (err == 1) {
		int reported = redact_report_add(r, s, false, place, report);
		return reported ? reported : 1;
	}
	return err;
}

static int redact_at(const struct redactor *redactor, struct redact_scratch *scratch,
		     const struct redact_subject *subject, const struct redact_place *place,
		     struct redact_report *report, char **ret_text, size_t *ret_len)
{
	int r = redact_limits(redactor, scratch);
	if (r == 0)
		r = redact_top(redactor, scratch, subject, NULL, place, report);
	if (r == 1) {
		const struct redact_bytes *out = &scratch->level[0].out;
		char *copy = malloc(out->len + 1);
		if (copy) {
			if (out->len)
				memcpy(copy, out->data, out->len);
			copy[out->len] = 0;
			*ret_text = copy;
			*ret_len = out->len;
		}
		r = copy ? 1 : -ENOMEM;
	}
	redact_scratch_clear(scratch);
	return r;
}

int redact_text(const struct redactor *redactor, struct redact_scratch *scratch, const char *text, size_t len,
		const char *path, const char *context, struct redact_report *report, char **ret_text,
		size_t *ret_len)
{
	const struct redact_place place = {.base = path};
	const struct redact_subject subject = {text ? text : "", len, context};
	return redact_at(redactor, scratch, &subject, &place, report, ret_text, ret_len);
}

int redact_member(const struct redactor *redactor, struct redact_scratch *scratch, const char *text,
		  size_t len, const char *path, const char *name, struct redact_report *report,
		  char **ret_text, size_t *ret_len)
{
	const struct redact_place above = {.base = path}, place = {.above = &above, .name = name};
	const struct redact_subject subject = {text, len, name};
	return redact_at(redactor, scratch, &subject, &place, report, ret_text, ret_len);
}
