/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/macro.h"
#include "sink/sink.h"

/* SQLite's n-th allocation fails: the store reports it, takes nothing, and works again afterwards. */

static sqlite3_mem_methods real;
static long countdown; /* 0: off */

static int fails(void)
{
	return countdown > 0 && --countdown == 0;
}

static void *fault_malloc(int n)
{
	return fails() ? NULL : real.xMalloc(n);
}

static void *fault_realloc(void *p, int n)
{
	return fails() ? NULL : real.xRealloc(p, n);
}

static char dir[] = "/tmp/oaitap-fault-XXXXXX";
static char db[64];

static int setup(void **state)
{
	(void)state;
	sqlite3_mem_methods faulty;
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		return -1;
	faulty = real;
	faulty.xMalloc = fault_malloc;
	faulty.xRealloc = fault_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &faulty) != SQLITE_OK || !mkdtemp(dir))
		return -1;
	snprintf(db, sizeof(db), "%s/db", dir);
	return sqlite3_initialize() == SQLITE_OK ? 0 : -1;
}

static void remove_store(void)
{
	char name[80];
	static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		snprintf(name, sizeof(name), "%s%s", db, beside[i]);
		unlink(name);
	}
}

static int teardown(void **state)
{
	(void)state;
	remove_store();
	return rmdir(dir);
}

static int write_one(struct sink *sink, unsigned int id)
{
	char text[] = "{\"event-type\":\"Request\"}";
	struct event e = {.text = text, .len = strlen(text), .type = "Request", .time_ns = 1};
	struct event *const events[] = {&e};
	size_t taken = 5;
	snprintf(e.event_id, sizeof(e.event_id), "%u", id);
	snprintf(e.message_id, sizeof(e.message_id), "%u", id);
	int r = sink->ops->write(sink, events, 1, &taken);
	assert_int_equal(taken, r == 0);
	return r;
}

static void test_open_without_memory(void **state)
{
	(void)state;
	int r = -1;
	unsigned int failures = 0;
	for (long n = 1; r < 0; n++) {
		struct sink *sink = NULL;
		char *error = NULL;
		remove_store();
		countdown = n;
		r = sink_store_open(&sink, db, &error);
		bool reached = countdown == 0;
		countdown = 0;
		if (r < 0) {
			failures++;
			assert_null(sink);
			assert_non_null(error);
			assert_true(reached);
			/* What the failed attempt left behind is no obstacle. */
			assert_int_equal(sink_store_open(&sink, db, NULL), 0);
			assert_int_equal(write_one(sink, 1), 0);
		} else if (reached) {
			r = -1; /* SQLite could do without that one */
			assert_int_equal(write_one(sink, 1), 0);
		}
		free(error);
		sink->ops->free(&sink);
		assert_true(n < 5000);
	}
	assert_true(failures > 10);
}

static void test_write_without_memory(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	bool reached = true;
	unsigned int failures = 0;
	remove_store();
	assert_int_equal(sink_store_open(&sink, db, NULL), 0);
	for (unsigned int n = 1; reached; n++) {
		/* The page cache keeps what it has; without it every page costs an allocation. */
		sqlite3_release_memory(1 << 30);
		countdown = n;
		int r = write_one(sink, n);
		reached = countdown == 0;
		countdown = 0;
		failures += r < 0;
		if (r < 0)
			assert_int_equal(r, -ENOMEM);
		assert_int_equal(write_one(sink, n), 0);
		assert_true(n < 5000);
	}
	print_message("%u writes failed for want of memory\n", failures);
	sink->ops->free(&sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_without_memory),
		cmocka_unit_test(test_write_without_memory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
