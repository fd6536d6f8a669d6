/* SPDX-License-Identifier: Apache-2.0 */
#include "http/part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/digit.h"
#include "base/macro.h"

/* --- parameters -------------------------------------------------------------------------- */

static char text_char(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f ? '?' : c;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* The end of the value at p, the quotation mark or ';' not included. out, if any, takes its text. */
static const char *read_quoted(const char *p, char *out)
{
	for (; *p && *p != '"'; p++) {
		if (p[0] == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		if (out)
			*out++ = text_char(*p);
	}
	if (out)
		*out = 0;
	return p;
}

static const char *read_token(const char *p, char *out)
{
	size_t end = strcspn(p, ";"), len = end;
	while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	for (size_t i = 0; out && i < len; i++)
		out[i] = text_char(p[i]);
	if (out)
		out[len] = 0;
	return p + end;
}

/* The parameter after the ';' that ends at p or later. False: there are no more. */
static bool next_param(const char **pos, const char **ret_name, size_t *ret_len, const char **ret_value)
{
	const char *p = *pos + strcspn(*pos, ";");
	if (!*p)
		return false;
	p = skip_blanks(p + 1);
	*ret_name = p;
	p += strcspn(p, "=;");
	*ret_len = (size_t)(p - *ret_name);
	while (*ret_len && ((*ret_name)[*ret_len - 1] == ' ' || (*ret_name)[*ret_len - 1] == '\t'))
		--*ret_len;
	*ret_value = *p == '=' ? skip_blanks(p + 1) : NULL;
	*pos = p;
	if (*ret_value)
		*pos = **ret_value == '"' ? read_quoted(*ret_value + 1, NULL) : read_token(*ret_value, NULL);
	return true;
}

int param_find(const char *value, const char *name, char **ret_text, bool *ret_again)
{
	_cleanup_free_ char *text = NULL;
	const char *pos = value, *param, *at;
	size_t len;
	bool again = false;

	while (next_param(&pos, &param, &len, &at)) {
		if (!at || len != strlen(name) || strncasecmp(param, name, len) != 0)
			continue;
		if (text) {
			again = true;
			break;
		}
		text = malloc((size_t)(pos - at) + 1);
		if (!text)
			return -ENOMEM;
		if (*at == '"')
			read_quoted(at + 1, text);
		else
			read_token(at, text);
	}
	if (!text)
		return 0;
	*ret_text = TAKE_PTR(text);
	*ret_again = again;
	return 1;
}

int param_decode(const char *text, char **ret_text)
{
	const char *charset_end = strchr(text, '\''), *p = charset_end ? strchr(charset_end + 1, '\'') : NULL;
	if (!p)
		return 0;
	size_t charset_len = (size_t)(charset_end - text);
	bool latin = charset_len == 10 && strncasecmp(text, "iso-8859-1", 10) == 0;
	if (!latin && !(charset_len == 5 && strncasecmp(text, "utf-8", 5) == 0))
		return 0;
	/* A byte of Latin-1 takes two in UTF-8. */
	_cleanup_free_ char *out = malloc(strlen(p) * 2);
	if (!out)
		return -ENOMEM;
	size_t n = 0;
	for (p++; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '%') {
			int high = hex_digit((uint8_t)p[1]), low = high < 0 ? -1 : hex_digit((uint8_t)p[2]);
			if (low < 0)
				return 0;
			c = (unsigned char)(high << 4 | low);
			p += 2;
		}
		if (latin && c >= 0x80) {
			out[n++] = (char)(0xc0 | c >> 6);
			out[n++] = (char)(0x80 | (c & 0x3f));
		} else {
			out[n++] = c ? text_char((char)c) : '?';
		}
	}
	out[n] = 0;
	*ret_text = TAKE_PTR(out);
	return 1;
}

/* --- the fields of a part ---------------------------------------------------------------- */

static int read_disposition(struct http_part *part, const char *value, const char **ret_problem)
{
	_cleanup_free_ char *extended = NULL;
	bool again[3] = {};
	int r = param_find(value, "name", &part->name, &again[0]);
	if (r >= 0)
		r = param_find(value, "filename", &part->filename, &again[1]);
	if (r >= 0)
		r = param_find(value, "filename*", &extended, &again[2]);
	if (r > 0) {
		char *name;
		r = param_decode(extended, &name);
		if (r > 0) {
			free(part->filename);
			part->filename = name;
		} else if (r == 0) {
			*ret_problem = "the extended file name of a part is malformed";
			if (!part->filename)
				part->filename = TAKE_PTR(extended);
		}
	}
	if (r < 0)
		return r;
	if (again[0] || again[1] || again[2])
		*ret_problem = "a part of the body is named twice";
	return 0;
}

static int read_field(struct http_part *part, char *line, bool *seen_disposition, const char **ret_problem)
{
	char *value = strchr(line, ':');
	if (!value) {
		*ret_problem = "a header line of a part has no proper name";
		return 0;
	}
	size_t len = (size_t)(value - line);
	value += 1 + strspn(value + 1, " \t");
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (len == 19 && strncasecmp(line, "content-disposition", len) == 0) {
		if (*seen_disposition) {
			*ret_problem = "a part of the body is named twice";
			return 0;
		}
		*seen_disposition = true;
		return read_disposition(part, value, ret_problem);
	}
	if (len != 12 || strncasecmp(line, "content-type", len) != 0 || part->content_type)
		return 0;
	for (len = strlen(value); len && (value[len - 1] == ' ' || value[len - 1] == '\t');)
		value[--len] = 0;
	for (char *p = value; *p; p++)
		*p = text_char(*p);
	part->content_type = strdup(value);
	return part->content_type ? 0 : -ENOMEM;
}

/* Lines that begin with a blank go on with the one before. */
static void unfold(char *head)
{
	for (char *lf = strchr(head, '\n'); lf; lf = strchr(lf + 1, '\n')) {
		if (lf[1] != ' ' && lf[1] != '\t')
			continue;
		*lf = ' ';
		if (lf > head && lf[-1] == '\r')
			lf[-1] = ' ';
	}
}

int part_head_read(struct http_part *part, char *head, const char **ret_problem)
{
	bool seen_disposition = false;
	unfold(head);
	for (char *line = head, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		size_t len = (size_t)(end - line);
		if (*end)
			end++;
		if (len && line[len - 1] == '\r')
			len--;
		line[len] = 0;
		int r = len ? read_field(part, line, &seen_disposition, ret_problem) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

bool part_is_text(const struct http_part *part)
{
	const char *type = part->content_type;
	if (part->filename)
		return false;
	if (!type || strncasecmp(type, "text/", 5) == 0)
		return true;
	size_t len = strcspn(type, "; \t");
	return len == 16 && strncasecmp(type, "application/json", len) == 0;
}
