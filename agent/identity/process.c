/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "identity/users.h"

#define STAT_MAX   4096
#define CGROUP_MAX (64 * 1024)

/* In the order in which they count. */
enum cgroup_kind { CGROUP_UNIFIED, CGROUP_SYSTEMD, CGROUP_OTHER };

void identity_process_done(struct identity_process *process)
{
	free(process->exe);
	free(process->user);
	free(process->cgroup);
	free(process->unit);
	json_decref(process->args);
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
	char comm[16];
};

/* proc_pid_stat(5). The second field is the name in parentheses, and a name may hold both those and spaces:
 * what counts is the last one that closes. */
static int parse_stat(const char *text, struct stat_line *ret_line)
{
	struct stat_line line = {0};
	const char *start = strchr(text, '('), *end = strrchr(text, ')');
	if (!start || !end || end < start)
		return -EBADMSG;
	memcpy(line.comm, start + 1, MIN((size_t)(end - start - 1), sizeof(line.comm) - 1));
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

/* How well a cgroup places a process; 0: not at all. What names a container says most: on a hybrid host some
 * container engines make cgroups in one hierarchy only. Otherwise the unified hierarchy, systemd's, another.
 */
static int cgroup_rank(enum cgroup_kind kind, const char *path)
{
	struct container_place place;
	if (path[0] != '/')
		return 0;
	if (container_place_read(path, &place))
		return 6 + (2 - (int)kind);
	if (strcmp(path, "/") == 0)
		return kind == CGROUP_OTHER ? 1 : 2;
	return 3 + (2 - (int)kind);
}

static enum cgroup_kind cgroup_kind_of(const char *id, const char *controllers)
{
	if (strcmp(id, "0") == 0 && !*controllers)
		return CGROUP_UNIFIED;
	return strcmp(controllers, "name=systemd") == 0 ? CGROUP_SYSTEMD : CGROUP_OTHER;
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
		int rank = cgroup_rank(cgroup_kind_of(line, controllers), path);
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

/* --- what the kernel saw ------------------------------------------------------------- */

/* The components from the first to the last. A path that was cut is none. */
static int join_path(const struct identity_seen_path *seen, char **ret_path)
{
	if (seen->cut)
		return 0;
	char *path = malloc(seen->len + 2), *at;
	if (!path)
		return -ENOMEM;
	at = path + seen->len + 1;
	*at = 0;
	for (size_t i = 0; i < seen->len;) {
		size_t n = strnlen(seen->text + i, seen->len - i);
		at -= n + 1;
		at[0] = '/';
		memcpy(at + 1, seen->text + i, n);
		i += n + 1;
	}
	if (!*at)
		*--at = '/';
	memmove(path, at, strlen(at) + 1);
	*ret_path = path;
	return 0;
}

static int join_cgroup(struct identity_process *p, const struct identity_seen *seen)
{
	int best_rank = 0;
	for (int kind = CGROUP_UNIFIED; kind < IDENTITY_HIERARCHIES; kind++) {
		_cleanup_free_ char *path = NULL;
		/* Only version 2's root is told by an empty path. */
		if (kind != CGROUP_UNIFIED && seen->cgroups[kind].len == 0)
			continue;
		int r = join_path(&seen->cgroups[kind], &path);
		if (r < 0)
			return r;
		int rank = path ? cgroup_rank((enum cgroup_kind)kind, path) : 0;
		if (rank <= best_rank)
			continue;
		best_rank = rank;
		free(p->cgroup);
		p->cgroup = TAKE_PTR(path);
	}
	return p->cgroup ? copy_unit(p->cgroup, &p->unit) : 0;
}

static int join_exe(struct identity_process *p, const struct identity_seen *seen)
{
	/* No program has the root as its executable: nothing was read. */
	return seen->exe.len ? join_path(&seen->exe, &p->exe) : 0;
}

int identity_process_seen(struct identity_process *process, const struct identity_seen *seen)
{
	_cleanup_(identity_process_done) struct identity_process read = {0};
	int r = join_exe(&read, seen);
	if (r == 0)
		r = join_cgroup(&read, seen);
	if (r == 0 && seen->args) {
		read.args = identity_args_masked(seen->args, seen->args_len);
		r = read.args ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	process->exe = TAKE_PTR(read.exe);
	process->cgroup = TAKE_PTR(read.cgroup);
	process->unit = TAKE_PTR(read.unit);
	process->args = TAKE_PTR(read.args);
	process->args_cut = seen->args_cut;
	process->n_parents = MIN(seen->n_parents, (size_t)IDENTITY_PARENTS_MAX);
	if (process->n_parents)
		memcpy(process->parents, seen->parents, process->n_parents * sizeof(*seen->parents));
	if (process->cgroup)
		(void)container_place_read(process->cgroup, &process->in);
	return 0;
}

/* --- what /proc says ----------------------------------------------------------------- */

/* The chain above a living process; what has ended meanwhile ends the chain. */
static void read_parents(const char *proc_root, uint32_t pid, struct identity_process *p)
{
	long hz = sysconf(_SC_CLK_TCK);
	while (pid && p->n_parents < IDENTITY_PARENTS_MAX) {
		const struct identity_process parent = {.pid = pid};
		_cleanup_close_ int fd = -1;
		struct stat_line line = {0};
		if (open_process(proc_root, &parent, &fd, &line) < 0)
			return;
		struct identity_parent *to = &p->parents[p->n_parents++];
		to->pid = pid;
		to->start_boot_ns = line.start_ticks * (NSEC_PER_SEC / (uint64_t)(hz > 0 ? hz : 100));
		memcpy(to->comm, line.comm, sizeof(to->comm));
		pid = line.parent_pid;
	}
}

/* Only if something is missing. */
static int read_living(const char *proc_root, const struct identity_process *given,
		       struct identity_process *ret_read)
{
	_cleanup_close_ int fd = -1;
	struct stat_line line = {0};

	if (given->exe && given->cgroup && given->parent_pid && given->n_parents)
		return 0;
	if (open_process(proc_root, given, &fd, &line) < 0)
		return 0;
	int r = given->exe ? 0 : read_exe(fd, &ret_read->exe);
	if (r == 0 && !given->cgroup)
		r = read_cgroup(fd, &ret_read->cgroup, &ret_read->unit);
	ret_read->parent_pid = line.parent_pid;
	if (r == 0 && !given->n_parents)
		read_parents(proc_root, line.parent_pid, ret_read);
	return r;
}

int identity_process_read(const char *proc_root, struct identity_process *process)
{
	_cleanup_(identity_process_done) struct identity_process read = {0};

	int r = read_living(proc_root, process, &read);
	if (r == 0 && !process->user)
		r = identity_user_read(process->uid, &read.user);
	if (r < 0)
		return r;

	if (read.exe)
		process->exe = TAKE_PTR(read.exe);
	if (read.user)
		process->user = TAKE_PTR(read.user);
	if (read.cgroup) {
		process->cgroup = TAKE_PTR(read.cgroup);
		process->unit = TAKE_PTR(read.unit);
		(void)container_place_read(process->cgroup, &process->in);
	}
	if (process->parent_pid == 0)
		process->parent_pid = read.parent_pid;
	if (process->n_parents == 0) {
		process->n_parents = read.n_parents;
		memcpy(process->parents, read.parents, sizeof(read.parents));
	}
	if (process->start_boot_ns && process->start_real_ns == 0)
		process->start_real_ns = clock_boot_to_real_ns(process->start_boot_ns);
	return 0;
}
