/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* One program for the entry of every function: a uprobe_multi link (Linux 6.6) takes all places in a file at
 * once, and its cookies say which one was reached. */

#include "enter.bpf.h"
#include "life.bpf.h"

SEC("uprobe")
int multi_enter(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 function = PROBE_COOKIE_FUNCTION(cookie), file_id = PROBE_COOKIE_FILE(cookie);

	switch (function) {
	case PROBE_SSL_CTRL:
		return ctrl_enter(ctx, file_id);
	case PROBE_SSL_SET_TLSEXT_HOST_NAME:
		return name_set(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), file_id);
	case PROBE_SSL_SET_ACCEPT_STATE:
		return accept_enter(ctx, file_id);
	case PROBE_SSL_SET_FD:
		return fd_enter(ctx, file_id);
	case PROBE_SSL_FREE:
		return free_enter(ctx);
	}
	return call_enter(ctx, function, file_id);
}
