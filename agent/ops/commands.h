/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The read-only commands. Each parses its own options (argv[0] is the command's name), prints on standard
 * output what was asked for and on standard error what is wrong, and returns the process's exit code: 0 done,
 * 1 the answer is no, 2 usage or configuration error, 3 not permitted. main() ends right after, so SIGPIPE
 * may be left ignored. */

int cmd_tail(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_policy(int argc, char **argv);
