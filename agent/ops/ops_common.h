/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the read-only commands share. */

#include <stdbool.h>
#include <stddef.h>

#include "ops/store_reader.h"

/* Writes all of it, waiting if fd is non-blocking. 0; -EINTR if a signal came and *stop (may be NULL) is set
 * by then; other negative errno of write(2), -EPIPE when the reader is gone. */
int ops_write(int fd, const void *data, size_t len, const volatile int *stop);

/* For getopt_long() with opterr = 0 and an option string that begins with ":" or "+:": says on standard error
 * what is wrong and how to get help. Returns exit code 2. c: what getopt_long() returned. */
int ops_bad_option(const char *command, int c, char **argv);

/* Opens the store: `store` if given, otherwise as the configuration says (config NULL: the default file, if
 * there is one). 0, or the exit code after saying on standard error what is wrong. */
int ops_open_store(const char *command, const char *config, const char *store,
		   struct store_reader **ret_reader);

/* Says that reading the store failed and returns the exit code. */
int ops_read_failed(const char *command, int error);

/* Exit code after a failure to write: 0 if the reader is gone or we were told to stop; otherwise says why and
 * gives 1. */
int ops_write_failed(const char *command, int error);

/* Options of the commands that ask the agent: --json, -c FILE, --socket PATH, --help. */
struct ops_agent_options {
	const char *config_path, *socket_path; /* NULL: not given; borrowed from argv */
	bool json;
};
/* -1: go on, optind is at the first argument; otherwise the exit code, after print_help() or a message. */
int ops_agent_options(const char *command, int argc, char **argv, void (*print_help)(void),
		      struct ops_agent_options *ret_options);

/* What the running agent answers at its status socket (JSON), appended. 0; -ENOENT, -ECONNREFUSED: no agent;
 * other negative errno. */
struct buf;
int ops_ask_agent(const char *path, struct buf *answer);
