/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Runs one test for each case of a file or folder that nobody here wrote. Each is a line "ok ..." or "not ok
 * ..." (TAP), and the last line is "total CASES PASSED", which tests/conformance/run.py reads. Includes
 * guard.h first. */

#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
	struct CMUnitTest *tests; /* owned, as are the names */
	size_t n, cap;
	size_t cases, passed; /* of tests that are more than one case; they count these themselves */
};

/* data is what the test finds in *state; it outlives the run. */
static inline void report_add(struct report *r, const char *name, CMUnitTestFunction test, void *data)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 256;
		r->tests = reallocarray(r->tests, r->cap, sizeof(*r->tests));
		if (!r->tests)
			abort();
	}
	r->tests[r->n++] =
		(struct CMUnitTest){.name = strdup(name), .test_func = test, .initial_state = data};
}

/* The program's exit status: 0 only if every case passed, and there was one. */
static inline int report_run(struct report *r, const char *name)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = _cmocka_run_group_tests(name, r->tests, r->n, NULL, NULL);
	size_t cases = r->cases ? r->cases : r->n;
	size_t passed = r->cases ? r->passed : r->n - (size_t)failed;
	printf("total %zu %zu\n", cases, passed);
	for (size_t i = 0; i < r->n; i++)
		free((void *)r->tests[i].name);
	free(r->tests);
	return failed || !cases || passed != cases;
}
