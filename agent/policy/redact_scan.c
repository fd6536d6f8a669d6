/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in rules over a text: one pass finds the places where some form can begin; patterns run only
 * there, so ordinary prose costs little more than that pass, which takes 64 bytes at a time. */
#include <errno.h>
#include <string.h>

#include "base/digit.h"
#include "base/lanes.h"
#include "base/macro.h"
#include "policy/redact_internal.h"

/* How far before a match its context may begin, and how far ahead digits are counted, in bytes. */
#define CONTEXT_REACH 96
#define LOCAL_REACH   64
#define DOMAIN_REACH  384 /* behind a "%40", which a local part may go over, to the next and the next */

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
	bool probe;	  /* ends at the first place where a form would be tried; s and spans are not there */
};

/* What scanning ends with in a probe. */
#define CANDIDATE 1

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
	if (c->probe)
		return CANDIDATE;
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

/* Digits in the next REDACT_NUMBER_REACH bytes, up to the first byte that may not stand within a number. */
static unsigned int digits_ahead(const struct scan *c, size_t at, bool with_letters)
{
	const uint8_t *t = (const uint8_t *)c->subject->text;
	const size_t reach = MIN(c->to, at + REDACT_NUMBER_REACH);
	unsigned int n = 0;
	for (; at < reach; at++) {
		const uint8_t kind = kinds[t[at]];
		if (!(kind & NUMBER) || (!with_letters && (kind & (WORD | DIGIT)) == WORD))
			break;
		n += !!(kind & DIGIT);
	}
	return n;
}

/* The forms for which nothing that is quickly seen speaks against a number at this place. */
static uint64_t number_forms(const struct scan *c, size_t at, size_t word_len)
{
	const struct redact_numbers *n = &c->r->numbers;
	const size_t most = MIN(word_len, (size_t)REDACT_RUN_MAX);
	uint64_t forms = n->first[(uint8_t)c->subject->text[at]] & n->word_run[most];
	size_t run = 0;
	while (forms && run < most && (kind_at(c, at + run) & DIGIT))
		run++;
	forms &= n->digit_run[run];
	if (forms)
		forms &= n->bare[digits_ahead(c, at, false)];
	return forms & n->lettered ? forms & n->digits[digits_ahead(c, at, true)] : forms;
}

/* word_len: of the word that begins here; 0: a mark does. */
static int at_number(struct scan *c, size_t at, size_t word_len)
{
	int r = 0;
	for (uint64_t forms = number_forms(c, at, word_len); r == 0 && forms; forms &= forms - 1) {
		const struct redact_compiled_form *f =
			&c->r->forms[c->r->first[REDACT_NUMBER] + (size_t)__builtin_ctzll(forms)];
		if (has_shape(c, f->form->mark, at))
			r = try_form(c, f, at);
	}
	return r;
}

/* The forms whose prefix may stand here, by its first three bytes. */
static inline __attribute__((always_inline)) uint64_t prefix_forms(const struct scan *c, size_t at)
{
	const uint8_t *p = (const uint8_t *)c->subject->text + at;
	const uint64_t(*leads)[32] = c->r->leads;
	return at + 2 < c->to ? leads[0][p[0] & 31u] & leads[1][p[1] & 31u] & leads[2][p[2] & 31u] : 0;
}

static int at_prefix(struct scan *c, size_t at)
{
	int r = 0;
	for (uint64_t forms = prefix_forms(c, at); r == 0 && forms; forms &= forms - 1) {
		const struct redact_compiled_form *f =
			&c->r->forms[c->r->first[REDACT_PREFIX] + (size_t)__builtin_ctzll(forms)];
		if (f->mark_len <= c->to - at &&
		    !strncasecmp(c->subject->text + at, f->form->mark, f->mark_len))
			r = try_form(c, f, at);
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
		const uint8_t b = (uint8_t)c->subject->text[start];
		if (!(kinds[b] & WORD) && b != '_' && b != '+' && (b < 0xc3 || b > 0xd4))
			continue;
		const size_t to = c->to;
		if (c->subject->text[at] == '%')
			c->to = MIN(to, at + DOMAIN_REACH);
		const int r = try_all(c, REDACT_AT, start);
		c->to = to;
		return r;
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

static int at_word(struct scan *c, size_t at)
{
	const char *t = c->subject->text;
	size_t end = at;
	uint8_t seen = 0;
	for (; end < c->to && (kind_at(c, end) & WORD); end++)
		seen |= kind_at(c, end);
	int r = end - at > 1 ? at_prefix(c, at) : 0;
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

/* Something may be found that no trigger in the text tells of: by a pattern of the operator's, or since the
 * name of a member speaks for all of its value. */
static bool needs_no_trigger(const struct redactor *r, const struct redact_subject *subject)
{
	if (r->has_own || !subject->context)
		return r->has_own;
	const size_t len = strlen(subject->context);
	for (size_t i = r->first[REDACT_WHOLE]; i < r->first[REDACT_WHOLE + 1]; i++)
		if (ends_like(subject->context, len, r->forms[i].form->mark))
			return true;
	return false;
}

/* --- the pass --- */

/* 64 bytes of a text; bit n is byte n. */
struct block {
	uint64_t word, digit, mark;
	uint64_t odd; /* not ASCII, or a backslash */
};

/* v: bytes of the text; the first `drop` of them do not count. Inlined, since the last two are known then. */
static inline __attribute__((always_inline)) void block_add(struct block *b, const lanes *marks, lanes v,
							    unsigned int drop, unsigned int at,
							    unsigned int n_marks, bool with_odd)
{
	const lanes digit = (lanes)((lanes)(v - '0') < 10);
	const lanes word = (lanes)((lanes)((v | 0x20) - 'a') < 26) | digit;
	lanes mark = (lanes)(v == marks[0]);
	for (unsigned int i = 1; i < n_marks; i++)
		mark |= (lanes)(v == marks[i]);
	if (with_odd)
		b->odd |= (uint64_t)(lanes_bits((lanes)(v >= 0x80) | (lanes)(v == '\\')) >> drop) << at;
	b->mark |= (uint64_t)(lanes_bits(mark) >> drop) << at;
	b->digit |= (uint64_t)(lanes_bits(digit) >> drop) << at;
	b->word |= (uint64_t)(lanes_bits(word) >> drop) << at;
}

/* Less than LANES bytes to the end. Where the text is longer, what lies before them is read as well. */
static lanes load_tail(const uint8_t *t, size_t at, size_t to, unsigned int *ret_drop)
{
	lanes v = {0};
	*ret_drop = 0;
	if (to >= LANES) {
		*ret_drop = (unsigned int)(LANES - (to - at));
		return lanes_load(t + to - LANES);
	}
	for (size_t i = at; i < to; i++)
		v[i - at] = t[i];
	return v;
}

static inline __attribute__((always_inline)) struct block block_of(const struct scan *c, size_t base,
								   unsigned int n_marks, bool with_odd)
{
	const uint8_t *t = (const uint8_t *)c->subject->text;
	const lanes *marks = c->r->marks;
	struct block b = {0};
	unsigned int drop;
	if (c->to - base >= 64) {
		for (unsigned int i = 0; i < 64; i += LANES)
			block_add(&b, marks, lanes_load(t + base + i), 0, i, n_marks, with_odd);
		return b;
	}
	for (unsigned int i = 0; base + i < c->to; i += LANES) {
		const bool whole = c->to - base - i >= LANES;
		const lanes v = whole ? lanes_load(t + base + i) : load_tail(t, base + i, c->to, &drop);
		block_add(&b, marks, v, whole ? 0 : drop, i, n_marks, with_odd);
	}
	return b;
}

static struct block block_at(const struct scan *c, size_t base)
{
	return c->r->n_marks <= 2 ? block_of(c, base, 2, false) : block_of(c, base, REDACT_MARKS_MAX, false);
}

/* Of the words that begin in a block, those for which at_word() has something to do. */
static uint64_t block_words(const struct scan *c, size_t base, const struct block *b, uint64_t starts)
{
	uint64_t run = b->word, numbers = b->digit, prefixes = 0;
	/* A letter before a digit of the same word becomes one too, so the first tells of all. */
	for (unsigned int step = 1; step < 64; step *= 2) {
		numbers |= run & (numbers >> step);
		run &= run >> step;
	}
	const uint64_t pairs = starts & (b->word >> 1) & ~(b->word >> 2);
	numbers |= pairs & (b->digit >> 3 | 7ULL << 61);
	/* The last word may go on in the next block. */
	if (b->word >> 63 && starts)
		numbers |= 1ULL << (63 - __builtin_clzll(starts));
	for (uint64_t left = starts; left; left &= left - 1) {
		const unsigned int i = (unsigned int)__builtin_ctzll(left);
		prefixes |= (uint64_t)(prefix_forms(c, base + i) != 0) << i;
	}
	return (starts & numbers) | prefixes;
}

static int scan_block(struct scan *c, size_t base, const struct block *b, uint64_t *in_word)
{
	const uint64_t starts = c->r->marks_only ? 0 : b->word & ~(b->word << 1 | *in_word);
	uint64_t places = b->mark;
	int err = 0;
	*in_word = b->word >> 63;
	if (starts)
		places |= block_words(c, base, b, starts);
	for (; err == 0 && places; places &= places - 1) {
		const unsigned int i = (unsigned int)__builtin_ctzll(places);
		err = b->mark >> i & 1 ? at_mark(c, base + i) : at_word(c, base + i);
	}
	return err;
}

static int scan_blocks(struct scan *c, size_t from)
{
	uint64_t in_word = 0;
	int err = 0;
	for (size_t base = from; err == 0 && base < c->to; base += 64) {
		const struct block b = block_at(c, base);
		err = scan_block(c, base, &b, &in_word);
	}
	return err;
}

bool redact_is_dull(const struct redactor *r, const struct redact_subject *subject)
{
	struct scan c = {.r = r, .subject = subject, .to = subject->len, .probe = true};
	uint64_t in_word = 0;
	if (!subject->len)
		return true;
	if (subject->len > 64 || redact_may_be_json(subject->text, subject->len) ||
	    needs_no_trigger(r, subject))
		return false;
	const struct block b = block_of(&c, 0, REDACT_MARKS_MAX, true);
	return !b.odd && scan_block(&c, 0, &b, &in_word) == 0;
}

bool redact_is_quiet(const struct redactor *r, const struct redact_subject *subject)
{
	struct scan c = {.r = r, .subject = subject, .to = subject->len, .probe = true};
	/* Escapes may hide anything; members may have names that speak for their values. */
	const bool named = r->first[REDACT_WHOLE] < r->first[REDACT_WHOLE + 1] &&
			   memchr(subject->text, ':', subject->len);
	return !named && !needs_no_trigger(r, subject) && !memchr(subject->text, '\\', subject->len) &&
	       scan_blocks(&c, 0) == 0;
}

int redact_scan(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
		size_t from, size_t to, struct redact_spans *spans)
{
	struct scan c = {.r = r, .s = s, .subject = subject, .spans = spans, .to = to};
	if (!r->n_forms || from >= to)
		return 0;
	int err = from == 0 && subject->context ? at_start(&c) : 0;
	return err ? err : scan_blocks(&c, from);
}
