/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in rules over a text: one pass finds the places where some form can begin; patterns run only
 * there, so ordinary prose costs little more than that pass. */
#include <errno.h>
#include <string.h>

#include "base/digit.h"
#include "base/macro.h"
#include "policy/redact_internal.h"

/* How far before a match its context may begin, and how far ahead digits are counted, in bytes. */
#define CONTEXT_REACH 96
#define NUMBER_REACH  REDACT_NUMBER_REACH
#define LOCAL_REACH   64

enum {
	WORD = 1 << 0, /* ASCII letter or digit */
	DIGIT = 1 << 1,
	LOCAL = 1 << 2,	 /* of an email's local part; bytes of wide letters count too */
	NUMBER = 1 << 3, /* may stand within a number */
	MARK = 1 << 4,	 /* a trigger that is not in a word */
	HEX = 1 << 5,	 /* or ':' */
};

#define LETTER_KIND (WORD | LOCAL | NUMBER)
#define HEX_KIND    (LETTER_KIND | HEX)
#define DIGIT_KIND  (WORD | DIGIT | LOCAL | NUMBER | HEX)

static const uint8_t kinds[256] = {
	['0' ... '9'] = DIGIT_KIND,
	['A' ... 'F'] = HEX_KIND,
	['G' ... 'Z'] = LETTER_KIND,
	['a' ... 'f'] = HEX_KIND,
	['g' ... 'z'] = LETTER_KIND,
	['.'] = LOCAL | NUMBER,
	['_'] = LOCAL,
	['%'] = LOCAL | MARK,
	['+'] = LOCAL | NUMBER | MARK,
	['-'] = LOCAL | NUMBER | MARK,
	['\''] = LOCAL,
	[' '] = NUMBER,
	['/'] = NUMBER,
	['('] = NUMBER | MARK,
	[')'] = NUMBER,
	['@'] = MARK,
	[':'] = MARK | HEX,
	['~'] = MARK,
	[0x80 ... 0xbf] = LOCAL | NUMBER,
	[0xc2] = NUMBER,
	[0xc3 ... 0xd4] = LOCAL,
	[0xe2] = NUMBER,
};

struct scan {
	const struct redactor *r;
	struct redact_scratch *s;
	const struct redact_subject *subject;
	struct redact_spans *spans;
	size_t to;
	size_t ipv6_done; /* no other attempt before this place */
	size_t at_done;	  /* the last '@' that was looked at: local parts do not reach over it */
};

static uint8_t kind_at(const struct scan *c, size_t i)
{
	return kinds[(uint8_t)c->subject->text[i]];
}

static int failed(struct scan *c, const struct redact_compiled_form *f, int rc)
{
	if (rc == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	c->s->withheld = c->r->rules[f->rule].name;
	return REDACT_WITHHELD;
}

/* 1: matches; 0; or as redact_scan(). */
static int context_holds(struct scan *c, const struct redact_compiled_form *f, size_t start)
{
	const struct redact_subject *t = c->subject;
	size_t from = start > CONTEXT_REACH ? start - CONTEXT_REACH : 0;
	int rc = redact_run(c->s, f->context, f->context_jit, t->text, start, from,
			    REDACT_MATCH_LIMIT_DEFAULT, PCRE2_UNSET);
	/* The name of a member speaks for a value that is little more than the match. */
	if (rc == PCRE2_ERROR_NOMATCH && t->context && start <= 16)
		rc = redact_run(c->s, f->context, f->context_jit, t->context, strlen(t->context), 0,
				REDACT_MATCH_LIMIT_DEFAULT, PCRE2_UNSET);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	return rc < 0 ? failed(c, f, rc) : 1;
}

/* A match that was just found says all that this one could. */
static bool is_covered(const struct scan *c, const struct redact_compiled_form *f,
		       const struct redact_match *m)
{
	const struct redact_spans *spans = c->spans;
	for (size_t i = spans->n; i > 0 && spans->n - i < 4; i--) {
		const struct redact_span *span = &spans->v[i - 1];
		if (span->start > m->start || span->end < m->end)
			continue;
		if (span->start < m->start || span->end > m->end || span->rule <= f->rule)
			return true;
	}
	return false;
}

static int try_form(struct scan *c, const struct redact_compiled_form *f, size_t at)
{
	const struct redact_subject *t = c->subject;
	const size_t reach = MIN(c->to, at + REDACT_FORM_REACH);
	int rc = redact_run(c->s, f->code, f->jit, t->text, reach, at,
			    MAX(c->r->match_limit, REDACT_MATCH_LIMIT_DEFAULT), PCRE2_UNSET);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0)
		return failed(c, f, rc);
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(c->s->match);
	struct redact_match m = {t->text, t->len, ends[2 * f->secret], ends[2 * f->secret + 1]};
	if (f->form->check && !f->form->check(&m))
		return 0;
	if (f->context && f->form->trigger != REDACT_WHOLE) {
		if (is_covered(c, f, &m))
			return 0;
		rc = context_holds(c, f, m.start);
		if (rc != 1)
			return rc;
	}
	const struct redact_span span = {m.start, m.end, f->rule};
	return redact_is_replaced(c->r, t, span) ? 0 : redact_span_push(c->s, c->spans, span);
}

static int try_all(struct scan *c, enum redact_trigger trigger, size_t at)
{
	int r = 0;
	for (size_t i = c->r->first[trigger]; r == 0 && i < c->r->first[trigger + 1]; i++)
		r = try_form(c, &c->r->forms[i], at);
	return r;
}

static bool has_shape(const struct scan *c, const char *shape, size_t at)
{
	for (; *shape; shape++, at++) {
		if (at >= c->to)
			return false;
		uint8_t kind = kind_at(c, at);
		if (*shape == 'D'   ? !(kind & DIGIT)
		    : *shape == 'L' ? (kind & (WORD | DIGIT)) != WORD
		    : *shape == 'X' ? !(kind & WORD)
				    : c->subject->text[at] != *shape)
			return false;
	}
	return true;
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* Digits in the next NUMBER_REACH bytes, whatever stands between them. Most words with a digit are told from
 * long numbers by this alone, many bytes at a time. */
static unsigned int digits_ahead(const struct scan *c, size_t at)
{
	const char *t = c->subject->text;
	bytes16 sum = {0};
	uint64_t halves[2];
	unsigned int n = 0;
	if (c->to - at < NUMBER_REACH) {
		for (; at < c->to; at++)
			n += !!(kind_at(c, at) & DIGIT);
		return n;
	}
	for (size_t i = 0; i < NUMBER_REACH; i += sizeof(sum)) {
		bytes16 v;
		memcpy(&v, t + at + i, sizeof(v));
		sum -= (bytes16)((v - '0') < 10);
	}
	memcpy(halves, &sum, sizeof(sum));
	/* At most 3 in each byte: the sum of all stands in the highest. */
	return (unsigned int)(((halves[0] + halves[1]) * 0x0101010101010101ULL) >> 56);
}

/* The forms for which nothing that is quickly seen speaks against a number at this place. */
static uint64_t number_forms(const struct scan *c, size_t at, size_t word_len)
{
	const struct redact_numbers *n = &c->r->numbers;
	uint64_t forms =
		n->first[(uint8_t)c->subject->text[at]] & n->word_run[MIN(word_len, (size_t)REDACT_RUN_MAX)];
	size_t run = 0;
	if (forms)
		forms &= n->digits[digits_ahead(c, at)];
	while (forms && run < MIN(word_len, (size_t)REDACT_RUN_MAX) && (kind_at(c, at + run) & DIGIT))
		run++;
	return forms & n->digit_run[run];
}

/* word_len: of the word that begins here; 0: a mark does. */
static int at_number(struct scan *c, size_t at, size_t word_len)
{
	unsigned int digits = 0;
	uint64_t forms = number_forms(c, at, word_len);
	if (!forms)
		return 0;
	const size_t reach = MIN(c->to, at + NUMBER_REACH);
	for (size_t i = at; i < reach && (kind_at(c, i) & NUMBER); i++)
		digits += !!(kind_at(c, i) & DIGIT);
	int r = 0;
	for (forms &= c->r->numbers.digits[digits]; r == 0 && forms; forms &= forms - 1) {
		const struct redact_compiled_form *f =
			&c->r->forms[c->r->first[REDACT_NUMBER] + (size_t)__builtin_ctzll(forms)];
		if (has_shape(c, f->form->mark, at))
			r = try_form(c, f, at);
	}
	return r;
}

static int at_prefix(struct scan *c, size_t at)
{
	int r = 0;
	for (size_t i = c->r->first[REDACT_PREFIX]; r == 0 && i < c->r->first[REDACT_PREFIX + 1]; i++) {
		const char *mark = c->r->forms[i].form->mark;
		size_t len = strlen(mark);
		if (len <= c->to - at && !strncasecmp(c->subject->text + at, mark, len))
			r = try_form(c, &c->r->forms[i], at);
	}
	return r;
}

/* The local part is as long as it can be; what it may not begin with is left out. */
static int at_sign(struct scan *c, size_t at)
{
	const size_t floor = MAX(c->at_done, at > LOCAL_REACH ? at - LOCAL_REACH : 0);
	size_t start = at;
	while (start > floor && (kind_at(c, start - 1) & LOCAL))
		start--;
	c->at_done = at;
	for (; start < at; start++) {
		uint8_t b = (uint8_t)c->subject->text[start];
		if ((kinds[b] & WORD) || b == '_' || b == '+' || (b >= 0xc3 && b <= 0xd4))
			return try_all(c, REDACT_AT, start);
	}
	return 0;
}

static int at_colon(struct scan *c, size_t at)
{
	const char *t = c->subject->text;
	if (c->to - at >= 3 && t[at + 1] == '/' && t[at + 2] == '/')
		return try_all(c, REDACT_SCHEME, at);
	if (at < c->ipv6_done || at + 1 >= c->to || !(kind_at(c, at + 1) & HEX))
		return 0;
	size_t start = at, end = at, colons = 0;
	while (start > 0 && at - start < 5 && (kind_at(c, start - 1) & HEX))
		start--;
	for (; end < c->to && (kind_at(c, end) & HEX) && end - start < 48; end++)
		colons += t[end] == ':';
	c->ipv6_done = end;
	return colons >= 2 ? try_all(c, REDACT_IPV6, start) : 0;
}

static int at_mark(struct scan *c, size_t at)
{
	const char *t = c->subject->text;
	const size_t left = c->to - at;
	switch (t[at]) {
	case '@':
		return at_sign(c, at);
	case '%':
		return left >= 3 && t[at + 1] == '4' && t[at + 2] == '0' ? at_sign(c, at) : 0;
	case ':':
		return at_colon(c, at);
	case '+':
	case '(':
		return left >= 2 && ((kind_at(c, at + 1) & DIGIT) || t[at + 1] == '+') ? at_number(c, at, 0)
										       : 0;
	case '-':
		return left >= 11 && !memcmp(t + at, "-----BEGIN ", 11) ? try_all(c, REDACT_DASHES, at) : 0;
	case '~':
		return at >= 5 && t[at - 1] == 'Q' && (kind_at(c, at - 2) & DIGIT)
			       ? try_all(c, REDACT_TILDE, at - 5)
			       : 0;
	default:
		return 0;
	}
}

static int at_word(struct scan *c, size_t at, size_t end, uint8_t seen)
{
	const char *t = c->subject->text;
	int r = 0;
	if (at + 2 < c->to) {
		size_t bit = redact_lead(t + at);
		if (c->r->leads[bit / 8] & (1u << bit % 8))
			r = at_prefix(c, at);
	}
	/* "AB 12 34 56 C" */
	if (r == 0 && !(seen & DIGIT) && end - at == 2 && end + 1 < c->to &&
	    (t[end] == ' ' || t[end] == '-') && (kind_at(c, end + 1) & DIGIT))
		r = at_number(c, at, end - at);
	if (r != 0 || !(seen & DIGIT))
		return r;
	if (end - at <= 3 && end + 1 < c->to && t[end] == '.' && (kind_at(c, end + 1) & DIGIT))
		r = try_all(c, REDACT_IPV4, at);
	return r ? r : at_number(c, at, end - at);
}

/* May a context end so? Most names do not, and are told without running the pattern. */
static bool ends_like(const char *context, size_t len, const char *pairs)
{
	if (len < 2)
		return false;
	const char last[2] = {(char)(context[len - 2] | 32), (char)(context[len - 1] | 32)};
	for (; pairs[0]; pairs += pairs[2] ? 3 : 2)
		if (pairs[0] == last[0] && pairs[1] == last[1])
			return true;
	return false;
}

static int at_start(struct scan *c)
{
	const struct redact_subject *t = c->subject;
	const size_t len = strlen(t->context);
	for (size_t i = c->r->first[REDACT_WHOLE]; i < c->r->first[REDACT_WHOLE + 1]; i++) {
		const struct redact_compiled_form *f = &c->r->forms[i];
		if (!ends_like(t->context, len, f->form->mark))
			continue;
		int rc = redact_run(c->s, f->context, f->context_jit, t->context, len, 0,
				    REDACT_MATCH_LIMIT_DEFAULT, PCRE2_UNSET);
		if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
			return failed(c, f, rc);
		rc = rc >= 0 ? try_form(c, f, 0) : 0;
		if (rc != 0)
			return rc;
	}
	return 0;
}

bool redact_is_quiet(const struct redactor *r, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (r->stirs[(uint8_t)text[i]])
			return false;
	return true;
}

bool redact_is_named(const struct redactor *r, const char *context)
{
	const size_t len = strlen(context);
	for (size_t i = r->first[REDACT_WHOLE]; i < r->first[REDACT_WHOLE + 1]; i++)
		if (ends_like(context, len, r->forms[i].form->mark))
			return true;
	return false;
}

static int scan_marks(struct scan *c, size_t from)
{
	const uint8_t *text = (const uint8_t *)c->subject->text;
	int err = 0;
	for (size_t i = from; err == 0 && i < c->to; i++) {
		while (i < c->to && !c->r->stirs[text[i]])
			i++;
		if (i < c->to && (kinds[text[i]] & MARK))
			err = at_mark(c, i);
	}
	return err;
}

int redact_scan(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
		size_t from, size_t to, struct redact_spans *spans)
{
	struct scan c = {.r = r, .s = s, .subject = subject, .spans = spans, .to = to};
	const char *text = subject->text;
	if (!r->n_forms || from >= to)
		return 0;
	int err = from == 0 && subject->context ? at_start(&c) : 0;
	if (err == 0 && r->marks_only)
		return scan_marks(&c, from);
	for (size_t i = from; err == 0 && i < to;) {
		uint8_t kind = kinds[(uint8_t)text[i]];
		if (!(kind & WORD)) {
			if (kind & MARK)
				err = at_mark(&c, i);
			i++;
			continue;
		}
		const size_t at = i;
		uint8_t seen = 0;
		do {
			seen |= kind;
			kind = ++i < to ? kinds[(uint8_t)text[i]] : 0;
		} while (kind & WORD);
		if (i - at > 1 || (seen & DIGIT))
			err = at_word(&c, at, i, seen);
	}
	return err;
}
