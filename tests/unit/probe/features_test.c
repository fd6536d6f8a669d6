/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/features.h"
#include "probe/return_test.h"

static void test_no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* The test of return probes must see a killing, or it would call every kernel safe. */
static void test_killing_is_seen(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(return_test_run(true), RETURN_TEST_KILLED);
	test_no_child_is_left();
	assert_int_not_equal(return_test_run(false), RETURN_TEST_FAILED);
	test_no_child_is_left();
}

static void test_detect(void **state)
{
	struct features f = {.multi = true};
	(void)state;
	features_detect(&f);
	assert_non_null(f.why_returns);
	if (geteuid() == 0)
		assert_int_not_equal(f.returns, FEATURES_RETURN_UNKNOWN);
	/* Cookies are older than multi-uprobe links. */
	assert_true(f.cookie || !f.multi);
	assert_true(f.cgroup[0] == '/' || !f.skb_owner);
	test_no_child_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killing_is_seen),
		cmocka_unit_test(test_detect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
