/* SPDX-License-Identifier: Apache-2.0 */

/* Processes that come, map and go, against the real watch and real probes. Needs root. */

#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/namespaces.h"
#include "probe/probe.h"
#include "probe/scan.h"

static char dir[] = "/tmp/oaitap-probe-XXXXXX";
static char library[64];
static const char *libssl;
static struct programs *programs;
static struct probe *probe;

/* --- files and processes ------------------------------------------------------------- */

static int copy_file(const char *from, const char *to)
{
	struct stat st;
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		return -1;
	return sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size ? 0 : -1;
}

static void map_once(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		_exit(1);
	munmap(at, 4096);
}

/* A process that maps a file so many times and ends; it has ended when this returns. */
static void child_maps(const char *path, int times)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		while (times-- > 0)
			map_once(path);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void run_probe(void)
{
	struct pollfd p = {.fd = probe_fd(probe), .events = POLLIN};
	while (poll(&p, 1, 50) > 0)
		probe_run(probe, 0);
}

static uint64_t times_attached(const char *path)
{
	char name[256];
	uint64_t n = 0;
	for (uint32_t id = 1; probe_file_name(probe, id, name, sizeof(name)) == 0; id++)
		n += strcmp(name, path) == 0;
	return n;
}

static unsigned int open_files(void)
{
	unsigned int n = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	static const char *const paths[] = {"/usr/lib/x86_64-linux-gnu/libssl.so.3",
					    "/usr/lib/aarch64-linux-gnu/libssl.so.3",
					    "/usr/lib64/libssl.so.3"};
	static char *hosts[] = {"api.openai.com"};
	static struct features features;
	char *error = NULL;
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths) && !libssl; i++)
		if (access(paths[i], R_OK) == 0)
			libssl = paths[i];
	if (geteuid() != 0 || !libssl)
		return 0;
	features_detect(&features);
	const struct programs_options options = {.reads = true,
						 .ring_size = 65536,
						 .max_call = 65536,
						 .hosts = hosts,
						 .n_hosts = 1,
						 .roles = 1,
						 .features = &features};
	if (!mkdtemp(dir) || programs_load(&programs, &options, &error) < 0 ||
	    probe_new(&probe, programs, &error) < 0) {
		print_error("%s\n", error ? error : dir);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probe_free(&probe);
	programs_free(&programs);
	return rmdir(dir) < 0 && errno != ENOENT ? -1 : 0;
}

static void begin(const char *name)
{
	if (!probe)
		skip();
	snprintf(library, sizeof(library), "%s/%s", dir, name);
	assert_int_equal(copy_file(libssl, library), 0);
	run_probe();
}

/* --- tests --------------------------------------------------------------------------- */

/* One attachment, and nothing left of the others. */
static void test_mapped_a_thousand_times(void **state)
{
	(void)state;
	begin("again");
	uint64_t known = probe_watch_stats(probe).attach_count;
	child_maps(library, 1);
	run_probe();
	assert_int_equal(times_attached(library), 1);
	struct probe_stats after = probe_watch_stats(probe);
	assert_true(after.attach_count > known);
	assert_true(after.attach_p50_us > 0 && after.attach_p50_us <= after.attach_p99_us);
	assert_true(after.attach_p99_us <= after.attach_max_us);

	uint64_t files = probe_stats(probe).files_attached;
	unsigned int fds = open_files();
	child_maps(library, 999);
	run_probe();
	assert_int_equal(times_attached(library), 1);
	if (probe_stats(probe).files_attached == files)
		assert_int_equal(open_files(), fds);
	unlink(library);
}

/* Its process is gone before we look: what the file is can still be known, and the next user is not missed.
 */
static void test_process_gone(void **state)
{
	(void)state;
	begin("gone");
	child_maps(library, 1);
	uint64_t vanished = probe_watch_stats(probe).vanished;
	run_probe();
	assert_int_equal(times_attached(library), 1);
	unlink(library);

	begin("gone-too");
	child_maps(library, 1);
	unlink(library);
	run_probe();
	assert_int_equal(times_attached(library), 0);
	assert_true(probe_watch_stats(probe).vanished > vanished);
}

/* A file that takes the place and the inode number of another. */
static void test_replaced_at_once(void **state)
{
	(void)state;
	begin("replaced");
	for (int i = 0; i < 5; i++) {
		int fd = open(library, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, "\177ELF, but no more", 16), 16);
		close(fd);
		child_maps(library, 1);
		run_probe();
		unlink(library);
	}
	assert_int_equal(times_attached(library), 0);
	assert_int_equal(copy_file(libssl, library), 0);
	child_maps(library, 1);
	run_probe();
	assert_int_equal(times_attached(library), 1);
	unlink(library);
}

static void test_malformed(void **state)
{
	(void)state;
	begin("malformed");
	uint64_t malformed = probe_stats(probe).malformed;
	assert_int_equal(truncate(library, 8192), 0);
	child_maps(library, 3);
	run_probe();
	assert_true(probe_stats(probe).malformed > malformed);
	assert_int_equal(times_attached(library), 0);
	unlink(library);
}

/* --- containers ---------------------------------------------------------------------- */

#define INSIDE "/usr/local/lib64/libssl-of-a-container"

/* The dynamic loader needs nothing but itself to run. */
static void find_loader(char ret_path[static 256])
{
	unsigned long start = 0, base = getauxval(AT_BASE);
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");
	assert_non_null(f);
	ret_path[0] = 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%*x %*s %*s %*s %*s %255s", &start, ret_path) == 2 && start == base)
			break;
	fclose(f);
	assert_int_equal(start, base);
}

static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(1);
	}
}

/* A root of its own with a library that nobody maps. Says so through `out`; then waits, or has the loader
 * write into the pipe until it is full, and so wait. */
static pid_t start_container(int out, bool exec)
{
	char loader[256], path[320];
	static const char *const folders[] = {"usr", "usr/local", "usr/local/lib64"};
	find_loader(loader);
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
	     "unshare");
	must(mount("tmpfs", dir, "tmpfs", 0, "mode=700") == 0, "mount");
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		must(mkdir(path, 0700) == 0, path);
	}
	snprintf(path, sizeof(path), "%s%s", dir, INSIDE);
	must(copy_file(libssl, path) == 0, path);
	/* Neither of these may lead out of the root, or hold us up. */
	snprintf(path, sizeof(path), "%s%s-link", dir, INSIDE);
	must(symlink("../../../../../../../proc/self/exe", path) == 0, path);
	snprintf(path, sizeof(path), "%s%s-pipe", dir, INSIDE);
	must(mkfifo(path, 0700) == 0, path);
	snprintf(path, sizeof(path), "%s/loader", dir);
	must(copy_file(loader, path) == 0, path);
	must(chroot(dir) == 0 && chdir("/") == 0, "chroot");
	must(write(out, "x", 1) == 1, "write");
	if (exec) {
		static const char filler[4000];
		must(write(out, filler, sizeof(filler)) == (ssize_t)sizeof(filler), "write");
		dup2(out, STDOUT_FILENO);
		execl("/loader", "loader", "--help", (char *)NULL);
		_exit(1);
	}
	for (;;)
		pause();
}

static void end_container(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_container_starts(void **state)
{
	int out[2];
	char byte;
	(void)state;
	begin("unused");
	unlink(library);
	assert_int_equal(pipe(out), 0);
	assert_true(fcntl(out[1], F_SETPIPE_SZ, 4096) > 0);
	pid_t pid = start_container(out[1], true);
	assert_int_equal(read(out[0], &byte, 1), 1);
	for (int i = 0; i < 100 && times_attached(INSIDE) == 0; i++)
		run_probe();
	assert_int_equal(times_attached(INSIDE), 1);
	assert_true(probe_watch_stats(probe).namespaces >= 1);
	end_container(pid);
	close(out[0]);
	close(out[1]);
}

struct look {
	pid_t pid;
	struct targets *targets;
	unsigned int files, attached;
};

static void on_file_of_container(void *ctx, int fd, const char *path)
{
	struct look *look = ctx;
	assert_string_equal(path, INSIDE);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH), O_RDONLY);
	if (look->pid)
		end_container(look->pid);
	look->pid = 0;
	look->files++;
	look->attached += targets_add(look->targets, fd, path) == 1;
}

/* The namespace goes in the midst of the look into it. */
static void test_container_vanishes(void **state)
{
	struct namespaces *n = NULL;
	struct look look = {0};
	int out[2];
	char byte;
	(void)state;
	if (!probe)
		skip();
	assert_int_equal(namespaces_new(&n), 0);
	assert_int_equal(targets_new(&look.targets, programs), 0);
	assert_int_equal(pipe(out), 0);
	pid_t pid = look.pid = start_container(out[1], false);
	assert_int_equal(read(out[0], &byte, 1), 1);

	assert_int_equal(namespaces_started(n, getpid()), -EXDEV); /* ours is probe_scan()'s */
	assert_int_equal(namespaces_started(n, pid), 1);
	namespaces_scan_begin(n);
	assert_int_equal(namespaces_found(n, pid), 1);
	assert_int_equal(namespaces_found(n, pid), 0);

	unsigned int fds = open_files();
	assert_int_equal(scan_installed_in(pid, on_file_of_container, &look), 0);
	assert_int_equal(look.files, 1);
	assert_int_equal(look.attached, 1);
	int r = scan_installed_in(pid, on_file_of_container, &look);
	assert_true(r == -ENOENT || r == -ESRCH);
	r = namespaces_started(n, pid);
	assert_true(r == -ENOENT || r == -ESRCH);

	namespaces_scan_end(n);
	assert_int_equal(namespaces_len(n), 1); /* this process was not found */
	namespaces_scan_begin(n);
	namespaces_scan_end(n);
	assert_int_equal(namespaces_len(n), 0);
	targets_free(&look.targets);
	assert_true(open_files() <= fds);
	namespaces_free(&n);
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapped_a_thousand_times), cmocka_unit_test(test_process_gone),
		cmocka_unit_test(test_replaced_at_once),	cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_container_starts),	cmocka_unit_test(test_container_vanishes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
