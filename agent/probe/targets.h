/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files that carry probes, by identity (device, inode, change time), never by name. One thread. */

#include <stddef.h>
#include <stdint.h>

#include "probe/programs.h"

struct targets;

struct targets_stats {
	uint64_t files_checked;
	uint64_t files_attached;
	uint64_t functions_attached;
	uint64_t failed; /* files with the functions that could not be probed */
};

int targets_new(struct targets **ret_targets, struct programs *programs);
void targets_free(struct targets **targets); /* detaches */

/* Looks at one file and attaches if it has the functions and was not seen before. fd is borrowed; name is for
 * messages. 1: attached now; 0: of no use, or known; negative errno: has the functions, cannot be probed
 * (said once in the log). */
int targets_add(struct targets *targets, int fd, const char *name);

struct targets_stats targets_stats(const struct targets *targets);
