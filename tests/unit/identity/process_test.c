/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macro.h"
#include "identity/identity.h"

#define PID	 4711
#define TICKS	 123456ULL
#define START_NS (TICKS * 10000000ULL + 3)

static char root[] = "/tmp/oaitap-proc-XXXXXX";
static char process_dir[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(root) || sysconf(_SC_CLK_TCK) != 100)
		return -1;
	snprintf(process_dir, sizeof(process_dir), "%s/%d", root, PID);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(root);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdir(process_dir, 0700);
}

static void file_path(const char *name, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/%s", process_dir, name);
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"stat", "cgroup", "exe"};
	char path[96];
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		file_path(names[i], path, sizeof(path));
		unlink(path);
	}
	return rmdir(process_dir);
}

static void put_file(const char *name, const char *data, size_t len)
{
	char path[96];
	file_path(name, path, sizeof(path));
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void put_stat(const char *comm)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "%d (%s) S 77 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 %llu 999 55 "
			 "18446744073709551615\n",
			 PID, comm, TICKS);
	put_file("stat", text, (size_t)n);
}

static void put_exe(const char *target)
{
	char path[96];
	file_path("exe", path, sizeof(path));
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static struct identity_process read_at_start(uint64_t start_boot_ns)
{
	struct identity_process p = {.pid = PID, .uid = 0, .start_boot_ns = start_boot_ns, .comm = "node"};
	assert_int_equal(identity_process_read(root, &p), 0);
	return p;
}

static void test_whole(void **state)
{
	(void)state;
	put_stat("node");
	put_exe("/usr/bin/node");
	put_file("cgroup", "0::/system.slice/app.service\n", 29);
	struct identity_process p = read_at_start(START_NS);
	assert_string_equal(p.exe, "/usr/bin/node");
	assert_string_equal(p.cgroup, "/system.slice/app.service");
	assert_string_equal(p.unit, "app.service");
	assert_string_equal(p.user, "root");
	assert_int_equal(p.parent_pid, 77);
	uint64_t want = clock_boot_to_real_ns(START_NS);
	assert_true(p.start_real_ns + NSEC_PER_SEC > want && p.start_real_ns < want + NSEC_PER_SEC);
	identity_process_done(&p);
	assert_null(p.exe);
}

static void test_given_parent_stays(void **state)
{
	(void)state;
	put_stat("node");
	struct identity_process p = {.pid = PID, .parent_pid = 5, .start_boot_ns = START_NS};
	assert_int_equal(identity_process_read(root, &p), 0);
	assert_int_equal(p.parent_pid, 5);
	identity_process_done(&p);
}

static void test_start_time(void **state)
{
	static const struct {
		uint64_t start_boot_ns;
		bool same;
	} starts[] = {
		{0, true}, /* not checked */
		{START_NS, true},
		{(TICKS - 1) * 10000000, true},
		{(TICKS + 1) * 10000000 + 9999999, true},
		{(TICKS - 2) * 10000000 + 9999999, false},
		{(TICKS + 2) * 10000000, false},
		{1, false},
		{UINT64_MAX, false},
	};
	(void)state;
	put_stat("node");
	put_exe("/usr/bin/node");
	put_file("cgroup", "0::/a\n", 6);
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		struct identity_process p = read_at_start(starts[i].start_boot_ns);
		if ((p.exe != NULL) != starts[i].same)
			fail_msg("row %zu", i);
		assert_int_equal(p.cgroup != NULL, starts[i].same);
		assert_int_equal(p.parent_pid, starts[i].same ? 77 : 0);
		assert_string_equal(p.user, "root");
		identity_process_done(&p);
	}
}

static void test_comm(void **state)
{
	static const char *const names[] = {
		"a b c", "x) S 1 2 3", "((((", "))))", "", "a\nb", ") R 9 9 9 9 9 9 9 9 9", "\xff\xfe",
	};
	(void)state;
	put_exe("/x");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		put_stat(names[i]);
		struct identity_process p = read_at_start(START_NS);
		assert_string_equal(p.exe, "/x");
		assert_int_equal(p.parent_pid, 77);
		identity_process_done(&p);
	}
}

static void test_bad_stat(void **state)
{
	static const char *const texts[] = {
		"",
		"4711",
		"4711 (node",
		"4711 (node)",
		"4711 (node) S",
		"4711 (node) S x y z",
		"\n\n\n",
		"4711 (node) S 77 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0",
	};
	static char huge[1 << 20];
	(void)state;
	put_exe("/x");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put_file("stat", texts[i], strlen(texts[i]));
		struct identity_process p = read_at_start(START_NS);
		assert_null(p.exe);
		assert_string_equal(p.user, "root");
		identity_process_done(&p);
	}
	memset(huge, ')', sizeof(huge));
	put_file("stat", huge, sizeof(huge));
	struct identity_process p = read_at_start(0);
	assert_null(p.exe);
	identity_process_done(&p);
}

static void test_gone(void **state)
{
	struct identity_process p = {.pid = PID + 1, .uid = 4000000000U, .start_boot_ns = START_NS};
	(void)state;
	assert_int_equal(identity_process_read(root, &p), 0);
	assert_null(p.exe);
	assert_null(p.cgroup);
	assert_null(p.unit);
	assert_null(p.user);
	assert_true(p.start_real_ns > 0);
	identity_process_done(&p);

	/* A folder that is there with nothing in it: gone between two reads. */
	p = read_at_start(START_NS);
	assert_null(p.exe);
	identity_process_done(&p);
	put_stat("node");
	p = read_at_start(START_NS);
	assert_null(p.exe);
	assert_null(p.cgroup);
	identity_process_done(&p);
}

static void test_deleted_exe(void **state)
{
	static const char *const links[][2] = {
		{"/usr/bin/python3.11 (deleted)", "/usr/bin/python3.11"},
		{"/opt/a (deleted)/b", "/opt/a (deleted)/b"},
		{" (deleted)", " (deleted)"},
		{"/memfd:x (deleted)", "/memfd:x"},
	};
	(void)state;
	put_stat("x");
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		put_exe(links[i][0]);
		struct identity_process p = read_at_start(START_NS);
		assert_string_equal(p.exe, links[i][1]);
		identity_process_done(&p);
	}
}

static void test_cgroups(void **state)
{
	static const struct {
		const char *text, *cgroup, *unit;
	} rows[] = {
		{"0::/\n", "/", NULL},
		{"0::/user.slice/user-0.slice/session-3.scope\n", "/user.slice/user-0.slice/session-3.scope",
		 "session-3.scope"},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n",
		 "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "x.service"},
		{"0::/system.slice/a\\x2db.service/sub\n", "/system.slice/a\\x2db.service/sub",
		 "a\\x2db.service"},
		{"0::/system.slice/.service\n", "/system.slice/.service", NULL},
		{"0::/system.slice/x.service.d\n", "/system.slice/x.service.d", NULL},
		{"0::/x.service (deleted)\n", "/x.service", "x.service"},
		{"0::/a:b:c/d.scope\n", "/a:b:c/d.scope", "d.scope"},
		{"0::/no-newline.service", "/no-newline.service", "no-newline.service"},
		/* version 1 */
		{"12:pids:/system.slice/v1.service\n3:cpu,cpuacct:/\n1:name=systemd:/system.slice/"
		 "s.service\n",
		 "/system.slice/s.service", "s.service"},
		{"12:pids:/docker/abc\n3:cpu,cpuacct:/\n", "/docker/abc", NULL},
		/* hybrid: the unified hierarchy holds everything at its root */
		{"12:pids:/p\n1:name=systemd:/system.slice/s.service\n0::/\n", "/system.slice/s.service",
		 "s.service"},
		{"1:name=systemd:/s.service\n0::/u.service\n", "/u.service", "u.service"},
		{"12:pids:/p\n1:name=systemd:/\n0::/\n", "/p", NULL},
		/* nonsense */
		{"", NULL, NULL},
		{"\n\n\n", NULL, NULL},
		{"0:\n::\n:\nx\n0::relative\n", NULL, NULL},
		{"00::/z\n", "/z", NULL},
		{"0::/\xff\xfe.scope\n", "/\xff\xfe.scope", "\xff\xfe.scope"},
	};
	(void)state;
	put_stat("x");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_file("cgroup", rows[i].text, strlen(rows[i].text));
		struct identity_process p = read_at_start(START_NS);
		if ((p.cgroup == NULL) != (rows[i].cgroup == NULL) ||
		    (p.cgroup && strcmp(p.cgroup, rows[i].cgroup) != 0))
			fail_msg("row %zu: cgroup %s", i, p.cgroup ? p.cgroup : "absent");
		if ((p.unit == NULL) != (rows[i].unit == NULL) ||
		    (p.unit && strcmp(p.unit, rows[i].unit) != 0))
			fail_msg("row %zu: unit %s", i, p.unit ? p.unit : "absent");
		identity_process_done(&p);
	}
}

static void test_huge_cgroup(void **state)
{
	static char huge[1 << 20];
	(void)state;
	put_stat("x");
	memset(huge, 'a', sizeof(huge));
	memcpy(huge, "0::/", 4);
	put_file("cgroup", huge, sizeof(huge));
	struct identity_process p = read_at_start(START_NS);
	assert_null(p.cgroup); /* one line without an end: nothing in it can be trusted */
	identity_process_done(&p);

	huge[9] = '\n';
	memcpy(huge + 10, "1::/", 4);
	put_file("cgroup", huge, sizeof(huge));
	p = read_at_start(START_NS);
	assert_string_equal(p.cgroup, "/aaaaa");
	identity_process_done(&p);
}

/* --- what the kernel saw ------------------------------------------------------------- */

#define PATH(text)                                                                                           \
	{                                                                                                    \
		text, sizeof(text) - 1, false                                                                \
	}
#define CUT(text)                                                                                            \
	{                                                                                                    \
		text, sizeof(text) - 1, true                                                                 \
	}
#define NO_PATH                                                                                              \
	{                                                                                                    \
		"", 0, false                                                                                 \
	}
#define ID "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"

static void test_seen(void **state)
{
	static const struct identity_parent parents[] = {{.pid = 77, .comm = "sh"},
							 {.pid = 1, .comm = "init"}};
	static const struct {
		struct identity_seen_path path, cgroups[IDENTITY_HIERARCHIES];
		const char *exe, *cgroup, *unit, *id;
	} rows[] = {
		{PATH("node\0bin\0usr\0"),
		 {PATH("a.service\0system.slice\0"), NO_PATH, NO_PATH},
		 "/usr/bin/node",
		 "/system.slice/a.service",
		 "a.service",
		 ""},
		{PATH("memfd:x\0"), {NO_PATH, NO_PATH, NO_PATH}, "/memfd:x", "/", NULL, ""},
		{NO_PATH, {NO_PATH, PATH("s.service\0"), PATH("p\0")}, NULL, "/s.service", "s.service", ""},
		{NO_PATH, {NO_PATH, NO_PATH, PATH("p\0")}, NULL, "/p", NULL, ""},
		{NO_PATH, {PATH("u\0"), PATH("s.service\0"), PATH("p\0")}, NULL, "/u", NULL, ""},
		/* what names a container, wherever it is */
		{NO_PATH,
		 {PATH("u\0"), PATH("s.service\0"), PATH(ID "\0docker\0")},
		 NULL,
		 "/docker/" ID,
		 NULL,
		 ID},
		{NO_PATH,
		 {PATH("u\0"), PATH("libpod-" ID ".scope\0"), PATH(ID "\0docker\0")},
		 NULL,
		 "/libpod-" ID ".scope",
		 "libpod-" ID ".scope",
		 ID},
		/* what was cut is not believed */
		{CUT("node\0bin\0"),
		 {CUT("a.service\0"), PATH("s.service\0"), NO_PATH},
		 NULL,
		 "/s.service",
		 "s.service",
		 ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct identity_process p = {.pid = PID + 1, .parent_pid = 77, .start_boot_ns = START_NS};
		struct identity_seen seen = {.exe = rows[i].path};
		memcpy(seen.cgroups, rows[i].cgroups, sizeof(seen.cgroups));
		seen.parents = parents;
		seen.n_parents = 2;
		seen.args = "x\0--token\0y";
		seen.args_len = 11;
		assert_int_equal(identity_process_seen(&p, &seen), 0);
		assert_int_equal(identity_process_read(root, &p), 0); /* it is gone: adds nothing */
		if (!p.exe != !rows[i].exe || (p.exe && strcmp(p.exe, rows[i].exe) != 0))
			fail_msg("row %zu: exe %s", i, p.exe ? p.exe : "absent");
		if (!p.cgroup != !rows[i].cgroup || (p.cgroup && strcmp(p.cgroup, rows[i].cgroup) != 0))
			fail_msg("row %zu: cgroup %s", i, p.cgroup ? p.cgroup : "absent");
		if (!p.unit != !rows[i].unit || (p.unit && strcmp(p.unit, rows[i].unit) != 0))
			fail_msg("row %zu: unit %s", i, p.unit ? p.unit : "absent");
		assert_string_equal(p.in.id, rows[i].id);
		assert_int_equal(p.n_parents, 2);
		assert_string_equal(p.parents[1].comm, "init");
		assert_string_equal(json_string_value(json_array_get(p.args, 2)), "[masked]");
		identity_process_done(&p);
	}
}

/* What was seen is not overwritten by what /proc says. */
static void test_seen_and_living(void **state)
{
	const struct identity_seen seen = {.exe = PATH("node\0"),
					   .cgroups = {PATH("a.scope\0"), NO_PATH, NO_PATH}};
	struct identity_process p = {.pid = PID, .start_boot_ns = START_NS};
	(void)state;
	put_stat("node");
	put_exe("/other");
	put_file("cgroup", "0::/other\n", 10);
	assert_int_equal(identity_process_seen(&p, &seen), 0);
	assert_int_equal(identity_process_read(root, &p), 0);
	assert_string_equal(p.exe, "/node");
	assert_string_equal(p.cgroup, "/a.scope");
	assert_int_equal(p.parent_pid, 77);
	identity_process_done(&p);
}

static uint64_t own_start_ns(void)
{
	char text[1024];
	FILE *f = fopen("/proc/self/stat", "re");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	char *p = strrchr(text, ')');
	for (int field = 2; field < 22; field++)
		p = strchr(p + 1, ' ');
	return strtoull(p, NULL, 10) * 10000000;
}

/* The real /proc, of a process that lives and of one that just died. */
static void test_real(void **state)
{
	char exe[4096];
	struct identity_process p = {
		.pid = (uint32_t)getpid(), .uid = getuid(), .start_boot_ns = own_start_ns()};
	(void)state;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	assert_true(n > 0);
	exe[n] = 0;
	assert_int_equal(identity_process_read("/proc", &p), 0);
	assert_string_equal(p.exe, exe);
	assert_int_equal(p.parent_pid, getppid());
	assert_true(p.start_real_ns <= clock_real_ns());
	assert_true(p.start_real_ns + 3600 * NSEC_PER_SEC > clock_real_ns());
	identity_process_done(&p);

	pid_t child = fork();
	if (child == 0)
		_exit(0);
	p = (struct identity_process){.pid = (uint32_t)child};
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(identity_process_read("/proc", &p), 0); /* a zombie has no executable */
	assert_null(p.exe);
	identity_process_done(&p);
	waitpid(child, NULL, 0);
	p = (struct identity_process){.pid = (uint32_t)child};
	assert_int_equal(identity_process_read("/proc", &p), 0);
	assert_null(p.cgroup);
	identity_process_done(&p);
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_dir(test_whole),	     with_dir(test_given_parent_stays),
		with_dir(test_start_time),   with_dir(test_comm),
		with_dir(test_bad_stat),     with_dir(test_gone),
		with_dir(test_deleted_exe),  with_dir(test_cgroups),
		with_dir(test_huge_cgroup),  cmocka_unit_test(test_real),
		cmocka_unit_test(test_seen), with_dir(test_seen_and_living),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
