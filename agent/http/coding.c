/* SPDX-License-Identifier: Apache-2.0 */
#include "http/coding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "http/http_conn.h"

struct stage {
	struct decoder *decoder; /* owned */
	uint64_t given;		 /* bytes that came out */
	bool fed;
};

struct coding {
	struct stage stages[CODING_STAGES]; /* the first one takes what was on the wire */
	size_t n;
	const struct http_limits *limits;
	struct decoder_memory memory;
	struct coding_total *total; /* borrowed, or NULL */
	coding_out *out;
	void *ctx;
	uint64_t wire; /* bytes that the first stage has taken, in the calls before and in this one */
	uint64_t fed;  /* bytes given in the calls before */
	const char *problem;
	bool text;			 /* see coding_is_text(); what was taken so far */
	uint8_t first[CODING_FIRST_LEN]; /* of what was on the wire */
	size_t pieces_len;		 /* taken of the memory */
	uint8_t pieces[][CODING_PIECE];	 /* of each stage */
};

static const char over_memory[] = "decompression was stopped: it needs more memory than the limit";

/* --- lists ------------------------------------------------------------------------------- */

bool coding_kind_of(const char *name, size_t len, enum coding_kind *ret_kind)
{
	static const struct {
		const char *name;
		enum coding_kind kind;
	} codings[] = {
		{"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"deflate", CODING_DEFLATE},
		{"br", CODING_BR},     {"zstd", CODING_ZSTD},
	};
	for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
		if (len != strlen(codings[i].name) || strncasecmp(name, codings[i].name, len) != 0)
			continue;
		*ret_kind = codings[i].kind;
		return true;
	}
	return false;
}

void coding_list_push(struct coding_list *list, enum coding_kind kind, size_t max)
{
	if (list->n < MIN(max, (size_t)CODING_STAGES))
		list->kinds[list->n++] = kind;
	else
		list->many = true;
}

void coding_list_add(struct coding_list *list, const char *value, size_t max)
{
	while (*value) {
		value += strspn(value, " \t,");
		size_t end = strcspn(value, ","), len = end;
		enum coding_kind kind;
		while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		if (coding_kind_of(value, len, &kind))
			coding_list_push(list, kind, max);
		else if (len && !(len == 8 && strncasecmp(value, "identity", len) == 0))
			list->unknown = true;
		value += end;
	}
}

/* --- decoding ---------------------------------------------------------------------------- */

int coding_new(struct coding **ret_coding, const struct coding_list *list, const struct http_limits *limits,
	       coding_out *out, void *ctx)
{
	struct decoder_memory memory = {.max = limits->max_decoder, .budget = limits->decoders};
	size_t pieces_len = list->n * CODING_PIECE;
	if (!decoder_memory_take(&memory, pieces_len))
		return -ENOBUFS;
	_cleanup_(coding_free) struct coding *c = calloc(1, sizeof(*c) + pieces_len);
	if (!c) {
		decoder_memory_give(&memory, pieces_len);
		return -ENOMEM;
	}
	c->limits = limits;
	c->memory = memory;
	c->pieces_len = pieces_len;
	c->out = out;
	c->ctx = ctx;
	c->text = true;
	for (; c->n < list->n; c->n++) {
		int r = decoder_new(&c->stages[c->n].decoder, list->kinds[list->n - 1 - c->n], &c->memory);
		if (r < 0)
			return r;
	}
	*ret_coding = TAKE_PTR(c);
	return 0;
}

void coding_free(struct coding **coding)
{
	struct coding *c = *coding;
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		decoder_free(&c->stages[i].decoder);
	decoder_memory_give(&c->memory, c->pieces_len);
	free(c);
	*coding = NULL;
}

void coding_count_in(struct coding *c, struct coding_total *total)
{
	c->total = total;
}

static int stop(struct coding *c, int error, const char *problem)
{
	c->problem = problem;
	return error;
}

static int refuse(struct coding *c, int error)
{
	switch (error) {
	case -EBADMSG:
		return stop(c, -EBADMSG, "decompression was stopped: the compressed data is corrupt");
	case -EILSEQ:
		return stop(c, -EBADMSG,
			    "decompression was stopped: something else follows the compressed data");
	case -EFBIG:
		return stop(c, -EFBIG, "decompression was stopped: the window is larger than the limit");
	case -ENOBUFS:
		return stop(c, -EFBIG, over_memory);
	default:
		return error;
	}
}

static uint64_t by_ratio(const struct coding *c, uint64_t in)
{
	uint64_t out;
	return __builtin_mul_overflow(in, (uint64_t)c->limits->max_ratio, &out) ? UINT64_MAX : out;
}

/* How much may have come out of a decoder by now. */
static uint64_t allowance(const struct coding *c)
{
	return MIN(MAX(by_ratio(c, c->wire), c->limits->ratio_from), c->limits->max_decoded);
}

/* How much more may come out of all bodies. */
static uint64_t room_of_all(const struct coding *c)
{
	if (!c->total)
		return UINT64_MAX;
	uint64_t allowed = by_ratio(c, c->total->in);
	allowed =
		allowed > UINT64_MAX - c->limits->max_decoded ? UINT64_MAX : allowed + c->limits->max_decoded;
	return allowed > c->total->out ? allowed - c->total->out : 0;
}

static int run_stage(struct coding *c, size_t i, const uint8_t *data, size_t len);

/* What came out of a stage goes on, as far as it is allowed. */
static int pass_on(struct coding *c, size_t i, size_t len)
{
	struct stage *s = &c->stages[i];
	uint64_t allowed = allowance(c), room = allowed > s->given ? allowed - s->given : 0;
	uint64_t all = room_of_all(c), most = MIN(room, all);
	size_t n = (size_t)MIN((uint64_t)len, most);
	int r = 0;
	s->given += n;
	if (c->total)
		c->total->out += n;
	if (n)
		r = i + 1 < c->n ? run_stage(c, i + 1, c->pieces[i], n) : c->out(c->ctx, c->pieces[i], n);
	if (r < 0 || n == len)
		return r;
	if (s->given >= c->limits->max_decoded)
		return stop(c, -EFBIG, "decompression was stopped: the body is larger than the limit");
	if (room > all)
		return stop(c, -EFBIG,
			    "decompression was stopped: the connection's bodies grow by more than the limit");
	return stop(c, -EFBIG, "decompression was stopped: the body grows by more than the limit");
}

static void took(struct coding *c, size_t len)
{
	c->wire += len;
	if (c->total)
		c->total->in += len;
}

static int run_stage(struct coding *c, size_t i, const uint8_t *data, size_t len)
{
	struct stage *s = &c->stages[i];
	struct decoder_io io = {.in = data, .in_len = len};
	s->fed = true;
	do {
		size_t before = io.in_len;
		io.out = c->pieces[i];
		io.out_len = CODING_PIECE;
		int r = decoder_step(s->decoder, &io);
		size_t made = CODING_PIECE - io.out_len;
		if (i == 0)
			took(c, before - io.in_len);
		/* None of the libraries stands still with input and room; if one ever did, so would we. */
		if (r == 0 && !made && io.in_len && io.in_len == before)
			r = -EBADMSG;
		int passed = made ? pass_on(c, i, made) : 0;
		if (passed < 0 || r < 0)
			return passed < 0 ? passed : refuse(c, r);
	} while (io.in_len || !io.out_len);
	return 0;
}

/* The bytes begin a character, and end within it. */
static bool is_cut_character(const uint8_t *data, size_t len)
{
	size_t whole = data[0] >= 0xf0 ? 4 : data[0] >= 0xe0 ? 3 : 2;
	if (data[0] < 0xc2 || data[0] > 0xf4 || len >= whole)
		return false;
	for (size_t i = 1; i < len; i++)
		if ((data[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* UTF-8 without control bytes; the last character may be cut. */
static bool is_text(const uint8_t *data, size_t len)
{
	size_t bad;
	if (!utf8_valid((const char *)data, len, &bad) && !is_cut_character(data + bad, len - bad))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((data[i] < 0x20 && data[i] != '\t' && data[i] != '\r' && data[i] != '\n') ||
		    data[i] == 0x7f)
			return false;
	return true;
}

int coding_feed(struct coding *c, const uint8_t *data, size_t len)
{
	int r = run_stage(c, 0, data, len);
	size_t taken = (size_t)(c->wire - c->fed);
	c->text = c->text && c->wire <= CODING_FIRST_LEN;
	if (c->text) {
		memcpy(c->first + c->fed, data, taken);
		c->text = is_text(c->first, (size_t)c->wire);
	}
	if (r == 0)
		c->fed += len;
	return r;
}

bool coding_at_end(const struct coding *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->stages[i].fed && !decoder_ended(c->stages[i].decoder))
			return false;
	return true;
}

const char *coding_problem(const struct coding *c)
{
	return c ? c->problem : over_memory;
}

bool coding_is_text(const struct coding *c, const uint8_t **ret_first, size_t *ret_len)
{
	*ret_first = c->first;
	*ret_len = (size_t)MIN(c->fed, (uint64_t)CODING_FIRST_LEN);
	return c->text && c->fed <= CODING_FIRST_LEN;
}
