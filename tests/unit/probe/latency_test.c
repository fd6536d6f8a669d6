/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdint.h>

#include "probe/latency.h"

static void test_percentiles(void **state)
{
	static struct latency l;
	(void)state;
	assert_int_equal(latency_percentile(&l, 99), 0);
	latency_add(&l, 7999);
	assert_int_equal(latency_percentile(&l, 1), 7);
	assert_int_equal(latency_percentile(&l, 100), 7);
	for (uint64_t us = 100; us > 1; us--)
		latency_add(&l, us * 1000);
	assert_int_equal(l.count, 100);
	assert_int_equal(latency_percentile(&l, 50), 50);
	assert_int_equal(latency_percentile(&l, 99), 99);
	assert_int_equal(latency_percentile(&l, 100), 100);
	assert_int_equal(l.max_us, 100);
}

static void test_only_the_last_count(void **state)
{
	static struct latency l;
	(void)state;
	latency_add(&l, UINT64_MAX);
	for (unsigned int i = 0; i < LATENCY_KEPT; i++)
		latency_add(&l, 5000);
	assert_int_equal(latency_percentile(&l, 100), 5);
	assert_int_equal(l.max_us, UINT32_MAX);
	assert_int_equal(l.count, LATENCY_KEPT + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_only_the_last_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
