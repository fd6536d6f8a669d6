/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

/* What one call leaves on standard error. */
static void logged(const char *name, char ret_text[static 2048])
{
	int saved = dup(STDERR_FILENO);
	int fd = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(saved >= 0 && fd >= 0);
	fflush(stderr);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	struct log_site site = {0};
	log_write(LOG_WARN, &site, "%s cannot be read", name);
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	ssize_t n = pread(fd, ret_text, 2047, 0);
	assert_true(n >= 0);
	ret_text[n] = 0;
	close(saved);
	close(fd);
}

static void test_controls_are_masked(void **state)
{
	static const struct {
		const char *name, *line;
	} cases[] = {
		{"/lib/libssl.so", "/lib/libssl.so"},
		{"a\noaitap: forged", "a?oaitap: forged"},
		{"a\r\x1b[2J\tb\x01\x7f", "a??[2J?b??"},
		{"\xc2\x9b"
		 "2J\xc2\x80\xc2\x85",
		 "??2J????"},
		/* Other characters stay, with continuation bytes in the same range. */
		{"\xc2\xa0\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80",
		 "\xc2\xa0\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"cut \xc2", "cut \xc2"},
	};
	char text[2048], expected[2048];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		logged(cases[i].name, text);
		snprintf(expected, sizeof(expected), "oaitap: warning: %s cannot be read\n", cases[i].line);
		assert_string_equal(text, expected);
	}
}

static void test_long_line(void **state)
{
	char name[3000], text[2048];
	(void)state;
	memset(name, '\n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	logged(name, text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_controls_are_masked),
		cmocka_unit_test(test_long_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
