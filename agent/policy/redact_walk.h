/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What redact_json.c and redact_parts.c share. */

#include "policy/redact_internal.h"

struct redact_walk {
	const struct redactor *r;
	struct redact_scratch *s;
	struct redact_report *report;
	size_t depth;
	bool changed;
	bool dry; /* redact_walk_parts() only says in `changed` whether it would do anything */
};

/* A string of the value, in place. given: spans known beforehand, or NULL. 0; -errno. */
int redact_walk_string(struct redact_walk *w, json_t *string, const struct redact_place *place,
		       const char *context, const struct redact_spans *given);
/* The string becomes "[withheld:NAME]" of s->withheld. 0; -ENOMEM. */
int redact_walk_withhold(struct redact_walk *w, json_t *string, const struct redact_place *place);

/* Matches across the borders of neighbouring text parts of an array go; what lies within a part is left for
 * later. 0; -errno. */
int redact_walk_parts(struct redact_walk *w, json_t *array, const struct redact_place *place);
