/* SPDX-License-Identifier: Apache-2.0 */

/* `oaitap status`: asks the running agent for its counters. */

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "config/config.h"
#include "ops/commands.h"
#include "ops/ops_common.h"

#define TEXT_MAX (1 << 20)

static void print_help(void)
{
	puts("Usage: oaitap status [--json] [-c FILE] [--socket PATH]\n"
	     "Shows what the running agent has seen, recorded and dropped.\n\n"
	     "      --json         as JSON\n"
	     "  -c, --config FILE  configuration that names the agent's socket\n"
	     "  -S, --socket PATH  the agent's socket\n"
	     "  -h, --help         this text");
}

static void print_section(const char *name, const json_t *value, int depth)
{
	const char *key;
	json_t *member;

	if (json_is_object(value)) {
		printf("%*s%s\n", depth * 2, "", name);
		json_object_foreach ((json_t *)value, key, member)
			print_section(key, member, depth + 1);
	} else if (json_is_integer(value)) {
		printf("%*s%-*s %" JSON_INTEGER_FORMAT "\n", depth * 2, "", 24 - depth * 2, name,
		       json_integer_value(value));
	} else if (json_is_real(value)) {
		printf("%*s%-*s %.1f\n", depth * 2, "", 24 - depth * 2, name, json_real_value(value));
	} else if (json_is_boolean(value)) {
		printf("%*s%-*s %s\n", depth * 2, "", 24 - depth * 2, name,
		       json_is_true(value) ? "yes" : "no");
	} else if (json_is_array(value)) {
		printf("%*s%-*s %zu\n", depth * 2, "", 24 - depth * 2, name, json_array_size(value));
	} else if (json_is_string(value)) {
		printf("%*s%-*s %s\n", depth * 2, "", 24 - depth * 2, name, json_string_value(value));
	}
}

static int print_answer(const struct buf *answer, bool json)
{
	if (json)
		return puts((const char *)answer->data) < 0;
	json_t *root = json_loadb((const char *)answer->data, answer->len, 0, NULL);
	if (!json_is_object(root)) {
		fprintf(stderr,
			"oaitap status: the answer is not understood; is the agent another version?\n");
		json_decref(root);
		return 1;
	}
	const char *key;
	json_t *value;
	json_object_foreach (root, key, value)
		print_section(key, value, 0);
	json_decref(root);
	return 0;
}

static int report(const char *path, bool json)
{
	struct buf answer;
	buf_init(&answer, TEXT_MAX);
	int r = ops_ask_agent(path, &answer);
	int code = 1;
	if (r == -ENOENT || r == -ECONNREFUSED)
		fprintf(stderr, "oaitap status: no agent answers at %s; start one with `oaitap run`\n", path);
	else if (r == -EACCES)
		fprintf(stderr, "oaitap status: %s: not permitted; run as the user of the agent\n", path);
	else if (r < 0)
		fprintf(stderr, "oaitap status: %s: %s\n", path, strerror(-r));
	else
		code = print_answer(&answer, json);
	buf_done(&answer);
	return r == -EACCES ? 3 : code;
}

int cmd_status(int argc, char **argv)
{
	struct ops_agent_options o;
	int done = ops_agent_options("status", argc, argv, print_help, &o);
	if (done >= 0)
		return done;
	if (o.socket_path)
		return report(o.socket_path, o.json);
	struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	int r = config_open(&config, o.config_path, &error);
	if (r < 0) {
		fprintf(stderr, "oaitap status: %s\n", error ? error : strerror(-r));
		return config_exit_code(r);
	}
	int code = report(config->socket_path, o.json);
	config_free(&config);
	return code;
}
