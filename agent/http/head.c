/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/lanes.h"
#include "base/macro.h"

#define METHOD_MAX    32 /* longer than any registered method; bounds the search for its end */
#define HEADERS_FIRST 32

static const char version_prefix[] = "HTTP/1.";
#define VERSION_PREFIX_LEN (sizeof(version_prefix) - 1)
#define VERSION_LEN	   (VERSION_PREFIX_LEN + 1)

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* A token's characters (RFC 9110 section 5.6.2), each in lower case; 0: not one. */
static const uint8_t token_chars[256] = {
	['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
	['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',	['|'] = '|',
	['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',	['5'] = '5',
	['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',	['c'] = 'c',
	['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',	['j'] = 'j',
	['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',	['q'] = 'q',
	['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',	['x'] = 'x',
	['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',	['E'] = 'e',
	['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',	['L'] = 'l',
	['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',	['S'] = 's',
	['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',	['Z'] = 'z',
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

enum http_method_kind http_method_kind(const struct http_message *request)
{
	if (!request->method)
		return HTTP_METHOD_OTHER;
	if (strcmp(request->method, "HEAD") == 0)
		return HTTP_METHOD_HEAD;
	return strcmp(request->method, "CONNECT") == 0 ? HTTP_METHOD_CONNECT : HTTP_METHOD_OTHER;
}

/* --- does it look like a start? ---------------------------------------------------------- */

size_t http_token_len(const uint8_t *data, size_t len)
{
	size_t n = 0;
	while (n < len && token_chars[data[n]])
		n++;
	return n;
}

enum http_start http_start_check(enum http_role role, const uint8_t *data, size_t len)
{
	if (role == HTTP_RESPONSE) {
		size_t n = MIN(len, VERSION_PREFIX_LEN);
		if (n && memcmp(data, version_prefix, n) != 0)
			return HTTP_START_NO;
		return n == VERSION_PREFIX_LEN ? HTTP_START_YES : HTTP_START_MAYBE;
	}
	size_t n = http_token_len(data, MIN(len, (size_t)METHOD_MAX + 1));
	if (n > METHOD_MAX)
		return HTTP_START_NO;
	if (n == len)
		return HTTP_START_MAYBE;
	return n && data[n] == ' ' ? HTTP_START_YES : HTTP_START_NO;
}

bool http_start_names_http(const uint8_t *line, size_t len)
{
	return memmem(line, len, "HTTP/", 5) != NULL;
}

bool http_start_resync(enum http_role role, const uint8_t *data, size_t len)
{
	if (http_start_check(role, data, len) != HTTP_START_YES)
		return false;
	if (role == HTTP_RESPONSE)
		return true;
	const uint8_t *end = memchr(data, '\n', len);
	const uint8_t *target = data + http_token_len(data, len) + 1;
	return !end || memmem(target, (size_t)(end - target), " HTTP/1.", 1 + VERSION_PREFIX_LEN);
}

/* --- text -------------------------------------------------------------------------------- */

/* Control bytes, tabs among them. */
static inline lanes controls(lanes v)
{
	return (lanes)(v < 0x20) | (lanes)(v == 0x7f);
}

/* Makes '?' of what text cannot hold. True: there was such. */
static bool clean(char *text, size_t len)
{
	bool flawed = false;
	for (size_t i = 0; i < len; i++) {
		if (len - i >= LANES)
			i += lanes_first(controls(lanes_load(text + i)));
		if (i < len && is_control((uint8_t)text[i])) {
			flawed = true;
			text[i] = '?';
		}
	}
	return flawed;
}

char *http_text_copy(const uint8_t *data, size_t len, bool *flawed)
{
	char *text = malloc(len + 1);
	if (!text)
		return NULL;
	if (len)
		memcpy(text, data, len);
	text[len] = 0;
	*flawed |= clean(text, len);
	return text;
}

char *http_name_copy(const uint8_t *data, size_t len)
{
	char *name = malloc(len + 1);
	if (!name)
		return NULL;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)token_chars[data[i]];
	name[len] = 0;
	return name;
}

/* --- start line -------------------------------------------------------------------------- */

struct start_line {
	const uint8_t *method, *target; /* parts of the line */
	size_t method_len, target_len;	/* 0: could not be read */
	int version_minor, status;
};

static bool version_read(const uint8_t *data, size_t len, int *ret_minor)
{
	if (len != VERSION_LEN || memcmp(data, version_prefix, VERSION_PREFIX_LEN) != 0 ||
	    !is_digit(data[VERSION_PREFIX_LEN]))
		return false;
	*ret_minor = data[VERSION_PREFIX_LEN] - '0';
	return true;
}

static int request_line(const uint8_t *line, size_t len, struct start_line *s)
{
	size_t method = http_token_len(line, len);
	if (!method || method == len || line[method] != ' ')
		return -EBADMSG;
	s->method = line;
	s->method_len = method;

	size_t start = method, end = len;
	while (start < len && line[start] == ' ')
		start++;
	while (end > start && is_blank(line[end - 1]))
		end--;
	if (end < start + VERSION_LEN + 1 || line[end - VERSION_LEN - 1] != ' ' ||
	    !version_read(line + end - VERSION_LEN, VERSION_LEN, &s->version_minor))
		return -EBADMSG;
	end -= VERSION_LEN;
	while (end > start && line[end - 1] == ' ')
		end--;
	if (end == start)
		return -EBADMSG;
	s->target = line + start;
	s->target_len = end - start;
	return 0;
}

static int status_line(const uint8_t *line, size_t len, struct start_line *s)
{
	int minor;
	if (len < VERSION_LEN + 4 || !version_read(line, VERSION_LEN, &minor) || line[VERSION_LEN] != ' ')
		return -EBADMSG;
	const uint8_t *digits = line + VERSION_LEN + 1;
	if (!is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2]) || digits[0] == '0')
		return -EBADMSG;
	if (len > VERSION_LEN + 4 && !is_blank(digits[3]))
		return -EBADMSG;
	s->version_minor = minor;
	s->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
	return 0;
}

/* 0; -EBADMSG: malformed, what could be read is set. */
static int start_line_read(enum http_role role, const uint8_t *line, size_t len, struct start_line *s)
{
	return role == HTTP_REQUEST ? request_line(line, len, s) : status_line(line, len, s);
}

bool http_start_line_valid(enum http_role role, const uint8_t *line, size_t len)
{
	struct start_line s = {0};
	return start_line_read(role, line, len, &s) == 0;
}

/* --- header fields ----------------------------------------------------------------------- */

#define CHUNK 64 /* bytes of which the line feeds are found at once: a bit for each */

/* What is read of the head stands in msg->head_text, a copy of all of it, in the same place, with a NUL over
 * the byte after it. Only the head itself is searched: loads of what was just stored in pieces are slow. */
struct reader {
	struct http_message *msg;
	const uint8_t *data, *end;
	size_t max_headers;
	size_t cap;	/* of msg->headers */
	char *last_end; /* the NUL of the last header's value, if a folded line may continue it; or NULL */
	bool unclean;	/* there are control bytes so far, tabs among them, that are no line's end */
	bool flawed;
};

static char *place_of(const struct reader *rd, const uint8_t *byte)
{
	return rd->msg->head_text + (byte - rd->data);
}

static void flaw(struct reader *rd, const char *problem)
{
	rd->flawed = true;
	if (!rd->msg->problem)
		rd->msg->problem = problem;
}

void http_trim(const uint8_t **data, size_t *len)
{
	while (*len && is_blank((*data)[0])) {
		(*data)++;
		(*len)--;
	}
	while (*len && is_blank((*data)[*len - 1]))
		(*len)--;
}

int http_headers_reserve(struct http_message *msg, size_t *cap, size_t n)
{
	if (n <= *cap)
		return 0;
	size_t more = MAX(*cap ? *cap * 2 : (size_t)HEADERS_FIRST, n);
	struct http_header *headers = reallocarray(msg->headers, more, sizeof(*headers));
	if (!headers)
		return -ENOMEM;
	msg->headers = headers;
	*cap = more;
	return 0;
}

/* Makes a token of which `at` is a copy lower case; how long it is. room: bytes that are there from it on. */
static inline size_t lower_token(char *at, const uint8_t *data, size_t room)
{
	/* What capitals lack. Loaded so many bytes before the middle, it is for that many of them. */
	static const uint8_t low_bits[2 * LANES] = {[0 ... LANES - 1] = 0x20};
	unsigned same = LANES;
	size_t n = 0;
	/* The characters that names are made of as a rule; the others one by one. */
	for (; same == LANES && room - n >= LANES; n += same) {
		const lanes v = lanes_load(data + n);
		const lanes letter = (lanes)((v | 0x20) - 'a' < 26);
		same = lanes_first(~(letter | (lanes)(v - '0' < 10) | (lanes)(v == '-')));
		lanes_store(at + n, v | (letter & lanes_load(low_bits + LANES - same)));
	}
	for (; n < room && data[n] != ':' && token_chars[data[n]]; n++)
		at[n] = (char)token_chars[data[n]];
	return n;
}

/* A line's end is none, so that this stays in the line. */
static const uint8_t *skip_blanks(const uint8_t *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

/* Without the blanks before `to`, but not before `from`. */
static const uint8_t *trim_end(const uint8_t *from, const uint8_t *to)
{
	while (to > from && is_blank(to[-1]))
		to--;
	return to;
}

/* len bytes that are there belong to the last header's value. */
static void end_value(struct reader *rd, char *at, size_t len)
{
	if (rd->unclean && clean(at, len))
		flaw(rd, "a header value holds control bytes");
	rd->last_end = at + len;
	*rd->last_end = 0;
}

/* A line that continues the last header's value, with a blank between the two. */
static void fold(struct reader *rd, const uint8_t *line, const uint8_t *to)
{
	const uint8_t *from = skip_blanks(line);
	const size_t len = (size_t)(trim_end(from, to) - from);
	if (!rd->last_end)
		flaw(rd, "a header line continues none");
	if (!rd->last_end || !len)
		return;
	char *at = rd->last_end;
	if (rd->msg->headers[rd->msg->n_headers - 1].value[0])
		*at++ = ' ';
	memcpy(at, from, len);
	end_value(rd, at, len);
}

static int header_line(struct reader *rd, const uint8_t *line, const uint8_t *to)
{
	struct http_message *msg = rd->msg;
	char *name = place_of(rd, line);
	const size_t name_len = lower_token(name, line, (size_t)(rd->end - line));
	const uint8_t *name_end = line + name_len, *colon = name_end;

	rd->last_end = NULL;
	if (*colon != ':')
		colon = skip_blanks(colon);
	if (!name_len || *colon != ':') {
		flaw(rd, "a header line has no proper name");
		return 0;
	}
	/* RFC 9112 section 5.1 wants servers to refuse this. Many do not, so it counts. */
	if (colon > name_end)
		flaw(rd, "there is white space between a header name and its colon");
	if (msg->n_headers == rd->max_headers)
		return -E2BIG;
	int r = http_headers_reserve(msg, &rd->cap, msg->n_headers + 1);
	if (r < 0)
		return r;
	const uint8_t *from = skip_blanks(colon + 1);
	char *value = name + (from - line);
	name[name_len] = 0;
	msg->headers[msg->n_headers++] = (struct http_header){.name = name, .value = value};
	end_value(rd, value, (size_t)(trim_end(from, to) - from));
	return 0;
}

static inline uint64_t chunk_bits(lanes a, lanes b, lanes c, lanes d)
{
	return lanes_bits(a) | lanes_bits(b) << 16 | (uint64_t)(lanes_bits(c) | lanes_bits(d) << 16) << 32;
}

/* Line feeds among the next bytes, a bit for each. */
static inline uint64_t line_feeds(struct reader *rd, const uint8_t *chunk)
{
	uint8_t tail[CHUNK + 1];
	if (rd->end - chunk <= CHUNK) {
		memset(tail, 0, sizeof(tail));
		chunk = memcpy(tail, chunk, (size_t)(rd->end - chunk));
	}
	const lanes a = lanes_load(chunk), b = lanes_load(chunk + LANES), c = lanes_load(chunk + 2 * LANES),
		    d = lanes_load(chunk + 3 * LANES);
	const uint64_t lf =
		chunk_bits((lanes)(a == '\n'), (lanes)(b == '\n'), (lanes)(c == '\n'), (lanes)(d == '\n'));
	const uint64_t all = chunk_bits(controls(a), controls(b), controls(c), controls(d));
	/* What stands before a line feed is looked at in line_end(). */
	const uint64_t before = lf >> 1 | (uint64_t)(chunk[CHUNK] == '\n') << (CHUNK - 1);
	rd->unclean |= (all & ~(lf | before)) != 0;
	return lf;
}

/* Where the line's end begins whose last byte is lf. */
static const uint8_t *line_end(struct reader *rd, const uint8_t *line, const uint8_t *lf)
{
	if (lf == line)
		return lf;
	if (lf[-1] == '\r')
		return lf - 1;
	rd->unclean |= is_control(lf[-1]);
	return lf;
}

/* Lines of header fields up to an empty one. */
static int read_fields(struct reader *rd, const uint8_t *line)
{
	int r = 0;
	for (const uint8_t *chunk = line; chunk < rd->end; chunk += CHUNK) {
		for (uint64_t lf = line_feeds(rd, chunk); lf; lf &= lf - 1) {
			const uint8_t *next = chunk + __builtin_ctzll(lf) + 1;
			const uint8_t *to = line_end(rd, line, next - 1);
			if (to == line)
				return 0;
			if (is_blank(*line))
				fold(rd, line, to);
			else
				r = header_line(rd, line, to);
			if (r < 0)
				return r;
			line = next;
		}
	}
	return 0;
}

/* Neither control bytes nor white space. */
static bool is_visible(const uint8_t *data, size_t len)
{
	size_t n = 0;
	for (; len - n >= LANES; n += LANES) {
		const lanes v = lanes_load(data + n);
		if (lanes_bits((lanes)(v <= ' ') | (lanes)(v == 0x7f)))
			return false;
	}
	while (n < len && data[n] > ' ' && data[n] != 0x7f)
		n++;
	return n == len;
}

static void put_start_line(struct reader *rd, const struct start_line *s)
{
	struct http_message *msg = rd->msg;
	msg->version_minor = s->version_minor;
	msg->status = s->status;
	if (s->method_len) {
		msg->method = place_of(rd, s->method);
		msg->method[s->method_len] = 0;
	}
	if (!s->target_len)
		return;
	msg->target = place_of(rd, s->target);
	msg->target[s->target_len] = 0;
	if (is_visible(s->target, s->target_len))
		return;
	/* White space there is smuggling or a broken client; what was asked stays readable. */
	flaw(rd, "the request target holds control bytes or white space");
	clean(msg->target, s->target_len);
}

/* Of a start line without its end: the method, when the space after it is there. */
static void put_cut_start_line(struct reader *rd, size_t len)
{
	struct start_line s = {.method = rd->data, .method_len = http_token_len(rd->data, len)};
	if (rd->msg->role == HTTP_REQUEST && http_start_check(HTTP_REQUEST, rd->data, len) == HTTP_START_YES)
		put_start_line(rd, &s);
}

int http_head_read(struct http_message *msg, const uint8_t *data, size_t len, size_t max_headers, bool whole,
		   bool *ret_flawed)
{
	struct reader rd = {.msg = msg, .data = data, .end = data + len, .max_headers = max_headers};
	struct start_line start = {0};
	const uint8_t *lf = len ? memchr(data, '\n', len) : NULL;

	if (!lf && whole)
		return -EBADMSG;
	msg->head_text = malloc(len + 1);
	if (!msg->head_text)
		return -ENOMEM;
	if (len)
		memcpy(msg->head_text, data, len);
	if (!lf) {
		put_cut_start_line(&rd, len);
		return 0;
	}
	int r = start_line_read(msg->role, data, (size_t)(line_end(&rd, data, lf) - data), &start);
	put_start_line(&rd, &start);
	if (r < 0)
		msg->problem = "the start line is malformed";
	else
		r = read_fields(&rd, lf + 1);
	if (r < 0)
		return r;
	*ret_flawed = rd.flawed;
	return 0;
}

/* --- framing ----------------------------------------------------------------------------- */

struct codings {
	size_t n; /* transfer codings named, without "identity" */
	size_t chunks;
	bool chunked; /* the last one is chunked */
	bool other; /* one of them is not registered as a transfer coding (RFC 9112 section 7), or compress */
	struct coding_list list;
};

static void codings_push(struct codings *c, const char *name, size_t len, size_t max)
{
	enum coding_kind kind = CODING_BR;
	c->n++;
	c->chunked = len == 7 && strncasecmp(name, "chunked", 7) == 0;
	if (c->chunked)
		c->chunks++;
	else if (coding_kind_of(name, len, &kind) && (kind == CODING_GZIP || kind == CODING_DEFLATE))
		coding_list_push(&c->list, kind, max);
	else
		c->other = true;
}

static void codings_add(struct codings *c, const char *value, size_t max)
{
	for (const char *p = value; *p;) {
		size_t len = strcspn(p, ",");
		const uint8_t *item = (const uint8_t *)p;
		size_t item_len = len;
		http_trim(&item, &item_len);
		if (item_len && !(item_len == 8 && strncasecmp((const char *)item, "identity", 8) == 0))
			codings_push(c, (const char *)item, item_len, max);
		p += len + (p[len] == ',');
	}
}

static struct codings codings_read(const struct http_message *msg, size_t max)
{
	struct codings c = {};
	for (size_t i = 0; i < msg->n_headers; i++)
		if (strcmp(msg->headers[i].name, "transfer-encoding") == 0)
			codings_add(&c, msg->headers[i].value, max);
	return c;
}

static int length_item(const uint8_t *item, size_t len, uint64_t *ret_length)
{
	uint64_t length = 0;
	if (!len)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(item[i]))
			return -EBADMSG;
		uint64_t digit = (uint64_t)(item[i] - '0');
		if (length > (INT64_MAX - digit) / 10)
			return -ERANGE;
		length = length * 10 + digit;
	}
	*ret_length = length;
	return 0;
}

/* Content-Length over all fields and list items: they must agree (RFC 9112 section 6.3, item 5).
 * 1: there is one; 0: there is none; -EBADMSG. */
static int length_read(struct http_message *msg, uint64_t *ret_length)
{
	bool found = false;
	uint64_t length = 0;
	for (size_t i = 0; i < msg->n_headers; i++) {
		if (strcmp(msg->headers[i].name, "content-length") != 0)
			continue;
		for (const char *p = msg->headers[i].value;; p++) {
			size_t len = strcspn(p, ","), item_len = len;
			const uint8_t *item = (const uint8_t *)p;
			uint64_t one = 0;
			http_trim(&item, &item_len);
			int r = length_item(item, item_len, &one);
			if (r == -ERANGE)
				msg->problem = "content-length is too large";
			else if (r < 0)
				msg->problem = "content-length is not a number";
			else if (found && one != length)
				msg->problem = "content-length is given twice with different values";
			if (r < 0 || (found && one != length))
				return -EBADMSG;
			found = true;
			length = one;
			p += len;
			if (!*p)
				break;
		}
	}
	if (found)
		*ret_length = length;
	return found;
}

static bool bodiless(const struct http_message *msg, enum http_method_kind asked, bool tunnel)
{
	if (msg->role == HTTP_REQUEST)
		return false;
	return tunnel || asked == HTTP_METHOD_HEAD || msg->status < 200 || msg->status == 204 ||
	       msg->status == 304;
}

static int framing_coded(struct http_message *msg, const struct codings *c, struct http_framing *f)
{
	const char *remark = NULL;
	if (!c->chunked && msg->role == HTTP_REQUEST) {
		msg->problem = "the last transfer-encoding of a request is not chunked";
		return -EBADMSG;
	}
	f->kind = c->chunked ? HTTP_BODY_CHUNKED : HTTP_BODY_CLOSE;
	/* Chunks under another coding are not taken apart: they are none of the message's framing. */
	bool inner_chunks = c->chunks > (c->chunked ? 1U : 0U);
	f->codings = c->list;
	f->codings.unknown = c->other || inner_chunks;
	if (c->other || (inner_chunks && !c->chunked))
		remark = "the body has a transfer-encoding other than chunked, which is kept";
	else if (inner_chunks)
		remark = "the body is chunked more than once; only the outer coding is removed";
	else if (msg->version_minor == 0)
		remark = "there is a transfer-encoding in an HTTP/1.0 message";
	else if (http_message_header(msg, "content-length"))
		remark = "there are both transfer-encoding and content-length; the former counts";
	if (!msg->problem)
		msg->problem = remark;
	return 0;
}

int http_head_framing(struct http_message *msg, enum http_method_kind asked, size_t max_codings,
		      struct http_framing *ret_framing)
{
	struct http_framing f = {.kind = msg->role == HTTP_REQUEST ? HTTP_BODY_NONE : HTTP_BODY_CLOSE};
	f.tunnel = msg->role == HTTP_RESPONSE &&
		   (msg->status == 101 || (asked == HTTP_METHOD_CONNECT && msg->status / 100 == 2));
	struct codings codings = codings_read(msg, max_codings);
	int r = 0;

	if (bodiless(msg, asked, f.tunnel))
		f.kind = HTTP_BODY_NONE;
	else if (codings.n)
		r = framing_coded(msg, &codings, &f);
	else
		r = length_read(msg, &f.length);
	if (r < 0)
		return r;
	if (r > 0)
		f.kind = HTTP_BODY_LENGTH;
	*ret_framing = f;
	return 0;
}

bool http_head_expects(const struct http_message *request)
{
	const char *value = http_message_header(request, "expect");
	return value && strcasecmp(value, "100-continue") == 0;
}
