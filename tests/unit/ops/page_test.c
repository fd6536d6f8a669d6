/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "ops/page.h"

/* The page of one exchange, by what the operation asks and answers. */

static char *render(const char *text)
{
	struct buf out;
	size_t len = strlen(text);
	uint8_t *copy = guard_copy(text, len);
	buf_init(&out, 1 << 20);
	assert_int_equal(page_event(&out, (const char *)copy, len, false, false), 0);
	guard_free(copy, len);
	return buf_take_str(&out);
}

static void check(const char *type, const char *members, const char *want)
{
	char event[4096];
	snprintf(event, sizeof(event), "{\"event-type\":\"%s\",%s}", type, members);
	_cleanup_free_ char *text = render(event);
	if (!strstr(text, want))
		fail_msg("%s\nlacks\n%s", text, want);
}

static void test_requests(void **state)
{
	(void)state;
	check("Request", "\"instructions\":\"Be kind.\",\"prompt\":\"a\\nb\"",
	      "  instructions\n      Be kind.\n  prompt\n      a\n      b\n");
	check("Request", "\"input\":\"say\"", "  input\n      say\n");
	check("Request", "\"input\":[\"x\",\"y\"]", "  input\n      [\n        \"x\",\n");
	check("Request",
	      "\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"function_call_output\",\"call_"
	      "id\":\"c\","
	      "\"output\":\"sunny\"}]",
	      "  input\n  [1] user\n      q\n  [2] function_call_output  answers c\n      sunny\n");
	check("Request", "\"files\":[{\"name\":\"file\",\"file-name\":\"a\\u001b.wav\",\"bytes\":7}]",
	      "  files\n      [file: a\\x1b.wav, 7 B]\n");
}

static void test_responses(void **state)
{
	(void)state;
	check("Response",
	      "\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"text\":\"Hi\"}]},{"
	      "\"type\":"
	      "\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"reasoning\"}]",
	      "  output\n  [1] assistant\n      Hi\n  [2] function_call  f\n      {}\n  [3] reasoning\n      "
	      "{\n");
	check("Response", "\"data\":[{\"embedding\":[1,2]}]", "  data\n      [1 embedding, 2 dimensions]\n");
	check("Response", "\"data\":[{\"id\":\"file-1\"}]",
	      "  data\n      [1 item]\n      [\n        {\n          \"id\"");
	check("Response", "\"text\":\"Hello.\"", "  text\n      Hello.\n");
	check("Response", "\"files\":[{\"content-type\":\"audio/mpeg\",\"bytes\":9}]",
	      "  files\n      [audio/mpeg, 9 B]\n");
	check("Response", "\"response\":{\"object\":\"file\"}",
	      "  response\n      {\n        \"object\": \"file\"\n");
	check("Response", "\"prompt_tokens\":1,\"total_tokens\":2,\"cached_tokens\":3,\"reasoning_tokens\":4",
	      "  Tokens       1 prompt = 2  cached 3  reasoning 4\n");

	_cleanup_free_ char *images =
		render("{\"event-type\":\"Response\",\"data\":[{\"b64_json\":\"AAAA\"}]}");
	assert_non_null(strstr(images, "  data\n      [1 image, 3 B]\n"));
	assert_null(strstr(images, "AAAA"));
}

static void test_hostile(void **state)
{
	(void)state;
	static const char *const members[] = {
		"\"input\":[null],\"files\":[null],\"prompt\":null",
		"\"input\":[{\"role\":5},5,null,{\"arguments\":5}],\"files\":5",
		"\"output\":[{},null,[]],\"data\":5,\"text\":[1],\"files\":{},\"response\":7",
		"\"output\":{},\"data\":[[]],\"choices\":[null]",
	};
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		check("Request", members[i], "Asked");
		check("Response", members[i], "Answer");
	}
}

static void test_policy(void **state)
{
	(void)state;
	check("Policy", "\"rule\":\"batch\",\"action\":\"report\",\"reason\":\"model x is not allowed\"",
	      "Not as the policy wants it\n  Rule         batch\n  Action       report\n  Why          model "
	      "x is not "
	      "allowed\n");
	check("Request",
	      "\"capture\":{\"complete\":true,\"rule\":\"batch\",\"sampled\":false,\"withheld\":[{\"path\":"
	      "\"/tools\","
	      "\"how\":\"drop\",\"why\":\"sample\"}],\"redacted\":[{\"path\":\"/"
	      "path\",\"rule\":\"email\",\"count\":2},"
	      "{\"path\":\"/x\",\"rule\":\"own\",\"count\":1,\"withheld\":true}]}",
	      "  Rule         batch\n  Sampled      no, the content is not kept\n  Withheld     /tools drop, "
	      "by sample\n"
	      "  Redacted     /path email 2\n  Withheld     /x own 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
