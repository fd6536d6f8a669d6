/* SPDX-License-Identifier: Apache-2.0 */
/* All rules over all of a text, as it stands and with its escapes undone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digit.h"
#include "base/macro.h"
#include "policy/redact_internal.h"

/* Payloads of data: URLs shorter than this are searched like all else. */
#define DATA_URL_MIN 64

/* Views are made of so many bytes of a text at a time, each beginning this much before the end of the one
 * before. */
#define VIEW_BLOCK   (256u << 10)
#define VIEW_OVERLAP (24u << 10)

int redact_span_push(struct redact_scratch *s, struct redact_spans *spans, struct redact_span span)
{
	if (spans->n == REDACT_SPANS_MAX) {
		s->withheld = "size";
		return REDACT_WITHHELD;
	}
	if (spans->n == spans->cap) {
		size_t cap = spans->cap ? spans->cap * 2 : 32;
		struct redact_span *v = reallocarray(spans->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		spans->v = v;
		spans->cap = cap;
	}
	spans->v[spans->n++] = span;
	return 0;
}

/* --- replacements that stand already --- */

static bool is_hash_of(const char *p, size_t len, const char *name)
{
	size_t n = strlen(name);
	if (len != n + REDACT_HASH_LEN + 3 || p[0] != '[' || memcmp(p + 1, name, n) != 0 || p[n + 1] != ':' ||
	    p[len - 1] != ']')
		return false;
	for (size_t i = n + 2; i < len - 1; i++)
		if (hex_digit((unsigned char)p[i]) < 0)
			return false;
	return true;
}

static bool is_replacement(const struct redact_compiled_rule *rule, const char *p, size_t len)
{
	if (rule->mode == REDACT_HASH)
		return is_hash_of(p, len, rule->name);
	return rule->mode == REDACT_MASK && len == strlen(rule->replacement) &&
	       !memcmp(p, rule->replacement, len);
}

/* The bracket around a span, if there is one. */
static bool bracket_around(const struct redact_subject *t, struct redact_span span, size_t *ret_start,
			   size_t *ret_end)
{
	size_t start = span.start, end = span.end;
	const size_t most = REDACT_NAME_MAX + REDACT_HASH_LEN + 3;
	while (start > 0 && span.end - start < most && t->text[start] != '[')
		start--;
	while (end < t->len && end - start < most && t->text[end - 1] != ']')
		end++;
	*ret_start = start;
	*ret_end = end;
	return t->text[start] == '[' && t->text[end - 1] == ']';
}

bool redact_is_replaced(const struct redactor *r, const struct redact_subject *t, struct redact_span span)
{
	size_t start, end;
	if (is_replacement(&r->rules[span.rule], t->text + span.start, span.end - span.start))
		return true;
	/* A pattern of the operator's may match a word in a replacement. */
	if (!r->rules[span.rule].own || !bracket_around(t, span, &start, &end))
		return false;
	for (size_t i = 0; i < r->n_rules; i++)
		if (is_replacement(&r->rules[i], t->text + start, end - start))
			return true;
	return false;
}

/* --- one text as it stands --- */

static int find_between(const struct redactor *r, struct redact_scratch *s,
			const struct redact_subject *subject, size_t from, size_t to,
			struct redact_spans *spans)
{
	int err = redact_scan(r, s, subject, from, to, spans);
	return err ? err : redact_own(r, s, subject, from, to, spans);
}

/* The next payload of a data: URL at or after from. */
static bool next_payload(const struct redact_subject *t, size_t from, size_t *ret_start, size_t *ret_end)
{
	static const char mark[] = ";base64,";
	if (t->len < DATA_URL_MIN)
		return false;
	while (from < t->len) {
		const char *p = memmem(t->text + from, t->len - from, mark, sizeof(mark) - 1);
		if (!p)
			return false;
		size_t start = (size_t)(p - t->text) + sizeof(mark) - 1, end = start;
		while (end < t->len &&
		       (base64_digit((unsigned char)t->text[end]) >= 0 || t->text[end] == '='))
			end++;
		size_t head = start > 128 ? start - 128 : 0;
		if (end - start >= DATA_URL_MIN && memmem(t->text + head, start - head, "data:", 5)) {
			*ret_start = start;
			*ret_end = end;
			return true;
		}
		from = start;
	}
	return false;
}

static int find_raw(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *t,
		    struct redact_spans *spans)
{
	size_t from = 0, start, end;
	while (next_payload(t, from, &start, &end)) {
		int err = find_between(r, s, t, from, start, spans);
		if (err != 0)
			return err;
		from = end;
	}
	return find_between(r, s, t, from, t->len, spans);
}

/* --- with escapes undone --- */

static int hex4(const char *p, size_t left)
{
	int value = 0;
	if (left < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int d = hex_digit((unsigned char)p[i]);
		if (d < 0)
			return -1;
		value = value << 4 | d;
	}
	return value;
}

size_t redact_utf8_put(uint32_t c, char ret_bytes[static 4])
{
	if (c < 0x80) {
		ret_bytes[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		ret_bytes[0] = (char)(0xc0 | c >> 6);
		ret_bytes[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		ret_bytes[0] = (char)(0xe0 | c >> 12);
		ret_bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		ret_bytes[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	ret_bytes[0] = (char)(0xf0 | c >> 18);
	ret_bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
	ret_bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
	ret_bytes[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Bytes of the escape at p, which begins with a backslash, and what it stands for; 0: none. */
size_t redact_unescape(const char *p, size_t left, char ret_bytes[static 4], size_t *ret_n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (left < 2)
		return 0;
	const char *simple = p[1] ? strchr(from, p[1]) : NULL;
	if (simple) {
		ret_bytes[0] = to[simple - from];
		*ret_n = 1;
		return 2;
	}
	int high = p[1] == 'u' ? hex4(p + 2, left - 2) : -1;
	if (high < 0)
		return 0;
	int low = left >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, left - 8) : -1;
	if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
		*ret_n = redact_utf8_put(0x10000 + (uint32_t)((high & 0x3ff) << 10 | (low & 0x3ff)),
					 ret_bytes);
		return 12;
	}
	*ret_n = redact_utf8_put(high >= 0xd800 && high < 0xe000 ? 0xfffd : (uint32_t)high, ret_bytes);
	return 6;
}

/* A view of text with its escapes undone, and the place of each of its bytes in the text (of the view that it
 * was made of, places, if that is given). The map has one more for the end. 1: there was an escape; 0;
 * -ENOMEM. */
static int make_view(const char *text, size_t len, const uint32_t *places, struct redact_bytes *view,
		     struct redact_bytes *map)
{
	bool escaped = false;
	redact_bytes_reset(view);
	redact_bytes_reset(map);
	if (redact_bytes_room(view, len) < 0 || redact_bytes_room(map, (len + 1) * sizeof(uint32_t)) < 0)
		return -ENOMEM;
	uint32_t *to = (uint32_t *)(void *)map->data;
	for (size_t i = 0; i < len;) {
		char bytes[4];
		size_t n = 1, used = text[i] == '\\' ? redact_unescape(text + i, len - i, bytes, &n) : 0;
		if (!used)
			bytes[0] = text[i];
		escaped |= used > 0;
		for (size_t k = 0; k < n; k++) {
			view->data[view->len] = bytes[k];
			to[view->len++] = places ? places[i] : (uint32_t)i;
		}
		i += used ? used : 1;
	}
	to[view->len] = places ? places[len] : (uint32_t)len;
	view->data[view->len] = 0;
	map->len = (view->len + 1) * sizeof(uint32_t);
	return escaped;
}

/* The spans from first on are places of a view. */
static void spans_back(struct redact_spans *spans, size_t first, const uint32_t *map, size_t base)
{
	for (size_t i = first; i < spans->n; i++) {
		spans->v[i].start = base + map[spans->v[i].start];
		spans->v[i].end = base + map[spans->v[i].end];
	}
}

static int find_views(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *t,
		      size_t base, size_t len, struct redact_spans *spans)
{
	const char *text = t->text + base;
	const uint32_t *places = NULL;
	s->used = true;
	for (unsigned int level = 0; level < r->nested; level++) {
		struct redact_bytes *view = &s->view[level % 2], *map = &s->map[level % 2];
		int escaped = make_view(text, len, places, view, map);
		if (escaped <= 0)
			return escaped;
		places = (const uint32_t *)(const void *)map->data;
		text = view->data;
		len = view->len;
		const struct redact_subject subject = {text, len, base == 0 ? t->context : NULL};
		const size_t first = spans->n;
		int err = find_raw(r, s, &subject, spans);
		if (err != 0)
			return err;
		spans_back(spans, first, places, base);
	}
	return 0;
}

/* Where the escape begins that the byte before i is a part of; i if it is of none, or its last. */
static size_t escape_over(const char *text, size_t len, size_t i, size_t *ret_end)
{
	char bytes[4];
	size_t n;
	for (size_t back = 1; back <= 11 && back <= i; back++) {
		size_t at = i - back, slashes = 0;
		if (text[at] != '\\')
			continue;
		while (slashes <= at && text[at - slashes] == '\\')
			slashes++;
		size_t used = slashes % 2 ? redact_unescape(text + at, len - at, bytes, &n) : 0;
		if (used > back) {
			*ret_end = at + used;
			return at;
		}
	}
	return i;
}

/* A word that was found in the text as it stands may begin with the letter of an escape, as in "\njane@...":
 * that letter is not the word's. Nor is an escape cut in two at the end. */
static void spans_off_escapes(const struct redact_subject *t, struct redact_spans *spans, size_t first)
{
	size_t kept = first;
	for (size_t i = first; i < spans->n; i++) {
		struct redact_span span = spans->v[i];
		size_t end;
		if (escape_over(t->text, t->len, span.start, &end) != span.start)
			span.start = end;
		if (escape_over(t->text, t->len, span.end, &end) != span.end)
			span.end = end;
		if (span.start < span.end)
			spans->v[kept++] = span;
	}
	spans->n = kept;
}

static size_t whole_character(const char *text, size_t i)
{
	while (i > 0 && ((uint8_t)text[i] & 0xc0) == 0x80)
		i--;
	return i;
}

int redact_find(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *t,
		struct redact_spans *spans)
{
	const size_t before = spans->n;
	int err = find_raw(r, s, t, spans);
	const char *first = err ? NULL : memchr(t->text, '\\', t->len);
	if (!first)
		return err;
	spans_off_escapes(t, spans, before);
	size_t base = (size_t)(first - t->text);
	base = base > VIEW_OVERLAP ? whole_character(t->text, base - VIEW_OVERLAP) : 0;
	for (; err == 0; base = whole_character(t->text, base + VIEW_BLOCK - VIEW_OVERLAP)) {
		size_t len = MIN((size_t)VIEW_BLOCK, t->len - base);
		if (base + len < t->len)
			len = whole_character(t->text, base + len) - base;
		err = find_views(r, s, t, base, len, spans);
		if (base + len >= t->len)
			break;
	}
	return err;
}
