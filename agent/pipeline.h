/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Joins the stages and owns the threads: one capture thread (ring, stream, http), workers (openai, identity,
 * event), one thread a sink. A connection is one worker's for its whole life, so its events keep their
 * order. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/config.h"
#include "identity/identity.h"
#include "identity/known_keys.h"
#include "identity/verifier.h"
#include "policy/policy.h"
#include "probe/probe.h"
#include "sink/sink.h"

struct pipeline;

#define PIPELINE_SINKS_MAX 8

struct record_hello;
struct record_socket;
struct pipeline_block; /* pipeline_block.h */

/* Who broke a rule whose action is `block`. Borrowed for the call. */
struct policy_offence {
	const char *message_id;
	const char *rule;
	const struct identity_process *process;
	uint64_t conn_id;
	uint64_t cgroup_id; /* as in record_open */
	const struct record_socket *socket;
	enum config_block_scope scope;
	uint64_t for_s; /* how long, in seconds from now; each offence begins it anew */
};

/* Does what `block` says. */
struct policy_enforcer {
	/* Called by any worker; must not wait. 0; negative errno, which is logged. */
	int (*block)(void *ctx, const struct policy_offence *offence);
	/* The rest may be NULL. A connection to an AI host: from the capture thread, which must not wait. */
	void (*hello)(void *ctx, const struct record_hello *hello);
	/* Between these events may be published; the second is called when no worker is left. */
	void (*start)(void *ctx, struct pipeline *pipeline);
	void (*stop)(void *ctx);
	json_t *(*status)(void *ctx); /* a new reference; NULL: nothing to say. Any thread */
	void *ctx;
};

struct pipeline_options {
	const struct config *config;		      /* borrowed for the pipeline's life */
	struct programs *programs;		      /* borrowed */
	const struct probe *probe;		      /* borrowed */
	const struct identity_key *key;		      /* borrowed */
	struct identity_whois *whois;		      /* borrowed */
	struct identity_verifier *verifier;	      /* borrowed; NULL: tokens are not checked */
	const struct identity_known_keys *known_keys; /* borrowed; NULL: none */
	struct policy **policy;			      /* taken by pipeline_start(), also if that fails */
	const struct policy_enforcer *enforcer;	      /* borrowed; NULL: no rule may say block */
	struct sink *sinks[PIPELINE_SINKS_MAX];	      /* borrowed; each used by its own thread alone until
							 pipeline_stop(); the store first */
	size_t n_sinks;
};

/* Starts the threads. 0; negative errno. */
int pipeline_start(struct pipeline **ret_pipeline, const struct pipeline_options *options);

/* Takes what is in the ring, ends what is open, waits until every event is with the sinks, ends the threads.
 */
void pipeline_stop(struct pipeline **pipeline);

/* Another policy holds for what begins from now on; takes it. Any thread. */
void pipeline_set_policy(struct pipeline *pipeline, struct policy **policy);
/* Counts that another policy was wanted and refused. */
void pipeline_policy_refused(struct pipeline *pipeline);

/* Counters as JSON. Any thread. 0; -ENOMEM. */
int pipeline_status(struct pipeline *pipeline, const struct probe *probe, struct buf *out);
