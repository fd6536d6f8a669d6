/* SPDX-License-Identifier: Apache-2.0 */
#include "event/common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "event/secrets.h"

#define REASON_MAX 4096

struct finding {
	unsigned int violation;
	const char *name;  /* as in the configuration */
	const char *found; /* or NULL: nothing was said */
	const char *words; /* before and after what was found */
};

/* In words, for people: "api-key instead of an Entra token; model gpt-5 is not allowed". */
static void add_reason(struct json_text *w, struct buf *reason, const struct finding *f)
{
	const char *found = f->found ? f->found : "that is not said";
	int r = reason->len ? buf_append_str(reason, "; ") : 0;
	if (r == 0 && f->violation == POLICY_REQUIRE_ENTRA)
		r = buf_appendf(reason, "%s instead of a good Entra token", found);
	else if (r == 0)
		r = buf_appendf(reason, "%s %s is not allowed", f->words, found);
	if (r < 0 && r != -E2BIG)
		w->error = r;
}

static void put_findings(struct json_text *w, const struct policy_verdict *v, const struct finding *findings,
			 size_t n)
{
	struct buf reason;
	buf_init(&reason, REASON_MAX);
	json_text_open(w, "violations", '[');
	for (size_t i = 0; i < n; i++) {
		if (!(v->violations & findings[i].violation))
			continue;
		json_text_open(w, NULL, '{');
		json_text_string(w, "what", findings[i].name);
		json_text_string(w, "found", findings[i].found);
		json_text_close(w, '}');
		add_reason(w, &reason, &findings[i]);
	}
	json_text_close(w, ']');
	if (reason.len)
		json_text_stringn(w, "reason", (const char *)reason.data, reason.len);
	buf_done(&reason);
}

static const char *caller_words(const struct identity_caller *c, char ret_text[static 64])
{
	if (c->kind == IDENTITY_NONE)
		return "no credential";
	if (c->kind != IDENTITY_ENTRA)
		return identity_kind_name(c->kind);
	snprintf(ret_text, 64, "an Entra token that is %s", c->verification ? c->verification : "unverified");
	return ret_text;
}

int event_build_policy(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
		       const struct policy_verdict *verdict, const struct openai_request *req,
		       const struct openai_response *resp)
{
	static const struct identity_caller nobody;
	const struct identity_caller *c = ctx->caller ? ctx->caller : &nobody;
	const char *model = req && req->model ? req->model : resp ? resp->model : NULL;
	char words[64];
	const struct finding findings[] = {
		{POLICY_REQUIRE_ENTRA, "require_entra", caller_words(c, words), ""},
		{POLICY_TENANTS, "tenants", c->tenant_id, "tenant"},
		{POLICY_APPLICATIONS, "applications", c->app_id, "application"},
		{POLICY_DEPLOYMENTS, "deployments", req ? req->deployment_id : NULL, "deployment"},
		{POLICY_MODELS, "models", model, "model"},
	};
	_cleanup_(event_abandon) struct event_maker m = {0};
	int r = event_start(&m, ctx, time_ns, "Policy");
	if (r < 0)
		return r;
	event_secrets_hide_kept(&m.json, ctx->secrets);
	event_put_operation(&m.json, ctx, req);
	json_text_string(&m.json, "model", model);
	event_put_who(&m.json, ctx);
	json_text_string(&m.json, "rule", verdict->rule);
	json_text_string(&m.json, "action", verdict->block ? "block" : "report");
	put_findings(&m.json, verdict, findings, ARRAY_SIZE(findings));
	return event_finish(&m, ret_event);
}
