/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/policy_internal.h"

#define HEADERS_MAX 128

/* An event taken apart into what the policy stage works on. All borrowed from the event. */
struct parts {
	bool is_answer;
	struct http_message msg;
	struct http_header headers[HEADERS_MAX];
	struct openai_request req;
	struct openai_response resp;
	struct identity_caller caller;
	struct policy_facts facts;
	uint32_t uid;
	const char *message_id;
};

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The structs have no const, but nothing here is changed or freed. */
static char *borrow(const json_t *object, const char *key)
{
	return (char *)(uintptr_t)text_of(object, key);
}

/* --- from an event ------------------------------------------------------------------- */

static enum identity_kind kind_of(const char *name)
{
	for (int i = IDENTITY_NONE; name && i <= IDENTITY_BEARER; i++)
		if (strcmp(identity_kind_name((enum identity_kind)i), name) == 0)
			return (enum identity_kind)i;
	return IDENTITY_NONE;
}

static void take_who(struct parts *p, const json_t *event)
{
	const json_t *identity = json_object_get(event, "identity"), *k8s = json_object_get(event, "k8s");
	const json_t *process = json_object_get(event, "process"), *uid = json_object_get(process, "uid");

	p->caller.kind = kind_of(text_of(identity, "kind"));
	p->caller.tenant_id = borrow(identity, "tenant-id");
	p->caller.app_id = borrow(identity, "app-id");
	p->caller.verification = text_of(identity, "verification");
	p->facts.k8s_namespace = text_of(k8s, "namespace");
	p->facts.pod = text_of(k8s, "pod");
	p->facts.image = text_of(json_object_get(event, "container"), "image");
	p->facts.unit = text_of(process, "unit");
	p->facts.user = text_of(process, "user");
	p->facts.executable = text_of(process, "exe");
	p->uid = (uint32_t)json_integer_value(uid);
	p->facts.uid = json_is_integer(uid) ? &p->uid : NULL;
}

static void take_headers(struct parts *p, const json_t *event)
{
	json_t *headers = json_object_get(event, "headers"), *value;
	const char *key;

	p->msg.headers = p->headers;
	json_object_foreach (headers, key, value)
		if (json_is_string(value) && p->msg.n_headers < HEADERS_MAX)
			p->headers[p->msg.n_headers++] = (struct http_header){.name = (char *)(uintptr_t)key,
									      .value = borrow(headers, key)};
}

static json_t *body_of(const json_t *event, bool *ret_base64)
{
	json_t *base64 = json_object_get(event, "body-base64");
	*ret_base64 = base64 != NULL;
	return base64 ? base64 : json_object_get(event, "body");
}

static void take_event(struct parts *p, const json_t *event)
{
	struct openai_request *q = &p->req;
	struct openai_response *a = &p->resp;

	take_who(p, event);
	take_headers(p, event);
	p->message_id = text_of(event, "message-id");
	q->operation = text_of(event, "operation");
	q->backend = borrow(event, "backend");
	q->path = borrow(event, "path");
	q->api_version = borrow(event, "api-version");
	q->deployment_id = borrow(event, "deployment-id");
	if (p->is_answer) {
		a->model = borrow(event, "model");
		a->response_id = borrow(event, "response-id");
		a->choices = json_object_get(event, "choices");
		a->output = json_object_get(event, "output");
		a->data = json_object_get(event, "data");
		a->text = json_object_get(event, "text");
		a->files = json_object_get(event, "files");
		a->finish_reason = json_object_get(event, "finish-reason");
		a->usage = json_object_get(event, "usage");
		a->content_filter = json_object_get(event, "content-filter");
		a->error = json_object_get(event, "error");
		a->extra = json_object_get(event, "response");
		a->body = body_of(event, &a->body_base64);
		return;
	}
	q->model = borrow(event, "model");
	q->messages = json_object_get(event, "messages");
	q->prompt = json_object_get(event, "prompt");
	q->input = json_object_get(event, "input");
	q->instructions = json_object_get(event, "instructions");
	q->tools = json_object_get(event, "tools");
	q->files = json_object_get(event, "files");
	q->parameters = json_object_get(event, "parameters");
	q->body = body_of(event, &q->body_base64);
}

/* --- back into it -------------------------------------------------------------------- */

static int put(json_t *event, const char *key, const json_t *value)
{
	if (value)
		return json_object_set(event, key, (json_t *)(uintptr_t)value);
	json_object_del(event, key);
	return 0;
}

static int put_text(json_t *event, const char *key, const char *text)
{
	return text ? json_object_set_new(event, key, json_string(text)) : put(event, key, NULL);
}

static int put_body(json_t *event, const json_t *body, bool base64)
{
	int r = put(event, "body", base64 ? NULL : body);
	return r | put(event, "body-base64", base64 ? body : NULL);
}

static int put_headers(json_t *event, const struct http_message *msg)
{
	if (!json_object_get(event, "headers"))
		return 0;
	json_t *headers = json_object();
	int r = 0;
	for (size_t i = 0; i < msg->n_headers; i++)
		r |= put_text(headers, msg->headers[i].name, msg->headers[i].value);
	return r | json_object_set_new(event, "headers", headers);
}

static json_t *redacted_json(const struct redact_report *report)
{
	json_t *list = json_array();
	for (size_t i = 0; i < report->n_hits; i++) {
		const struct redact_hit *h = &report->hits[i];
		json_t *item = json_pack("{s:s, s:s, s:I}", "path", h->path, "rule", h->rule, "count",
					 (json_int_t)h->count);
		if (h->withheld)
			json_object_set_new(item, "withheld", json_true());
		json_array_append_new(list, item);
	}
	if (report->overflow)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "path", "", "rule", "more", "count",
						      (json_int_t)report->overflow));
	return list;
}

/* The event's own capture, with what the policy did now. */
static int put_report(json_t *event, const struct policy_report *report)
{
	json_t *capture = json_object_get(event, "capture"), *withheld = json_array();
	capture = capture ? json_copy(capture) : json_object();
	int r = put_text(capture, "rule", report->rule);
	if (report->has_sample)
		r |= json_object_set_new(capture, "sampled", json_boolean(report->sampled));
	for (size_t i = 0; i < report->n_withheld; i++) {
		const struct policy_withheld *h = &report->withheld[i];
		r |= json_array_append_new(withheld, json_pack("{s:s, s:s, s:s}", "path", h->path, "how",
							       h->how, "why", h->why));
	}
	json_t *redacted = redacted_json(&report->redacted);
	if (json_array_size(withheld))
		r |= json_object_set(capture, "withheld", withheld);
	if (json_array_size(redacted))
		r |= json_object_set(capture, "redacted", redacted);
	json_decref(withheld);
	json_decref(redacted);
	if (json_object_size(capture))
		return r | json_object_set_new(event, "capture", capture);
	json_decref(capture);
	return r;
}

static int give_event(json_t *event, const struct parts *p, const struct policy_kept *kept)
{
	const struct openai_request *q = kept->req;
	const struct openai_response *a = kept->resp;
	int r = put_headers(event, kept->msg);

	r |= put_text(event, "path", q->path);
	r |= put_text(event, "api-version", q->api_version);
	r |= put_text(event, "deployment-id", q->deployment_id);
	r |= put_text(event, "model", p->is_answer ? a->model : q->model);
	r |= put(event, "files", p->is_answer ? a->files : q->files);
	if (p->is_answer) {
		r |= put_text(event, "response-id", a->response_id);
		r |= put(event, "choices", a->choices) | put(event, "output", a->output);
		r |= put(event, "data", a->data) | put(event, "text", a->text);
		r |= put(event, "finish-reason", a->finish_reason) | put(event, "usage", a->usage);
		r |= put(event, "content-filter", a->content_filter) | put(event, "error", a->error);
		r |= put(event, "response", a->extra) | put_body(event, a->body, a->body_base64);
	} else {
		r |= put(event, "messages", q->messages) | put(event, "prompt", q->prompt);
		r |= put(event, "input", q->input) | put(event, "instructions", q->instructions);
		r |= put(event, "tools", q->tools) | put(event, "parameters", q->parameters);
		r |= put_body(event, q->body, q->body_base64);
	}
	r |= put_report(event, &kept->report);
	return r ? -ENOMEM : 0;
}

/* --- bodies -------------------------------------------------------------------------- */

static bool in_list(const char *key, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return false;
}

/* As the events have them: the members that the events name, and the rest below one. */
static json_t *event_of_body(const json_t *body, bool is_answer)
{
	static const char *const asked[] = {"model", "stream", "messages",    "prompt",
					    "input", "tools",  "instructions"};
	static const char *const answered[] = {"model", "choices", "output", "data",
					       "text",	"usage",   "error"};
	const char *const *names = is_answer ? answered : asked;
	size_t n = is_answer ? ARRAY_SIZE(answered) : ARRAY_SIZE(asked);
	json_t *event = json_pack("{s:s}", "event-type", is_answer ? "Response" : "Request");
	json_t *rest = json_object(), *value;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)body, key, value)
		if (json_object_set(in_list(key, names, n) ? event : rest, key, value) < 0)
			break;
	if (json_object_size(rest))
		json_object_set(event, is_answer ? "response" : "parameters", rest);
	json_decref(rest);
	return event;
}

static int to_event(const json_t *input, json_t **ret_event, bool *ret_is_answer)
{
	const char *type = text_of(input, "event-type");

	if (!json_is_object(input))
		return -EINVAL;
	if (type) {
		*ret_is_answer = strcmp(type, "Response") == 0;
		if (!*ret_is_answer && strcmp(type, "Request") != 0)
			return -EINVAL;
		*ret_event = json_copy((json_t *)(uintptr_t)input);
	} else {
		*ret_is_answer = json_object_get(input, "choices") || json_object_get(input, "output") ||
				 json_object_get(input, "data") || json_object_get(input, "usage");
		*ret_event = event_of_body(input, *ret_is_answer);
	}
	return *ret_event ? 0 : -ENOMEM;
}

/* --- running ------------------------------------------------------------------------- */

int policy_sample_run(struct policy_sample *ret_sample, struct policy *policy, struct redact_scratch *scratch,
		      const json_t *input, const json_t *asked)
{
	_cleanup_(policy_decision_done) struct policy_decision decision = {0};
	_cleanup_(policy_kept_done) struct policy_kept kept = {0};
	struct policy_sample sample = {0};
	struct parts p = {0};

	int r = to_event(input, &sample.event, &p.is_answer);
	if (r < 0)
		return r;
	json_auto_t *before = TAKE_PTR(sample.event);
	sample.event = json_copy(before);
	take_event(&p, before);
	if (p.is_answer)
		p.req.model = borrow(asked, "model");
	policy_decide(&decision, policy, p.message_id ? p.message_id : "", &p.facts, &p.req, &p.caller);
	/* A body has neither an id nor a caller: it is shown as it is kept, and not judged for who asks. */
	if (!p.message_id)
		decision.sampled = decision.rule->sample_below > 0;
	policy_judge(&sample.verdict, &decision, &p.caller, &p.req, NULL);
	if (!json_object_get(before, "identity"))
		sample.verdict.violations &= ~POLICY_REQUIRE_ENTRA;
	if (p.is_answer && !sample.verdict.violations)
		policy_judge(&sample.verdict, &decision, &p.caller, &p.req, &p.resp);
	r = p.is_answer ? policy_keep_response(&kept, &decision, scratch, &p.msg, &p.req, &p.resp)
			: policy_keep_request(&kept, &decision, scratch, &p.msg, &p.req);
	if (r == 0)
		r = sample.event ? give_event(sample.event, &p, &kept) : -ENOMEM;
	sample.rule = decision.rule->name;
	sample.sampled = decision.sampled;

	if (r < 0) {
		json_decref(sample.event);
		return r;
	}
	*ret_sample = sample;
	return 0;
}

void policy_sample_done(struct policy_sample *sample)
{
	json_decref(sample->event);
	*sample = (struct policy_sample){0};
}
