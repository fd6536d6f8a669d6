/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/watch.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"

#define RING_PAGES 64 /* power of two: 256 KiB a CPU with 4 KiB pages, some 2,000 mappings */
#define RECORD_MAX 8192

struct cpu_ring {
	int fd;
	struct perf_event_mmap_page *page;
};

struct watch {
	struct cpu_ring *rings;
	int n_rings;
	int epoll_fd;
	size_t page_size;
	uint64_t lost;
};

/* PERF_RECORD_MMAP2 up to the file name. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};

/* PERF_RECORD_COMM up to the name. */
struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

static int ring_open(struct watch *w, struct cpu_ring *ring, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		/* The time stands at the end of every record. */
		.sample_id_all = 1,
		.sample_type = PERF_SAMPLE_TIME,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		/* Each record wakes: counting by events would count samples only, and there are none. */
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	ring->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		return -errno;
	void *p =
		mmap(NULL, (RING_PAGES + 1) * w->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	ring->page = p;
	struct epoll_event ev = {.events = EPOLLIN};
	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, ring->fd, &ev) < 0 ? -errno : 0;
}

int watch_new(struct watch **ret_watch)
{
	_cleanup_(watch_free) struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	int n_cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	w->page_size = (size_t)sysconf(_SC_PAGESIZE);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->rings = calloc((size_t)n_cpus, sizeof(*w->rings));
	if (w->epoll_fd < 0)
		return -errno;
	if (!w->rings)
		return -ENOMEM;
	for (int cpu = 0; cpu < n_cpus; cpu++) {
		struct cpu_ring *ring = &w->rings[w->n_rings];
		int r = ring_open(w, ring, cpu);
		if (r == -ENODEV && ring->fd < 0)
			continue; /* an offline CPU */
		w->n_rings++;
		if (r < 0)
			return r;
	}
	*ret_watch = TAKE_PTR(w);
	return 0;
}

void watch_free(struct watch **watch)
{
	struct watch *w = *watch;
	if (!w)
		return;
	for (int i = 0; i < w->n_rings; i++) {
		if (w->rings[i].page)
			munmap(w->rings[i].page, (RING_PAGES + 1) * w->page_size);
		if (w->rings[i].fd >= 0)
			close(w->rings[i].fd);
	}
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w->rings);
	free(w);
	*watch = NULL;
}

int watch_fd(const struct watch *w)
{
	return w->epoll_fd;
}

uint64_t watch_lost(const struct watch *w)
{
	return w->lost;
}

static void give_mapping(const struct mmap2_record *rec, size_t size, uint64_t ts_ns,
			 const struct watch_ops *ops, void *ctx)
{
	/* The name is NUL-terminated and padded to eight bytes; "//anon" and "[vdso]" are not files. */
	if (size <= sizeof(*rec) || !memchr(rec->filename, 0, size - sizeof(*rec)) ||
	    rec->filename[0] != '/' || rec->ino == 0)
		return;
	struct scan_mapping m = {
		.pid = (pid_t)rec->pid,
		.start = rec->addr,
		.end = rec->addr + rec->len,
		.dev_major = rec->maj,
		.dev_minor = rec->min,
		.inode = rec->ino,
		.inode_gen = rec->ino_generation,
		.ts_ns = ts_ns,
		.path = rec->filename,
	};
	ops->on_mapping(ctx, &m);
}

/* False: the kernel has lost records. */
static bool give_record(struct watch *w, const uint8_t *record, size_t size, const struct watch_ops *ops,
			void *ctx)
{
	const struct perf_event_header *h = (const struct perf_event_header *)record;
	uint64_t ts_ns;

	if (size < sizeof(*h) + sizeof(ts_ns))
		return true;
	size -= sizeof(ts_ns);
	memcpy(&ts_ns, record + size, sizeof(ts_ns));
	if (h->type == PERF_RECORD_MMAP2) {
		give_mapping((const struct mmap2_record *)record, size, ts_ns, ops, ctx);
	} else if (h->type == PERF_RECORD_COMM) {
		/* Threads that name themselves come here, too. */
		if (h->misc & PERF_RECORD_MISC_COMM_EXEC && size >= sizeof(struct comm_record))
			ops->on_exec(ctx, (pid_t)((const struct comm_record *)record)->pid);
	} else if (h->type == PERF_RECORD_LOST && size >= sizeof(struct lost_record)) {
		w->lost += ((const struct lost_record *)record)->lost;
		return false;
	}
	return true;
}

/* Copies a record out of the ring, where it may wrap around. */
static void copy_out(const uint8_t *data, uint64_t size, uint64_t at, void *ret, size_t len)
{
	uint64_t first = MIN((uint64_t)len, size - at % size);
	memcpy(ret, data + at % size, first);
	memcpy((uint8_t *)ret + first, data, len - first);
}

static bool drain_ring(struct watch *w, struct cpu_ring *ring, const struct watch_ops *ops, void *ctx)
{
	const uint8_t *data = (const uint8_t *)ring->page + w->page_size;
	const uint64_t size = RING_PAGES * w->page_size;
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	bool lost = false;
	_Alignas(8) uint8_t copy[RECORD_MAX];

	while (tail < head) {
		struct perf_event_header h;
		copy_out(data, size, tail, &h, sizeof(h));
		if (h.size < sizeof(h) || h.size > sizeof(copy)) {
			lost = true; /* not a record: start over at the head */
			tail = head;
			break;
		}
		copy_out(data, size, tail, copy, h.size);
		tail += h.size;
		lost |= !give_record(w, copy, h.size, ops, ctx);
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
	return lost;
}

bool watch_drain(struct watch *w, const struct watch_ops *ops, void *ctx)
{
	bool lost = false;
	for (int i = 0; i < w->n_rings; i++)
		lost |= drain_ring(w, &w->rings[i], ops, ctx);
	return lost;
}
