/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Messages as the http stage would give them; bodies end at a guard page. */

#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "openai/exchange.h"

#define FX_HEADERS 8

struct fx {
	struct http_message msg;
	struct http_header headers[FX_HEADERS];
};

#define _cleanup_fx_ _cleanup_(fx_done)

static inline void fx_done(struct fx *fx)
{
	if (fx->msg.body)
		guard_free(fx->msg.body, fx->msg.body_len);
	fx->msg.body = NULL;
}

static inline void fx_body(struct fx *fx, const void *body, size_t len)
{
	fx_done(fx);
	fx->msg.body = len ? guard_copy(body, len) : NULL;
	fx->msg.body_len = len;
	fx->msg.body_total = len;
}

static inline void fx_header(struct fx *fx, const char *name, const char *value)
{
	assert_true(fx->msg.n_headers < FX_HEADERS);
	fx->msg.headers = fx->headers;
	fx->headers[fx->msg.n_headers++] = (struct http_header){(char *)name, (char *)value};
}

static inline struct fx fx_request(const char *target, const char *body)
{
	struct fx fx = {.msg = {.role = HTTP_REQUEST,
				.method = (char *)"POST",
				.target = (char *)target,
				.first_ts_ns = 1,
				.last_ts_ns = 2}};
	fx_body(&fx, body, strlen(body));
	return fx;
}

static inline struct fx fx_response(int status, const char *type, const char *body)
{
	struct fx fx = {.msg = {.role = HTTP_RESPONSE,
				.status = status,
				.reads = 1,
				.first_ts_ns = 100,
				.last_ts_ns = 200}};
	fx_body(&fx, body, strlen(body));
	if (type) {
		/* fx is returned by value: fx_header() would leave a pointer to this copy. */
		fx.headers[0] = (struct http_header){(char *)"content-type", (char *)type};
		fx.msg.n_headers = 1;
	}
	return fx;
}

static inline struct openai_request *fx_read_request(struct fx *fx)
{
	struct openai_request *req = NULL;
	fx->msg.headers = fx->headers;
	assert_int_equal(openai_request_new(&req, &fx->msg), 0);
	assert_non_null(req);
	return req;
}

static inline struct openai_response *fx_read_response(struct fx *fx, const struct openai_request *req)
{
	struct openai_response *resp = NULL;
	fx->msg.headers = fx->headers;
	assert_int_equal(openai_response_new(&resp, req, &fx->msg), 0);
	assert_non_null(resp);
	return resp;
}

#define _cleanup_req_  _cleanup_(openai_request_free)
#define _cleanup_resp_ _cleanup_(openai_response_free)

/* The value, with its keys in this order, or NULL for none. */
#define assert_json(value, text) fx_assert_json(value, text, __FILE__, __LINE__)
static inline void fx_assert_json(const json_t *value, const char *text, const char *file, int line)
{
	_cleanup_free_ char *got = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (!text && !got)
		return;
	if (!text || !got || strcmp(got, text) != 0) {
		print_error("got      %s\nexpected %s\n", got ? got : "nothing", text ? text : "nothing");
		_fail(file, line);
	}
}

#define assert_text(value, text) fx_assert_text(value, text, __FILE__, __LINE__)
static inline void fx_assert_text(const char *value, const char *text, const char *file, int line)
{
	if (!value && !text)
		return;
	if (!value || !text || strcmp(value, text) != 0) {
		print_error("got      %s\nexpected %s\n", value ? value : "nothing", text ? text : "nothing");
		_fail(file, line);
	}
}

#define assert_says(problem, part) fx_assert_says(problem, part, __FILE__, __LINE__)
static inline void fx_assert_says(const char *problem, const char *part, const char *file, int line)
{
	if (!problem || !strstr(problem, part)) {
		print_error("problem  %s\nlacks    %s\n", problem ? problem : "nothing", part);
		_fail(file, line);
	}
}
