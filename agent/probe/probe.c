/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/map.h"
#include "probe/latency.h"
#include "probe/namespaces.h"
#include "probe/scan.h"
#include "probe/watch.h"

/* All processes are looked at again this often, in case a mapping could not be opened when it was announced.
 */
#define RESCAN_NS (10 * NSEC_PER_SEC)

struct probe {
	struct targets *targets;
	struct watch *watch;
	struct namespaces *namespaces;
	struct map *seen; /* files of mappings looked at since the last full scan */
	struct latency attach_time;
	uint64_t next_scan_ns, n_vanished, n_unopened;
	bool incomplete; /* something was lost: look at all processes */
};

int probe_new(struct probe **ret_probe, struct programs *programs, char **ret_error)
{
	_cleanup_(probe_free) struct probe *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	int r = targets_new(&p->targets, programs);
	if (r >= 0)
		r = namespaces_new(&p->namespaces);
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
	p->next_scan_ns = clock_mono_ns() + RESCAN_NS;
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
	namespaces_free(&p->namespaces);
	map_free(&p->seen);
	free(p);
	*probe = NULL;
}

/* --- what is there ------------------------------------------------------------------- */

/* An inode number is used again as soon as its file is deleted. Disks tell such files apart by generation;
 * where there is none, and where the device is not a disk's (Btrfs shows one for all its subvolumes, each of
 * which counts its inodes anew), each mapping is looked at. A key, or 0. */
static uint64_t file_key(const struct scan_mapping *m)
{
	if (m->dev_major == 0)
		return 0;
	uint64_t key = map_mix(map_mix(map_mix(0, m->dev_major), m->dev_minor), m->inode);
	return map_mix(key, m->inode_gen);
}

static void count_unopened(struct probe *p, int error)
{
	switch (error) {
	case -EINVAL: /* a device */
		return;
	case -ENOENT:
	case -ESRCH:
	case -ESTALE:
	case -ENOTDIR:
		p->n_vanished++;
		return;
	default:
		p->n_unopened++;
	}
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct probe *p = ctx;
	uint64_t key = file_key(m);

	if (key && map_get(p->seen, key))
		return;
	_cleanup_close_ int fd = scan_open_mapping(m);
	if (fd < 0) {
		count_unopened(p, fd); /* the next full scan finds what is still there */
		return;
	}
	if (targets_add(p->targets, fd, m->path) == 1 && m->ts_ns) {
		uint64_t now_ns = clock_mono_ns();
		latency_add(&p->attach_time, now_ns > m->ts_ns ? now_ns - m->ts_ns : 0);
	}
	if (key)
		(void)map_put(p->seen, key, p);
}

static void on_open_file(void *ctx, int fd, const char *path)
{
	struct probe *p = ctx;
	(void)targets_add(p->targets, fd, path);
}

/* r: what namespaces_started() or namespaces_found() has said of the process. */
static void look_into_root(struct probe *p, pid_t pid, int r)
{
	if (r == 1)
		r = scan_installed_in(pid, on_open_file, p);
	if (r == -ENOENT || r == -ESRCH)
		p->n_vanished++;
}

static void on_exec(void *ctx, pid_t pid)
{
	struct probe *p = ctx;
	look_into_root(p, pid, namespaces_started(p->namespaces, pid));
}

static void drain(struct probe *p)
{
	static const struct watch_ops ops = {.on_mapping = on_mapping, .on_exec = on_exec};
	if (watch_drain(p->watch, &ops, p))
		p->incomplete = true;
}

/* --- all processes ------------------------------------------------------------------- */

static void on_pid(void *ctx, pid_t pid)
{
	struct probe *p = ctx;

	/* What starts meanwhile cannot wait. */
	drain(p);
	int r = namespaces_found(p->namespaces, pid);
	if (r == 1)
		look_into_root(p, pid, r);
	(void)scan_process(pid, on_mapping, p);
}

static void scan_processes(struct probe *p)
{
	p->incomplete = false;
	/* The inode number of a file that is gone may stand for another one by now. */
	map_clear(p->seen);
	targets_scan_begin(p->targets);
	namespaces_scan_begin(p->namespaces);
	scan_installed(on_open_file, p);
	/* Files of processes that could not be looked at must not be taken for unused. */
	if (scan_pids(on_pid, p) == 0) {
		targets_scan_end(p->targets);
		namespaces_scan_end(p->namespaces);
	}
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
	drain(p);
	if (p->incomplete || now_ns >= p->next_scan_ns)
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

struct probe_stats probe_watch_stats(const struct probe *p)
{
	return (struct probe_stats){
		.lost_records = watch_lost(p->watch),
		.vanished = p->n_vanished,
		.unopened = p->n_unopened,
		.namespaces = namespaces_len(p->namespaces),
		.attach_count = p->attach_time.count,
		.attach_p50_us = latency_percentile(&p->attach_time, 50),
		.attach_p99_us = latency_percentile(&p->attach_time, 99),
		.attach_max_us = p->attach_time.max_us,
	};
}
