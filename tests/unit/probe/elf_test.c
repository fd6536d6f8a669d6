/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/functions.h"
#include "probe/scan.h"

/* This program's own libc stands for a library; its functions are found by the dynamic loader as well. */
static int open_libc(Dl_info *ret_info)
{
	assert_true(dladdr((void *)(uintptr_t)strtoul, ret_info) != 0);
	int fd = open(ret_info->dli_fname, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_only_wanted_prefix(void **state)
{
	struct elf_symbol symbols[] = {{.name = "strtoul"}, {.name = "SSL_no_such"}};
	Dl_info info;
	int fd = open_libc(&info);
	(void)state;
	/* Only SSL_ names are compared. */
	assert_int_equal(elf_symbols_find(fd, symbols, 2), 0);
	assert_int_equal(symbols[0].file_offset, 0);
	close(fd);
}

struct place {
	const void *address;
	uint64_t file_offset; /* result */
};

static void on_code_mapping(void *ctx, const struct scan_mapping *m)
{
	struct place *p = ctx;
	uint64_t at = (uintptr_t)p->address;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	assert_non_null(maps);
	while (at >= m->start && at < m->end && fgets(line, sizeof(line), maps)) {
		unsigned long start, offset;
		if (sscanf(line, "%lx-%*x %*s %lx", &start, &offset) == 2 && start == m->start)
			p->file_offset = at - start + offset;
	}
	fclose(maps);
}

/* The dynamic loader and the kernel's list of mappings must come to the same places. (Not the code itself:
 * where a probe sits the process's memory differs from the file.) */
static void test_libssl_offsets(void **state)
{
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	Dl_info info;
	void *lib = dlopen("libssl.so.3", RTLD_NOW);
	(void)state;
	if (!lib) {
		print_message("skipped: no libssl.so.3 on this machine\n");
		return;
	}
	assert_true(dladdr(dlsym(lib, "SSL_write"), &info) != 0);
	int fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	int found = probe_functions_find(fd, symbols), there = 0;
	for (int i = 0; i < PROBE_FUNCTIONS; i++) {
		struct place p = {.address = dlsym(lib, probe_function_names[i])};
		if (p.address) {
			there++;
			assert_int_equal(scan_process(getpid(), on_code_mapping, &p), 0);
		}
		assert_int_equal(symbols[i].file_offset, p.file_offset);
	}
	assert_int_equal(found, there);
	assert_true(there >= PROBE_FUNCTIONS - 2); /* newer ones, and BoringSSL's */
	close(fd);
	dlclose(lib);
}

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	return fd;
}

static uint8_t *read_libssl(size_t *ret_len)
{
	static const char *const paths[] = {"/usr/lib/x86_64-linux-gnu/libssl.so.3",
					    "/lib/x86_64-linux-gnu/libssl.so.3",
					    "/usr/lib/aarch64-linux-gnu/libssl.so.3"};
	for (size_t i = 0; i < 3; i++) {
		struct stat st;
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &st), 0);
		uint8_t *data = malloc((size_t)st.st_size);
		assert_non_null(data);
		assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
		close(fd);
		*ret_len = (size_t)st.st_size;
		return data;
	}
	return NULL;
}

static int find_in(const void *data, size_t len)
{
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	int fd = memory_file(data, len);
	int r = probe_functions_find(fd, symbols);
	close(fd);
	return r;
}

static void test_not_elf(void **state)
{
	(void)state;
	assert_true(find_in("", 0) <= 0);
	assert_true(find_in("\177ELF", 4) <= 0);
	assert_true(find_in("#!/bin/sh\n", 10) <= 0);
	int fd = open("/", O_RDONLY | O_CLOEXEC);
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	assert_int_equal(probe_functions_find(fd, symbols), -ENOEXEC);
	close(fd);
}

/* Cut at any place, and with bytes of its headers and tables changed at random: an answer, never a crash. */
static void test_damaged(void **state)
{
	size_t len = 0;
	uint8_t *data = read_libssl(&len);
	(void)state;
	if (!data) {
		print_message("skipped: no libssl.so.3 on this machine\n");
		return;
	}
	for (size_t cut = 0; cut < len; cut += 9973)
		(void)find_in(data, cut);
	srand(4);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)data;
	size_t sections = eh->e_shoff;
	for (int i = 0; i < 300; i++) {
		uint8_t *copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, data, len);
		for (int k = 0; k < 4; k++) {
			size_t at = rand() % 2 ? (size_t)rand() % 1024
					       : sections + (size_t)rand() % (len - sections);
			copy[at] = (uint8_t)rand();
		}
		(void)find_in(copy, len);
		free(copy);
	}
	free(data);
}

struct found {
	bool libc;
	const char *path;
};

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct found *f = ctx;
	struct stat a, b;
	if (strcmp(m->path, f->path) != 0)
		return;
	int fd = scan_open_mapping(m);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(stat(f->path, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	f->libc = true;
	close(fd);
}

static void test_own_mappings(void **state)
{
	Dl_info info;
	char real[4096];
	close(open_libc(&info));
	(void)state;
	assert_non_null(realpath(info.dli_fname, real));
	struct found f = {.path = real};
	assert_int_equal(scan_process(getpid(), on_mapping, &f), 0);
	assert_true(f.libc);
	assert_true(scan_process(999999999, on_mapping, &f) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_wanted_prefix),
		cmocka_unit_test(test_libssl_offsets),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_own_mappings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
