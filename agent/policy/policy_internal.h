/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by this stage's own files only. */

#include <stdatomic.h>

#include "policy/policy.h"

/* A rule with all that holds where it matches: what it says, and the defaults for the rest. */
struct policy_rule {
	const char *name;		 /* "default" for what is no rule */
	const struct config_when *when;	 /* NULL: always */
	struct config_settings settings; /* borrows the configuration's lists */
	struct redactor *redactor;	 /* NULL: nothing is redacted; several rules may share one */
	uint64_t sample_below;		 /* of 2^32 */
	bool untouched;			 /* keeps everything as it is */
};

struct policy {
	atomic_uint refs;
	struct config_policy *config;
	const struct identity_key *key;
	struct policy_rule *rules; /* n_rules, then the default */
	size_t n_rules;
	struct redactor **redactors; /* owned */
	size_t n_redactors;
};
