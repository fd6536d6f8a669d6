/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* --- start line -------------------------------------------------------------------------- */

/* Copies text in which what text cannot hold is '?'. True: there was such. */
static bool copy_text(char *to, const uint8_t *data, size_t len)
{
	const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
	bool flawed = false;
	size_t i = 0;
	/* Eight at a time, as long as none is below a blank or 0x7f: then its top bit is set in one of these.
	 */
	for (uint64_t word; len - i >= 8; i += 8) {
		memcpy(&word, data + i, 8);
		const uint64_t del = word ^ (ones * 0x7f);
		if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & tops)
			break;
		memcpy(to + i, &word, 8);
	}
	for (; i < len; i++) {
		bool bad = is_control(data[i]);
		flawed |= bad;
		to[i] = bad ? '?' : (char)data[i];
	}
	to[len] = 0;
	return flawed;
}

static void copy_name(char *to, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (char)token_chars[data[i]];
	to[len] = 0;
}

char *http_text_copy(const uint8_t *data, size_t len, bool *flawed)
{
	char *text = malloc(len + 1);
	if (text)
		*flawed |= copy_text(text, data, len);
	return text;
}

char *http_name_copy(const uint8_t *data, size_t len)
{
	char *name = malloc(len + 1);
	if (name)
		copy_name(name, data, len);
	return name;
}

static int replace_text(char **text, const uint8_t *data, size_t len, bool *flawed)
{
	char *copy = http_text_copy(data, len, flawed);
	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static bool version_read(const uint8_t *data, size_t len, int *ret_minor)
{
	if (len != VERSION_LEN || memcmp(data, version_prefix, VERSION_PREFIX_LEN) != 0 ||
	    !is_digit(data[VERSION_PREFIX_LEN]))
		return false;
	*ret_minor = data[VERSION_PREFIX_LEN] - '0';
	return true;
}

static int request_line(struct http_message *msg, const uint8_t *line, size_t len)
{
	bool flawed = false;
	size_t method = http_token_len(line, len);
	if (!method || method == len || line[method] != ' ')
		return -EBADMSG;
	int r = replace_text(&msg->method, line, method, &flawed);
	if (r < 0)
		return r;

	size_t start = method, end = len;
	while (start < len && line[start] == ' ')
		start++;
	while (end > start && is_blank(line[end - 1]))
		end--;
	if (end < start + VERSION_LEN + 1 || line[end - VERSION_LEN - 1] != ' ' ||
	    !version_read(line + end - VERSION_LEN, VERSION_LEN, &msg->version_minor))
		return -EBADMSG;
	end -= VERSION_LEN;
	while (end > start && line[end - 1] == ' ')
		end--;
	if (end == start)
		return -EBADMSG;
	r = replace_text(&msg->target, line + start, end - start, &flawed);
	if (r < 0)
		return r;
	/* White space inside the target is smuggling or a broken client; what was asked stays readable. */
	if (flawed || memchr(line + start, ' ', end - start) || memchr(line + start, '\t', end - start))
		msg->problem = "the request target holds control bytes or white space";
	return 0;
}

static int status_line(struct http_message *msg, const uint8_t *line, size_t len)
{
	int minor;
	if (len < VERSION_LEN + 4 || !version_read(line, VERSION_LEN, &minor) || line[VERSION_LEN] != ' ')
		return -EBADMSG;
	const uint8_t *digits = line + VERSION_LEN + 1;
	if (!is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2]) || digits[0] == '0')
		return -EBADMSG;
	if (len > VERSION_LEN + 4 && !is_blank(digits[3]))
		return -EBADMSG;
	msg->version_minor = minor;
	msg->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
	return 0;
}

int http_head_start_line(struct http_message *msg, const uint8_t *line, size_t len)
{
	return msg->role == HTTP_REQUEST ? request_line(msg, line, len) : status_line(msg, line, len);
}

/* --- header fields ----------------------------------------------------------------------- */

struct reader {
	struct http_message *msg;
	size_t max_headers;
	size_t cap; /* of msg->headers */
	/* Where the next name goes in msg->header_text. Every line takes less there than in the head: a colon
	 * and a line end make room for two NULs. */
	char *text;
	bool last_kept; /* the last header's value ends there, and a folded line may continue it */
	bool flawed;
};

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

static int headers_grow(struct reader *rd)
{
	struct http_message *msg = rd->msg;
	if (msg->n_headers == rd->max_headers)
		return -E2BIG;
	if (msg->n_headers < rd->cap)
		return 0;
	size_t cap = rd->cap ? rd->cap * 2 : HEADERS_FIRST;
	struct http_header *headers = reallocarray(msg->headers, cap, sizeof(*headers));
	if (!headers)
		return -ENOMEM;
	msg->headers = headers;
	rd->cap = cap;
	return 0;
}

static char *put_value(struct reader *rd, const uint8_t *data, size_t len)
{
	char *value = rd->text;
	if (copy_text(value, data, len))
		flaw(rd, "a header value holds control bytes");
	rd->text += len + 1;
	return value;
}

static void header_fold(struct reader *rd, const uint8_t *line, size_t len)
{
	http_trim(&line, &len);
	if (!rd->last_kept) {
		flaw(rd, "a header line continues none");
		return;
	}
	if (!len)
		return;
	/* Over the NUL of the value so far; a blank between the two. */
	rd->text--;
	if (rd->msg->headers[rd->msg->n_headers - 1].value[0])
		*rd->text++ = ' ';
	put_value(rd, line, len);
}

static int header_line(struct reader *rd, const uint8_t *line, size_t len)
{
	struct http_message *msg = rd->msg;
	if (is_blank(line[0])) {
		header_fold(rd, line, len);
		return 0;
	}
	rd->last_kept = false;

	size_t name_len = http_token_len(line, len), colon = name_len;
	while (colon < len && is_blank(line[colon]))
		colon++;
	if (!name_len || colon == len || line[colon] != ':') {
		flaw(rd, "a header line has no proper name");
		return 0;
	}
	/* RFC 9112 section 5.1 wants servers to refuse this. Many do not, so it counts. */
	if (colon > name_len)
		flaw(rd, "there is white space between a header name and its colon");

	int r = headers_grow(rd);
	if (r < 0)
		return r;
	const uint8_t *value = line + colon + 1;
	size_t value_len = len - colon - 1;
	http_trim(&value, &value_len);
	char *name = rd->text;
	copy_name(name, line, name_len);
	rd->text += name_len + 1;
	msg->headers[msg->n_headers++] =
		(struct http_header){.name = name, .value = put_value(rd, value, value_len)};
	rd->last_kept = true;
	return 0;
}

/* The next line without its end. False: no complete line is left. */
static bool next_line(const uint8_t **pos, const uint8_t *end, const uint8_t **ret_line, size_t *ret_len)
{
	const uint8_t *line = *pos;
	const uint8_t *lf = line == end ? NULL : memchr(line, '\n', (size_t)(end - line));
	if (!lf)
		return false;
	size_t len = (size_t)(lf - line);
	if (len && line[len - 1] == '\r')
		len--;
	*pos = lf + 1;
	*ret_line = line;
	*ret_len = len;
	return true;
}

/* Of a start line without its end: the method, when the space after it is there. */
static int cut_start_line(struct http_message *msg, const uint8_t *data, size_t len)
{
	bool flawed = false;
	if (msg->role != HTTP_REQUEST || http_start_check(msg->role, data, len) != HTTP_START_YES)
		return 0;
	return replace_text(&msg->method, data, http_token_len(data, len), &flawed);
}

int http_head_read(struct http_message *msg, const uint8_t *data, size_t len, size_t max_headers, bool whole,
		   bool *ret_flawed)
{
	struct reader rd = {.msg = msg, .max_headers = max_headers};
	const uint8_t *pos = data, *end = data + len, *line;
	size_t line_len;

	if (!next_line(&pos, end, &line, &line_len))
		return whole ? -EBADMSG : cut_start_line(msg, data, len);
	int r = http_head_start_line(msg, line, line_len);
	if (r == -EBADMSG)
		msg->problem = "the start line is malformed";
	if (r < 0)
		return r;
	rd.flawed = msg->problem != NULL;
	rd.text = msg->header_text = malloc((size_t)(end - pos) + 1);
	if (!rd.text)
		return -ENOMEM;
	while (next_line(&pos, end, &line, &line_len) && line_len) {
		r = header_line(&rd, line, line_len);
		if (r < 0)
			return r;
	}
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
