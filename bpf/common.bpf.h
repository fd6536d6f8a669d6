/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Maps, knobs and helpers that the BPF objects share. Maps and knobs are weak: each object defines the same
 * ones and the BPF linker keeps one of each. Plain CO-RE for Linux 5.10: no bpf_loop, no atomics that return
 * a value, no per-CPU scratch space (uprobe programs can be preempted by another task's on the same CPU
 * since 6.0). */

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "include/functions.h"
#include "include/records.h"

#define AF_INET	 2
#define AF_INET6 10

/* Keeps the compiler from deriving a bound in a way that the verifier cannot follow: the clamp that comes
 * after it is then really emitted. */
#ifndef barrier_var
#define barrier_var(v) asm volatile("" : "+r"(v))
#endif

/* Knobs, set before load. */
const volatile __u64 max_call_bytes __weak = OAITAP_CALL_MAX;
/* Data records leave the rest of the ring to control records, which are small and must not be lost. */
const volatile __u64 ring_data_max __weak = ~0ULL;
const volatile __u32 roles __weak = 1U << RECORD_CLIENT; /* bits by enum record_role */
const volatile bool has_cookie __weak = false;		 /* bpf_get_attach_cookie is there (5.15) */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OAITAP_CONNS_MAX);
	__type(key, struct conn_key);
	__type(value, struct conn);
} conns SEC(".maps") __weak;

/* Processes that have connections in the table, by tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OAITAP_PROCS_MAX);
	__type(key, __u32);
	__type(value, struct proc);
} procs SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, OAITAP_HOSTS_MAX);
	__type(key, struct host_key);
	__type(value, __u8);
} hosts SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTER_MAX);
	__type(key, __u32);
	__type(value, struct counter_value);
} counters SEC(".maps") __weak;

/* Bytes that must be looked at before anything is sent: a server name, or the head of a first write. Keyed by
 * connection id, so that no other task can write there; entries live for one call, or until the head is
 * whole. */
struct scratch {
	__u32 len;
	/* Results of the loops over data. They pass through memory on purpose: in a register each would carry
	 * its own constant out of each iteration, and the verifier would walk the rest of the program once
	 * for each. */
	__u32 host_at;
	__u32 host_len;
	/* At most OAITAP_HEAD_MAX are used. The verifier bounds place and length of a copy one by one, so it
	 * wants room for the sum of their maxima. */
	char data[2 * OAITAP_HEAD_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OAITAP_SCRATCH_MAX);
	__type(key, __u64);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

/* Calls in progress, by thread. A frame is found again by its stack pointer: nested calls, and frames left
 * behind by a longjmp, cannot be taken for one another. */
#define FRAMES_MAX 3

struct frame {
	__u64 sp; /* at entry; 0: free */
	__u64 ssl;
	__u64 buf;
	__u64 written; /* address of the size_t that the _ex functions fill; 0: length is the return value */
	__u64 ts_ns;
	__u64 offset; /* once the call has returned: position of its first byte */
	__u64 len;    /* bytes it carried */
	__u64 done;   /* bytes sent, or given up */
	__u64 asked;  /* bytes that a write call was given */
	__u64 sk;     /* struct sock: through which the call was seen to send its record, or 0 */
	__u32 file_id;
	__u8 dir;
	__u8 function; /* enum probe_function */
	__u8 pad[2];
};

/* Two probes on one function fire one after the other, at once unless the task is preempted between them; an
 * emulated machine takes a millisecond. A program that does the same again takes longer. */
#define TWICE_AGE_MAX_NS 20000000ULL

/* Most plaintext that one TLS record holds (RFC 8446 section 5.1). */
#define RECORD_PLAIN_MAX 16384U

/* A write call that has returned without a socket call of its own (memory BIOs: asyncio, Node, .NET, Netty):
 * what the thread sends next may be its records. */
struct unsent {
	__u64 ssl; /* 0: none */
	__u64 conn_id;
	__u64 bytes; /* plaintext, of one or several calls in a row on one connection */
	__u64 records;
	__u64 sent; /* by the thread since then, through sk */
	__u64 sk;
	__u64 first; /* nothing was written to the connection before */
};

struct thread_calls {
	struct frame frames[FRAMES_MAX];
	struct unsent unsent;
	__u32 current; /* frame whose pieces are being sent */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OAITAP_THREADS_MAX);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct thread_calls);
} calls SEC(".maps") __weak;

static const char zeros[OAITAP_PIECE_MAX / 4] = {};

static __always_inline void count(__u32 which, __u64 bytes)
{
	struct counter_value *c = bpf_map_lookup_elem(&counters, &which);
	if (!c)
		return;
	__sync_fetch_and_add(&c->count, 1);
	if (bytes)
		__sync_fetch_and_add(&c->bytes, bytes);
}

/* A pid is reused and an image replaced; start time and exec count together are not. */
static __always_inline __u64 process_gen(struct task_struct *task)
{
	return (BPF_CORE_READ(task, group_leader, start_boottime) << 8) + BPF_CORE_READ(task, self_exec_id);
}

static __always_inline void conn_key_fill(struct conn_key *key, __u64 ssl)
{
	key->ssl = ssl;
	key->tgid = bpf_get_current_pid_tgid() >> 32;
	key->pad = 0;
}

/* The entry of this process's SSL object, or NULL. An entry of an earlier image or of a dead process that had
 * the same pid is not ours. */
static __always_inline struct conn *conn_find(const struct conn_key *key, __u64 gen)
{
	struct conn *c = bpf_map_lookup_elem(&conns, key);
	if (!c || c->process_gen != gen)
		return NULL;
	return c;
}

/* No atomic that returns a value exists before 5.12. One CPU cannot make two ids in one nanosecond. */
static __always_inline __u64 conn_new_id(void)
{
	return (bpf_ktime_get_ns() << 8) | (bpf_get_smp_processor_id() & 0xff);
}

/* One more connection of this process. */
static __always_inline void proc_count(__u32 tgid, __u64 gen)
{
	struct proc fresh = {.process_gen = gen, .conns = 1};
	struct proc *p = bpf_map_lookup_elem(&procs, &tgid);

	if (p && p->process_gen == gen) {
		__sync_fetch_and_add(&p->conns, 1);
		return;
	}
	/* Another thread may be here at the same time: only one entry is made, the other thread adds to it.
	 */
	if (!bpf_map_update_elem(&procs, &tgid, &fresh, p ? BPF_ANY : BPF_NOEXIST))
		return;
	p = bpf_map_lookup_elem(&procs, &tgid);
	if (p && p->process_gen == gen)
		__sync_fetch_and_add(&p->conns, 1);
	else
		count(COUNTER_PROC_TABLE_FULL, 0);
}

static __always_inline void proc_uncount(__u32 tgid)
{
	struct proc *p = bpf_map_lookup_elem(&procs, &tgid);
	if (p)
		__sync_fetch_and_add(&p->conns, -1);
}

static __always_inline void conn_monitor(struct conn *c)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct proc *p = bpf_map_lookup_elem(&procs, &tgid);

	c->verdict = CONN_MONITOR;
	if (p)
		p->monitored = 1;
}

static __always_inline struct conn *conn_create(const struct conn_key *key, __u64 gen, __u32 file_id)
{
	struct conn fresh = {
		.id = conn_new_id(),
		.process_gen = gen,
		.fd = -1,
		.file_id = file_id,
	};
	struct conn *old = bpf_map_lookup_elem(&conns, key);

	if (!old || old->process_gen != gen)
		proc_count(key->tgid, gen);
	if (bpf_map_update_elem(&conns, key, &fresh, BPF_ANY)) {
		count(COUNTER_CONN_TABLE_FULL, 0);
		proc_uncount(key->tgid);
		return NULL;
	}
	return bpf_map_lookup_elem(&conns, key);
}

static __always_inline void close_send(struct conn *c)
{
	struct record_close *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNTER_RING_FULL_CONTROL, 0);
		return;
	}
	rec->header.type = RECORD_CLOSE;
	rec->header.len = sizeof(*rec);
	rec->conn_id = c->id;
	rec->ts_ns = bpf_ktime_get_ns();
	rec->end[0] = c->end[0];
	rec->end[1] = c->end[1];
	rec->loss[0] = c->loss[0];
	rec->loss[1] = c->loss[1];
	__builtin_memset(rec->pad, 0, sizeof(rec->pad));
	bpf_ringbuf_submit(rec, 0);
}

/* Which function's probe fired, in which file; 0 if this kernel cannot say. */
static __always_inline __u64 attach_cookie(void *ctx)
{
	return has_cookie ? bpf_get_attach_cookie(ctx) : 0;
}

static __always_inline char to_lower(char ch)
{
	return ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch;
}

/* True if the name (len bytes at s->data + start) is one of the configured hosts. */
static __always_inline bool host_is_configured(struct scratch *s, __u32 start, __u32 len)
{
	struct host_key key = {};
	__u32 n = len;

	/* A trailing dot is the root (RFC 1034 section 3.1): the same name. */
	if (n > 0 && n <= OAITAP_NAME_MAX && s->data[(start + n - 1) & (OAITAP_HEAD_MAX - 1)] == '.')
		n--;
	for (__u32 i = 0; i < OAITAP_PATTERN_MAX; i++) {
		if (i >= n)
			break;
		key.reversed[i] = to_lower(s->data[(start + n - 1 - i) & (OAITAP_HEAD_MAX - 1)]);
	}
	/* Whole key: the terminator after the name is part of exact patterns. */
	key.prefix_bits = sizeof(key.reversed) * 8;
	return bpf_map_lookup_elem(&hosts, &key) != NULL;
}

/* The scratch entry of a connection, made from zeros if there is none. */
static __always_inline struct scratch *scratch_get(__u64 conn_id)
{
	static const struct scratch none = {};
	struct scratch *s = bpf_map_lookup_elem(&scratches, &conn_id);
	if (s)
		return s;
	if (bpf_map_update_elem(&scratches, &conn_id, &none, BPF_NOEXIST))
		count(COUNTER_SCRATCH_FULL, 0);
	return bpf_map_lookup_elem(&scratches, &conn_id);
}

/* Who runs here now. */
struct owner {
	__u64 process_gen;
	__u64 start_boot_ns;
	__u64 cgroup_id;
	__u32 tgid;
	__u32 parent_tgid;
	__u32 uid;
	__u32 gid;
	char comm[16];
};

static __always_inline void owner_fill(struct owner *o)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	o->process_gen = process_gen(task);
	o->start_boot_ns = BPF_CORE_READ(leader, start_boottime);
	o->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	o->tgid = BPF_CORE_READ(task, tgid);
	o->parent_tgid = BPF_CORE_READ(leader, real_parent, tgid);
	o->uid = BPF_CORE_READ(task, cred, uid.val);
	o->gid = BPF_CORE_READ(task, cred, gid.val);
	bpf_probe_read_kernel(o->comm, sizeof(o->comm), &leader->comm);
}

/* All but the name. */
static __always_inline void open_fill(struct record_open *rec, struct conn *c, __u64 ssl)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u64 ids = bpf_get_current_pid_tgid();
	__u64 owner = bpf_get_current_uid_gid();

	rec->header.type = RECORD_OPEN;
	rec->header.len = sizeof(*rec);
	rec->conn_id = c->id;
	rec->ts_ns = bpf_ktime_get_ns();
	rec->ssl = ssl;
	rec->process_gen = c->process_gen;
	rec->start_boot_ns = BPF_CORE_READ(leader, start_boottime);
	rec->cgroup_id = bpf_get_current_cgroup_id();
	rec->tgid = ids >> 32;
	rec->tid = (__u32)ids;
	rec->parent_tgid = BPF_CORE_READ(leader, real_parent, tgid);
	rec->uid = (__u32)owner;
	rec->gid = owner >> 32;
	rec->file_id = c->file_id;
	rec->role = c->role;
	bpf_probe_read_kernel(rec->comm, sizeof(rec->comm), &leader->comm);
}

/* --- sockets ------------------------------------------------------------------------- */

static __always_inline void socket_send(struct conn *c, struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	c->socket_done = 1;
	if (family != AF_INET && family != AF_INET6)
		return;
	struct record_socket *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNTER_RING_FULL_CONTROL, 0);
		c->socket_done = 0;
		return;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	rec->header.type = RECORD_SOCKET;
	rec->header.len = sizeof(*rec);
	rec->conn_id = c->id;
	rec->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	rec->family = family;
	rec->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	rec->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (family == AF_INET) {
		bpf_probe_read_kernel(rec->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_probe_read_kernel(rec->remote, 4, &sk->__sk_common.skc_daddr);
	} else {
		bpf_probe_read_kernel(rec->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(rec->remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
	bpf_ringbuf_submit(rec, 0);
}
