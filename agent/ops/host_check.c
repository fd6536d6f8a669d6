/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/host_check.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"
#include "enforce/enforcer.h"

#define BTF_PATH    "/sys/kernel/btf/vmlinux"
#define UPROBE_PATH "/sys/bus/event_source/devices/uprobe/type"

/* Numbers of <linux/capability.h>; CAP_PERFMON and CAP_BPF came with 5.8. */
static const struct {
	int number;
	const char *name;
} capabilities[] = {
	{39, "CAP_BPF"},
	{38, "CAP_PERFMON"},
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
};

static int read_effective(uint64_t *ret_caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*ret_caps = data[0].effective | (uint64_t)data[1].effective << 32;
	return 0;
}

const char *host_check_missing_capability(void)
{
	uint64_t caps = 0;
	if (read_effective(&caps) < 0)
		return capabilities[0].name;
	/* CAP_SYS_ADMIN stands for the two that were split off from it. */
	bool admin = caps & (1ULL << CAP_SYS_ADMIN);
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		bool split_off = capabilities[i].number >= 38;
		if (!(caps & (1ULL << capabilities[i].number)) && !(split_off && admin))
			return capabilities[i].name;
	}
	return NULL;
}

enum answer { YES, NO, UNKNOWN };

/* Asks the kernel itself: libbpf has probes of its own only from 0.7 on. Without permission, or short of
 * memory or descriptors, the answer says nothing about the kernel. */
static enum answer probe_map(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries,
			     uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = key_size;
	attr.value_size = value_size;
	attr.max_entries = max_entries;
	attr.map_flags = flags;
	long fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	if (fd >= 0) {
		close((int)fd);
		return YES;
	}
	return errno == EINVAL || errno == E2BIG || errno == ENOSYS ? NO : UNKNOWN;
}

static struct host_feature of_map(const char *name, enum answer answer, const char *detail)
{
	return (struct host_feature){
		.name = name,
		.checked = answer != UNKNOWN,
		.present = answer == YES,
		.required = true,
		.detail = answer == UNKNOWN ? "not checked: permission to use bpf(2)" : detail,
	};
}

static struct host_feature of_file(const char *name, const char *path, const char *detail)
{
	return (struct host_feature){
		.name = name,
		.checked = true,
		.present = access(path, R_OK) == 0,
		.required = true,
		.detail = detail,
	};
}

/* A kernel with the ring buffer (5.8) has the helpers that the programs call. */
size_t host_check_features(struct host_feature *ret_features, size_t max)
{
	const struct host_feature all[] = {
		of_file("btf", BTF_PATH, BTF_PATH ": a kernel built with CONFIG_DEBUG_INFO_BTF"),
		of_file("uprobes", UPROBE_PATH, "a kernel built with CONFIG_UPROBE_EVENTS"),
		of_map("ring-buffer",
		       probe_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)sysconf(_SC_PAGESIZE), 0),
		       "Linux 5.8 or later"),
		of_map("lpm-trie", probe_map(BPF_MAP_TYPE_LPM_TRIE, 8, 4, 1, BPF_F_NO_PREALLOC),
		       "Linux 4.11 or later"),
		of_map("program-array", probe_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1, 0), "Linux 4.2 or later"),
	};
	size_t n = MIN(max, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++)
		ret_features[i] = all[i];
	return n;
}

static struct host_feature of_detail(const char *name, bool present, const char *detail)
{
	return (struct host_feature){.name = name, .checked = true, .present = present, .detail = detail};
}

static const char *hello_detail(const struct features *f)
{
	if (!f->cgroup[0])
		return "cgroup v2 is not mounted: AI connections that cannot be read go unnoticed (no Blind "
		       "events, no coverage)";
	if (!f->skb_owner)
		return "programs on cgroup v2 with socket storage: without them AI connections that cannot "
		       "be "
		       "read go unnoticed (no Blind events, no coverage)";
	return "AI connections are noticed whether they can be read or not";
}

static const char *returns_detail(const struct features *f)
{
	switch (f->returns) {
	case FEATURES_RETURN_KILLS:
		return "a return probe ends programs that have a seccomp filter (Linux 6.11 to 6.13 without "
		       "the "
		       "fix): no program is read, AI connections are only noticed (Blind events)";
	case FEATURES_RETURN_UNKNOWN:
		return "could not be tried on a child with a seccomp filter: taken for safe";
	default:
		return "a program with a seccomp filter survives them";
	}
}

size_t host_check_details(const struct features *f, struct host_feature *ret_features, size_t max)
{
	const bool able = host_check_missing_capability() == NULL;
	const struct host_feature all[] = {
		of_detail("return-probes", f->returns == FEATURES_RETURN_SAFE, returns_detail(f)),
		of_detail("uprobe-multi", f->multi,
			  "Linux 6.6: without it a library takes a probe for each function, and some tens of "
			  "milliseconds more until its first call is seen"),
		of_detail("cookies", f->multi || f->cookie,
			  "Linux 5.15: without them events do not name the TLS library"),
		of_detail(
			"send-length", f->send_length,
			f->kprobe
				? "Linux 6.3: a kprobe stands in"
				: "Linux 6.3: without it and kprobes only programs that use SSL_set_fd have "
				  "addresses in their events"),
		of_detail("kprobe", f->kprobe,
			  f->send_length ? "not needed: send-length is there"
					 : "a kernel built with CONFIG_KPROBES: stands in for send-length"),
		of_detail("client-hello", f->skb_owner, hello_detail(f)),
		of_detail("whole-host", f->cgroup[0] && !f->cgroup_partial,
			  "the root of cgroup v2 is not mounted here (a container with a cgroup namespace of "
			  "its "
			  "own?): AI connections that cannot be read go unnoticed outside it"),
	};
	size_t n = MIN(max, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++) {
		ret_features[i] = all[i];
		if (!able && !all[i].present) {
			ret_features[i].checked = false;
			ret_features[i].detail = "not checked: permission to use bpf(2)";
		}
	}
	return n;
}

struct host_feature host_check_block(const struct features *f)
{
	if (host_check_missing_capability())
		return (struct host_feature){.name = "block",
					     .detail = "not checked: permission to use bpf(2)"};
	/* Which addresses are AI hosts is learned from ClientHellos. */
	const char *why = f->skb_owner ? enforcer_why_not(f->cgroup) : "needs client-hello";
	return of_detail("block", !why,
			 why ? why : "the policy's action block can end and refuse connections to AI hosts");
}

int host_check_or_explain(void)
{
	const char *missing = host_check_missing_capability();
	if (missing) {
		fprintf(stderr,
			"oaitap: %s is missing: run as root, or with CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE "
			"and "
			"CAP_NET_ADMIN\n",
			missing);
		return 3;
	}
	/* What could not be checked is left to the loader, which says why. */
	struct host_feature features[16];
	size_t n = host_check_features(features, ARRAY_SIZE(features));
	for (size_t i = 0; i < n; i++) {
		if (features[i].required && features[i].checked && !features[i].present) {
			fprintf(stderr, "oaitap: this kernel lacks what the agent needs: %s (%s)\n",
				features[i].name, features[i].detail);
			return 4;
		}
	}
	return -1;
}
