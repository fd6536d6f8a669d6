/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether a rule's `when` matches a call. Internal to the stage. */

#include "policy/glob.h"
#include "policy/policy.h"

/* req and facts may be NULL: nothing is known of them. */
bool when_matches(const struct config_when *when, const struct policy_facts *facts,
		  const struct openai_request *req, const struct identity_caller *caller);
