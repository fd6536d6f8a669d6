/* SPDX-License-Identifier: Apache-2.0 */
#include "http/message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void free_head(const struct http_message *m)
{
	for (size_t i = 0; i < m->n_headers; i++) {
		free(m->headers[i].name);
		free(m->headers[i].value);
	}
	free(m->method);
	free(m->target);
}

void http_message_free(struct http_message **msg)
{
	struct http_message *m = *msg;
	if (!m)
		return;
	if (!m->head_text)
		free_head(m);
	free(m->head_text);
	free(m->headers);
	for (size_t i = 0; i < m->n_parts; i++) {
		free(m->parts[i].name);
		free(m->parts[i].filename);
		free(m->parts[i].content_type);
		free(m->parts[i].data);
	}
	free(m->parts);
	free(m->body);
	free(m->marks);
	free(m);
	*msg = NULL;
}

const char *http_message_header(const struct http_message *msg, const char *name)
{
	for (size_t i = 0; i < msg->n_headers; i++)
		if (strcmp(msg->headers[i].name, name) == 0)
			return msg->headers[i].value;
	return NULL;
}

bool http_message_is_type(const struct http_message *msg, const char *type)
{
	const char *value = http_message_header(msg, "content-type");
	if (!value)
		return false;
	size_t len = strcspn(value, "; \t");
	return len == strlen(type) && strncasecmp(value, type, len) == 0;
}

uint64_t http_message_time_at(const struct http_message *msg, uint64_t body_offset)
{
	size_t low = 0, high = msg->n_marks; /* the first mark past the offset lies in [low, high] */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (msg->marks[mid].body_offset <= body_offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? msg->marks[low - 1].ts_ns : msg->last_ts_ns;
}
