/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/watch.h"

struct seen {
	pid_t pid;
	uint64_t start_ns;
	bool found, exec;
};

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct seen *seen = ctx;
	if (m->pid != seen->pid)
		return;
	assert_true(m->end > m->start);
	assert_int_not_equal(m->inode, 0);
	assert_true(m->ts_ns >= seen->start_ns && m->ts_ns <= clock_mono_ns());
	assert_true(seen->exec); /* told first */
	seen->found |= strstr(m->path, "/true") != NULL;
}

static void on_exec(void *ctx, pid_t pid)
{
	struct seen *seen = ctx;
	seen->exec |= pid == seen->pid;
}

static const struct watch_ops ops = {.on_mapping = on_mapping, .on_exec = on_exec};

/* A program that starts wakes the watch, and is told. */
static void test_new_program_wakes(void **state)
{
	struct watch *w = NULL;
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(watch_new(&w), 0);
	struct seen seen = {.start_ns = clock_mono_ns()};
	seen.pid = fork();
	if (seen.pid == 0) {
		pthread_setname_np(pthread_self(), "renamed"); /* not an exec */
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 100 && !seen.found; i++) {
		struct pollfd p = {.fd = watch_fd(w), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 5000), 1);
		(void)watch_drain(w, &ops, &seen);
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
