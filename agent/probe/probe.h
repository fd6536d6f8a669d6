/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keeps probes on every file of the host that carries OpenSSL's functions: what is installed, what running
 * processes have mapped, and what is mapped from now on. One thread. */

#include <stdint.h>

#include "probe/programs.h"
#include "probe/targets.h"

struct probe;

/* programs: borrowed. Starts to watch for new mappings. 0; negative errno, with one line in *ret_error. */
int probe_new(struct probe **ret_probe, struct programs *programs, char **ret_error);
void probe_free(struct probe **probe); /* detaches all */

/* Attaches to what is installed and what runs. */
void probe_scan(struct probe *probe);

/* Polls readable when there is work for probe_run(). */
int probe_fd(const struct probe *probe);
/* Handles new mappings; now_ns (monotonic) drives the periodic look at all processes. */
void probe_run(struct probe *probe, uint64_t now_ns);

/* As targets_name(). Any thread. */
int probe_file_name(const struct probe *probe, uint32_t file_id, char *ret_name, size_t size);

struct targets_stats probe_stats(const struct probe *probe);
uint64_t
probe_lost(const struct probe *probe); /* mapping records that the kernel lost (each led to a full scan) */
