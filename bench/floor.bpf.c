/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What any tool with the agent's probes pays, whatever it does in them: programs that do nothing. */

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe/entry")
int floor_entry(struct pt_regs *ctx)
{
	return 0;
}

SEC("uretprobe/return")
int floor_return(struct pt_regs *ctx)
{
	return 0;
}
