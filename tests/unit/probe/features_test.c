/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/features.h"
#include "probe/return_test.h"

static void no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* The test of return probes must see a killing, or it would call every kernel safe; and a child that met no
 * probe proves nothing. */
static void test_return_test(void **state)
{
	struct timespec start, end;
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(return_test_run(RETURN_TEST_CHILD_FORBIDDEN), RETURN_TEST_KILLED);
	no_child_is_left();
	assert_int_equal(return_test_run(RETURN_TEST_CHILD_ELSEWHERE), RETURN_TEST_FAILED);
	no_child_is_left();
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(return_test_run(RETURN_TEST_CHILD_HANGS), RETURN_TEST_FAILED);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec < 30);
	no_child_is_left();
	assert_int_not_equal(return_test_run(RETURN_TEST_CHILD), RETURN_TEST_FAILED);
	no_child_is_left();
}

/* Whoever starts the agent may have left SIGCHLD ignored. */
static void test_ignored_children(void **state)
{
	struct sigaction now;
	(void)state;
	if (geteuid() != 0)
		skip();
	signal(SIGCHLD, SIG_IGN);
	enum return_test_result result = return_test_run(RETURN_TEST_CHILD);
	assert_int_equal(sigaction(SIGCHLD, NULL, &now), 0);
	signal(SIGCHLD, SIG_DFL);
	assert_int_not_equal(result, RETURN_TEST_FAILED);
	assert_true(now.sa_handler == SIG_IGN);
}

static int open_files(void)
{
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_detect(void **state)
{
	struct features f = {.multi = true};
	(void)state;
	int before = open_files();
	features_detect(&f);
	assert_int_equal(open_files(), before);
	assert_non_null(f.why_returns);
	if (geteuid() == 0)
		assert_int_not_equal(f.returns, FEATURES_RETURN_UNKNOWN);
	/* Cookies are older than multi-uprobe links. */
	assert_true(f.cookie || !f.multi);
	assert_true(f.cgroup[0] == '/' || !f.skb_owner);
	no_child_is_left();
}

/* In a child, without privilege: nothing is claimed. 0: as it should be. */
static int look_unprivileged(void)
{
	struct features f;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 1;
	features_detect(&f);
	if (f.multi || f.send_length || f.kprobe || f.skb_owner)
		return 2;
	return f.returns == FEATURES_RETURN_UNKNOWN ? 0 : 3;
}

static void test_without_privilege(void **state)
{
	int status = 0;
	(void)state;
	if (geteuid() != 0)
		skip();
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(look_unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- mounts -------------------------------------------------------------------------- */

static char folder[] = "/tmp/features_test.XXXXXX";

static void find(const char *text, char ret_path[static PATH_MAX], bool *ret_partial)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/mounts", folder);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	features_find_cgroup(path, ret_path, ret_partial);
	unlink(path);
}

static void test_mounts(void **state)
{
	char path[PATH_MAX], text[512], part[64], root[64], events[96];
	bool partial;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(part, sizeof(part), "%s/part", folder);
	snprintf(root, sizeof(root), "%s/a b\\c", folder);
	snprintf(events, sizeof(events), "%s/cgroup.events", part);
	assert_int_equal(mkdir(part, 0700), 0);
	assert_int_equal(mkdir(root, 0700), 0);
	fclose(fopen(events, "we"));

	/* The root is preferred, wherever it stands; blanks and backslashes are escaped. */
	snprintf(text, sizeof(text),
		 "proc /proc proc rw 0 0\ncgroup2 %s cgroup2 rw 0 0\nnone %s/a\\040b\\134c cgroup2 rw 0 0\n",
		 part, folder);
	find(text, path, &partial);
	assert_string_equal(path, root);
	assert_false(partial);
	snprintf(text, sizeof(text), "cgroup2 %s cgroup2 rw 0 0\n", part);
	find(text, path, &partial);
	assert_string_equal(path, part);
	assert_true(partial);

	static const char *const none[] = {
		"",	   "\n",    "cgroup /sys/fs/cgroup cgroup rw 0 0\n",
		"cgroup2", "a b\n", "cgroup2 /x cgroup22 rw",
	};
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		partial = true;
		find(none[i], path, &partial);
		assert_string_equal(path, "");
		assert_false(partial);
	}
	/* What only looks like an escape stays. */
	find("none /\\04 cgroup2 rw 0 0\n", path, &partial);
	assert_string_equal(path, "/\\04");
	find("none /\\ cgroup2 rw 0 0\n", path, &partial);
	assert_string_equal(path, "/\\");

	/* A mount that is longer than a path can be is none. */
	_cleanup_free_ char *long_text = malloc(3 * PATH_MAX);
	memset(long_text, 'x', 3 * PATH_MAX);
	memcpy(long_text, "none /", 6);
	strcpy(long_text + 2 * PATH_MAX, " cgroup2 rw 0 0\n");
	find(long_text, path, &partial);
	assert_string_equal(path, "");

	features_find_cgroup("/nonexistent/mounts", path, &partial);
	assert_string_equal(path, "");
	assert_false(partial);
	unlink(events);
	rmdir(part);
	rmdir(root);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_return_test), cmocka_unit_test(test_ignored_children),
		cmocka_unit_test(test_detect),	    cmocka_unit_test(test_without_privilege),
		cmocka_unit_test(test_mounts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
