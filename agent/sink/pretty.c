/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/pretty.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

/* A preview needs no more of a message, however wide the terminal. */
#define MAX_PREVIEW 4096
#define MAX_ITEMS   4 /* choices, files */
#define INDENT	    "    "

/* One line under construction; the first error sticks, so that a caller checks once, at its end. */
struct block {
	struct buf *out;
	const struct pretty_options *options;
	unsigned int width;
	size_t line; /* where the current line begins in out */
	int r;
};

const json_t *pretty_get(const json_t *object, const char *key, json_type type)
{
	const json_t *value = json_object_get(object, key);
	return value && json_typeof(value) == type ? value : NULL;
}

double pretty_number(const json_t *object, const char *key, double fallback)
{
	const json_t *value = json_object_get(object, key);
	return json_is_number(value) ? json_number_value(value) : fallback;
}

static const json_t *text_of(const json_t *object, const char *key)
{
	return pretty_get(object, key, JSON_STRING);
}

static bool is_type(const json_t *event, const char *type)
{
	const json_t *is = text_of(event, "event-type");
	return is && strcmp(json_string_value(is), type) == 0;
}

static void put(struct block *b, const char *text)
{
	if (b->r == 0)
		b->r = buf_append_str(b->out, text);
}

static void paint(struct block *b, const char *sgr, const char *text)
{
	if (b->r == 0)
		b->r = pretty_paint(b->out, b->options->colour, sgr, text);
}

static void paint_value(struct block *b, const char *sgr, const json_t *value, unsigned int max)
{
	if (b->options->colour)
		put(b, "\033["), put(b, sgr), put(b, "m");
	if (b->r == 0)
		b->r = pretty_value(b->out, value, max);
	if (b->options->colour)
		put(b, "\033[0m");
}

static void put_value(struct block *b, const char *before, const json_t *value, unsigned int max)
{
	if (!value)
		return;
	put(b, before);
	if (b->r == 0)
		b->r = pretty_value(b->out, value, max);
}

static void end_line(struct block *b)
{
	if (b->r == 0)
		b->r = pretty_limit(b->out, b->line, b->width);
	put(b, "\n");
	b->line = b->out->len;
}

/* "hmac-sha256:1a2b3c4d..." to "1a2b3c4d". */
static int put_fingerprint(struct buf *out, const json_t *fingerprint)
{
	const char *text = json_string_value(fingerprint), *colon = strchr(text, ':');
	const char *hex = colon ? colon + 1 : text;
	return pretty_line(out, hex, strnlen(hex, 8), 0);
}

int pretty_who(struct buf *out, const json_t *identity, unsigned int max)
{
	static const char *const names[] = {"name", "app-id", "object-id"};
	const json_t *kind = text_of(identity, "kind"), *verification = text_of(identity, "verification");
	const json_t *fingerprint = text_of(identity, "key-fingerprint"), *name = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !name; i++)
		name = text_of(identity, names[i]);
	if (name) {
		r = pretty_value(out, name, max);
		if (r == 0)
			r = buf_append_str(out, " (");
		if (r == 0)
			r = pretty_value(out, kind, 20);
		if (r == 0 && verification)
			r = buf_append_str(out, kind ? ", " : "");
		if (r == 0)
			r = pretty_value(out, verification, 20);
		return r < 0 ? r : buf_append_str(out, ")");
	}
	if (!kind || strcmp(json_string_value(kind), "none") == 0)
		return buf_append_str(out, "no credentials");
	r = pretty_value(out, kind, 20);
	if (r == 0 && fingerprint)
		r = buf_append_str(out, " ");
	return r == 0 && fingerprint ? put_fingerprint(out, fingerprint) : r;
}

/* "2026-11-23T15:04:05.123456Z" to "2026-11-23 15:04:05.123Z"; anything else is shown as it is. */
static void put_time(struct block *b, const json_t *time)
{
	const char *text = json_string_value(time);
	char shown[32];
	if (!text || strlen(text) != 27 || strspn(text, "0123456789-:.TZ") != 27 || text[10] != 'T') {
		put_value(b, "", time, 30);
		return;
	}
	snprintf(shown, sizeof(shown), "%.10s %.12sZ", text, text + 11);
	put(b, shown);
}

static void put_process(struct block *b, const json_t *process)
{
	const json_t *pid = pretty_get(process, "pid", JSON_INTEGER), *comm = text_of(process, "comm");
	const json_t *user = text_of(process, "user");
	if (!comm)
		put(b, "?");
	put_value(b, "", comm, 20);
	put_value(b, "[", pid, 12);
	put(b, pid ? "] " : " ");
	if (!user)
		user = pretty_get(process, "uid", JSON_INTEGER);
	put_value(b, "", user, 24);
}

/* "shop/chat-0" of a pod, "in webapp" of a container, else the service or whatever its reports are under, if
 * that says more than the process's name. */
static void put_place(struct block *b, const json_t *event)
{
	const json_t *k8s = pretty_get(event, "k8s", JSON_OBJECT), *pod = text_of(k8s, "pod");
	const json_t *container = pretty_get(event, "container", JSON_OBJECT);
	const json_t *comm = text_of(pretty_get(event, "process", JSON_OBJECT), "comm");
	const json_t *app = text_of(event, "app");

	if (pod) {
		put(b, " ");
		put_value(b, "", text_of(k8s, "namespace"), 32);
		put_value(b, "/", pod, 48);
	} else if (container) {
		const json_t *name = text_of(container, "name"), *id = text_of(container, "id");
		put_value(b, " in ", name ? name : id, name ? 48 : 12);
	} else if (app && (!comm || strcmp(json_string_value(app), json_string_value(comm)) != 0)) {
		put_value(b, " ", app, 48);
	}
}

/* The time and 12 random bits of the message id: enough for `oaitap show`. */
#define SHORT_ID 18

static void put_head(struct block *b, const json_t *event, const char *arrow, const char *sgr)
{
	const json_t *id = text_of(event, "message-id");
	const json_t *identity = pretty_get(event, "identity", JSON_OBJECT);

	put_time(b, text_of(event, "event-time"));
	put(b, " ");
	paint(b, sgr, arrow);
	put(b, " ");
	if (id && json_string_length(id) >= SHORT_ID && b->r == 0) {
		_cleanup_(json_decrefp) json_t *shown = json_stringn_nocheck(json_string_value(id), SHORT_ID);
		paint_value(b, PRETTY_DIM, shown, SHORT_ID);
		put(b, " ");
	}
	put_process(b, pretty_get(event, "process", JSON_OBJECT));
	put_place(b, event);
	/* Of what could not be read nobody knows the credentials. */
	if (!is_type(event, "Blind")) {
		put(b, "  ");
		if (b->r == 0)
			b->r = pretty_who(b->out, identity, 32);
	}
	end_line(b);
}

/* One indented line of text from the traffic. */
static void put_text(struct block *b, const char *mark, const char *sgr, const char *text, size_t len)
{
	unsigned int used = (unsigned int)(strlen(INDENT) + strlen(mark));
	if (len == 0)
		return;
	put(b, INDENT);
	paint(b, sgr, mark);
	if (b->r == 0)
		b->r = pretty_line(b->out, text, len, b->width > used ? b->width - used : 1);
	end_line(b);
}

static void put_buf(struct block *b, const char *mark, const char *sgr, const struct buf *text)
{
	if (text->data)
		put_text(b, mark, sgr, (const char *)text->data, text->len);
}

/* A member that is text, or JSON of a shape that is not known here. */
static void put_body(struct block *b, const json_t *event, const char *key, const char *mark, const char *sgr)
{
	const json_t *body = json_object_get(event, key);
	if (!body || json_is_null(body))
		return;
	put(b, INDENT);
	paint(b, sgr, mark);
	if (b->r == 0)
		b->r = pretty_value(b->out, body, b->width);
	end_line(b);
}

static bool is_unknown(const json_t *event)
{
	const json_t *operation = text_of(event, "operation");
	return operation && strcmp(json_string_value(operation), "Unknown") == 0;
}

static void put_target(struct block *b, const json_t *event)
{
	const json_t *method = text_of(event, "method"), *path = text_of(event, "path");
	if (!method || !path)
		return;
	put(b, INDENT);
	paint(b, PRETTY_CYAN, "> ");
	put_value(b, "", method, 12);
	put_value(b, " ", path, b->width);
	end_line(b);
}

static void put_operation(struct block *b, const json_t *event)
{
	const json_t *operation = text_of(event, "operation"), *deployment = text_of(event, "deployment-id");
	const json_t *model = text_of(event, "model");

	put(b, INDENT);
	paint_value(b, PRETTY_BOLD, operation, 40);
	if (is_unknown(event)) {
		put_value(b, " ", text_of(event, "method"), 12);
		put_value(b, " ", text_of(event, "path"), 60);
	}
	put_value(b, "  ", model ? model : deployment, 40);
	put_value(b, " at ", text_of(event, "backend"), 60);
	if (json_is_true(json_object_get(event, "stream")))
		put(b, "  stream");
	if (pretty_number(event, "attempt", 0) > 0)
		put_value(b, "  retry ", json_object_get(event, "attempt"), 8);
	end_line(b);
}

static void put_incomplete(struct block *b, const json_t *event)
{
	const json_t *capture = pretty_get(event, "capture", JSON_OBJECT);
	if (!json_is_false(json_object_get(capture, "complete")))
		return;
	put(b, INDENT);
	paint(b, PRETTY_YELLOW, "!! INCOMPLETE CAPTURE");
	put_value(b, ": ", text_of(capture, "reason"), 80);
	if (pretty_number(capture, "missing-bytes", 0) > 0) {
		put_value(b, ", ", json_object_get(capture, "missing-bytes"), 20);
		put(b, " bytes missing");
	}
	end_line(b);
}

/* What the policy did to the text that is shown. */
static void put_kept(struct block *b, const json_t *event)
{
	const json_t *capture = pretty_get(event, "capture", JSON_OBJECT), *item;
	const json_t *why = NULL;
	double redacted = 0;
	size_t i;

	json_array_foreach (pretty_get(capture, "redacted", JSON_ARRAY), i, item)
		redacted += pretty_number(item, "count", 0);
	json_array_foreach (pretty_get(capture, "withheld", JSON_ARRAY), i, item)
		why = why ? why : text_of(item, "why");
	if (!why && redacted <= 0)
		return;
	put(b, INDENT);
	paint(b, PRETTY_DIM, "kept");
	put_value(b, ": not all, by ", why, 20);
	if (redacted > 0 && b->r == 0)
		b->r = buf_appendf(b->out, "%s %.0f redacted", why ? "," : ":", redacted);
	end_line(b);
}

static void put_problem(struct block *b, const json_t *event)
{
	const json_t *problem = text_of(event, "problem");
	if (!problem)
		return;
	put(b, INDENT);
	paint(b, PRETTY_YELLOW, "problem");
	put_value(b, ": ", problem, b->width);
	end_line(b);
}

/* Something that is not text in the events: what it is, in a few words. */
static void put_words(struct block *b, const char *mark, const char *sgr, const json_t *value,
		      int (*words)(struct buf *plain, const json_t *value))
{
	struct buf text;
	buf_init(&text, MAX_PREVIEW);
	if (b->r == 0)
		b->r = words(&text, value);
	put_buf(b, mark, sgr, &text);
	buf_done(&text);
}

static void put_files(struct block *b, const json_t *event, const char *mark, const char *sgr)
{
	size_t i;
	const json_t *file;
	json_array_foreach (pretty_get(event, "files", JSON_ARRAY), i, file) {
		if (i == MAX_ITEMS)
			break;
		put_words(b, mark, sgr, file, pretty_file);
	}
}

static void put_request(struct block *b, const json_t *event)
{
	put_head(b, event, "\xe2\x86\x92", PRETTY_CYAN);
	put_operation(b, event);
	size_t start = b->out->len;
	put_words(b, "> ", PRETTY_CYAN, event, pretty_question);
	put_files(b, event, "> ", PRETTY_CYAN);
	put_body(b, event, "body", "> ", PRETTY_CYAN);
	if (b->out->len == start)
		put_body(b, event, "parameters", "> ", PRETTY_CYAN);
	if (b->out->len == start && !is_unknown(event))
		put_target(b, event);
}

static void put_answers(struct block *b, const json_t *event)
{
	static const char *const keys[] = {"choices", "output"};
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		size_t i;
		const json_t *item;
		json_array_foreach (pretty_get(event, keys[k], JSON_ARRAY), i, item) {
			if (i == MAX_ITEMS) {
				put(b, INDENT "< (more with oaitap show)");
				end_line(b);
				break;
			}
			put_words(b, "< ", PRETTY_GREEN, item, pretty_item);
		}
	}
	put_words(b, "< ", PRETTY_GREEN, json_object_get(event, "text"), pretty_content);
	put_words(b, "< ", PRETTY_GREEN, json_object_get(event, "data"), pretty_data);
	put_files(b, event, "< ", PRETTY_GREEN);
}

static void put_tokens(struct block *b, const json_t *event)
{
	const json_t *in = pretty_get(event, "prompt_tokens", JSON_INTEGER);
	const json_t *out = pretty_get(event, "completion_tokens", JSON_INTEGER);
	put_value(b, "  ", in, 20);
	put(b, in ? " in" : "");
	put_value(b, in ? " + " : "  ", out, 20);
	put(b, out ? " out" : "");
	put(b, in || out ? " tokens" : "");
}

static void put_timing(struct block *b, const json_t *event)
{
	const json_t *timing = pretty_get(event, "timing", JSON_OBJECT);
	double duration = pretty_number(timing, "duration-ms", -1);
	double first = pretty_number(timing, "time-to-first-token-ms", -1);
	if (duration >= 0) {
		put(b, "  ");
		if (b->r == 0)
			b->r = pretty_duration(b->out, duration);
	}
	if (first >= 0) {
		put(b, duration >= 0 ? ", first token " : "  first token ");
		if (b->r == 0)
			b->r = pretty_duration(b->out, first);
	}
}

static void put_finish(struct block *b, const json_t *event)
{
	size_t i;
	const json_t *reason;
	json_array_foreach (pretty_get(event, "finish-reason", JSON_ARRAY), i, reason) {
		if (i == 4)
			break;
		put_value(b, i ? ", " : "  ", reason, 24);
	}
}

static void put_error(struct block *b, const json_t *event)
{
	const json_t *error = pretty_get(event, "error", JSON_OBJECT);
	const json_t *code = json_object_get(error, "code"), *message = text_of(error, "message");
	if (!error)
		return;
	put(b, INDENT);
	paint(b, PRETTY_RED, "error");
	if (code && !json_is_null(code))
		put_value(b, " ", code, 40);
	put_value(b, ": ", message, b->width > 20 ? b->width - 20 : 20);
	end_line(b);
}

static void put_response(struct block *b, const json_t *event)
{
	const json_t *status = pretty_get(event, "status", JSON_INTEGER),
		     *outcome = text_of(event, "outcome");
	bool ok = outcome && strcmp(json_string_value(outcome), "ok") == 0;

	put_head(b, event, "\xe2\x86\x90", ok ? PRETTY_GREEN : PRETTY_RED);
	put(b, INDENT);
	paint_value(b, ok ? PRETTY_GREEN : PRETTY_RED, status, 8);
	if (outcome) {
		put(b, status ? " " : "");
		paint_value(b, ok ? PRETTY_GREEN : PRETTY_RED, outcome, 24);
	}
	put_value(b, "  ", text_of(event, "model"), 40);
	put_tokens(b, event);
	put_timing(b, event);
	put_finish(b, event);
	end_line(b);
	put_error(b, event);
	size_t start = b->out->len;
	put_answers(b, event);
	put_body(b, event, "body", "< ", PRETTY_GREEN);
	if (b->out->len == start && !json_object_get(event, "error"))
		put_body(b, event, "response", "< ", PRETTY_GREEN);
}

static void put_bytes(struct block *b, const json_t *event, const char *key, const char *direction)
{
	const json_t *bytes = pretty_get(event, key, JSON_INTEGER);
	if (!bytes)
		return;
	put(b, ", ");
	if (b->r == 0)
		b->r = pretty_bytes(b->out, json_number_value(bytes));
	put(b, direction);
}

/* The reason last: it is the one that a narrow terminal may cut. */
static void put_blind(struct block *b, const json_t *event)
{
	put_head(b, event, "!", PRETTY_YELLOW);
	put(b, INDENT);
	paint(b, PRETTY_YELLOW, "blind");
	put_value(b, " -> ", text_of(event, "backend"), 60);
	put_bytes(b, event, "bytes-written", " out");
	put_bytes(b, event, "bytes-read", " in");
	if (pretty_number(event, "connections", 1) > 1) {
		put_value(b, ", ", json_object_get(event, "connections"), 20);
		put(b, " connections");
	}
	put_value(b, ": ", text_of(event, "reason"), b->width);
	end_line(b);
}

/* Beside the events of its exchange, so it says only what they do not. */
static void put_policy(struct block *b, const json_t *event)
{
	put_head(b, event, "!", PRETTY_RED);
	put(b, INDENT);
	paint(b, PRETTY_RED, "policy");
	put_value(b, " ", text_of(event, "action"), 16);
	put_value(b, ", rule ", text_of(event, "rule"), 40);
	put_value(b, ": ", text_of(event, "reason"), b->width);
	end_line(b);
}

static void put_other(struct block *b, const json_t *event)
{
	put_head(b, event, "!", PRETTY_YELLOW);
	put(b, INDENT);
	paint_value(b, PRETTY_BOLD, json_object_get(event, "event-type"), 40);
	put_value(b, "  ", text_of(event, "reason"), 60);
	end_line(b);
}

int pretty_event(struct buf *out, const char *text, size_t len, const struct pretty_options *options)
{
	_cleanup_(json_decrefp) json_t *event = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	unsigned int width = options->width ? options->width : PRETTY_WIDTH;
	struct block b = {.out = out, .options = options, .width = width, .line = out->len};

	if (!json_is_object(event))
		return buf_appendf(out, "(an event of %zu bytes that is not a JSON object)\n", len);
	if (is_type(event, "Request"))
		put_request(&b, event);
	else if (is_type(event, "Response"))
		put_response(&b, event);
	else if (is_type(event, "Blind"))
		put_blind(&b, event);
	else if (is_type(event, "Policy"))
		put_policy(&b, event);
	else
		put_other(&b, event);
	put_kept(&b, event);
	put_problem(&b, event);
	put_incomplete(&b, event);
	return b.r;
}
