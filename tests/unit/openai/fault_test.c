/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "faults.h"

/* Each allocation in turn fails, alone and together with all that follow: the call says -ENOMEM, or got by
 * without it; nothing is leaked. */

static const struct {
	const char *request; /* body, or NULL */
	const char *type, *response;
	int status;
	enum openai_kind kind; /* of a response; 0: chat completion */
	const char *target;    /* of a request; NULL: chat completion */
} cases[] = {
	{"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[],\"n\":1}", NULL,
	 NULL, 0, 0, NULL},
	{"{\"model\":\"m\",\"seed\":99999999999999999999,\"messages\":[\"\\ud800\"],\"a\":1,\"a\":2}", NULL,
	 NULL, 0, 0, NULL},
	{"\xff\xfe", NULL, NULL, 0, 0, NULL},
	{NULL, NULL,
	 "{\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_"
	 "reason\":\"stop\","
	 "\"content_filter_results\":{}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":-1},\"x\":[1."
	 "5],"
	 "\"prompt_filter_results\":[]}",
	 200, 0, NULL},
	{NULL, NULL,
	 "{\"error\":{\"code\":4,\"param\":\"p\",\"innererror\":{\"content_filter_result\":{\"a\":{}}}}}",
	 400, 0, NULL},
	{NULL, "text/event-stream",
	 "data: {\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[{}]}\n\n"
	 "data: "
	 "{\"id\":\"i\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":1,"
	 "\"delta\":{\"role\":"
	 "\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{"
	 "\"arguments\":\"{\"}}],"
	 "\"y\":[1],\"z\":2},\"logprobs\":{\"content\":[{}]}}]}\n\n"
	 "data: "
	 "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\",\"other\":1,"
	 "\"content_filter_results\":{\"a\":{}},\"content_filter_offsets\":{\"start_offset\":1}}],\"usage\":"
	 "{\"total_tokens\":3}}\n\ndata: broken\n\ndata: {\"error\":\"e\"}\n\ndata: [DONE]\n\n",
	 200, 0, NULL},
	{"{\"model\":\"m\",\"input\":[\"a\"],\"instructions\":\"i\",\"prompt\":{\"id\":\"p\"},\"n\":1}", NULL,
	 NULL, 0, 0, "/some/openai/v1/responses"},
	{"", NULL, NULL, 0, 0, "/openai/realtime?api-version=1&model=m&deployment=d"},
	{"", NULL, NULL, 0, 0, "/v1/models/gpt-4o"},
	{"form", "multipart/form-data", NULL, 0, 0, "/v1/audio/transcriptions"},
	{"file", "audio/wav", NULL, 0, 0, "/v1/uploads/u/parts"},
	{NULL, NULL,
	 "{\"id\":\"r\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},"
	 "\"output\":[{}],"
	 "\"content_filters\":[{\"source_type\":\"prompt\"},{}],\"usage\":{\"input_tokens\":1,\"output_"
	 "tokens\":2,"
	 "\"output_tokens_details\":{\"reasoning_tokens\":-1}},\"error\":{\"content_filters\":[{}],\"x\":1}}",
	 200, OPENAI_RESPONSE, NULL},
	{NULL, NULL,
	 "{\"data\":[{\"prompt_filter_results\":{},\"content_filter_results\":{}}],\"value\":\"ek_1\"}", 200,
	 OPENAI_IMAGE, NULL},
	{NULL, NULL, "{\"status\":\"failed\",\"last_error\":{\"code\":\"c\",\"x\":1}}", 200, OPENAI_RUN,
	 NULL},
	{NULL, NULL, "{\"text\":\"t\",\"client_secret\":{\"value\":\"v\"}}", 200, OPENAI_TRANSCRIPT, NULL},
	{NULL, "text/plain", "a\xff", 200, OPENAI_TRANSCRIPT, NULL},
	{NULL, "audio/mpeg", "\xff", 200, OPENAI_SPEECH, NULL},
	{NULL, NULL, "{\"errors\":[{\"code\":5,\"message\":\"m\"}],\"usage\":{\"total_tokens\":1}}", 500,
	 OPENAI_OBJECT, NULL},
	{NULL, NULL, "{\"error\":\"e\",\"message\":[1],\"usage\":{\"total_tokens\":1}}", 500, OPENAI_OBJECT,
	 NULL},
};

static struct http_part parts[] = {
	{.name = (char *)"a[]", .data = (uint8_t *)"x\xff", .data_len = 2, .bytes = 2, .whole = true},
	{.name = (char *)"a[]", .data = (uint8_t *)"y", .data_len = 1, .bytes = 1, .whole = true},
	{.name = (char *)"model", .data = (uint8_t *)"m", .data_len = 1, .bytes = 1},
	{.name = (char *)"b", .data = (uint8_t *)"1", .data_len = 1, .bytes = 1, .whole = true},
	{.name = (char *)"b", .whole = true},
	{.name = (char *)"f",
	 .filename = (char *)"n",
	 .content_type = (char *)"t",
	 .bytes = 9,
	 .whole = true},
};

static int run(size_t i)
{
	struct openai_request *req = NULL;
	struct openai_response *resp = NULL;
	const struct openai_request asked = {
		.kind = cases[i].kind ? cases[i].kind : OPENAI_CHAT, .operation = "x", .stream = true};
	const char *target =
		cases[i].target ? cases[i].target : "/openai/deployments/d/chat/completions?api-version=1";
	struct fx fx = cases[i].request ? fx_request(target, cases[i].request)
					: fx_response(cases[i].status, cases[i].type, cases[i].response);
	fx.msg.headers = fx.headers;
	if (cases[i].request) {
		fx.msg.method = (char *)(*cases[i].request ? "POST" : "GET");
		fx_header(&fx, "host", "h");
		if (cases[i].type)
			fx_header(&fx, "content-type", cases[i].type);
		if (!strcmp(cases[i].request, "form")) {
			fx.msg.parts = parts;
			fx.msg.n_parts = ARRAY_SIZE(parts);
		}
	}

	int r = cases[i].request ? openai_request_new(&req, &fx.msg)
				 : openai_response_new(&resp, &asked, &fx.msg);
	if ((r < 0 && (req || resp)) || (r == 0 && !req && !resp))
		r = -EINVAL;
	openai_request_free(&req);
	openai_response_free(&resp);
	fx_done(&fx);
	return r;
}

/* Under ASan a request without a body needs nothing of what can fail. */
static bool can_fail(size_t i)
{
#ifdef __SANITIZE_ADDRESS__
	return !cases[i].request || *cases[i].request;
#else
	return i < ARRAY_SIZE(cases);
#endif
}

static void test_each_allocation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		faults_each(run, i, can_fail(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
	faults_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
