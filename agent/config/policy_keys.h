/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The table of the keys in section `policy`: reading, printing and help derive from it. Internal to the
 * stage. */

#include <stdio.h>

#include "config/config_lines.h"
#include "config/config_policy.h"

enum policy_kind {
	POLICY_CHOICE,	 /* an enum at offset, by the names in choices */
	POLICY_BOOL,	 /* bool */
	POLICY_SHARE,	 /* double, 0 .. 1 */
	POLICY_SECONDS,	 /* uint64_t, 1 s .. 24 h */
	POLICY_LIST,	 /* struct config_list */
	POLICY_TEXT,	 /* char * */
	POLICY_FIELDS,	 /* struct config_field_rule[CONFIG_N_FIELDS] */
	POLICY_WHEN,	 /* struct config_when */
	POLICY_RULES,	 /* list of struct config_rule */
	POLICY_PATTERNS, /* list of struct config_pattern */
};

/* What a list's values are. */
enum policy_item { POLICY_GLOB, POLICY_GUID, POLICY_NAME, POLICY_KIND_NAME };

/* In which mappings a key may stand. */
#define POLICY_AT_TOP	  1U
#define POLICY_IN_RULE	  2U
#define POLICY_IN_WHEN	  4U
#define POLICY_IN_PATTERN 8U

struct policy_key {
	const char *name;
	enum policy_kind kind;
	enum policy_item item;
	unsigned int where;
	size_t offset;		    /* in struct config_settings; of others, in their struct */
	unsigned int gives;	    /* CONFIG_GIVES_*; 0 for what is no setting */
	const char *const *choices; /* ends with NULL */
	size_t max;		    /* text: bytes */
	const char *fallback;	    /* for help; or NULL */
	const char *expected;
	const char *help;
};

extern const struct policy_key policy_keys[];
extern const size_t policy_n_keys;

/* Reads the section that lines hold. 0; -EINVAL with *ret_error as of config_load(); -ENOMEM. */
int config_policy_new(struct config_policy **ret_policy); /* defaults */
int config_policy_read(struct config_policy **ret_policy, const char *file, const struct config_lines *lines,
		       char **ret_error);

/* "policy:" and what is below it. */
void config_policy_print(const struct config_policy *policy, FILE *out);

/* key: "policy", "policy.fields", "policy.rules.when.units"; NULL: all. False: nothing was printed. */
bool config_policy_help(const char *key, FILE *out);
