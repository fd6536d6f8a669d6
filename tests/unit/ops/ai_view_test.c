/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "ops/ai_view.h"

static int read_text(struct ai_view **ret_view, const char *text)
{
	struct buf answer;
	buf_init(&answer, 1 << 20);
	assert_int_equal(buf_append(&answer, text, strlen(text)), 0);
	int r = ai_view_read(ret_view, &answer);
	buf_done(&answer);
	return r;
}

/* Our own start in nanoseconds of the boot clock, to the tick. */
static unsigned long long own_start_ns(void)
{
	char line[1024];
	unsigned long long ticks = 0;
	FILE *f = fopen("/proc/self/stat", "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	const char *p = strrchr(line, ')');
	for (int i = 0; p && i < 20; i++)
		p = strchr(p + 1, ' ');
	assert_int_equal(sscanf(p, " %llu", &ticks), 1);
	return ticks * (NSEC_PER_SEC / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static void test_pid_and_start(void **state)
{
	char text[256];
	struct ai_view *view = NULL;
	(void)state;
	snprintf(text, sizeof(text), "{\"coverage\":{\"processes\":[[%d,%llu],[1073741825,5]]}}",
		 (int)getpid(), own_start_ns() + 5);
	assert_int_equal(read_text(&view, text), 0);
	assert_true(ai_view_has(view, getpid()));
	assert_false(ai_view_has(view, getppid()));
	assert_false(ai_view_has(view, 1073741825)); /* is not there */
	ai_view_free(&view);
	assert_null(view);
	/* An earlier process of the same pid. */
	snprintf(text, sizeof(text), "{\"coverage\":{\"processes\":[[%d,5]]}}", (int)getpid());
	assert_int_equal(read_text(&view, text), 0);
	assert_false(ai_view_has(view, getpid()));
	ai_view_free(&view);
}

static void test_bad_answers(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"coverage\":{}}",
		"{\"coverage\":{\"processes\":{}}}",
		"{\"coverage\":{\"processes\":[1]}}",
		"{\"coverage\":{\"processes\":[[0,1]]}}",
		"{\"coverage\":{\"processes\":[[-1,1]]}}",
		"{\"coverage\":{\"processes\":[[1,-1]]}}",
	};
	struct ai_view *view = NULL;
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(read_text(&view, texts[i]), -EBADMSG);
	assert_null(view);
	assert_int_equal(ai_view_ask(&view, "/nonexistent/socket"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pid_and_start),
		cmocka_unit_test(test_bad_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
