/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text within a string: its literals are searched as what they stand for, and only those that change are
 * written anew, so spaces, order and numbers of all else stay as they were. */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/macro.h"
#include "policy/redact_internal.h"

#define DEPTH_MAX   512
#define CONTEXT_MAX 64
#define NUMBER_MIN  8 /* digits */

struct cursor {
	const char *text;
	size_t len, at;
};

struct token {
	char kind; /* {}[]:, as they are; 's' string, 'n' number, 'l' literal name; 0: end; -1: bad */
	bool escaped;
	size_t start, end; /* of a string with its quotes */
};

static void skip_space(struct cursor *c)
{
	while (c->at < c->len && (c->text[c->at] == ' ' || c->text[c->at] == '\n' || c->text[c->at] == '\t' ||
				  c->text[c->at] == '\r'))
		c->at++;
}

static bool string_token(struct cursor *c, struct token *t)
{
	char bytes[4];
	size_t n;
	while (++c->at < c->len) {
		unsigned char b = (unsigned char)c->text[c->at];
		if (b == '"') {
			c->at++;
			return true;
		}
		if (b < 0x20)
			return false;
		if (b != '\\')
			continue;
		size_t used = redact_unescape(c->text + c->at, c->len - c->at, bytes, &n);
		if (!used)
			return false;
		t->escaped = true;
		c->at += used - 1;
	}
	return false;
}

static size_t digits_at(const struct cursor *c)
{
	size_t n = 0;
	while (c->at + n < c->len && c->text[c->at + n] >= '0' && c->text[c->at + n] <= '9')
		n++;
	return n;
}

static bool number_token(struct cursor *c)
{
	if (c->text[c->at] == '-')
		c->at++;
	size_t whole = digits_at(c);
	if (!whole || (whole > 1 && c->text[c->at] == '0'))
		return false;
	c->at += whole;
	if (c->at < c->len && c->text[c->at] == '.') {
		c->at++;
		size_t n = digits_at(c);
		if (!n)
			return false;
		c->at += n;
	}
	if (c->at < c->len && (c->text[c->at] | 0x20) == 'e') {
		c->at++;
		if (c->at < c->len && (c->text[c->at] == '+' || c->text[c->at] == '-'))
			c->at++;
		size_t n = digits_at(c);
		if (!n)
			return false;
		c->at += n;
	}
	return true;
}

static bool name_token(struct cursor *c)
{
	static const char *const names[] = {"true", "false", "null"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);
		if (c->len - c->at >= n && !memcmp(c->text + c->at, names[i], n)) {
			c->at += n;
			return true;
		}
	}
	return false;
}

static struct token next_token(struct cursor *c)
{
	skip_space(c);
	struct token t = {.start = c->at};
	if (c->at == c->len) {
		t.end = c->at;
		return t;
	}
	const char b = c->text[c->at];
	bool good = true;
	if (b && strchr("{}[]:,", b)) {
		t.kind = b;
		c->at++;
	} else if (b == '"') {
		t.kind = 's';
		good = string_token(c, &t);
	} else if (b == '-' || (b >= '0' && b <= '9')) {
		t.kind = 'n';
		good = number_token(c);
	} else {
		t.kind = 'l';
		good = name_token(c);
	}
	if (!good)
		t.kind = -1;
	t.end = c->at;
	return t;
}

/* --- is it JSON --- */

enum state { VALUE, VALUE_OR_END, NAME, NAME_OR_END, COLON, COMMA_OR_END, DONE };

struct checker {
	uint8_t object[DEPTH_MAX / 8]; /* which levels are objects */
	size_t depth;
	enum state state;
};

static bool in_object(const struct checker *k)
{
	return k->object[(k->depth - 1) / 8] & (1u << (k->depth - 1) % 8);
}

static bool open_container(struct checker *k, bool object)
{
	if (k->depth == DEPTH_MAX)
		return false;
	uint8_t bit = (uint8_t)(1u << k->depth % 8);
	k->object[k->depth / 8] = (uint8_t)((k->object[k->depth / 8] & ~bit) | (object ? bit : 0));
	k->depth++;
	k->state = object ? NAME_OR_END : VALUE_OR_END;
	return true;
}

static bool close_container(struct checker *k, bool object)
{
	if (!k->depth || in_object(k) != object)
		return false;
	k->depth--;
	k->state = k->depth ? COMMA_OR_END : DONE;
	return true;
}

static bool check_value(struct checker *k, char kind)
{
	if (kind == '{' || kind == '[')
		return open_container(k, kind == '{');
	if (kind == ']' && k->state == VALUE_OR_END)
		return close_container(k, false);
	if (kind != 's' && kind != 'n' && kind != 'l')
		return false;
	k->state = k->depth ? COMMA_OR_END : DONE;
	return true;
}

static bool check_token(struct checker *k, char kind)
{
	switch (k->state) {
	case VALUE:
	case VALUE_OR_END:
		return check_value(k, kind);
	case NAME:
	case NAME_OR_END:
		if (kind == '}' && k->state == NAME_OR_END)
			return close_container(k, true);
		k->state = COLON;
		return kind == 's';
	case COLON:
		k->state = VALUE;
		return kind == ':';
	case COMMA_OR_END:
		if (kind == '}' || kind == ']')
			return close_container(k, kind == '}');
		k->state = in_object(k) ? NAME : VALUE;
		return kind == ',';
	default:
		return false;
	}
}

bool redact_may_be_json(const char *text, size_t len)
{
	struct cursor c = {text, len, 0};
	skip_space(&c);
	return c.at < len && (text[c.at] == '{' || text[c.at] == '[' || text[c.at] == '"');
}

bool redact_is_json(const char *text, size_t len)
{
	struct cursor c = {text, len, 0};
	struct checker k = {.state = VALUE};
	if (!redact_may_be_json(text, len))
		return false;
	for (;;) {
		struct token t = next_token(&c);
		if (t.kind == 0)
			return k.state == DONE;
		if (!check_token(&k, t.kind))
			return false;
	}
}

/* --- its literals --- */

struct literals {
	const struct redactor *r;
	struct redact_scratch *s;
	unsigned int level;
	const char *text;
	size_t copied; /* of text into out */
	struct redact_bytes *out;
	char name[CONTEXT_MAX]; /* of the member at hand */
	bool named;
	bool changed;
};

static int decode(const char *p, size_t len, struct redact_bytes *out)
{
	redact_bytes_reset(out);
	int err = redact_bytes_room(out, len + 4);
	for (size_t i = 0; err == 0 && i < len;) {
		char bytes[4];
		size_t n = 1, used = p[i] == '\\' ? redact_unescape(p + i, len - i, bytes, &n) : 0;
		err = redact_bytes_add(out, used ? bytes : p + i, n);
		i += used ? used : 1;
	}
	return err;
}

static int encode(const char *p, size_t len, struct redact_bytes *out)
{
	static const char marks[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	int err = redact_bytes_add(out, "\"", 1);
	for (size_t i = 0; err == 0 && i < len; i++) {
		char text[8] = "\\";
		const char *mark = p[i] ? strchr(marks, p[i]) : NULL;
		if (mark) {
			text[1] = letters[mark - marks];
			err = redact_bytes_add(out, text, 2);
		} else if ((unsigned char)p[i] < 0x20) {
			snprintf(text, sizeof(text), "\\u%04x", (unsigned int)p[i]);
			err = redact_bytes_add(out, text, 6);
		} else {
			err = redact_bytes_add(out, p + i, 1);
		}
	}
	return err ? err : redact_bytes_add(out, "\"", 1);
}

/* Puts what the level below has made in place of a token. */
static int put(struct literals *l, const struct token *t)
{
	const struct redact_bytes *made = &l->s->level[l->level + 1].out;
	int err = redact_bytes_add(l->out, l->text + l->copied, t->start - l->copied);
	if (err == 0 && t->kind == 'n' && made->len == 0)
		err = redact_bytes_add(l->out, "null", 4);
	else if (err == 0)
		err = encode(made->data, made->len, l->out);
	l->copied = t->end;
	l->changed = true;
	return err;
}

static int literal_text(struct literals *l, const struct token *t, struct redact_subject *ret_subject)
{
	struct redact_bytes *decoded = &l->s->level[l->level].decoded;
	ret_subject->text = l->text + t->start + 1;
	ret_subject->len = t->end - t->start - 2;
	if (!t->escaped)
		return 0;
	int err = decode(ret_subject->text, ret_subject->len, decoded);
	ret_subject->text = decoded->data;
	ret_subject->len = decoded->len;
	return err;
}

static int take_name(struct literals *l, const struct token *t)
{
	struct redact_subject subject = {0};
	int err = literal_text(l, t, &subject);
	if (err < 0)
		return err;
	size_t n = MIN(subject.len, sizeof(l->name) - 1);
	memcpy(l->name, subject.text, n);
	l->name[n] = 0;
	l->named = true;
	if (!l->r->names)
		return 0;
	err = redact_string(l->r, l->s, l->level + 1, &subject, NULL);
	return err == 1 ? put(l, t) : err;
}

static int take_string(struct literals *l, const struct token *t, const char *context)
{
	struct redact_subject subject = {.context = l->named ? l->name : context};
	int err = literal_text(l, t, &subject);
	if (err == 0)
		err = redact_string(l->r, l->s, l->level + 1, &subject, NULL);
	return err == 1 ? put(l, t) : err;
}

static int take_number(struct literals *l, const struct token *t, const char *context)
{
	const char *p = l->text + t->start;
	const size_t len = t->end - t->start, sign = p[0] == '-';
	if (len - sign < NUMBER_MIN || strspn(p + sign, "0123456789") < len - sign)
		return 0;
	const struct redact_subject subject = {p, len, l->named ? l->name : context};
	int err = redact_plain(l->r, l->s, l->level + 1, &subject, NULL);
	return err == 1 ? put(l, t) : err;
}

static int take(struct literals *l, struct cursor *c, const struct token *t, const char *context)
{
	if (t->kind == 'n')
		return take_number(l, t, context);
	if (t->kind != 's')
		return 0;
	skip_space(c);
	return c->at < c->len && c->text[c->at] == ':' ? take_name(l, t) : take_string(l, t, context);
}

int redact_literals(const struct redactor *r, struct redact_scratch *s, unsigned int level,
		    const struct redact_subject *subject)
{
	struct cursor c = {subject->text, subject->len, 0};
	struct literals l = {
		.r = r, .s = s, .level = level, .text = subject->text, .out = &s->level[level].out};
	int err = 0;
	s->used = true;
	redact_bytes_reset(l.out);
	for (struct token t = next_token(&c); err == 0 && t.kind > 0; t = next_token(&c))
		err = take(&l, &c, &t, subject->context);
	OPENSSL_cleanse(l.name, sizeof(l.name));
	if (err != 0 || !l.changed)
		return err;
	err = redact_bytes_add(l.out, subject->text + l.copied, subject->len - l.copied);
	if (err == 0 && l.out->len > REDACT_GROWN(subject->len)) {
		s->withheld = "size";
		return REDACT_WITHHELD;
	}
	return err ? err : 1;
}
