/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* For block_test: when each process started that connects, in nanoseconds, as the agent's own programs read
 * it. */

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} starts SEC(".maps");

SEC("cgroup/connect4")
int note_start(struct bpf_sock_addr *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 start_ns = BPF_CORE_READ(task, group_leader, start_boottime);

	bpf_map_update_elem(&starts, &tgid, &start_ns, BPF_ANY);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
