/* SPDX-License-Identifier: Apache-2.0 */

/* Reads the section `policy`, by the table in policy_keys.c. */

#include "config/policy_keys.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "config/config_keys.h"

#define PATH_SIZE	640
#define SECONDS_MAX	(24 * 3600ULL)
#define NAME_CHARS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#define REDACTION_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define GUID_FORM	"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
#define BLOCK_DEFAULT	60

struct reader {
	const char *file;
	const struct config_lines *lines;
	char **ret_error;
};

/* Paths in lines are shorter than PATH_SIZE, so nothing is cut. */
static void path_of_item(char ret_path[static PATH_SIZE], const char *path, size_t n)
{
	snprintf(ret_path, PATH_SIZE, "%.*s[%zu]", PATH_SIZE - 24, path, n);
}

static void path_of_member(char ret_path[static PATH_SIZE], const char *path, const char *name)
{
	snprintf(ret_path, PATH_SIZE, "%.*s.%.64s", PATH_SIZE - 72, path, name);
}

static int refuse(const struct reader *r, const char *path, const char *text, const char *why,
		  const char *expected)
{
	char quoted[CONFIG_QUOTE_TEXT];
	unsigned int line;

	config_lines_find(r->lines, path, &line);
	if (text && *text)
		*r->ret_error = config_error(r->file, line, path, "\"%s\" %s; expected %s",
					     config_quote(text, quoted), why, expected);
	else
		*r->ret_error = config_error(r->file, line, path, "%s; expected %s", why, expected);
	return *r->ret_error ? -EINVAL : -ENOMEM;
}

static const char *what_is(enum config_node kind)
{
	switch (kind) {
	case CONFIG_NODE_EMPTY:
		return "is empty";
	case CONFIG_NODE_SCALAR:
		return "is a single value";
	case CONFIG_NODE_LIST:
		return "is a list";
	case CONFIG_NODE_MAPPING:
		return "is a mapping";
	case CONFIG_NODE_NONE:
		break;
	}
	return "is missing";
}

static int expect(const struct reader *r, const char *path, enum config_node wanted, const char *expected)
{
	enum config_node kind = config_lines_find(r->lines, path, NULL);
	return kind == wanted ? 0 : refuse(r, path, NULL, what_is(kind), expected);
}

/* --- single values ------------------------------------------------------------------- */

/* NULL: nothing is wrong. */
static const char *text_problem(const char *text, size_t max)
{
	size_t len = strlen(text);
	if (!len)
		return "is empty";
	if (len > max)
		return "is too long";
	return utf8_valid(text, len, NULL) ? NULL : "is not UTF-8";
}

static const char *guid_problem(const char *text)
{
	if (strlen(text) != strlen(GUID_FORM))
		return "is not a GUID";
	for (size_t i = 0; text[i]; i++)
		if (GUID_FORM[i] == '-' ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
			return "is not a GUID";
	return NULL;
}

static const char *kind_problem(const char *text)
{
	static const char *const kinds[] = {"entra", "api-key", "subscription-key", "bearer", "none"};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i], text) == 0)
			return NULL;
	return "is not a kind of credential";
}

static const char *item_problem(enum policy_item item, const char *text)
{
	const char *why = text_problem(text, CONFIG_ITEM_MAX);
	if (why)
		return why;
	switch (item) {
	case POLICY_GUID:
		return guid_problem(text);
	case POLICY_KIND_NAME:
		return kind_problem(text);
	case POLICY_NAME:
		return text[strspn(text, NAME_CHARS)] ? "is not a name" : NULL;
	case POLICY_GLOB:
		break;
	}
	return NULL;
}

static int read_choice(const struct policy_key *key, const char *text, void *field)
{
	for (int i = 0; key->choices[i]; i++)
		if (strcmp(key->choices[i], text) == 0) {
			*(unsigned int *)field = (unsigned int)i;
			return 0;
		}
	return -EINVAL;
}

static int read_bool(const char *text, bool *field)
{
	bool on = strcmp(text, "true") == 0;
	if (!on && strcmp(text, "false") != 0)
		return -EINVAL;
	*field = on;
	return 0;
}

/* Digits with at most one point, so that neither the locale nor "inf" nor "0x1" gets in. */
static int read_share(const char *text, double *field)
{
	size_t digits = 0, points = 0;
	const char *p = text;
	double value = 0, scale = 1;

	for (; (*p >= '0' && *p <= '9') || *p == '.'; p++) {
		if (*p == '.') {
			points++;
			continue;
		}
		digits++;
		value = value * 10 + (*p - '0');
		scale *= points ? 10 : 1;
	}
	if (!digits || points > 1 || p - text > 18)
		return -EINVAL;
	value /= scale;
	if (*p == '%') {
		value /= 100;
		p++;
	}
	if (*p || value > 1)
		return -EINVAL;
	*field = value;
	return 0;
}

static int read_seconds(const char *text, uint64_t *field)
{
	uint64_t value = 0, unit = 0;
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; i < digits && value <= SECONDS_MAX; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	if (strcmp(text + digits, "s") == 0)
		unit = 1;
	else if (strcmp(text + digits, "m") == 0)
		unit = 60;
	else if (strcmp(text + digits, "h") == 0)
		unit = 3600;
	if (!digits || !unit || value == 0 || value > SECONDS_MAX / unit)
		return -EINVAL;
	*field = value * unit;
	return 0;
}

/* Names of redactions stand in what they leave, "[NAME]". */
static const char *name_problem(const struct policy_key *key, const char *text)
{
	bool narrow = key->where == POLICY_IN_PATTERN;
	if (narrow && !(text[0] >= 'a' && text[0] <= 'z'))
		return "is not a name";
	return text[strspn(text, narrow ? REDACTION_CHARS : NAME_CHARS)] ? "is not a name" : NULL;
}

/* It goes into JSON text as well. */
static const char *replacement_problem(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return "holds a character that it must not";
	return NULL;
}

static int read_text(const struct reader *r, const struct policy_key *key, const char *path, char **field)
{
	const char *text = config_lines_text(r->lines, path);
	const char *why = text_problem(text, key->max);
	if (!why && strcmp(key->name, "name") == 0)
		why = name_problem(key, text);
	if (!why && strcmp(key->name, "replace") == 0)
		why = replacement_problem(text);
	if (why)
		return refuse(r, path, text, why, key->expected);
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

/* --- lists --------------------------------------------------------------------------- */

static void list_done(struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	free(list->lines);
	*list = (struct config_list){0};
}

/* Members of the list at path; over max: an error. Negative errno. */
static int count_items(const struct reader *r, const char *path, size_t max, const char *expected)
{
	char item[PATH_SIZE];
	size_t n = 0;
	for (;; n++) {
		path_of_item(item, path, n);
		if (config_lines_find(r->lines, item, NULL) == CONFIG_NODE_NONE)
			return (int)n;
		if (n == max)
			return refuse(r, item, NULL, "is one too many", expected);
	}
}

static int read_item(const struct reader *r, const struct policy_key *key, const char *path,
		     struct config_list *list)
{
	enum config_node kind = config_lines_find(r->lines, path, &list->lines[list->n]);
	const char *text = config_lines_text(r->lines, path);
	if (kind != CONFIG_NODE_SCALAR)
		return refuse(r, path, NULL, what_is(kind), key->expected);
	const char *why = item_problem(key->item, text);
	if (why)
		return refuse(r, path, text, why, key->expected);
	list->items[list->n] = strdup(text);
	return list->items[list->n++] ? 0 : -ENOMEM;
}

/* An empty list in `when` would match nothing and must be a mistake. */
static int read_list(const struct reader *r, const struct policy_key *key, const char *path,
		     struct config_list *list)
{
	char item[PATH_SIZE];
	int n = expect(r, path, CONFIG_NODE_LIST, key->expected);

	if (n == 0)
		n = count_items(r, path, CONFIG_ITEMS_MAX, key->expected);
	if (n < 0)
		return n;
	if (n == 0)
		return key->where == POLICY_IN_WHEN ? refuse(r, path, NULL, "is an empty list", key->expected)
						    : 0;
	list->items = calloc((size_t)n, sizeof(*list->items));
	list->lines = calloc((size_t)n, sizeof(*list->lines));
	int error = list->items && list->lines ? 0 : -ENOMEM;
	for (int i = 0; i < n && error == 0; i++) {
		path_of_item(item, path, (size_t)i);
		error = read_item(r, key, item, list);
	}
	return error;
}

/* --- fields -------------------------------------------------------------------------- */

static int read_truncate(const struct reader *r, const char *path, const char *expected, uint32_t *ret_max)
{
	const char *name = config_lines_member(r->lines, path, 0);
	char inner[PATH_SIZE];

	if (!name || strcmp(name, "truncate") != 0 || config_lines_member(r->lines, path, 1))
		return refuse(r, path, NULL, "is not {truncate: N}", expected);
	path_of_member(inner, path, "truncate");
	const char *text = config_lines_text(r->lines, inner);
	size_t digits = strspn(text, "0123456789");
	unsigned long n = digits && digits < 9 ? strtoul(text, NULL, 10) : 0;
	if (!digits || text[digits] || n < 1 || n > CONFIG_TRUNCATE_MAX)
		return refuse(r, inner, text, "is not a number of characters", "a number from 1 to 1048576");
	*ret_max = (uint32_t)n;
	return 0;
}

static int read_field(const struct reader *r, const char *path, struct config_field_rule *field)
{
	static const char expected[] = "keep, mask, hash, drop or {truncate: N}";
	enum config_node kind = config_lines_find(r->lines, path, NULL);
	const char *text = config_lines_text(r->lines, path);

	field->given = true;
	if (kind == CONFIG_NODE_MAPPING) {
		field->how = CONFIG_TRUNCATE;
		return read_truncate(r, path, expected, &field->max);
	}
	if (kind != CONFIG_NODE_SCALAR)
		return refuse(r, path, NULL, what_is(kind), expected);
	for (int i = 0; i < CONFIG_TRUNCATE; i++)
		if (strcmp(config_keep_names[i], text) == 0) {
			field->how = (enum config_keep)i;
			return 0;
		}
	return refuse(r, path, text, "is not a way to keep a field", expected);
}

static int field_index(const char *name)
{
	for (int i = 0; i < CONFIG_N_FIELDS; i++)
		if (strcmp(config_field_names[i], name) == 0)
			return i;
	return -ENOENT;
}

static int read_fields(const struct reader *r, const struct policy_key *key, const char *path,
		       struct config_field_rule *fields)
{
	char inner[PATH_SIZE];
	const char *name;
	int error = expect(r, path, CONFIG_NODE_MAPPING, key->expected);

	for (size_t i = 0; error == 0 && (name = config_lines_member(r->lines, path, i)); i++) {
		path_of_member(inner, path, name);
		int field = field_index(name);
		if (field < 0)
			return refuse(r, inner, NULL, "unknown field",
				      "one that `oaitap config help policy.fields` lists");
		error = read_field(r, inner, &fields[field]);
	}
	return error;
}

/* --- records ------------------------------------------------------------------------- */

static const struct policy_key *find_key(const char *name, unsigned int where)
{
	for (size_t i = 0; i < policy_n_keys; i++)
		if ((policy_keys[i].where & where) && strcmp(policy_keys[i].name, name) == 0)
			return &policy_keys[i];
	return NULL;
}

static int read_record(const struct reader *r, const char *path, unsigned int where, void *record,
		       struct config_settings *settings);

static int read_rules(const struct reader *r, const struct policy_key *key, const char *path,
		      struct config_policy *policy);
static int read_patterns(const struct reader *r, const struct policy_key *key, const char *path,
			 struct config_policy *policy);

static int read_scalar(const struct reader *r, const struct policy_key *key, const char *path, void *field)
{
	const char *text = config_lines_text(r->lines, path);
	int error = expect(r, path, CONFIG_NODE_SCALAR, key->expected);

	if (error < 0)
		return error;
	switch (key->kind) {
	case POLICY_CHOICE:
		error = read_choice(key, text, field);
		break;
	case POLICY_BOOL:
		error = read_bool(text, field);
		break;
	case POLICY_SHARE:
		error = read_share(text, field);
		break;
	case POLICY_SECONDS:
		error = read_seconds(text, field);
		break;
	default:
		return read_text(r, key, path, field);
	}
	return error < 0 ? refuse(r, path, text, "is not right", key->expected) : 0;
}

/* record: what the mapping is read into; settings: where its settings go. */
static int read_value(const struct reader *r, const struct policy_key *key, const char *path, void *record,
		      struct config_settings *settings)
{
	void *field = (char *)(key->gives ? (void *)settings : record) + key->offset;

	if (key->gives)
		settings->given |= key->gives;
	switch (key->kind) {
	case POLICY_LIST:
		return read_list(r, key, path, field);
	case POLICY_FIELDS:
		return read_fields(r, key, path, field);
	case POLICY_WHEN:
		return read_record(r, path, POLICY_IN_WHEN, field, NULL);
	case POLICY_RULES:
		return read_rules(r, key, path, record);
	case POLICY_PATTERNS:
		return read_patterns(r, key, path, record);
	default:
		return read_scalar(r, key, path, field);
	}
}

static void list_names(unsigned int where, char *ret_names, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < policy_n_keys && n < size; i++)
		if (policy_keys[i].where & where)
			n += (size_t)snprintf(ret_names + n, size - n, "%s%s", n ? ", " : "",
					      policy_keys[i].name);
}

static int read_record(const struct reader *r, const char *path, unsigned int where, void *record,
		       struct config_settings *settings)
{
	char inner[PATH_SIZE], expected[320] = "a mapping with ";
	const char *name;

	list_names(where, expected + strlen(expected), sizeof(expected) - strlen(expected));
	int error = expect(r, path, CONFIG_NODE_MAPPING, expected);
	for (size_t i = 0; error == 0 && (name = config_lines_member(r->lines, path, i)); i++) {
		const struct policy_key *key = find_key(name, where);
		path_of_member(inner, path, name);
		if (!key)
			return refuse(r, inner, NULL, "unknown key", expected);
		error = read_value(r, key, inner, record, settings);
	}
	return error;
}

static int missing(const struct reader *r, const char *path, const char *name, const char *expected)
{
	char why[32];
	snprintf(why, sizeof(why), "has no %s", name);
	return refuse(r, path, NULL, why, expected);
}

static int check_rule_name(const struct reader *r, const char *path, const struct config_policy *policy,
			   size_t at)
{
	char inner[PATH_SIZE];
	const char *name = policy->rules[at].name;
	if (!name)
		return missing(r, path, "name", "each rule to have one");
	path_of_member(inner, path, "name");
	if (strcmp(name, "default") == 0)
		return refuse(r, inner, name, "is what events call the rest", "another name");
	for (size_t i = 0; i < at; i++)
		if (strcmp(policy->rules[i].name, name) == 0)
			return refuse(r, inner, name, "is the name of an earlier rule", "another name");
	return 0;
}

static int read_rules(const struct reader *r, const struct policy_key *key, const char *path,
		      struct config_policy *policy)
{
	char item[PATH_SIZE];
	int n = expect(r, path, CONFIG_NODE_LIST, key->expected);

	if (n == 0)
		n = count_items(r, path, CONFIG_RULES_MAX, key->expected);
	if (n <= 0)
		return n;
	policy->rules = calloc((size_t)n, sizeof(*policy->rules));
	if (!policy->rules)
		return -ENOMEM;
	policy->n_rules = (size_t)n;
	int error = 0;
	for (size_t i = 0; i < policy->n_rules && error == 0; i++) {
		path_of_item(item, path, i);
		error = read_record(r, item, POLICY_IN_RULE, &policy->rules[i], &policy->rules[i].settings);
		if (error == 0)
			error = check_rule_name(r, item, policy, i);
	}
	return error;
}

static int check_pattern(const struct reader *r, const char *path, struct config_policy *policy, size_t at)
{
	struct config_pattern *p = &policy->patterns[at];
	char inner[PATH_SIZE];

	if (!p->name || !p->pattern)
		return missing(r, path, p->name ? "pattern" : "name", "{name, pattern, replace}");
	path_of_member(inner, path, "pattern");
	config_lines_find(r->lines, inner, &p->line);
	path_of_member(inner, path, "name");
	config_lines_find(r->lines, inner, &p->name_line);
	for (size_t i = 0; i < at; i++)
		if (strcmp(policy->patterns[i].name, p->name) == 0)
			return refuse(r, inner, p->name, "is the name of an earlier one", "another name");
	return 0;
}

static int read_patterns(const struct reader *r, const struct policy_key *key, const char *path,
			 struct config_policy *policy)
{
	char item[PATH_SIZE];
	int n = expect(r, path, CONFIG_NODE_LIST, key->expected);

	if (n == 0)
		n = count_items(r, path, CONFIG_RULES_MAX, key->expected);
	if (n <= 0)
		return n;
	policy->patterns = calloc((size_t)n, sizeof(*policy->patterns));
	if (!policy->patterns)
		return -ENOMEM;
	policy->n_patterns = (size_t)n;
	int error = 0;
	for (size_t i = 0; i < policy->n_patterns && error == 0; i++) {
		path_of_item(item, path, i);
		error = read_record(r, item, POLICY_IN_PATTERN, &policy->patterns[i], NULL);
		if (error == 0)
			error = check_pattern(r, item, policy, i);
	}
	return error;
}

/* --- the section --------------------------------------------------------------------- */

static void settings_done(struct config_settings *s)
{
	list_done(&s->tenants);
	list_done(&s->applications);
	list_done(&s->deployments);
	list_done(&s->models);
	list_done(&s->redact);
}

static void rule_done(struct config_rule *rule)
{
	for (size_t i = 0; i < policy_n_keys; i++)
		if (policy_keys[i].where == POLICY_IN_WHEN)
			list_done(
				(struct config_list *)(void *)((char *)&rule->when + policy_keys[i].offset));
	settings_done(&rule->settings);
	free(rule->name);
}

void config_policy_free(struct config_policy **policy)
{
	struct config_policy *p = *policy;
	if (!p)
		return;
	for (size_t i = 0; i < p->n_rules; i++)
		rule_done(&p->rules[i]);
	for (size_t i = 0; i < p->n_patterns; i++) {
		free(p->patterns[i].name);
		free(p->patterns[i].pattern);
		free(p->patterns[i].replace);
	}
	settings_done(&p->settings);
	free(p->rules);
	free(p->patterns);
	free(p->file);
	free(p);
	*policy = NULL;
}

int config_policy_new(struct config_policy **ret_policy)
{
	struct config_policy *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->settings.sample = 1;
	p->block_for_s = BLOCK_DEFAULT;
	*ret_policy = p;
	return 0;
}

int config_policy_read(struct config_policy **ret_policy, const char *file, const struct config_lines *lines,
		       char **ret_error)
{
	const struct reader r = {.file = file, .lines = lines, .ret_error = ret_error};
	_cleanup_(config_policy_free) struct config_policy *p = NULL;
	int error = config_policy_new(&p);
	if (error < 0)
		return error;
	p->file = strdup(file);
	if (!p->file)
		return -ENOMEM;
	error = read_record(&r, "policy", POLICY_AT_TOP, p, &p->settings);
	if (error < 0)
		return error;
	*ret_policy = TAKE_PTR(p);
	return 0;
}

static bool settings_block(const struct config_settings *s)
{
	return s->require_entra == CONFIG_REQUIRE_BLOCK || s->action == CONFIG_ACTION_BLOCK;
}

bool config_policy_blocks(const struct config_policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (settings_block(&policy->rules[i].settings))
			return true;
	return settings_block(&policy->settings);
}
