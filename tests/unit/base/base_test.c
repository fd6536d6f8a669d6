/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/lanes.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/utf8.h"
#include "base/uuid.h"

static void test_buf_keeps_its_ceiling(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_append(&b, "0123456789", 10), 0);
	assert_int_equal(buf_append(&b, "x", 1), -E2BIG);
	assert_int_equal(buf_append(&b, NULL, SIZE_MAX), -E2BIG);
	assert_int_equal(b.len, 10);
	buf_consume(&b, 4);
	assert_string_equal((char *)b.data, "456789");
	assert_int_equal(buf_appendf(&b, "%d", 1234), 0);
	buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	buf_append_str(&b, "ab");
	char *text = buf_take_str(&b);
	assert_string_equal(text, "ab");
	free(text);
	text = buf_take_str(&b);
	assert_string_equal(text, "");
	free(text);
	buf_done(&b);
}

static void test_map_against_a_plain_table(void **state)
{
	enum { KEYS = 500, ROUNDS = 200000 };
	static char values[KEYS];
	bool there[KEYS] = {false};
	struct map *map = NULL;
	size_t n = 0;
	(void)state;

	assert_int_equal(map_new(&map), 0);
	srand(1);
	for (int i = 0; i < ROUNDS; i++) {
		int k = rand() % KEYS;
		switch (rand() % 3) {
		case 0:
			assert_int_equal(map_put(map, (uint64_t)k * 64, &values[k]), 0);
			n += !there[k];
			there[k] = true;
			break;
		case 1:
			assert_ptr_equal(map_remove(map, (uint64_t)k * 64), there[k] ? &values[k] : NULL);
			n -= there[k];
			there[k] = false;
			break;
		default:
			assert_ptr_equal(map_get(map, (uint64_t)k * 64), there[k] ? &values[k] : NULL);
		}
		assert_int_equal(map_len(map), n);
	}
	size_t cursor = 0, walked = 0;
	uint64_t key;
	void *value;
	while (map_next(map, &cursor, &key, &value)) {
		assert_ptr_equal(value, &values[key / 64]);
		assert_ptr_equal(map_remove(map, key), value);
		walked++;
	}
	assert_int_equal(walked, n);
	assert_int_equal(map_len(map), 0);
	map_clear(map);
	assert_null(map_get(map, 0));
	map_free(&map);
	assert_null(map);
}

enum { ITEMS = 20000 };

static void *produce(void *arg)
{
	struct queue *q = arg;
	for (uintptr_t i = 1; i <= ITEMS; i++)
		if (!queue_push(q, (void *)i, 100))
			return NULL;
	return q;
}

static void test_queue_keeps_order_and_bound(void **state)
{
	struct queue *q = NULL;
	pthread_t thread;
	uintptr_t next = 1;
	void *items[7];
	bool closed = false;
	void *result = NULL;
	(void)state;

	assert_int_equal(queue_new(&q, 16, 1000), 0);
	pthread_create(&thread, NULL, produce, q);
	while (next <= ITEMS) {
		size_t n = queue_pop(q, items, 7, -1, &closed);
		for (size_t i = 0; i < n; i++)
			assert_int_equal((uintptr_t)items[i], next++);
	}
	pthread_join(thread, &result);
	assert_ptr_equal(result, q);
	assert_true(queue_waits(q) > 0);
	/* Heavier than the bound, but alone. */
	assert_true(queue_push(q, q, 5000));
	queue_close(q);
	assert_false(queue_push(q, q, 1));
	assert_int_equal(queue_pop(q, items, 7, -1, &closed), 1);
	assert_false(closed);
	assert_int_equal(queue_pop(q, items, 7, -1, &closed), 0);
	assert_true(closed);
	queue_free(&q);
}

static void test_queue_pop_times_out(void **state)
{
	struct queue *q = NULL;
	void *item;
	bool closed = true;
	(void)state;
	assert_int_equal(queue_new(&q, 1, 1), 0);
	uint64_t start = clock_mono_ns();
	assert_int_equal(queue_pop(q, &item, 1, 20, &closed), 0);
	assert_false(closed);
	assert_true(clock_mono_ns() - start >= 20 * NSEC_PER_MSEC);
	queue_free(&q);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool valid;
		size_t bad;
	} cases[] = {
		{"", 0, true, 0},
		{"a\0b", 3, true, 0},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, true, 0},
		{"\xf4\x8f\xbf\xbf", 4, true, 0},
		{"ab\x80", 3, false, 2},
		{"\xc0\x80", 2, false, 0},	   /* overlong */
		{"\xe0\x9f\xbf", 3, false, 0},	   /* overlong */
		{"\xed\xa0\x80", 3, false, 0},	   /* surrogate */
		{"\xf4\x90\x80\x80", 4, false, 0}, /* over U+10FFFF */
		{"x\xe2\x82", 3, false, 1},	   /* cut */
		{"\xff", 1, false, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *data = guard_copy(cases[i].text, cases[i].len);
		size_t bad = 0;
		assert_int_equal(utf8_valid((char *)data, cases[i].len, &bad), cases[i].valid);
		if (!cases[i].valid)
			assert_int_equal(bad, cases[i].bad);
		/* In two pieces, wherever it is cut. */
		for (size_t cut = 0; cut <= cases[i].len; cut++) {
			struct utf8_run run = {};
			utf8_run_add(&run, data, cut);
			utf8_run_add(&run, data + cut, cases[i].len - cut);
			assert_int_equal(utf8_run_valid(&run), cases[i].valid);
		}
		guard_free(data, cases[i].len);
		/* Wherever it stands among ASCII. */
		for (size_t around = 0; around < 40 * 40; around++) {
			char text[100];
			size_t before = around / 40, len = before + cases[i].len + around % 40;
			memset(text, 'x', sizeof(text));
			memcpy(text + before, cases[i].text, cases[i].len);
			assert_int_equal(utf8_valid(text, len, &bad), cases[i].valid);
			if (!cases[i].valid)
				assert_int_equal(bad, before + cases[i].bad);
		}
	}
}

static void test_lanes(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= LANES; i++) {
		uint8_t bytes[LANES + 1] = {0};
		memset(bytes + i, 0xff, LANES + 1 - i);
		assert_int_equal(lanes_bits(lanes_load(bytes)), 0xffffU << i & 0xffff);
		assert_int_equal(lanes_first(lanes_load(bytes)), i);
		memset(bytes, 0, sizeof(bytes));
		bytes[i] = 0xff;
		assert_int_equal(lanes_bits(lanes_load(bytes)), 1U << i & 0xffff);
		assert_int_equal(lanes_first(lanes_load(bytes)), i);
	}
}

static void test_time_and_ids(void **state)
{
	char text[CLOCK_RFC3339_LEN], a[UUID_LEN], b[UUID_LEN];
	(void)state;
	clock_format_rfc3339(1700000000123456789ULL, text);
	assert_string_equal(text, "2023-11-14T22:13:20.123456Z");
	clock_format_rfc3339(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	assert_int_equal(uuid_v7(1700000000123ULL * 1000000, a), 0);
	assert_int_equal(uuid_v7(1700000000123ULL * 1000000, b), 0);
	assert_memory_equal(a, "018bcfe5-687b-7", 15);
	assert_true(strchr("89ab", a[19]) != NULL);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), 36);
}

static void test_sha256(void **state)
{
	/* FIPS 180-2 appendix B.1. */
	struct sha256 *ctx = NULL;
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX_LEN];
	(void)state;
	assert_int_equal(sha256_new(&ctx), 0);
	for (int round = 0; round < 2; round++) {
		sha256_update(ctx, "a", 1);
		sha256_update(ctx, "bc", 2);
		sha256_final(ctx, sum);
		hex_encode(sum, sizeof(sum), hex);
		assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		sha256_reset(ctx);
	}
	sha256_free(&ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_keeps_its_ceiling),
		cmocka_unit_test(test_map_against_a_plain_table),
		cmocka_unit_test(test_queue_keeps_order_and_bound),
		cmocka_unit_test(test_queue_pop_times_out),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_time_and_ids),
		cmocka_unit_test(test_sha256),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
