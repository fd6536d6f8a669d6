/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/host_check.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/macro.h"

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

static bool has_map(enum bpf_map_type type)
{
	return libbpf_probe_bpf_map_type(type, NULL) == 1;
}

static bool has_helper(enum bpf_prog_type type, enum bpf_func_id helper)
{
	return libbpf_probe_bpf_helper(type, helper, NULL) == 1;
}

size_t host_check_features(struct host_feature *ret_features, size_t max)
{
	const struct host_feature all[] = {
		{"btf", access(BTF_PATH, R_OK) == 0, true,
		 BTF_PATH ": a kernel built with CONFIG_DEBUG_INFO_BTF"},
		{"uprobes", access(UPROBE_PATH, R_OK) == 0, true, "a kernel built with CONFIG_UPROBE_EVENTS"},
		{"ring-buffer", has_map(BPF_MAP_TYPE_RINGBUF), true, "Linux 5.8 or later"},
		{"lpm-trie", has_map(BPF_MAP_TYPE_LPM_TRIE), true, "Linux 4.11 or later"},
		{"program-array", has_map(BPF_MAP_TYPE_PROG_ARRAY), true, "Linux 4.2 or later"},
		{"probe-read-user", has_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_probe_read_user), true,
		 "Linux 5.5 or later"},
		{"attach-cookie", has_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie), false,
		 "Linux 5.15 or later; not used yet"},
	};
	size_t n = MIN(max, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++)
		ret_features[i] = all[i];
	return n;
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
	struct host_feature features[16];
	size_t n = host_check_features(features, ARRAY_SIZE(features));
	for (size_t i = 0; i < n; i++) {
		if (features[i].required && !features[i].present) {
			fprintf(stderr, "oaitap: this kernel lacks what the agent needs: %s (%s)\n",
				features[i].name, features[i].detail);
			return 4;
		}
	}
	return -1;
}
