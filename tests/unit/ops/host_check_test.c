/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "ops/host_check.h"

static const struct host_feature *feature(const struct host_feature *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	fail_msg("no feature %s", name);
	return NULL;
}

/* A process that may use bpf(2) gets a yes or a no; on kernels that run the agent, a yes. */
static void test_with_privilege(void **state)
{
	static const char *const maps[] = {"ring-buffer", "lpm-trie", "program-array"};
	struct host_feature all[16];
	(void)state;
	if (host_check_missing_capability()) {
		print_message("skipped: needs CAP_BPF\n");
		return;
	}
	size_t n = host_check_features(all, ARRAY_SIZE(all));
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		const struct host_feature *f = feature(all, n, maps[i]);
		assert_true(f->checked);
		assert_true(f->present);
	}
	assert_int_equal(host_check_features(all, 1), 1);
}

/* What is absent says what that costs; nothing of it is needed. */
static void test_details(void **state)
{
	struct features none = {.returns = FEATURES_RETURN_KILLS};
	struct features most = {.multi = true, .send_length = true, .skb_owner = true, .cgroup = "/x"};
	struct host_feature all[16];
	(void)state;
	if (host_check_missing_capability()) {
		print_message("skipped: needs CAP_BPF\n");
		return;
	}
	size_t n = host_check_details(&none, all, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++) {
		assert_false(all[i].present || all[i].required);
		assert_true(all[i].checked);
		assert_true(strlen(all[i].detail) > 20);
	}
	assert_non_null(strstr(feature(all, n, "return-probes")->detail, "no program is read"));
	assert_non_null(strstr(feature(all, n, "client-hello")->detail, "not mounted"));
	assert_non_null(strstr(feature(all, n, "send-length")->detail, "SSL_set_fd"));
	none.kprobe = true;
	n = host_check_details(&none, all, ARRAY_SIZE(all));
	assert_non_null(strstr(feature(all, n, "send-length")->detail, "stands in"));

	n = host_check_details(&most, all, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].present, strcmp(all[i].name, "kprobe") != 0);
	assert_non_null(strstr(feature(all, n, "kprobe")->detail, "not needed"));
	most.cgroup_partial = true;
	n = host_check_details(&most, all, ARRAY_SIZE(all));
	assert_false(feature(all, n, "whole-host")->present);
	most.returns = FEATURES_RETURN_UNKNOWN;
	n = host_check_details(&most, all, ARRAY_SIZE(all));
	assert_non_null(strstr(feature(all, n, "return-probes")->detail, "taken for safe"));
	assert_int_equal(host_check_details(&most, all, 2), 2);
}

/* The kernel's own programs are tried: on the machines that run this they load. */
static void test_block(void **state)
{
	struct features f;
	(void)state;
	if (host_check_missing_capability()) {
		print_message("skipped: needs CAP_BPF\n");
		return;
	}
	features_detect(&f);
	struct host_feature block = host_check_block(&f);
	assert_string_equal(block.name, "block");
	assert_true(block.checked && !block.required);
	assert_int_equal(block.present, f.skb_owner);
	f.skb_owner = false;
	block = host_check_block(&f);
	assert_true(block.checked && !block.present);
	assert_string_equal(block.detail, "needs client-hello");
	f.skb_owner = true;
	f.cgroup[0] = 0;
	block = host_check_block(&f);
	assert_true(block.checked && !block.present);
	assert_string_equal(block.detail, "cgroup v2 is not mounted");
}

/* In a child, without privilege: 0 all as it should be. */
static int look_unprivileged(void)
{
	struct host_feature all[16];
	if (setgid(65534) < 0 || setuid(65534) < 0 || !host_check_missing_capability())
		return 1;
	size_t n = host_check_features(all, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++) {
		/* Nothing that the kernel has may be called missing; what was not seen says so. */
		if (all[i].checked && !all[i].present && strcmp(all[i].name, "ring-buffer") == 0)
			return 2;
		if (!all[i].checked && (all[i].present || !strstr(all[i].detail, "not checked")))
			return 3;
	}
	const struct features nothing = {.returns = FEATURES_RETURN_UNKNOWN};
	n = host_check_details(&nothing, all, ARRAY_SIZE(all));
	for (size_t i = 0; i < n; i++)
		if (all[i].checked || !strstr(all[i].detail, "not checked"))
			return 5;
	const struct host_feature block = host_check_block(&nothing);
	if (block.checked || block.present || !strstr(block.detail, "not checked"))
		return 6;
	return host_check_or_explain() == 3 ? 0 : 4;
}

static void test_without_privilege(void **state)
{
	int status = 0;
	(void)state;
	if (getuid() != 0) {
		print_message("skipped: needs root\n");
		return;
	}
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(look_unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_privilege),
		cmocka_unit_test(test_details),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_without_privilege),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
