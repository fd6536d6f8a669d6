/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the operator wants: which calls are allowed, and what of them is kept. A struct policy is made of the
 * configuration's section `policy` as a whole and never changes; exchanges hold on to the one that they began
 * with. No I/O, no clock; a policy may be used by any number of threads. */

#include <stdbool.h>
#include <stdint.h>

#include "config/config_policy.h"
#include "http/message.h"
#include "identity/identity.h"
#include "openai/exchange.h"
#include "policy/report.h"

struct policy;

/* Takes *config (NULL afterwards) if it succeeds. key (borrowed for the policy's life) makes the hashes of
 * `hash`; NULL: their digits are 0, for a look without the host's key. 0; -EINVAL with *ret_error as of
 * config_load(), which the caller frees: a rule or group of redaction that is not there, a pattern that does
 * not compile; -ENOMEM. */
int policy_new(struct policy **ret_policy, struct config_policy **config, const struct identity_key *key,
	       char **ret_error);
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy **policy);

/* Something asks for the action `block`. */
bool policy_blocks(const struct policy *policy);
uint64_t policy_block_for_s(const struct policy *policy);
enum config_block_scope policy_block_scope(const struct policy *policy);
size_t policy_n_rules(const struct policy *policy);

/* Who asks, beside the caller: for `when`. Borrowed for the call; NULL: not known. */
struct policy_facts {
	const char *k8s_namespace, *pod, *image;
	const char *unit, *user, *executable;
	const uint32_t *uid;
};

/* What holds for one exchange, decided at its request. Owns a reference; zeroed: nothing was decided, and all
 * is kept. */
struct policy_decision {
	struct policy *policy;
	const struct policy_rule *rule;
	bool sampled;	       /* its content is kept, as far as the rule keeps it */
	unsigned int reported; /* POLICY_* violations that an event was made of */
};

/* message_id decides about sampling. req may be NULL: an answer whose request was not captured. */
void policy_decide(struct policy_decision *ret_decision, struct policy *policy, const char *message_id,
		   const struct policy_facts *facts, const struct openai_request *req,
		   const struct identity_caller *caller);
void policy_decision_done(struct policy_decision *decision);

/* What is wrong with a call. resp is NULL for a request. Only what was not reported yet; what is told now
 * counts as reported: one Policy event an exchange. *ret_verdict borrows from the decision's policy. */
void policy_judge(struct policy_verdict *ret_verdict, struct policy_decision *decision,
		  const struct identity_caller *caller, const struct openai_request *req,
		  const struct openai_response *resp);

/* What is kept of a message. msg, req and resp point to what came in, as far as nothing had to change, or to
 * copies that hold what may be given; all of them die with this or with what came in. */
struct policy_kept {
	const struct http_message *msg;
	const struct openai_request *req;
	const struct openai_response *resp;
	json_t *claimed; /* after policy_keep_claimed() */
	struct policy_report report;

	/* The rest is private. */
	struct http_message message_copy;
	struct openai_request request_copy;
	struct openai_response response_copy;
	struct http_header *headers;
	char **header_values; /* owned; or NULL */
	size_t n_header_values;
	char *texts[8]; /* owned */
	size_t n_texts;
	json_t *values[32]; /* owned */
	size_t n_values;
};

/* req and resp may be NULL. scratch is the thread's. All borrowed until policy_kept_done(). 0; negative errno
 * (-ENOMEM): nothing of the message may be given. */
int policy_keep_request(struct policy_kept *ret_kept, const struct policy_decision *decision,
			struct redact_scratch *scratch, const struct http_message *msg,
			const struct openai_request *req);
int policy_keep_response(struct policy_kept *ret_kept, const struct policy_decision *decision,
			 struct redact_scratch *scratch, const struct http_message *msg,
			 const struct openai_request *req, const struct openai_response *resp);
/* On whose behalf the request says it is made repeats what stands in its body, and so is kept as the field
 * request.parameters is. claimed may be NULL; borrowed until policy_kept_done(), unchanged. After one of the
 * two above. Errors as theirs. */
int policy_keep_claimed(struct policy_kept *kept, const struct policy_decision *decision,
			struct redact_scratch *scratch, json_t *claimed);
void policy_kept_done(struct policy_kept *kept);
