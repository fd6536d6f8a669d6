/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's rules over a text. PCRE2 counts its steps anew for each place where a match might begin, so
 * its limit alone bounds no text: a text is therefore searched in strides, with a low limit at first and a
 * budget for what needs more. */
#include <errno.h>

#include "base/macro.h"
#include "policy/redact_internal.h"

#define STRIDE	    1024u /* bytes in which a match may begin */
#define FIRST_LIMIT 500u  /* steps for one place at first */
#define REACH_MAX   (64u << 10)

static bool is_limit(int rc)
{
	return rc < 0 && rc != PCRE2_ERROR_NOMATCH && rc != PCRE2_ERROR_NOMEMORY;
}

/* To the beginning of the character at i. */
static size_t whole_character(const char *text, size_t i)
{
	while (i > 0 && ((uint8_t)text[i] & 0xc0) == 0x80)
		i--;
	return i;
}

struct own {
	const struct redactor *r;
	struct redact_scratch *s;
	const struct redact_subject *subject;
	const struct redact_compiled_rule *rule;
	uint16_t index;
	size_t to;
	struct redact_spans *spans;
};

/* A match that begins in [at, last], within a reach that is made wider for one that touches its end. */
static int search(struct own *o, size_t at, size_t last, uint32_t limit)
{
	const char *text = o->subject->text;
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(o->s->match);
	for (size_t reach = REDACT_MATCH_MAX;; reach *= 4) {
		size_t end = o->to - last > reach ? whole_character(text, last + reach) : o->to;
		int rc = redact_run(o->s, o->rule->own, o->rule->jit, text, end, at, limit, last);
		if (rc < 0 || end == o->to || ends[1] < end || reach >= REACH_MAX)
			return rc;
	}
}

/* 1: a match, up to *ret_next; 0: none begins in [at, last]. */
static int take(struct own *o, int rc, size_t *ret_next)
{
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	if (rc < 0) {
		o->s->withheld = o->rule->name;
		return REDACT_WITHHELD;
	}
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(o->s->match);
	const PCRE2_SIZE *part = ends + 2 * o->rule->secret;
	*ret_next = ends[1];
	if (part[0] == PCRE2_UNSET || part[0] >= part[1])
		return 1;
	const struct redact_span span = {part[0], part[1], o->index};
	int r = redact_is_replaced(o->r, o->subject, span) ? 0 : redact_span_push(o->s, o->spans, span);
	return r ? r : 1;
}

/* A place that needs more than the first limit pays for it, whatever comes of it. */
static int search_place(struct own *o, size_t at)
{
	uint32_t limit = MIN(o->r->match_limit, FIRST_LIMIT);
	int rc = search(o, at, at, limit);
	while (is_limit(rc) && limit < o->r->match_limit && o->s->budget > 0) {
		limit = limit > o->r->match_limit / 8 ? o->r->match_limit : limit * 8;
		o->s->budget -= MIN(o->s->budget, limit);
		rc = search(o, at, at, limit);
	}
	return rc;
}

static int stride(struct own *o, size_t *at, size_t last)
{
	int rc = search(o, *at, last, MIN(o->r->match_limit, FIRST_LIMIT));
	if (!is_limit(rc)) {
		size_t next = last + 1;
		int r = take(o, rc, &next);
		*at = MAX(next, *at + 1);
		return r == 1 ? 0 : r;
	}
	while (*at <= last) {
		size_t next = *at + 1;
		int r = take(o, search_place(o, *at), &next);
		if (r < 0 || r == REDACT_WITHHELD)
			return r;
		*at = MAX(next, *at + 1);
		while (*at < o->to && ((uint8_t)o->subject->text[*at] & 0xc0) == 0x80)
			++*at;
	}
	return 0;
}

static int own_rule(struct own *o, size_t from)
{
	const char *text = o->subject->text;
	int r = 0;
	for (size_t at = from; r == 0 && at < o->to;) {
		while (at < o->to && ((uint8_t)text[at] & 0xc0) == 0x80)
			at++;
		size_t last = o->to - at > STRIDE ? whole_character(text, at + STRIDE) - 1 : o->to - 1;
		if (at < o->to)
			r = stride(o, &at, last);
	}
	return r;
}

int redact_own(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
	       size_t from, size_t to, struct redact_spans *spans)
{
	int err = 0;
	for (size_t i = 0; err == 0 && r->has_own && i < r->n_rules; i++) {
		if (!r->rules[i].own)
			continue;
		struct own o = {r, s, subject, &r->rules[i], (uint16_t)i, to, spans};
		err = own_rule(&o, from);
	}
	return err;
}
