/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keeps probes on every file of the host that carries OpenSSL's functions: what is installed, what running
 * processes have mapped, and what is mapped from now on. One thread. */

#include <stdint.h>

#include "probe/programs.h"
#include "probe/targets.h"

struct probe;

/* programs: borrowed. Starts to watch for programs that start and new mappings. 0; negative errno, with one
 * line in *ret_error. */
int probe_new(struct probe **ret_probe, struct programs *programs, char **ret_error);
void probe_free(struct probe **probe); /* detaches all */

/* Attaches to what is installed and what runs. */
void probe_scan(struct probe *probe);

/* Polls readable when there is work for probe_run(). */
int probe_fd(const struct probe *probe);
/* Handles what is new; now_ns (monotonic) drives the periodic look at all processes, the first of which is
 * probe_scan()'s. */
void probe_run(struct probe *probe, uint64_t now_ns);

/* As targets_name(). Any thread. */
int probe_file_name(const struct probe *probe, uint32_t file_id, char *ret_name, size_t size);

struct probe_stats {
	uint64_t lost_records; /* of the kernel's, each of which led to a full scan */
	uint64_t vanished;   /* mappings, processes or namespaces that were gone before they were looked at */
	uint64_t unopened;   /* mapped files that could not be opened for another reason */
	uint64_t namespaces; /* roots that processes live in, now */
	uint64_t attach_count;	/* files probed because they were mapped while we watched */
	uint32_t attach_p50_us; /* from that mapping to the last probe; of the last thousand */
	uint32_t attach_p99_us;
	uint32_t attach_max_us; /* of all */
};

struct targets_stats probe_stats(const struct probe *probe);
struct probe_stats probe_watch_stats(const struct probe *probe);
