/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/file_identity.h"

static struct file_identity identity_at(const char *path)
{
	struct file_identity id;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || file_identity_of(fd, &id) < 0) {
		perror(path);
		_exit(1);
	}
	close(fd);
	return id;
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(1);
	close(fd);
}

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void overlay(const char *name)
{
	char options[128], dir[32];
	static const char *const parts[] = {"", "/up", "/work", "/merged"};
	for (int i = 0; i < 4; i++) {
		snprintf(dir, sizeof(dir), "%s%s", name, parts[i]);
		CHECK(mkdir(dir, 0700) == 0);
	}
	snprintf(options, sizeof(options), "lowerdir=lower,upperdir=%s/up,workdir=%s/work", name, name);
	CHECK(mount("overlay", dir, "overlay", 0, options) == 0);
}

/* In namespaces and a file system of its own, which go with the process. */
static void two_overlays(const char *folder)
{
	CHECK(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", folder, "tmpfs", 0, "mode=700") == 0 && chdir(folder) == 0);
	CHECK(mkdir("lower", 0700) == 0);
	make_file("lower/lib", "same length");
	make_file("lower/other", "same LENGTH");
	overlay("a");
	overlay("b");

	struct file_identity lower = identity_at("lower/lib"), a = identity_at("a/merged/lib"),
			     b = identity_at("b/merged/lib"), other = identity_at("a/merged/other");
	CHECK(!lower.overlay && a.overlay && b.overlay);
	CHECK(a.place != b.place && a.place != lower.place);
	CHECK(file_identity_same_content(&a, &b));
	CHECK(file_identity_same_content(&a, &lower) && file_identity_same_content(&lower, &b));
	CHECK(!file_identity_same_content(&a, &other));

	/* A file that was changed in one of them is a file of its own. */
	make_file("a/merged/lib", "SAME length");
	struct file_identity changed = identity_at("a/merged/lib");
	CHECK(!file_identity_same_content(&changed, &b) && !file_identity_same_content(&changed, &lower));
	/* Without an overlay the place alone counts. */
	struct file_identity twin = lower;
	CHECK(!file_identity_same_content(&lower, &twin));
	_exit(0);
}

static void test_overlays(void **state)
{
	char folder[] = "/tmp/oaitap-identity-XXXXXX";
	int status = 0;
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(folder));
	pid_t pid = fork();
	if (pid == 0)
		two_overlays(folder);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(status, 0);
}

static void test_versions(void **state)
{
	char path[] = "/tmp/oaitap-identity-XXXXXX";
	struct file_identity before, after;
	int fd = mkstemp(path);
	(void)state;
	assert_int_equal(file_identity_of(fd, &before), 0);
	assert_int_equal(file_identity_of(fd, &after), 0);
	assert_true(before.place == after.place && before.version == after.version);
	usleep(20000);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(file_identity_of(fd, &after), 0);
	assert_true(before.place == after.place && before.version != after.version);
	close(fd);
	unlink(path);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(file_identity_of(pipes[0], &after), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(file_identity_of(pipes[0], &after), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlays),
		cmocka_unit_test(test_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
