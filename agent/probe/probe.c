/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/map.h"
#include "probe/scan.h"
#include "probe/watch.h"

/* All processes are looked at again this often, in case a mapping could not be opened when it was announced.
 */
#define RESCAN_NS (10 * NSEC_PER_SEC)

struct probe {
	struct targets *targets;
	struct watch *watch;
	struct map *seen; /* device and inode of mappings looked at since the last full scan */
	uint64_t next_scan_ns;
};

int probe_new(struct probe **ret_probe, struct programs *programs, char **ret_error)
{
	_cleanup_(probe_free) struct probe *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	int r = targets_new(&p->targets, programs);
	if (r >= 0)
		r = map_new(&p->seen);
	if (r < 0)
		return r;
	r = watch_new(&p->watch);
	if (r < 0) {
		if (asprintf(ret_error,
			     "new mappings cannot be watched (perf_event_open: %s): CAP_PERFMON is needed",
			     strerror(-r)) < 0)
			*ret_error = NULL;
		return r;
	}
	*ret_probe = TAKE_PTR(p);
	return 0;
}

void probe_free(struct probe **probe)
{
	struct probe *p = *probe;
	if (!p)
		return;
	targets_free(&p->targets);
	watch_free(&p->watch);
	map_free(&p->seen);
	free(p);
	*probe = NULL;
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct probe *p = ctx;
	uint64_t key = map_mix(map_mix(map_mix(0, m->dev_major), m->dev_minor), m->inode);

	if (map_get(p->seen, key))
		return;
	_cleanup_close_ int fd = scan_open_mapping(m);
	if (fd < 0)
		return; /* gone already; the next full scan finds what is still there */
	(void)targets_add(p->targets, fd, m->path);
	(void)map_put(p->seen, key, p);
}

static void on_pid(void *ctx, pid_t pid)
{
	(void)scan_process(pid, on_mapping, ctx);
}

static void on_installed(void *ctx, const char *path)
{
	struct probe *p = ctx;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0)
		(void)targets_add(p->targets, fd, path);
}

static void scan_processes(struct probe *p)
{
	/* The inode number of a file that is gone may stand for another one by now. */
	map_clear(p->seen);
	targets_scan_begin(p->targets);
	scan_installed(on_installed, p);
	/* Files of processes that could not be looked at must not be taken for unused. */
	if (scan_pids(on_pid, p) == 0)
		targets_scan_end(p->targets);
	p->next_scan_ns = clock_mono_ns() + RESCAN_NS;
}

void probe_scan(struct probe *p)
{
	scan_processes(p);
}

int probe_fd(const struct probe *p)
{
	return watch_fd(p->watch);
}

void probe_run(struct probe *p, uint64_t now_ns)
{
	if (watch_drain(p->watch, on_mapping, p) || now_ns >= p->next_scan_ns)
		scan_processes(p);
}

struct targets_stats probe_stats(const struct probe *p)
{
	return targets_stats(p->targets);
}

int probe_file_name(const struct probe *p, uint32_t file_id, char *ret_name, size_t size)
{
	return targets_name(p->targets, file_id, ret_name, size);
}

uint64_t probe_lost(const struct probe *p)
{
	return watch_lost(p->watch);
}
