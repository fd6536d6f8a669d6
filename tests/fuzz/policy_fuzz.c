/* SPDX-License-Identifier: Apache-2.0 */

/* Samples of any shape through every way of keeping: what comes out is an event without what was to go, and
 * the same a second time.
 *
 * Input: a byte that picks the policy, then JSON. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"
#include "must.h"
#include "policy/sample.h"

static const char *const policies[] = {
	"policy: {redact: [email, card, ip]}\n",
	"policy: {metadata_only: true}\n",
	"policy: {sample: 0.5, models: [x], tenants: [72f988bf-86f1-41af-91ab-2d7cd011db47]}\n",
	"policy: {require_entra: report, fields: {request.messages: mask, request.files: mask, request.body: "
	"mask, "
	"response.choices: mask, response.error: hash, request.headers: mask, request.path: hash}}\n",
	"policy: {redact: [email], fields: {request.messages: {truncate: 3}, response.choices: {truncate: "
	"1}, "
	"response.files: hash, request.headers: {truncate: 2}, response.response: drop}}\n",
};

static struct policy *made[ARRAY_SIZE(policies)];
static struct redact_scratch *scratch;

static struct policy *policy_of(const char *yaml)
{
	char path[] = "/tmp/oaitap-fuzz-XXXXXX", *error = NULL;
	struct config *config = NULL;
	struct policy *policy = NULL;
	int fd = mkstemp(path);
	must(fd >= 0 && write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml));
	close(fd);
	must(config_new(&config) == 0);
	int r = config_load(config, path, &error);
	unlink(path);
	if (r == 0)
		r = policy_new(&policy, &config->policy, NULL, &error);
	if (error)
		fprintf(stderr, "%s\n", error);
	must(r == 0);
	config_free(&config);
	return policy;
}

static char *run(struct policy *policy, const json_t *input, bool *ret_dropped)
{
	struct policy_sample sample;
	if (policy_sample_run(&sample, policy, scratch, input, input) < 0)
		return NULL;
	char *text = json_dumps(sample.event, JSON_COMPACT);
	*ret_dropped = !json_object_get(sample.event, "messages") &&
		       !json_object_get(sample.event, "choices") && !json_object_get(sample.event, "body") &&
		       !json_object_get(sample.event, "tools");
	policy_sample_done(&sample);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool dropped = true, again_dropped;
	if (size < 1)
		return 0;
	size_t at = data[0] % ARRAY_SIZE(policies);
	if (!made[at])
		made[at] = policy_of(policies[at]);
	if (!scratch)
		must(redact_scratch_new(&scratch) == 0);
	json_auto_t *input =
		json_loadb((const char *)data + 1, size - 1, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!input)
		return 0;
	_cleanup_free_ char *before = json_dumps(input, JSON_ENCODE_ANY);
	_cleanup_free_ char *text = run(made[at], input, &dropped),
			    *again = run(made[at], input, &again_dropped);
	_cleanup_free_ char *after = json_dumps(input, JSON_ENCODE_ANY);
	must(!before || strcmp(before, after) == 0);
	must(!text == !again && (!text || strcmp(text, again) == 0));
	must(at != 1 || dropped);
	return 0;
}
