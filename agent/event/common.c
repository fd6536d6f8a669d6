/* SPDX-License-Identifier: Apache-2.0 */
#include "event/common.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/uuid.h"

#define SCHEMA "oaitap/1"

/* Not a limit of ours: what comes in is bounded already. */
#define TEXT_MAX (SIZE_MAX / 4)

#define PROBLEM_MAX	 4096
#define PROBLEM_PART_MAX 1024

void event_free(struct event **event)
{
	if (!*event)
		return;
	free((*event)->text);
	free(*event);
	*event = NULL;
}

void event_put_time(struct json_text *w, const char *key, uint64_t real_ns)
{
	char text[CLOCK_RFC3339_LEN];
	clock_format_rfc3339(real_ns, text);
	json_text_string(w, key, text);
}

int event_start(struct event_maker *m, const struct event_context *ctx, uint64_t time_ns, const char *type)
{
	json_text_init(&m->json, TEXT_MAX);
	m->event = calloc(1, sizeof(*m->event));
	if (!m->event)
		return -ENOMEM;
	int r = uuid_v7(time_ns, m->event->event_id);
	if (r < 0)
		return r;
	snprintf(m->event->message_id, sizeof(m->event->message_id), "%s", ctx->message_id);
	m->event->type = type;
	m->event->time_ns = time_ns;

	json_text_open(&m->json, NULL, '{');
	json_text_string(&m->json, "schema", SCHEMA);
	json_text_string(&m->json, "event-type", type);
	json_text_string(&m->json, "event-id", m->event->event_id);
	event_put_time(&m->json, "event-time", time_ns);
	json_text_string(&m->json, "message-id", m->event->message_id);
	return 0;
}

int event_finish(struct event_maker *m, struct event **ret_event)
{
	json_text_close(&m->json, '}');
	if (m->json.error)
		return -ENOMEM;
	m->event->len = m->json.out.len;
	m->event->text = buf_take_str(&m->json.out);
	if (!m->event->text)
		return -ENOMEM;
	*ret_event = TAKE_PTR(m->event);
	return 0;
}

void event_abandon(struct event_maker *m)
{
	event_free(&m->event);
	json_text_done(&m->json);
}

/* Host names compare without case; the request's comes in lower case, the server name as the client spelled
 * it. */
static void put_lower(struct json_text *w, const char *key, const char *name)
{
	char lower[256] = "";
	size_t len = 0;
	if (!name || !*name)
		return;
	for (; len < sizeof(lower) && name[len]; len++)
		lower[len] = (char)tolower((unsigned char)name[len]);
	json_text_stringn(w, key, lower, len);
}

void event_put_operation(struct json_text *w, const struct event_context *ctx,
			 const struct openai_request *req)
{
	if (req && req->backend)
		json_text_string(w, "backend", req->backend);
	else if (ctx->connection)
		put_lower(w, "backend", ctx->connection->sni);
	json_text_string(w, "operation", req ? req->operation : "Unknown");
	if (req) {
		json_text_string(w, "api-version", req->api_version);
		json_text_string(w, "deployment-id", req->deployment_id);
	}
}

static void put_identity(struct json_text *w, const struct identity_caller *caller, const json_t *claimed)
{
	static const struct identity_caller nobody;
	const struct identity_caller *c = caller ? caller : &nobody;

	json_text_open(w, "identity", '{');
	json_text_string(w, "kind", identity_kind_name(c->kind));
	json_text_string(w, "tenant-id", c->tenant_id);
	json_text_string(w, "object-id", c->object_id);
	json_text_string(w, "app-id", c->app_id);
	json_text_string(w, "principal-type", c->principal_type);
	json_text_string(w, "resource-id", c->resource_id);
	json_text_string(w, "name", c->name);
	json_text_value(w, "roles", c->roles);
	json_text_value(w, "scopes", c->scopes);
	json_text_value(w, "groups", c->groups);
	json_text_string(w, "token-id", c->token_id);
	json_text_string(w, "issuer", c->issuer);
	json_text_string(w, "audience", c->audience);
	if (c->expires > 0 && (uint64_t)c->expires <= UINT64_MAX / NSEC_PER_SEC)
		event_put_time(w, "expires", (uint64_t)c->expires * NSEC_PER_SEC);
	json_text_string(w, "verification", c->verification);
	json_text_string(w, "verification-problem", c->verification_problem);
	json_text_string(w, "key-fingerprint", c->key_fingerprint);
	json_text_string(w, "key-name", c->key_name);
	json_text_value(w, "key-labels", c->key_labels);
	json_text_string(w, "problem", c->problem);
	json_text_value(w, "claimed", claimed);
	json_text_close(w, '}');
}

static void put_connection(struct json_text *w, const struct event_connection *c)
{
	char id[24];
	if (!c)
		return;
	/* A string: readers that hold numbers as doubles would round a 64-bit id. */
	snprintf(id, sizeof(id), "%llu", (unsigned long long)c->id);
	json_text_open(w, "connection", '{');
	json_text_string(w, "id", id);
	json_text_string(w, "local", c->local);
	json_text_string(w, "remote", c->remote);
	json_text_string(w, "sni", c->sni);
	json_text_string(w, "role", c->role);
	json_text_string(w, "protocol", c->protocol);
	json_text_string(w, "tls-library", c->tls_library);
	if (c->stream_id)
		json_text_uint(w, "stream-id", c->stream_id);
	json_text_close(w, '}');
}

void event_put_who(struct json_text *w, const struct event_context *ctx)
{
	put_identity(w, ctx->caller, ctx->claimed);
	event_put_place(w, ctx);
	put_connection(w, ctx->connection);
}

void event_put_path(struct json_text *w, const char *path)
{
	if (!path)
		return;
	const char *scheme = strstr(path, "://");
	if (*path != '/' && scheme) {
		path = scheme + 3;
		path += strcspn(path, "/?#");
	} else if (*path != '/' && strchr(path, '@')) {
		path = strrchr(path, '@') + 1;
	}
	json_text_stringn(w, "path", path, strcspn(path, "?#"));
}

/* What a "*" stands for: of characters that come out as they are, so that two names never become one key. */
static bool plain_rest(const char *rest)
{
	return rest[strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == 0;
}

static bool listed(const char *name, const char *const *names, size_t n_names)
{
	for (size_t i = 0; i < n_names; i++) {
		size_t len = strlen(names[i]) - 1;
		if (names[i][len] != '*' && strcmp(name, names[i]) == 0)
			return true;
		if (names[i][len] == '*' && strncmp(name, names[i], len) == 0)
			return plain_rest(name + len);
	}
	return false;
}

static bool seen_before(const struct http_message *msg, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(msg->headers[i].name, msg->headers[at].name) == 0)
			return true;
	return false;
}

static void put_joined(struct json_text *w, const struct http_message *msg, size_t first)
{
	const char *name = msg->headers[first].name;
	struct buf joined;
	buf_init(&joined, TEXT_MAX);
	int r = buf_append_str(&joined, msg->headers[first].value);
	for (size_t i = first + 1; i < msg->n_headers && r == 0; i++) {
		if (strcmp(msg->headers[i].name, name) != 0)
			continue;
		r = buf_append_str(&joined, ", ");
		if (r == 0)
			r = buf_append_str(&joined, msg->headers[i].value);
	}
	if (r == 0)
		json_text_stringn(w, name, joined.data ? (const char *)joined.data : "", joined.len);
	else
		w->error = r;
	buf_done(&joined);
}

void event_put_headers(struct json_text *w, const struct http_message *msg, const char *const *names,
		       size_t n_names)
{
	json_text_open(w, "headers", '{');
	for (size_t i = 0; i < msg->n_headers && !w->error; i++)
		if (listed(msg->headers[i].name, names, n_names) && !seen_before(msg, i))
			put_joined(w, msg, i);
	json_text_close(w, '}');
}

static bool sha256_text(const struct http_message *msg, char ret_text[static SHA256_HEX_LEN])
{
	if (!msg->body_sha256_valid)
		return false;
	hex_encode(msg->body_sha256, SHA256_LEN, ret_text);
	return true;
}

void event_put_body(struct json_text *w, const struct http_message *msg)
{
	char sum[SHA256_HEX_LEN];
	json_text_uint(w, "body-bytes", msg->body_total);
	if (msg->decoded)
		json_text_uint(w, "coded-bytes", msg->coded_total);
	if (sha256_text(msg, sum))
		json_text_string(w, "body-sha256", sum);
	json_text_string(w, "content-type", http_message_header(msg, "content-type"));
}

void event_put_raw_body(struct json_text *w, const json_t *body, bool base64)
{
	json_text_value(w, base64 ? "body-base64" : "body", body);
}

static bool ended_whole(const struct http_message *msg, bool whole)
{
	return msg->end == HTTP_END_COMPLETE || (whole && msg->end == HTTP_END_CLOSED);
}

static const char *gap_name(enum gap_reason reason)
{
	switch (reason) {
	case GAP_RING_FULL:
		return "ring-full";
	case GAP_LIMIT:
		return "call-limit";
	case GAP_SKIPPED:
		return "skipped";
	case GAP_SENDFILE:
		return "sendfile";
	case GAP_FAULT:
		return "fault";
	case GAP_NONE:
	case GAP_LOST:
		break;
	}
	return "lost";
}

static const char *end_name(const struct http_message *msg)
{
	switch (msg->end) {
	case HTTP_END_CLOSED:
		return "closed";
	case HTTP_END_MALFORMED:
		return "malformed";
	case HTTP_END_LIMIT:
		return "limit";
	case HTTP_END_UNSEEN:
		return "unseen";
	case HTTP_END_GAP:
	case HTTP_END_COMPLETE:
		break;
	}
	return gap_name(msg->missing_reason);
}

/* NULL: nothing is missing. The first cause counts: what was not captured explains an odd end, not the
 * reverse. */
static const char *incomplete_reason(const struct http_message *msg, bool whole, bool cut)
{
	if (msg->missing_bytes)
		return gap_name(msg->missing_reason);
	if (!ended_whole(msg, whole))
		return end_name(msg);
	if (cut)
		return "max-body";
	return msg->unknown_headers ? "unknown-headers" : NULL;
}

/* A text that could not be searched went as a whole, by the limit of which rule. */
static void put_redacted(struct json_text *w, const struct redact_report *r)
{
	if (!r->n_hits && !r->overflow)
		return;
	json_text_open(w, "redacted", '[');
	for (size_t i = 0; i < r->n_hits; i++) {
		json_text_open(w, NULL, '{');
		json_text_string(w, "path", r->hits[i].path);
		json_text_string(w, "rule", r->hits[i].rule);
		json_text_uint(w, "count", r->hits[i].count);
		if (r->hits[i].withheld)
			json_text_bool(w, "withheld", true);
		json_text_close(w, '}');
	}
	if (r->overflow) {
		json_text_open(w, NULL, '{');
		json_text_string(w, "path", "");
		json_text_string(w, "rule", "more");
		json_text_uint(w, "count", r->overflow);
		json_text_close(w, '}');
	}
	json_text_close(w, ']');
}

static void put_policy(struct json_text *w, const struct policy_report *p)
{
	json_text_string(w, "rule", p->rule);
	if (p->has_sample)
		json_text_bool(w, "sampled", p->sampled);
	if (p->n_withheld) {
		json_text_open(w, "withheld", '[');
		for (size_t i = 0; i < p->n_withheld; i++) {
			json_text_open(w, NULL, '{');
			json_text_string(w, "path", p->withheld[i].path);
			json_text_string(w, "how", p->withheld[i].how);
			json_text_string(w, "why", p->withheld[i].why);
			json_text_close(w, '}');
		}
		json_text_close(w, ']');
	}
	put_redacted(w, &p->redacted);
}

void event_put_capture(struct json_text *w, const struct event_context *ctx, const struct http_message *msg,
		       bool whole, bool as_files)
{
	bool cut = !as_files && msg->body_total > msg->body_len;
	const char *reason = incomplete_reason(msg, whole, cut);
	char sum[SHA256_HEX_LEN];

	json_text_open(w, "capture", '{');
	json_text_bool(w, "complete", !reason);
	json_text_uint(w, "missing-bytes", msg->missing_bytes);
	json_text_string(w, "reason", reason);
	if (cut) {
		json_text_open(w, "truncated", '[');
		json_text_open(w, NULL, '{');
		json_text_string(w, "path", "/body");
		json_text_uint(w, "bytes", msg->body_total - msg->body_len);
		if (sha256_text(msg, sum))
			json_text_string(w, "sha256", sum);
		json_text_close(w, '}');
		json_text_close(w, ']');
	}
	if (ctx->policy)
		put_policy(w, ctx->policy);
	json_text_close(w, '}');
}

static const char *end_problem(const struct http_message *msg, bool whole)
{
	if (ended_whole(msg, whole))
		return NULL;
	switch (msg->end) {
	case HTTP_END_CLOSED:
		return "the connection ended before the message did";
	case HTTP_END_GAP:
		return "bytes were not captured and the message could not be followed past them";
	case HTTP_END_MALFORMED:
		return msg->problem ? NULL : "the message is not HTTP from some point on";
	case HTTP_END_LIMIT:
		return msg->problem ? NULL : "a limit of the parser was reached";
	case HTTP_END_UNSEEN:
		return "no byte of the message was captured";
	case HTTP_END_COMPLETE:
		break;
	}
	return NULL;
}

/* Parts joined by "; ", none twice. What does not fit is left out: the events hold facts enough without it.
 */
static int add_problem(struct buf *problem, const char *text)
{
	if (!text || !*text || (problem->len && strstr((const char *)problem->data, text)))
		return 0;
	int r = problem->len ? buf_append_str(problem, "; ") : 0;
	if (r == 0)
		r = buf_append(problem, text, strnlen(text, PROBLEM_PART_MAX));
	return r == -E2BIG ? 0 : r;
}

void event_put_problem(struct json_text *w, const struct http_message *msg, bool whole,
		       const char *body_problem)
{
	const char *parts[] = {
		msg->problem,
		end_problem(msg, whole),
		msg->unknown_headers
			? "header fields are missing: they refer to a part of the compression table "
			  "that was not captured"
			: NULL,
		body_problem,
		w->replaced ? "text that is not UTF-8 is given with U+FFFD in place of the bad bytes" : NULL,
		w->flattened ? "values nested too deep are given as JSON text" : NULL,
		w->hidden ? "the request's credential was repeated outside its header and is not given"
			  : NULL,
	};
	struct buf problem;
	buf_init(&problem, PROBLEM_MAX);
	int r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
		r = add_problem(&problem, parts[i]);
	if (r < 0)
		w->error = r;
	else if (problem.len)
		json_text_stringn(w, "problem", (const char *)problem.data, problem.len);
	buf_done(&problem);
}
