/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* First pass over a YAML file, by libyaml's events: refuses what libcyaml would silently accept or report
 * without a place (a second document, duplicate keys, anchors, aliases, tags, NUL characters, bad syntax),
 * and notes the line and the text of every value. Internal to the stage. No I/O, no globals. */

#include <stddef.h>
#include <stdint.h>

struct config_lines;

enum config_node {
	CONFIG_NODE_NONE,
	CONFIG_NODE_EMPTY,
	CONFIG_NODE_SCALAR,
	CONFIG_NODE_LIST,
	CONFIG_NODE_MAPPING
};

/* file: its name for messages. 0; -EINVAL with *ret_error as of config_load(); -ENOMEM. */
int config_lines_new(struct config_lines **ret_lines, const char *file, const uint8_t *data, size_t len,
		     char **ret_error);
void config_lines_free(struct config_lines **lines);

/* What is at a path: "" for the whole file, "capture", "capture.max_body", "hosts[2]". *ret_line, if given,
 * counts from 1 and is where the value begins, or the key if the value is empty; 0 if there is no such path.
 */
enum config_node config_lines_find(const struct config_lines *lines, const char *path,
				   unsigned int *ret_line);

/* The text of a single value; "" for anything else. Lives as long as lines. */
const char *config_lines_text(const struct config_lines *lines, const char *path);

/* The name of the n-th member, from 0, of the mapping at path, in the order of the file; NULL: it has no
 * more. */
const char *config_lines_member(const struct config_lines *lines, const char *path, size_t n);
