/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>

#include "enforce/blocks.h"

static const struct block_key cgroup = {.id = 7}, other = {.id = 8}, process = {.id = 7, .tgid = 1};

static int setup(void **state)
{
	struct blocks *b = NULL;
	int r = blocks_new(&b);
	*state = b;
	return r;
}

static int teardown(void **state)
{
	struct blocks *b = *state;
	blocks_free(&b);
	assert_null(b);
	blocks_free(&b);
	return 0;
}

/* A cgroup and a process are two, whatever their ids. */
static void test_add(void **state)
{
	struct blocks *b = *state;
	struct block *found = NULL;
	int mine;
	assert_int_equal(blocks_next_ns(b), UINT64_MAX);
	assert_null(blocks_find(b, &cgroup));
	assert_int_equal(blocks_add(b, &cgroup, 100, 50, &found), 1);
	found->data = &mine;
	assert_int_equal(blocks_add(b, &process, 100, 10, &found), 1);
	assert_null(found->data);
	assert_int_equal(blocks_len(b, true), 1);
	assert_int_equal(blocks_len(b, false), 1);
	assert_int_equal(blocks_next_ns(b), 110);
	found = blocks_find(b, &cgroup);
	assert_ptr_equal(found->data, &mine);
	assert_int_equal(found->begun_ns, 100);
	assert_int_equal(found->until_ns, 150);
	assert_null(blocks_find(b, &other));
}

/* Later violations extend a block and never make it shorter. */
static void test_extend(void **state)
{
	struct blocks *b = *state;
	struct block *found;
	int mine;
	assert_int_equal(blocks_add(b, &cgroup, 100, 50, &found), 1);
	found->data = &mine;
	found->ended = 3;
	assert_int_equal(blocks_add(b, &cgroup, 120, 50, &found), 0);
	assert_int_equal(found->until_ns, 170);
	assert_int_equal(blocks_add(b, &cgroup, 130, 1, &found), 0);
	assert_int_equal(found->until_ns, 170);
	assert_int_equal(found->begun_ns, 100);
	assert_int_equal(found->violations, 3);
	assert_int_equal(found->ended, 3);
	assert_ptr_equal(found->data, &mine);
	assert_int_equal(blocks_len(b, false), 1);
}

static void test_due(void **state)
{
	struct blocks *b = *state;
	struct block *found, gone = {0};
	(void)blocks_add(b, &cgroup, 0, 30, &found);
	(void)blocks_add(b, &process, 0, 10, &found);
	(void)blocks_add(b, &other, 0, 20, &found);
	assert_false(blocks_take_due(b, 9, &gone));
	assert_int_equal(gone.until_ns, 0);
	assert_true(blocks_take_due(b, 25, &gone));
	assert_int_equal(gone.until_ns, 10);
	assert_true(blocks_take_due(b, 25, &gone));
	assert_int_equal(gone.key.id, other.id);
	assert_false(blocks_take_due(b, 25, &gone));
	assert_int_equal(blocks_next_ns(b), 30);
	/* It is over when its time is, not a moment later. */
	assert_true(blocks_take_due(b, 30, &gone));
	assert_false(blocks_take_due(b, UINT64_MAX, &gone));
	/* A new block of the same is a new one. */
	assert_int_equal(blocks_add(b, &cgroup, 40, 5, &found), 1);
	assert_int_equal(found->violations, 1);
	assert_int_equal(found->begun_ns, 40);
	assert_true(blocks_take_due(b, UINT64_MAX, &gone));
}

static void test_take(void **state)
{
	struct blocks *b = *state;
	struct block *found, gone;
	(void)blocks_add(b, &cgroup, 0, 30, &found);
	(void)blocks_add(b, &other, 0, 20, &found);
	assert_false(blocks_take(b, &process, &gone));
	assert_true(blocks_take(b, &cgroup, &gone));
	assert_int_equal(gone.until_ns, 30);
	assert_false(blocks_take(b, &cgroup, &gone));
	assert_non_null(blocks_find(b, &other));
}

static void test_full(void **state)
{
	struct blocks *b = *state;
	struct block *found, gone;
	for (uint64_t i = 1; i <= BLOCK_SUBJECTS_MAX; i++) {
		const struct block_key key = {.id = i};
		assert_int_equal(blocks_add(b, &key, i, 1, &found), 1);
	}
	const struct block_key first = {.id = 1}, one_more = {.id = BLOCK_SUBJECTS_MAX + 1};
	assert_int_equal(blocks_add(b, &one_more, 5, 1, &found), -ENOSPC);
	assert_int_equal(blocks_add(b, &first, 5, 1, &found), 0);
	assert_int_equal(found->key.id, 1);
	assert_true(blocks_take_due(b, 3, &gone));
	assert_int_equal(gone.key.id, 2);
	assert_int_equal(blocks_add(b, &one_more, 5, 1, &found), 1);
	assert_int_equal(blocks_len(b, false), BLOCK_SUBJECTS_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_add), TEST(test_extend), TEST(test_due), TEST(test_take), TEST(test_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
