/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/pretty.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6"

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* What a terminal acts on or what a reader cannot see. The joiners U+200C and U+200D stay: scripts and emoji
 * need them. */
static bool is_unsafe(uint32_t c)
{
	static const struct range ranges[] = {
		{0x0000, 0x001f},   {0x007f, 0x009f}, /* C0, DEL, C1 */
		{0x00ad, 0x00ad},		      /* soft hyphen */
		{0x061c, 0x061c},   {0x200e, 0x200f}, /* bidirectional marks */
		{0x180e, 0x180e},   {0x200b, 0x200b}, /* zero width */
		{0x2028, 0x202e}, /* line and paragraph separator, embeddings and overrides */
		{0x2060, 0x206f}, /* word joiner, isolates, deprecated formats */
		{0xfeff, 0xfeff},   {0xfff9, 0xfffb}, /* byte order mark, interlinear annotation */
		{0xe0000, 0xe0fff},		      /* tags: text that hides in text */
	};
	return (c & 0xfffe) == 0xfffe || in_ranges(c, ranges, ARRAY_SIZE(ranges));
}

/* East Asian wide and emoji: two columns (Unicode annex 11, the large blocks of it). */
static unsigned int columns_of(uint32_t c)
{
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0xa4cf},   {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},	{0xff00, 0xff60},   {0xffe0, 0xffe6},
		{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
	};
	return c >= 0x1100 && in_ranges(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

/* Length of the well-formed character at p, 0 if there is none. */
static size_t decode(const char *p, size_t left, uint32_t *ret_char)
{
	uint8_t lead = (uint8_t)p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (n > left || !utf8_valid(p, n, NULL))
		return 0;
	uint32_t c = n == 1 ? lead : lead & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((uint8_t)p[i] & 0x3f);
	*ret_char = c;
	return n;
}

/* One character as it may be shown. */
struct piece {
	char text[16];
	size_t len;
	unsigned int columns;
	size_t taken; /* bytes of input */
};

static struct piece next_piece(const char *p, size_t left)
{
	struct piece piece = {0};
	uint32_t c;
	size_t n = decode(p, left, &c);

	if (n && !is_unsafe(c)) {
		memcpy(piece.text, p, n);
		piece.len = piece.taken = n;
		piece.columns = columns_of(c);
		return piece;
	}
	if (n == 0 || c < 0x80)
		snprintf(piece.text, sizeof(piece.text), "\\x%02x", (uint8_t)p[0]);
	else
		snprintf(piece.text, sizeof(piece.text), "\\u{%x}", c);
	piece.len = strlen(piece.text);
	piece.columns = (unsigned int)piece.len;
	piece.taken = n ? n : 1;
	return piece;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

int pretty_line(struct buf *out, const char *text, size_t len, unsigned int max)
{
	/* Where the line ends if an ellipsis must still fit. */
	size_t fit = out->len, i = 0;
	unsigned int columns = 0;
	bool started = false;

	while (i < len) {
		struct piece piece;
		if (is_blank(text[i])) {
			while (i < len && is_blank(text[i]))
				i++;
			if (!started || i == len)
				continue;
			piece = (struct piece){.text = " ", .len = 1, .columns = 1};
		} else {
			piece = next_piece(text + i, len - i);
			i += piece.taken;
		}
		started = true;
		if (max && columns + piece.columns > max) {
			if (out->data) {
				out->len = fit;
				out->data[fit] = 0;
			}
			return buf_append_str(out, ELLIPSIS);
		}
		int r = buf_append(out, piece.text, piece.len);
		if (r < 0)
			return r;
		columns += piece.columns;
		if (columns < max)
			fit = out->len;
	}
	return 0;
}

/* Length of one of our colour sequences at p, 0 if there is none. Traffic cannot hold one: its ESC is shown
 * as text. */
static size_t colour_len(const char *p, size_t left)
{
	const char *m = left > 1 && p[0] == '\033' ? memchr(p, 'm', left) : NULL;
	return m ? (size_t)(m - p) + 1 : 0;
}

int pretty_limit(struct buf *out, size_t start, unsigned int width)
{
	const char *text = (const char *)out->data;
	size_t fit = start, i = start;
	unsigned int columns = 0;
	bool colour = false;

	while (i < out->len) {
		size_t skip = colour_len(text + i, out->len - i);
		if (skip) {
			colour = true;
			i += skip;
			continue;
		}
		struct piece piece = next_piece(text + i, out->len - i);
		if (columns + piece.columns > width) {
			out->len = fit;
			out->data[fit] = 0;
			return buf_append_str(out, colour ? ELLIPSIS "\033[0m" : ELLIPSIS);
		}
		i += piece.taken;
		columns += piece.columns;
		if (columns < width)
			fit = i;
	}
	return 0;
}

/* Appends the text up to a line's end. */
static int one_of_lines(struct buf *out, const char *text, size_t len, const char *indent)
{
	int r = buf_append_str(out, indent);
	for (size_t i = 0; i < len && r == 0;) {
		if (text[i] == '\t') {
			r = buf_append_str(out, "    ");
			i++;
			continue;
		}
		struct piece piece = next_piece(text + i, len - i);
		r = buf_append(out, piece.text, piece.len);
		i += piece.taken;
	}
	return r < 0 ? r : buf_append_str(out, "\n");
}

int pretty_lines(struct buf *out, const char *text, size_t len, const char *indent)
{
	size_t start = 0;
	do {
		const char *lf = len > start ? memchr(text + start, '\n', len - start) : NULL;
		size_t end = lf ? (size_t)(lf - text) : len;
		size_t next = lf ? end + 1 : len;
		if (end > start && lf && text[end - 1] == '\r')
			end--;
		int r = one_of_lines(out, text + start, end - start, indent);
		if (r < 0)
			return r;
		start = next;
	} while (start < len);
	return 0;
}

int pretty_value(struct buf *out, const json_t *value, unsigned int max)
{
	if (!value)
		return 0;
	if (json_is_string(value))
		return pretty_line(out, json_string_value(value), json_string_length(value), max);
	_cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	return text ? pretty_line(out, text, strlen(text), max) : -ENOMEM;
}

int pretty_paint(struct buf *out, bool colour, const char *sgr, const char *text)
{
	return colour ? buf_appendf(out, "\033[%sm%s\033[0m", sgr, text) : buf_append_str(out, text);
}

int pretty_duration(struct buf *out, double ms)
{
	/* Written so that NaN, which JSON cannot hold anyway, ends here too. */
	if (!(ms >= 0 && ms < 1e12))
		return buf_append_str(out, "?");
	if (ms < 999.5)
		return buf_appendf(out, "%.0f ms", ms);
	return buf_appendf(out, ms < 99950 ? "%.2f s" : "%.0f s", ms / 1000);
}

int pretty_bytes(struct buf *out, double bytes)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB"};
	size_t unit = 0;

	if (!(bytes >= 0 && bytes < 1e15))
		return buf_append_str(out, "?");
	if (bytes < 999.5)
		return buf_appendf(out, "%.0f B", bytes);
	/* What would be rounded up to a thousand of a unit is given in the next. */
	for (bytes /= 1000; bytes >= 999.95 && unit + 1 < ARRAY_SIZE(units); unit++)
		bytes /= 1000;
	return buf_appendf(out, "%.1f %s", bytes, units[unit]);
}

bool pretty_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	if (no_color && no_color[0])
		return false;
	return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

unsigned int pretty_width(int fd)
{
	struct winsize size;
	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return PRETTY_WIDTH;
	return MAX((unsigned int)size.ws_col, 40u);
}
