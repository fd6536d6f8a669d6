/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The life of a connection, where each function has a program; and the agent's orders. */

#include "life.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe/SSL_ctrl")
int ssl_ctrl(struct pt_regs *ctx)
{
	return ctrl_enter(ctx, PROBE_COOKIE_FILE(attach_cookie(ctx)));
}

SEC("uprobe/SSL_set_tlsext_host_name")
int ssl_set_tlsext_host_name(struct pt_regs *ctx)
{
	return name_set(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PROBE_COOKIE_FILE(attach_cookie(ctx)));
}

SEC("uprobe/SSL_set_accept_state")
int ssl_set_accept_state(struct pt_regs *ctx)
{
	return accept_enter(ctx, PROBE_COOKIE_FILE(attach_cookie(ctx)));
}

SEC("uprobe/SSL_set_fd")
int ssl_set_fd(struct pt_regs *ctx)
{
	return fd_enter(ctx, PROBE_COOKIE_FILE(attach_cookie(ctx)));
}

SEC("uprobe/SSL_free")
int ssl_free(struct pt_regs *ctx)
{
	return free_enter(ctx);
}

/* Never attached: the agent runs it (BPF_PROG_TEST_RUN) to change an entry in place. Were it to write the
 * entry as a whole, it would undo what calls have counted meanwhile. */
SEC("raw_tp")
int conn_order(struct bpf_raw_tracepoint_args *ctx)
{
	struct conn_key key = {.ssl = ctx->args[0], .tgid = ctx->args[1]};
	struct conn *c = bpf_map_lookup_elem(&conns, &key);

	if (!c || c->id != ctx->args[2])
		return 1;
	if (ctx->args[3] == ORDER_IGNORE)
		c->verdict = CONN_IGNORE;
	else
		c->skip_until[ctx->args[4] & 1] = ctx->args[5];
	return 0;
}
