/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "openai/operation.h"

static const struct {
	unsigned root;
	const char *path;
} roots[] = {
	{ROOT_OPENAI, "/v1"},	 {ROOT_AZURE_V1, "/openai/v1"},
	{ROOT_AZURE, "/openai"}, {ROOT_FOUNDRY, "/models"},
	{ROOT_BARE, ""},
};

static struct openai_match find(const char *method, const char *path, const char *version, bool upgrade)
{
	struct openai_match match = {0};
	size_t len = path ? strlen(path) : 0;
	char *guarded = path ? (char *)guard_copy(path, len) : NULL;
	const struct openai_asked asked = {method, guarded, len, version, upgrade};
	assert_int_equal(openai_operation_find(&match, &asked), 0);
	assert_non_null(match.operation);
	if (path)
		guard_free((uint8_t *)guarded, len);
	return match;
}

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
	{"POST", "/openai/deployments/v1/chat/completions", "ChatCompletions_Create", "v1"},
	{"POST", "/openai/deployments/chat/completions", "Completions_Create", "chat"},
	{"POST", "/openai/deployments//chat/completions", "Completions_Create", "chat"},
	{"POST", "/openai/deployments/emb/embeddings", "Embeddings_Create", "emb"},
	{"POST", "/openai/deployments/x/responses", "Create_Response", "x"},
	{"POST", "/openai/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/OPENAI/V1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/v1//chat/completions/", "createChatCompletion", NULL},
	{"GET", "/v1/chat/completions", "listChatCompletions", NULL},
	{"GET", "/v1/chat/completions/x", "getChatCompletion", NULL},
	{"POST", "/models/chat/completions", "getChatCompletions", NULL},
	{"POST", "/Models/Embeddings", "getEmbeddings", NULL},
	{"GET", "/models/info", "getModelInfo", NULL},
	{"GET", "/openai/realtime", "Realtime_Connect", NULL},

	/* Literal segments before wildcards. */
	{"POST", "/v1/threads/runs", "createThreadAndRun", NULL},
	{"POST", "/v1/threads/x", "modifyThread", NULL},
	{"POST", "/v1/responses/compact", "Compactconversation", NULL},
	{"POST", "/openai/files/import", "Files_Import", NULL},
	{"POST", "/openai/files/x", "Unknown", NULL},
	{"POST", "/v1/videos/edits", "CreateVideoEdit", NULL},

	/* Other servers. */
	{"POST", "/chat/completions", "createChatCompletion", NULL},
	{"GET", "/models", "listModels", NULL},
	{"POST", "/engines/m/embeddings", "createEmbedding", NULL},
	{"POST", "/x/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/api/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/proxy/openai/v1/embeddings", "createEmbedding", NULL},
	{"POST", "/some/prefix/openai/deployments/d/chat/completions", "ChatCompletions_Create", "d"},
	{"POST", "/some/prefix/openai/deployments/v1/chat/completions", "ChatCompletions_Create", "v1"},
	{"POST", "/some/prefix/openai/deployments/d/unheard/of", "Unknown", "d"},
	{"POST", "/v1/account/gateway/openai/chat/completions", "createChatCompletion", NULL},
	{"POST", "/api/projects/p/openai/v1/responses", "createResponse", NULL},
	{"POST", "/api/projects/p/openai/responses", "Create_Response", NULL},
	{"POST", "/models/meta-llama/Llama-3/v1/chat/completions", "createChatCompletion", NULL},
	{"POST", "/gw/models/chat/completions", "getChatCompletions", NULL},
	{"GET", "/v1/files/v1/content", "downloadFile", NULL},
	{"GET", "/v1/files/openai", "retrieveFile", NULL},
	{"GET", "/gw/v1/models", "listModels", NULL},
	{"POST", "/v1/v1/chat/completions", "createChatCompletion", NULL},

	/* Without a root only what says enough. */
	{"POST", "/files", "Unknown", NULL},
	{"GET", "/models/gpt-4o", "Unknown", NULL},
	{"POST", "/threads", "Unknown", NULL},
	{"POST", "/gw/chat/completions", "Unknown", NULL},
	{"POST", "/gw/openai/threads", "Create_Thread", NULL},

	{"POST", "/V1/chat/completions", "Unknown", NULL},
	{"POST", "/v1/Chat/completions", "Unknown", NULL},
	{"PUT", "/v1/chat/completions", "Unknown", NULL},
	{"post", "/v1/chat/completions", "Unknown", NULL},
	{NULL, "/v1/chat/completions", "Unknown", NULL},
	{"POST", NULL, "Unknown", NULL},
	{"POST", "", "Unknown", NULL},
	{"POST", "/", "Unknown", NULL},
	{"POST", "*", "Unknown", NULL},
	{"POST", "v1/chat/completions", "Unknown", NULL},
	{"GET", "/v1", "Unknown", NULL},
	{"GET", "/openai", "Unknown", NULL},
	{"GET", "/openai/v1", "Unknown", NULL},
	{"GET", "/v1/{id}", "Unknown", NULL},
	{"POST", "/v1/chat/completionsx", "Unknown", NULL},
	{"POST", "/v1/chat/completion", "Unknown", NULL},
	{"POST", "/v1/chat", "Unknown", NULL},
	{"POST", "/v1/chat/completions/x/y", "Unknown", NULL},
	{"POST", "/openai/deployments/a/b/chat/completions", "Unknown", "a"},
	{"POST", "/openai/deployments/a%2Fb/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/a%5cb/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/a\\b/chat/completions", "Unknown", NULL},
	{"POST", "/openai/deployments/../v1/chat/completions", "Unknown", NULL},
	{"POST", "/x/../v1/chat/completions", "Unknown", NULL},
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

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(openai_match_done) struct openai_match match =
			find(cases[i].method, cases[i].path, NULL, false);
		if (strcmp(match.operation->id, cases[i].operation) != 0)
			print_error("case %s\n", cases[i].path);
		assert_string_equal(match.operation->id, cases[i].operation);
		assert_text(match.deployment, cases[i].deployment);
		assert_int_equal(match.operation->kind == OPENAI_UNKNOWN,
				 !strcmp(match.operation->id, "Unknown"));
	}
}

/* Every percent escape in a deployment's name: it comes out decoded, or the path has no name. */
static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char path[128];
		snprintf(path, sizeof(path), "/openai/deployments/a%%%02xb/chat/completions", c);
		_cleanup_(openai_match_done) struct openai_match match = find("POST", path, NULL, false);
		bool plain = c >= 0x20 && c < 0x7f && c != '/' && c != '\\';
		assert_int_equal(match.operation->kind, plain ? OPENAI_CHAT : OPENAI_UNKNOWN);
		if (plain) {
			char expected[] = {'a', (char)c, 'b', 0};
			assert_text(match.deployment, expected);
		} else {
			assert_null(match.deployment);
		}
	}
}

/* A path of the row: "/v1/files/x2/content" for "files/{id}/content". */
static void example(char *out, size_t size, const char *root, const struct openai_operation *op)
{
	size_t n = (size_t)snprintf(out, size, "%s", root);
	const char *p = op->path;
	for (int i = 1; *p; i++) {
		size_t len = strcspn(p, "/");
		n += (size_t)(*p == '{' ? snprintf(out + n, size - n, "/x%d", i)
					: snprintf(out + n, size - n, "/%.*s", (int)len, p));
		assert_true(n < size);
		p += len + (p[len] == '/');
	}
}

/* Each row answers for its own paths, and no other does. */
static void check_row(const struct openai_operation *op)
{
	bool upgrade = op->flags & OP_UPGRADE;
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		char path[256], behind[300];
		if (!(op->roots & roots[i].root))
			continue;
		example(path, sizeof(path), roots[i].path, op);
		_cleanup_(openai_match_done) struct openai_match match =
			find(op->method, path, op->until, upgrade);
		if (match.operation != op)
			print_error("%s %s is %s, not %s\n", op->method, path, match.operation->id, op->id);
		assert_ptr_equal(match.operation, op);
		assert_int_equal(match.model_is_deployment, roots[i].root == ROOT_AZURE_V1);
		assert_int_equal(match.deployment != NULL, strstr(op->path, "{deployment}") != NULL);
		assert_int_equal(match.model != NULL, strstr(op->path, "{model}") != NULL);

		_cleanup_(openai_match_done) struct openai_match without =
			find(op->method, path, NULL, false);
		assert_int_equal(without.operation != op, upgrade || op->until);

		/* Behind a prefix it is the same one. */
		snprintf(behind, sizeof(behind), "/some/gateway%s", path);
		_cleanup_(openai_match_done) struct openai_match prefixed =
			find(op->method, behind, op->until, upgrade);
		if (roots[i].root != ROOT_BARE)
			assert_ptr_equal(prefixed.operation, op);
		else
			assert_int_equal(prefixed.operation->kind, OPENAI_UNKNOWN);
	}
}

static void test_every_row(void **state)
{
	(void)state;
	size_t n, rows = 0;
	const struct openai_resource *all = openai_resources(&n);
	for (size_t i = 0; i < n; i++) {
		size_t name_len = strlen(all[i].name);
		assert_true(i == 0 || strcmp(all[i - 1].name, all[i].name) < 0);
		for (size_t j = 0; j < all[i].n_rows; j++) {
			const struct openai_operation *op = &all[i].rows[j];
			assert_memory_equal(op->path, all[i].name, name_len);
			assert_true(op->path[name_len] == 0 || op->path[name_len] == '/');
			assert_int_not_equal(op->kind, OPENAI_UNKNOWN);
			assert_true(op->roots);
			check_row(op);
			rows++;
		}
	}
	assert_true(rows > 250);
}

/* One id is one operation: it may have several paths, but of one method and kind. */
static void test_ids(void **state)
{
	(void)state;
	const struct openai_operation *rows[512];
	size_t n, n_rows = 0;
	const struct openai_resource *all = openai_resources(&n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < all[i].n_rows; j++)
			rows[n_rows++] = &all[i].rows[j];
	for (size_t i = 0; i < n_rows; i++)
		for (size_t j = i + 1; j < n_rows; j++) {
			if (strcmp(rows[i]->id, rows[j]->id) != 0)
				continue;
			assert_string_equal(rows[i]->method, rows[j]->method);
			assert_int_equal(rows[i]->kind, rows[j]->kind);
			assert_int_equal(rows[i]->flags, rows[j]->flags);
		}
}

static void test_versions(void **state)
{
	(void)state;
	static const struct {
		const char *version, *operation;
	} versions[] = {
		{"2023-05-15", "embeddings_create"},
		{"2024-10-21", "embeddings_create"},
		{"2024-10-01-preview", "embeddings_create"},
		{"2024-10-22", "Embeddings_Create"},
		{"2025-04-01-preview", "Embeddings_Create"},
		{"preview", "Embeddings_Create"},
		{"v1", "Embeddings_Create"},
		{"2024-10", "Embeddings_Create"},
		{"", "Embeddings_Create"},
		{NULL, "Embeddings_Create"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		_cleanup_(openai_match_done) struct openai_match match =
			find("POST", "/openai/deployments/d/embeddings", versions[i].version, false);
		assert_string_equal(match.operation->id, versions[i].operation);
		assert_int_equal(match.operation->kind, OPENAI_EMBEDDING);
	}
}

static void test_websockets(void **state)
{
	(void)state;
	static const struct {
		const char *path, *operation;
		bool without; /* also without asking for it */
	} sockets[] = {
		{"/v1/realtime", "connectRealtime", true},
		{"/openai/v1/realtime", "connectRealtime", true},
		{"/openai/realtime", "Realtime_Connect", true},
		{"/v1/responses", "connectResponses", false},
		{"/openai/v1/responses", "connectResponses", false},
		{"/gw/v1/responses", "connectResponses", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		_cleanup_(openai_match_done) struct openai_match with =
			find("GET", sockets[i].path, NULL, true);
		assert_string_equal(with.operation->id, sockets[i].operation);
		assert_int_equal(with.operation->kind, OPENAI_REALTIME);
		_cleanup_(openai_match_done) struct openai_match without =
			find("GET", sockets[i].path, NULL, false);
		assert_string_equal(without.operation->id,
				    sockets[i].without ? sockets[i].operation : "Unknown");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	  cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_every_row), cmocka_unit_test(test_ids),
		cmocka_unit_test(test_versions),  cmocka_unit_test(test_websockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
