/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/macro.h"
#include "config/config_keys.h"

/* The real configuration is seven levels deep. */
#define MAX_DEPTH 8
#define MAX_NODES 4096
#define MAX_NAME  64
#define MAX_PATH  (MAX_DEPTH * (MAX_NAME + 8))

struct node {
	char *path;
	char *text; /* of a scalar */
	enum config_node kind;
	unsigned int line;
	size_t parent_len; /* of a mapping's member: bytes of the mapping's path */
	bool member;
};

struct config_lines {
	struct node *nodes; /* in the order of the file */
	size_t n_nodes, cap;
};

struct walk {
	struct config_lines *lines;
	const char *file;
	const uint8_t *data;
	size_t len;
	char **ret_error;
	yaml_parser_t parser;
};

void config_lines_free(struct config_lines **lines)
{
	if (!*lines)
		return;
	for (size_t i = 0; i < (*lines)->n_nodes; i++) {
		free((*lines)->nodes[i].path);
		free((*lines)->nodes[i].text);
	}
	free((*lines)->nodes);
	free(*lines);
	*lines = NULL;
}

static const struct node *find(const struct config_lines *lines, const char *path)
{
	for (size_t i = 0; i < lines->n_nodes; i++)
		if (strcmp(lines->nodes[i].path, path) == 0)
			return &lines->nodes[i];
	return NULL;
}

enum config_node config_lines_find(const struct config_lines *lines, const char *path, unsigned int *ret_line)
{
	const struct node *node = find(lines, path);
	if (ret_line)
		*ret_line = node ? node->line : 0;
	return node ? node->kind : CONFIG_NODE_NONE;
}

const char *config_lines_text(const struct config_lines *lines, const char *path)
{
	const struct node *node = find(lines, path);
	return node && node->text ? node->text : "";
}

const char *config_lines_member(const struct config_lines *lines, const char *path, size_t n)
{
	size_t len = strlen(path);
	for (size_t i = 0; i < lines->n_nodes; i++) {
		const struct node *node = &lines->nodes[i];
		if (!node->member || node->parent_len != len || strncmp(node->path, path, len) != 0)
			continue;
		if (n-- == 0)
			return node->path + len + (len ? 1 : 0);
	}
	return NULL;
}

#define refuse(w, line, key, ...)                                                                            \
	({                                                                                                   \
		*(w)->ret_error = config_error((w)->file, (line), (key), __VA_ARGS__);                       \
		*(w)->ret_error ? -EINVAL : -ENOMEM;                                                         \
	})

static unsigned int line_of(const yaml_mark_t *mark)
{
	return (unsigned int)mark->line + 1;
}

static unsigned int line_at(const struct walk *w, size_t offset)
{
	unsigned int line = 1;
	for (size_t i = 0; i < offset && i < w->len; i++)
		line += w->data[i] == '\n';
	return line;
}

static bool indented_by_tab(const struct walk *w, unsigned int line)
{
	size_t i = 0;
	for (; line > 1 && i < w->len; i++)
		line -= w->data[i] == '\n';
	while (i < w->len && w->data[i] == ' ')
		i++;
	return i < w->len && w->data[i] == '\t';
}

static int syntax_error(const struct walk *w)
{
	const yaml_parser_t *p = &w->parser;
	const char *problem = p->problem ? p->problem : "unknown problem";
	unsigned int line = line_of(&p->problem_mark);

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		return refuse(w, line_at(w, p->problem_offset), NULL, "%s; expected YAML text in UTF-8",
			      problem);
	if (p->context && strstr(p->context, "alias"))
		return refuse(w, line, NULL,
			      "a value begins with \"*\"; expected it in quotes: \"*.example.com\"");
	if (indented_by_tab(w, line))
		return refuse(w, line, NULL, "indented by a tab; expected spaces");
	return refuse(w, line, NULL, "%s; expected YAML", problem);
}

static int next_event(struct walk *w, yaml_event_t *ret_event)
{
	return yaml_parser_parse(&w->parser, ret_event) ? 0 : syntax_error(w);
}

static int add_node(struct config_lines *lines, const char *path, enum config_node kind, unsigned int line)
{
	if (lines->n_nodes == lines->cap) {
		size_t cap = lines->cap ? lines->cap * 2 : 32;
		struct node *nodes = realloc(lines->nodes, cap * sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
		lines->nodes = nodes;
		lines->cap = cap;
	}
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	lines->nodes[lines->n_nodes++] = (struct node){.path = copy, .kind = kind, .line = line};
	return 0;
}

/* Names that may be a key. Anything else is refused here, so that a path with its dots and brackets is
 * unambiguous. The names of fields hold a dot (request.messages); no mapping beside them may be spelled so.
 */
static bool is_name(const char *text, size_t len, bool dots)
{
	static const char allowed[] = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	return len >= 1 && len <= MAX_NAME && strspn(text, allowed + !dots) == len;
}

static bool holds_fields(const char *path)
{
	static const char end[] = ".fields";
	size_t len = strlen(path), n = sizeof(end) - 1;
	return strncmp(path, "policy.", 7) == 0 && len >= n && strcmp(path + len - n, end) == 0;
}

static int check_decorations(struct walk *w, const char *key, unsigned int line, const void *anchor,
			     const void *tag)
{
	if (anchor)
		return refuse(w, line, key, "has an anchor (\"&\"); expected a plain value");
	if (tag)
		return refuse(w, line, key, "has a tag (\"!\"); expected a plain value");
	return 0;
}

static int walk_value(struct walk *w, const yaml_event_t *event, const char *path, unsigned int key_line,
		      unsigned int depth);

/* event: the key. */
static int walk_pair(struct walk *w, const yaml_event_t *event, const char *path, unsigned int depth)
{
	unsigned int line = line_of(&event->start_mark);
	const char *name = (const char *)event->data.scalar.value;
	char child[MAX_PATH], quoted[CONFIG_QUOTE_TEXT];

	if (event->type != YAML_SCALAR_EVENT)
		return refuse(w, line, path[0] ? path : NULL,
			      "a key that is not a name; expected NAME: VALUE");
	int r = check_decorations(w, NULL, line, event->data.scalar.anchor, event->data.scalar.tag);
	if (r < 0)
		return r;
	if (!is_name(name, event->data.scalar.length, holds_fields(path)))
		return refuse(w, line, config_quote(name, quoted),
			      "unknown key; `oaitap config help` lists the keys");
	snprintf(child, sizeof(child), "%s%s%s", path, path[0] ? "." : "", name);
	const struct node *before = find(w->lines, child);
	if (before)
		return refuse(w, line, child, "given twice, first in line %u; expected once", before->line);

	yaml_event_t value;
	r = next_event(w, &value);
	if (r < 0)
		return r;
	size_t index = w->lines->n_nodes;
	r = walk_value(w, &value, child, line, depth + 1);
	yaml_event_delete(&value);
	if (r < 0)
		return r;
	w->lines->nodes[index].parent_len = strlen(path);
	w->lines->nodes[index].member = true;
	return 0;
}

static int walk_children(struct walk *w, yaml_event_type_t end, const char *path, unsigned int depth)
{
	char child[MAX_PATH];

	for (unsigned int i = 0;; i++) {
		yaml_event_t event;
		int r = next_event(w, &event);
		if (r < 0)
			return r;
		if (event.type == end) {
			yaml_event_delete(&event);
			return 0;
		}
		if (end == YAML_MAPPING_END_EVENT) {
			r = walk_pair(w, &event, path, depth);
		} else {
			snprintf(child, sizeof(child), "%s[%u]", path, i);
			r = walk_value(w, &event, child, 0, depth + 1);
		}
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
}

static int walk_scalar(struct walk *w, const yaml_event_t *event, const char *path, unsigned int line)
{
	size_t len = event->data.scalar.length;
	int r = check_decorations(w, path[0] ? path : NULL, line, event->data.scalar.anchor,
				  event->data.scalar.tag);
	if (r < 0)
		return r;
	if (memchr(event->data.scalar.value, '\0', len))
		return refuse(w, line, path[0] ? path : NULL, "holds a NUL character; expected text");
	r = add_node(w->lines, path, len ? CONFIG_NODE_SCALAR : CONFIG_NODE_EMPTY, line);
	if (r < 0)
		return r;
	struct node *node = &w->lines->nodes[w->lines->n_nodes - 1];
	node->text = strdup((const char *)event->data.scalar.value);
	return node->text ? 0 : -ENOMEM;
}

/* key_line: where the key of this value is, 0 if it has none. */
static int walk_value(struct walk *w, const yaml_event_t *event, const char *path, unsigned int key_line,
		      unsigned int depth)
{
	unsigned int line = line_of(&event->start_mark);
	const char *key = path[0] ? path : NULL;
	bool list = event->type == YAML_SEQUENCE_START_EVENT;
	int r;

	if (depth > MAX_DEPTH)
		return refuse(w, line, key, "nested too deep; expected at most %d levels", MAX_DEPTH);
	if (w->lines->n_nodes >= MAX_NODES)
		return refuse(w, line, key, "too many values; expected at most %d", MAX_NODES);
	if (event->type == YAML_ALIAS_EVENT)
		return refuse(w, line, key,
			      "is an alias (\"*\"); expected a plain value, or a host in quotes");
	if (event->type == YAML_SCALAR_EVENT) {
		/* An empty value is "found" where the parser stopped looking, often lines later. */
		bool empty =
			event->data.scalar.length == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		return walk_scalar(w, event, path, empty && key_line ? key_line : line);
	}
	r = list ? check_decorations(w, key, line, event->data.sequence_start.anchor,
				     event->data.sequence_start.tag)
		 : check_decorations(w, key, line, event->data.mapping_start.anchor,
				     event->data.mapping_start.tag);
	if (r < 0)
		return r;
	r = add_node(w->lines, path, list ? CONFIG_NODE_LIST : CONFIG_NODE_MAPPING, line);
	if (r < 0)
		return r;
	return walk_children(w, list ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT, path, depth);
}

static int walk_stream(struct walk *w)
{
	unsigned int documents = 0;

	for (;;) {
		yaml_event_t event;
		int r = next_event(w, &event);
		if (r < 0)
			return r;
		yaml_event_type_t type = event.type;
		unsigned int line = line_of(&event.start_mark);
		if (type == YAML_DOCUMENT_START_EVENT && documents++)
			r = refuse(w, line, NULL, "a second document; expected one");
		else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
			 type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT)
			r = walk_value(w, &event, "", 0, 0);
		yaml_event_delete(&event);
		if (r < 0 || type == YAML_STREAM_END_EVENT)
			return r;
	}
}

int config_lines_new(struct config_lines **ret_lines, const char *file, const uint8_t *data, size_t len,
		     char **ret_error)
{
	_cleanup_(config_lines_free) struct config_lines *lines = calloc(1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	struct walk w = {.lines = lines, .file = file, .data = data, .len = len, .ret_error = ret_error};
	if (!yaml_parser_initialize(&w.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&w.parser, data, len);
	int r = walk_stream(&w);
	yaml_parser_delete(&w.parser);
	if (r < 0)
		return r;
	*ret_lines = TAKE_PTR(lines);
	return 0;
}
