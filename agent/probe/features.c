/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/features.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/return_test.h"

#define KPROBE_TYPE "/sys/bus/event_source/devices/kprobe/type"

/* Newer than the headers of Debian 12. */
#define ATTACH_UPROBE_MULTI	 48  /* BPF_TRACE_UPROBE_MULTI, Linux 6.6 */
#define HELPER_GET_ATTACH_COOKIE 174 /* Linux 5.15 */

#define INSN(...)	((struct bpf_insn){__VA_ARGS__})
#define SET(reg, value) INSN(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value))
#define COPY(to, from)	INSN(.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from))
#define LOAD(to, from, at)                                                                                   \
	INSN(.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = (to), .src_reg = (from), .off = (at))
#define SKIP_IF_ZERO(reg, n) INSN(.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = (reg), .off = (n))
#define SET_MAP(reg, fd)                                                                                     \
	INSN(.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = (reg), .src_reg = BPF_PSEUDO_MAP_FD,              \
	     .imm = (fd)),                                                                                   \
		INSN(0)
#define CALL(helper) INSN(.code = BPF_JMP | BPF_CALL, .imm = (helper))
#define EXIT	     INSN(.code = BPF_JMP | BPF_EXIT)

static int bpf(int command, union bpf_attr *attr)
{
	int fd = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
	return fd < 0 ? -errno : fd;
}

static int load(uint32_t type, uint32_t attach_type, const struct bpf_insn *code, size_t n)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.expected_attach_type = attach_type;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t) "GPL";
	return bpf(BPF_PROG_LOAD, &attr);
}

static bool loads(uint32_t type, uint32_t attach_type, const struct bpf_insn *code, size_t n)
{
	_cleanup_close_ int fd = load(type, attach_type, code, n);
	return fd >= 0;
}

static bool has_cookie(void)
{
	const struct bpf_insn code[] = {CALL(HELPER_GET_ATTACH_COOKIE), SET(BPF_REG_0, 0), EXIT};
	return loads(BPF_PROG_TYPE_KPROBE, 0, code, ARRAY_SIZE(code));
}

/* A kernel that knows the link looks at the file first, and a folder is not one that can be probed; one that
 * does not know it refuses the attach type. That its filter by pid took threads for processes until 6.10 is
 * no matter: we attach for all. */
static bool has_multi(void)
{
	const struct bpf_insn code[] = {SET(BPF_REG_0, 0), EXIT};
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
	const struct bpf_insn code[] = {SET(BPF_REG_0, 0), EXIT};
	union bpf_attr attr;

	_cleanup_close_ int fd = load(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, code, ARRAY_SIZE(code));
	if (fd < 0)
		return false;
	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = (uintptr_t) "sock_send_length";
	attr.raw_tracepoint.prog_fd = (uint32_t)fd;
	_cleanup_close_ int link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
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
		bool escape = p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
			      p[3] >= '0' && p[3] <= '7';
		*to = escape ? (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0')) : *p;
		p += escape ? 4 : 1;
	}
	*to = 0;
}

/* Every cgroup but the root has this file. The root of a cgroup namespace is not the root. */
static bool is_root_cgroup(const char *path)
{
	char file[PATH_MAX + 32];
	snprintf(file, sizeof(file), "%s/cgroup.events", path);
	return access(path, F_OK) == 0 && access(file, F_OK) < 0;
}

void features_find_cgroup(const char *mounts, char ret_path[static PATH_MAX], bool *ret_partial)
{
	char type[32], path[PATH_MAX], *line = NULL;
	size_t cap = 0;
	bool root = false;
	FILE *f = fopen(mounts, "re");

	ret_path[0] = 0;
	while (f && !root && getline(&line, &cap, f) > 0) {
		if (sscanf(line, "%*s %4095s %31s", path, type) != 2 || strcmp(type, "cgroup2") != 0)
			continue;
		unescape(path);
		root = is_root_cgroup(path);
		if (root || !ret_path[0])
			memcpy(ret_path, path, strlen(path) + 1);
	}
	*ret_partial = ret_path[0] && !root;
	free(line);
	if (f)
		fclose(f);
}

/* A type description (BTF) with nothing but "int": socket storage wants one for its key and its value. */
static int load_btf(void)
{
	const struct {
		struct btf_header header;
		struct btf_type type;
		uint32_t bits;
		char names[5];
	} __attribute__((packed)) btf = {
		.header = {.magic = BTF_MAGIC,
			   .version = BTF_VERSION,
			   .hdr_len = sizeof(struct btf_header),
			   .type_len = sizeof(struct btf_type) + sizeof(uint32_t),
			   .str_off = sizeof(struct btf_type) + sizeof(uint32_t),
			   .str_len = sizeof("\0int")},
		.type = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = sizeof(int)},
		.bits = BTF_INT_SIGNED << 24 | 32,
		.names = "\0int",
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.btf = (uintptr_t)&btf;
	attr.btf_size = sizeof(btf);
	return bpf(BPF_BTF_LOAD, &attr);
}

static int make_socket_storage(void)
{
	union bpf_attr attr;

	_cleanup_close_ int btf = load_btf();
	if (btf < 0)
		return btf;
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_SK_STORAGE;
	attr.key_size = attr.value_size = sizeof(int);
	attr.map_flags = BPF_F_NO_PREALLOC;
	attr.btf_fd = (uint32_t)btf;
	attr.btf_key_type_id = attr.btf_value_type_id = 1;
	return bpf(BPF_MAP_CREATE, &attr);
}

/* Both programs look into the storage of their socket, as those of bpf/hello.bpf.c do. */
static bool has_skb_owner(void)
{
	_cleanup_close_ int map = make_socket_storage();
	if (map < 0)
		return false;
	const struct bpf_insn connects[] = {
		LOAD(BPF_REG_2, BPF_REG_1, offsetof(struct bpf_sock_addr, sk)),
		SKIP_IF_ZERO(BPF_REG_2, 5),
		SET_MAP(BPF_REG_1, map),
		SET(BPF_REG_3, 0),
		SET(BPF_REG_4, 0),
		CALL(BPF_FUNC_sk_storage_get),
		SET(BPF_REG_0, 1),
		EXIT,
	};
	const struct bpf_insn sends[] = {
		LOAD(BPF_REG_1, BPF_REG_1, offsetof(struct __sk_buff, sk)),
		SKIP_IF_ZERO(BPF_REG_1, 8),
		CALL(BPF_FUNC_sk_fullsock),
		SKIP_IF_ZERO(BPF_REG_0, 6),
		COPY(BPF_REG_2, BPF_REG_0),
		SET_MAP(BPF_REG_1, map),
		SET(BPF_REG_3, 0),
		SET(BPF_REG_4, 0),
		CALL(BPF_FUNC_sk_storage_get),
		SET(BPF_REG_0, 1),
		EXIT,
	};
	return loads(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, connects,
		     ARRAY_SIZE(connects)) &&
	       loads(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, sends, ARRAY_SIZE(sends));
}

bool features_may_kill(void)
{
	struct utsname name;
	unsigned int major, minor;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return true;
	return strcmp(name.machine, "x86_64") == 0 && major == 6 && minor >= 11 && minor <= 13;
}

static void test_returns(struct features *f)
{
	switch (return_test_run(RETURN_TEST_CHILD)) {
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
	features_find_cgroup("/proc/self/mounts", f->cgroup, &f->cgroup_partial);
	f->cookie = has_cookie();
	f->multi = has_multi();
	f->send_length = has_send_length();
	f->kprobe = has_kprobe();
	f->skb_owner = f->cgroup[0] && has_skb_owner();
	test_returns(f);
}
