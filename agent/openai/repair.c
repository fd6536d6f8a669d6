/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/repair.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "openai/json.h"

#define DEPTH_MAX 2048 /* jansson's */

struct repair {
	const uint8_t *text;
	size_t len;
	size_t at;
	struct buf *out;
	unsigned flaws;
	char open[DEPTH_MAX]; /* '{' or '[' */
	size_t depth;
	bool after_colon;
	size_t safe; /* up to here the copy, with the open brackets closed, is whole */
};

static int put(struct repair *re, const void *data, size_t len)
{
	return buf_append(re->out, data, len);
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* A backslash, u and four hexadecimal digits at p. */
static bool unicode_escape(const uint8_t *p, const uint8_t *end, unsigned *ret_unit)
{
	unsigned unit = 0;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return false;
	for (int i = 2; i < 6; i++) {
		if (!is_hex(p[i]))
			return false;
		unit = unit << 4 | (p[i] <= '9' ? p[i] - 0x30u : (p[i] | 0x20u) - 0x61u + 10);
	}
	*ret_unit = unit;
	return true;
}

/* The text ends inside the escape at p. */
static bool escape_is_cut(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return true;
	if (p[1] != 'u')
		return false;
	for (const uint8_t *q = p + 2; q < end; q++)
		if (!is_hex(*q))
			return false;
	return end - p < 6;
}

/* Copies the escape at `at`. False: the text ends inside of it. */
static bool copy_escape(struct repair *re, int *r)
{
	const uint8_t *p = re->text + re->at, *end = re->text + re->len;
	unsigned unit, low;
	size_t n = 2;

	if (escape_is_cut(p, end))
		return false;
	if (unicode_escape(p, end, &unit)) {
		n = 6;
		if (unit >= 0xd800 && unit <= 0xdbff) {
			if (end - p == 6 || (p[6] == '\\' && escape_is_cut(p + 6, end)))
				return false;
			if (unicode_escape(p + 6, end, &low) && low >= 0xdc00 && low <= 0xdfff)
				n = 12;
		}
		if (n == 6 && unit >= 0xd800 && unit <= 0xdfff) {
			re->flaws |= JSON_SURROGATE;
			re->at += n;
			*r = put(re, "\\ufffd", 6);
			return true;
		}
	}
	*r = put(re, p, n);
	re->at += n;
	return true;
}

static bool in_object(const struct repair *re)
{
	return re->depth && re->open[re->depth - 1] == '{';
}

static void value_done(struct repair *re)
{
	re->after_colon = false;
	re->safe = re->out->len;
}

/* `at` is on the opening quote. */
static int copy_string(struct repair *re)
{
	bool is_key = in_object(re) && !re->after_colon;
	size_t start = re->out->len;
	int r = put(re, "\"", 1);

	re->at++;
	while (r == 0 && re->at < re->len) {
		uint8_t c = re->text[re->at];
		if (c == '"') {
			re->at++;
			r = put(re, "\"", 1);
			if (r == 0 && !is_key)
				value_done(re);
			return r;
		}
		if (c == '\\') {
			if (!copy_escape(re, &r))
				break;
			continue;
		}
		size_t n = 1;
		while (re->at + n < re->len && re->text[re->at + n] != '"' && re->text[re->at + n] != '\\')
			n++;
		r = put(re, re->text + re->at, n);
		re->at += n;
	}
	re->at = re->len;
	if (r < 0 || is_key || re->depth < 2 || re->out->len - start <= JSON_CUT_STRING_MIN)
		return r;
	r = put(re, "\"", 1);
	if (r == 0)
		value_done(re);
	return r;
}

static bool too_big(const char *s)
{
	size_t digits = strspn(s + (*s == '-'), "0123456789");
	const char *limit = *s == '-' ? "9223372036854775808" : "9223372036854775807";

	if (s[digits + (*s == '-')])
		return isinf(strtod(s, NULL));
	return digits > 19 || (digits == 19 && strncmp(s + (*s == '-'), limit, 19) > 0);
}

/* Only what is a number by the grammar may become a string: anything else must stay an error. */
static bool is_number(const char *s)
{
	s += *s == '-';
	size_t n = strspn(s, "0123456789");
	if (n == 0 || (n > 1 && *s == '0'))
		return false;
	s += n;
	if (*s == '.') {
		n = strspn(++s, "0123456789");
		if (n == 0)
			return false;
		s += n;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		n = strspn(s, "0123456789");
		if (n == 0)
			return false;
		s += n;
	}
	return *s == 0;
}

/* Numbers, true, false, null; and whatever else is not JSON. */
static int copy_word(struct repair *re)
{
	size_t start = re->out->len, n = 0;
	while (re->at + n < re->len && re->text[re->at + n] &&
	       !strchr("{}[],:\" \t\r\n", re->text[re->at + n]))
		n++;
	if (n == 0)
		return -EBADMSG;
	int r = put(re, re->text + re->at, n);
	if (r < 0)
		return r;
	re->at += n;
	if (re->at == re->len)
		return 0;

	const char *word = (const char *)re->out->data + start;
	if (is_number(word) && too_big(word)) {
		re->flaws |= JSON_BIG_NUMBER;
		re->out->len = start;
		if ((r = put(re, "\"", 1)) < 0 || (r = put(re, re->text + re->at - n, n)) < 0 ||
		    (r = put(re, "\"", 1)) < 0)
			return r;
	}
	value_done(re);
	return 0;
}

static int open_bracket(struct repair *re, char c)
{
	if (re->depth == DEPTH_MAX)
		return -EBADMSG;
	re->open[re->depth++] = c;
	int r = put(re, &c, 1);
	if (r == 0)
		value_done(re);
	return r;
}

static int close_bracket(struct repair *re, char c)
{
	if (re->depth == 0 || re->open[re->depth - 1] != (c == '}' ? '{' : '['))
		return -EBADMSG;
	re->depth--;
	int r = put(re, &c, 1);
	if (r == 0)
		value_done(re);
	return r;
}

static int close_all(struct repair *re)
{
	if (re->depth == 0)
		return 0;
	re->flaws |= JSON_CUT;
	re->out->len = re->safe;
	while (re->depth) {
		int r = put(re, re->open[--re->depth] == '{' ? "}" : "]", 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int openai_json_repair(const uint8_t *text, size_t len, struct buf *out, unsigned *flaws)
{
	struct repair re = {.text = text, .len = len, .out = out};
	int r = 0;

	while (r == 0 && re.at < re.len) {
		char c = (char)re.text[re.at];
		switch (c) {
		case '"':
			r = copy_string(&re);
			continue;
		case '{':
		case '[':
			r = open_bracket(&re, c);
			break;
		case '}':
		case ']':
			r = close_bracket(&re, c);
			break;
		case ':':
			re.after_colon = true;
			r = put(&re, &c, 1);
			break;
		case ',':
			re.after_colon = false;
			r = put(&re, &c, 1);
			break;
		case ' ':
		case '\t':
		case '\r':
		case '\n':
			r = put(&re, &c, 1);
			break;
		default:
			r = copy_word(&re);
			continue;
		}
		re.at++;
	}
	if (r == 0)
		r = close_all(&re);
	if (r == 0)
		*flaws |= re.flaws;
	return r;
}
