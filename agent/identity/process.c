/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

#define STAT_MAX	 4096
#define CGROUP_MAX	 (64 * 1024)
#define PASSWD_BUF_FIRST 1024
#define PASSWD_BUF_MAX	 (1024 * 1024)

void identity_process_done(struct identity_process *process)
{
	free(process->exe);
	free(process->user);
	free(process->cgroup);
	free(process->unit);
	*process = (struct identity_process){0};
}

/* At most size - 1 bytes and a NUL; what is beyond is left. */
static ssize_t read_at(int dir_fd, const char *name, char *ret_text, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	size_t len = 0;
	while (len < size - 1) {
		ssize_t n = read(fd, ret_text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	ret_text[len] = 0;
	return (ssize_t)len;
}

struct stat_line {
	uint32_t parent_pid;
	uint64_t start_ticks;
};

/* proc_pid_stat(5). The second field is the name in parentheses, and a name may hold both those and spaces:
 * what counts is the last one that closes. */
static int parse_stat(const char *text, struct stat_line *ret_line)
{
	struct stat_line line;
	const char *end = strrchr(text, ')');
	if (!end)
		return -EBADMSG;
	int n = sscanf(end + 1,
		       " %*c %" SCNu32
		       " %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		       &line.parent_pid, &line.start_ticks);
	if (n != 2)
		return -EBADMSG;
	*ret_line = line;
	return 0;
}

static bool same_start(uint64_t start_boot_ns, uint64_t start_ticks)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t ticks = start_boot_ns / (NSEC_PER_SEC / (uint64_t)(hz > 0 ? hz : 100));
	return (ticks > start_ticks ? ticks - start_ticks : start_ticks - ticks) <= 1;
}

/* The process's folder if it is that process; a descriptor goes on meaning the same process when its pid is
 * reused. */
static int open_process(const char *proc_root, const struct identity_process *process, int *ret_fd,
			struct stat_line *ret_line)
{
	char path[PATH_MAX], text[STAT_MAX];
	int n = snprintf(path, sizeof(path), "%s/%" PRIu32, proc_root, process->pid);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t len = read_at(fd, "stat", text, sizeof(text));
	if (len < 0)
		return (int)len;
	struct stat_line line;
	int r = parse_stat(text, &line);
	if (r < 0)
		return r;
	if (process->start_boot_ns && !same_start(process->start_boot_ns, line.start_ticks))
		return -ESRCH;
	*ret_line = line;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path);
	if (len > sizeof(mark) - 1 && strcmp(path + len - (sizeof(mark) - 1), mark) == 0)
		path[len - (sizeof(mark) - 1)] = 0;
}

static int read_exe(int dir_fd, char **ret_exe)
{
	char path[PATH_MAX + 1];
	ssize_t len = readlinkat(dir_fd, "exe", path, sizeof(path));
	if (len <= 0 || (size_t)len == sizeof(path)) /* gone, a kernel thread, not allowed, or cut */
		return 0;
	path[len] = 0;
	strip_deleted(path);
	*ret_exe = strdup(path);
	return *ret_exe ? 0 : -ENOMEM;
}

/* How well a line of /proc/PID/cgroup places the process; 0: not at all. On a hybrid host the unified
 * hierarchy may exist and hold everything at its root. */
static int cgroup_rank(const char *id, const char *controllers, const char *path)
{
	bool root = strcmp(path, "/") == 0;
	if (path[0] != '/')
		return 0;
	if (strcmp(id, "0") == 0 && !*controllers)
		return root ? 2 : 5;
	if (strcmp(controllers, "name=systemd") == 0)
		return root ? 2 : 4;
	return root ? 1 : 3;
}

/* The best path of lines "ID:CONTROLLERS:PATH" (cgroups(7)), or NULL; points into text, which is cut into
 * strings. A path may hold colons. */
static char *best_cgroup(char *text)
{
	char *best = NULL, *state = NULL;
	int best_rank = 0;

	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		*controllers++ = 0;
		*path++ = 0;
		int rank = cgroup_rank(line, controllers, path);
		if (rank > best_rank) {
			best = path;
			best_rank = rank;
		}
	}
	return best;
}

static bool is_unit(const char *name, size_t len)
{
	static const char *const suffixes[] = {".service", ".scope"};
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t n = strlen(suffixes[i]);
		if (len > n && memcmp(name + len - n, suffixes[i], n) == 0)
			return true;
	}
	return false;
}

static int copy_unit(const char *cgroup, char **ret_unit)
{
	const char *unit = NULL;
	size_t unit_len = 0;

	for (const char *p = cgroup; *p;) {
		size_t len = strcspn(p, "/");
		if (is_unit(p, len)) {
			unit = p;
			unit_len = len;
		}
		p += len + (p[len] == '/');
	}
	if (!unit)
		return 0;
	*ret_unit = strndup(unit, unit_len);
	return *ret_unit ? 0 : -ENOMEM;
}

static int read_cgroup(int dir_fd, char **ret_cgroup, char **ret_unit)
{
	_cleanup_free_ char *text = malloc(CGROUP_MAX);
	if (!text)
		return -ENOMEM;
	ssize_t len = read_at(dir_fd, "cgroup", text, CGROUP_MAX);
	if (len <= 0)
		return 0;
	if (len == CGROUP_MAX - 1) { /* the last line may be cut */
		char *end = strrchr(text, '\n');
		*(end ? end : text) = 0;
	}
	char *path = best_cgroup(text);
	if (!path)
		return 0;
	strip_deleted(path);
	*ret_cgroup = strdup(path);
	return *ret_cgroup ? copy_unit(path, ret_unit) : -ENOMEM;
}

static int read_user(uint32_t uid, char **ret_user)
{
	for (size_t size = PASSWD_BUF_FIRST; size <= PASSWD_BUF_MAX; size *= 2) {
		_cleanup_free_ char *buf = malloc(size);
		if (!buf)
			return -ENOMEM;
		struct passwd entry, *found = NULL;
		int r = getpwuid_r(uid, &entry, buf, size, &found);
		if (r == ERANGE)
			continue;
		if (r != 0 || !found)
			return 0;
		*ret_user = strdup(found->pw_name);
		return *ret_user ? 0 : -ENOMEM;
	}
	return 0;
}

int identity_process_read(const char *proc_root, struct identity_process *process)
{
	_cleanup_(identity_process_done) struct identity_process read = {0};
	_cleanup_close_ int fd = -1;
	struct stat_line line = {0};

	int r = open_process(proc_root, process, &fd, &line);
	if (r == 0)
		r = read_exe(fd, &read.exe);
	if (r == 0)
		r = read_cgroup(fd, &read.cgroup, &read.unit);
	if (r != -ENOMEM)
		r = read_user(process->uid, &read.user);
	if (r < 0)
		return r;

	process->exe = TAKE_PTR(read.exe);
	process->cgroup = TAKE_PTR(read.cgroup);
	process->unit = TAKE_PTR(read.unit);
	process->user = TAKE_PTR(read.user);
	if (process->parent_pid == 0)
		process->parent_pid = line.parent_pid;
	if (process->start_boot_ns && process->start_real_ns == 0)
		process->start_real_ns = clock_boot_to_real_ns(process->start_boot_ns);
	return 0;
}
