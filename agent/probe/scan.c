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

/* Links must not lead out of the root into ours. Kernels with the ring buffer (5.8) have openat2() (5.6). */
static int open_below(int root, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd >= 0 ? fd : -errno;
}

/* pid 0: our own. */
static int open_root(pid_t pid)
{
	char path[64] = "/";
	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/root", pid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static int look_below_root(pid_t pid, const struct scan_mapping *m)
{
	struct stat st;

	_cleanup_close_ int root = open_root(pid);
	if (root < 0)
		return root;
	_cleanup_close_ int fd = open_below(root, m->path, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
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
		fd = look_below_root(m->pid, m);
	/* A process that is gone already may have used what the next one will use. */
	if (fd == -ENOENT || fd == -ESRCH)
		fd = look_below_root(0, m);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? reopen(fd) : -EINVAL;
}

/* --- what is installed --------------------------------------------------------------- */

/* A container can put anything into its folders. */
#define FOLDER_ENTRIES_MAX 8192U
#define FOLDER_FILES_MAX   64U

struct installed {
	int root;
	scan_file_fn fn;
	void *ctx;
};

static void give_file(const struct installed *in, const char *path)
{
	struct stat st;

	_cleanup_close_ int place = open_below(in->root, path, 0);
	if (place < 0 || fstat(place, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	_cleanup_close_ int fd = reopen(place);
	if (fd >= 0)
		in->fn(in->ctx, fd, path);
}

static DIR *open_folder(int root, const char *path)
{
	char name[64];

	_cleanup_close_ int place = open_below(root, path, O_DIRECTORY);
	if (place < 0)
		return NULL;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
	return opendir(name);
}

static void look_into_folder(const struct installed *in, const char *folder)
{
	_cleanup_(cleanup_dir) DIR *d = open_folder(in->root, folder);
	unsigned int entries = 0, files = 0;

	for (struct dirent *e; d && entries < FOLDER_ENTRIES_MAX && (e = readdir(d)); entries++) {
		char path[PATH_MAX];
		if (strncmp(e->d_name, "libssl", 6) != 0)
			continue;
		if (++files > FOLDER_FILES_MAX)
			return;
		if (snprintf(path, sizeof(path), "%s/%s", folder, e->d_name) < (int)sizeof(path))
			give_file(in, path);
	}
}

static void look_into_folders(const struct installed *in)
{
	static const char *const folders[] = {
		"/lib",
		"/lib64",
		"/lib/x86_64-linux-gnu",
		"/lib/aarch64-linux-gnu",
		"/usr/lib",
		"/usr/lib64",
		"/usr/lib/x86_64-linux-gnu",
		"/usr/lib/aarch64-linux-gnu",
		"/usr/lib/x86_64-linux-musl",
		"/usr/lib/aarch64-linux-musl",
		"/usr/local/lib",
		"/usr/local/lib64",
		"/usr/local/lib/x86_64-linux-gnu",
		"/usr/local/lib/aarch64-linux-gnu",
		"/usr/local/ssl/lib",
		"/usr/local/ssl/lib64",
		"/opt/openssl/lib",
		"/opt/openssl/lib64",
	};
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		look_into_folder(in, folders[i]);
}

static void look_for_programs(const struct installed *in, const char *search_path)
{
	static const char *const programs[] = {"node", "nodejs"};
	_cleanup_free_ char *list = strdup(search_path);
	char *save = NULL;

	if (!list)
		return;
	for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save))
		for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
			char path[PATH_MAX];
			if (dir[0] == '/' &&
			    snprintf(path, sizeof(path), "%s/%s", dir, programs[i]) < (int)sizeof(path))
				give_file(in, path);
		}
}

static int look_below(pid_t pid, const char *search_path, scan_file_fn fn, void *ctx)
{
	_cleanup_close_ int root = open_root(pid);
	if (root < 0)
		return root;
	const struct installed in = {.root = root, .fn = fn, .ctx = ctx};
	look_into_folders(&in);
	look_for_programs(&in, search_path);
	return 0;
}

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

int scan_installed_in(pid_t pid, scan_file_fn fn, void *ctx)
{
	return look_below(pid, USUAL_PATH, fn, ctx);
}

void scan_installed(scan_file_fn fn, void *ctx)
{
	const char *search_path = getenv("PATH");
	(void)look_below(0, search_path ? search_path : USUAL_PATH, fn, ctx);
}
