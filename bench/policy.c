/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy stage costs a typical chat exchange: deciding, judging, and keeping both messages. Prints a
 * table of medians, or JSON with --json. Nothing fails on a number. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"
#include "policy/policy.h"

#define ROUNDS	   4000
#define MESSAGE_ID "019ab123-4567-7abc-8def-0123456789ab"

static const char prose[] = "Please summarise the meeting of last Tuesday in five sentences. We spoke about "
			    "the release in spring, "
			    "the two open questions of the storage team (see ticket 4711 and its 3 "
			    "comments), and who presents on "
			    "2026-03-14. Keep names out of it, and say \"not decided\" where nothing was "
			    "decided. Also: is 10:30 in "
			    "room 2.17 still right? ";

static const struct mode {
	const char *name, *yaml;
} modes[] = {
	{"off", "policy: {}\n"},
	{"rules and lists",
	 "policy: {require_entra: report, models: [\"gpt-4o*\"], rules: [{name: a, when: {units: "
	 "[\"batch-*\"], "
	 "namespaces: [x]}}, {name: b, when: {users: [nobody], operations: [\"createImage*\"]}}]}\n"},
	{"metadata only", "policy: {metadata_only: true}\n"},
	{"mask", "policy: {fields: {request.messages: mask, response.choices: mask}}\n"},
	{"hash", "policy: {fields: {request.messages: hash, response.choices: hash}}\n"},
	{"redact email", "policy: {redact: [email]}\n"},
	{"redact all", NULL}, /* made of all built-in rules */
};

struct exchange_bench {
	struct http_message request, response;
	struct openai_request req;
	struct openai_response resp;
	struct identity_caller caller;
	struct policy_facts facts;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "policy: %s\n", what);
	exit(1);
}

static struct policy *policy_of(const char *yaml)
{
	char path[] = "/tmp/oaitap-bench-XXXXXX", *error = NULL;
	struct config *config = NULL;
	struct policy *policy = NULL;
	int fd = mkstemp(path);

	must(fd >= 0 && write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml), "no file in /tmp");
	close(fd);
	int r = config_new(&config);
	if (r == 0)
		r = config_load(config, path, &error);
	if (r == 0)
		r = policy_new(&policy, &config->policy, NULL, &error);
	unlink(path);
	must(r == 0, error ? error : strerror(-r));
	config_free(&config);
	return policy;
}

static char *all_rules(void)
{
	char *text = NULL;
	size_t len;
	const char *name;
	FILE *f = open_memstream(&text, &len);
	must(f != NULL, "no memory");
	fputs("policy:\n  redact:\n", f);
	for (size_t i = 0; (name = redact_builtin_name(i, NULL)); i++)
		fprintf(f, "    - %s\n", name);
	fclose(f);
	return text;
}

/* About 1.3 KB of question and 0.9 KB of answer. */
static void exchange_make(struct exchange_bench *e)
{
	static struct http_header asked[] = {
		{(char *)"host", (char *)"contoso.openai.azure.com"},
		{(char *)"user-agent", (char *)"AzureOpenAI/Python 1.55.0"},
		{(char *)"content-type", (char *)"application/json"},
		{(char *)"accept", (char *)"application/json"},
		{(char *)"accept-encoding", (char *)"gzip, deflate"},
		{(char *)"x-stainless-lang", (char *)"python"},
		{(char *)"x-stainless-os", (char *)"Linux"},
		{(char *)"x-stainless-retry-count", (char *)"0"},
		{(char *)"api-key", (char *)"0123456789abcdef0123456789abcdef"},
		{(char *)"content-length", (char *)"1400"},
	};
	static struct http_header answered[] = {
		{(char *)"content-type", (char *)"application/json"},
		{(char *)"apim-request-id", (char *)"4f0c1c6e-1f0a-4a39-8a52-5f6f3ce9f4a1"},
		{(char *)"x-ms-region", (char *)"Sweden Central"},
		{(char *)"x-ratelimit-remaining-tokens", (char *)"239000"},
		{(char *)"date", (char *)"Mon, 23 Nov 2026 15:04:05 GMT"},
		{(char *)"content-length", (char *)"1200"},
	};
	static char user[2048], answer[1024];

	for (int i = 0; i < 3; i++)
		strcat(user, prose);
	for (int i = 0; i < 2; i++)
		strcat(answer, prose);
	e->request = (struct http_message){.headers = asked, .n_headers = ARRAY_SIZE(asked)};
	e->response = (struct http_message){.headers = answered, .n_headers = ARRAY_SIZE(answered)};
	e->req = (struct openai_request){
		.operation = "ChatCompletions_Create",
		.backend = (char *)"contoso.openai.azure.com",
		.path = (char *)"/openai/deployments/chat-prod/chat/completions",
		.api_version = (char *)"2024-10-21",
		.deployment_id = (char *)"chat-prod",
		.messages = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "system", "content",
				      "You are a careful assistant. Answer in the language of the question.",
				      "role", "user", "content", user),
		.parameters = json_pack("{s:f, s:i}", "temperature", 0.2, "max_tokens", 500),
	};
	e->resp = (struct openai_response){
		.model = (char *)"gpt-4o-2024-11-20",
		.response_id = (char *)"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
		.choices = json_pack("[{s:i, s:{s:s, s:s, s:n}, s:s}]", "index", 0, "message", "role",
				     "assistant", "content", answer, "refusal", "finish_reason", "stop"),
		.finish_reason = json_pack("[s]", "stop"),
		.usage = json_pack("{s:i, s:i, s:i}", "prompt_tokens", 300, "completion_tokens", 200,
				   "total_tokens", 500),
		.extra = json_pack("{s:s, s:i, s:s}", "object", "chat.completion", "created", 1764000000,
				   "system_fingerprint", "fp_0123456789"),
	};
	e->caller.kind = IDENTITY_API_KEY;
	e->facts = (struct policy_facts){
		.unit = "web.service", .user = "www-data", .executable = "/usr/bin/python3"};
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static uint64_t run_once(const struct exchange_bench *e, struct policy *policy,
			 struct redact_scratch *scratch)
{
	struct policy_decision d = {0};
	struct policy_verdict v;
	struct policy_kept kept;
	uint64_t from = now_ns();

	policy_decide(&d, policy, MESSAGE_ID, &e->facts, &e->req, &e->caller);
	policy_judge(&v, &d, &e->caller, &e->req, NULL);
	int r = policy_keep_request(&kept, &d, scratch, &e->request, &e->req);
	policy_kept_done(&kept);
	policy_judge(&v, &d, &e->caller, &e->req, &e->resp);
	if (r == 0)
		r = policy_keep_response(&kept, &d, scratch, &e->response, &e->req, &e->resp);
	policy_kept_done(&kept);
	policy_decision_done(&d);
	uint64_t ns = now_ns() - from;
	must(r == 0, "an exchange was not kept");
	return ns;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	static uint64_t times[ROUNDS];
	struct redact_scratch *scratch = NULL;
	struct exchange_bench e = {0};
	_cleanup_free_ char *all = all_rules();

	exchange_make(&e);
	must(redact_scratch_new(&scratch) == 0, "no memory");
	printf(json ? "{" : "%-20s %10s %10s\n", "policy", "p50 us", "p99 us");
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		struct policy *policy = policy_of(modes[m].yaml ? modes[m].yaml : all);
		for (size_t i = 0; i < ROUNDS; i++)
			times[i] = run_once(&e, policy, scratch);
		qsort(times, ROUNDS, sizeof(times[0]), by_size);
		printf(json ? "%s\"%s\":{\"p50-us\":%.2f,\"p99-us\":%.2f}" : "%s%-20s %10.2f %10.2f\n",
		       json && m ? "," : "", modes[m].name, (double)times[ROUNDS / 2] / 1000,
		       (double)times[ROUNDS * 99 / 100] / 1000);
		policy_unref(&policy);
	}
	if (json)
		puts("}");
	redact_scratch_free(&scratch);
	return 0;
}
