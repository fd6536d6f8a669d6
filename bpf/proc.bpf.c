/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The life of a process, as far as its connections depend on it. */

#include "common.bpf.h"
#include "who.bpf.h"

/* False: no room in the ring. */
static __always_inline bool process_over_send(__u32 tgid, __u64 gen, __u32 type)
{
	struct record_process *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNTER_RING_FULL_CONTROL, 0);
		return false;
	}
	rec->header.type = type;
	rec->header.len = sizeof(*rec);
	rec->process_gen = gen;
	rec->ts_ns = bpf_ktime_get_ns();
	rec->tgid = tgid;
	rec->pad = 0;
	bpf_ringbuf_submit(rec, 0);
	return true;
}

/* All connections of the process's image are gone. The agent ends those it knows; it also clears the entries
 * that are left, since a program cannot walk the table. Of a process without monitored connections nothing
 * enters the ring. */
static __always_inline void process_over(__u32 tgid, __u32 type)
{
	struct proc *p = bpf_map_lookup_elem(&procs, &tgid);
	if (!p)
		return;
	__u64 gen = p->process_gen;
	bool monitored = p->monitored;

	/* Two last threads may both come here: the first one sends. */
	p->monitored = 0;
	if (monitored && !process_over_send(tgid, gen, type)) {
		p->dead = 1; /* the agent finds out by sweeping */
		return;
	}
	if (p->conns && !monitored && type == RECORD_EXIT)
		p->dead = 1;
	else if (p->process_gen == gen)
		bpf_map_delete_elem(&procs, &tgid);
}

SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	/* The thread that called exec took over the leader's id: forget both. */
	__u64 old = (id & 0xffffffff00000000ULL) | (__u32)ctx->args[1];

	bpf_map_delete_elem(&calls, &id);
	if (old != id)
		bpf_map_delete_elem(&calls, &old);
	process_over(id >> 32, RECORD_EXEC);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&calls, &id);
	/* Each thread passes here; a leader may leave before the others. The count was lowered before the
	 * tracepoint, so the last one sees 0. */
	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		process_over(id >> 32, RECORD_EXIT);
	return 0;
}

/* Never attached: the agent runs it (BPF_PROG_TEST_RUN), once, and it reads where its caller's root is. */
SEC("raw_tp")
int who_root(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	agent_root_dentry = (__u64)BPF_CORE_READ(task, fs, root.dentry);
	agent_root_mount = (__u64)BPF_CORE_READ(task, fs, root.mnt);
	return 0;
}
