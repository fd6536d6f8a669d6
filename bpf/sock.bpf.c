/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The socket of a connection whose program does not say it (SSL_set_fd): the one through which the thread
 * that has just written to the SSL object sends exactly as many bytes as the TLS records of that write have.
 * What does not fit exactly is left open; a later write may tell. */

#include "common.bpf.h"

#define IPPROTO_TCP 6

/* What a record has beside its plaintext: header 5, tag 16, and content type 1 (TLS 1.3) or explicit nonce 8
 * (AES of TLS 1.2, RFC 5288 section 3) or nothing (ChaCha20 of TLS 1.2, RFC 7905 section 2). */
static __always_inline bool is_records(__u64 sent, __u64 plain, __u64 records)
{
	return sent == plain + 22 * records || sent == plain + 29 * records || sent == plain + 21 * records;
}

/* The end of the client's part of a TLS 1.3 handshake, which Node sends together with its first request: a
 * Finished record (RFC 8446 section 4.4.4; SHA-256 or SHA-384), perhaps after a change_cipher_spec record for
 * middleboxes (appendix D.4). */
#define FINISHED_256	   58
#define FINISHED_384	   74
#define CHANGE_CIPHER_SPEC 6

static __always_inline bool is_first_flight(__u64 sent, __u64 plain, __u64 records)
{
	return is_records(sent, plain + FINISHED_256, records) ||
	       is_records(sent, plain + FINISHED_384, records) ||
	       is_records(sent, plain + FINISHED_256 + CHANGE_CIPHER_SPEC, records) ||
	       is_records(sent, plain + FINISHED_384 + CHANGE_CIPHER_SPEC, records);
}

/* Inside a call: OpenSSL hands over record by record. */
static __always_inline bool is_record_of(__u64 sent, __u64 asked)
{
	return (asked >= RECORD_PLAIN_MAX && is_records(sent, RECORD_PLAIN_MAX, 1)) ||
	       (asked % RECORD_PLAIN_MAX && is_records(sent, asked % RECORD_PLAIN_MAX, 1));
}

/* The innermost write call of the thread. */
static __always_inline struct frame *write_frame(struct thread_calls *t)
{
	struct frame *inner = NULL;

	for (int i = 0; i < FRAMES_MAX; i++) {
		struct frame *f = &t->frames[i];
		if (f->sp && f->dir == RECORD_WRITE && (!inner || f->sp < inner->sp))
			inner = f;
	}
	return inner;
}

static __always_inline void unsent_bind(struct unsent *u, struct sock *sk)
{
	struct conn_key key;

	conn_key_fill(&key, u->ssl);
	u->ssl = 0;
	struct conn *c = bpf_map_lookup_elem(&conns, &key);
	if (c && c->id == u->conn_id && c->verdict == CONN_MONITOR && !c->socket_done)
		socket_send(c, sk);
}

static __always_inline void unsent_count(struct unsent *u, struct sock *sk, __u64 sent)
{
	if (u->sent && u->sk != (__u64)sk) {
		u->ssl = 0; /* two sockets: which one is not certain */
		return;
	}
	u->sk = (__u64)sk;
	u->sent += sent;
	if (is_records(u->sent, u->bytes, u->records) ||
	    (u->first && is_first_flight(u->sent, u->bytes, u->records)))
		unsent_bind(u, sk);
	else if (u->sent > u->bytes + 29 * u->records + FINISHED_384 + CHANGE_CIPHER_SPEC)
		u->ssl = 0;
}

static __always_inline int sent(struct sock *sk, __s64 len)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread_calls *t = len > 0 ? bpf_map_lookup_elem(&calls, &id) : NULL;

	if (!t || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	struct frame *f = write_frame(t);
	if (f && is_record_of(len, f->asked))
		f->sk = (__u64)sk;
	else if (t->unsent.ssl)
		unsent_count(&t->unsent, sk, len);
	return 0;
}

/* Linux 6.3. */
SEC("raw_tp/sock_send_length")
int socket_sent(struct bpf_raw_tracepoint_args *ctx)
{
	return sent((struct sock *)ctx->args[0], (int)ctx->args[1]);
}

/* Before that: what is about to be sent. */
SEC("kprobe/tcp_sendmsg")
int socket_sends(struct pt_regs *ctx)
{
	return sent((struct sock *)PT_REGS_PARM1(ctx), PT_REGS_PARM3(ctx));
}
