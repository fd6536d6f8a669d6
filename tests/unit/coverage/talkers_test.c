/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <sys/wait.h>
#include <unistd.h>

#include "coverage/talkers.h"

static struct talker list[TALKERS_MAX];

static void test_notes(void **state)
{
	struct talkers *t = NULL;
	(void)state;
	assert_int_equal(talkers_new(&t), 0);
	assert_int_equal(talkers_list(t, list, TALKERS_MAX), 0);
	talkers_note(t, 7, 100);
	talkers_note(t, 7, 200); /* the pid was used again */
	talkers_note(t, 8, 300);
	assert_int_equal(talkers_list(t, list, 1), 1);
	assert_int_equal(talkers_list(t, list, TALKERS_MAX), 2);
	uint64_t sum = list[0].start_boot_ns + list[1].start_boot_ns;
	assert_int_equal(sum, 500);
	talkers_free(&t);
	assert_null(t);
	talkers_free(&t);
}

/* Full: who has ended makes room, who lives stays. */
static void test_bound(void **state)
{
	struct talkers *t = NULL;
	(void)state;
	pid_t gone = fork();
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	assert_int_equal(talkers_new(&t), 0);
	talkers_note(t, (uint32_t)getpid(), 1);
	for (uint32_t i = 1; i < TALKERS_MAX; i++)
		talkers_note(t, (1U << 30) + i, i); /* over the largest pid there is */
	assert_int_equal(talkers_list(t, list, TALKERS_MAX), TALKERS_MAX);
	talkers_note(t, (uint32_t)gone, 2);
	assert_int_equal(talkers_list(t, list, TALKERS_MAX), 2);
	assert_int_equal(list[0].pid + list[1].pid, getpid() + gone);
	talkers_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
