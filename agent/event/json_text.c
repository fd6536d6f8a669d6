/* SPDX-License-Identifier: Apache-2.0 */
#include "event/json_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Far beyond any parser's own limit: a bound for our recursion, not for what can be written. */
#define RECURSION_MAX 4096

#define HIDDEN	    "[credential]"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void json_text_init(struct json_text *w, size_t max)
{
	*w = (struct json_text){0};
	buf_init(&w->out, max);
}

void json_text_done(struct json_text *w)
{
	buf_done(&w->out);
}

static void put(struct json_text *w, const void *data, size_t len)
{
	if (!w->error)
		w->error = buf_append(&w->out, data, len);
}

static void put_char(struct json_text *w, char ch)
{
	put(w, &ch, 1);
}

static bool needs_escape(unsigned char ch)
{
	return ch < 0x20 || ch == '"' || ch == '\\';
}

static void put_escape(struct json_text *w, unsigned char ch)
{
	static const char short_of[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
					['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
	static const char digits[] = "0123456789abcdef";
	if (ch < sizeof(short_of) && short_of[ch]) {
		put(w, (char[]){'\\', short_of[ch]}, 2);
	} else {
		put(w, (char[]){'\\', 'u', '0', '0', digits[ch >> 4], digits[ch & 15]}, 6);
	}
}

/* text is UTF-8. Runs that need no escape are copied whole. */
static void put_escaped(struct json_text *w, const char *text, size_t len)
{
	size_t start = 0;
	for (size_t i = 0; i < len; i++) {
		if (!needs_escape((unsigned char)text[i]))
			continue;
		put(w, text + start, i - start);
		put_escape(w, (unsigned char)text[i]);
		start = i + 1;
	}
	put(w, text + start, len - start);
}

static void put_utf8(struct json_text *w, const char *text, size_t len)
{
	size_t bad;
	while (!w->error && !utf8_valid(text, len, &bad)) {
		put_escaped(w, text, bad);
		put(w, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		w->replaced++;
		text += bad + 1;
		len -= bad + 1;
	}
	put_escaped(w, text, len);
}

int json_text_hide(struct json_text *w, const char *secret, size_t len)
{
	if (w->n_secrets == JSON_TEXT_SECRETS_MAX)
		return -E2BIG;
	if (len > 0)
		w->secrets[w->n_secrets++] = (struct json_text_secret){secret, len};
	return 0;
}

/* Each secret's next place is looked for once only, which keeps this linear when one is found often and
 * another never. */
static void put_string(struct json_text *w, const char *text, size_t len)
{
	const char *next[JSON_TEXT_SECRETS_MAX];
	const char *end = text + len;

	put_char(w, '"');
	for (size_t i = 0; i < w->n_secrets; i++)
		next[i] = memmem(text, len, w->secrets[i].text, w->secrets[i].len);
	while (!w->error) {
		size_t first = w->n_secrets;
		for (size_t i = 0; i < w->n_secrets; i++) {
			if (next[i] && next[i] < text)
				next[i] = memmem(text, (size_t)(end - text), w->secrets[i].text,
						 w->secrets[i].len);
			if (next[i] && (first == w->n_secrets || next[i] < next[first]))
				first = i;
		}
		if (first == w->n_secrets)
			break;
		put_utf8(w, text, (size_t)(next[first] - text));
		put(w, HIDDEN, sizeof(HIDDEN) - 1);
		w->hidden++;
		text = next[first] + w->secrets[first].len;
	}
	put_utf8(w, text, (size_t)(end - text));
	put_char(w, '"');
}

static void begin(struct json_text *w, const char *key)
{
	if (w->comma)
		put_char(w, ',');
	w->comma = true;
	if (key) {
		put_string(w, key, strlen(key));
		put_char(w, ':');
	}
}

void json_text_open(struct json_text *w, const char *key, char bracket)
{
	begin(w, key);
	put_char(w, bracket);
	w->comma = false;
	w->depth++;
}

void json_text_close(struct json_text *w, char bracket)
{
	put_char(w, bracket);
	w->comma = true;
	w->depth--;
}

void json_text_stringn(struct json_text *w, const char *key, const char *text, size_t len)
{
	if (!text)
		return;
	begin(w, key);
	put_string(w, text, len);
}

void json_text_string(struct json_text *w, const char *key, const char *text)
{
	if (text)
		json_text_stringn(w, key, text, strlen(text));
}

static void put_literal(struct json_text *w, const char *key, const char *text)
{
	begin(w, key);
	put(w, text, strlen(text));
}

void json_text_int(struct json_text *w, const char *key, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	put_literal(w, key, text);
}

void json_text_uint(struct json_text *w, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_literal(w, key, text);
}

void json_text_bool(struct json_text *w, const char *key, bool value)
{
	put_literal(w, key, value ? "true" : "false");
}

/* The decimal point is the locale's and may be several bytes: whatever is not of a number becomes one '.'. */
static bool plain_number(char *text)
{
	bool real = false;
	char *to = text;
	for (const char *from = text; *from; from++) {
		if (strchr("0123456789+-", *from)) {
			*to++ = *from;
		} else if (*from == 'e') {
			*to++ = 'e';
			real = true;
		} else {
			if (to == text || to[-1] != '.')
				*to++ = '.';
			real = true;
		}
	}
	*to = 0;
	return real;
}

void json_text_real(struct json_text *w, const char *key, double value)
{
	char text[48];
	if (!isfinite(value)) {
		put_literal(w, key, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	bool real = plain_number(text);
	put_literal(w, key, text);
	if (!real)
		put(w, ".0", 2);
}

static void write_value(struct json_text *w, const char *key, const json_t *value, unsigned int depth_max);

static void write_container(struct json_text *w, const char *key, const json_t *value, unsigned int depth_max)
{
	if (json_is_array(value)) {
		json_text_open(w, key, '[');
		for (size_t i = 0; i < json_array_size(value) && !w->error; i++)
			write_value(w, NULL, json_array_get(value, i), depth_max);
		json_text_close(w, ']');
		return;
	}
	/* jansson's iterators do not take a const object, but do not change it. */
	json_t *object = (json_t *)(uintptr_t)value;
	json_text_open(w, key, '{');
	for (void *it = json_object_iter(object); it && !w->error; it = json_object_iter_next(object, it))
		write_value(w, json_object_iter_key(it), json_object_iter_value(it), depth_max);
	json_text_close(w, '}');
}

static void write_as_text(struct json_text *w, const char *key, const json_t *value)
{
	struct json_text inner;
	json_text_init(&inner, w->out.max);
	inner.n_secrets = w->n_secrets;
	memcpy(inner.secrets, w->secrets, sizeof(inner.secrets));
	write_value(&inner, NULL, value, RECURSION_MAX);
	if (!w->error)
		w->error = inner.error;
	if (!w->error)
		json_text_stringn(w, key, (const char *)inner.out.data, inner.out.len);
	w->replaced += inner.replaced;
	w->flattened++;
	w->hidden += inner.hidden;
	json_text_done(&inner);
}

static void write_value(struct json_text *w, const char *key, const json_t *value, unsigned int depth_max)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		if (w->depth < depth_max)
			write_container(w, key, value, depth_max);
		else if (depth_max < RECURSION_MAX)
			write_as_text(w, key, value);
		else
			put_literal(w, key, "null");
		break;
	case JSON_STRING:
		json_text_stringn(w, key, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		json_text_int(w, key, json_integer_value(value));
		break;
	case JSON_REAL:
		json_text_real(w, key, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_text_bool(w, key, json_is_true(value));
		break;
	case JSON_NULL:
		put_literal(w, key, "null");
		break;
	}
}

void json_text_value(struct json_text *w, const char *key, const json_t *value)
{
	if (value)
		write_value(w, key, value, JSON_TEXT_DEPTH_MAX);
}
