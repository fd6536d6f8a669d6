/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cyaml/cyaml.h>

#include "base/macro.h"
#include "config/config_keys.h"
#include "config/config_lines.h"
#include "config/policy_keys.h"

/* What libcyaml fills in: every value as text, so that our own checks can say what is wrong with it. */
struct raw_value {
	char *text;
	char **list;
	uint32_t n_list;
};

struct raw {
	struct raw_value values[CONFIG_N_KEYS];
};

struct schema {
	cyaml_schema_field_t top[CONFIG_N_KEYS + 2];		      /* with policy */
	cyaml_schema_field_t inner[CONFIG_N_KEYS][CONFIG_N_KEYS + 1]; /* by index of the section in top */
	cyaml_schema_value_t root;
};

static const cyaml_schema_value_t any_text = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

static const cyaml_config_t *cyaml_quiet(void)
{
	static const cyaml_config_t config = {.mem_fn = cyaml_mem, .flags = CYAML_CFG_NO_ALIAS};
	return &config;
}

/* One text may stand without its list. */
static bool is_list_here(const struct config_lines *lines, const struct config_key *key)
{
	enum config_node node = config_lines_find(lines, key->path, NULL);
	return config_is_list(key) &&
	       !(key->kind == CONFIG_TEXTS && (node == CONFIG_NODE_SCALAR || node == CONFIG_NODE_EMPTY));
}

static cyaml_schema_field_t schema_field(const struct config_lines *lines, size_t i)
{
	size_t base = offsetof(struct raw, values) + i * sizeof(struct raw_value);
	cyaml_schema_field_t field = {.key = config_keys[i].name};

	if (is_list_here(lines, &config_keys[i])) {
		field.data_offset = (uint32_t)(base + offsetof(struct raw_value, list));
		field.count_offset = (uint32_t)(base + offsetof(struct raw_value, n_list));
		field.count_size = sizeof(uint32_t);
		field.value.type = CYAML_SEQUENCE;
		field.value.data_size = sizeof(char *);
		field.value.sequence.entry = &any_text;
		field.value.sequence.max = CYAML_UNLIMITED;
	} else {
		field.data_offset = (uint32_t)(base + offsetof(struct raw_value, text));
		field.value = any_text;
	}
	field.value.flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);
	return field;
}

/* Section `policy` has lists of records, which are read by a table of their own (config_policy.c). */
static const cyaml_schema_field_t policy_field = CYAML_FIELD_IGNORE("policy", CYAML_FLAG_OPTIONAL);

/* A section is a mapping laid over the same struct raw, so all offsets count from its beginning. */
static void schema_build(struct schema *schema, const struct config_lines *lines)
{
	size_t n = 0, n_inner[CONFIG_N_KEYS] = {0};

	memset(schema, 0, sizeof(*schema));
	for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
		const char *section = config_keys[i].section;
		size_t s = 0;
		if (!section) {
			schema->top[n++] = schema_field(lines, i);
			continue;
		}
		while (s < n && strcmp(schema->top[s].key, section) != 0)
			s++;
		if (s == n) {
			schema->top[n++] = (cyaml_schema_field_t){
				.key = section,
				.value = {.type = CYAML_MAPPING,
					  .flags = CYAML_FLAG_OPTIONAL,
					  .data_size = sizeof(struct raw),
					  .mapping.fields = schema->inner[s]},
			};
		}
		schema->inner[s][n_inner[s]++] = schema_field(lines, i);
	}
	schema->top[n] = policy_field;
	schema->root = (cyaml_schema_value_t){.type = CYAML_MAPPING,
					      .flags = CYAML_FLAG_POINTER,
					      .data_size = sizeof(struct raw),
					      .mapping.fields = schema->top};
}

/* What libcyaml says about an error: a line, then a backtrace from the inside out. */
struct complaint {
	char first[160];
	char unknown[80]; /* the unexpected key, or "" */
	char path[160];	  /* of the mapping or value concerned */
};

static void complaint_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	static const char unexpected[] = "Load: Unexpected key: ", field[] = "  in mapping field '";
	struct complaint *c = ctx;
	char line[256], path[sizeof(c->path)];

	(void)level;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (!c->first[0])
		snprintf(c->first, sizeof(c->first), "%.*s", (int)sizeof(c->first) - 1, line);
	if (strncmp(line, unexpected, strlen(unexpected)) == 0) {
		snprintf(c->unknown, sizeof(c->unknown), "%.64s", line + strlen(unexpected));
	} else if (strncmp(line, field, strlen(field)) == 0) {
		const char *name = line + strlen(field);
		snprintf(path, sizeof(path), "%.*s%s%.80s", (int)MIN(strcspn(name, "'"), (size_t)64), name,
			 c->path[0] ? "." : "", c->path);
		memcpy(c->path, path, sizeof(c->path));
	}
}

struct load {
	const char *file;
	const struct config_lines *lines;
	char **ret_error;
};

#define refuse(load, line, key, ...)                                                                         \
	({                                                                                                   \
		*(load)->ret_error = config_error((load)->file, (line), (key), __VA_ARGS__);                 \
		*(load)->ret_error ? -EINVAL : -ENOMEM;                                                      \
	})

static void list_section(const char *section, char *ret_names, size_t size)
{
	size_t n = 0;
	ret_names[0] = '\0';
	for (size_t i = 0; i < CONFIG_N_KEYS && n < size; i++)
		if (config_keys[i].section && strcmp(config_keys[i].section, section) == 0)
			n += (size_t)snprintf(ret_names + n, size - n, "%s%s", n ? ", " : "",
					      config_keys[i].name);
}

static int wrong_type(const struct load *load, const char *path)
{
	static const char *const what[] = {
		[CONFIG_NODE_NONE] = "is wrong",
		[CONFIG_NODE_EMPTY] = "is empty",
		[CONFIG_NODE_SCALAR] = "is a single value",
		[CONFIG_NODE_LIST] = "is a list",
		[CONFIG_NODE_MAPPING] = "is a mapping",
	};
	const struct config_key *key = config_key_find(path);
	char item[200], names[160];
	unsigned int line, item_line;
	enum config_node kind = config_lines_find(load->lines, path, &line);

	if (!path[0])
		return refuse(load, line, NULL, "the file %s; expected a mapping, KEY: VALUE", what[kind]);
	if (!key) {
		list_section(path, names, sizeof(names));
		return refuse(load, line, path, "%s; expected a mapping with %s", what[kind], names);
	}
	if (config_is_list(key) && kind == CONFIG_NODE_LIST)
		for (unsigned int i = 0; i <= CONFIG_MAX_HOSTS; i++) {
			snprintf(item, sizeof(item), "%s[%u]", path, i);
			kind = config_lines_find(load->lines, item, &item_line);
			if (kind == CONFIG_NODE_LIST || kind == CONFIG_NODE_MAPPING)
				return refuse(load, item_line, item, "%s; expected %s", what[kind],
					      key->kind == CONFIG_HOSTS	  ? "a host name"
					      : key->kind == CONFIG_ROLES ? "client or server"
									  : "a single value");
		}
	return refuse(load, line, path, "%s; expected %s", what[kind], key->expected);
}

static int explain(const struct load *load, cyaml_err_t error, const struct complaint *c)
{
	char path[256];
	unsigned int line = 0;

	if (error == CYAML_ERR_OOM)
		return -ENOMEM;
	if (c->unknown[0]) {
		snprintf(path, sizeof(path), "%s%s%s", c->path, c->path[0] ? "." : "", c->unknown);
		config_lines_find(load->lines, path, &line);
		return refuse(load, line, path, "unknown key; `oaitap config help` lists the keys");
	}
	if (error == CYAML_ERR_INVALID_VALUE)
		return wrong_type(load, c->path);
	config_lines_find(load->lines, c->path, &line);
	return refuse(load, line, c->path[0] ? c->path : NULL, "%s; expected YAML as in oaitap.yaml(5)",
		      c->first[0] ? c->first : cyaml_strerror(error));
}

static int bad_value(const struct load *load, const struct config_key *key, const char *path,
		     const char *text, const char *why)
{
	char quoted[CONFIG_QUOTE_TEXT];
	unsigned int line;
	config_lines_find(load->lines, path, &line);
	if (!text[0])
		return refuse(load, line, path, "%s; expected %s", why, key->expected);
	return refuse(load, line, path, "\"%s\" %s; expected %s", config_quote(text, quoted), why,
		      key->expected);
}

static void list_clear(const struct config_key *key, struct config *config)
{
	if (key->kind == CONFIG_HOSTS)
		config_hosts_clear(config);
	else if (key->kind == CONFIG_ROLES)
		config->roles = 0;
	else
		config_texts_clear((struct config_texts *)(void *)((char *)config + key->offset));
}

static int apply_list(const struct load *load, const struct config_key *key, struct config *config,
		      const struct raw_value *raw)
{
	char item[64];
	unsigned int line;

	if (raw->n_list == 0) {
		config_lines_find(load->lines, key->path, &line);
		return refuse(load, line, key->path, "is an empty list; expected %s", key->expected);
	}
	list_clear(key, config);
	for (uint32_t i = 0; i < raw->n_list; i++) {
		const char *why = NULL, *text = raw->list[i] ? raw->list[i] : "";
		snprintf(item, sizeof(item), "%s[%u]", key->path, i);
		int r = key->kind == CONFIG_HOSTS ? config_host_add(config, text, &why)
						  : config_key_set(key, config, text, &why);
		if (r == -EINVAL)
			return bad_value(load, key, item, text, why);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply(const struct load *load, struct config *config, const struct raw *raw)
{
	for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		const char *why = NULL;
		int r = 0;
		if (config_lines_find(load->lines, key->path, NULL) == CONFIG_NODE_NONE)
			continue;
		const char *text = raw->values[i].text ? raw->values[i].text : "";
		if (is_list_here(load->lines, key))
			r = apply_list(load, key, config, &raw->values[i]);
		else if (config_is_list(key))
			list_clear(key, config);
		if (!is_list_here(load->lines, key))
			r = config_key_set(key, config, text, &why);
		if (r == -EINVAL && why)
			return bad_value(load, key, key->path, text, why);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_values(struct config *copy, const struct config *config)
{
	copy->roles = config->roles;
	copy->max_body = config->max_body;
	copy->max_call = config->max_call;
	copy->max_message = config->max_message;
	copy->ring_size = config->ring_size;
	copy->store_path = strdup(config->store_path);
	copy->key_path = strdup(config->key_path);
	copy->socket_path = strdup(config->socket_path);
	copy->args = config->args;
	copy->kubelet = strdup(config->kubelet);
	copy->kubelet_token = strdup(config->kubelet_token);
	copy->kubelet_ca = strdup(config->kubelet_ca);
	copy->host_root = strdup(config->host_root);
	if (!copy->store_path || !copy->key_path || !copy->socket_path || !copy->kubelet ||
	    !copy->kubelet_token || !copy->kubelet_ca || !copy->host_root)
		return -ENOMEM;
	if ((config->known_keys && !(copy->known_keys = strdup(config->known_keys))) ||
	    (config->jwks_ca && !(copy->jwks_ca = strdup(config->jwks_ca))))
		return -ENOMEM;
	int r = config_texts_copy(&config->jwks, &copy->jwks);
	if (r == 0)
		r = config_texts_copy(&config->audiences, &copy->audiences);
	if (r == 0)
		r = config_texts_copy(&config->claimed_headers, &copy->claimed_headers);
	return r;
}

static int copy_config(struct config **ret_copy, const struct config *config)
{
	_cleanup_(config_free) struct config *copy = calloc(1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	int r = copy_values(copy, config);
	if (r < 0)
		return r;
	for (size_t i = 0; i < config->n_hosts; i++) {
		const char *why;
		r = config_host_add(copy, config->hosts[i], &why);
		if (r < 0)
			return r;
	}
	*ret_copy = TAKE_PTR(copy);
	return 0;
}

static int load_text(struct config *config, const char *file, const uint8_t *data, size_t len,
		     char **ret_error)
{
	_cleanup_(config_lines_free) struct config_lines *lines = NULL;
	_cleanup_(config_free) struct config *copy = NULL;
	struct complaint complaint = {0};
	struct schema schema;
	struct raw *raw = NULL;

	int r = config_lines_new(&lines, file, data, len, ret_error);
	if (r < 0)
		return r;
	enum config_node root = config_lines_find(lines, "", NULL);
	if (root == CONFIG_NODE_NONE || root == CONFIG_NODE_EMPTY)
		return 0;

	struct load load = {.file = file, .lines = lines, .ret_error = ret_error};
	cyaml_config_t cyaml = *cyaml_quiet();
	cyaml.log_fn = complaint_log;
	cyaml.log_ctx = &complaint;
	cyaml.log_level = CYAML_LOG_ERROR;
	schema_build(&schema, lines);
	cyaml_err_t error = cyaml_load_data(data, len, &cyaml, &schema.root, (cyaml_data_t **)&raw, NULL);
	if (error != CYAML_OK)
		return explain(&load, error, &complaint);
	if (!raw)
		return 0;
	r = copy_config(&copy, config);
	if (r == 0)
		r = apply(&load, copy, raw);
	if (r == 0 && config_lines_find(lines, "policy", NULL) != CONFIG_NODE_NONE)
		r = config_policy_read(&copy->policy, file, lines, ret_error);
	cyaml_free(cyaml_quiet(), &schema.root, raw, 0);
	if (r < 0)
		return r;
	if (!copy->policy)
		copy->policy = TAKE_PTR(config->policy);
	struct config before = *config;
	*config = *copy;
	*copy = before;
	return 0;
}

static int cannot_read(const char *path, int error, char **ret_error)
{
	*ret_error = config_error(path, 0, NULL, "cannot read it: %s", strerror(error));
	return *ret_error ? -error : -ENOMEM;
}

/* One byte more than the limit is asked for, so that a file that grows is noticed as well. */
static int read_all(int fd, uint8_t *ret_data, size_t *ret_len)
{
	size_t len = 0;
	while (len <= CONFIG_FILE_MAX) {
		ssize_t n = read(fd, ret_data + len, CONFIG_FILE_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int config_load(struct config *config, const char *path, char **ret_error)
{
	/* O_NONBLOCK: a FIFO in place of the file must not hang the start. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return cannot_read(path, errno, ret_error);
	if (!S_ISREG(st.st_mode)) {
		*ret_error = config_error(path, 0, NULL, "%s; expected a regular file",
					  S_ISDIR(st.st_mode) ? "is a folder" : "is not a file");
		return *ret_error ? -EINVAL : -ENOMEM;
	}
	_cleanup_free_ uint8_t *data = malloc(CONFIG_FILE_MAX + 1);
	size_t len = 0;
	if (!data)
		return -ENOMEM;
	int r = read_all(fd, data, &len);
	if (r < 0)
		return cannot_read(path, -r, ret_error);
	if (len > CONFIG_FILE_MAX) {
		*ret_error = config_error(path, 0, NULL, "is too large; expected at most %d KiB",
					  CONFIG_FILE_MAX >> 10);
		return *ret_error ? -EINVAL : -ENOMEM;
	}
	return load_text(config, path, data, len, ret_error);
}
