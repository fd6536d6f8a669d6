/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Refuses connections to AI hosts to cgroups and processes that the agent has blocked. An object of its own:
 * it is loaded only if a policy asks for it. In any doubt a connection is let through. */

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "include/block.h"

#define SOCK_STREAM 1

#define LET    1
#define REFUSE 0 /* EPERM */

/* An address that no ClientHello to an AI host went to for so long may be somebody else's by now. */
const volatile __u64 address_age_ns = 3600ULL * 1000 * 1000 * 1000;

/* How many blocks there are; written by the agent. Without any, little is done here. */
__u32 cgroup_blocks = 0;
__u32 process_blocks = 0;

/* When the block ends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BLOCK_SUBJECTS_MAX);
	__type(key, struct block_key);
	__type(value, __u64);
} blocks SEC(".maps");

/* Apart from `blocks`, so that the agent can extend a block without undoing what is counted meanwhile. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BLOCK_SUBJECTS_MAX);
	__type(key, struct block_key);
	__type(value, struct block_refusals);
} refusals SEC(".maps");

/* When an AI host was last seen there. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BLOCK_ADDRESSES_MAX);
	__type(key, struct block_address);
	__type(value, __u64);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BLOCK_CONNECTS_MAX);
	__type(key, __u64);
	__type(value, struct block_connect);
} connects SEC(".maps");

static __always_inline bool is_blocked(const struct block_key *key, __u64 now_ns)
{
	__u64 *until_ns = bpf_map_lookup_elem(&blocks, key);
	return until_ns && *until_ns > now_ns;
}

/* Level 0 is the root, which is never blocked. */
static __always_inline bool find_cgroup(struct block_key *key, __u64 now_ns)
{
	key->tgid = 0;
	for (int level = 1; level <= BLOCK_LEVELS_MAX; level++) {
		key->id = bpf_get_current_ancestor_cgroup_id(level);
		if (!key->id)
			return false;
		if (is_blocked(key, now_ns))
			return true;
	}
	key->id = bpf_get_current_cgroup_id();
	return is_blocked(key, now_ns);
}

static __always_inline bool find_process(struct block_key *key, __u64 now_ns)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	for (int i = 0; i <= BLOCK_PARENTS_MAX; i++) {
		task = BPF_CORE_READ(task, group_leader);
		key->tgid = BPF_CORE_READ(task, tgid);
		if (key->tgid <= 1)
			return false;
		key->id = BPF_CORE_READ(task, start_boottime);
		if (is_blocked(key, now_ns))
			return true;
		task = BPF_CORE_READ(task, real_parent);
	}
	return false;
}

/* *key is all zeros if not. */
static __always_inline bool find_block(struct block_key *key, __u64 now_ns)
{
	if (cgroup_blocks && find_cgroup(key, now_ns))
		return true;
	if (process_blocks && find_process(key, now_ns))
		return true;
	key->id = 0;
	key->tgid = 0;
	return false;
}

static __always_inline bool is_ai_host(const struct block_address *address, __u64 now_ns)
{
	__u64 *seen_ns = bpf_map_lookup_elem(&addresses, address);
	return seen_ns && now_ns < *seen_ns + address_age_ns;
}

static __always_inline void refusal_count(const struct block_key *key, bool stream)
{
	struct block_refusals *r = bpf_map_lookup_elem(&refusals, key);
	if (r)
		__sync_fetch_and_add(stream ? &r->connects : &r->datagrams, 1);
}

static __always_inline int judge(struct bpf_sock_addr *ctx, struct block_connect *c)
{
	bool stream = ctx->type == SOCK_STREAM;
	__u64 now_ns = bpf_ktime_get_ns();
	bool blocked = find_block(&c->blocked, now_ns);

	if (blocked && is_ai_host(&c->address, now_ns)) {
		refusal_count(&c->blocked, stream);
		return REFUSE;
	}
	if (stream) {
		__u64 cookie = bpf_get_socket_cookie(ctx);
		bpf_map_update_elem(&connects, &cookie, c, BPF_ANY);
	}
	return LET;
}

static __always_inline int judge4(struct bpf_sock_addr *ctx)
{
	struct block_connect c = {};
	__u32 ip = ctx->user_ip4;

	c.address.ip[10] = c.address.ip[11] = 0xff;
	__builtin_memcpy(c.address.ip + 12, &ip, sizeof(ip));
	c.address.port = bpf_ntohs(ctx->user_port);
	return judge(ctx, &c);
}

static __always_inline int judge6(struct bpf_sock_addr *ctx)
{
	struct block_connect c = {};
	__u32 ip[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	__builtin_memcpy(c.address.ip, ip, sizeof(ip));
	c.address.port = bpf_ntohs(ctx->user_port);
	return judge(ctx, &c);
}

SEC("cgroup/connect4")
int block_connect4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx);
}

SEC("cgroup/connect6")
int block_connect6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx);
}

/* Datagrams of sockets that are not connected; of all processes, so nothing is done for most. */
SEC("cgroup/sendmsg4")
int block_sendmsg4(struct bpf_sock_addr *ctx)
{
	return cgroup_blocks || process_blocks ? judge4(ctx) : LET;
}

SEC("cgroup/sendmsg6")
int block_sendmsg6(struct bpf_sock_addr *ctx)
{
	return cgroup_blocks || process_blocks ? judge6(ctx) : LET;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
