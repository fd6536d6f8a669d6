/* SPDX-License-Identifier: Apache-2.0 */
#include "event/common.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "event/secrets.h"

static const char *const response_headers[] = {
	"apim-request-id",	  "azureml-model-session",
	"content-encoding",	  "content-length",
	"content-type",		  "date",
	"openai-model",		  "openai-organization",
	"openai-processing-ms",	  "openai-project",
	"openai-version",	  "retry-after",
	"retry-after-ms",	  "server",
	"transfer-encoding",	  "x-envoy-upstream-service-time",
	"x-ms-client-request-id", "x-ms-deployment-name",
	"x-ms-rai-invoked",	  "x-ms-region",
	"x-ms-request-id",	  "x-ms-spillover-from-deployment",
	"x-ratelimit-*",	  "x-request-id",
	"x-should-retry",
};

/* Milliseconds with microsecond precision; nothing unless both ends are known and in order. */
static void put_span(struct json_text *w, const char *key, uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns && to_ns >= from_ns)
		json_text_real(w, key, (double)((to_ns - from_ns) / 1000) / 1000.0);
}

static void put_timing(struct json_text *w, const struct http_message *msg,
		       const struct openai_response *resp, uint64_t request_ns)
{
	json_text_open(w, "timing", '{');
	put_span(w, "time-to-first-byte-ms", request_ns, msg->first_ts_ns);
	put_span(w, "time-to-first-token-ms", request_ns, resp->first_token_ts_ns);
	put_span(w, "duration-ms", request_ns, msg->last_ts_ns);
	json_text_uint(w, "chunks", resp->chunks);
	json_text_close(w, '}');
}

static void put_tokens(struct json_text *w, const char *key, int64_t tokens)
{
	if (tokens >= 0)
		json_text_int(w, key, tokens);
}

static void put_usage(struct json_text *w, const struct openai_response *resp)
{
	put_tokens(w, "prompt_tokens", resp->prompt_tokens);
	put_tokens(w, "completion_tokens", resp->completion_tokens);
	put_tokens(w, "total_tokens", resp->total_tokens);
	put_tokens(w, "cached_tokens", resp->cached_tokens);
	put_tokens(w, "reasoning_tokens", resp->reasoning_tokens);
	put_tokens(w, "prompt_audio_tokens", resp->prompt_audio_tokens);
	put_tokens(w, "completion_audio_tokens", resp->completion_audio_tokens);
	json_text_value(w, "usage", resp->usage);
	json_text_string(w, "usage-source",
			 resp->usage_source == OPENAI_USAGE_REPORTED ? "reported" : "none");
	if (resp->model_ms >= 0 && isfinite(resp->model_ms))
		json_text_real(w, "modeltime", resp->model_ms);
}

static void put_answer(struct json_text *w, const struct openai_response *resp)
{
	json_text_string(w, "response-id", resp->response_id);
	json_text_value(w, "choices", resp->choices);
	json_text_value(w, "output", resp->output);
	json_text_value(w, "data", resp->data);
	json_text_value(w, "text", resp->text);
	json_text_value(w, "files", resp->files);
	json_text_value(w, "finish-reason", resp->finish_reason);
	put_usage(w, resp);
	json_text_value(w, "content-filter", resp->content_filter);
	json_text_value(w, "error", resp->error);
	json_text_value(w, "response", resp->extra);
	event_put_raw_body(w, resp->body, resp->body_base64);
	json_text_string(w, "outcome", openai_outcome_name(resp->outcome));
}

static void put_response(struct json_text *w, const struct event_context *ctx, const struct http_message *msg,
			 const struct openai_request *req, const struct openai_response *resp,
			 uint64_t request_ns)
{
	event_put_operation(w, ctx, req);
	json_text_string(w, "model", resp->model);
	json_text_bool(w, "stream", req ? req->stream : http_message_is_type(msg, "text/event-stream"));
	event_put_who(w, ctx);
	if (req)
		json_text_int(w, "attempt", req->attempt);
	event_put_capture(w, ctx, msg, resp->whole, resp->files && !resp->body);

	/* An operation without a name is told by its path. */
	if (req && strcmp(req->operation, "Unknown") == 0)
		event_put_path(w, req->path);
	if (resp->status > 0)
		json_text_int(w, "status", resp->status);
	event_put_headers(w, msg, response_headers, ARRAY_SIZE(response_headers));
	event_put_body(w, msg);
	put_answer(w, resp);
	put_timing(w, msg, resp, request_ns);
	event_put_problem(w, msg, resp->whole, resp->problem);
}

int event_build_response(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
			 const struct http_message *msg, const struct openai_request *req,
			 const struct openai_response *resp, uint64_t request_first_ts_ns)
{
	_cleanup_(event_abandon) struct event_maker m = {0};
	int r = event_start(&m, ctx, time_ns, "Response");
	if (r < 0)
		return r;
	/* Servers repeat the key that they were given. */
	event_secrets_hide_kept(&m.json, ctx->secrets);
	put_response(&m.json, ctx, msg, req, resp, request_first_ts_ns);
	return event_finish(&m, ret_event);
}
