/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "sink/pretty.h"

/* A block is bounded by the terminal's width times a few lines; this is far more. */
#define MAX_BLOCK (1 << 20)

#define STALL_MS 1000

struct stdout_sink {
	struct sink sink;
	int fd;
	enum sink_format format;
	struct pretty_options options;
	struct buf out;	     /* the event being written, SINK_PRETTY only */
	char torn_id[37];    /* event of which a part went out before an error, or "" */
	size_t torn_written; /* how much of it */
};

/* -EAGAIN: nobody has read for STALL_MS. What polls writable takes PIPE_BUF bytes without blocking (pipe(7)),
 * so no write is longer than that but to a file, which never waits for a reader. */
static int write_some(int fd, const char *data, size_t len, size_t *ret_written)
{
	struct stat st;
	bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	struct pollfd writable = {.fd = fd, .events = POLLOUT};

	if (!is_file && len > PIPE_BUF)
		len = PIPE_BUF;
	for (;;) {
		int ready = poll(&writable, 1, STALL_MS);
		if (ready == 0)
			return -EAGAIN;
		if (ready < 0 && errno != EINTR)
			return -errno;
		ssize_t n = write(fd, data, len);
		if (n == 0)
			return -EIO;
		if (n > 0) {
			*ret_written = (size_t)n;
			return 0;
		}
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

/* Writes data from *offset on and moves *offset along, also when it fails. */
static int write_from(int fd, const char *data, size_t len, size_t *offset)
{
	while (*offset < len) {
		size_t n = 0;
		int r = write_some(fd, data + *offset, len - *offset, &n);
		if (r < 0)
			return r;
		*offset += n;
	}
	return 0;
}

static int write_event(struct stdout_sink *s, const struct event *event)
{
	const char *text = event->text;
	size_t len = event->len, offset = 0, newline = 0;

	if (s->format == SINK_PRETTY) {
		buf_reset(&s->out);
		int r = pretty_event(&s->out, event->text, event->len, &s->options);
		if (r < 0)
			return r;
		text = (const char *)s->out.data;
		len = s->out.len;
	}
	if (s->torn_id[0]) {
		if (strcmp(s->torn_id, event->event_id) == 0) {
			offset = MIN(s->torn_written, len);
		} else {
			int r = write_from(s->fd, "\n", 1, &newline);
			if (r < 0)
				return r;
			newline = 0;
		}
		s->torn_id[0] = '\0';
	}
	int r = write_from(s->fd, text, len, &offset);
	if (r == 0 && s->format == SINK_JSON)
		r = write_from(s->fd, "\n", 1, &newline);
	if (r < 0 && offset > 0) {
		memcpy(s->torn_id, event->event_id, sizeof(s->torn_id));
		s->torn_written = offset;
	}
	return r;
}

static int stdout_write(struct sink *sink, struct event *const *events, size_t n, size_t *ret_taken)
{
	struct stdout_sink *s = (struct stdout_sink *)sink;

	*ret_taken = 0;
	if (s->format == SINK_PRETTY)
		s->options.width = pretty_width(s->fd);
	for (size_t i = 0; i < n; i++) {
		int r = write_event(s, events[i]);
		if (r < 0)
			return r;
		*ret_taken = i + 1;
	}
	return 0;
}

static int stdout_flush(struct sink *sink)
{
	(void)sink;
	return 0;
}

static void stdout_free(struct sink **sink)
{
	if (!*sink)
		return;
	buf_done(&((struct stdout_sink *)*sink)->out);
	free(*sink);
	*sink = NULL;
}

static const struct sink_ops stdout_ops = {
	.name = "stdout", .write = stdout_write, .flush = stdout_flush, .free = stdout_free};

int sink_stdout_new(struct sink **ret_sink, int fd, enum sink_format format, int colour)
{
	struct stdout_sink *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->sink.ops = &stdout_ops;
	s->fd = fd;
	s->format = format;
	s->options.colour = colour;
	buf_init(&s->out, MAX_BLOCK);
	*ret_sink = &s->sink;
	return 0;
}
