/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/page.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "sink/pretty.h"

#define INDENT	    "      "
#define MAX_CONTENT (64 << 20)

/* The first error sticks, so that a caller checks once, at the end. */
struct page {
	struct buf *out;
	bool colour;
	int r;
};

static void put(struct page *p, const char *text)
{
	if (p->r == 0)
		p->r = buf_append_str(p->out, text);
}

static void paint(struct page *p, const char *sgr, const char *text)
{
	if (p->r == 0)
		p->r = pretty_paint(p->out, p->colour, sgr, text);
}

static void put_value(struct page *p, const char *before, const json_t *value)
{
	if (!value || json_is_null(value))
		return;
	put(p, before);
	if (p->r == 0)
		p->r = pretty_value(p->out, value, 0);
}

static void label(struct page *p, const char *name)
{
	char padded[32];
	snprintf(padded, sizeof(padded), "  %-12s ", name);
	paint(p, PRETTY_DIM, padded);
}

static void heading(struct page *p, const char *name, size_t count)
{
	char text[64];
	if (count)
		snprintf(text, sizeof(text), "%s (%zu)", name, count);
	else
		snprintf(text, sizeof(text), "%s", name);
	put(p, "\n");
	paint(p, PRETTY_BOLD, text);
	put(p, "\n");
}

/* A whole line if there is such a value. */
static void line(struct page *p, const char *name, const json_t *value)
{
	if (!value || json_is_null(value))
		return;
	label(p, name);
	put_value(p, "", value);
	put(p, "\n");
}

static void put_block(struct page *p, const char *text, size_t len)
{
	if (p->r == 0)
		p->r = pretty_lines(p->out, text, len, INDENT);
}

static void put_content(struct page *p, const json_t *content)
{
	struct buf text;
	if (!content || json_is_null(content))
		return;
	buf_init(&text, MAX_CONTENT);
	if (p->r == 0)
		p->r = pretty_content(&text, content);
	if (text.len)
		put_block(p, (const char *)text.data, text.len);
	buf_done(&text);
}

/* Any value, indented JSON unless it is a string. */
static void put_json(struct page *p, const json_t *value)
{
	if (!value || json_is_null(value))
		return;
	if (json_is_string(value)) {
		put_block(p, json_string_value(value), json_string_length(value));
		return;
	}
	_cleanup_free_ char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
	if (text)
		put_block(p, text, strlen(text));
	else if (p->r == 0)
		p->r = -ENOMEM;
}

static void put_calls(struct page *p, const json_t *message)
{
	size_t i;
	const json_t *call;
	json_array_foreach (pretty_get(message, "tool_calls", JSON_ARRAY), i, call) {
		const json_t *function = json_object_get(call, "function");
		put(p, INDENT);
		paint(p, PRETTY_CYAN, "calls ");
		put_value(p, "", json_object_get(function, "name"));
		put_value(p, "  id ", json_object_get(call, "id"));
		put(p, "\n");
		put_json(p, json_object_get(function, "arguments"));
	}
}

static void put_who(struct page *p, const json_t *event)
{
	static const char *const details[][2] = {
		{"tenant-id", ", tenant "}, {"object-id", ", object "},	   {"app-id", ", app "},
		{"principal-type", ", "},   {"key-fingerprint", ", key "}, {"audience", ", for "},
		{"token-id", ", token "},   {"problem", "; problem: "},
	};
	const json_t *identity = pretty_get(event, "identity", JSON_OBJECT);
	label(p, "Who");
	if (p->r == 0)
		p->r = pretty_who(p->out, identity, 0);
	for (size_t i = 0; i < ARRAY_SIZE(details); i++)
		put_value(p, details[i][1], json_object_get(identity, details[i][0]));
	put(p, "\n");
}

static void put_process(struct page *p, const json_t *event)
{
	const json_t *process = pretty_get(event, "process", JSON_OBJECT);
	const json_t *host = pretty_get(event, "host", JSON_OBJECT);
	if (process) {
		label(p, "Process");
		put_value(p, "", json_object_get(process, "comm"));
		put_value(p, "  pid ", json_object_get(process, "pid"));
		put_value(p, "  user ", json_object_get(process, "user"));
		put_value(p, "  uid ", json_object_get(process, "uid"));
		put_value(p, "  ", json_object_get(process, "exe"));
		put_value(p, "  unit ", json_object_get(process, "unit"));
		put(p, "\n");
	}
	line(p, "Host", json_object_get(host, "name"));
}

static void put_connection(struct page *p, const json_t *event)
{
	const json_t *connection = pretty_get(event, "connection", JSON_OBJECT);
	if (!connection)
		return;
	label(p, "Connection");
	put_value(p, "", json_object_get(connection, "protocol"));
	put_value(p, "  from ", json_object_get(connection, "local"));
	put_value(p, "  to ", json_object_get(connection, "remote"));
	put_value(p, "  server name ", json_object_get(connection, "sni"));
	put_value(p, "  through ", json_object_get(connection, "tls-library"));
	put(p, "\n");
}

static bool is_type(const json_t *event, const char *type)
{
	const json_t *is = pretty_get(event, "event-type", JSON_STRING);
	return is && strcmp(json_string_value(is), type) == 0;
}

static void put_top(struct page *p, const json_t *event)
{
	bool blind = is_type(event, "Blind");
	paint(p, PRETTY_BOLD, blind ? "Blind" : "Exchange");
	put_value(p, " ", json_object_get(event, "message-id"));
	put(p, "\n");
	if (!blind)
		put_who(p, event);
	put_process(p, event);
	put_connection(p, event);
	label(p, "Operation");
	put_value(p, "", json_object_get(event, "operation"));
	put_value(p, "  model ", json_object_get(event, "model"));
	put_value(p, "  deployment ", json_object_get(event, "deployment-id"));
	put_value(p, "  at ", json_object_get(event, "backend"));
	put_value(p, "  api-version ", json_object_get(event, "api-version"));
	if (json_is_true(json_object_get(event, "stream")))
		put(p, "  stream");
	if (pretty_number(event, "attempt", 0) > 0)
		put_value(p, "  retry ", json_object_get(event, "attempt"));
	put(p, "\n");
}

static void put_capture(struct page *p, const json_t *event)
{
	const json_t *capture = pretty_get(event, "capture", JSON_OBJECT);
	const json_t *complete = json_object_get(capture, "complete");

	label(p, "Capture");
	if (json_is_true(complete)) {
		put(p, "complete");
	} else {
		paint(p, PRETTY_YELLOW, json_is_false(complete) ? "!! INCOMPLETE" : "not said");
		put_value(p, ": ", json_object_get(capture, "reason"));
		if (pretty_number(capture, "missing-bytes", 0) > 0)
			put_value(p, ", missing bytes ", json_object_get(capture, "missing-bytes"));
	}
	put_value(p, "  body bytes ", json_object_get(event, "body-bytes"));
	put_value(p, "  sha256 ", json_object_get(event, "body-sha256"));
	put(p, "\n");
	line(p, "Problem", json_object_get(event, "problem"));
}

/* What the policy did to this event. */
static void put_kept(struct page *p, const json_t *event)
{
	const json_t *capture = pretty_get(event, "capture", JSON_OBJECT), *item;
	size_t i;

	line(p, "Rule", json_object_get(capture, "rule"));
	if (json_is_false(json_object_get(capture, "sampled"))) {
		label(p, "Sampled");
		put(p, "no, the content is not kept\n");
	}
	json_array_foreach (pretty_get(capture, "withheld", JSON_ARRAY), i, item) {
		label(p, "Withheld");
		put_value(p, "", json_object_get(item, "path"));
		put_value(p, " ", json_object_get(item, "how"));
		put_value(p, ", by ", json_object_get(item, "why"));
		put(p, "\n");
	}
	json_array_foreach (pretty_get(capture, "redacted", JSON_ARRAY), i, item) {
		label(p, json_is_true(json_object_get(item, "withheld")) ? "Withheld" : "Redacted");
		put_value(p, "", json_object_get(item, "path"));
		put_value(p, " ", json_object_get(item, "rule"));
		put_value(p, " ", json_object_get(item, "count"));
		put(p, "\n");
	}
}

static void put_message(struct page *p, size_t i, const json_t *message)
{
	char number[32];
	snprintf(number, sizeof(number), "  [%zu] ", i + 1);
	put(p, number);
	const json_t *role = pretty_get(message, "role", JSON_STRING);
	if (p->colour && role)
		put(p, "\033[" PRETTY_CYAN "m");
	put_value(p, "", role);
	if (p->colour && role)
		put(p, "\033[0m");
	put_value(p, " ", json_object_get(message, "name"));
	put_value(p, "  answers ", json_object_get(message, "tool_call_id"));
	put(p, "\n");
	if (json_is_object(message))
		put_content(p, json_object_get(message, "content"));
	else
		put_json(p, message);
	put_calls(p, message);
}

/* In a few words what a value is (sink/pretty.h). */
static void put_words(struct page *p, const json_t *value,
		      int (*words)(struct buf *plain, const json_t *value))
{
	struct buf text;
	buf_init(&text, MAX_CONTENT);
	if (p->r == 0)
		p->r = words(&text, value);
	if (text.len)
		put_block(p, (const char *)text.data, text.len);
	buf_done(&text);
}

static void put_name(struct page *p, const char *name)
{
	put(p, "  ");
	put(p, name);
	put(p, "\n");
}

static void put_files(struct page *p, const json_t *event)
{
	const json_t *files = pretty_get(event, "files", JSON_ARRAY), *file;
	size_t i;

	if (json_array_size(files))
		put_name(p, "files");
	json_array_foreach (files, i, file)
		put_words(p, file, pretty_file);
}

/* Any of these members that there are, with their names. */
static void put_payloads(struct page *p, const json_t *event, const char *const *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++) {
		const json_t *payload = json_object_get(event, names[i]);
		if (!payload)
			continue;
		put_name(p, names[i]);
		put_json(p, payload);
	}
}

/* One item of a response's input or output. */
static void put_item(struct page *p, size_t i, const json_t *item)
{
	if (json_object_get(item, "role")) {
		put_message(p, i, item);
		return;
	}
	char number[32];
	snprintf(number, sizeof(number), "  [%zu]", i + 1);
	put(p, number);
	put_value(p, " ", json_object_get(item, "type"));
	put_value(p, "  ", json_object_get(item, "name"));
	put_value(p, "  answers ", json_object_get(item, "call_id"));
	put(p, "\n");
	const json_t *arguments = pretty_get(item, "arguments", JSON_STRING);
	if (!arguments)
		arguments = pretty_get(item, "output", JSON_STRING);
	put_json(p, arguments ? arguments : item);
}

static void put_items(struct page *p, const json_t *event, const char *name)
{
	const json_t *items = json_object_get(event, name), *item;
	size_t i;

	if (!json_is_object(json_array_get(items, 0))) {
		put_payloads(p, event, &name, 1);
		return;
	}
	put_name(p, name);
	json_array_foreach (items, i, item)
		put_item(p, i, item);
}

static void put_tools(struct page *p, const json_t *tools)
{
	size_t i;
	const json_t *tool;
	json_array_foreach (tools, i, tool) {
		const json_t *function = json_object_get(tool, "function");
		if (!function)
			function = tool;
		put(p, "  - ");
		put_value(p, "", json_object_get(function, "name"));
		if (!json_object_get(function, "name"))
			put_value(p, "", json_object_get(function, "type"));
		put_value(p, ": ", json_object_get(function, "description"));
		put(p, "\n");
		const json_t *parameters = json_object_get(function, "parameters");
		if (parameters) {
			put_value(p, INDENT, parameters);
			put(p, "\n");
		}
	}
}

static void put_request(struct page *p, const json_t *event)
{
	static const char *const said[] = {"instructions", "prompt"}, *const bodies[] = {"body",
											 "body-base64"};
	const json_t *messages = pretty_get(event, "messages", JSON_ARRAY);
	const json_t *tools = pretty_get(event, "tools", JSON_ARRAY), *message;
	size_t i;

	heading(p, "Asked", json_array_size(messages));
	line(p, "Time", json_object_get(event, "event-time"));
	label(p, "Request");
	put_value(p, "", json_object_get(event, "method"));
	put_value(p, " ", json_object_get(event, "path"));
	put(p, "\n");
	put_capture(p, event);
	put_kept(p, event);
	const json_t *parameters = pretty_get(event, "parameters", JSON_OBJECT);
	line(p, "Parameters", json_object_size(parameters) ? parameters : NULL);
	json_array_foreach (messages, i, message) {
		put_message(p, i, message);
	}
	put_payloads(p, event, said, ARRAY_SIZE(said));
	put_items(p, event, "input");
	put_files(p, event);
	put_payloads(p, event, bodies, ARRAY_SIZE(bodies));
	if (json_array_size(tools) == 0)
		return;
	heading(p, "Tools", json_array_size(tools));
	put_tools(p, tools);
}

static void put_choice(struct page *p, const json_t *choice)
{
	const json_t *message = pretty_get(choice, "message", JSON_OBJECT);
	put(p, "  choice");
	put_value(p, " ", json_object_get(choice, "index"));
	put_value(p, "  ", json_object_get(message, "role"));
	put_value(p, "  finish ", json_object_get(choice, "finish_reason"));
	put(p, "\n");
	put_content(p, json_object_get(message ? message : choice, message ? "content" : "text"));
	const json_t *refusal = pretty_get(message, "refusal", JSON_STRING);
	if (refusal) {
		put(p, INDENT);
		paint(p, PRETTY_RED, "refuses");
		put(p, "\n");
		put_content(p, refusal);
	}
	put_calls(p, message);
}

static void duration(struct page *p, const char *before, double ms)
{
	if (ms < 0)
		return;
	put(p, before);
	if (p->r == 0)
		p->r = pretty_duration(p->out, ms);
}

static void put_numbers(struct page *p, const json_t *event)
{
	const json_t *timing = pretty_get(event, "timing", JSON_OBJECT);

	label(p, "Tokens");
	if (!json_is_number(json_object_get(event, "prompt_tokens")) &&
	    !json_is_number(json_object_get(event, "total_tokens")))
		put(p, "not said");
	put_value(p, "", json_object_get(event, "prompt_tokens"));
	put(p, json_object_get(event, "prompt_tokens") ? " prompt" : "");
	put_value(p, " + ", json_object_get(event, "completion_tokens"));
	put(p, json_object_get(event, "completion_tokens") ? " completion" : "");
	put_value(p, " = ", json_object_get(event, "total_tokens"));
	put_value(p, "  cached ", json_object_get(event, "cached_tokens"));
	put_value(p, "  reasoning ", json_object_get(event, "reasoning_tokens"));
	put_value(p, "  ", json_object_get(event, "usage-source"));
	put(p, "\n");

	label(p, "Timing");
	duration(p, "total ", pretty_number(timing, "duration-ms", -1));
	duration(p, "  first byte ", pretty_number(timing, "time-to-first-byte-ms", -1));
	duration(p, "  first token ", pretty_number(timing, "time-to-first-token-ms", -1));
	put_value(p, "  chunks ", json_object_get(timing, "chunks"));
	duration(p, "  model ", pretty_number(event, "modeltime", -1));
	put(p, "\n");
}

/* Vectors and images say nothing to a reader; the items of a list do. */
static void put_data(struct page *p, const json_t *event)
{
	const json_t *data = json_object_get(event, "data"), *first = json_array_get(data, 0);

	if (!data)
		return;
	put_name(p, "data");
	put_words(p, data, pretty_data);
	if (!json_object_get(first, "embedding") && !json_object_get(first, "b64_json"))
		put_json(p, data);
}

static void put_response(struct page *p, const json_t *event)
{
	static const char *const payloads[] = {"text", "body", "body-base64"}, *const others[] = {"response"};
	const json_t *choices = pretty_get(event, "choices", JSON_ARRAY), *choice;
	const json_t *outcome = pretty_get(event, "outcome", JSON_STRING);
	bool ok = outcome && strcmp(json_string_value(outcome), "ok") == 0;
	size_t i;

	heading(p, "Answer", json_array_size(choices));
	line(p, "Time", json_object_get(event, "event-time"));
	label(p, "Outcome");
	if (p->colour)
		put(p, ok ? "\033[" PRETTY_GREEN "m" : "\033[" PRETTY_RED "m");
	put_value(p, "", json_object_get(event, "status"));
	put_value(p, " ", outcome);
	if (p->colour)
		put(p, "\033[0m");
	put_value(p, "  finish ", json_object_get(event, "finish-reason"));
	put_value(p, "  model ", json_object_get(event, "model"));
	put_value(p, "  id ", json_object_get(event, "response-id"));
	put(p, "\n");
	put_numbers(p, event);
	put_capture(p, event);
	put_kept(p, event);
	line(p, "Error", json_object_get(event, "error"));
	line(p, "Filter", json_object_get(event, "content-filter"));
	json_array_foreach (choices, i, choice) {
		put_choice(p, choice);
	}
	put_items(p, event, "output");
	put_data(p, event);
	put_payloads(p, event, payloads, ARRAY_SIZE(payloads));
	put_files(p, event);
	if (!json_array_size(choices) && !json_object_get(event, "output"))
		put_payloads(p, event, others, ARRAY_SIZE(others));
}

static void bytes(struct page *p, const json_t *event, const char *key, const char *direction)
{
	const json_t *value = pretty_get(event, key, JSON_INTEGER);
	if (!value)
		return;
	if (p->r == 0)
		p->r = pretty_bytes(p->out, json_number_value(value));
	put(p, direction);
}

static void put_blind(struct page *p, const json_t *event)
{
	heading(p, "Could not be read", 0);
	line(p, "Time", json_object_get(event, "event-time"));
	line(p, "Why", json_object_get(event, "reason"));
	line(p, "Library", json_object_get(event, "library"));
	label(p, "Bytes");
	bytes(p, event, "bytes-written", " out, ");
	bytes(p, event, "bytes-read", " in");
	put(p, ", encrypted\n");
	line(p, "Connections", json_object_get(event, "connections"));
}

static void put_policy(struct page *p, const json_t *event)
{
	heading(p, "Not as the policy wants it", 0);
	line(p, "Time", json_object_get(event, "event-time"));
	line(p, "Rule", json_object_get(event, "rule"));
	line(p, "Action", json_object_get(event, "action"));
	line(p, "Why", json_object_get(event, "reason"));
}

int page_event(struct buf *out, const char *text, size_t len, bool first, bool colour)
{
	_cleanup_(json_decrefp) json_t *event = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	struct page page = {.out = out, .colour = colour};

	if (!json_is_object(event))
		return -EBADMSG;
	if (first)
		put_top(&page, event);
	if (is_type(event, "Request")) {
		put_request(&page, event);
	} else if (is_type(event, "Response")) {
		put_response(&page, event);
	} else if (is_type(event, "Blind")) {
		put_blind(&page, event);
	} else if (is_type(event, "Policy")) {
		put_policy(&page, event);
	} else {
		heading(&page, "Event", 0);
		put_json(&page, event);
	}
	return page.r;
}
