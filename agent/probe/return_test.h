/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Kernels 6.11 to 6.13 (unpatched) come back from a return probe by a system call of its own (uretprobe),
 * which a seccomp filter that does not know it answers by ending the process. Whether this kernel does so is
 * tried on a child of ours. */

enum return_test_result {
	RETURN_TEST_SAFE,
	RETURN_TEST_KILLED,
	RETURN_TEST_FAILED, /* could not be tried */
};

/* What the child does. All but the first are for tests of the test. */
enum return_test_child {
	RETURN_TEST_CHILD,
	RETURN_TEST_CHILD_FORBIDDEN, /* makes a system call that its filter forbids */
	RETURN_TEST_CHILD_ELSEWHERE, /* does not call the function that carries the probe */
	RETURN_TEST_CHILD_HANGS,
};

/* Forks; a second at most, and the child is gone afterwards. Before any thread is started. */
enum return_test_result return_test_run(enum return_test_child child);
