/* SPDX-License-Identifier: Apache-2.0 */
#include "http/hpack.h"

#include <errno.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "base/macro.h"

/* The library refuses the whole block when one reference is above its table. So the block is cut into its
 * representations here, for which only integers and lengths are read, and the library gets each that it can
 * know by itself: `in_final` is 0, and it stops after each field. */

#define INTEGER_BYTES_MAX 6 /* prefix and continuation: 32 bits */

struct hpack {
	nghttp2_hd_inflater *inflater; /* owned; NULL: to be made with an unknown table */
	bool partial;		       /* the sender's table may hold more than ours */
};

/* One representation (section 6). */
struct piece {
	enum { INDEXED, LITERAL, SIZE_UPDATE } kind;
	uint32_t number; /* the index, 0 for a new name; or the new size */
	bool insert;	 /* a literal that goes into the table */
	size_t value;	 /* of a literal: where its value's length begins */
	size_t len;	 /* in bytes */
};

int hpack_new(struct hpack **ret_hpack, bool fresh)
{
	_cleanup_(hpack_free) struct hpack *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->partial = !fresh;
	if (fresh) {
		if (nghttp2_hd_inflate_new(&h->inflater) != 0)
			return -ENOMEM;
		/* Only bounds the size updates to come. */
		if (nghttp2_hd_inflate_change_table_size(h->inflater, HPACK_TABLE_MAX) != 0)
			return -ENOMEM;
	}
	*ret_hpack = TAKE_PTR(h);
	return 0;
}

void hpack_free(struct hpack **hpack)
{
	if (!*hpack)
		return;
	hpack_reset(*hpack);
	free(*hpack);
	*hpack = NULL;
}

void hpack_reset(struct hpack *h)
{
	if (h->inflater)
		nghttp2_hd_inflate_del(h->inflater);
	h->inflater = NULL;
	h->partial = true;
}

/* --- representations --------------------------------------------------------------------- */

/* An integer whose first byte has `bits` bits of it (section 5.1), at *pos, which moves past it.
 * 0; -EAGAIN: the data ends within it; -EBADMSG: more than 32 bits. */
static int integer_read(const uint8_t *data, size_t len, size_t *pos, unsigned bits, uint32_t *ret_number)
{
	if (*pos == len)
		return -EAGAIN;
	uint32_t mask = (1U << bits) - 1;
	uint64_t number = data[(*pos)++] & mask;
	if (number == mask) {
		for (unsigned shift = 0;; shift += 7) {
			if (*pos == len)
				return -EAGAIN;
			if (shift > 28)
				return -EBADMSG;
			uint8_t c = data[(*pos)++];
			number += (uint64_t)(c & 0x7f) << shift;
			if (!(c & 0x80))
				break;
		}
	}
	if (number > UINT32_MAX)
		return -EBADMSG;
	*ret_number = (uint32_t)number;
	return 0;
}

static int string_skip(const uint8_t *data, size_t len, size_t *pos)
{
	uint32_t n;
	int r = integer_read(data, len, pos, 7, &n);
	if (r < 0)
		return r;
	if (n > HPACK_STRING_MAX)
		return -E2BIG;
	if (n > len - *pos)
		return -EAGAIN;
	*pos += n;
	return 0;
}

static int piece_read(const uint8_t *data, size_t len, struct piece *ret_piece)
{
	struct piece p = {.kind = LITERAL};
	size_t pos = 0;
	unsigned bits = 4;
	if (data[0] & 0x80) {
		p.kind = INDEXED;
		bits = 7;
	} else if (data[0] & 0x40) {
		p.insert = true;
		bits = 6;
	} else if (data[0] & 0x20) {
		p.kind = SIZE_UPDATE;
		bits = 5;
	}
	int r = integer_read(data, len, &pos, bits, &p.number);
	if (r == 0 && p.kind == LITERAL && !p.number)
		r = string_skip(data, len, &pos);
	p.value = pos;
	if (r == 0 && p.kind == LITERAL)
		r = string_skip(data, len, &pos);
	if (r < 0)
		return r;
	p.len = pos;
	*ret_piece = p;
	return 0;
}

/* --- the library's decoder --------------------------------------------------------------- */

/* Feeds bytes that end with a representation, or before one's end. *ret_field is set when a field came out.
 */
static int inflate(struct hpack *h, const uint8_t *data, size_t len, nghttp2_nv *ret_nv, bool *ret_field)
{
	while (len) {
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, ret_nv, &flags, data, len, 0);
		if (n < 0)
			return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EBADMSG;
		data += n;
		len -= (size_t)n;
		*ret_field = flags & NGHTTP2_HD_INFLATE_EMIT;
		if (len && (*ret_field || n == 0))
			return -EBADMSG;
	}
	return 0;
}

static int set_size(struct hpack *h, uint32_t size)
{
	uint8_t bytes[INTEGER_BYTES_MAX] = {0x20};
	size_t n = 1;
	nghttp2_nv nv;
	bool field;
	if (size < 31) {
		bytes[0] |= (uint8_t)size;
	} else {
		bytes[0] |= 31;
		for (size -= 31; size >= 0x80; size >>= 7)
			bytes[n++] = (uint8_t)(size | 0x80);
		bytes[n++] = (uint8_t)size;
	}
	return inflate(h, bytes, n, &nv, &field);
}

static int ensure_inflater(struct hpack *h)
{
	if (h->inflater)
		return 0;
	if (nghttp2_hd_inflate_new(&h->inflater) != 0)
		return -ENOMEM;
	if (nghttp2_hd_inflate_change_table_size(h->inflater, HPACK_TABLE_MAX) != 0)
		return -ENOMEM;
	return set_size(h, HPACK_TABLE_MAX);
}

/* --- one block --------------------------------------------------------------------------- */

struct block {
	struct hpack *hpack;
	const struct hpack_limits *limits;
	hpack_field_fn fn;
	void *ctx;
	struct hpack_counts counts;
	bool fields_begun;
};

static int size_update(struct block *b, const struct piece *p)
{
	/* Section 4.2: at the beginning of the block. */
	if (b->fields_begun)
		return -EBADMSG;
	if (p->number > HPACK_TABLE_MAX)
		b->hpack->partial = true;
	return set_size(b->hpack, MIN(p->number, (uint32_t)HPACK_TABLE_MAX));
}

static int give(struct block *b, const struct piece *p, const nghttp2_nv *nv)
{
	/* An entry whose name was not known when it was inserted. */
	if (!nv->namelen && p->number) {
		b->counts.unknown++;
		return 0;
	}
	size_t cost = nv->namelen + nv->valuelen + HPACK_FIELD_COST;
	if (b->counts.fields >= b->limits->max_fields || cost > b->limits->max_size - b->counts.size) {
		b->counts.over++;
		return 0;
	}
	b->counts.fields++;
	b->counts.size += cost;
	return b->fn ? b->fn(b->ctx, nv->name, nv->namelen, nv->value, nv->valuelen) : 0;
}

/* The index is above our table's end. */
static int unknown_field(struct block *b, const struct piece *p, const uint8_t *data)
{
	static const uint8_t empty_name[] = {0x40, 0x00};
	nghttp2_nv nv;
	bool field;
	if (!b->hpack->partial)
		return -EBADMSG;
	b->counts.unknown++;
	if (!p->insert)
		return 0;
	int r = inflate(b->hpack, empty_name, sizeof(empty_name), &nv, &field);
	return r < 0 ? r : inflate(b->hpack, data + p->value, p->len - p->value, &nv, &field);
}

static int field(struct block *b, const struct piece *p, const uint8_t *data)
{
	nghttp2_nv nv = {};
	bool given = false;
	b->fields_begun = true;
	if (p->kind == INDEXED && !p->number)
		return -EBADMSG;
	if (p->number > nghttp2_hd_inflate_get_num_table_entries(b->hpack->inflater))
		return unknown_field(b, p, data);
	int r = inflate(b->hpack, data, p->len, &nv, &given);
	if (r < 0)
		return r;
	return given ? give(b, p, &nv) : -EBADMSG;
}

static int block_read(struct block *b, const uint8_t *data, size_t len)
{
	int r = ensure_inflater(b->hpack);
	while (r == 0 && len) {
		struct piece p;
		r = piece_read(data, len, &p);
		if (r == 0)
			r = p.kind == SIZE_UPDATE ? size_update(b, &p) : field(b, &p, data);
		if (r < 0)
			break;
		data += p.len;
		len -= p.len;
	}
	return r;
}

int hpack_block(struct hpack *h, const uint8_t *data, size_t len, bool cut, const struct hpack_limits *limits,
		hpack_field_fn fn, void *ctx, struct hpack_counts *ret_counts)
{
	struct block b = {.hpack = h, .limits = limits, .fn = fn, .ctx = ctx};
	int r = block_read(&b, data, len);
	*ret_counts = b.counts;
	if (r == -EAGAIN)
		r = cut ? 0 : -EBADMSG;
	if (r < 0 || cut)
		hpack_reset(h);
	else
		nghttp2_hd_inflate_end_headers(h->inflater);
	return r;
}
