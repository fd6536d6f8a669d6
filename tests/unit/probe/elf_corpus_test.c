/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/elf_symbols.h"

#define CORPUS "tests/fuzz/corpus/elf"

static int expected_of(const char *name)
{
	if (strncmp(name, "eio-", 4) == 0)
		return -EIO;
	if (strncmp(name, "e2big-", 6) == 0)
		return -E2BIG;
	if (strncmp(name, "enoexec-", 8) == 0)
		return -ENOEXEC;
	assert_true(name[0] >= '0' && name[0] <= '2' && name[1] == '-');
	return name[0] - '0';
}

/* The crafted files of tests/support/make_elf_corpus.py: a name begins with the answer. */
static void test_answers(void **state)
{
	unsigned int n = 0;
	DIR *d = opendir(CORPUS);
	(void)state;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		struct elf_symbol symbols[] = {{.name = "SSL_read"}, {.name = "SSL_write"}};
		if (e->d_name[0] == '.')
			continue;
		int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		int r = elf_symbols_find(fd, symbols, 2);
		if (r != expected_of(e->d_name))
			print_error("%s\n", e->d_name);
		assert_int_equal(r, expected_of(e->d_name));
		if (r == 2) {
			assert_int_equal(symbols[0].file_offset, 0x20);
			assert_int_equal(symbols[1].file_offset, 0x60);
		}
		close(fd);
		n++;
	}
	closedir(d);
	assert_true(n >= 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
