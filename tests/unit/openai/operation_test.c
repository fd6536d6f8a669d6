/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "openai/operation.h"

static const struct {
	const char *method, *path, *operation, *deployment;
} cases[] = {
	{"POST", "/openai/deployments/gpt-4o/chat/completions", "ChatCompletions_Create", "gpt-4o"},
	{"POST", "/openai/deployments/Team%20A%2Dprod/chat/completions", "ChatCompletions_Create",
	 "Team A-prod"},
	{"POST", "/openai/deployments/gr%C3%BCn/chat/completions", "ChatCompletions_Create", "gr\xc3\xbcn"},
	{"POST", "/OpenAI/Deployments/GPT-4o/Chat/Completions", "ChatCompletions_Create", "GPT-4o"},
	{"POST", "//openai/deployments/x/chat/completions", "ChatCompletions_Create", "x"},
	{"POST", "/openai//deployments/x/chat/completions/", "ChatCompletions_Create", "x"},
	{"POST", "/openai/deployments/x/chat/%63ompletions", "ChatCompletions_Create", "x"},
	{"POST", "/openai/deployments/deployments/chat/completions", "ChatCompletions_Create", "deployments"},
	{"POST", "/openai/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/OPENAI/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/v1//chat/completions/", "createChatCompletion", NULL},
	{"POST", "/models/chat/completions", "getChatCompletions", NULL},

	{"POST", "/V1/chat/completions", "Unknown", NULL},
	{"GET", "/v1/chat/completions", "Unknown", NULL},
	{"post", "/v1/chat/completions", "Unknown", NULL},
	{NULL, "/v1/chat/completions", "Unknown", NULL},
	{"POST", NULL, "Unknown", NULL},
	{"POST", "", "Unknown", NULL},
	{"POST", "/", "Unknown", NULL},
	{"POST", "*", "Unknown", NULL},
	{"POST", "v1/chat/completions", "Unknown", NULL},
	{"POST", "/v1/chat/completions/x", "Unknown", NULL},
	{"POST", "/v1/chat/completionsx", "Unknown", NULL},
	{"POST", "/v1/chat/completion", "Unknown", NULL},
	{"POST", "/x/v1/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/chat/completions", "Unknown", "chat"},
	{"POST", "/openai/deployments//chat/completions", "Unknown", "chat"},
	{"POST", "/openai/deployments/a/b/chat/completions", "Unknown", "a"},
	{"POST", "/openai/deployments/emb/embeddings", "Unknown", "emb"},
	{"POST", "/openai/deployments/a%2Fb/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/a%5cb/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/a\\b/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/../v1/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/./chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/%2e%2E/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/x/../y/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/x%00y/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/x%0ay/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/x%zz/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/x/chat/completions%", "Unknown", NULL},
	{"POST", "/openai/deployments/x/chat/completions%4", "Unknown", NULL},
	{"POST", "/openai/deployments/%ff/chat/completions", "Unknown", NULL},
	{"POST", "/v1%2Fchat%2Fcompletions", "Unknown", NULL},
	{"POST", "/v1/chat/completions%3Fx=y", "Unknown", NULL},
	{"POST", "/v1/chat/completions;x", "Unknown", NULL},
	{"POST", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s", "Unknown", NULL},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct openai_operation *op = NULL;
		char *raw = NULL;
		size_t len = cases[i].path ? strlen(cases[i].path) : 0;
		uint8_t *path = cases[i].path ? guard_copy(cases[i].path, len) : NULL;
		assert_int_equal(openai_operation_find(cases[i].method, (char *)path, len, &op, &raw), 0);
		_cleanup_free_ char *deployment = raw;
		if (path)
			guard_free(path, len);
		if (strcmp(op->id, cases[i].operation) != 0)
			print_error("case %s\n", cases[i].path);
		assert_string_equal(op->id, cases[i].operation);
		assert_text(deployment, cases[i].deployment);
		assert_int_equal(op->kind, strcmp(op->id, "Unknown") ? OPENAI_CHAT : OPENAI_UNKNOWN);
	}
}

/* Every percent escape in a deployment's name: it comes out decoded, or the path has no name. */
static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char path[128];
		const struct openai_operation *op;
		char *raw = NULL;
		snprintf(path, sizeof(path), "/openai/deployments/a%%%02xb/chat/completions", c);
		assert_int_equal(openai_operation_find("POST", path, strlen(path), &op, &raw), 0);
		_cleanup_free_ char *deployment = raw;
		bool plain = c >= 0x20 && c < 0x7f && c != '/' && c != '\\';
		assert_int_equal(op->kind, plain ? OPENAI_CHAT : OPENAI_UNKNOWN);
		if (plain) {
			char expected[] = {'a', (char)c, 'b', 0};
			assert_text(deployment, expected);
		} else {
			assert_null(deployment);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
