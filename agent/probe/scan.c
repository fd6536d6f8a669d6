/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/scan.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/macro.h"

#define MAPS_LINES_MAX 200000U

static void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* One line of /proc/PID/maps (proc(5)). False: not an executable mapping of a file. path points into line. */
static bool parse_line(char *line, struct scan_mapping *ret)
{
	char perms[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %x:%x %" SCNu64 " %n", &ret->start, &ret->end,
		   perms, &ret->dev_major, &ret->dev_minor, &ret->inode, &at) < 6 ||
	    at == 0)
		return false;
	if (perms[2] != 'x' || ret->inode == 0 || line[at] != '/')
		return false;
	line[strcspn(line, "\n")] = 0;
	ret->path = line + at;
	return true;
}

int scan_process(pid_t pid, scan_mapping_fn fn, void *ctx)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	_cleanup_(cleanup_file) FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	for (unsigned int i = 0; i < MAPS_LINES_MAX && getline(&line, &cap, f) > 0; i++) {
		struct scan_mapping m = {.pid = pid};
		if (parse_line(line, &m))
			fn(ctx, &m);
	}
	return ferror(f) ? -EIO : 0;
}

int scan_pids(scan_pid_fn fn, void *ctx)
{
	_cleanup_(cleanup_dir) DIR *d = opendir("/proc");
	if (!d)
		return -errno;
	for (struct dirent *e; (e = readdir(d));)
		if (isdigit((unsigned char)e->d_name[0]))
			fn(ctx, (pid_t)atoi(e->d_name));
	return 0;
}

/* Opens for reading what a look (O_PATH) at it has found fit: only now a device or a pipe would notice. */
static int reopen(int fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return r >= 0 ? r : -errno;
}

/* The path is the process's to change at any time: what it leads to must be the file that is mapped. Btrfs,
 * overlayfs and their like tell stat() another device than the list of mappings; one of the two then is
 * anonymous (major 0), and the inode number has to do. Two different disks are two different files. */
static bool is_mapped_file(const struct stat *st, const struct scan_mapping *m)
{
	if (st->st_ino != m->inode)
		return false;
	bool same = major(st->st_dev) == m->dev_major && minor(st->st_dev) == m->dev_minor;
	return same || major(st->st_dev) == 0 || m->dev_major == 0;
}

/* The process's own root: its links must not lead out of it into ours. Kernels with the ring buffer (5.8)
 * have openat2() (5.6). */
static int look_below_root(const struct scan_mapping *m)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/root", m->pid);
	_cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, root, m->path, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return is_mapped_file(&st, m) ? TAKE_FD(fd) : -ESTALE;
}

int scan_open_mapping(const struct scan_mapping *m)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, m->pid, m->start, m->end);
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	/* The range changes when part of it gets other permissions; without CAP_SYS_ADMIN the folder is
	 * closed. */
	if (fd < 0)
		fd = look_below_root(m);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? reopen(fd) : -EINVAL;
}

static void scan_dir(const char *dir, const char *prefix, scan_file_fn fn, void *ctx)
{
	_cleanup_(cleanup_dir) DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		char path[PATH_MAX];
		if (snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			fn(ctx, path);
	}
}

static void scan_path_variable(const char *const *names, size_t n, scan_file_fn fn, void *ctx)
{
	const char *env = getenv("PATH");
	_cleanup_free_ char *list = strdup(env ? env : "/usr/local/bin:/usr/bin:/bin");
	char *save = NULL;
	if (!list)
		return;
	for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save))
		for (size_t i = 0; i < n; i++) {
			char path[PATH_MAX];
			if (dir[0] == '/' &&
			    snprintf(path, sizeof(path), "%s/%s", dir, names[i]) < (int)sizeof(path))
				fn(ctx, path);
		}
}

void scan_installed(scan_file_fn fn, void *ctx)
{
	static const char *const dirs[] = {
		"/lib/x86_64-linux-gnu",
		"/lib/aarch64-linux-gnu",
		"/usr/lib/x86_64-linux-gnu",
		"/usr/lib/aarch64-linux-gnu",
		"/usr/lib64",
		"/lib64",
		"/usr/lib",
		"/usr/local/lib",
		"/usr/local/lib64",
		"/usr/local/ssl/lib",
		"/opt/openssl/lib",
	};
	static const char *const programs[] = {"node", "nodejs"};
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		scan_dir(dirs[i], "libssl", fn, ctx);
	scan_path_variable(programs, ARRAY_SIZE(programs), fn, ctx);
}
