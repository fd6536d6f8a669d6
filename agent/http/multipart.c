/* SPDX-License-Identifier: Apache-2.0 */
#include "http/multipart.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/macro.h"
#include "http/http_conn.h"
#include "http/part.h"

#define PARTS_FIRST 8
#define TAIL_MAX    32 /* white space after a delimiter that is taken for padding */

enum place {
	PREAMBLE, /* before the first delimiter */
	HEAD,	  /* in a part's header fields */
	CONTENT,
	EPILOGUE, /* after the closing delimiter, or where nothing more is read */
};

/* Of what may become a delimiter, nothing has been given on. */
enum scan {
	TEXT, /* not at a line's start */
	CR,   /* after a CR */
	LINE, /* at a line's start, or after as much of the delimiter as `matched` says */
	TAIL, /* after a whole one: see `tail` */
};

struct multipart {
	const struct http_limits *limits;
	uint8_t delimiter[2 + MULTIPART_BOUNDARY_MAX]; /* "--" and the boundary */
	size_t delimiter_len;

	enum place place;
	enum scan scan;
	bool held_cr, held_lf; /* the line's end before what is being matched */
	size_t matched;
	uint8_t tail[TAIL_MAX]; /* what stands behind the delimiter, up to its line's end */
	size_t tail_len;
	bool crlf; /* delimiters begin with CRLF */

	struct http_part *parts; /* owned; the last one is at hand while `open` */
	size_t n, cap;
	bool open, lost; /* lost: something of the part at hand is missing */
	struct buf head; /* of its header fields */
	bool head_cut;	 /* not all of them, and the last line perhaps in part */
	size_t line_len; /* of their current line */
	uint8_t line_first;
	struct buf value; /* its content, while `keep` */
	bool keep;
	struct sha256 *sha; /* owned */
	uint64_t text;	    /* bytes kept of names, types and contents, charged to the budget */
	const char *problem;
};

bool multipart_is(const char *content_type)
{
	if (!content_type)
		return false;
	size_t len = strcspn(content_type, "; \t");
	return (len == 19 && strncasecmp(content_type, "multipart/form-data", len) == 0) ||
	       (len == 15 && strncasecmp(content_type, "multipart/mixed", len) == 0);
}

/* Any visible character is taken: senders do not keep to the few of the grammar. */
static bool set_boundary(struct multipart *mp, const char *boundary)
{
	size_t len = strlen(boundary);
	if (!len || len > MULTIPART_BOUNDARY_MAX || boundary[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)boundary[i] < 0x20 || (unsigned char)boundary[i] > 0x7e)
			return false;
	memcpy(mp->delimiter, "--", 2);
	memcpy(mp->delimiter + 2, boundary, len);
	mp->delimiter_len = 2 + len;
	return true;
}

int multipart_new(struct multipart **ret_multipart, const char *content_type,
		  const struct http_limits *limits)
{
	_cleanup_free_ char *boundary = NULL;
	bool again = false;
	int r = param_find(content_type, "boundary", &boundary, &again);
	if (r <= 0)
		return r < 0 ? r : -EBADMSG;
	_cleanup_(multipart_free) struct multipart *mp = calloc(1, sizeof(*mp));
	if (!mp)
		return -ENOMEM;
	mp->limits = limits;
	mp->scan = LINE;
	buf_init(&mp->head, limits->max_part_head);
	buf_init(&mp->value, limits->max_part_value);
	if (again || !set_boundary(mp, boundary))
		return -EBADMSG;
	r = sha256_new(&mp->sha);
	if (r < 0)
		return r;
	*ret_multipart = TAKE_PTR(mp);
	return 0;
}

static void give_back(struct multipart *mp)
{
	if (mp->limits->budget)
		mp->limits->budget->used -= mp->text;
	mp->text = 0;
}

void multipart_free(struct multipart **multipart)
{
	struct multipart *mp = *multipart;
	if (!mp)
		return;
	for (size_t i = 0; i < mp->n; i++) {
		free(mp->parts[i].name);
		free(mp->parts[i].filename);
		free(mp->parts[i].content_type);
		free(mp->parts[i].data);
	}
	give_back(mp);
	free(mp->parts);
	buf_done(&mp->head);
	buf_done(&mp->value);
	sha256_free(&mp->sha);
	free(mp);
	*multipart = NULL;
}

static void remark(struct multipart *mp, const char *problem)
{
	if (!mp->problem)
		mp->problem = problem;
}

/* How much of len may be kept. */
static size_t room_for(const struct multipart *mp, size_t len)
{
	const struct http_budget *budget = mp->limits->budget;
	len = MIN(len, (size_t)(mp->limits->max_part_text - mp->text));
	return budget ? (size_t)MIN((uint64_t)len, budget->max - budget->used) : len;
}

static void charge(struct multipart *mp, size_t len)
{
	mp->text += len;
	if (mp->limits->budget)
		mp->limits->budget->used += len;
}

/* --- one part ---------------------------------------------------------------------------- */

static int begin_part(struct multipart *mp)
{
	if (mp->n == mp->limits->max_parts) {
		mp->place = EPILOGUE;
		remark(mp, "the body has more parts than the limit");
		return 0;
	}
	if (mp->n == mp->cap) {
		size_t cap = mp->cap ? mp->cap * 2 : PARTS_FIRST;
		struct http_part *parts = reallocarray(mp->parts, cap, sizeof(*parts));
		if (!parts)
			return -ENOMEM;
		mp->parts = parts;
		mp->cap = cap;
	}
	mp->parts[mp->n++] = (struct http_part){};
	mp->open = true;
	mp->lost = mp->keep = mp->head_cut = false;
	mp->place = HEAD;
	mp->line_len = 0;
	return 0;
}

static void charge_text(struct multipart *mp, char **text)
{
	size_t len = *text ? strlen(*text) + 1 : 0;
	if (room_for(mp, len) == len) {
		charge(mp, len);
		return;
	}
	free(*text);
	*text = NULL;
	remark(mp, "names and contents of the body's parts are longer than the limit");
}

/* A name that is there in part is a wrong one. */
static void drop_cut_line(struct buf *head)
{
	const uint8_t *lf = memrchr(head->data, '\n', head->len);
	head->len = lf ? (size_t)(lf - head->data) + 1 : 0;
	head->data[head->len] = 0;
}

static void replace_nuls(struct multipart *mp)
{
	uint8_t *end = mp->head.data + mp->head.len;
	for (uint8_t *p = mp->head.data; (p = memchr(p, 0, (size_t)(end - p))); *p = '?')
		remark(mp, "the header of a part holds a NUL byte");
}

static int end_head(struct multipart *mp)
{
	struct http_part *part = &mp->parts[mp->n - 1];
	const char *problem = NULL;
	int r = 0;
	mp->place = CONTENT;
	if (mp->head.len && mp->head_cut)
		drop_cut_line(&mp->head);
	if (mp->head.len) {
		replace_nuls(mp);
		r = part_head_read(part, (char *)mp->head.data, &problem);
	}
	buf_reset(&mp->head);
	if (problem)
		remark(mp, problem);
	mp->keep = part_is_text(part) && !mp->lost;
	charge_text(mp, &part->name);
	charge_text(mp, &part->filename);
	charge_text(mp, &part->content_type);
	return r;
}

static int end_part(struct multipart *mp, bool whole)
{
	struct http_part *part = &mp->parts[mp->n - 1];
	/* A part whose header no empty line ends has no content (RFC 2046 section 5.1.1). */
	int r = mp->place == HEAD ? end_head(mp) : 0;
	sha256_final(mp->sha, part->sha256);
	sha256_reset(mp->sha);
	part->whole = whole && !mp->lost;
	part->data_len = mp->value.len;
	if (mp->value.len)
		part->data = TAKE_PTR(mp->value.data);
	buf_done(&mp->value);
	mp->open = false;
	return r;
}

/* --- what is no delimiter ---------------------------------------------------------------- */

static int give_content(struct multipart *mp, const uint8_t *data, size_t len)
{
	struct http_part *part = &mp->parts[mp->n - 1];
	sha256_update(mp->sha, data, len);
	part->bytes += len;
	if (!mp->keep || !len)
		return 0;
	size_t n = room_for(mp, MIN(len, mp->value.max - mp->value.len));
	/* Nothing is joined across a hole. */
	mp->keep = n == len;
	charge(mp, n);
	return n ? buf_append(&mp->value, data, n) : 0;
}

/* Bytes of a header line. What is over the limit is passed over. */
static int give_line(struct multipart *mp, const uint8_t *data, size_t len)
{
	size_t n = MIN(len, mp->head.max - mp->head.len);
	if (n < len) {
		mp->head_cut = true;
		remark(mp, "the header of a part is longer than the limit");
	}
	return n ? buf_append(&mp->head, data, n) : 0;
}

static int give_head(struct multipart *mp, const uint8_t *data, size_t len)
{
	while (len && mp->place == HEAD) {
		const uint8_t *lf = memchr(data, '\n', len);
		size_t n = lf ? (size_t)(lf - data) + 1 : len;
		if (!mp->line_len)
			mp->line_first = data[0];
		mp->line_len += n;
		bool empty = lf && (mp->line_len == 1 || (mp->line_len == 2 && mp->line_first == '\r'));
		/* A CR at a line's start says nothing yet: the line may be the empty one. */
		bool unclear = mp->line_first == '\r' && mp->line_len == 1;
		int r = 0;
		if (mp->line_first == '\r' && mp->line_len == n + 1 && !empty)
			r = give_line(mp, (const uint8_t *)"\r", 1);
		if (r == 0 && !unclear)
			r = empty ? end_head(mp) : give_line(mp, data, n);
		if (r < 0)
			return r;
		if (lf)
			mp->line_len = 0;
		data += n;
		len -= n;
	}
	return len ? give_content(mp, data, len) : 0;
}

static int give(struct multipart *mp, const void *data, size_t len)
{
	if (mp->place == HEAD)
		return give_head(mp, data, len);
	return mp->place == CONTENT ? give_content(mp, data, len) : 0;
}

/* --- delimiters -------------------------------------------------------------------------- */

/* What was held back is no delimiter. */
static int unhold(struct multipart *mp)
{
	bool cr = mp->held_cr || mp->scan == CR, lf = mp->held_lf;
	size_t matched = mp->scan == LINE || mp->scan == TAIL ? mp->matched : 0;
	size_t tail = mp->scan == TAIL ? mp->tail_len : 0;
	mp->scan = TEXT;
	mp->held_cr = mp->held_lf = false;
	int r = cr ? give(mp, "\r", 1) : 0;
	if (r == 0 && lf)
		r = give(mp, "\n", 1);
	if (r == 0 && matched)
		r = give(mp, mp->delimiter, matched);
	return r == 0 && tail ? give(mp, mp->tail, tail) : r;
}

static bool is_closing(const struct multipart *mp)
{
	return mp->tail_len >= 2 && mp->tail[0] == '-';
}

/* The delimiter stands where a delimiter may: see multipart.h. */
static bool well_placed(const struct multipart *mp)
{
	return !mp->crlf || mp->place != CONTENT || mp->held_cr || !mp->held_lf;
}

/* A delimiter's line has ended, with LF or CRLF. */
static int end_line(struct multipart *mp)
{
	bool closing = is_closing(mp);
	if (mp->place == PREAMBLE)
		mp->crlf = mp->tail_len && mp->tail[mp->tail_len - 1] == '\r';
	int r = mp->open ? end_part(mp, true) : 0;
	mp->scan = LINE;
	mp->matched = 0;
	mp->held_cr = mp->held_lf = false;
	if (r < 0)
		return r;
	if (!closing)
		return begin_part(mp);
	mp->place = EPILOGUE;
	return 0;
}

/* c can stand behind a delimiter: "--" if it is the closing one, white space, and the line's end. */
static bool fits_tail(const struct multipart *mp, uint8_t c)
{
	uint8_t last = mp->tail_len ? mp->tail[mp->tail_len - 1] : 0;
	if (mp->tail_len == TAIL_MAX || last == '\r')
		return c == '\n';
	if (mp->tail_len == 1 && last == '-')
		return c == '-';
	if (c == '-')
		return mp->tail_len == 0;
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int step_tail(struct multipart *mp, const uint8_t **data, size_t *len)
{
	uint8_t c = **data;
	if (!fits_tail(mp, c))
		return unhold(mp);
	++*data;
	--*len;
	if (c != '\n') {
		mp->tail[mp->tail_len++] = c;
		return 0;
	}
	if (well_placed(mp))
		return end_line(mp);
	remark(mp, "a part holds what looks like a delimiter but follows a bare LF");
	/* Its line's end is the beginning of what may be one. */
	bool cr = mp->tail_len && mp->tail[mp->tail_len - 1] == '\r';
	if (cr)
		mp->tail_len--;
	int r = unhold(mp);
	mp->scan = LINE;
	mp->matched = 0;
	mp->held_cr = cr;
	mp->held_lf = true;
	return r;
}

static int step_line(struct multipart *mp, const uint8_t **data, size_t *len)
{
	size_t n = 0, most = MIN(*len, mp->delimiter_len - mp->matched);
	while (n < most && (*data)[n] == mp->delimiter[mp->matched + n])
		n++;
	mp->matched += n;
	*data += n;
	*len -= n;
	if (mp->matched < mp->delimiter_len)
		return *len ? unhold(mp) : 0;
	mp->scan = TAIL;
	mp->tail_len = 0;
	return 0;
}

static int step_cr(struct multipart *mp, const uint8_t **data, size_t *len)
{
	if (**data != '\n')
		return unhold(mp);
	++*data;
	--*len;
	mp->held_cr = mp->held_lf = true;
	mp->scan = LINE;
	mp->matched = 0;
	return 0;
}

/* Where the next line begins that may be a delimiter, or len. */
static size_t find_line(const uint8_t *data, size_t len)
{
	size_t at = 0;
	for (;;) {
		const uint8_t *lf = memchr(data + at, '\n', len - at);
		if (!lf)
			return len;
		at = (size_t)(lf - data) + 1;
		if (at == len || data[at] == '-')
			return at;
	}
}

static int step_text(struct multipart *mp, const uint8_t **data, size_t *len)
{
	size_t end = find_line(*data, *len), n = end;
	const uint8_t *text = *data;
	bool lf = end && text[end - 1] == '\n';
	if (lf)
		n--;
	bool cr = n && text[n - 1] == '\r';
	if (cr)
		n--;
	*data += end;
	*len -= end;
	int r = give(mp, text, n);
	mp->held_lf = lf;
	mp->held_cr = lf && cr;
	mp->matched = 0;
	if (lf)
		mp->scan = LINE;
	else if (cr)
		mp->scan = CR;
	return r;
}

int multipart_feed(struct multipart *mp, const uint8_t *data, size_t len)
{
	static int (*const steps[])(struct multipart *, const uint8_t **, size_t *) = {
		[TEXT] = step_text, [CR] = step_cr, [LINE] = step_line, [TAIL] = step_tail};
	while (len && mp->place != EPILOGUE) {
		int r = steps[mp->scan](mp, &data, &len);
		if (r < 0) {
			mp->place = EPILOGUE;
			return r;
		}
	}
	return 0;
}

/* --- gaps and the end -------------------------------------------------------------------- */

void multipart_missing(struct multipart *mp)
{
	if (mp->place == EPILOGUE)
		return;
	/* Without memory, what the gap cuts off is lost too. */
	(void)unhold(mp);
	mp->lost = mp->head_cut = true;
	if (mp->place == HEAD)
		(void)end_head(mp);
	mp->keep = false;
}

static bool closed_by_end(const struct multipart *mp)
{
	return mp->scan == TAIL && is_closing(mp) && well_placed(mp);
}

void multipart_end(struct multipart *mp, struct http_part **ret_parts, size_t *ret_n,
		   const char **ret_problem)
{
	bool closed = closed_by_end(mp);
	if (mp->place != EPILOGUE && !closed) {
		(void)unhold(mp);
		remark(mp, mp->n ? "the multipart body has no closing delimiter"
				 : "the multipart body has no delimiter");
	}
	mp->head_cut |= !closed;
	if (mp->open)
		(void)end_part(mp, closed);
	give_back(mp);
	*ret_parts = TAKE_PTR(mp->parts);
	*ret_n = mp->n;
	*ret_problem = mp->problem;
	mp->n = mp->cap = 0;
}
