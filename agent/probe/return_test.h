/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Kernels 6.11 to 6.13 (unpatched) come back from a return probe by a system call of its own (uretprobe),
 * which a seccomp filter that does not know it answers by ending the process. Whether this kernel does so is
 * tried on a child of ours. */

#include <stdbool.h>

enum return_test_result {
	RETURN_TEST_SAFE,
	RETURN_TEST_KILLED,
	RETURN_TEST_FAILED, /* could not be tried */
};

/* Forks; a second at most. misbehave is for tests of the test: the child makes a system call that its filter
 * does not allow. Before any thread is started. */
enum return_test_result return_test_run(bool misbehave);
