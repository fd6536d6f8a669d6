/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files that carry probes, by identity, never by name. One thread, unless said otherwise. */

#include <stddef.h>
#include <stdint.h>

#include "probe/programs.h"

struct targets;

struct targets_stats {
	uint64_t files_checked;
	uint64_t files_attached; /* now */
	uint64_t files_released; /* had no user left */
	uint64_t functions_attached;
	uint64_t failed;    /* files with the functions that could not be probed */
	uint64_t malformed; /* broken ELF files, or over a limit */
};

/* Starts a thread, which lets go of released files: the kernel takes its time. 0; -ENOMEM; negative errno of
 * pthread_create. */
int targets_new(struct targets **ret_targets, struct programs *programs);
void targets_free(struct targets **targets); /* detaches */

/* Looks at one file and attaches if it has the functions and was not seen before; notes that the file is in
 * use. fd is borrowed; name is for messages and events. 1: attached now; 0: of no use, or known; negative
 * errno: has the functions, cannot be probed (said once in the log). */
int targets_add(struct targets *targets, int fd, const char *name);

/* Files that are in use are given to targets_add() between these two; what was not, twice in a row, is
 * released. */
void targets_scan_begin(struct targets *targets);
void targets_scan_end(struct targets *targets);

/* The name under which a file was attached, also after its release; id as in struct record_open. Copies up to
 * size - 1 bytes. 0; -ENOENT: not known. Any thread. */
int targets_name(struct targets *targets, uint32_t file_id, char *ret_name, size_t size);

struct targets_stats targets_stats(const struct targets *targets); /* any thread */
