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
#include "probe/probe.h"
#include "sink/sink.h"

struct pipeline;

#define PIPELINE_SINKS_MAX 8

struct pipeline_options {
	const struct config *config;		/* borrowed for the pipeline's life */
	struct programs *programs;		/* borrowed */
	const struct probe *probe;		/* borrowed */
	const struct identity_key *key;		/* borrowed */
	struct identity_whois *whois;		/* borrowed */
	struct sink *sinks[PIPELINE_SINKS_MAX]; /* borrowed; each used by its own thread alone until
						   pipeline_stop(); the store first */
	size_t n_sinks;
};

/* Starts the threads. 0; negative errno. */
int pipeline_start(struct pipeline **ret_pipeline, const struct pipeline_options *options);

/* Takes what is in the ring, ends what is open, waits until every event is with the sinks, ends the threads.
 */
void pipeline_stop(struct pipeline **pipeline);

/* Counters as JSON. Any thread. 0; -ENOMEM. */
int pipeline_status(struct pipeline *pipeline, const struct probe *probe, struct buf *out);
