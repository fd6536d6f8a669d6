/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a policy makes of a sample: an event as it is in the store, or the body of a request or an answer. For
 * `oaitap policy test`; the same code as the agent's decides, judges and keeps. */

#include <jansson.h>

#include "policy/policy.h"

struct policy_sample {
	json_t *event;		       /* what it would become; owned */
	const char *rule;	       /* that holds; borrowed from the policy */
	bool sampled;		       /* its content is in the share that is kept */
	struct policy_verdict verdict; /* of a request, or of what an answer's request said */
};

/* input: an object with "event-type" Request or Response, or a body: one with choices, output, data or usage
 * is an answer's. asked: the Request event of an answer, for what only that says; or NULL. Both are borrowed.
 * 0; -EINVAL: neither; -ENOMEM, other negative errno of policy_keep_request(). */
int policy_sample_run(struct policy_sample *ret_sample, struct policy *policy, struct redact_scratch *scratch,
		      const json_t *input, const json_t *asked);
void policy_sample_done(struct policy_sample *sample);
