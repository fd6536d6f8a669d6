/* SPDX-License-Identifier: Apache-2.0 */
/* Header compression against libnghttp2's encoder: from the start, from the middle, after losses, with tables
 * of any size. Whatever is given is right, and what is not given is counted. */
#include "guard.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "http/hpack.h"

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

static const struct hpack_limits plenty = {.max_fields = 1000000, .max_size = 1 << 30};

/* Fields as lines of text. */
static int on_field(void *ctx, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len)
{
	struct buf *b = ctx;
	assert_int_equal(buf_append(b, name, name_len), 0);
	assert_int_equal(buf_append_str(b, ": "), 0);
	assert_int_equal(buf_append(b, value, value_len), 0);
	assert_int_equal(buf_append_str(b, "\n"), 0);
	return 0;
}

/* The block lies before a guard page. */
static int read_block(struct hpack *h, const void *data, size_t len, bool cut,
		      const struct hpack_limits *limits, char **ret_text, struct hpack_counts *ret_counts)
{
	struct buf b;
	buf_init(&b, 64 << 20);
	uint8_t *copy = len ? guard_copy(data, len) : NULL;
	int r = hpack_block(h, copy, len, cut, limits, on_field, &b, ret_counts);
	if (copy)
		guard_free(copy, len);
	assert_int_equal(buf_append_str(&b, ""), 0);
	*ret_text = buf_take_str(&b);
	return r;
}

static void expect(struct hpack *h, const char *block, size_t len, const char *want, size_t unknown)
{
	struct hpack_counts counts;
	char *text;
	assert_int_equal(read_block(h, block, len, false, &plenty, &text, &counts), 0);
	assert_string_equal(text, want);
	assert_int_equal(counts.unknown, unknown);
	free(text);
}

static void refuse(struct hpack *h, const char *block, size_t len, int error)
{
	struct hpack_counts counts;
	char *text;
	assert_int_equal(read_block(h, block, len, false, &plenty, &text, &counts), error);
	free(text);
}

#define EXPECT(h, block, want, unknown) expect(h, block, sizeof(block) - 1, want, unknown)
#define REFUSE(h, block, error)		refuse(h, block, sizeof(block) - 1, error)

static struct hpack *make(bool fresh)
{
	struct hpack *h;
	assert_int_equal(hpack_new(&h, fresh), 0);
	return h;
}

/* --- single facts ------------------------------------------------------------------------ */

static void test_each_form(void **state)
{
	struct hpack *h = make(true);
	(void)state;
	EXPECT(h, "\x82\x84\x88", ":method: GET\n:path: /\n:status: 200\n", 0);
	/* Inserted under a name of its own, under an indexed one; not inserted; never to be inserted. */
	EXPECT(h,
	       "\x40\x01"
	       "a\x02"
	       "xy\x7e\x01z",
	       "a: xy\na: z\n", 0);
	EXPECT(h,
	       "\x00\x01"
	       "b\x01"
	       "c\x10\x01"
	       "d\x00\x0f\x2f\x01"
	       "e",
	       "b: c\nd: \na: e\n", 0);
	EXPECT(h, "\xbe\xbf", "a: z\na: xy\n", 0);
	/* Huffman: "www.example.com". */
	EXPECT(h, "\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", ":authority: www.example.com\n",
	       0);
	EXPECT(h, "\xbe\xbf\xc0", ":authority: www.example.com\na: z\na: xy\n", 0);
	/* The table emptied and grown again. */
	EXPECT(h, "\x20\x3f\xe1\x1f\x82", ":method: GET\n", 0);
	EXPECT(h, "", "", 0);
	REFUSE(h, "\xbe", -EBADMSG);
	/* From then on it is no error, but not known. */
	EXPECT(h, "\xbe", "", 1);
	hpack_free(&h);
}

static void test_from_the_middle(void **state)
{
	struct hpack *h = make(false);
	(void)state;
	EXPECT(h, "\x82\xbe\xff\x80\x01", ":method: GET\n", 2);
	EXPECT(h,
	       "\x40\x01"
	       "a\x01"
	       "b\xbe\xbf",
	       "a: b\na: b\n", 1);
	/* Inserted with a name that is not known: the index counts, here and in what refers to it. */
	EXPECT(h, "\x7f\x01\x01v\xbf", "a: b\n", 1);
	EXPECT(h, "\xbe\x7e\x01w\xbe\xbf\xc0", "a: b\n", 4);
	/* Not inserted: nothing moves. */
	EXPECT(h, "\x0f\x7f\x01v\x1f\x7f\x01v\xc0\x0f\x2f\x01q", "a: b\n", 3);
	EXPECT(h, "\x0f\x31\x01q", "a: q\n", 0);
	hpack_reset(h);
	EXPECT(h, "\xc0\x82", ":method: GET\n", 1);
	hpack_free(&h);
}

/* A sender's name of no bytes is told from one that is not known. */
static void test_empty_names(void **state)
{
	struct hpack *h = make(true);
	(void)state;
	EXPECT(h, "\x40\x00\x01v\x00\x00\x00", ": v\n: \n", 0);
	EXPECT(h, "\xbe", "", 1);
	hpack_free(&h);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		int error;
	} cases[] = {
#define CASE(text, error) {text, sizeof(text) - 1, error}
		CASE("\x80", -EBADMSG),				/* index 0 */
		CASE("\xff", -EBADMSG),				/* an integer that ends early */
		CASE("\xff\x80\x80\x80\x80\x80\x01", -EBADMSG), /* one that has no end */
		CASE("\xff\xff\xff\xff\xff\x7f", -EBADMSG),	/* one of more than 32 bits */
		CASE("\x40", -EBADMSG),				/* no name */
		CASE("\x40\x05"
		     "abc",
		     -EBADMSG), /* a name that is cut */
		CASE("\x40\x01"
		     "a",
		     -EBADMSG), /* no value */
		CASE("\x40\x01"
		     "a\x7f",
		     -EBADMSG), /* a length that is cut */
		CASE("\x40\x01"
		     "a\x03xy",
		     -EBADMSG), /* a value that is cut */
		CASE("\x00\x01"
		     "a\x81\xff",
		     -EBADMSG), /* Huffman padding of a byte */
		CASE("\x00\x01"
		     "a\x84\xff\xff\xff\xff",
		     -EBADMSG),		    /* Huffman EOS */
		CASE("\x82\x20", -EBADMSG), /* a size update after a field */
		CASE("\x00\x01"
		     "a\x7f\xff\xff\xff\xff\x0f",
		     -EBADMSG),
		CASE("\x00\x01"
		     "a\x7f\xff\xff\xff\x0f",
		     -E2BIG),
		CASE("\x00\x7f\x82\xff\x03", -E2BIG), /* a byte over the limit */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hpack *h = make(true);
		EXPECT(h,
		       "\x40\x01"
		       "a\x01"
		       "b",
		       "a: b\n", 0);
		refuse(h, cases[i].data, cases[i].len, cases[i].error);
		/* What was inserted before is not to be had any more, and what comes then is read. */
		EXPECT(h,
		       "\xbe\x40\x01"
		       "c\x01"
		       "d",
		       "c: d\n", 1);
		EXPECT(h, "\xbe", "c: d\n", 0);
		hpack_free(&h);
	}
}

static int fail_third(void *ctx, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len)
{
	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	return ++*(int *)ctx == 3 ? -ENOMEM : 0;
}

static void test_callback_fails(void **state)
{
	struct hpack *h = make(true);
	struct hpack_counts counts;
	int n = 0;
	(void)state;
	assert_int_equal(hpack_block(h, (const uint8_t *)"\x82\x82\x82\x82", 4, false, &plenty, fail_third,
				     &n, &counts),
			 -ENOMEM);
	assert_int_equal(n, 3);
	EXPECT(h, "\xbe", "", 1);
	hpack_free(&h);
}

/* --- bounds ------------------------------------------------------------------------------ */

static void test_bomb(void **state)
{
	struct hpack *h = make(true);
	struct hpack_counts counts;
	struct hpack_limits limits = {.max_fields = 1000000, .max_size = 100000};
	struct buf b;
	char *text;
	(void)state;
	/* An entry of 4,000 bytes, and 200,000 references to it: 800 MB. */
	buf_init(&b, 1 << 20);
	buf_append(&b,
		   "\x40\x01"
		   "a\x7f\xa1\x1e",
		   6);
	for (int i = 0; i < 4000; i++)
		buf_append(&b, "x", 1);
	for (int i = 0; i < 200000; i++)
		buf_append(&b, "\xbe", 1);
	assert_int_equal(read_block(h, b.data, b.len, false, &limits, &text, &counts), 0);
	assert_int_equal(counts.fields, 100000 / 4033);
	assert_int_equal(counts.size, 100000 / 4033 * 4033);
	assert_int_equal(counts.fields + counts.over, 200001);
	free(text);
	limits.max_fields = 2;
	assert_int_equal(read_block(h,
				    "\x40\x01"
				    "c\x01"
				    "d\x82\x82\x82",
				    8, false, &limits, &text, &counts),
			 0);
	assert_int_equal(counts.over, 2);
	free(text);
	/* Fields that are left out are in the table all the same. */
	limits.max_fields = 0;
	assert_int_equal(read_block(h,
				    "\x40\x01"
				    "e\x01"
				    "f",
				    5, false, &limits, &text, &counts),
			 0);
	assert_int_equal(counts.over, 1);
	free(text);
	EXPECT(h, "\xbe\xbf", "e: f\nc: d\n", 0);
	buf_done(&b);
	hpack_free(&h);
}

/* Tables that are larger than what is kept here: nothing is wrong, and the newest is known. */
static void test_size_over_the_bound(void **state)
{
	struct hpack *h = make(true);
	struct buf b;
	(void)state;
	/* 1 MiB. */
	EXPECT(h, "\x3f\xe1\xff\x3f\x82", ":method: GET\n", 0);
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 3; i++) {
		buf_reset(&b);
		buf_append(&b, "\x40\x01", 2);
		buf_append(&b, "abc" + i, 1);
		buf_append(&b, "\x7f\xb1\xf1\x01", 4);
		for (int j = 0; j < 31024; j++)
			buf_append(&b, "v", 1);
		struct hpack_counts counts;
		assert_int_equal(hpack_block(h, b.data, b.len, false, &plenty, NULL, NULL, &counts), 0);
		assert_int_equal(counts.fields, 1);
	}
	/* The first one has no room here. */
	EXPECT(h, "\xc0", "", 1);
	EXPECT(h, "\x0f\x2f\x01x\x0f\x30\x01x\x0f\x31\x01x", "c: x\nb: x\n", 1);
	buf_done(&b);
	hpack_free(&h);
}

/* --- against an encoder ------------------------------------------------------------------- */

#define BLOCK_FIELDS 12

struct field {
	char name[24], value[400];
};

struct block {
	struct field fields[BLOCK_FIELDS];
	size_t n;
	uint8_t wire[16384];
	size_t len;
};

static void random_block(struct block *b, nghttp2_hd_deflater *encoder)
{
	nghttp2_nv nv[BLOCK_FIELDS];
	b->n = 1 + random_below(BLOCK_FIELDS);
	for (size_t i = 0; i < b->n; i++) {
		struct field *f = &b->fields[i];
		static const char *const known[] = {":method", ":path", "content-type", "accept",
						    "user-agent"};
		if (random_below(2))
			snprintf(f->name, sizeof(f->name), "%s", known[random_below(5)]);
		else
			snprintf(f->name, sizeof(f->name), "x-%u", random_below(20));
		size_t len = random_below(8) ? random_below(20) : random_below(399);
		for (size_t j = 0; j < len; j++)
			f->value[j] = (char)('a' + random_below(3));
		f->value[len] = 0;
		if (random_below(3) == 0)
			snprintf(f->value, sizeof(f->value), "v%u", random_below(4));
		nv[i] = (nghttp2_nv){(uint8_t *)f->name, (uint8_t *)f->value, strlen(f->name),
				     strlen(f->value),
				     random_below(6) ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX};
	}
	ssize_t len = nghttp2_hd_deflate_hd(encoder, b->wire, sizeof(b->wire), nv, b->n);
	assert_true(len > 0);
	b->len = (size_t)len;
}

/* The lines of `text` are fields of the block, in order; returns how many. */
static size_t check_subsequence(const struct block *b, const char *text)
{
	char line[500];
	size_t given = 0;
	for (size_t i = 0; i < b->n; i++) {
		snprintf(line, sizeof(line), "%s: %s\n", b->fields[i].name, b->fields[i].value);
		if (strncmp(text, line, strlen(line)) == 0) {
			text += strlen(line);
			given++;
		}
	}
	assert_string_equal(text, "");
	return given;
}

static void decode(struct hpack *h, const struct block *b, size_t *ret_unknown)
{
	struct hpack_counts counts;
	char *text;
	assert_int_equal(read_block(h, b->wire, b->len, false, &plenty, &text, &counts), 0);
	assert_int_equal(check_subsequence(b, text), counts.fields);
	assert_int_equal(counts.fields + counts.unknown, b->n);
	*ret_unknown = counts.unknown;
	free(text);
}

static const size_t sizes[] = {0, 40, 200, 1000, 4096, 20000, 65536, 200000, 1000000};

static size_t random_size(void)
{
	return sizes[random_below(sizeof(sizes) / sizeof(sizes[0]))];
}

static nghttp2_hd_deflater *encoder_new(void)
{
	nghttp2_hd_deflater *encoder;
	assert_int_equal(nghttp2_hd_deflate_new(&encoder, 1000000), 0);
	/* As after the peer's SETTINGS. */
	assert_int_equal(nghttp2_hd_deflate_change_table_size(encoder, random_size()), 0);
	return encoder;
}

static void test_all_seen(void **state)
{
	static struct block b;
	(void)state;
	for (int round = 0; round < 60; round++) {
		nghttp2_hd_deflater *encoder = encoder_new();
		struct hpack *h = make(true);
		bool within = true;
		for (int i = 0; i < 60; i++) {
			size_t unknown;
			if (random_below(10) == 0)
				nghttp2_hd_deflate_change_table_size(encoder, random_size());
			within &= nghttp2_hd_deflate_get_max_dynamic_table_size(encoder) <= HPACK_TABLE_MAX;
			random_block(&b, encoder);
			decode(h, &b, &unknown);
			if (within)
				assert_int_equal(unknown, 0);
		}
		hpack_free(&h);
		nghttp2_hd_deflate_del(encoder);
	}
}

static void test_some_seen(void **state)
{
	static struct block b;
	size_t total = 0, total_unknown = 0;
	(void)state;
	for (int round = 0; round < 200; round++) {
		nghttp2_hd_deflater *encoder = encoder_new();
		struct hpack *h = make(random_below(2));
		unsigned skip = random_below(40), loss = random_below(4) * 5;
		if (skip)
			hpack_reset(h);
		for (unsigned i = 0; i < 80; i++) {
			size_t unknown;
			if (random_below(20) == 0)
				nghttp2_hd_deflate_change_table_size(encoder, random_size());
			random_block(&b, encoder);
			if (i < skip)
				continue;
			if (random_below(100) < loss) {
				hpack_reset(h);
				continue;
			}
			decode(h, &b, &unknown);
			total += b.n;
			total_unknown += unknown;
		}
		hpack_free(&h);
		nghttp2_hd_deflate_del(encoder);
	}
	/* Both happen, and most is read. */
	assert_true(total_unknown > 0 && total_unknown < total / 2);
}

/* A block that is cut anywhere gives its first fields, then nothing wrong. */
static void test_cut_blocks(void **state)
{
	static struct block b, next;
	(void)state;
	for (int round = 0; round < 40; round++) {
		nghttp2_hd_deflater *encoder;
		assert_int_equal(nghttp2_hd_deflate_new(&encoder, 4096), 0);
		random_block(&b, encoder);
		random_block(&next, encoder);
		for (size_t len = 0; len <= b.len; len++) {
			struct hpack *h = make(true);
			struct hpack_counts counts;
			size_t unknown;
			char *text;
			assert_int_equal(read_block(h, b.wire, len, true, &plenty, &text, &counts), 0);
			assert_int_equal(counts.unknown, 0);
			assert_int_equal(check_subsequence(&b, text), counts.fields);
			assert_true(len < b.len || counts.fields == b.n);
			free(text);
			decode(h, &next, &unknown);
			hpack_free(&h);
		}
		nghttp2_hd_deflate_del(encoder);
	}
}

/* Any bytes: an error or not, and always usable afterwards. */
static void test_any_bytes(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct hpack *h = make(random_below(2));
		for (int i = 0; i < 4; i++) {
			uint8_t data[64];
			struct hpack_counts counts;
			char *text;
			size_t len = random_below(sizeof(data));
			for (size_t j = 0; j < len; j++)
				data[j] = (uint8_t)(random_below(3) ? random_below(256) : 0x40);
			int r = read_block(h, data, len, random_below(2), &plenty, &text, &counts);
			assert_true(r == 0 || r == -EBADMSG || r == -E2BIG);
			free(text);
		}
		/* They may have said that the table has no room. */
		EXPECT(h,
		       "\x3f\xe1\x1f\x40\x01"
		       "c\x01"
		       "d\xbe",
		       "c: d\nc: d\n", 0);
		hpack_free(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_form),	    cmocka_unit_test(test_from_the_middle),
		cmocka_unit_test(test_empty_names),	    cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_callback_fails),	    cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_size_over_the_bound), cmocka_unit_test(test_all_seen),
		cmocka_unit_test(test_some_seen),	    cmocka_unit_test(test_cut_blocks),
		cmocka_unit_test(test_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
