/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Events for people at a terminal. Works on the JSON text of an event, whatever it holds: text from the
 * traffic is neutralised, so that no byte of it can move the cursor, change colours, or turn the reading
 * direction. Control characters (C0, DEL, C1), bidirectional controls, invisible formatting characters and
 * tag characters are shown as \x1b or \u{202e}, bytes that are not UTF-8 as \xff. Thread-safe; no I/O but
 * where said. */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"

struct pretty_options {
	bool colour;
	unsigned int width; /* columns of a line; 0: PRETTY_WIDTH */
};

#define PRETTY_WIDTH 100

/* Colours (SGR parameters) for pretty_paint(). */
#define PRETTY_BOLD   "1"
#define PRETTY_DIM    "2"
#define PRETTY_RED    "1;31"
#define PRETTY_GREEN  "32"
#define PRETTY_YELLOW "1;33"
#define PRETTY_CYAN   "36"

/* True if fd is a terminal, NO_COLOR is not set (or empty) and TERM is not "dumb". Asks the system. */
bool pretty_colour(int fd);

/* Columns of the terminal fd, at least 40; PRETTY_WIDTH if it is none. Asks the system. */
unsigned int pretty_width(int fd);

/* Appends a short block, each line ended by LF. text is borrowed. Text that is no JSON object becomes a line
 * that says so. 0; -ENOMEM; -E2BIG: out's ceiling. */
int pretty_event(struct buf *out, const char *text, size_t len, const struct pretty_options *options);

/* Appends text on one line: white space becomes one space, at most max columns (0: no limit), an ellipsis
 * marks a cut. Errors as above. */
int pretty_line(struct buf *out, const char *text, size_t len, unsigned int max);

/* Appends text with its line structure; every line begins with indent and ends with LF, the last one too. */
int pretty_lines(struct buf *out, const char *text, size_t len, const char *indent);

/* Cuts what out holds from start on (one line, no LF) to width columns; colours of pretty_paint() take none
 * and are ended. */
int pretty_limit(struct buf *out, size_t start, unsigned int width);

/* Appends a value as one line: strings as they are, other values as JSON. NULL: nothing. */
int pretty_value(struct buf *out, const json_t *value, unsigned int max);

/* Appends text between a colour and its end, or just text. Not neutralised: for our own words. */
int pretty_paint(struct buf *out, bool colour, const char *sgr, const char *text);

/* "850 ms", "1.2 s". */
int pretty_duration(struct buf *out, double ms);

/* "517 B", "3.2 KB", "1.4 MB": thousands. */
int pretty_bytes(struct buf *out, double bytes);

/* Who asked, from the event's identity object: "Jane Doe (entra, unverified)", "api-key 1a2b3c4d". */
int pretty_who(struct buf *out, const json_t *identity, unsigned int max);

/* Appends the raw text of a message's content (a string, or an array of parts; "[image_url]" for what is no
 * text), not neutralised, at most up to plain's ceiling, where it stops silently. 0; -ENOMEM. */
int pretty_content(struct buf *plain, const json_t *content);

/* The same for other parts of an event; any value, and none, will do. The question: what the user said last,
 * of messages, prompt or input. An item: one of choices or of output, with its tool calls. Of data and of a
 * file what they are: "[2 embeddings, 1536 dimensions]", "[file: a.wav, audio/wav, 34.1 KB]". */
int pretty_question(struct buf *plain, const json_t *event);
int pretty_item(struct buf *plain, const json_t *item);
int pretty_data(struct buf *plain, const json_t *data);
int pretty_file(struct buf *plain, const json_t *file);

/* json_object_get() that gives NULL for values of another type. */
const json_t *pretty_get(const json_t *object, const char *key, json_type type);

/* A number of any kind, or fallback. */
double pretty_number(const json_t *object, const char *key, double fallback);
