/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A session and all that it gives. Every payload lies against a guard page. */

#include "fixture.h"

#include <openssl/evp.h>

#include "base/buf.h"
#include "guard.h"
#include "openai/session.h"

#define TALK_MAX 512

/* One request or response, as it was given. */
struct said {
	enum http_role role;
	struct http_message msg;
	struct openai_request req;   /* the members that are borrowed are copies */
	struct openai_response resp; /* the same */
};

struct talk {
	struct openai_session *session;
	uint64_t now_ns;
	struct said said[TALK_MAX];
	size_t n;
	bool keep; /* false: only counts */
	size_t n_requests, n_responses;
	uint64_t client_bytes, server_bytes; /* of all that was given */
	int r;				     /* of the calls; asserted to be 0 unless `may_fail` */
	bool may_fail;
};

static char *talk_copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static inline void talk_on_request(void *ctx, const struct http_message *msg,
				   const struct openai_request *req)
{
	struct talk *t = ctx;
	t->n_requests++;
	t->client_bytes += msg->body_total;
	if (!t->keep)
		return;
	assert_true(t->n < TALK_MAX);
	struct said *s = &t->said[t->n++];
	*s = (struct said){.role = HTTP_REQUEST, .msg = *msg, .req = *req};
	s->req.model = talk_copy(req->model);
	s->req.problem = talk_copy(req->problem);
	s->req.backend = talk_copy(req->backend);
	s->req.path = talk_copy(req->path);
	json_incref(req->input);
	json_incref(req->instructions);
	json_incref(req->tools);
	json_incref(req->parameters);
}

static inline void talk_on_response(void *ctx, const struct http_message *msg,
				    const struct openai_request *req, const struct openai_response *resp)
{
	struct talk *t = ctx;
	t->n_responses++;
	t->server_bytes += msg->body_total;
	assert_int_equal(msg->status, 101);
	assert_int_equal(resp->status, 101);
	assert_non_null(req);
	assert_null(req->input);
	assert_null(req->parameters);
	if (!t->keep)
		return;
	assert_true(t->n < TALK_MAX);
	struct said *s = &t->said[t->n++];
	*s = (struct said){.role = HTTP_RESPONSE, .msg = *msg, .resp = *resp};
	s->resp.model = talk_copy(resp->model);
	s->resp.response_id = talk_copy(resp->response_id);
	s->resp.problem = talk_copy(resp->problem);
	json_incref(resp->output);
	json_incref(resp->text);
	json_incref(resp->finish_reason);
	json_incref(resp->usage);
	json_incref(resp->error);
	json_incref(resp->extra);
}

static const struct openai_session_ops talk_ops = {.on_request = talk_on_request,
						   .on_response = talk_on_response};

static inline void talk_begin(struct talk *t, const char *path)
{
	const struct openai_request handshake = {.kind = OPENAI_REALTIME,
						 .operation = "connectRealtime",
						 .backend = (char *)"api.openai.com",
						 .path = (char *)path,
						 .model = (char *)"asked-model"};
	memset(t, 0, sizeof(*t));
	t->keep = true;
	t->now_ns = 1000;
	assert_int_equal(openai_session_new(&t->session, &handshake, path, 7, 3, &talk_ops, t), 0);
}

static inline void talk_message(struct talk *t, struct http_message *msg, const void *data, size_t len)
{
	uint8_t *body = len ? guard_copy(data, len) : NULL;
	msg->protocol = HTTP_WEBSOCKET;
	msg->conn_id = 7;
	msg->exchange = 3;
	if (!msg->opcode)
		msg->opcode = 1;
	msg->body = body;
	msg->body_len = len;
	if (!msg->body_total)
		msg->body_total = len;
	msg->wire_bytes = msg->body_total + 4;
	msg->first_ts_ns = t->now_ns += 10;
	msg->last_ts_ns = t->now_ns += 5;
	int r = openai_session_message(t->session, msg);
	if (len)
		guard_free(body, len);
	t->r = t->r < 0 ? t->r : r;
	if (!t->may_fail)
		assert_int_equal(r, 0);
}

static inline void talk_say(struct talk *t, enum http_role role, const char *text)
{
	struct http_message msg = {.role = role};
	talk_message(t, &msg, text, strlen(text));
}

#define client(t, text) talk_say(t, HTTP_REQUEST, text)
#define server(t, text) talk_say(t, HTTP_RESPONSE, text)

/* Each message counts once: in one request, one response, or as left out. */
static inline void talk_end(struct talk *t)
{
	struct openai_session_counts counts;
	int r = openai_session_end(t->session, t->now_ns += 100);
	t->r = t->r < 0 ? t->r : r;
	assert_int_equal(openai_session_end(t->session, t->now_ns += 100), 0);
	openai_session_counts(t->session, &counts);
	if (t->may_fail)
		return;
	assert_int_equal(r, 0);
	assert_int_equal(t->n_requests, t->n_responses);
	assert_int_equal(t->client_bytes + t->server_bytes + counts.left_out_bytes, counts.bytes);
}

static inline void said_done(struct said *s)
{
	free(s->req.model);
	free(s->req.problem);
	free(s->req.backend);
	free(s->req.path);
	json_decref(s->req.input);
	json_decref(s->req.instructions);
	json_decref(s->req.tools);
	json_decref(s->req.parameters);
	free(s->resp.model);
	free(s->resp.response_id);
	free(s->resp.problem);
	json_decref(s->resp.output);
	json_decref(s->resp.text);
	json_decref(s->resp.finish_reason);
	json_decref(s->resp.usage);
	json_decref(s->resp.error);
	json_decref(s->resp.extra);
}

static inline void talk_done(struct talk *t)
{
	for (size_t i = 0; i < t->n; i++)
		said_done(&t->said[i]);
	openai_session_free(&t->session);
}

#define _cleanup_talk_ _cleanup_(talk_done)

/* The n-th request or response, from 0. */
static inline const struct said *talk_said(const struct talk *t, enum http_role role, size_t n)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->said[i].role == role && n-- == 0)
			return &t->said[i];
	fail_msg("no such exchange");
	return NULL;
}

#define req_of(t, n)  (&talk_said(t, HTTP_REQUEST, n)->req)
#define resp_of(t, n) (&talk_said(t, HTTP_RESPONSE, n)->resp)
#define sent_of(t, n) (&talk_said(t, HTTP_REQUEST, n)->msg)
#define got_of(t, n)  (&talk_said(t, HTTP_RESPONSE, n)->msg)

/* base64 of n bytes that begin with `seed` and count up; the caller frees it. */
static inline char *audio_base64(uint8_t seed, size_t n)
{
	uint8_t *data = malloc(n + 1);
	char *text = malloc((n + 2) / 3 * 4 + 1);
	assert_true(data && text);
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(seed + i);
	EVP_EncodeBlock((unsigned char *)text, data, (int)n);
	free(data);
	return text;
}

/* Of texts concatenated. */
static inline void sha_of(char ret_hex[static SHA256_HEX_LEN], const char *const *texts, size_t n)
{
	struct sha256 *sha = NULL;
	uint8_t sum[SHA256_LEN];
	assert_int_equal(sha256_new(&sha), 0);
	for (size_t i = 0; i < n; i++)
		sha256_update(sha, texts[i], strlen(texts[i]));
	sha256_final(sha, sum);
	sha256_free(&sha);
	hex_encode(sum, SHA256_LEN, ret_hex);
}

/* {"bytes":n,"sha256":"..."} of the bytes that audio_base64() has; the caller frees it. */
static inline char *audio_sum(uint8_t seed, size_t n)
{
	struct sha256 *sha = NULL;
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX_LEN];
	char *text = NULL;
	assert_int_equal(sha256_new(&sha), 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)(seed + i);
		sha256_update(sha, &byte, 1);
	}
	sha256_final(sha, sum);
	sha256_free(&sha);
	hex_encode(sum, SHA256_LEN, hex);
	assert_true(asprintf(&text, "{\"bytes\":%zu,\"sha256\":\"%s\"}", n, hex) > 0);
	return text;
}

static inline void assert_body(const struct http_message *msg, const char *const *texts, size_t n)
{
	char want[SHA256_HEX_LEN], got[SHA256_HEX_LEN];
	size_t len = 0;
	for (size_t i = 0; i < n; i++)
		len += strlen(texts[i]);
	sha_of(want, texts, n);
	assert_int_equal(msg->body_total, len);
	assert_int_equal(msg->body_len, len);
	assert_null(msg->body);
	assert_true(msg->body_sha256_valid);
	hex_encode(msg->body_sha256, SHA256_LEN, got);
	assert_string_equal(got, want);
}
