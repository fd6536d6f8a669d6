/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Programs that start and executable mappings, of all processes, as they happen: perf_event_open with comm
 * and mmap2 records on each CPU (perf_event_open(2)), which needs no kprobe and no BPF. One thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/scan.h"

struct watch;

/* 0; -EACCES, -EPERM: not permitted; other negative errno of perf_event_open or mmap. */
int watch_new(struct watch **ret_watch);
void watch_free(struct watch **watch);

/* A descriptor that polls readable when there is something. */
int watch_fd(const struct watch *watch);

struct watch_ops {
	scan_mapping_fn on_mapping;
	scan_pid_fn on_exec; /* before the new program has mapped anything, if we are quick */
};

/* Gives what has happened. True: the kernel lost some, look at all processes again. */
bool watch_drain(struct watch *watch, const struct watch_ops *ops, void *ctx);

uint64_t watch_lost(const struct watch *watch);
