/* SPDX-License-Identifier: Apache-2.0 */

/* The section `policy` as YAML that is read back, and its documentation. */

#include "config/policy_keys.h"

#include <string.h>

#include "config/config_keys.h"

static void print_list(const struct config_list *list, FILE *out)
{
	fputs(" [", out);
	for (size_t i = 0; i < list->n; i++) {
		fputs(i ? ", " : "", out);
		config_print_quoted(out, list->items[i]);
	}
	fputs("]\n", out);
}

static void print_fields(const struct config_field_rule *fields, int indent, FILE *out)
{
	fputc('\n', out);
	for (int i = 0; i < CONFIG_N_FIELDS; i++) {
		if (!fields[i].given)
			continue;
		fprintf(out, "%*s%s: ", indent, "", config_field_names[i]);
		if (fields[i].how == CONFIG_TRUNCATE)
			fprintf(out, "{truncate: %u}\n", fields[i].max);
		else
			fprintf(out, "%s\n", config_keep_names[fields[i].how]);
	}
}

static bool any_field(const struct config_field_rule *fields)
{
	for (int i = 0; i < CONFIG_N_FIELDS; i++)
		if (fields[i].given)
			return true;
	return false;
}

/* Not as %f: the decimal point is the locale's. */
static void print_share(double share, FILE *out)
{
	unsigned int billionths = (unsigned int)(share * 1e9 + 0.5);
	char text[16];
	int n = snprintf(text, sizeof(text), "%u.%09u", billionths / 1000000000, billionths % 1000000000);
	while (text[n - 1] == '0')
		n--;
	fprintf(out, "%.*s", text[n - 1] == '.' ? n - 1 : n, text);
}

static void print_scalar(const struct policy_key *key, const void *field, FILE *out)
{
	fputc(' ', out);
	switch (key->kind) {
	case POLICY_CHOICE:
		fputs(key->choices[*(const unsigned int *)field], out);
		break;
	case POLICY_BOOL:
		fputs(*(const bool *)field ? "true" : "false", out);
		break;
	case POLICY_SHARE:
		print_share(*(const double *)field, out);
		break;
	case POLICY_SECONDS:
		fprintf(out, "%llus", (unsigned long long)*(const uint64_t *)field);
		break;
	default:
		config_print_quoted(out, *(char *const *)field);
		break;
	}
	fputc('\n', out);
}

/* What is not said is not printed; at the top, plain values always are. */
static bool is_said(const struct policy_key *key, unsigned int where, const void *field,
		    const struct config_settings *settings)
{
	switch (key->kind) {
	case POLICY_LIST:
		return key->gives ? settings->given & key->gives : ((const struct config_list *)field)->n > 0;
	case POLICY_TEXT:
		return *(char *const *)field != NULL;
	case POLICY_FIELDS:
		return any_field(field);
	default:
		return !key->gives || where == POLICY_AT_TOP || (settings->given & key->gives);
	}
}

static void print_record(const void *record, const struct config_settings *settings, unsigned int where,
			 int indent, FILE *out);

static void print_rules(const struct config_policy *policy, int indent, FILE *out)
{
	fputs(policy->n_rules ? "\n" : " []\n", out);
	for (size_t i = 0; i < policy->n_rules; i++) {
		fprintf(out, "%*s-\n", indent, "");
		print_record(&policy->rules[i], &policy->rules[i].settings, POLICY_IN_RULE, indent + 2, out);
	}
}

static void print_patterns(const struct config_policy *policy, int indent, FILE *out)
{
	fputs(policy->n_patterns ? "\n" : " []\n", out);
	for (size_t i = 0; i < policy->n_patterns; i++) {
		fprintf(out, "%*s-\n", indent, "");
		print_record(&policy->patterns[i], NULL, POLICY_IN_PATTERN, indent + 2, out);
	}
}

static bool any_list(const struct config_when *when)
{
	for (size_t i = 0; i < policy_n_keys; i++)
		if (policy_keys[i].where == POLICY_IN_WHEN &&
		    ((const struct config_list *)(const void *)((const char *)when + policy_keys[i].offset))
			    ->n)
			return true;
	return false;
}

static void print_when(const struct config_when *when, int indent, FILE *out)
{
	fputs(any_list(when) ? "\n" : " {}\n", out);
	print_record(when, NULL, POLICY_IN_WHEN, indent, out);
}

static void print_record(const void *record, const struct config_settings *settings, unsigned int where,
			 int indent, FILE *out)
{
	for (size_t i = 0; i < policy_n_keys; i++) {
		const struct policy_key *key = &policy_keys[i];
		const void *field =
			(const char *)(key->gives ? (const void *)settings : record) + key->offset;
		if (!(key->where & where) || !is_said(key, where, field, settings))
			continue;
		fprintf(out, "%*s%s:", indent, "", key->name);
		switch (key->kind) {
		case POLICY_LIST:
			print_list(field, out);
			break;
		case POLICY_FIELDS:
			print_fields(field, indent + 2, out);
			break;
		case POLICY_WHEN:
			print_when(field, indent + 2, out);
			break;
		case POLICY_RULES:
			print_rules(record, indent + 2, out);
			break;
		case POLICY_PATTERNS:
			print_patterns(record, indent + 2, out);
			break;
		default:
			print_scalar(key, field, out);
			break;
		}
	}
}

void config_policy_print(const struct config_policy *policy, FILE *out)
{
	fputs("policy:\n", out);
	print_record(policy, &policy->settings, POLICY_AT_TOP, 2, out);
}

/* --- help ---------------------------------------------------------------------------- */

static const char *prefix_of(unsigned int where)
{
	if (where & POLICY_AT_TOP)
		return "policy.";
	if (where == POLICY_IN_RULE)
		return "policy.rules.";
	return where == POLICY_IN_WHEN ? "policy.rules.when." : "policy.redact_rules.";
}

static void help_key(const struct policy_key *key, const char *path, FILE *out)
{
	fprintf(out, "%s\n", path);
	for (const char *line = key->help; line;) {
		size_t len = strcspn(line, "\n");
		fprintf(out, "    %.*s\n", (int)len, line);
		line = line[len] ? line + len + 1 : NULL;
	}
	if (key->kind == POLICY_FIELDS) {
		fputs("    Fields:\n", out);
		for (int i = 0; i < CONFIG_N_FIELDS; i++)
			fprintf(out, "      %s\n", config_field_names[i]);
	}
	if (key->where == (POLICY_AT_TOP | POLICY_IN_RULE))
		fputs("    May also stand in a rule.\n", out);
	fprintf(out, "    Value: %s\n", key->expected);
	if (key->fallback)
		fprintf(out, "    Default: %s\n", key->fallback);
}

bool config_policy_help(const char *wanted, FILE *out)
{
	char path[128];
	bool found = false;
	size_t len = wanted ? strlen(wanted) : 0;

	for (size_t i = 0; i < policy_n_keys; i++) {
		snprintf(path, sizeof(path), "%s%s", prefix_of(policy_keys[i].where), policy_keys[i].name);
		bool below = wanted && strncmp(path, wanted, len) == 0 && (path[len] == '.' || !path[len]);
		if (wanted && !below)
			continue;
		if (found)
			fputc('\n', out);
		found = true;
		help_key(&policy_keys[i], path, out);
	}
	return found;
}
