/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>

#include "ring/ring.h"

/* Feeds a copy that ends at a guard page. */
static int check(const void *data, size_t size)
{
	struct ring_record rec;
	/* Records lie on eight-byte boundaries in the ring. */
	size_t padded = (size + 7) / 8 * 8;
	uint8_t *copy = guard_copy(data, padded);
	int r = ring_check(copy, size, &rec);
	guard_free(copy, padded);
	return r;
}

static struct record_open good_open(void)
{
	return (struct record_open){
		.header = {RECORD_OPEN, sizeof(struct record_open)}, .sni_len = 3, .sni = "abc", .comm = "x"};
}

static void test_open(void **state)
{
	struct record_open rec = good_open();
	(void)state;
	assert_int_equal(check(&rec, sizeof(rec)), 0);
	assert_int_equal(check(&rec, sizeof(rec) - 8), -EBADMSG);
	rec.sni_len = 4;
	assert_int_equal(check(&rec, sizeof(rec)), -EBADMSG);
	rec.sni_len = 2;
	assert_int_equal(check(&rec, sizeof(rec)), -EBADMSG);
	rec.sni_len = 65535;
	assert_int_equal(check(&rec, sizeof(rec)), -EBADMSG);
	rec = good_open();
	memset(rec.comm, 'x', sizeof(rec.comm));
	assert_int_equal(check(&rec, sizeof(rec)), -EBADMSG);
	rec = good_open();
	rec.role = 2;
	assert_int_equal(check(&rec, sizeof(rec)), -EBADMSG);
	rec = good_open();
	rec.header.len--;
	assert_int_equal(check(&rec, sizeof(rec)), -EBADMSG);
}

struct data {
	struct record_data rec;
	uint8_t payload[512];
};

static struct data good_data(uint32_t len)
{
	return (struct data){
		.rec = {.header = {RECORD_DATA, sizeof(struct record_data) + len}, .payload_len = len}};
}

static void test_data(void **state)
{
	struct data d = good_data(300);
	(void)state;
	/* The reservation may be longer than the record, never shorter. */
	assert_int_equal(check(&d, sizeof(d)), 0);
	assert_int_equal(check(&d, sizeof(d.rec) + 304), 0);
	assert_int_equal(check(&d, sizeof(d.rec) + 296), -EBADMSG);
	d.rec.payload_len = 301;
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
	d = good_data(0);
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
	d = good_data(10);
	d.rec.gap_len = 1;
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
	d = good_data(10);
	d.rec.dir = 2;
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
	d = good_data(10);
	d.rec.offset = UINT64_MAX;
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
	d = good_data(10);
	d.rec.payload_len = UINT32_MAX - 53;
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
}

static void test_gap(void **state)
{
	struct data d = good_data(0);
	(void)state;
	d.rec.header.type = RECORD_GAP;
	assert_int_equal(check(&d, sizeof(d.rec)), -EBADMSG);
	d.rec.gap_len = 7;
	assert_int_equal(check(&d, sizeof(d.rec)), 0);
	d.rec.payload_len = 7;
	d.rec.header.len += 7;
	assert_int_equal(check(&d, sizeof(d)), -EBADMSG);
}

/* Whatever bytes are there: an answer, and no byte read beyond the end. */
/* A record begins where eight divides its address, so this cannot end at a page: ASan looks at its end. */
static int check_who(const struct record_who *who, size_t size)
{
	struct ring_record rec;
	uint8_t *copy = malloc(size);
	assert_non_null(copy);
	memcpy(copy, who, size);
	int r = ring_check(copy, size, &rec);
	if (r == 0)
		assert_ptr_equal(rec.who, copy);
	free(copy);
	return r;
}

/* Names end within their parts, parts in their order, and the text is as long as the record. */
static void test_who(void **state)
{
	static const char text[] = "node\0bin\0a.service\0";
	const size_t size = offsetof(struct record_who, text) + sizeof(text) - 1 + 4;
	struct record_who good = {
		.header = {.type = RECORD_WHO, .len = (uint32_t)size},
		.exe_end = 9,
		.cgroup_end = {19, 19, 19},
		.text_len = sizeof(text) - 1 + 4,
		.n_parents = 1,
		.parents = {{.tgid = 1, .comm = "init"}},
	};
	struct record_who bad;
	(void)state;
	memcpy(good.text, text, sizeof(text) - 1);
	memcpy(good.text + sizeof(text) - 1, "args", 4); /* arguments may be cut */
	assert_int_equal(check_who(&good, size), 0);
	for (size_t cut = 8; cut < size; cut++)
		assert_int_equal(check_who(&good, cut), -EBADMSG);
#define BAD(...)                                                                                             \
	do {                                                                                                 \
		bad = good;                                                                                  \
		__VA_ARGS__;                                                                                 \
		assert_int_equal(check_who(&bad, size), -EBADMSG);                                           \
	} while (0)
	BAD(bad.exe_end = 8);
	BAD(bad.exe_end = 20);
	BAD(bad.exe_end = 65535);
	BAD(bad.cgroup_end[0] = 5);
	BAD(bad.cgroup_end[1] = 18);
	BAD(bad.cgroup_end[2] = 21);
	BAD(bad.text_len--);
	BAD(bad.text_len++);
	BAD(bad.n_parents = OAITAP_PARENTS_MAX + 1);
	BAD(memset(bad.parents[0].comm, 'x', sizeof(bad.parents[0].comm)));
	BAD(bad.header.len = 16);
}

static void test_random_bytes(void **state)
{
	uint8_t bytes[sizeof(struct record_open) + 64];
	(void)state;
	srand(2);
	for (int i = 0; i < 20000; i++) {
		size_t size = (size_t)rand() % (sizeof(bytes) / 8) * 8;
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)rand();
		struct record_header h = {(uint32_t)rand() % 9, (uint32_t)((size_t)rand() % (size + 9))};
		memcpy(bytes, &h, sizeof(h));
		int r = check(bytes, size);
		assert_true(r == 0 || r == -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open), cmocka_unit_test(test_data),	  cmocka_unit_test(test_gap),
		cmocka_unit_test(test_who),  cmocka_unit_test(test_random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
