/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact_check.h"

#include <string.h>

#include "base/digit.h"
#include "base/macro.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

bool redact_check_mixed(struct redact_match *m)
{
	bool digit = false, letter = false;
	for (size_t i = m->start; i < m->end; i++) {
		digit |= is_digit(m->text[i]);
		letter |= is_letter(m->text[i]);
	}
	return digit && letter;
}

/* Azure marks keys of this length in their middle. */
bool redact_check_azure84(struct redact_match *m)
{
	return memmem(m->text + m->start, m->end - m->start, "JQQJ9", 5) != NULL;
}

bool redact_check_basic(struct redact_match *m)
{
	size_t len = m->end - m->start;
	if (len % 4)
		return false;
	uint32_t bits = 0;
	unsigned int n = 0;
	bool colon = false;
	for (size_t i = m->start; i < m->end && m->text[i] != '='; i++) {
		bits = bits << 6 | (uint32_t)base64_digit((unsigned char)m->text[i]);
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		uint8_t c = (uint8_t)(bits >> n);
		if (c < 0x20 || c == 0x7f)
			return false;
		colon |= c == ':';
	}
	return colon;
}

static bool all_of(const char *text, size_t len, const char *set)
{
	for (size_t i = 0; i < len; i++)
		if (!memchr(set, text[i], strlen(set)))
			return false;
	return true;
}

/* What stands for a password in examples and templates, or after it was hidden. */
bool redact_check_password(struct redact_match *m)
{
	const char *p = m->text + m->start;
	size_t len = m->end - m->start;
	if (p[0] == '$' && memmem(p, len, "::", 2)) /* a variable of a program */
		return false;
	if (p[0] == '$' || p[0] == '%' || p[0] == '{' || p[0] == '<' || p[0] == '[')
		return len < 2 || !(strchr("{(", p[1]) || strchr("})]>%", p[len - 1]) ||
				    all_of(p + 1, len - 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"));
	return !all_of(p, len, "*") && !all_of(p, len, "xX") && !all_of(p, len, ".");
}
