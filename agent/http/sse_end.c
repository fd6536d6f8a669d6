/* SPDX-License-Identifier: Apache-2.0 */
#include "http/sse_end.h"

#include <string.h>

#include "base/macro.h"

/* Nothing of the answer comes after these. Events that may come more than once are not among them, and
 * neither is `error`: some servers say [DONE] after it. */
static const char *const last_events[] = {
	"response.completed",
	"response.failed",
	"response.incomplete",
	"response.cancelled",
	"speech.audio.done",
	"transcript.text.done",
	"done",
};

static bool is_last_event(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(last_events); i++)
		if (strlen(last_events[i]) == len && !memcmp(name, last_events[i], len))
			return true;
	return false;
}

/* The value of a field's line, or NULL if the line is not of that field. */
static const char *field_value(const struct sse_end *end, const char *name, size_t *ret_len)
{
	const char *line = end->line;
	size_t len = end->len, n = strlen(name);

	if (!end->not_first && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	if (len <= n || memcmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	n++;
	n += n < len && line[n] == ' ';
	*ret_len = len - n;
	return line + n;
}

static size_t skip_blanks(const char *p, size_t at, size_t len)
{
	while (at < len && (p[at] == ' ' || p[at] == '\t'))
		at++;
	return at;
}

static bool is_done(const struct sse_end *end)
{
	static const char done[] = "[DONE]";
	size_t len, n = sizeof(done) - 1;
	const char *value = field_value(end, "data", &len);

	if (!value || len < n || memcmp(value, done, n) != 0 || end->len == SSE_END_LINE)
		return false;
	return skip_blanks(value, n, len) == len;
}

/* {"type":"NAME" at the start of data, blanks anywhere between. */
static bool data_is_last(const char *value, size_t len)
{
	static const char *const tokens[] = {"{", "\"type\"", ":", "\""};
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		size_t n = strlen(tokens[i]);
		at = skip_blanks(value, at, len);
		if (len - at < n || memcmp(value + at, tokens[i], n) != 0)
			return false;
		at += n;
	}
	const char *quote = memchr(value + at, '"', len - at);
	return quote && is_last_event(value + at, (size_t)(quote - value) - at);
}

static void line_ended(struct sse_end *end)
{
	size_t len;
	const char *value;

	if (!end->len) {
		end->said |= end->is_last && end->has_data;
		end->is_last = end->has_data = false;
		end->not_first = true;
		return;
	}
	value = field_value(end, "event", &len);
	if (value)
		end->is_last = end->len < SSE_END_LINE && is_last_event(value, len);
	value = field_value(end, "data", &len);
	if (value) {
		end->is_last |= !end->has_data && data_is_last(value, len);
		end->has_data = true;
		end->said |= is_done(end);
	}
	end->not_first = true;
	end->len = 0;
}

void sse_end_feed(struct sse_end *end, const uint8_t *data, size_t len)
{
	const uint8_t *p = data, *stop = data + len;

	while (p < stop) {
		if (*p == '\n' && end->cr) {
			end->cr = false;
			p++;
			continue;
		}
		end->cr = *p == '\r';
		if (*p == '\r' || *p == '\n') {
			line_ended(end);
			p++;
			continue;
		}
		if (!end->len && *p != ':')
			end->said = false;
		const uint8_t *from = p;
		while (p < stop && *p != '\r' && *p != '\n')
			p++;
		size_t keep = MIN((size_t)(p - from), SSE_END_LINE - end->len);
		memcpy(end->line + end->len, from, keep);
		end->len += keep;
	}
}

bool sse_end_said(const struct sse_end *end)
{
	return end->said || is_done(end);
}
