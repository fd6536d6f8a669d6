/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `oaitap run`: the agent in the foreground. Returns the exit code: 0 ended by a signal, 1 a failure while
 * running, 2 usage or configuration error, 3 not permitted, 4 not possible on this kernel. */
int cmd_run(int argc, char **argv);
