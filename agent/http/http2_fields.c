/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "http/head.h"

struct reader {
	struct http_message *msg;
	size_t cap;	 /* of msg->headers */
	char *authority; /* owned */
	bool path, status;
	bool regular; /* a field that is not a pseudo-header field was there */
	struct http2_facts facts;
};

static void flaw(struct reader *rd, const char *problem)
{
	rd->facts.flawed = true;
	if (!rd->msg->problem)
		rd->msg->problem = problem;
}

static bool is(const uint8_t *data, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(data, text, len) == 0;
}

/* --- pseudo-header fields ---------------------------------------------------------------- */

/* The first one counts. */
static int set_text(struct reader *rd, char **text, const uint8_t *data, size_t len, const char *problem)
{
	bool flawed = false;
	if (*text) {
		flaw(rd, "a pseudo-header field is there twice");
		return 0;
	}
	*text = http_text_copy(data, len, &flawed);
	if (!*text)
		return -ENOMEM;
	if (flawed)
		flaw(rd, problem);
	return 0;
}

static int set_method(struct reader *rd, const uint8_t *value, size_t len)
{
	static const char problem[] = "the method is not a token";
	int r = set_text(rd, &rd->msg->method, value, len, problem);
	if (r == 0 && (!len || http_token_len(value, len) != len))
		flaw(rd, problem);
	return r;
}

static int set_target(struct reader *rd, const uint8_t *value, size_t len)
{
	static const char problem[] = "the request target holds control bytes or white space";
	int r = set_text(rd, &rd->msg->target, value, len, problem);
	if (r == 0 && !len)
		flaw(rd, "the request target is empty");
	if (r == 0 && len && (memchr(value, ' ', len) || memchr(value, '\t', len)))
		flaw(rd, problem);
	return r;
}

static void set_status(struct reader *rd, const uint8_t *value, size_t len)
{
	int status = 0;
	if (rd->status)
		flaw(rd, "a pseudo-header field is there twice");
	if (rd->status)
		return;
	rd->status = true;
	for (size_t i = 0; i < len && len == 3; i++) {
		if (value[i] < '0' || value[i] > '9') {
			status = 0;
			break;
		}
		status = status * 10 + (value[i] - '0');
	}
	if (status >= 100)
		rd->msg->status = status;
	else
		flaw(rd, "the status is not a number of three digits");
}

static int pseudo_field(struct reader *rd, const uint8_t *name, size_t name_len, const uint8_t *value,
			size_t len)
{
	bool request = rd->msg->role == HTTP_REQUEST;
	rd->facts.pseudo = true;
	if (rd->regular)
		flaw(rd, "a pseudo-header field comes after others");
	if (request && is(name, name_len, ":method"))
		return set_method(rd, value, len);
	if (request && is(name, name_len, ":path"))
		return set_target(rd, value, len);
	if (request && is(name, name_len, ":authority"))
		return set_text(rd, &rd->authority, value, len, "the authority holds control bytes");
	if (request && (is(name, name_len, ":scheme") || is(name, name_len, ":protocol")))
		return 0;
	if (!request && is(name, name_len, ":status"))
		set_status(rd, value, len);
	else
		flaw(rd, "there is a pseudo-header field that has no place here");
	return 0;
}

/* --- header fields ----------------------------------------------------------------------- */

static bool holds_upper_case(const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] >= 'A' && name[i] <= 'Z')
			return true;
	return false;
}

static int regular_field(struct reader *rd, const uint8_t *name, size_t name_len, const uint8_t *value,
			 size_t len)
{
	struct http_message *msg = rd->msg;
	bool flawed = false;
	rd->regular = true;
	if (!name_len || http_token_len(name, name_len) != name_len) {
		flaw(rd, "a header field has no proper name");
		return 0;
	}
	if (holds_upper_case(name, name_len))
		flaw(rd, "a header name holds capital letters");
	http_trim(&value, &len);
	/* One place stays free for the host. */
	int r = http_headers_reserve(msg, &rd->cap, msg->n_headers + 2);
	if (r < 0)
		return r;
	_cleanup_free_ char *key = http_name_copy(name, name_len);
	_cleanup_free_ char *text = http_text_copy(value, len, &flawed);
	if (!key || !text)
		return -ENOMEM;
	if (flawed)
		flaw(rd, "a header value holds control bytes");
	msg->headers[msg->n_headers++] = (struct http_header){.name = TAKE_PTR(key), .value = TAKE_PTR(text)};
	return 0;
}

static int on_field(void *ctx, const uint8_t *name, size_t name_len, const uint8_t *value, size_t len)
{
	struct reader *rd = ctx;
	if (name_len && name[0] == ':')
		return pseudo_field(rd, name, name_len, value, len);
	return regular_field(rd, name, name_len, value, len);
}

/* --- the whole --------------------------------------------------------------------------- */

/* :authority as the first header. A receiver goes by it, and not by a host field (RFC 9113 section 8.3.1). */
static int put_host(struct reader *rd)
{
	struct http_message *msg = rd->msg;
	const char *host = http_message_header(msg, "host");
	if (!rd->authority || !*rd->authority || (host && strcmp(host, rd->authority) == 0))
		return 0;
	if (host)
		flaw(rd, "the host field is not what :authority says");
	int r = http_headers_reserve(msg, &rd->cap, msg->n_headers + 1);
	if (r < 0)
		return r;
	char *name = strdup("host");
	if (!name)
		return -ENOMEM;
	if (msg->n_headers)
		memmove(msg->headers + 1, msg->headers, msg->n_headers * sizeof(*msg->headers));
	msg->headers[0].name = name;
	msg->headers[0].value = TAKE_PTR(rd->authority);
	msg->n_headers++;
	return 0;
}

/* A request to CONNECT has no :path; what it asks for is the authority, as in HTTP/1. */
static int connect_target(struct reader *rd)
{
	struct http_message *msg = rd->msg;
	if (msg->target || !rd->authority || http_method_kind(msg) != HTTP_METHOD_CONNECT)
		return 0;
	msg->target = strdup(rd->authority);
	return msg->target ? 0 : -ENOMEM;
}

static void remark(struct reader *rd, const char *unknown, const char *absent)
{
	struct http_message *msg = rd->msg;
	if (!rd->facts.unknown)
		flaw(rd, absent);
	else if (!msg->problem)
		msg->problem = unknown;
}

#define NOT_SEEN " cannot be read: the compression table's part that it refers to was not seen"

static void check_complete(struct reader *rd)
{
	const struct http_message *msg = rd->msg;
	if (msg->role == HTTP_RESPONSE) {
		if (!rd->status)
			remark(rd, "the status" NOT_SEEN, "the response has no :status");
		return;
	}
	if (!msg->method && !msg->target)
		remark(rd, "method and target" NOT_SEEN, "the request has neither :method nor :path");
	else if (!msg->method)
		remark(rd, "the method" NOT_SEEN, "the request has no :method");
	else if (!msg->target)
		remark(rd, "the target" NOT_SEEN, "the request has no :path");
}

int http2_fields_read(struct http_message *msg, struct hpack *hpack, const uint8_t *data, size_t len,
		      bool cut, const struct hpack_limits *limits, struct http2_facts *ret_facts)
{
	struct reader rd = {.msg = msg};
	struct hpack_counts counts = {};
	int r = hpack_block(hpack, data, len, cut, limits, on_field, &rd, &counts);
	rd.facts.unknown = counts.unknown;
	rd.facts.over = counts.over;
	rd.facts.size = counts.size;
	msg->unknown_headers = counts.unknown;
	/* Without memory for these, the message is given without them. */
	int more = connect_target(&rd);
	if (more == 0)
		more = put_host(&rd);
	/* What is absent may be beyond the cut or the limit. */
	if (r == 0 && !cut && !counts.over)
		check_complete(&rd);
	free(rd.authority);
	*ret_facts = rd.facts;
	return r < 0 ? r : more;
}
