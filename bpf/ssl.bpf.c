/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The calls that carry data. What was carried is known only when a call returns: the entry program notes the
 * arguments, the return program sends the bytes in pieces. */

#include "enter.bpf.h"
#include "who.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define RETURN_SP_DELTA 8 /* the return address has been popped */
#else
#define RETURN_SP_DELTA 0
#endif

/* --- entry, where each function has a program ---------------------------------------- */

#define ENTRY(name, function)                                                                                \
	SEC("uprobe/" #name)                                                                                 \
	int name(struct pt_regs *ctx)                                                                        \
	{                                                                                                    \
		return call_enter(ctx, function, PROBE_COOKIE_FILE(attach_cookie(ctx)));                     \
	}

ENTRY(ssl_write, PROBE_SSL_WRITE)
ENTRY(ssl_write_ex, PROBE_SSL_WRITE_EX)
ENTRY(ssl_write_ex2, PROBE_SSL_WRITE_EX2)
ENTRY(ssl_write_early_data, PROBE_SSL_WRITE_EARLY_DATA)
ENTRY(ssl_sendfile, PROBE_SSL_SENDFILE)
ENTRY(ssl_read, PROBE_SSL_READ)
ENTRY(ssl_read_ex, PROBE_SSL_READ_EX)
ENTRY(ssl_read_early_data, PROBE_SSL_READ_EARLY_DATA)

/* --- control records ----------------------------------------------------------------- */

/* For connections chosen by their first bytes, and for those whose record found no room before. */
static __always_inline void open_send(struct conn *c, __u64 ssl)
{
	who_send(c->id);
	struct record_open *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNTER_RING_FULL_CONTROL, 0);
		return;
	}
	open_fill(rec, c, ssl);
	rec->named = 0;
	rec->sni_len = 0;
	bpf_probe_read_kernel(rec->sni, sizeof(rec->sni), zeros);
	bpf_ringbuf_submit(rec, 0);
	c->open_sent = 1;
}

static __always_inline struct sock *socket_of_fd(int fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **table = BPF_CORE_READ(fdt, fd);
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &table[fd]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & 0170000) != 0140000 /* S_IFSOCK */)
		return NULL;
	struct socket *sock = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(sock, sk);
}

/* The call's own socket call, or the descriptor that the program gave. */
static __always_inline void socket_of_call(struct conn *c, const struct frame *f)
{
	struct sock *sk = (void *)f->sk;

	if (!sk && c->fd >= 0) {
		sk = socket_of_fd(c->fd);
		c->socket_done = 1; /* will not become better */
	}
	if (sk)
		socket_send(c, sk);
}

/* --- data records -------------------------------------------------------------------- */

static __always_inline void data_fill(struct record_data *rec, struct conn *c, const struct frame *f,
				      __u32 len)
{
	rec->header.type = RECORD_DATA;
	rec->header.len = sizeof(*rec) + len;
	rec->conn_id = c->id;
	rec->offset = f->offset + f->done;
	rec->peer_offset = c->end[f->dir == RECORD_WRITE ? RECORD_READ : RECORD_WRITE];
	rec->ts_ns = f->ts_ns;
	rec->gap_len = 0;
	rec->payload_len = len;
	rec->tgid = bpf_get_current_pid_tgid() >> 32;
	rec->dir = f->dir;
	rec->call_start = f->done == 0;
	rec->loss = c->loss[f->dir & 1];
	rec->gap_loss = RECORD_LOSS_NONE;
	__builtin_memset(rec->pad, 0, sizeof(rec->pad));
}

static __always_inline bool ring_has_room(__u64 size)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + size <= ring_data_max;
}

static __always_inline void ring_was_full(struct conn *c, struct frame *f, __u32 len)
{
	count(COUNTER_RING_FULL_DATA, len);
	c->loss[f->dir & 1] = RECORD_LOSS_RING_FULL;
}

/* What could not be read becomes a gap of the same length; the failed read has left zeros. */
static __always_inline void data_to_gap(struct record_data *rec, __u32 len, __u8 loss)
{
	rec->header.type = RECORD_GAP;
	rec->header.len = sizeof(*rec);
	rec->gap_len = len;
	rec->payload_len = 0;
	rec->gap_loss = loss;
}

/* One piece of len bytes (over 3/4 of size, unless size is the smallest) in a reservation that fits it. A
 * macro, because the helper wants the size as a constant. The reservation's last quarter is cleared first:
 * what the piece does not fill is zeros, not what the ring held before. The clamp stands beside its use for
 * the verifier. */
#define send_piece(c, f, piece_len, size)                                                                    \
	do {                                                                                                 \
		struct record_data *_rec = NULL;                                                             \
		__u32 _len = (piece_len);                                                                    \
		if (ring_has_room(sizeof(*_rec) + (size)))                                                   \
			_rec = bpf_ringbuf_reserve(&ring, sizeof(*_rec) + (size), 0);                        \
		if (!_rec) {                                                                                 \
			ring_was_full(c, f, _len);                                                           \
			break;                                                                               \
		}                                                                                            \
		const __u32 _fixed = (size) > OAITAP_PIECE_MIN ? (size) / 4 * 3 : 0;                         \
		bpf_probe_read_kernel(_rec->payload + _fixed, (size)-_fixed, zeros);                         \
		data_fill(_rec, c, f, _len);                                                                 \
		barrier_var(_len);                                                                           \
		if (_len > (size))                                                                           \
			_len = (size);                                                                       \
		if (bpf_probe_read_user(_rec->payload, _len, (void *)((f)->buf + (f)->done))) {              \
			data_to_gap(_rec, _len, RECORD_LOSS_FAULT);                                          \
			count(COUNTER_FAULT, _len);                                                          \
		}                                                                                            \
		(c)->loss[(f)->dir & 1] = RECORD_LOSS_NONE;                                                  \
		bpf_ringbuf_submit(_rec, 0);                                                                 \
	} while (0)

/* Largest piece whose reservation is filled to at least three quarters. */
static __always_inline __u32 piece_len(__u64 left, __u32 *ret_size)
{
	__u32 size = OAITAP_PIECE_MAX;

	if (left >= OAITAP_PIECE_MAX) {
		*ret_size = size;
		return size;
	}
	for (int i = 0; i < 6; i++) {
		if (left > size / 2)
			break;
		size /= 2;
	}
	if (size > OAITAP_PIECE_MIN && left <= size / 4 * 3) {
		size /= 2;
		*ret_size = size;
		return size;
	}
	*ret_size = size;
	return left;
}

static __always_inline void piece_send(struct conn *c, struct frame *f, __u64 limit)
{
	__u32 size;
	__u32 len = piece_len(limit - f->done, &size);

	switch (size) {
	case 16384:
		send_piece(c, f, len, 16384);
		break;
	case 8192:
		send_piece(c, f, len, 8192);
		break;
	case 4096:
		send_piece(c, f, len, 4096);
		break;
	case 2048:
		send_piece(c, f, len, 2048);
		break;
	case 1024:
		send_piece(c, f, len, 1024);
		break;
	case 512:
		send_piece(c, f, len, 512);
		break;
	default:
		send_piece(c, f, len, 256);
		break;
	}
	f->done += len;
}

/* The next len bytes of the call are not copied. */
static __always_inline void gap_send(struct conn *c, struct frame *f, __u64 len, __u8 loss)
{
	struct record_data *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNTER_RING_FULL_CONTROL, 0);
		if (c->loss[f->dir & 1] == RECORD_LOSS_NONE)
			c->loss[f->dir & 1] = loss;
		f->done += len;
		return;
	}
	data_fill(rec, c, f, 0);
	data_to_gap(rec, 0, loss);
	rec->gap_len = len;
	c->loss[f->dir & 1] = RECORD_LOSS_NONE;
	bpf_ringbuf_submit(rec, 0);
	f->done += len;
}

int call_continue(struct pt_regs *ctx);

/* Programs that the return program goes on with. The loops over pieces and over the bytes of a head are each
 * large for the verifier, so they stand in programs of their own. */
enum chain_slot { CHAIN_SEND, CHAIN_DECIDE, CHAIN_MAX };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CHAIN_MAX);
	__type(key, __u32);
	__type(value, __u32);
} chain SEC(".maps");

/* Sends pieces until the call is done; a long call goes on in the next run of the chain. */
static __always_inline int call_send(struct pt_regs *ctx, struct conn *c, struct frame *f)
{
	__u64 limit = f->len < max_call_bytes ? f->len : max_call_bytes;

	for (__u32 i = 0; i < OAITAP_PIECES_PER_RUN; i++) {
		if (f->done >= limit)
			break;
		piece_send(c, f, limit);
	}
	if (f->done < limit)
		bpf_tail_call(ctx, &chain, CHAIN_SEND);
	/* Here when all is sent, over the limit, or the chain was too long for the kernel. */
	if (f->done < f->len) {
		count(COUNTER_CALL_LIMIT, f->len - f->done);
		gap_send(c, f, f->len - f->done, RECORD_LOSS_CALL_LIMIT);
	}
	f->sp = 0;
	return 0;
}

/* The call that the return program left to the chain, and its connection. */
static __always_inline struct frame *frame_current(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread_calls *t = bpf_map_lookup_elem(&calls, &id);

	if (!t)
		return NULL;
	__u32 current = t->current;
	if (current >= FRAMES_MAX)
		return NULL;
	return &t->frames[current];
}

static __always_inline struct conn *conn_of_frame(const struct frame *f)
{
	struct conn_key key;

	conn_key_fill(&key, f->ssl);
	return bpf_map_lookup_elem(&conns, &key);
}

SEC("uprobe/chain_send")
int chain_send(struct pt_regs *ctx)
{
	struct frame *f = frame_current();
	struct conn *c = f ? conn_of_frame(f) : NULL;

	if (c)
		return call_send(ctx, c, f);
	if (f)
		f->sp = 0;
	return 0;
}

/* --- the socket of a memory BIO ------------------------------------------------------ */

/* Notes that the thread will send this call's records. */
static __always_inline void unsent_note(__u64 ssl, struct conn *c, __u64 len)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread_calls *t = bpf_map_lookup_elem(&calls, &id);

	if (!t)
		return;
	struct unsent *u = &t->unsent;
	if (c->socket_done) {
		u->ssl = 0;
		return;
	}
	if (u->ssl != ssl || u->conn_id != c->id || (u->sent && !u->first)) {
		u->ssl = ssl;
		u->conn_id = c->id;
		u->bytes = u->records = u->sent = u->sk = 0;
		u->first = c->end[RECORD_WRITE] == len;
	}
	u->bytes += len;
	u->records += (len + RECORD_PLAIN_MAX - 1) / RECORD_PLAIN_MAX;
}

/* --- connections without a server name ----------------------------------------------- */

/* Optional white space after the colon (RFC 9110 section 5.6.3) that is stepped over. */
#define HOST_BLANKS_MAX 8

#define PREFACE_BEGINS 0x50524920 /* "PRI " */

enum head_state { HEAD_MORE, HEAD_MATCH, HEAD_NO_MATCH, HEAD_NOT_HTTP, HEAD_HTTP2, HEAD_TOO_LONG };

/* Requests begin with one of these (RFC 9110 section 9, RFC 5789), h2 with its preface (RFC 9113
 * section 3.4). */
static __always_inline bool method_begins(__u32 word)
{
	switch (bpf_ntohl(word)) {
	case 0x47455420: /* "GET " */
	case 0x504f5354: /* "POST" */
	case 0x50555420: /* "PUT " */
	case 0x48454144: /* "HEAD" */
	case 0x44454c45: /* "DELE" */
	case 0x4f505449: /* "OPTI" */
	case 0x50415443: /* "PATC" */
		return true;
	}
	return false;
}

/* Sets host_at to the place after "LF host:", in any case, or to 0. Bit 5 set makes letters lower case (and
 * LF an asterisk, hence the second test) without a branch per byte. */
static __always_inline void host_line_find(struct scratch *s)
{
	const __u64 mask = 0xffffffffffffULL;
	const __u64 host = 0x2a686f73743aULL; /* "*host:" */
	volatile __u32 *at = &s->host_at;
	__u64 window = 0;

	*at = 0;
	for (__u32 i = 0; i < OAITAP_HEAD_MAX; i++) {
		if (i >= s->len)
			break;
		window = (window << 8) | (__u8)s->data[i];
		if (((window | 0x202020202020ULL) & mask) == host && ((window >> 40) & 0xff) == '\n') {
			*at = i + 1;
			break;
		}
	}
	for (int i = 0; *at && i < HOST_BLANKS_MAX; i++) {
		char ch = s->data[*at & (OAITAP_HEAD_MAX - 1)];
		if (ch != ' ' && ch != '\t')
			break;
		*at = *at + 1;
	}
}

/* Sets host_len to the length of the name at host_at; to 0 if its end is not there yet. */
static __always_inline void host_end_find(struct scratch *s)
{
	volatile __u32 *len = &s->host_len;
	__u32 start = *(volatile __u32 *)&s->host_at;

	*len = 0;
	for (__u32 i = 0; i < OAITAP_NAME_MAX; i++) {
		__u32 at = start + i;
		if (at >= s->len || at >= OAITAP_HEAD_MAX)
			break;
		barrier_var(at);
		char ch = s->data[at & (OAITAP_HEAD_MAX - 1)];
		if (ch == '\r' || ch == '\n' || ch == ':' || ch == ' ') {
			*len = i;
			break;
		}
	}
}

/* Looks for a Host line and judges it. */
static __always_inline enum head_state head_judge(struct scratch *s)
{
	volatile __u32 *at = &s->host_at, *len = &s->host_len;
	__u32 word;

	if (s->len < 4)
		return HEAD_MORE;
	__builtin_memcpy(&word, s->data, 4);
	if (bpf_ntohl(word) == PREFACE_BEGINS)
		return HEAD_HTTP2;
	if (!method_begins(word))
		return HEAD_NOT_HTTP;
	host_line_find(s);
	*len = 0;
	if (*at)
		host_end_find(s);
	if (*len)
		return host_is_configured(s, *at, *len) ? HEAD_MATCH : HEAD_NO_MATCH;
	return s->len < OAITAP_HEAD_MAX ? HEAD_MORE : HEAD_TOO_LONG;
}

/* The bytes of earlier writes, which were held back until the head could be judged. */
static __always_inline void head_send(struct conn *c, struct frame *f, struct scratch *s, __u32 held)
{
	struct record_data *rec = NULL;
	__u64 saved = f->offset;

	if (ring_has_room(sizeof(*rec) + OAITAP_HEAD_MAX))
		rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + OAITAP_HEAD_MAX, 0);
	if (!rec) {
		ring_was_full(c, f, held);
		return;
	}
	f->offset = 0;
	bpf_probe_read_kernel(rec->payload, OAITAP_HEAD_MAX, zeros);
	data_fill(rec, c, f, held);
	barrier_var(held);
	if (held > OAITAP_HEAD_MAX)
		held = OAITAP_HEAD_MAX;
	bpf_probe_read_kernel(rec->payload, held, s->data);
	bpf_ringbuf_submit(rec, 0);
	f->offset = saved;
}

static __always_inline void conn_ignore(struct conn *c)
{
	__u64 id = c->id;
	c->verdict = CONN_IGNORE;
	bpf_map_delete_elem(&scratches, &id);
}

/* A call that begins with a frame that opens a stream (RFC 9113 sections 4.1 and 6.2): a head of HTTP/2 whose
 * preface was not seen. Its names stand in a table that nobody can see any more. Of chance bytes, one call in
 * some hundred thousand looks so. */
static __always_inline bool begins_http2_stream(const struct frame *f)
{
	const __u8 known = 0x01 | 0x04 | 0x08 | 0x20; /* END_STREAM, END_HEADERS, PADDED, PRIORITY */
	__u8 head[9];

	if (f->len < sizeof(head) || bpf_probe_read_user(head, sizeof(head), (void *)f->buf))
		return false;
	__u32 len = head[0] << 16 | head[1] << 8 | head[2];
	return len && len <= RECORD_PLAIN_MAX && len <= f->len - sizeof(head) && head[3] == 1 &&
	       !(head[4] & ~known) && !(head[5] & 0x80) && (head[8] & 1);
}

/* Once for each connection, which may turn out to be another all the same. */
static __always_inline void http2_unnamed(struct conn *c)
{
	if (!c->http2_seen)
		count(COUNTER_HTTP2_UNNAMED, 0);
	c->http2_seen = 1;
}

/* Adds this call to what is known of the head, and decides if that is enough. True: monitored from here on.
 */
static __always_inline bool head_decides(struct conn *c, struct frame *f)
{
	__u64 id = c->id;
	__u32 word = 0;

	/* Most calls of a connection picked up in the middle are of no interest: four bytes tell. */
	if (f->len >= 4 && !bpf_map_lookup_elem(&scratches, &id)) {
		bpf_probe_read_user(&word, sizeof(word), (void *)f->buf);
		if (!method_begins(word) && bpf_ntohl(word) != PREFACE_BEGINS) {
			if (begins_http2_stream(f))
				http2_unnamed(c);
			return false;
		}
	}
	if (++c->tries > OAITAP_TRIES_MAX) {
		count(COUNTER_UNDECIDED, 0);
		conn_ignore(c);
		return false;
	}
	struct scratch *s = scratch_get(id);
	if (!s)
		return false;
	__u32 held = s->len & (2 * OAITAP_HEAD_MAX - 1);
	if (held >= OAITAP_HEAD_MAX)
		return false;
	__u64 room = OAITAP_HEAD_MAX - held;
	__u64 take = f->len < room ? f->len : room;
	barrier_var(take);
	if (take > OAITAP_HEAD_MAX)
		take = OAITAP_HEAD_MAX;
	if (bpf_probe_read_user(s->data + held, take, (void *)f->buf)) {
		conn_ignore(c);
		return false;
	}
	s->len = held + take;
	switch (head_judge(s)) {
	case HEAD_MATCH:
		conn_monitor(c);
		c->end[f->dir & 1] = held + f->len;
		f->offset = held;
		open_send(c, f->ssl);
		if (held)
			head_send(c, f, s, held);
		bpf_map_delete_elem(&scratches, &id);
		return true;
	case HEAD_NOT_HTTP:
		/* Perhaps the middle of a body whose beginning was not seen: the next write may begin a
		 * request. */
		bpf_map_delete_elem(&scratches, &id);
		return false;
	case HEAD_MORE:
		return false;
	case HEAD_TOO_LONG:
		count(COUNTER_UNDECIDED, 0);
		conn_ignore(c);
		return false;
	case HEAD_HTTP2:
		http2_unnamed(c);
		conn_ignore(c);
		return false;
	case HEAD_NO_MATCH:
		conn_ignore(c);
		return false;
	}
	return false;
}

SEC("uprobe/chain_decide")
int chain_decide(struct pt_regs *ctx)
{
	struct frame *f = frame_current();
	struct conn *c = f ? conn_of_frame(f) : NULL;

	if (c && head_decides(c, f)) {
		if (!c->socket_done)
			socket_of_call(c, f);
		if (f->dir == RECORD_WRITE)
			unsent_note(f->ssl, c, f->len);
		bpf_tail_call(ctx, &chain, CHAIN_SEND);
	}
	if (f)
		f->sp = 0;
	return 0;
}

/* --- return -------------------------------------------------------------------------- */

static __always_inline __u64 bytes_carried(struct pt_regs *ctx, const struct frame *f)
{
	int result = (int)PT_REGS_RC(ctx);
	__u64 n = 0;

	if (f->function == PROBE_SSL_SENDFILE)
		return (__s64)PT_REGS_RC(ctx) > 0 ? PT_REGS_RC(ctx) : 0;
	if (!f->written)
		return result > 0 ? result : 0;
	if (result != 1 || bpf_probe_read_user(&n, sizeof(n), (void *)f->written))
		return 0;
	return n;
}

/* The frame of the call that returns, or NULL. */
static __always_inline struct frame *frame_find(struct thread_calls *t, __u64 sp)
{
	for (__u32 i = 0; i < FRAMES_MAX; i++) {
		if (t->frames[i].sp == sp) {
			t->current = i;
			return &t->frames[i];
		}
	}
	return NULL;
}

/* A server whose beginning was not seen shows by the request that it reads. */
static __always_inline bool reads_request(const struct frame *f)
{
	__u32 word = 0;

	if (!(roles & 1U << RECORD_SERVER) || f->len < 4)
		return false;
	bpf_probe_read_user(&word, sizeof(word), (void *)f->buf);
	return method_begins(word);
}

static __always_inline struct conn *conn_for_call(const struct frame *f)
{
	struct conn_key key;

	conn_key_fill(&key, f->ssl);
	__u64 gen = process_gen((void *)bpf_get_current_task());
	struct conn *c = conn_find(&key, gen);
	if (!c && (f->dir == RECORD_WRITE || reads_request(f)))
		c = conn_create(&key, gen, f->file_id);
	return c;
}

/* Whether this call can decide about an unnamed connection: of a client the request that it writes, of a
 * server the one that it reads. */
static __always_inline bool call_may_decide(struct conn *c, const struct frame *f)
{
	if (f->function == PROBE_SSL_SENDFILE)
		return false;
	if (c->role == RECORD_SERVER)
		return f->dir == RECORD_READ;
	if (f->dir == RECORD_WRITE)
		return roles & 1U << RECORD_CLIENT;
	if (!reads_request(f))
		return false;
	__u64 id = c->id;
	bpf_map_delete_elem(&scratches, &id);
	c->role = RECORD_SERVER;
	return true;
}

/* Leaves out what the agent does not want. False: nothing is left to be sent. */
static __always_inline bool call_skip(struct conn *c, struct frame *f)
{
	__u64 until = c->skip_until[f->dir & 1];

	if (f->function == PROBE_SSL_SENDFILE) {
		count(COUNTER_SENDFILE, f->len);
		gap_send(c, f, f->len, RECORD_LOSS_SENDFILE);
	} else if (until > f->offset) {
		__u64 n = until - f->offset;
		if (n > f->len)
			n = f->len;
		count(COUNTER_SKIPPED, n);
		gap_send(c, f, n, RECORD_LOSS_SKIPPED);
	}
	return f->done < f->len;
}

static __always_inline int call_exit(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct thread_calls *t = bpf_map_lookup_elem(&calls, &id);
	if (!t)
		return 0;
	struct frame *f = frame_find(t, PT_REGS_SP(ctx) - RETURN_SP_DELTA);
	if (!f)
		return 0;
	f->len = bytes_carried(ctx, f);
	struct conn *c = f->len ? conn_for_call(f) : NULL;
	if (!c || c->verdict == CONN_IGNORE)
		goto out;
	f->done = 0;
	if (f->dir == RECORD_READ)
		f->ts_ns = bpf_ktime_get_ns();
	if (c->verdict == CONN_UNDECIDED) {
		if (call_may_decide(c, f))
			bpf_tail_call(ctx, &chain, CHAIN_DECIDE);
		goto out;
	}
	__u32 dir = f->dir & 1;
	f->offset = c->end[dir];
	c->end[dir] += f->len;
	if (!c->open_sent)
		open_send(c, f->ssl);
	if (!c->socket_done)
		socket_of_call(c, f);
	if (dir == RECORD_WRITE)
		unsent_note(f->ssl, c, f->len);
	if ((f->function == PROBE_SSL_SENDFILE || c->skip_until[dir] > f->offset) && !call_skip(c, f))
		goto out;
	bpf_tail_call(ctx, &chain, CHAIN_SEND);
out:
	f->sp = 0;
	return 0;
}

SEC("uretprobe/SSL_data")
int ssl_data_return(struct pt_regs *ctx)
{
	return call_exit(ctx);
}
