/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Joins the policy stage: every exchange is judged by the policy that holds when it begins, and only what
 * that keeps of it reaches an event. Shared by the pipeline's own files only. */

#include <pthread.h>
#include <stdatomic.h>

#include "policy/policy.h"

struct pipeline;
struct worker;
struct worker_facts;

/* The pipeline's: which policy holds, and what came of it. */
struct pipeline_policy {
	pthread_mutex_t lock;
	struct policy *current;		  /* under lock */
	atomic_uint_least64_t generation; /* changes with current, so that workers look only then */
	atomic_uint_least64_t sampled_in, sampled_out, redactions, redact_withheld, violations, reloads,
		reload_failures;
};

/* A worker's: the policy that it uses, and what redaction needs. */
struct worker_policy {
	struct policy *policy;
	uint64_t generation;
	struct redact_scratch *scratch;
};

/* Takes *policy. */
void pipeline_policy_init(struct pipeline_policy *p, struct policy **policy);
void pipeline_policy_done(struct pipeline_policy *p);
json_t *pipeline_policy_status(struct pipeline_policy *p);

int worker_policy_init(struct worker_policy *wp);
void worker_policy_done(struct worker_policy *wp);

/* Decides for an exchange; decision is zeroed, or that of an exchange that is over. */
void worker_decide(struct worker *worker, struct policy_decision *decision, const struct worker_facts *facts,
		   const struct openai_request *req);

/* A request, or its response, becomes an event, and a Policy event if it is not as it should be. facts are
 * whole. 0; negative errno: the event is lost. */
int worker_request(struct worker *worker, struct worker_facts *facts, struct policy_decision *decision,
		   const struct http_message *msg, const struct openai_request *req);
int worker_response(struct worker *worker, struct worker_facts *facts, struct policy_decision *decision,
		    const struct http_message *msg, const struct openai_request *req,
		    const struct openai_response *resp, uint64_t request_ns);
