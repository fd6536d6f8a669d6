/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/features.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/return_test.h"

#define KPROBE_TYPE "/sys/bus/event_source/devices/kprobe/type"

/* Newer than the headers of Debian 12. */
#define ATTACH_UPROBE_MULTI	 48  /* BPF_TRACE_UPROBE_MULTI, Linux 6.6 */
#define HELPER_GET_ATTACH_COOKIE 174 /* Linux 5.15 */

#define MOVE_0_TO_R0 ((struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0})
#define MOVE_1_TO_R0 ((struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1})
#define CALL(helper) ((struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = (helper)})
#define EXIT	     ((struct bpf_insn){.code = BPF_JMP | BPF_EXIT})

static int load(uint32_t type, uint32_t attach_type, const struct bpf_insn *code, size_t n)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.expected_attach_type = attach_type;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t) "GPL";
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

static bool loads(uint32_t type, uint32_t attach_type, const struct bpf_insn *code, size_t n)
{
	_cleanup_close_ int fd = load(type, attach_type, code, n);
	return fd >= 0;
}

static bool has_cookie(void)
{
	const struct bpf_insn code[] = {CALL(HELPER_GET_ATTACH_COOKIE), MOVE_0_TO_R0, EXIT};
	return loads(BPF_PROG_TYPE_KPROBE, 0, code, ARRAY_SIZE(code));
}

/* A kernel that knows the link looks at the file first, and a folder is not one that can be probed; one that
 * does not know it refuses the attach type. */
static bool has_multi(void)
{
	const struct bpf_insn code[] = {MOVE_0_TO_R0, EXIT};
	const uint64_t offset = 0;
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint64_t path, offsets, ref_ctr_offsets, cookies;
		uint32_t count, multi_flags, pid, pad;
	} attr = {.attach_type = ATTACH_UPROBE_MULTI,
		  .path = (uintptr_t) "/",
		  .offsets = (uintptr_t)&offset,
		  .count = 1};

	_cleanup_close_ int fd = load(BPF_PROG_TYPE_KPROBE, ATTACH_UPROBE_MULTI, code, ARRAY_SIZE(code));
	if (fd < 0)
		return false;
	attr.prog_fd = (uint32_t)fd;
	_cleanup_close_ int link = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return link < 0 && errno == EBADF;
}

static bool has_send_length(void)
{
	const struct bpf_insn code[] = {MOVE_0_TO_R0, EXIT};
	union bpf_attr attr;

	_cleanup_close_ int fd = load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, code, ARRAY_SIZE(code));
	if (fd < 0)
		return false;
	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = (uintptr_t) "sock_send_length";
	attr.raw_tracepoint.prog_fd = (uint32_t)fd;
	_cleanup_close_ int link = (int)syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
	return link >= 0;
}

static bool has_kprobe(void)
{
	char text[16] = "";
	_cleanup_close_ int file = open(KPROBE_TYPE, O_RDONLY | O_CLOEXEC);
	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0)
		return false;
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = (uint32_t)atoi(text),
		.config1 = (uintptr_t) "tcp_sendmsg",
	};
	_cleanup_close_ int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd >= 0;
}

/* proc(5): blanks and backslashes in a mount's name are octal escapes. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *p = text; *p; to++) {
		unsigned int code;
		if (p[0] == '\\' && sscanf(p + 1, "%3o", &code) == 1) {
			*to = (char)code;
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = 0;
}

static void find_cgroup(char ret_path[static PATH_MAX])
{
	char type[32], path[PATH_MAX], *line = NULL;
	size_t cap = 0;
	FILE *f = fopen("/proc/self/mounts", "re");

	ret_path[0] = 0;
	while (f && !ret_path[0] && getline(&line, &cap, f) > 0)
		if (sscanf(line, "%*s %4095s %31s", path, type) == 2 && strcmp(type, "cgroup2") == 0) {
			unescape(path);
			memcpy(ret_path, path, strlen(path) + 1);
		}
	free(line);
	if (f)
		fclose(f);
}

static bool has_skb_owner(void)
{
	const struct bpf_insn code[] = {MOVE_1_TO_R0, EXIT};
	return loads(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, code, ARRAY_SIZE(code)) &&
	       loads(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, code, ARRAY_SIZE(code));
}

static void test_returns(struct features *f)
{
	switch (return_test_run(false)) {
	case RETURN_TEST_SAFE:
		f->returns = FEATURES_RETURN_SAFE;
		f->why_returns = "a child with a seccomp filter came back from a return probe";
		break;
	case RETURN_TEST_KILLED:
		f->returns = FEATURES_RETURN_KILLS;
		f->why_returns = "a return probe ends processes that have a seccomp filter";
		break;
	case RETURN_TEST_FAILED:
		f->returns = FEATURES_RETURN_UNKNOWN;
		f->why_returns = "return probes could not be tried on a child with a seccomp filter";
		break;
	}
}

void features_detect(struct features *ret_features)
{
	struct features *f = ret_features;

	*f = (struct features){0};
	find_cgroup(f->cgroup);
	f->cookie = has_cookie();
	f->multi = has_multi();
	f->send_length = has_send_length();
	f->kprobe = has_kprobe();
	f->skb_owner = f->cgroup[0] && has_skb_owner();
	test_returns(f);
}
