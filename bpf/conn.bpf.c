/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The life of a connection: server name, socket, end. */

#include "common.bpf.h"

#define SSL_CTRL_SET_TLSEXT_HOSTNAME 55

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* An entry for a connection that is about to be made on this SSL object. One that has carried bytes, or that
 * the agent knows, is over: the object is being used again (SSL_clear). */
static __always_inline struct conn *conn_begin(const struct conn_key *key, __u64 gen)
{
	struct conn *c = conn_find(key, gen);
	if (!c)
		return conn_create(key, gen);
	if (!c->open_sent && !c->end[RECORD_WRITE] && !c->end[RECORD_READ] && c->verdict == CONN_UNDECIDED)
		return c;
	__s32 fd = c->fd;
	if (c->open_sent)
		close_send(c);
	c = conn_create(key, gen);
	if (c)
		c->fd = fd;
	return c;
}

static __always_inline void open_named(struct conn *c, __u64 ssl, struct scratch *s, __u32 len)
{
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
	if (host_is_configured(s, 0, len - 1)) {
		conn_monitor(c);
		open_named(c, ssl, s, len - 1);
	} else {
		c->verdict = CONN_IGNORE;
	}
}

SEC("uprobe/SSL_ctrl")
int ssl_ctrl(struct pt_regs *ctx)
{
	__u64 ssl = PT_REGS_PARM1(ctx);
	__u64 name = PT_REGS_PARM4(ctx);
	struct conn_key key;

	if ((int)PT_REGS_PARM2(ctx) != SSL_CTRL_SET_TLSEXT_HOSTNAME || !name)
		return 0;
	conn_key_fill(&key, ssl);
	struct conn *c = conn_begin(&key, process_gen((void *)bpf_get_current_task()));
	if (!c)
		return 0;
	__u64 id = c->id;
	struct scratch *s = scratch_get(id);
	if (!s)
		return 0;
	name_judge(c, ssl, s, name);
	bpf_map_delete_elem(&scratches, &id);
	return 0;
}

SEC("uprobe/SSL_set_fd")
int ssl_set_fd(struct pt_regs *ctx)
{
	struct conn_key key;

	conn_key_fill(&key, PT_REGS_PARM1(ctx));
	__u64 gen = process_gen((void *)bpf_get_current_task());
	struct conn *c = conn_find(&key, gen);
	if (!c)
		c = conn_create(&key, gen);
	if (!c)
		return 0;
	c->fd = (int)PT_REGS_PARM2(ctx);
	c->socket_done = 0;
	return 0;
}

SEC("uprobe/SSL_free")
int ssl_free(struct pt_regs *ctx)
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
