/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The probes on one file: by one uprobe_multi link for all entries and one for all returns where the kernel
 * has them (6.6), else by a perf event for each. */

#include <stdint.h>

#include "probe/functions.h"
#include "probe/programs.h"

struct attachment;

/* path: of the file, opened by the kernel during the call ("/proc/self/fd/N" names a file beyond doubt).
 * file_id: not 0; connections made through this file carry it. 0; negative errno. Any thread. */
int attachment_new(struct attachment **ret_attachment, struct programs *programs, const char *path,
		   const struct elf_symbol symbols[static PROBE_FUNCTIONS], uint32_t file_id);

/* Slow: the kernel waits for every CPU (0.1 s with uprobe_multi, up to 2 s without). Any thread; NULL-safe.
 */
void attachment_free(struct attachment **attachment);

/* Functions that carry a probe. */
unsigned int attachment_functions(const struct attachment *attachment);
