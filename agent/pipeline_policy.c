/* SPDX-License-Identifier: Apache-2.0 */

#include "pipeline_policy.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "pipeline_worker.h"

/* --- which policy holds -------------------------------------------------------------- */

void pipeline_policy_init(struct pipeline_policy *p, struct policy **policy)
{
	pthread_mutex_init(&p->lock, NULL);
	p->current = TAKE_PTR(*policy);
	atomic_init(&p->generation, 1);
}

void pipeline_policy_done(struct pipeline_policy *p)
{
	policy_unref(&p->current);
	pthread_mutex_destroy(&p->lock);
}

void pipeline_set_policy(struct pipeline *pipeline, struct policy **policy)
{
	struct pipeline_policy *p = &pipeline->policy;
	pthread_mutex_lock(&p->lock);
	struct policy *before = p->current;
	p->current = TAKE_PTR(*policy);
	atomic_fetch_add(&p->generation, 1);
	pthread_mutex_unlock(&p->lock);
	policy_unref(&before);
	atomic_fetch_add(&p->reloads, 1);
}

void pipeline_policy_refused(struct pipeline *pipeline)
{
	atomic_fetch_add(&pipeline->policy.reload_failures, 1);
}

static struct policy *current(struct worker *w)
{
	struct pipeline_policy *p = &w->pipeline->policy;
	struct worker_policy *own = &w->policy;

	if (own->generation == atomic_load_explicit(&p->generation, memory_order_acquire))
		return own->policy;
	pthread_mutex_lock(&p->lock);
	policy_unref(&own->policy);
	own->policy = policy_ref(p->current);
	own->generation = atomic_load(&p->generation);
	pthread_mutex_unlock(&p->lock);
	return own->policy;
}

int worker_policy_init(struct worker_policy *wp)
{
	return redact_scratch_new(&wp->scratch);
}

void worker_policy_done(struct worker_policy *wp)
{
	policy_unref(&wp->policy);
	redact_scratch_free(&wp->scratch);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *pipeline_policy_status(struct pipeline_policy *p)
{
	pthread_mutex_lock(&p->lock);
	size_t rules = policy_n_rules(p->current);
	pthread_mutex_unlock(&p->lock);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rules", number(rules), "violations",
			 number(p->violations), "sampled-in", number(p->sampled_in), "sampled-out",
			 number(p->sampled_out), "redactions", number(p->redactions), "redact-withheld",
			 number(p->redact_withheld), "reloads", number(p->reloads), "reload-failures",
			 number(p->reload_failures));
}

/* --- exchanges ----------------------------------------------------------------------- */

void worker_decide(struct worker *w, struct policy_decision *decision, const struct worker_facts *facts,
		   const struct openai_request *req)
{
	struct pipeline_policy *p = &w->pipeline->policy;
	const struct identity_process *process = facts->ctx.process;
	const struct identity_place *place = facts->ctx.place;
	const struct identity_container *container = place ? place->container : NULL;
	const struct identity_pod *pod = place ? place->pod : NULL;
	const struct policy_facts asked = {
		/* The kubelet's word before the runtime's, as in events. */
		.k8s_namespace = pod	     ? pod->namespace
				 : container ? container->pod_namespace
					     : NULL,
		.pod = pod	   ? pod->name
		       : container ? container->pod_name
				   : NULL,
		.image = container ? container->image : NULL,
		.unit = process->unit,
		.user = process->user,
		.executable = process->exe,
		.uid = process->pid ? &process->uid : NULL,
	};
	policy_decision_done(decision);
	policy_decide(decision, current(w), facts->ctx.message_id, &asked, req, facts->ctx.caller);
	atomic_fetch_add_explicit(decision->sampled ? &p->sampled_in : &p->sampled_out, 1,
				  memory_order_relaxed);
}

static void count(struct worker *w, const struct policy_report *report)
{
	struct pipeline_policy *p = &w->pipeline->policy;
	if (!report->redacted.total)
		return;
	atomic_fetch_add_explicit(&p->redactions, report->redacted.total, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->redact_withheld, report->redacted.withheld, memory_order_relaxed);
}

/* Before anything is written: each moment lets more of the call out. */
static void enforce(struct worker *w, const struct worker_facts *facts, const struct policy_decision *d,
		    const struct policy_verdict *verdict)
{
	const struct policy_enforcer *enforcer = w->pipeline->options.enforcer;
	if (!verdict->violations)
		return;
	atomic_fetch_add_explicit(&w->pipeline->policy.violations, 1, memory_order_relaxed);
	/* Whoever serves is not who calls. */
	if (!verdict->block || !enforcer || strcmp(facts->connection.role, "client") != 0)
		return;
	const struct policy_offence offence = {
		.message_id = facts->ctx.message_id,
		.rule = verdict->rule,
		.process = facts->ctx.process,
		.conn_id = facts->connection.id,
		.cgroup_id = facts->cgroup_id,
		.socket = facts->socket,
		.scope = policy_block_scope(d->policy),
		.for_s = policy_block_for_s(d->policy),
	};
	int r = enforcer->block(enforcer->ctx, &offence);
	if (r < 0)
		log_error("policy: rule %s: process %u could not be blocked: %s", verdict->rule,
			  offence.process->pid, strerror(-r));
}

static int tell(struct worker *w, const struct event_context *ctx, uint64_t time_ns,
		const struct policy_verdict *verdict, const struct policy_kept *kept)
{
	struct event *event = NULL;
	if (!verdict->violations)
		return 0;
	int r = event_build_policy(&event, ctx, time_ns, verdict, kept->req, kept->resp);
	if (r == 0)
		pipeline_publish(w->pipeline, event);
	return r;
}

/* The rest of what is kept, and what was done to it all. */
static int keep_claimed(struct worker *w, struct worker_facts *facts, const struct policy_decision *decision,
			struct policy_kept *kept)
{
	int r = policy_keep_claimed(kept, decision, w->policy.scratch, facts->claimed);
	if (r < 0)
		return r;
	facts->ctx.claimed = kept->claimed;
	count(w, &kept->report);
	facts->ctx.policy = &kept->report;
	return 0;
}

int worker_request(struct worker *w, struct worker_facts *facts, struct policy_decision *decision,
		   const struct http_message *msg, const struct openai_request *req)
{
	uint64_t time_ns = clock_mono_to_real_ns(msg->first_ts_ns);
	_cleanup_(policy_kept_done) struct policy_kept kept = {0};
	struct policy_verdict verdict;
	struct event *event = NULL;

	policy_judge(&verdict, decision, facts->ctx.caller, req, NULL);
	enforce(w, facts, decision, &verdict);
	int r = policy_keep_request(&kept, decision, w->policy.scratch, msg, req);
	if (r == 0)
		r = keep_claimed(w, facts, decision, &kept);
	if (r < 0)
		return r;
	r = event_build_request(&event, &facts->ctx, time_ns, kept.msg, kept.req);
	if (r < 0)
		return r;
	worker_publish(w, HTTP_REQUEST, event);
	return tell(w, &facts->ctx, time_ns, &verdict, &kept);
}

int worker_response(struct worker *w, struct worker_facts *facts, struct policy_decision *decision,
		    const struct http_message *msg, const struct openai_request *req,
		    const struct openai_response *resp, uint64_t request_ns)
{
	uint64_t time_ns = clock_mono_to_real_ns(msg->last_ts_ns);
	_cleanup_(policy_kept_done) struct policy_kept kept = {0};
	struct policy_verdict verdict;
	struct event *event = NULL;

	policy_judge(&verdict, decision, facts->ctx.caller, req, resp);
	enforce(w, facts, decision, &verdict);
	int r = policy_keep_response(&kept, decision, w->policy.scratch, msg, req, resp);
	if (r == 0)
		r = keep_claimed(w, facts, decision, &kept);
	if (r < 0)
		return r;
	r = event_build_response(&event, &facts->ctx, time_ns, kept.msg, kept.req, kept.resp, request_ns);
	if (r < 0)
		return r;
	worker_publish(w, HTTP_RESPONSE, event);
	return tell(w, &facts->ctx, time_ns, &verdict, &kept);
}
