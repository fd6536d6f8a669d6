/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <elf.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "ops/commands.h"
#include "probe/elf32.h"

static char folder[] = "/tmp/doctor_test.XXXXXX";

/* --- a 32-bit file with one named section -------------------------------------------- */

struct small_elf {
	Elf32_Ehdr header;
	Elf32_Shdr sections[3];
	char names[24];
};

static struct small_elf small_elf(void)
{
	struct small_elf e = {
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_shoff = offsetof(struct small_elf, sections),
			   .e_shentsize = sizeof(Elf32_Shdr),
			   .e_shnum = 3,
			   .e_shstrndx = 2},
		.sections = {[1] = {.sh_name = 1},
			     [2] = {.sh_name = 0,
				    .sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct small_elf, names),
				    .sh_size = sizeof(e.names)}},
		.names = "\0.go.buildinfo",
	};
	return e;
}

static int write_file(const char *name, const void *data, size_t len, char ret_path[static 96])
{
	snprintf(ret_path, 96, "%s/%s", folder, name);
	int fd = open(ret_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	return fd;
}

static bool has_go(const struct small_elf *e, size_t len)
{
	char path[96];
	_cleanup_close_ int fd = write_file("elf", e, len, path);
	return elf32_has_section(fd, ".go.buildinfo");
}

static void test_elf32(void **state)
{
	const struct small_elf good = small_elf();
	struct small_elf e = good;
	(void)state;
	assert_true(has_go(&good, sizeof(good)));
	/* The name with its end is all that is needed of the last table. */
	size_t needed = offsetof(struct small_elf, names) + 1 + sizeof(".go.buildinfo");
	for (size_t len = 0; len < sizeof(good); len++)
		assert_int_equal(has_go(&good, len), len >= needed);
	e.header.e_ident[EI_CLASS] = ELFCLASS64;
	assert_false(has_go(&e, sizeof(e)));
	e = good;
	e.header.e_shoff = UINT32_MAX;
	assert_false(has_go(&e, sizeof(e)));
	e = good;
	e.header.e_shstrndx = 3;
	assert_false(has_go(&e, sizeof(e)));
	e = good;
	e.header.e_shnum = UINT16_MAX;
	assert_false(has_go(&e, sizeof(e)));
	e = good;
	e.sections[1].sh_name = UINT32_MAX;
	assert_false(has_go(&e, sizeof(e)));
	e = good;
	e.sections[2].sh_offset = UINT32_MAX;
	e.sections[2].sh_size = UINT32_MAX;
	assert_false(has_go(&e, sizeof(e)));
	e = good;
	e.sections[2].sh_size = sizeof(".go.buildinfo");
	assert_false(has_go(&e, sizeof(e)));
}

/* --- doctor -------------------------------------------------------------------------- */

/* A process that maps the file as code, under a name of its own choice. */
static pid_t start_user(const char *path, const char *comm)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, comm);
		int fd = open(path, O_RDONLY);
		if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			poll(NULL, 0, -1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int doctor(const char *option, char **ret_out)
{
	char path[96], *argv[] = {(char[]){"doctor"}, option ? strdup(option) : NULL, NULL};
	_cleanup_close_ int out = write_file("out", "", 0, path);
	fflush(NULL);
	int saved = dup(STDOUT_FILENO);
	dup2(out, STDOUT_FILENO);
	int code = cmd_doctor(option ? 2 : 1, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	free(argv[1]);
	off_t len = lseek(out, 0, SEEK_END);
	*ret_out = calloc(1, (size_t)len + 1);
	assert_int_equal(pread(out, *ret_out, (size_t)len, 0), len);
	return code;
}

static const json_t *process_of(const json_t *root, pid_t pid)
{
	size_t i;
	json_t *process;
	json_array_foreach (json_object_get(root, "processes"), i, process)
		if (json_integer_value(json_object_get(process, "pid")) == pid)
			return process;
	fail_msg("process %d is not listed", pid);
	return NULL;
}

static void has(const json_t *process, const char *key, const char *want)
{
	assert_string_equal(json_string_value(json_object_get(process, key)), want);
}

static void check_json(const char *out, const pid_t pids[static 3], const char *library)
{
	_cleanup_(json_decrefp) json_t *root = json_loads(out, 0, NULL);
	static const char *const names[] = {"btf",	    "ring-buffer",  "return-probes",
					    "uprobe-multi", "cookies",	    "send-length",
					    "kprobe",	    "client-hello", "block"};
	size_t j;
	json_t *f;

	assert_non_null(root);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool found = false;
		json_array_foreach (json_object_get(root, "features"), j, f)
			if (strcmp(json_string_value(json_object_get(f, "name")), names[i]) == 0)
				found = *json_string_value(json_object_get(f, "detail"));
		if (!found)
			fail_msg("no feature %s", names[i]);
	}
	has(process_of(root, pids[0]), "tls", "blind: 32-bit programs are not read");
	has(process_of(root, pids[0]), "library", library);
	has(process_of(root, pids[1]), "tls", "blind: Go's own TLS is not OpenSSL");
	has(process_of(root, pids[2]), "comm", "\\x1b[2J\\xff");
}

static void test_doctor(void **state)
{
	const struct small_elf go = small_elf();
	char library[96], program[96];
	_cleanup_free_ char *out = NULL, *text = NULL;
	(void)state;
	if (geteuid() != 0)
		skip();
	/* Without Go's section, and with it. */
	close(write_file("libssl.so.1.1", &go, sizeof(Elf32_Ehdr), library));
	close(write_file("program", &go, sizeof(go), program));
	const pid_t pids[] = {start_user(library, "plain"), start_user(program, "go"),
			      start_user(library, "\x1b[2J\xff")};
	int codes[] = {doctor("--json", &out), doctor(NULL, &text)};
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	check_json(out, pids, library);
	assert_int_equal(codes[0], codes[1]);
	assert_non_null(strstr(text, codes[1] == 0 ? "oaitap can run here" : "oaitap cannot run here"));
	/* No byte of a process's name acts on the terminal. */
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\\x1b[2J\\xff  blind: 32-bit programs are not read: "));
}

static void test_usage(void **state)
{
	_cleanup_free_ char *out = NULL, *none = NULL, *nothing = NULL;
	(void)state;
	assert_int_equal(doctor("--help", &out), 0);
	assert_non_null(strstr(out, "Usage: oaitap doctor"));
	assert_int_equal(doctor("--nonsense", &none), 2);
	assert_string_equal(none, "");
	assert_int_equal(doctor("argument", &nothing), 2);
	assert_string_equal(nothing, "");
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"elf", "out", "libssl.so.1.1", "program"};
	char path[96];
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elf32),
		cmocka_unit_test(test_doctor),
		cmocka_unit_test(test_usage),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
