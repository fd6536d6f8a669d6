/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Joins the action `block` (enforce) to the pipeline: violations and ClientHellos go in, Policy events come
 * out. */

#include <stdbool.h>

#include "base/buf.h"
#include "pipeline.h"

/* cgroup: where cgroup v2 is mounted, borrowed. Loads nothing yet. 0; -ENOMEM. */
int pipeline_block_new(struct pipeline_block **ret_block, const char *cgroup);
/* Lifts what is blocked. After pipeline_stop(). */
void pipeline_block_free(struct pipeline_block **block);

/* Before the first policy that asks for it takes effect; again does no harm. 0; -EOPNOTSUPP: not possible
 * here; negative errno; with one line in *ret_error, which the caller frees. The main thread. */
int pipeline_block_enable(struct pipeline_block *block, char **ret_error);
bool pipeline_block_enabled(const struct pipeline_block *block);

/* The policy asks for it no more: who is blocked now is blocked no longer. The main thread. */
void pipeline_block_lift(struct pipeline_block *block);

/* For pipeline_options.enforcer. */
const struct policy_enforcer *pipeline_block_enforcer(struct pipeline_block *block);
