/* SPDX-License-Identifier: Apache-2.0 */
#include "http/sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

struct sse {
	size_t max_event;
	sse_event_fn fn;
	void *ctx;

	uint64_t pos;	/* of the next byte */
	bool cr;	/* the last byte was a CR: its line ends once the next byte is known */
	bool not_first; /* a line has ended: no BOM any more */

	struct buf line;    /* the part of a line that came in earlier calls */
	bool line_too_long; /* its end is awaited, nothing is kept */
	uint64_t line_start;

	struct buf data, event;
	bool has_data, has_lines; /* data lines; any field lines */
	bool too_long;		  /* skipped when it ends */
	uint64_t start;		  /* has_lines: of the event's first line */

	uint64_t skipped;
};

int sse_new(struct sse **ret_sse, size_t max_event, sse_event_fn fn, void *ctx)
{
	struct sse *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->max_event = max_event;
	s->fn = fn;
	s->ctx = ctx;
	buf_init(&s->line, max_event);
	buf_init(&s->data, max_event);
	buf_init(&s->event, max_event);
	*ret_sse = s;
	return 0;
}

void sse_free(struct sse **sse)
{
	if (!*sse)
		return;
	buf_done(&(*sse)->line);
	buf_done(&(*sse)->data);
	buf_done(&(*sse)->event);
	free(*sse);
	*sse = NULL;
}

uint64_t sse_skipped(const struct sse *s)
{
	return s->skipped;
}

static void event_reset(struct sse *s)
{
	buf_reset(&s->data);
	buf_reset(&s->event);
	s->has_data = s->has_lines = s->too_long = false;
}

static void dispatch(struct sse *s)
{
	if (s->too_long) {
		s->skipped++;
	} else if (s->has_data) {
		struct sse_event event = {
			.event = s->event.data ? (const char *)s->event.data : "",
			.data = s->data.data ? (const char *)s->data.data : "",
			.data_len = s->data.len,
			.offset = s->start,
			.end = s->pos,
		};
		s->fn(s->ctx, &event);
	}
	event_reset(s);
}

/* The event at hand gets too long. What it holds is of no more use. */
static void skip_event(struct sse *s)
{
	s->too_long = true;
	buf_done(&s->data);
	buf_done(&s->event);
}

static int add(struct sse *s, struct buf *b, const void *data, size_t len)
{
	int r = buf_append(b, data, len);
	if (r == -E2BIG) {
		skip_event(s);
		return 0;
	}
	return r;
}

static bool is_field(const uint8_t *line, size_t len, const char *name, const uint8_t **ret_value,
		     size_t *ret_len)
{
	size_t n = strlen(name);
	if (len < n || memcmp(line, name, n) != 0 || (len > n && line[n] != ':'))
		return false;
	n += len > n;
	n += len > n && line[n] == ' ';
	*ret_value = line + n;
	*ret_len = len - n;
	return true;
}

static int field_line(struct sse *s, const uint8_t *line, size_t len)
{
	const uint8_t *value;
	size_t value_len;
	int r = 0;
	if (is_field(line, len, "data", &value, &value_len)) {
		if (s->has_data)
			r = add(s, &s->data, "\n", 1);
		if (r == 0 && !s->too_long)
			r = add(s, &s->data, value, value_len);
		s->has_data = true;
	} else if (is_field(line, len, "event", &value, &value_len)) {
		buf_reset(&s->event);
		r = add(s, &s->event, value, value_len);
	}
	return r;
}

static size_t bom_len(const struct sse *s, const uint8_t *line, size_t len)
{
	return !s->not_first && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* A whole line, without its end, which s->pos is past. */
static int line_ended(struct sse *s, const uint8_t *line, size_t len)
{
	bool too_long = s->line_too_long;
	size_t bom = len ? bom_len(s, line, len) : 0;
	uint64_t start = s->line_start + bom;
	int r = 0;

	s->not_first = true;
	s->line_too_long = false;
	s->line_start = s->pos;
	if (bom) {
		line += bom;
		len -= bom;
	}
	if (!len && !too_long) {
		dispatch(s);
		return 0;
	}
	if (len && line[0] == ':')
		return 0;
	if (!s->has_lines) {
		s->has_lines = true;
		s->start = start;
	}
	if (too_long)
		skip_event(s);
	else if (!s->too_long)
		r = field_line(s, line, len);
	return r;
}

/* Keeps a line's part until its end comes. Of a line that is too long, only what tells whether it is a
 * comment. */
static int keep_part(struct sse *s, const uint8_t *part, size_t len)
{
	if (s->line_too_long)
		return 0;
	int r = buf_append(&s->line, part, len);
	if (r != -E2BIG)
		return r;
	s->line_too_long = true;
	uint8_t first[4];
	size_t n = MIN(s->line.len, sizeof(first));
	if (n)
		memcpy(first, s->line.data, n);
	size_t more = MIN(len, sizeof(first) - n);
	memcpy(first + n, part, more);
	n = MIN(n + more, s->max_event);
	buf_done(&s->line);
	return buf_append(&s->line, first, n);
}

/* The line is complete with this last part. */
static int end_line(struct sse *s, const uint8_t *part, size_t len)
{
	int r;
	if (!s->line.len && !s->line_too_long && len <= s->max_event)
		return line_ended(s, part, len);
	r = keep_part(s, part, len);
	if (r == 0)
		r = line_ended(s, s->line.data, s->line.len);
	buf_reset(&s->line);
	return r;
}

static int give_up(struct sse *s, int r)
{
	s->has_lines = true;
	s->line_too_long = false;
	buf_reset(&s->line);
	skip_event(s);
	return r;
}

int sse_feed(struct sse *s, const void *data, size_t len)
{
	const uint8_t *p = data, *end = p + len, *lf = NULL;
	bool lf_known = false;
	int r = 0;

	while (p < end && r == 0) {
		if (s->cr) {
			size_t lf_len = *p == '\n';
			s->cr = false;
			s->pos += lf_len;
			p += lf_len;
			r = end_line(s, p, 0);
			continue;
		}
		/* Looked for once per LF, so that lines that end with CR do not make this quadratic. */
		if (!lf_known || (lf && lf < p)) {
			lf = memchr(p, '\n', (size_t)(end - p));
			lf_known = true;
		}
		const uint8_t *stop = lf ? lf : end;
		const uint8_t *cr = memchr(p, '\r', (size_t)(stop - p));
		const uint8_t *line_end = cr ? cr : stop;
		size_t part = (size_t)(line_end - p);
		const uint8_t *from = p;
		bool ended = line_end < end;
		s->pos += part + ended;
		p = line_end + ended;
		if (ended && !cr) {
			r = end_line(s, from, part);
			continue;
		}
		/* The usual CRLF, both bytes at hand: no need to keep the line. */
		if (cr && p < end) {
			if (*p == '\n') {
				p++;
				s->pos++;
			}
			r = end_line(s, from, part);
			continue;
		}
		r = keep_part(s, from, part);
		s->cr = ended;
	}
	return r < 0 ? give_up(s, r) : 0;
}

int sse_end(struct sse *s)
{
	int r = 0;
	if (s->cr || s->line.len || s->line_too_long)
		r = end_line(s, NULL, 0);
	if (r < 0)
		give_up(s, r);
	dispatch(s);
	s->cr = s->not_first = false;
	s->pos = s->line_start = 0;
	return r;
}
