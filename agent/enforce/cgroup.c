/* SPDX-License-Identifier: Apache-2.0 */
#include "enforce/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"

/* The kernel's FILEID_KERNFS (5.5): a file handle that holds nothing but the id. */
#define HANDLE_KERNFS 0xfe

/* The kernel resolves the id, so that a process that is gone does not hide its cgroup. */
static int open_by_id(int mount_fd, uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} u = {.handle = {.handle_bytes = sizeof(id), .handle_type = HANDLE_KERNFS}};

	memcpy(u.room + sizeof(u.handle), &id, sizeof(id));
	int fd = open_by_handle_at(mount_fd, &u.handle, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ESTALE ? -ENOENT : -errno;
}

int cgroup_path(const char *mount, uint64_t id, char *ret_path, size_t size)
{
	char link[64], path[PATH_MAX];
	size_t mount_len = strcmp(mount, "/") == 0 ? 0 : strlen(mount);

	_cleanup_close_ int mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd < 0)
		return -errno;
	_cleanup_close_ int fd = open_by_id(mount_fd, id);
	if (fd < 0)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(path))
		return -ENAMETOOLONG;
	path[n] = 0;
	const char *below = path + mount_len;
	if (strncmp(path, mount, mount_len) != 0 || (*below && *below != '/'))
		return -ENOENT;
	if (strlen(below) >= size)
		return -ENAMETOOLONG;
	snprintf(ret_path, size, "%s", *below ? below : "/");
	return 0;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
	size_t len = strlen(text), n = strlen(with);
	return len >= n && strcmp(text + len - n, with) == 0;
}

bool cgroup_is_shared(const char *path)
{
	static const char *const groups[] = {
		"/kubepods", "/kubepods/besteffort", "/kubepods/burstable", "/docker", "/machine", "/system",
		"/user"};
	const char *name = strrchr(path, '/');

	if (!name || !name[1])
		return true;
	name++;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strcmp(path, groups[i]) == 0)
			return true;
	return ends(name, ".slice") || strcmp(name, "init.scope") == 0 ||
	       (begins(name, "session-") && ends(name, ".scope")) ||
	       (begins(name, "user@") && ends(name, ".service"));
}
