/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Who the running task is, read from the kernel's own structures while it runs: whatever ends a moment later,
 * its executable, cgroups and parents are on record. Pointers are followed without their locks: a name may
 * change under us, but every read is safe. */

#include "common.bpf.h"

/* Longer paths are cut, and marked so. */
#define EXE_DEPTH_MAX	 64
#define CGROUP_DEPTH_MAX 32
#define HIERARCHIES_MAX	 16

/* Names of files and cgroups: 255 bytes and NUL. */
#define PART_MAX 256

/* Where the agent's own root is: paths end there, as those in /proc do. Set by the program who_root. */
volatile __u64 agent_root_dentry __weak = 0;
volatile __u64 agent_root_mount __weak = 0;

const volatile bool want_args __weak = false;

struct who_scratch {
	struct record_who rec;
	/* The verifier bounds place and length of a copy one by one, so it wants room for the sum of their
	 * maxima. */
	char room[OAITAP_WHO_ARGS_MAX];
	/* Passed through memory on purpose, as in struct scratch. */
	__u32 pos;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OAITAP_WHO_MAX);
	__type(key, __u64); /* the task's address */
	__type(value, struct who_scratch);
} whos SEC(".maps") __weak;

_Static_assert(OAITAP_WHO_ARGS_MAX >= PART_MAX, "room for a name");

/* One component, with its NUL. False: no room, or not readable. */
static __always_inline bool who_part(struct who_scratch *w, const void *name)
{
	volatile __u32 *pos = &w->pos;
	__u32 at = *pos;

	barrier_var(at);
	if (at >= OAITAP_WHO_TEXT_MAX)
		return false;
	long n = bpf_probe_read_kernel_str(w->rec.text + at, PART_MAX, name);
	if (n <= 1)
		return false;
	*pos = at + n;
	return true;
}

/* --- executable ---------------------------------------------------------------------- */

/* From the file up to the root of the agent or, if the file is in another mount tree, to that tree's. */
static __always_inline void who_exe(struct who_scratch *w, struct task_struct *task)
{
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct dentry *d = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *vfs = BPF_CORE_READ(file, f_path.mnt);
	const __u32 offset = bpf_core_field_offset(struct mount, mnt);

	for (int i = 0; i < EXE_DEPTH_MAX; i++) {
		if (!d || !vfs || ((__u64)d == agent_root_dentry && (__u64)vfs == agent_root_mount))
			return;
		struct dentry *up = BPF_CORE_READ(d, d_parent);
		if (d == BPF_CORE_READ(vfs, mnt_root)) {
			struct mount *m = (void *)vfs - offset;
			struct mount *outer = BPF_CORE_READ(m, mnt_parent);
			if (outer == m)
				return;
			d = BPF_CORE_READ(m, mnt_mountpoint);
			vfs = (void *)outer + offset;
			continue;
		}
		if (!who_part(w, BPF_CORE_READ(d, d_name.name)))
			break;
		if (d == up)
			return; /* in no file system that is mounted, as memfd_create(2) makes them */
		d = up;
	}
	w->rec.cut |= WHO_CUT_EXE;
}

/* --- cgroups ------------------------------------------------------------------------- */

static __always_inline void who_cgroup_path(struct who_scratch *w, struct cgroup *cgrp, __u32 which)
{
	for (int i = 0; i < CGROUP_DEPTH_MAX; i++) {
		/* A cgroup begins with its own css. */
		struct cgroup *up = (void *)BPF_CORE_READ(cgrp, self.parent);
		if (!up)
			return;
		if (!who_part(w, BPF_CORE_READ(cgrp, kn, name)))
			break;
		cgrp = up;
	}
	w->rec.cut |= WHO_CUT_CGROUP << which;
}

/* Of each kind of hierarchy the first in which the task is not at the root. */
static __always_inline void who_cgroups(struct who_scratch *w, struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_root *unified = BPF_CORE_READ(set, dfl_cgrp, root);
	struct list_head *head = (void *)set + bpf_core_field_offset(struct css_set, cgrp_links);
	struct list_head *at = BPF_CORE_READ(head, next);
	const __u32 offset = bpf_core_field_offset(struct cgrp_cset_link, cgrp_link);
	struct cgroup *systemd = NULL, *other = NULL;

	for (int i = 0; i < HIERARCHIES_MAX; i++) {
		if (!at || at == head)
			break;
		struct cgrp_cset_link *link = (void *)at - offset;
		struct cgroup *cgrp = BPF_CORE_READ(link, cgrp);
		struct cgroup_root *root = BPF_CORE_READ(cgrp, root);
		__u64 name = 0;
		at = BPF_CORE_READ(at, next);
		if (root == unified || !BPF_CORE_READ(cgrp, self.parent))
			continue;
		bpf_probe_read_kernel(&name, sizeof(name),
				      (void *)root + bpf_core_field_offset(struct cgroup_root, name));
		if (name == 0x00646d6574737973ULL || name == 0x73797374656d6400ULL) /* "systemd" */
			systemd = cgrp;
		else
			other = cgrp;
	}
	who_cgroup_path(w, BPF_CORE_READ(set, dfl_cgrp), WHO_UNIFIED);
	w->rec.cgroup_end[WHO_UNIFIED] = w->pos;
	if (systemd)
		who_cgroup_path(w, systemd, WHO_SYSTEMD);
	w->rec.cgroup_end[WHO_SYSTEMD] = w->pos;
	if (other)
		who_cgroup_path(w, other, WHO_OTHER);
	w->rec.cgroup_end[WHO_OTHER] = w->pos;
}

/* --- parents and arguments ----------------------------------------------------------- */

static __always_inline void who_parents(struct who_scratch *w, struct task_struct *leader)
{
	struct task_struct *t = leader;

	for (__u32 i = 0; i < OAITAP_PARENTS_MAX; i++) {
		struct record_parent *parent = &w->rec.parents[i];
		t = BPF_CORE_READ(t, real_parent, group_leader);
		parent->tgid = BPF_CORE_READ(t, tgid);
		if (!parent->tgid)
			return;
		parent->start_boot_ns = BPF_CORE_READ(t, start_boottime);
		bpf_probe_read_kernel(parent->comm, sizeof(parent->comm), &t->comm);
		w->rec.n_parents = i + 1;
	}
}

/* As the program itself sees them now; it may have changed them (ps shows the same). */
static __always_inline void who_args(struct who_scratch *w, struct task_struct *task)
{
	__u64 start = BPF_CORE_READ(task, mm, arg_start);
	__u64 len = BPF_CORE_READ(task, mm, arg_end) - start;
	__u32 at = w->pos;

	if (len > OAITAP_WHO_ARGS_MAX) {
		len = OAITAP_WHO_ARGS_MAX;
		w->rec.cut |= WHO_CUT_ARGS;
	}
	barrier_var(at);
	if (at >= OAITAP_WHO_TEXT_MAX) {
		w->rec.cut |= WHO_CUT_ARGS;
		return;
	}
	barrier_var(len);
	if (len > OAITAP_WHO_ARGS_MAX)
		len = OAITAP_WHO_ARGS_MAX;
	if (bpf_probe_read_user(w->rec.text + at, len, (void *)start))
		w->rec.cut |= WHO_CUT_ARGS;
	else
		w->pos = at + len;
}

/* --- record -------------------------------------------------------------------------- */

static __always_inline void who_fill(struct who_scratch *w, __u64 id)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	w->rec.header.type = RECORD_WHO;
	w->rec.id = id;
	w->rec.start_boot_ns = BPF_CORE_READ(leader, start_boottime);
	w->rec.tgid = BPF_CORE_READ(task, tgid);
	who_parents(w, leader);
	who_exe(w, task);
	w->rec.exe_end = w->pos;
	who_cgroups(w, task);
	if (want_args)
		who_args(w, task);
	w->rec.text_len = w->pos;
}

/* Comes right before the record of that id: a connection's, or a ClientHello's by its cookie. Without it the
 * agent looks into /proc, if it is quick enough. */
static __always_inline void who_send(__u64 id)
{
	static const struct who_scratch none = {};
	/* Not its ids: a program at a socket may not ask for those on every kernel. */
	__u64 key = bpf_get_current_task();

	if (bpf_map_update_elem(&whos, &key, &none, BPF_ANY)) {
		count(COUNTER_SCRATCH_FULL, 0);
		return;
	}
	struct who_scratch *w = bpf_map_lookup_elem(&whos, &key);
	if (!w)
		return;
	who_fill(w, id);
	__u64 len = __builtin_offsetof(struct record_who, text) + w->rec.text_len;
	w->rec.header.len = len;
	barrier_var(len);
	if (len > sizeof(struct record_who))
		len = sizeof(struct record_who);
	if (bpf_ringbuf_output(&ring, &w->rec, len, 0))
		count(COUNTER_RING_FULL_CONTROL, 0);
	bpf_map_delete_elem(&whos, &key);
}
