/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The life of a connection: server name, role, socket, end. */

#include "common.bpf.h"
#include "who.bpf.h"

#define SSL_CTRL_SET_TLSEXT_HOSTNAME 55

/* An entry for a connection that is about to be made on this SSL object. One that has carried bytes, or that
 * the agent knows, is over: the object is being used again (SSL_clear). */
static __always_inline struct conn *conn_begin(const struct conn_key *key, __u64 gen, __u32 file_id)
{
	struct conn *c = conn_find(key, gen);
	if (!c)
		return conn_create(key, gen, file_id);
	if (!c->open_sent && !c->end[RECORD_WRITE] && !c->end[RECORD_READ] && c->verdict == CONN_UNDECIDED)
		return c;
	__s32 fd = c->fd;
	if (c->open_sent)
		close_send(c);
	c = conn_create(key, gen, file_id);
	if (c)
		c->fd = fd;
	return c;
}

static __always_inline void open_named(struct conn *c, __u64 ssl, struct scratch *s, __u32 len)
{
	who_send(c->id);
	struct record_open *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		/* The first data record's program sends it again, without the name. */
		count(COUNTER_RING_FULL_CONTROL, 0);
		return;
	}
	open_fill(rec, c, ssl);
	rec->named = 1;
	rec->sni_len = len;
	bpf_probe_read_kernel(rec->sni, sizeof(rec->sni), s->data);
	bpf_ringbuf_submit(rec, 0);
	c->open_sent = 1;
}

static __always_inline void name_judge(struct conn *c, __u64 ssl, struct scratch *s, __u64 name)
{
	/* The entry was made from zeros, so what follows the name is zeros too. */
	long len = bpf_probe_read_user_str(s->data, OAITAP_NAME_MAX, (const void *)name);
	if (len <= 1)
		return; /* no name: the first bytes decide */
	if ((roles & 1U << RECORD_CLIENT) && host_is_configured(s, 0, len - 1)) {
		conn_monitor(c);
		open_named(c, ssl, s, len - 1);
	} else {
		c->verdict = CONN_IGNORE;
	}
}

/* What two probes on one call have in common, and two calls hardly: where the name stands and how it begins,
 * and the stack pointer. Not 0. */
static __always_inline __u64 name_call(struct pt_regs *ctx, __u64 name)
{
	__u64 begins = 0;

	bpf_probe_read_user(&begins, sizeof(begins), (const void *)name);
	return (name ^ (PT_REGS_SP(ctx) << 20) ^ begins) | 1;
}

/* Two probes on this function fired. */
static __always_inline bool name_set_already(struct conn *c, __u64 call)
{
	if (!c || c->name_call != call || c->end[RECORD_WRITE] ||
	    bpf_ktime_get_ns() - (c->id >> 8) > TWICE_AGE_MAX_NS)
		return false;
	count(COUNTER_TWICE, 0);
	return true;
}

static __always_inline int name_set(struct pt_regs *ctx, __u64 ssl, __u64 name, __u32 file_id)
{
	struct conn_key key;

	if (!name)
		return 0;
	conn_key_fill(&key, ssl);
	__u64 gen = process_gen((void *)bpf_get_current_task());
	__u64 call = name_call(ctx, name);
	if (name_set_already(conn_find(&key, gen), call))
		return 0;
	struct conn *c = conn_begin(&key, gen, file_id);
	if (!c)
		return 0;
	c->name_call = call;
	__u64 id = c->id;
	struct scratch *s = scratch_get(id);
	if (!s)
		return 0;
	name_judge(c, ssl, s, name);
	bpf_map_delete_elem(&scratches, &id);
	return 0;
}

static __always_inline int ctrl_enter(struct pt_regs *ctx, __u32 file_id)
{
	if ((int)PT_REGS_PARM2(ctx) != SSL_CTRL_SET_TLSEXT_HOSTNAME)
		return 0;
	return name_set(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM4(ctx), file_id);
}

/* SSL_accept calls this as well. */
static __always_inline int accept_enter(struct pt_regs *ctx, __u32 file_id)
{
	struct conn_key key;

	conn_key_fill(&key, PT_REGS_PARM1(ctx));
	struct conn *c = conn_begin(&key, process_gen((void *)bpf_get_current_task()), file_id);
	if (!c)
		return 0;
	c->role = RECORD_SERVER;
	if (!(roles & 1U << RECORD_SERVER))
		c->verdict = CONN_IGNORE;
	return 0;
}

static __always_inline int fd_enter(struct pt_regs *ctx, __u32 file_id)
{
	struct conn_key key;

	conn_key_fill(&key, PT_REGS_PARM1(ctx));
	__u64 gen = process_gen((void *)bpf_get_current_task());
	struct conn *c = conn_find(&key, gen);
	if (!c)
		c = conn_create(&key, gen, file_id);
	if (!c)
		return 0;
	c->fd = (int)PT_REGS_PARM2(ctx);
	c->socket_done = 0;
	return 0;
}

static __always_inline int free_enter(struct pt_regs *ctx)
{
	struct conn_key key;

	conn_key_fill(&key, PT_REGS_PARM1(ctx));
	struct conn *c = conn_find(&key, process_gen((void *)bpf_get_current_task()));
	if (!c)
		return 0;
	__u64 id = c->id;
	if (c->open_sent)
		close_send(c);
	else if (c->verdict == CONN_UNDECIDED)
		bpf_map_delete_elem(&scratches, &id);
	if (bpf_map_delete_elem(&conns, &key) == 0)
		proc_uncount(key.tgid);
	return 0;
}
