/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/watch.h"

struct seen {
	pid_t pid;
	bool found;
};

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct seen *seen = ctx;
	if (m->pid != seen->pid)
		return;
	assert_true(m->end > m->start);
	assert_int_not_equal(m->inode, 0);
	seen->found |= strstr(m->path, "/true") != NULL;
}

/* A program that starts wakes the watch, and is told. */
static void test_new_program_wakes(void **state)
{
	struct watch *w = NULL;
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(watch_new(&w), 0);
	struct seen seen = {.pid = fork()};
	if (seen.pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 100 && !seen.found; i++) {
		struct pollfd p = {.fd = watch_fd(w), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 5000), 1);
		(void)watch_drain(w, on_mapping, &seen);
	}
	assert_true(seen.found);
	assert_int_equal(waitpid(seen.pid, NULL, 0), seen.pid);
	watch_free(&w);
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_new_program_wakes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
