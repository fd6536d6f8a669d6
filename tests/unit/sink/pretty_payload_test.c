/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "sink/pretty.h"

/* What a terminal shows of the payload of each kind of operation: never nothing. */

static char *render(const char *text)
{
	struct buf out;
	struct pretty_options options = {.width = 120};
	size_t len = strlen(text);
	uint8_t *copy = guard_copy(text, len);
	buf_init(&out, 1 << 20);
	assert_int_equal(pretty_event(&out, (const char *)copy, len, &options), 0);
	guard_free(copy, len);
	return buf_take_str(&out);
}

/* The lines from the third on: after who and what. */
static void check(const char *head, const char *members, const char *want)
{
	char event[4096];
	snprintf(event, sizeof(event), "{%s%s%s}", head, *members ? "," : "", members);
	_cleanup_free_ char *text = render(event);
	const char *p = strchr(text, '\n');
	p = p ? strchr(p + 1, '\n') : NULL;
	assert_non_null(p);
	if (strcmp(p + 1, want) != 0)
		print_error("event %s\n", event);
	assert_string_equal(p + 1, want);
}

static void test_requests(void **state)
{
	(void)state;
	static const struct {
		const char *members, *want;
	} cases[] = {
		{"\"prompt\":\"a cat\"", "    > a cat\n"},
		{"\"prompt\":[\"a\",\"b\"]", "    > [2 texts] a\n"},
		{"\"prompt\":[1,2,3]", "    > [3 tokens]\n"},
		{"\"input\":\"say\",\"instructions\":\"n\"", "    > say\n"},
		{"\"input\":[\"one\"]", "    > one\n"},
		{"\"input\":[[1,2],[3]]", "    > [2 texts] [2 tokens]\n"},
		{"\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"},{"
		 "\"type\":"
		 "\"input_image\"}]},{\"role\":\"assistant\",\"content\":\"x\"}]",
		 "    > hi [input_image]\n"},
		{"\"input\":[{\"role\":\"user\",\"content\":\"q\"},{\"type\":\"function_call_output\","
		 "\"output\":\"sunny\"}]",
		 "    > \xe2\x9a\x99 sunny\n"},
		{"\"input\":[{\"type\":\"item_reference\"}]", "    > [item_reference]\n"},
		{"\"input\":[],\"instructions\":\"only\"", "    > only\n"},
		{"\"files\":[{\"name\":\"file\",\"file-name\":\"a.wav\",\"content-type\":\"audio/"
		 "wav\",\"bytes\":34100}]",
		 "    > [file: a.wav, audio/wav, 34.1 KB]\n"},
		{"\"prompt\":\"p\",\"files\":[{\"bytes\":5}],\"parameters\":{\"n\":1}",
		 "    > p\n    > [5 B]\n"},
		{"\"parameters\":{\"training_file\":\"f\"}", "    > {\"training_file\":\"f\"}\n"},
		{"\"method\":\"GET\",\"path\":\"/v1/files/f\"", "    > GET /v1/files/f\n"},
		{"\"body\":\"v=0\"", "    > v=0\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check("\"event-type\":\"Request\",\"operation\":\"x\"", cases[i].members, cases[i].want);
}

static void test_responses(void **state)
{
	(void)state;
	static const struct {
		const char *members, *want;
	} cases[] = {
		{"\"output\":[{\"type\":\"reasoning\",\"summary\":[]},{\"type\":\"message\",\"content\":[{"
		 "\"type\":"
		 "\"output_text\",\"text\":\"Hi\"}]},{\"type\":\"function_call\",\"name\":\"f\","
		 "\"arguments\":\"{}\"},"
		 "{\"type\":\"web_search_call\"}]",
		 "    < [reasoning]\n    < Hi\n    < \xe2\x9a\x99 f({})\n    < [web_search_call]\n"},
		{"\"output\":[{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":"
		 "\"thus\"}]}]",
		 "    < [reasoning] thus\n"},
		{"\"choices\":[{\"text\":\"plain\"}]", "    < plain\n"},
		{"\"data\":[{\"embedding\":[1,2,3]},{\"embedding\":[1,2,3]}]",
		 "    < [2 embeddings, 3 dimensions]\n"},
		{"\"data\":[{\"embedding\":\"AAAAAAAAAAA=\"}]", "    < [1 embedding, 2 dimensions]\n"},
		{"\"data\":[{\"b64_json\":\"AAAAAAAA\"}]", "    < [1 image, 6 B]\n"},
		{"\"data\":[{\"url\":\"u\"},{\"url\":\"v\"}]", "    < [2 images]\n"},
		{"\"data\":[{\"id\":\"x\"}]", "    < [1 item]\n"},
		{"\"data\":[]", "    < [0 items]\n"},
		{"\"text\":\"Hello.\\nYou.\"", "    < Hello. You.\n"},
		{"\"files\":[{\"content-type\":\"audio/mpeg\",\"bytes\":1400000}]",
		 "    < [audio/mpeg, 1.4 MB]\n"},
		{"\"response\":{\"object\":\"file\"}", "    < {\"object\":\"file\"}\n"},
		{"\"response\":{\"object\":\"x\"},\"choices\":[{\"text\":\"t\"}]", "    < t\n"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check("\"event-type\":\"Response\",\"status\":200", cases[i].members, cases[i].want);
}

/* Members of other types than they should be, and names that are too long for a preview. */
static void test_hostile(void **state)
{
	(void)state;
	static const char *const members[] = {
		"\"prompt\":{},\"input\":5,\"files\":{}",
		"\"prompt\":[null],\"files\":[null,[],{\"bytes\":\"x\",\"name\":[]}]",
		"\"input\":[[]],\"instructions\":[{}]",
		"\"input\":[{\"role\":\"user\"}]",
		"\"output\":[null,5,{\"type\":7},{\"summary\":5,\"type\":\"\"}],\"data\":{}",
		"\"data\":[null],\"text\":[],\"choices\":{}",
		"\"data\":[{\"embedding\":null,\"b64_json\":5}]",
	};
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		for (int response = 0; response < 2; response++) {
			char event[1024];
			snprintf(event, sizeof(event), "{\"event-type\":\"%s\",%s}",
				 response ? "Response" : "Request", members[i]);
			_cleanup_free_ char *text = render(event);
			assert_non_null(text);
		}

	struct buf event;
	buf_init(&event, 1 << 20);
	assert_int_equal(
		buf_append_str(&event, "{\"event-type\":\"Request\",\"files\":[{\"bytes\":12,\"name\":\""),
		0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(buf_append_str(&event, "longname"), 0);
	assert_int_equal(buf_append_str(&event, "\"}],\"prompt\":[\""), 0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(buf_append_str(&event, "longtext"), 0);
	assert_int_equal(buf_append_str(&event, "\",\"b\"]}"), 0);
	_cleanup_free_ char *text = render((const char *)event.data);
	assert_non_null(strstr(text, "> [2 texts] longtext"));
	assert_non_null(strstr(text, "> [longname"));
	buf_done(&event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
