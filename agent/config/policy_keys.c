/* SPDX-License-Identifier: Apache-2.0 */
#include "config/policy_keys.h"

#include "base/macro.h"

const char *const config_field_names[CONFIG_N_FIELDS] = {
	[CONFIG_REQUEST_PATH] = "request.path",
	[CONFIG_REQUEST_HEADERS] = "request.headers",
	[CONFIG_REQUEST_INSTRUCTIONS] = "request.instructions",
	[CONFIG_REQUEST_MESSAGES] = "request.messages",
	[CONFIG_REQUEST_PROMPT] = "request.prompt",
	[CONFIG_REQUEST_INPUT] = "request.input",
	[CONFIG_REQUEST_FILES] = "request.files",
	[CONFIG_REQUEST_TOOLS] = "request.tools",
	[CONFIG_REQUEST_PARAMETERS] = "request.parameters",
	[CONFIG_REQUEST_BODY] = "request.body",
	[CONFIG_RESPONSE_HEADERS] = "response.headers",
	[CONFIG_RESPONSE_CHOICES] = "response.choices",
	[CONFIG_RESPONSE_OUTPUT] = "response.output",
	[CONFIG_RESPONSE_DATA] = "response.data",
	[CONFIG_RESPONSE_TEXT] = "response.text",
	[CONFIG_RESPONSE_FILES] = "response.files",
	[CONFIG_RESPONSE_CONTENT_FILTER] = "response.content-filter",
	[CONFIG_RESPONSE_ERROR] = "response.error",
	[CONFIG_RESPONSE_RESPONSE] = "response.response",
	[CONFIG_RESPONSE_BODY] = "response.body",
};

const char *const config_keep_names[] = {
	[CONFIG_KEEP] = "keep", [CONFIG_MASK] = "mask",		[CONFIG_HASH] = "hash",
	[CONFIG_DROP] = "drop", [CONFIG_TRUNCATE] = "truncate",
};

static const char *const requires[] = {"off", "report", "block", NULL};
static const char *const actions[] = {"report", "block", NULL};
static const char *const scopes[] = {"cgroup", "process", NULL};

#define BOTH	   (POLICY_AT_TOP | POLICY_IN_RULE)
#define SETTING(m) .offset = offsetof(struct config_settings, m), .where = BOTH
#define ASKS(m)	   .offset = offsetof(struct config_when, m), .where = POLICY_IN_WHEN, .kind = POLICY_LIST
#define GLOBS	   "a list of texts, in which * stands for any text and ? for one character"
#define GUIDS	   "a list of GUIDs such as 72f988bf-86f1-41af-91ab-2d7cd011db47"
#define TEXT_OF(n) "a text of 1 to " #n " bytes"

const struct policy_key policy_keys[] = {
	{
		.name = "name",
		.kind = POLICY_TEXT,
		.where = POLICY_IN_RULE,
		.offset = offsetof(struct config_rule, name),
		.max = 64,
		.expected = TEXT_OF(64) ": letters, digits, -, _ and .",
		.help = "What the events call it; each rule another.",
	},
	{
		.name = "when",
		.kind = POLICY_WHEN,
		.where = POLICY_IN_RULE,
		.offset = offsetof(struct config_rule, when),
		.fallback = "always",
		.expected = "a mapping of lists: namespaces, pods, images, units, users, executables, "
			    "operations, hosts, deployments, models, tenants, applications, kinds",
		.help = "All lists that are given must match; of a list, one value. What is not known of a\n"
			"call matches nothing.",
	},
	{
		.name = "require_entra",
		.kind = POLICY_CHOICE,
		SETTING(require_entra),
		.gives = CONFIG_GIVES_REQUIRE_ENTRA,
		.choices = requires,
		.fallback = "off",
		.expected = "off, report or block",
		.help = "What happens when a call comes with anything but an Entra token: an API key, no\n"
			"credential, or an Entra token that is known to be forged or expired. \"report\":\n"
			"an event of type Policy. \"block\": that, and the process's next connections are\n"
			"refused.",
	},
	{
		.name = "action",
		.kind = POLICY_CHOICE,
		SETTING(action),
		.gives = CONFIG_GIVES_ACTION,
		.choices = actions,
		.fallback = "report",
		.expected = "report or block",
		.help = "What happens when a call is outside tenants, applications, deployments or models.",
	},
	{
		.name = "tenants",
		.kind = POLICY_LIST,
		.item = POLICY_GUID,
		SETTING(tenants),
		.gives = CONFIG_GIVES_TENANTS,
		.fallback = "[], all",
		.expected = GUIDS,
		.help = "Tenants whose Entra tokens are allowed. Calls without an Entra token are judged by\n"
			"require_entra, not by this list.",
	},
	{
		.name = "applications",
		.kind = POLICY_LIST,
		.item = POLICY_GUID,
		SETTING(applications),
		.gives = CONFIG_GIVES_APPLICATIONS,
		.fallback = "[], all",
		.expected = GUIDS,
		.help = "Application ids whose Entra tokens are allowed; as tenants.",
	},
	{
		.name = "deployments",
		.kind = POLICY_LIST,
		SETTING(deployments),
		.gives = CONFIG_GIVES_DEPLOYMENTS,
		.fallback = "[], all",
		.expected = GLOBS,
		.help = "Azure deployments that may be asked. A call that names none is not judged.",
	},
	{
		.name = "models",
		.kind = POLICY_LIST,
		SETTING(models),
		.gives = CONFIG_GIVES_MODELS,
		.fallback = "[], all",
		.expected = GLOBS,
		.help = "Models that may be asked. If the request names none, the model that answers is\n"
			"judged; if neither does, the call is not.",
	},
	{
		.name = "metadata_only",
		.kind = POLICY_BOOL,
		SETTING(metadata_only),
		.gives = CONFIG_GIVES_METADATA_ONLY,
		.fallback = "false",
		.expected = "true or false",
		.help = "true: no content is kept, whatever fields says: neither prompts, answers, tools,\n"
			"parameters and files nor the words of errors. Who, what, when, sizes, hashes of\n"
			"bodies, tokens and outcomes are.",
	},
	{
		.name = "fields",
		.kind = POLICY_FIELDS,
		SETTING(fields),
		.gives = CONFIG_GIVES_FIELDS,
		.fallback = "keep, for each",
		.expected = "a mapping of fields such as request.messages to keep, mask, hash, drop or "
			    "{truncate: N}",
		.help = "What is kept of each field of the events. keep: as it is, after redaction. mask:\n"
			"its shape, with \"[masked]\" for each text. hash: a keyed hash for each text, with\n"
			"the key of identity.key_path. drop: nothing. {truncate: N}: N characters of each\n"
			"text, after redaction.",
	},
	{
		.name = "redact",
		.kind = POLICY_LIST,
		.item = POLICY_NAME,
		SETTING(redact),
		.gives = CONFIG_GIVES_REDACT,
		.fallback = "[], none",
		.expected = "a list of names of built-in rules or of groups of them",
		.help = "What is replaced in every text that comes from the traffic, before anything is\n"
			"stored. Each redaction counts in the event's capture.redacted.",
	},
	{
		.name = "sample",
		.kind = POLICY_SHARE,
		SETTING(sample),
		.gives = CONFIG_GIVES_SAMPLE,
		.fallback = "1",
		.expected = "a share from 0 to 1, or from 0% to 100%",
		.help = "Share of the exchanges whose content is kept; of the others the events are as with\n"
			"metadata_only, and say so. Decided by the message id, so that both events of an\n"
			"exchange agree. `oaitap status` counts both kinds.",
	},
	{
		.name = "block_for",
		.kind = POLICY_SECONDS,
		.where = POLICY_AT_TOP,
		.offset = offsetof(struct config_policy, block_for_s),
		.fallback = "60s",
		.expected = "a time such as 60s, 5m or 1h, from 1s to 24h",
		.help = "How long the action \"block\" lasts after the last violation.",
	},
	{
		.name = "block_scope",
		.kind = POLICY_CHOICE,
		.where = POLICY_AT_TOP,
		.offset = offsetof(struct config_policy, block_scope),
		.choices = scopes,
		.fallback = "cgroup",
		.expected = "cgroup or process",
		.help = "Whom the action \"block\" hits. cgroup: the service, container or scope of the\n"
			"process as a whole; where that is the root, a login session or otherwise\n"
			"everybody's, the process. process: the process and its descendants.",
	},
	{
		.name = "redact_rules",
		.kind = POLICY_PATTERNS,
		.where = POLICY_AT_TOP,
		.expected = "a list of {name, pattern, replace}",
		.help = "Redaction rules of one's own. They hold for every exchange, beside the built-in\n"
			"ones that `redact` names.",
	},
	{
		.name = "name",
		.kind = POLICY_TEXT,
		.where = POLICY_IN_PATTERN,
		.offset = offsetof(struct config_pattern, name),
		.max = 31,
		.expected = TEXT_OF(31) ": a-z, 0-9 and -, beginning with a letter",
		.help = "What capture.redacted calls it.",
	},
	{
		.name = "pattern",
		.kind = POLICY_TEXT,
		.where = POLICY_IN_PATTERN,
		.offset = offsetof(struct config_pattern, pattern),
		.max = CONFIG_PATTERN_MAX,
		.expected = TEXT_OF(4096) ": a regular expression of PCRE2",
		.help = "A regular expression of PCRE2.",
	},
	{
		.name = "replace",
		.kind = POLICY_TEXT,
		.where = POLICY_IN_PATTERN,
		.offset = offsetof(struct config_pattern, replace),
		.max = 64,
		.expected = TEXT_OF(64) " without control characters, \" and \\",
		.help = "What stands in its place; \"[NAME]\" if this is not given.",
	},
	{
		.name = "rules",
		.kind = POLICY_RULES,
		.where = POLICY_AT_TOP,
		.expected = "a list of {name, when, ...}",
		.help = "Exceptions. The first rule whose `when` matches the request holds for its whole\n"
			"exchange; what it says replaces the same key above (of fields: field by field),\n"
			"and what it does not say stays as above.",
	},
	{.name = "namespaces", ASKS(namespaces), .expected = GLOBS, .help = "Kubernetes namespaces."},
	{.name = "pods", ASKS(pods), .expected = GLOBS, .help = "Names of pods."},
	{.name = "images", ASKS(images), .expected = GLOBS, .help = "Images of containers."},
	{.name = "units", ASKS(units), .expected = GLOBS, .help = "systemd units: batch.service, *.scope."},
	{.name = "users", ASKS(users), .expected = GLOBS, .help = "Users of the host, by name or number."},
	{.name = "executables", ASKS(executables), .expected = GLOBS, .help = "Paths of executables."},
	{.name = "operations", ASKS(operations), .expected = GLOBS, .help = "Operations: createChat*."},
	{.name = "hosts", ASKS(hosts), .expected = GLOBS, .help = "Hosts asked: api.openai.com."},
	{.name = "deployments", ASKS(deployments), .expected = GLOBS, .help = "Azure deployments."},
	{.name = "models", ASKS(models), .expected = GLOBS, .help = "Models asked for."},
	{.name = "tenants",
	 ASKS(tenants),
	 .item = POLICY_GUID,
	 .expected = GUIDS,
	 .help = "Tenants of Entra tokens."},
	{.name = "applications",
	 ASKS(applications),
	 .item = POLICY_GUID,
	 .expected = GUIDS,
	 .help = "Application ids of Entra tokens."},
	{.name = "kinds",
	 ASKS(kinds),
	 .item = POLICY_KIND_NAME,
	 .expected = "a list of entra, api-key, subscription-key, bearer, none",
	 .help = "Kinds of credentials."},
};

const size_t policy_n_keys = ARRAY_SIZE(policy_keys);
