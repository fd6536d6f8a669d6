/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Entry of the calls that carry data: their arguments are noted for the return. */

#include "common.bpf.h"

/* How far below an outer call an inner one on the same connection may be. */
#define NESTED_STACK_MAX 65536
/* An older frame was left by an exception or a longjmp: an inner call begins right after its outer one. */
#define NESTED_AGE_MAX_NS 100000000ULL

static __always_inline struct thread_calls *calls_get(__u64 id)
{
	static const struct thread_calls none = {};
	struct thread_calls *t = bpf_map_lookup_elem(&calls, &id);
	if (t)
		return t;
	if (bpf_map_update_elem(&calls, &id, &none, BPF_NOEXIST))
		count(COUNTER_THREAD_TABLE_FULL, 0);
	return bpf_map_lookup_elem(&calls, &id);
}

/* A free frame for a call at this stack pointer, or NULL if the call is part of one already noted
 * (SSL_write_ex calling SSL_write_ex2 in OpenSSL 3.5). A call of the other direction within a call is one of
 * its own: node writes from the callback that tells the end of the handshake, inside the SSL_read that
 * completed it. */
static __always_inline struct frame *frame_push(struct thread_calls *t, __u64 sp, __u64 ssl, __u8 dir,
						__u64 now)
{
	struct frame *slot = NULL;

	for (int i = 0; i < FRAMES_MAX; i++) {
		struct frame *f = &t->frames[i];
		bool same = f->ssl == ssl && f->dir == dir;

		/* Two probes on one function (a file reached by two identities), or a call that never
		 * returned and is now made again from the same place: one frame, so that its bytes count
		 * once. */
		if (f->sp == sp && same) {
			if (now - f->ts_ns < TWICE_AGE_MAX_NS)
				count(COUNTER_TWICE, 0);
			return f;
		}
		if (f->sp > sp && same && f->sp - sp < NESTED_STACK_MAX &&
		    now - f->ts_ns < NESTED_AGE_MAX_NS) {
			count(COUNTER_NESTED, 0);
			return NULL;
		}
		/* A frame at or below us on the stack has been left without a return. */
		if (f->sp <= sp && (!slot || slot->sp))
			slot = f;
	}
	if (!slot)
		slot = &t->frames[FRAMES_MAX - 1];
	return slot;
}

/* Where the function leaves the number of bytes, if not in its return value. Both registers are read before
 * one is chosen: a choice of addresses within the context is not allowed. */
static __always_inline __u64 written_address(struct pt_regs *ctx, __u32 function)
{
	__u64 fourth = PT_REGS_PARM4(ctx), fifth = PT_REGS_PARM5(ctx);

	barrier_var(fourth);
	barrier_var(fifth);
	switch (function) {
	case PROBE_SSL_WRITE_EX:
	case PROBE_SSL_WRITE_EARLY_DATA:
	case PROBE_SSL_READ_EX:
	case PROBE_SSL_READ_EARLY_DATA:
		return fourth;
	case PROBE_SSL_WRITE_EX2:
		return fifth;
	}
	return 0;
}

static __always_inline __u8 direction(__u32 function)
{
	return function >= PROBE_SSL_READ ? RECORD_READ : RECORD_WRITE;
}

/* What this thread sends from here on is not of the write call before. */
static __always_inline void unsent_forget(__u64 id)
{
	struct thread_calls *t = bpf_map_lookup_elem(&calls, &id);
	if (t)
		t->unsent.ssl = 0;
}

static __always_inline int call_enter(struct pt_regs *ctx, __u32 function, __u32 file_id)
{
	__u64 ssl = PT_REGS_PARM1(ctx), id = bpf_get_current_pid_tgid();
	__u8 dir = direction(function);
	struct conn_key key;

	conn_key_fill(&key, ssl);
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	if (c && c->verdict == CONN_IGNORE && c->process_gen == process_gen((void *)bpf_get_current_task())) {
		if (dir == RECORD_WRITE)
			unsent_forget(id);
		return 0;
	}
	/* What is read before anything was written is a server's request, or the end of an answer whose
	 * beginning was not seen: of clients only writes decide. */
	if (!c && dir == RECORD_READ && !(roles & 1U << RECORD_SERVER))
		return 0;
	__u64 sp = PT_REGS_SP(ctx);
	struct thread_calls *t = calls_get(id);
	if (!t)
		return 0;
	__u64 now = bpf_ktime_get_ns();
	struct frame *f = frame_push(t, sp, ssl, dir, now);
	if (!f)
		return 0;
	f->sp = sp;
	f->ssl = ssl;
	f->buf = PT_REGS_PARM2(ctx);
	f->asked = function == PROBE_SSL_WRITE ? (__u32)PT_REGS_PARM3(ctx) : PT_REGS_PARM3(ctx);
	f->written = written_address(ctx, function);
	f->ts_ns = now;
	f->sk = 0;
	f->file_id = file_id;
	f->dir = dir;
	f->function = function;
	return 0;
}
