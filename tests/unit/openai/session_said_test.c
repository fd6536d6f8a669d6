/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions in which the server has the last word: on the configuration, on audio that was committed, and on
 * text whose pieces came before it. */
#include "session_fixture.h"

#define CREATED(id) "{\"type\":\"response.created\",\"response\":{\"id\":\"" id "\"}}"
#define ENDED(id)                                                                                            \
	"{\"type\":\"response.done\",\"response\":{\"id\":\"" id "\",\"status\":\"completed\",\"output\":[]" \
	"}}"
#define PATH "/v1/realtime?model=m"

static void respond(struct talk *t)
{
	client(t, "{\"type\":\"response.create\"}");
	server(t, CREATED("r"));
	server(t, ENDED("r"));
}

static void assert_instructions(const struct talk *t, size_t n, const char *want)
{
	assert_string_equal(json_string_value(req_of(t, n)->instructions), want);
}

/* What was asked for holds until the server says what holds; a refusal takes it back. */
static void test_configuration(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, PATH);
	server(&t, "{\"type\":\"session.created\",\"session\":{\"instructions\":\"first\",\"speed\":1}}");
	respond(&t);
	client(&t, "{\"type\":\"session.update\",\"session\":{\"instructions\":\"asked\"}}");
	respond(&t);
	server(&t, "{\"type\":\"session.updated\",\"session\":{\"instructions\":\"granted\",\"speed\":2}}");
	respond(&t);
	client(&t, "{\"type\":\"session.update\",\"session\":{\"instructions\":\"one\"}}");
	client(&t, "{\"type\":\"session.update\",\"session\":{\"speed\":3}}");
	respond(&t);
	server(&t, "{\"type\":\"session.updated\",\"session\":{\"instructions\":\"one\",\"speed\":2}}");
	respond(&t);
	server(&t, "{\"type\":\"error\",\"error\":{\"code\":\"invalid_value\",\"param\":\"session.speed\"}}");
	respond(&t);
	talk_end(&t);

	static const char *const instructions[] = {"first", "asked", "granted", "one", "one", "one"};
	static const int speeds[] = {1, 1, 2, 3, 3, 2};
	assert_int_equal(t.n_requests, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_instructions(&t, i, instructions[i]);
		assert_int_equal(json_integer_value(json_object_get(req_of(&t, i)->parameters, "speed")),
				 speeds[i]);
	}
}

/* The server refuses a commit: the item that it makes of the next one is the next one's. */
static void test_refused_commit(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *sum = audio_sum(7, 30), *none = audio_sum(0, 0);
	_cleanup_free_ char *audio = audio_base64(7, 30);
	_cleanup_free_ char *append = NULL, *want = NULL;
	assert_true(asprintf(&append, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"%s\"}", audio) >
		    0);
	assert_true(asprintf(&want,
			     "[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_"
			     "audio\",\"audio\":%s}]},"
			     "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
			     "\"audio\":%s}],"
			     "\"id\":\"u2\"}]",
			     none, sum) > 0);
	talk_begin(&t, PATH);
	server(&t, "{\"type\":\"session.created\",\"session\":{}}");
	client(&t, "{\"type\":\"input_audio_buffer.commit\"}");
	server(&t, "{\"type\":\"error\",\"error\":{\"code\":\"input_audio_buffer_commit_empty\"}}");
	client(&t, append);
	client(&t, "{\"type\":\"input_audio_buffer.commit\"}");
	server(&t, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u2\"}");
	respond(&t);
	talk_end(&t);
	assert_int_equal(t.n_requests, 1);
	assert_json(req_of(&t, 0)->input, want);
}

#define TEXT(kind, item, at, part, member, text)                                                             \
	"{\"type\":\"response.output_text." kind "\",\"response_id\":\"r\",\"item_id\":\"" item              \
	"\",\"output_index\":" at ",\"content_index\":" part ",\"" member "\":\"" text "\"}"

/* The session ends before the response does: what was streamed stands in the order of its places, and where
 * the server said a whole text that one counts. */
static void test_text_in_pieces(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	talk_begin(&t, PATH);
	client(&t, "{\"type\":\"response.create\"}");
	server(&t, CREATED("r"));
	server(&t, TEXT("delta", "m2", "1", "1", "delta", "la"));
	server(&t, TEXT("delta", "m2", "1", "0", "delta", "thi"));
	server(&t, TEXT("delta", "m1", "0", "0", "delta", "fir"));
	server(&t, TEXT("delta", "m2", "1", "0", "delta", "rt"));
	server(&t, TEXT("done", "m2", "1", "0", "text", "third"));
	server(&t, TEXT("done", "m2", "1", "1", "text", "last"));
	server(&t, TEXT("done", "m1", "0", "0", "text", "first"));
	talk_end(&t);
	assert_int_equal(resp_of(&t, 0)->outcome, OPENAI_INTERRUPTED);
	assert_json(resp_of(&t, 0)->output, "[{\"id\":\"m1\",\"type\":\"message\",\"content\":[{\"type\":"
					    "\"output_text\",\"text\":\"first\"}]},"
					    "{\"id\":\"m2\",\"type\":\"message\",\"content\":[{\"type\":"
					    "\"output_text\",\"text\":\"third\"},"
					    "{\"type\":\"output_text\",\"text\":\"last\"}]}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_refused_commit),
		cmocka_unit_test(test_text_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
