/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Streams read without a response around them. Bodies and expected values are written with ' for ". */

#include "fixture.h"

#include <time.h>

#include "base/buf.h"
#include "openai/stream.h"

/* An event as the API sends it, and one without its `event:` line. */
#define EVENT(type, rest) "event: " type "\ndata: {'type':'" type "'" rest "}\n\n"
#define DATA(json)	  "data: " json "\n\n"
#define DONE		  "data: [DONE]\n\n"

struct sx {
	struct fx fx;
	struct openai_stream stream;
	struct openai_notes notes;
};

#define _cleanup_sx_ _cleanup_(sx_done)

static inline void sx_done(struct sx *sx)
{
	openai_stream_done(&sx->stream);
	openai_notes_done(&sx->notes);
	fx_done(&sx->fx);
}

static inline char *sx_quotes(const char *text)
{
	char *copy = strdup(text);
	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static inline void sx_run(struct sx *sx, enum openai_kind kind)
{
	openai_stream_done(&sx->stream);
	openai_notes_done(&sx->notes);
	openai_notes_init(&sx->notes);
	sx->fx.msg.headers = sx->fx.headers;
	assert_int_equal(openai_stream_read(&sx->stream, &sx->fx.msg, kind, &sx->notes), 0);
}

static inline struct sx sx_read(enum openai_kind kind, const char *body)
{
	_cleanup_free_ char *text = sx_quotes(body);
	struct sx sx = {.fx = fx_response(200, "text/event-stream", text)};
	sx_run(&sx, kind);
	return sx;
}

static inline struct sx sx_read_buf(enum openai_kind kind, struct buf *body)
{
	struct sx sx = {.fx = fx_response(200, "text/event-stream", "")};
	assert_int_equal(buf_append(body, "", 1), 0);
	_cleanup_free_ char *text = sx_quotes((const char *)body->data);
	fx_body(&sx.fx, text, strlen(text));
	buf_done(body);
	sx_run(&sx, kind);
	return sx;
}

static inline const char *sx_problem(const struct sx *sx)
{
	return sx->notes.text.len ? (const char *)sx->notes.text.data : NULL;
}

#define assert_answer(sx, text)	  sx_assert_json((sx).stream.answer, text, __FILE__, __LINE__)
#define assert_value(value, text) sx_assert_json(value, text, __FILE__, __LINE__)
static inline void sx_assert_json(const json_t *value, const char *text, const char *file, int line)
{
	_cleanup_free_ char *want = text ? sx_quotes(text) : NULL;
	fx_assert_json(value, want, file, line);
}

/* The member at the path: keys and numbers, with / between them. */
static inline json_t *sx_at(const struct sx *sx, const char *path)
{
	json_t *value = sx->stream.answer;
	char copy[128], *rest = copy;
	snprintf(copy, sizeof(copy), "%s", path);
	for (char *step = strsep(&rest, "/"); step; step = strsep(&rest, "/"))
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(step))
					     : json_object_get(value, step);
	return value;
}

/* Cuts the body at every byte: the text at the path only grows and is always the beginning of the whole. The
 * stream is done only if all of it but the last two line ends is there. */
static inline void sx_check_prefixes(enum openai_kind kind, const char *body, const char *path,
				     const char *want)
{
	_cleanup_free_ char *text = sx_quotes(body);
	size_t longest = 0;
	for (size_t len = 0; len <= strlen(text); len++) {
		_cleanup_sx_ struct sx sx = {.fx = fx_response(200, "text/event-stream", "")};
		fx_body(&sx.fx, text, len);
		sx.fx.msg.end = HTTP_END_CLOSED;
		sx_run(&sx, kind);
		const json_t *value = sx_at(&sx, path);
		size_t got = json_string_length(value);
		assert_true(got >= longest && got <= strlen(want));
		if (got)
			assert_memory_equal(json_string_value(value), want, got);
		longest = got;
		assert_int_equal(sx.stream.done, len >= strlen(text) - 2);
		if (sx.stream.answer && !sx.stream.done)
			assert_non_null(sx_problem(&sx));
	}
	assert_int_equal(longest, strlen(want));
}

/* Where the first token is: each event comes at a time of its own. The answer is the event's number, from 1.
 */
static inline uint64_t sx_first_token(enum openai_kind kind, const char *body)
{
	_cleanup_sx_ struct sx sx = sx_read(kind, body);
	struct http_mark marks[64];
	size_t n = 0;
	const char *p = body;
	while (p && *p) {
		assert_true(n < ARRAY_SIZE(marks));
		marks[n] = (struct http_mark){(uint64_t)(p - body), n + 1};
		n++;
		p = strstr(p, "\n\n");
		p = p ? p + 2 : NULL;
	}
	sx.fx.msg.marks = marks;
	sx.fx.msg.n_marks = n;
	sx_run(&sx, kind);
	sx.fx.msg.marks = NULL;
	return sx.stream.first_token_ts_ns;
}

static inline double sx_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Generous for a loaded machine and sanitizers; anything quadratic takes minutes. */
#define SPEED_LIMIT_S 30
