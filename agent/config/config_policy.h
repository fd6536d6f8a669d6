/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the section `policy` of the configuration says, as checked values. Owned by struct config; read-only
 * once loaded, by any thread. The policy stage takes it from here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_RULES_MAX    256	 /* rules, and redact_rules */
#define CONFIG_ITEMS_MAX    1024 /* values of one list */
#define CONFIG_ITEM_MAX	    255	 /* bytes of one of them */
#define CONFIG_PATTERN_MAX  4096 /* bytes of a pattern or of what replaces it */
#define CONFIG_TRUNCATE_MAX (1U << 20)

/* A list of texts; line is where each stands in the file. */
struct config_list {
	char **items;
	unsigned int *lines;
	size_t n;
};

enum config_require { CONFIG_REQUIRE_OFF, CONFIG_REQUIRE_REPORT, CONFIG_REQUIRE_BLOCK };
enum config_block_scope { CONFIG_BLOCK_CGROUP, CONFIG_BLOCK_PROCESS };
enum config_action { CONFIG_ACTION_REPORT, CONFIG_ACTION_BLOCK };
enum config_keep { CONFIG_KEEP, CONFIG_MASK, CONFIG_HASH, CONFIG_DROP, CONFIG_TRUNCATE };

/* Keys of the events whose content is the application's. */
enum config_field {
	CONFIG_REQUEST_PATH,
	CONFIG_REQUEST_HEADERS,
	CONFIG_REQUEST_INSTRUCTIONS,
	CONFIG_REQUEST_MESSAGES,
	CONFIG_REQUEST_PROMPT,
	CONFIG_REQUEST_INPUT,
	CONFIG_REQUEST_FILES,
	CONFIG_REQUEST_TOOLS,
	CONFIG_REQUEST_PARAMETERS,
	CONFIG_REQUEST_BODY,
	CONFIG_RESPONSE_HEADERS,
	CONFIG_RESPONSE_CHOICES,
	CONFIG_RESPONSE_OUTPUT,
	CONFIG_RESPONSE_DATA,
	CONFIG_RESPONSE_TEXT,
	CONFIG_RESPONSE_FILES,
	CONFIG_RESPONSE_CONTENT_FILTER,
	CONFIG_RESPONSE_ERROR,
	CONFIG_RESPONSE_RESPONSE,
	CONFIG_RESPONSE_BODY,
	CONFIG_N_FIELDS,
};
/* "request.messages": "request." or "response.", and the event's key. */
extern const char *const config_field_names[CONFIG_N_FIELDS];
/* "keep", "mask", "hash", "drop", "truncate". */
extern const char *const config_keep_names[];

struct config_field_rule {
	bool given;
	enum config_keep how;
	uint32_t max; /* CONFIG_TRUNCATE: characters of each text, from 1 */
};

/* Bits of `given`: what the file says, so that a rule changes nothing else. */
#define CONFIG_GIVES_REQUIRE_ENTRA (1U << 0)
#define CONFIG_GIVES_ACTION	   (1U << 1)
#define CONFIG_GIVES_TENANTS	   (1U << 2)
#define CONFIG_GIVES_APPLICATIONS  (1U << 3)
#define CONFIG_GIVES_DEPLOYMENTS   (1U << 4)
#define CONFIG_GIVES_MODELS	   (1U << 5)
#define CONFIG_GIVES_FIELDS	   (1U << 6)
#define CONFIG_GIVES_REDACT	   (1U << 7)
#define CONFIG_GIVES_METADATA_ONLY (1U << 8)
#define CONFIG_GIVES_SAMPLE	   (1U << 9)

/* What holds for an exchange. An empty list of what is allowed allows everything. */
struct config_settings {
	unsigned int given;
	enum config_require require_entra;
	enum config_action action;
	struct config_list tenants, applications; /* GUIDs */
	struct config_list deployments, models;	  /* globs */
	struct config_list redact;		  /* names of rules and groups; not checked here */
	struct config_field_rule fields[CONFIG_N_FIELDS];
	bool metadata_only;
	double sample; /* 0 .. 1 */
};

/* Globs: "*" stands for any text, "?" for one character. A list that is empty asks for nothing; of one that
 * is not, one glob must match, and what is not known matches none. All lists must be satisfied. */
struct config_when {
	struct config_list namespaces, pods, images, units, users, executables, operations, hosts,
		deployments, models, tenants, applications, kinds;
};

struct config_rule {
	char *name;
	struct config_when when;
	struct config_settings settings;
};

struct config_pattern {
	char *name;
	char *pattern; /* not compiled here */
	char *replace; /* or NULL */
	unsigned int line, name_line;
};

struct config_policy {
	char *file; /* which it came from, for messages; NULL: none did */
	struct config_settings settings;
	struct config_rule *rules;
	size_t n_rules;
	struct config_pattern *patterns; /* redact_rules */
	size_t n_patterns;
	uint64_t block_for_s;
	enum config_block_scope block_scope;
};

/* Something in the section asks for `block`. */
bool config_policy_blocks(const struct config_policy *policy);

void config_policy_free(struct config_policy **policy);
