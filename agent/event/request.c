/* SPDX-License-Identifier: Apache-2.0 */
#include "event/common.h"

#include "base/macro.h"
#include "event/secrets.h"

/* None of these carries a credential; what is not here is not given. */
static const char *const request_headers[] = {
	"accept",
	"accept-encoding",
	"aoai-evals",
	"azureml-model-deployment",
	"content-encoding",
	"content-length",
	"content-type",
	"expect",
	"extra-parameters",
	"host",
	"idempotency-key",
	"openai-beta",
	"openai-organization",
	"openai-project",
	"traceparent",
	"tracestate",
	"transfer-encoding",
	"upgrade",
	"user-agent",
	"x-client-request-id",
	"x-ms-client-request-id",
	"x-ms-oai-image-generation-deployment",
	"x-ms-useragent",
	"x-request-id",
	"x-stainless-*",
};

static void put_request(struct json_text *w, const struct event_context *ctx, const struct http_message *msg,
			const struct openai_request *req)
{
	event_put_operation(w, ctx, req);
	json_text_string(w, "model", req->model);
	json_text_bool(w, "stream", req->stream);
	event_put_who(w, ctx);
	json_text_int(w, "attempt", req->attempt);
	event_put_capture(w, ctx, msg, false, req->files && !req->body);

	json_text_string(w, "method", msg->method);
	event_put_path(w, req->path);
	event_put_headers(w, msg, request_headers, ARRAY_SIZE(request_headers));
	event_put_body(w, msg);
	json_text_value(w, "instructions", req->instructions);
	json_text_value(w, "messages", req->messages);
	json_text_value(w, "prompt", req->prompt);
	json_text_value(w, "input", req->input);
	json_text_value(w, "files", req->files);
	json_text_value(w, "tools", req->tools);
	json_text_value(w, "parameters", req->parameters);
	event_put_raw_body(w, req->body, req->body_base64);
	event_put_problem(w, msg, false, req->problem);
}

int event_build_request(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
			const struct http_message *msg, const struct openai_request *req)
{
	_cleanup_(event_abandon) struct event_maker m = {0};
	int r = event_start(&m, ctx, time_ns, "Request");
	if (r < 0)
		return r;
	/* Programs do put a key where it does not belong (a path, a field of the body, another header). */
	event_secrets_hide_headers(&m.json, msg);
	if (msg->protocol == HTTP_WEBSOCKET) /* its headers are those of the handshake, long gone */
		event_secrets_hide_kept(&m.json, ctx->secrets);
	put_request(&m.json, ctx, msg, req);
	return event_finish(&m, ret_event);
}
