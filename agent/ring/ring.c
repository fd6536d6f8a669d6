/* SPDX-License-Identifier: Apache-2.0 */
#include "ring/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

struct ring {
	struct ring_buffer *rb;
	ring_record_fn fn;
	void *ctx;
	unsigned int batch; /* records given by this poll */
	atomic_uint_least64_t records, bytes, bad;
};

static int check_open(const void *data, size_t len, struct ring_record *rec)
{
	const struct record_open *open = data;
	if (len != sizeof(*open) || open->sni_len >= sizeof(open->sni) || open->sni[open->sni_len] != 0 ||
	    memchr(open->sni, 0, sizeof(open->sni)) != open->sni + open->sni_len ||
	    !memchr(open->comm, 0, sizeof(open->comm)) || open->role > RECORD_SERVER)
		return -EBADMSG;
	rec->open = open;
	return 0;
}

static int check_data(const void *data, size_t len, struct ring_record *rec)
{
	const struct record_data *d = data;
	bool is_gap = rec->type == RECORD_GAP;
	if (len < sizeof(*d) || d->dir > RECORD_READ || d->loss > RECORD_LOSS_SKIPPED ||
	    d->gap_loss > RECORD_LOSS_SKIPPED || d->payload_len > OAITAP_PIECE_MAX ||
	    len != sizeof(*d) + d->payload_len || is_gap != (d->payload_len == 0) ||
	    is_gap != (d->gap_len > 0))
		return -EBADMSG;
	/* Offsets that would wrap around can only come from a broken record. */
	if (d->offset > INT64_MAX || d->gap_len > INT64_MAX)
		return -EBADMSG;
	rec->data = d;
	return 0;
}

static int check_hello(const void *data, size_t len, struct ring_record *rec)
{
	const struct record_hello *h = data;
	if (len != sizeof(*h) || h->sni_len == 0 || h->sni_len >= sizeof(h->sni) ||
	    memchr(h->sni, 0, sizeof(h->sni)) != h->sni + h->sni_len || !memchr(h->comm, 0, sizeof(h->comm)))
		return -EBADMSG;
	rec->hello = h;
	return 0;
}

/* Each list of components ends with a NUL. */
static bool text_ends(const struct record_who *w, size_t start, size_t end)
{
	return start <= end && end <= w->text_len && (start == end || w->text[end - 1] == 0);
}

static int check_who(const void *data, size_t len, struct ring_record *rec)
{
	const struct record_who *w = data;
	const size_t head = offsetof(struct record_who, text);

	if (len < head || len > sizeof(*w) || w->text_len != len - head ||
	    w->n_parents > OAITAP_PARENTS_MAX || !text_ends(w, 0, w->exe_end))
		return -EBADMSG;
	for (size_t i = 0, start = w->exe_end; i < WHO_HIERARCHIES; start = w->cgroup_end[i++])
		if (!text_ends(w, start, w->cgroup_end[i]))
			return -EBADMSG;
	for (size_t i = 0; i < w->n_parents; i++)
		if (!memchr(w->parents[i].comm, 0, sizeof(w->parents[i].comm)))
			return -EBADMSG;
	rec->who = w;
	return 0;
}

static int check_size(size_t len, size_t want)
{
	return len == want ? 0 : -EBADMSG;
}

int ring_check(const void *data, size_t size, struct ring_record *ret_rec)
{
	const struct record_header *h = data;
	if (size < sizeof(*h) || h->len < sizeof(*h) || h->len > size)
		return -EBADMSG;
	struct ring_record rec = {.type = (enum record_type)h->type};
	int r = -EBADMSG;
	switch (h->type) {
	case RECORD_OPEN:
		r = check_open(data, h->len, &rec);
		break;
	case RECORD_DATA:
	case RECORD_GAP:
		r = check_data(data, h->len, &rec);
		break;
	case RECORD_SOCKET:
		r = check_size(h->len, sizeof(*rec.socket));
		rec.socket = data;
		break;
	case RECORD_CLOSE:
		r = check_size(h->len, sizeof(*rec.close));
		rec.close = data;
		break;
	case RECORD_HELLO:
		r = check_hello(data, h->len, &rec);
		break;
	case RECORD_WHO:
		r = check_who(data, h->len, &rec);
		break;
	case RECORD_EXEC:
	case RECORD_EXIT:
		r = check_size(h->len, sizeof(*rec.process));
		rec.process = data;
		break;
	}
	if (r < 0)
		return r;
	*ret_rec = rec;
	return 0;
}

/* A non-zero value stops the drain after this record (libbpf counts it as consumed). */
static int on_sample(void *ctx, void *data, size_t size)
{
	struct ring *ring = ctx;
	struct ring_record rec;

	atomic_fetch_add_explicit(&ring->records, 1, memory_order_relaxed);
	if (ring_check(data, size, &rec) < 0) {
		atomic_fetch_add_explicit(&ring->bad, 1, memory_order_relaxed);
		return 0;
	}
	if (rec.type == RECORD_DATA)
		atomic_fetch_add_explicit(&ring->bytes, rec.data->payload_len, memory_order_relaxed);
	ring->fn(ring->ctx, &rec);
	return ++ring->batch >= RING_BATCH ? -ECANCELED : 0;
}

int ring_new(struct ring **ret_ring, int map_fd, ring_record_fn fn, void *ctx)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->fn = fn;
	ring->ctx = ctx;
	ring->rb = ring_buffer__new(map_fd, on_sample, ring, NULL);
	if (!ring->rb) {
		int r = -errno;
		free(ring);
		return r;
	}
	*ret_ring = ring;
	return 0;
}

void ring_free(struct ring **ring)
{
	if (!*ring)
		return;
	ring_buffer__free((*ring)->rb);
	free(*ring);
	*ring = NULL;
}

int ring_poll(struct ring *ring, int timeout_ms)
{
	ring->batch = 0;
	int r = ring_buffer__poll(ring->rb, timeout_ms);
	return r == -ECANCELED ? (int)ring->batch : r;
}

struct ring_stats ring_stats(const struct ring *ring)
{
	return (struct ring_stats){
		.records = atomic_load_explicit(&ring->records, memory_order_relaxed),
		.bytes = atomic_load_explicit(&ring->bytes, memory_order_relaxed),
		.bad = atomic_load_explicit(&ring->bad, memory_order_relaxed),
	};
}
