/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What this kernel offers to the probes, found out by trying, never inferred from its version. */

#include <limits.h>
#include <stdbool.h>

enum features_return {
	FEATURES_RETURN_SAFE,
	FEATURES_RETURN_KILLS,	 /* a return probe ends processes that have a seccomp filter (6.11 to 6.13) */
	FEATURES_RETURN_UNKNOWN, /* the test could not be made: taken for safe */
};

struct features {
	bool multi;	  /* uprobe_multi links (6.6) with cookies */
	bool cookie;	  /* bpf_get_attach_cookie for perf uprobes (5.15) */
	bool send_length; /* tracepoints sock_send_length and sock_recv_length (6.3) */
	bool kprobe;	  /* kprobes: tcp_sendmsg stands in for sock_send_length */
	bool skb_owner;	  /* cgroup_skb egress and cgroup connect programs with socket storage */
	enum features_return returns;
	char cgroup[PATH_MAX];	 /* where cgroup v2 is mounted; "" if it is not */
	bool cgroup_partial;	 /* that is not its root: processes outside are not seen (a container) */
	const char *why_returns; /* static: what the test saw, in plain words */
};

/* Takes some milliseconds; starts one child process for the test of return probes and waits for it. Needs the
 * agent's capabilities: without them everything is absent. Never fails: what cannot be tried is absent. */
void features_detect(struct features *ret_features);

/* Whether this is a kernel of the versions (6.11 to 6.13 on x86-64) of which some end programs with a seccomp
 * filter at a return probe: for when that could not be tried. */
bool features_may_kill(void);

/* For tests: finds cgroup v2 in a table of mounts, its root rather than a part. */
void features_find_cgroup(const char *mounts, char ret_path[static PATH_MAX], bool *ret_partial);
