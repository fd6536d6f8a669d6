/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/known_keys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <yaml.h>

#include "base/digit.h"
#include "base/macro.h"
#include "identity/file.h"

#define PREFIX	   "hmac-sha256:"
#define DIGITS	   32
#define TEXT_LEN   (sizeof(PREFIX) - 1 + DIGITS)
#define EXPECT_KEY "expected {fingerprint: \"" PREFIX "...\", name: ..., labels: {...}}"

struct known_key {
	char fingerprint[TEXT_LEN + 1];
	char *name;
	json_t *labels;
	size_t line;
};

struct identity_known_keys {
	struct known_key *keys; /* by fingerprint */
	size_t n;
};

struct load {
	const char *path;
	yaml_document_t document;
	struct identity_known_keys *keys;
	char **ret_error;
};

static void key_done(struct known_key *key)
{
	free(key->name);
	json_decref(key->labels);
}

void identity_known_keys_free(struct identity_known_keys **keys)
{
	if (!*keys)
		return;
	for (size_t i = 0; i < (*keys)->n; i++)
		key_done(&(*keys)->keys[i]);
	free((*keys)->keys);
	free(*keys);
	*keys = NULL;
}

/* line 0: of no line. -EINVAL, or -ENOMEM. */
__attribute__((format(printf, 4, 5))) static int refuse(const char *path, char **ret_error, size_t line,
							const char *fmt, ...)
{
	_cleanup_free_ char *why = NULL;
	char place[32] = "";
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&why, fmt, ap);
	va_end(ap);
	if (line)
		snprintf(place, sizeof(place), ":%zu", line);
	if (n < 0) {
		why = NULL;
		return -ENOMEM;
	}
	if (asprintf(ret_error, "%s%s: %s", path, place, why) < 0) {
		*ret_error = NULL;
		return -ENOMEM;
	}
	for (char *p = *ret_error; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return -EINVAL;
}

#define bad(load, node, ...) refuse((load)->path, (load)->ret_error, (node)->start_mark.line + 1, __VA_ARGS__)

/* --- YAML ---------------------------------------------------------------------------- */

static yaml_node_t *node_at(struct load *load, int index)
{
	return yaml_document_get_node(&load->document, index);
}

/* The text of a scalar that is one line of at most KNOWN_KEYS_NAME_MAX bytes and not empty; NULL otherwise.
 * YAML is UTF-8 throughout (libyaml checks). */
static const char *short_text(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE)
		return NULL;
	const char *text = (const char *)node->data.scalar.value;
	size_t len = node->data.scalar.length;
	if (len == 0 || len > KNOWN_KEYS_NAME_MAX || strlen(text) != len)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]))
			return NULL;
	return text;
}

static int read_labels(struct load *load, const yaml_node_t *node, struct known_key *key)
{
	if (node->type != YAML_MAPPING_NODE)
		return bad(load, node, "labels: expected a mapping of names to values");
	if (key->labels)
		return bad(load, node, "labels are given twice");
	key->labels = json_object();
	if (!key->labels)
		return -ENOMEM;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *name_node = node_at(load, p->key), *value_node = node_at(load, p->value);
		const char *name = short_text(name_node), *value = short_text(value_node);
		if (!name || !value)
			return bad(load, name_node,
				   "labels: expected names and values of 1 to %d bytes on one line",
				   KNOWN_KEYS_NAME_MAX);
		if (json_object_get(key->labels, name))
			return bad(load, name_node, "labels: \"%s\" is given twice", name);
		if (json_object_size(key->labels) >= KNOWN_KEYS_LABELS_MAX)
			return bad(load, name_node, "labels: more than %d", KNOWN_KEYS_LABELS_MAX);
		if (json_object_set_new(key->labels, name, json_string(value)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_fingerprint(struct load *load, const yaml_node_t *node, struct known_key *key)
{
	const char *text = short_text(node);
	bool right = text && strlen(text) == TEXT_LEN && strncmp(text, PREFIX, sizeof(PREFIX) - 1) == 0;
	for (size_t i = sizeof(PREFIX) - 1; right && i < TEXT_LEN; i++)
		right = hex_digit((unsigned char)text[i]) >= 0;
	if (!right)
		return bad(load, node,
			   "fingerprint: expected \"" PREFIX "\" and %d hexadecimal digits, as `oaitap "
			   "fingerprint` prints it",
			   DIGITS);
	if (key->fingerprint[0])
		return bad(load, node, "fingerprint is given twice");
	for (size_t i = 0; i <= TEXT_LEN; i++)
		key->fingerprint[i] = (char)tolower((unsigned char)text[i]);
	return 0;
}

static int read_name(struct load *load, const yaml_node_t *node, struct known_key *key)
{
	const char *text = short_text(node);
	if (!text)
		return bad(load, node, "name: expected 1 to %d bytes on one line", KNOWN_KEYS_NAME_MAX);
	if (key->name)
		return bad(load, node, "name is given twice");
	key->name = strdup(text);
	return key->name ? 0 : -ENOMEM;
}

static int read_member(struct load *load, const yaml_node_pair_t *pair, struct known_key *key)
{
	const yaml_node_t *name_node = node_at(load, pair->key), *value = node_at(load, pair->value);
	const char *name = short_text(name_node);

	if (name && strcmp(name, "fingerprint") == 0)
		return read_fingerprint(load, value, key);
	if (name && strcmp(name, "name") == 0)
		return read_name(load, value, key);
	if (name && strcmp(name, "labels") == 0)
		return read_labels(load, value, key);
	return bad(load, name_node, "unknown key \"%s\"; " EXPECT_KEY, name ? name : "?");
}

static int read_key(struct load *load, const yaml_node_t *node, struct known_key *key)
{
	if (node->type != YAML_MAPPING_NODE)
		return bad(load, node, EXPECT_KEY);
	key->line = node->start_mark.line + 1;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		int r = read_member(load, p, key);
		if (r < 0)
			return r;
	}
	if (!key->fingerprint[0] || !key->name)
		return bad(load, node, "%s is missing; " EXPECT_KEY, key->name ? "fingerprint" : "name");
	return 0;
}

static int by_fingerprint(const void *a, const void *b)
{
	return strcmp(((const struct known_key *)a)->fingerprint, ((const struct known_key *)b)->fingerprint);
}

static int sort_keys(struct load *load)
{
	struct identity_known_keys *keys = load->keys;
	qsort(keys->keys, keys->n, sizeof(*keys->keys), by_fingerprint);
	for (size_t i = 1; i < keys->n; i++) {
		const struct known_key *a = &keys->keys[i - 1], *b = &keys->keys[i];
		if (strcmp(a->fingerprint, b->fingerprint) == 0)
			return refuse(load->path, load->ret_error, MAX(a->line, b->line),
				      "this fingerprint is named in line %zu already", MIN(a->line, b->line));
	}
	return 0;
}

static int read_list(struct load *load, const yaml_node_t *root)
{
	struct identity_known_keys *keys = load->keys;
	if (root->type != YAML_SEQUENCE_NODE)
		return bad(load, root, "expected a list: - {fingerprint: ..., name: ...}");
	size_t n = (size_t)(root->data.sequence.items.top - root->data.sequence.items.start);
	if (n > KNOWN_KEYS_MAX)
		return bad(load, root, "more than %d keys", KNOWN_KEYS_MAX);
	keys->keys = calloc(n ? n : 1, sizeof(*keys->keys));
	if (!keys->keys)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		/* Counted first, so that what a bad one holds is freed with the rest. */
		struct known_key *key = &keys->keys[keys->n++];
		int r = read_key(load, node_at(load, root->data.sequence.items.start[i]), key);
		if (r < 0)
			return r;
	}
	return sort_keys(load);
}

static int read_document(struct load *load, yaml_parser_t *parser)
{
	yaml_document_t more;
	if (!yaml_parser_load(parser, &load->document))
		return parser->error == YAML_MEMORY_ERROR
			       ? -ENOMEM
			       : refuse(load->path, load->ret_error, parser->problem_mark.line + 1, "%s",
					parser->problem ? parser->problem : "not YAML");
	const yaml_node_t *root = yaml_document_get_root_node(&load->document);
	int r = root ? read_list(load, root) : 0; /* an empty file names no key */
	if (r == 0 && root && !yaml_parser_load(parser, &more)) {
		r = refuse(load->path, load->ret_error, parser->problem_mark.line + 1, "%s",
			   parser->problem ? parser->problem : "not YAML");
	} else if (r == 0 && root) {
		const yaml_node_t *second = yaml_document_get_root_node(&more);
		if (second)
			r = bad(load, second, "a second document; expected one list");
		yaml_document_delete(&more);
	}
	yaml_document_delete(&load->document);
	return r;
}

int identity_known_keys_parse(struct identity_known_keys **ret_keys, const char *path, const char *text,
			      size_t len, char **ret_error)
{
	_cleanup_(identity_known_keys_free) struct identity_known_keys *keys = calloc(1, sizeof(*keys));
	struct load load = {.path = path, .keys = keys, .ret_error = ret_error};
	yaml_parser_t parser;

	if (!keys || !yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	int r = read_document(&load, &parser);
	yaml_parser_delete(&parser);
	if (r < 0)
		return r;
	*ret_keys = TAKE_PTR(keys);
	return 0;
}

static int cannot_read(const char *path, char **ret_error, int error)
{
	int r = refuse(path, ret_error, 0, "cannot read it: %s", strerror(error));
	return r == -ENOMEM ? r : -error;
}

int identity_known_keys_open(struct identity_known_keys **ret_keys, const char *path, char **ret_error)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return cannot_read(path, ret_error, errno);
	if (!S_ISREG(st.st_mode))
		return refuse(path, ret_error, 0, "expected a regular file");
	_cleanup_free_ char *text = malloc(KNOWN_KEYS_FILE_MAX + 1);
	size_t len = 0;
	if (!text)
		return -ENOMEM;
	/* One byte more than the limit, so that a file that grows is noticed as well. */
	int r = file_read(fd, text, KNOWN_KEYS_FILE_MAX + 1, &len);
	if (r < 0)
		return cannot_read(path, ret_error, -r);
	if (len > KNOWN_KEYS_FILE_MAX)
		return refuse(path, ret_error, 0, "is too large; expected at most %d MiB",
			      KNOWN_KEYS_FILE_MAX >> 20);
	return identity_known_keys_parse(ret_keys, path, text, len, ret_error);
}

bool identity_known_keys_find(const struct identity_known_keys *keys, const char *fingerprint,
			      struct identity_known_key *ret_key)
{
	struct known_key wanted = {0};
	if (!keys || keys->n == 0 || strlen(fingerprint) != TEXT_LEN)
		return false;
	memcpy(wanted.fingerprint, fingerprint, TEXT_LEN + 1);
	const struct known_key *found =
		bsearch(&wanted, keys->keys, keys->n, sizeof(*keys->keys), by_fingerprint);
	if (!found)
		return false;
	*ret_key = (struct identity_known_key){.name = found->name, .labels = found->labels};
	return true;
}
