/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "config/config_keys.h"
#include "config/policy_keys.h"

int config_new(struct config **ret_config)
{
	_cleanup_(config_free) struct config *config = calloc(1, sizeof(*config));
	const char *why;
	int r = 0;

	if (!config)
		return -ENOMEM;
	for (size_t i = 0; i < CONFIG_N_KEYS && r == 0; i++)
		if (config_keys[i].fallback)
			r = config_key_set(&config_keys[i], config, config_keys[i].fallback, &why);
	for (size_t i = 0; i < config_n_default_hosts && r == 0; i++)
		r = config_host_add(config, config_default_hosts[i], &why);
	if (r == 0)
		r = config_policy_new(&config->policy);
	if (r < 0)
		return r;
	*ret_config = TAKE_PTR(config);
	return 0;
}

void config_free(struct config **config)
{
	if (!*config)
		return;
	config_hosts_clear(*config);
	free((*config)->store_path);
	free((*config)->key_path);
	free((*config)->known_keys);
	free((*config)->jwks_ca);
	config_texts_clear(&(*config)->jwks);
	config_texts_clear(&(*config)->audiences);
	config_texts_clear(&(*config)->claimed_headers);
	free((*config)->kubelet);
	free((*config)->kubelet_token);
	free((*config)->kubelet_ca);
	free((*config)->host_root);
	free((*config)->socket_path);
	config_policy_free(&(*config)->policy);
	free(*config);
	*config = NULL;
}

int config_open(struct config **ret_config, const char *path, char **ret_error)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;

	int r = config_new(&config);
	if (r < 0)
		return r;
	r = config_load(config, path ? path : CONFIG_PATH_DEFAULT, &error);
	if (r < 0 && !(r == -ENOENT && !path)) {
		*ret_error = TAKE_PTR(error);
		return r;
	}
	*ret_config = TAKE_PTR(config);
	return 0;
}

int config_exit_code(int error)
{
	return error == -EACCES || error == -EPERM ? 3 : 2;
}

int config_set_hosts(struct config *config, char *const *hosts, size_t n, char **ret_error)
{
	struct config fresh = {0};
	const char *why = "is missing";
	char quoted[CONFIG_QUOTE_TEXT];
	int r = n ? 0 : -EINVAL;
	size_t i = 0;

	for (; i < n && r == 0; i++)
		r = config_host_add(&fresh, hosts[i], &why);
	if (r == 0) {
		config_hosts_clear(config);
		config->hosts = fresh.hosts;
		config->n_hosts = fresh.n_hosts;
		return 0;
	}
	config_hosts_clear(&fresh);
	if (r == -EINVAL) {
		*ret_error = config_error("--host", 0, NULL,
					  "\"%s\" %s; expected a host name such as api.openai.com or "
					  "*.openai.azure.com, at most %d of them",
					  i ? config_quote(hosts[i - 1], quoted) : "", why, CONFIG_MAX_HOSTS);
		if (!*ret_error)
			return -ENOMEM;
	}
	return r;
}

/* A double-quoted YAML scalar. Control characters cannot occur in what a file gave, but can in what a caller
 * set. */
void config_print_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void print_roles(unsigned int roles, FILE *out)
{
	fprintf(out, " [%s%s%s]", roles & CONFIG_ROLE_CLIENT ? "client" : "",
		roles == (CONFIG_ROLE_CLIENT | CONFIG_ROLE_SERVER) ? ", " : "",
		roles & CONFIG_ROLE_SERVER ? "server" : "");
}

static void print_list(char *const *items, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		fputs("\n    - ", out);
		config_print_quoted(out, items[i]);
	}
}

/* Has neither a value nor a default that can be written down. */
static bool is_unset(const struct config_key *key, const struct config *config)
{
	const char *field = (const char *)config + key->offset;
	if (key->kind == CONFIG_PATH)
		return !*(char *const *)(const void *)field;
	return key->kind == CONFIG_TEXTS && ((const struct config_texts *)(const void *)field)->n == 0;
}

static void print_value(const struct config_key *key, const struct config *config, FILE *out)
{
	const char *field = (const char *)config + key->offset;
	char size[CONFIG_SIZE_TEXT];

	switch (key->kind) {
	case CONFIG_HOSTS:
		for (size_t i = 0; i < config->n_hosts; i++) {
			fputs("\n  - ", out);
			config_print_quoted(out, config->hosts[i]);
		}
		break;
	case CONFIG_ROLES:
		print_roles(*(const unsigned int *)(const void *)field, out);
		break;
	case CONFIG_SIZE:
		config_format_size(*(const uint64_t *)(const void *)field, size);
		fprintf(out, " %s", size);
		break;
	case CONFIG_TEXTS:
		print_list(((const struct config_texts *)(const void *)field)->items,
			   ((const struct config_texts *)(const void *)field)->n, out);
		break;
	case CONFIG_BOOL:
		fputs(*(const bool *)(const void *)field ? " true" : " false", out);
		break;
	case CONFIG_PATH:
	case CONFIG_CHECKED:
		fputc(' ', out);
		config_print_quoted(out, *(char *const *)(const void *)field);
		break;
	}
	fputc('\n', out);
}

int config_print(const struct config *config, FILE *out)
{
	const char *section = NULL;

	for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		if (key->section && (!section || strcmp(section, key->section) != 0))
			fprintf(out, "%s:\n", key->section);
		section = key->section;
		if (is_unset(key, config)) {
			fprintf(out, "  # %s: not set\n", key->name);
			continue;
		}
		fprintf(out, "%s%s:", section ? "  " : "", key->name);
		print_value(key, config, out);
	}
	config_policy_print(config->policy, out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

static void help_key(const struct config_key *key, FILE *out)
{
	fprintf(out, "%s\n", key->path);
	for (const char *line = key->help; line;) {
		size_t len = strcspn(line, "\n");
		fprintf(out, "    %.*s\n", (int)len, line);
		line = line[len] ? line + len + 1 : NULL;
	}
	fprintf(out, "    Value: %s\n", key->expected);
	if (key->fallback) {
		fprintf(out, "    Default: %s\n", key->fallback);
		return;
	}
	if (key->kind != CONFIG_HOSTS) {
		fprintf(out, "    Default: %s\n", key->default_help ? key->default_help : "none");
		return;
	}
	fputs("    Default:\n", out);
	for (size_t i = 0; i < config_n_default_hosts; i++)
		fprintf(out, "      %s\n", config_default_hosts[i]);
}

int config_help(const char *key, FILE *out)
{
	bool found = false;

	for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
		const struct config_key *k = &config_keys[i];
		if (key && strcmp(key, k->path) != 0 && (!k->section || strcmp(key, k->section) != 0))
			continue;
		if (found)
			fputc('\n', out);
		found = true;
		help_key(k, out);
	}
	if (!key)
		fputc('\n', out);
	if (!key || strncmp(key, "policy", strlen("policy")) == 0)
		found |= config_policy_help(key, out);
	if (!found)
		return -ENOENT;
	return fflush(out) || ferror(out) ? -EIO : 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool same_texts(const struct config_texts *a, const struct config_texts *b)
{
	return same_list(a->items, a->n, b->items, b->n);
}

static bool same_value(const struct config_key *key, const struct config *a, const struct config *b)
{
	const void *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
	switch (key->kind) {
	case CONFIG_HOSTS:
		return same_list(a->hosts, a->n_hosts, b->hosts, b->n_hosts);
	case CONFIG_ROLES:
		return *(const unsigned int *)x == *(const unsigned int *)y;
	case CONFIG_SIZE:
		return *(const uint64_t *)x == *(const uint64_t *)y;
	case CONFIG_TEXTS:
		return same_texts(x, y);
	case CONFIG_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case CONFIG_PATH:
	case CONFIG_CHECKED:
		break;
	}
	return same_text(*(char *const *)x, *(char *const *)y);
}

bool config_differs(const struct config *a, const struct config *b, char *ret_keys, size_t size)
{
	size_t n = 0;
	for (size_t i = 0; i < CONFIG_N_KEYS && n < size; i++)
		if (!same_value(&config_keys[i], a, b))
			n += (size_t)snprintf(ret_keys + n, size - n, "%s%s", n ? ", " : "",
					      config_keys[i].path);
	return n > 0;
}
