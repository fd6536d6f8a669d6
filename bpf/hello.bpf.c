/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Connections to AI hosts as the network sees them: the server name in the TLS ClientHello (RFC 8446 section
 * 4.1.2, RFC 6066 section 3), read once as it leaves, with the process that called connect(). What yields no
 * plaintext later is a blind spot. Works for every TLS library; names of other hosts go nowhere. */

#include "common.bpf.h"
#include "who.bpf.h"

#define IPPROTO_TCP 6
#define SOCK_STREAM 1

/* A proxy is asked first (CONNECT), a database upgraded: packets with data that are looked at. */
#define LOOKS_MAX 4

#define EXTENSIONS_MAX 64
#define EXTENSION_NAME 0
#define TLS_HANDSHAKE  22
#define HELLO_CLIENT   1
#define HELLO_FIXED    43 /* record header 5, handshake header 4, version 2, random 32 */

enum hello_state { HELLO_WAITED_FOR, HELLO_OF_AI, HELLO_DONE };

struct hello_socket {
	struct owner owner;
	__u64 cookie;
	__u32 looks;
	__u32 state; /* enum hello_state */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hello_socket);
} hello_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OAITAP_FLOWS_MAX);
	__type(key, __u64);
	__type(value, struct flow);
} flows SEC(".maps");

/* --- connect ------------------------------------------------------------------------- */

static __always_inline int connecting(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (ctx->type != SOCK_STREAM || !sk)
		return 1;
	struct hello_socket *h = bpf_sk_storage_get(&hello_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!h)
		return 1;
	h->looks = 0;
	h->state = HELLO_WAITED_FOR;
	owner_fill(&h->owner);
	return 1;
}

SEC("cgroup/connect4")
int hello_connect4(struct bpf_sock_addr *ctx)
{
	return connecting(ctx);
}

SEC("cgroup/connect6")
int hello_connect6(struct bpf_sock_addr *ctx)
{
	return connecting(ctx);
}

/* --- packets ------------------------------------------------------------------------- */

struct packet {
	__u16 family;
	__u16 local_port;
	__u16 remote_port;
	__u8 local[16];
	__u8 remote[16];
	__u32 data; /* where TCP's payload begins */
};

/* IPv6 extension headers do not occur in TCP packets that a host makes itself, but for the rarest. */
static __always_inline bool packet_read(struct __sk_buff *skb, struct packet *p)
{
	__u8 first = 0, offset = 0;
	__u32 tcp;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return false;
	if (first >> 4 == 4) {
		p->family = AF_INET;
		tcp = (first & 15) * 4;
		if (bpf_skb_load_bytes(skb, 12, p->local, 4) || bpf_skb_load_bytes(skb, 16, p->remote, 4))
			return false;
	} else {
		p->family = AF_INET6;
		tcp = 40;
		if (bpf_skb_load_bytes(skb, 8, p->local, 16) || bpf_skb_load_bytes(skb, 24, p->remote, 16))
			return false;
	}
	if (bpf_skb_load_bytes(skb, tcp, &p->local_port, 2) ||
	    bpf_skb_load_bytes(skb, tcp + 2, &p->remote_port, 2) ||
	    bpf_skb_load_bytes(skb, tcp + 12, &offset, 1))
		return false;
	p->local_port = bpf_ntohs(p->local_port);
	p->remote_port = bpf_ntohs(p->remote_port);
	p->data = tcp + (offset >> 4) * 4;
	return true;
}

static __always_inline __u32 load_u16(struct __sk_buff *skb, __u32 at)
{
	__u16 v = 0;
	bpf_skb_load_bytes(skb, at, &v, 2);
	return bpf_ntohs(v);
}

static __always_inline __u32 load_u8(struct __sk_buff *skb, __u32 at)
{
	__u8 v = 0;
	bpf_skb_load_bytes(skb, at, &v, 1);
	return v;
}

static __always_inline bool is_client_hello(struct __sk_buff *skb, __u32 at)
{
	__u8 h[6];

	if (bpf_skb_load_bytes(skb, at, h, sizeof(h)))
		return false;
	return h[0] == TLS_HANDSHAKE && h[1] == 3 && h[5] == HELLO_CLIENT;
}

/* Place of the extensions' first byte. What lies beyond the packet reads as zero, and the walk ends there. */
static __always_inline __u32 extensions_find(struct __sk_buff *skb, __u32 at)
{
	at += HELLO_FIXED;
	at += 1 + load_u8(skb, at);  /* session id */
	at += 2 + load_u16(skb, at); /* cipher suites */
	at += 1 + load_u8(skb, at);  /* compression methods */
	return at + 2;
}

/* Place of the server name's length, 0: none, or not in this packet. */
static __always_inline __u32 name_find(struct __sk_buff *skb, __u32 at)
{
	__u16 h[2];

	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		if (bpf_skb_load_bytes(skb, at, h, sizeof(h))) {
			count(COUNTER_HELLO_CUT, 0);
			return 0;
		}
		if (bpf_ntohs(h[0]) == EXTENSION_NAME)
			return at + 7; /* type 2, length 2, list length 2, name type 1 */
		at += 4 + bpf_ntohs(h[1]);
		barrier_var(at);
		if (at > skb->len)
			count(COUNTER_HELLO_CUT, 0);
		if (at >= skb->len)
			return 0;
	}
	return 0;
}

/* Copies the name into the scratch entry; its length, 0 if there is none. */
static __always_inline __u32 name_read(struct __sk_buff *skb, __u32 at, struct scratch *s)
{
	__u32 len = load_u16(skb, at);

	if (len == 0 || len >= OAITAP_NAME_MAX)
		return 0;
	/* 1 to 256 in a form that verifiers before 6.3 can follow, too: they lose the bounds of a number
	 * whose bytes were swapped. */
	__u32 less = (len - 1) & 0xff;
	barrier_var(less);
	if (bpf_skb_load_bytes(skb, at + 2, s->data, less + 1)) {
		count(COUNTER_HELLO_CUT, 0);
		return 0;
	}
	return less + 1;
}

/* --- records ------------------------------------------------------------------------- */

/* Packets mostly leave in the call that wrote them; else who runs here is somebody else. */
static __always_inline void hello_who(const struct hello_socket *h)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (h->owner.process_gen && h->owner.process_gen == process_gen(task) &&
	    h->owner.tgid == BPF_CORE_READ(task, tgid))
		who_send(h->cookie);
}

static __always_inline bool hello_send(struct hello_socket *h, const struct packet *p, struct scratch *s,
				       __u32 len)
{
	hello_who(h);
	struct record_hello *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNTER_RING_FULL_CONTROL, 0);
		return false;
	}
	rec->header.type = RECORD_HELLO;
	rec->header.len = sizeof(*rec);
	rec->cookie = h->cookie;
	rec->ts_ns = bpf_ktime_get_ns();
	rec->process_gen = h->owner.process_gen;
	rec->start_boot_ns = h->owner.start_boot_ns;
	rec->cgroup_id = h->owner.cgroup_id;
	rec->tgid = h->owner.tgid;
	rec->parent_tgid = h->owner.parent_tgid;
	rec->uid = h->owner.uid;
	rec->gid = h->owner.gid;
	__builtin_memcpy(rec->comm, h->owner.comm, sizeof(rec->comm));
	__builtin_memcpy(rec->local, p->local, sizeof(rec->local));
	__builtin_memcpy(rec->remote, p->remote, sizeof(rec->remote));
	rec->family = p->family;
	rec->local_port = p->local_port;
	rec->remote_port = p->remote_port;
	rec->sni_len = len;
	rec->before = h->looks;
	rec->pad = 0;
	__builtin_memcpy(rec->sni, s->data, sizeof(rec->sni));
	bpf_ringbuf_submit(rec, 0);
	return true;
}

static __always_inline void hello_judge(struct __sk_buff *skb, struct hello_socket *h, const struct packet *p,
					__u32 name_at)
{
	struct flow none = {};
	/* Ids of connections are times, so this bit keeps the two apart. */
	__u64 id = h->cookie | 1ULL << 63;
	struct scratch *s = scratch_get(id);

	if (!s)
		return;
	__u32 len = name_read(skb, name_at, s);
	if (len && host_is_configured(s, 0, len) && hello_send(h, p, s, len)) {
		bpf_map_update_elem(&flows, &h->cookie, &none, BPF_ANY);
		h->state = HELLO_OF_AI;
	}
	bpf_map_delete_elem(&scratches, &id);
}

static __always_inline void hello_look(struct __sk_buff *skb, struct hello_socket *h)
{
	struct packet p = {};

	if (!packet_read(skb, &p) || p.data >= skb->len)
		return; /* no data: SYN, ACK */
	if (!is_client_hello(skb, p.data)) {
		if (++h->looks >= LOOKS_MAX)
			h->state = HELLO_DONE;
		return;
	}
	count(COUNTER_HELLOS, 0);
	h->state = HELLO_DONE;
	h->cookie = bpf_get_socket_cookie(skb);
	__u32 at = name_find(skb, extensions_find(skb, p.data));
	if (at)
		hello_judge(skb, h, &p, at);
}

static __always_inline void flow_count(struct bpf_sock *sk, struct hello_socket *h)
{
	struct flow *f = bpf_map_lookup_elem(&flows, &h->cookie);
	struct bpf_tcp_sock *tcp = bpf_tcp_sock(sk);

	if (!f || !tcp)
		return;
	f->bytes_out = tcp->bytes_acked;
	f->bytes_in = tcp->bytes_received;
}

SEC("cgroup_skb/egress")
int hello_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP)
		return 1;
	struct hello_socket *h = bpf_sk_storage_get(&hello_sockets, sk, NULL, 0);
	if (!h || h->state == HELLO_DONE)
		return 1;
	if (h->state == HELLO_OF_AI)
		flow_count(sk, h);
	else
		hello_look(skb, h);
	return 1;
}
