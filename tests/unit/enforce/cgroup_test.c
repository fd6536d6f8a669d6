/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "enforce/cgroup.h"

static void test_shared(void **state)
{
	static const char *const shared[] = {
		"",
		"/",
		"/init.scope",
		"/system.slice",
		"/user.slice",
		"/user.slice/user-1000.slice",
		"/user.slice/user-1000.slice/session-3.scope",
		"/user.slice/user-1000.slice/user@1000.service",
		"/user.slice/user-1000.slice/user@1000.service/init.scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice",
		"/kubepods",
		"/kubepods/burstable",
		"/kubepods.slice/kubepods-besteffort.slice",
		"/docker",
	};
	static const char *const own[] = {
		"/system.slice/app.service",
		"/system.slice/cron.service",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/chat.service",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope",
		"/system.slice/docker-0123456789abcdef.scope",
		"/docker/0123456789abcdef",
		"/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/0123456789abcdef",
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-0123456789abcdef.scope",
		"/machine.slice/libpod-0123456789abcdef.scope/container",
		"/session-3.scope/app",
		"/slice",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (!cgroup_is_shared(shared[i]))
			fail_msg("%s is shared", shared[i]);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (cgroup_is_shared(own[i]))
			fail_msg("%s is somebody's own", own[i]);
}

/* Where cgroup v2 is mounted; "": nowhere, or this user may not make a cgroup. */
static void find_mount(char ret_path[static PATH_MAX])
{
	char line[PATH_MAX + 256], type[32];
	FILE *f = fopen("/proc/self/mounts", "re");
	bool found = false;
	ret_path[0] = 0;
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %4095s %31s", ret_path, type) == 2 && strcmp(type, "cgroup2") == 0;
	if (f)
		fclose(f);
	if (!found || access(ret_path, W_OK) < 0 || geteuid() != 0)
		ret_path[0] = 0;
}

/* By its id, whether anybody is in it or not, and no more when it is gone. */
static void test_path(void **state)
{
	char mount[PATH_MAX], path[PATH_MAX + 64], found[PATH_MAX];
	struct stat st;
	(void)state;
	find_mount(mount);
	if (!mount[0])
		skip();
	snprintf(path, sizeof(path), "%s/oaitap-unit-%d", mount, getpid());
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	int r = cgroup_path(mount, st.st_ino, found, sizeof(found));
	if (r == 0)
		assert_string_equal(found, path + strlen(mount));
	assert_int_equal(cgroup_path(mount, st.st_ino, found, 5), r == 0 ? -ENAMETOOLONG : r);
	assert_int_equal(rmdir(path), 0);
	if (r == -EPERM)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(cgroup_path(mount, st.st_ino, found, sizeof(found)), -ENOENT);
	assert_int_equal(stat(mount, &st), 0);
	assert_int_equal(cgroup_path(mount, st.st_ino, found, sizeof(found)), 0);
	assert_string_equal(found, "/");
	assert_int_equal(cgroup_path("/nowhere", 1, found, sizeof(found)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
