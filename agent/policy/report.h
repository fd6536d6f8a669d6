/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the policy stage gives to the event stage beside the exchange: what was done to it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/redact.h"

/* What a call can be wrong in. */
#define POLICY_REQUIRE_ENTRA (1U << 0)
#define POLICY_TENANTS	     (1U << 1)
#define POLICY_APPLICATIONS  (1U << 2)
#define POLICY_DEPLOYMENTS   (1U << 3)
#define POLICY_MODELS	     (1U << 4)
#define POLICY_N_VIOLATIONS  5

struct policy_verdict {
	unsigned int violations; /* 0: nothing to report */
	bool block;		 /* else report */
	const char *rule;	 /* its name, or "default" */
};

#define POLICY_WITHHELD_MAX 16

/* A field that is not as it was. Static strings. */
struct policy_withheld {
	const char *path; /* JSON Pointer in the event */
	const char *how;  /* "mask", "hash", "drop", "truncate" */
	const char *why;  /* "fields", "metadata-only", "sample"; "unreadable": it could not be searched */
};

struct policy_report {
	const char *rule; /* the rule that held, or NULL: the default; borrowed from the policy */
	bool has_sample;  /* a share of the exchanges is kept */
	bool sampled;	  /* this one is */
	struct redact_report redacted;
	struct policy_withheld withheld[POLICY_WITHHELD_MAX];
	size_t n_withheld;
};
