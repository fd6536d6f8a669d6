/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the agent needs of the host, probed rather than inferred from the kernel's version. */

#include <stdbool.h>
#include <stddef.h>

#include "probe/features.h"

struct host_feature {
	const char *name; /* static */
	bool checked;	  /* false: this process may not find out; present is false then, detail says so */
	bool present;
	bool required;	    /* without it the agent cannot run; otherwise a detail is lost */
	const char *detail; /* static: what it is for, or what to do without it */
};

/* Fills up to max features; the number of them. Needs no privilege itself, but without CAP_BPF the maps are
 * not checked. Creates, and closes at once, one small map of each kind. */
size_t host_check_features(struct host_feature *ret_features, size_t max);

/* The same for what the agent can do without, from what features_detect() found; the details say what the
 * absence costs. Looks at nothing itself, but without the capabilities it says that nothing was checked. */
size_t host_check_details(const struct features *features, struct host_feature *ret_features, size_t max);

/* The policy's action `block`, found out by trying: ends a socket of its own, and loads programs, at once
 * gone. */
struct host_feature host_check_block(const struct features *features);

/* The first capability that the agent needs and this process lacks, or NULL. */
const char *host_check_missing_capability(void);

/* -1: all that is required is there. Otherwise says on standard error, in one line, what is missing, and
 * gives the exit code: 3 not permitted, 4 not possible on this kernel. */
int host_check_or_explain(void);
