/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A policy from the text of a configuration, and one made-up exchange. */

#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"
#include "policy/policy.h"

#define TENANT	"72f988bf-86f1-41af-91ab-2d7cd011db47"
#define OTHER	"11111111-2222-3333-4444-555555555555"
#define MESSAGE "019ab123-4567-7abc-8def-0123456789ab"

/* 0, or what config_load() or policy_new() gave; the error is without the file's name. */
static inline int policy_try(struct policy **ret_policy, const char *yaml, const struct identity_key *key,
			     char **ret_error)
{
	char path[] = "/tmp/oaitap-policy-XXXXXX", *error = NULL;
	struct config *config = NULL;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	assert_int_equal(config_new(&config), 0);
	int r = config_load(config, path, &error);
	if (r == 0)
		r = policy_new(ret_policy, &config->policy, key, &error);
	if (r == 0)
		assert_null(config->policy);
	*ret_error = NULL;
	if (error) {
		assert_memory_equal(error, path, strlen(path));
		*ret_error = strdup(error + strlen(path));
	}
	free(error);
	unlink(path);
	config_free(&config);
	return r;
}

static inline struct policy *policy_of(const char *yaml)
{
	struct policy *policy = NULL;
	_cleanup_free_ char *error = NULL;
	if (policy_try(&policy, yaml, NULL, &error) < 0)
		fail_msg("%s: %s", yaml, error);
	return policy;
}

/* "rule,rule" of the violations. */
static inline const char *violations_text(unsigned int bits)
{
	static const char *const names[] = {"require_entra", "tenants", "applications", "deployments",
					    "models"};
	static char text[128];
	text[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (bits & (1U << i)) {
			strcat(text, text[0] ? "," : "");
			strcat(text, names[i]);
		}
	return text;
}
