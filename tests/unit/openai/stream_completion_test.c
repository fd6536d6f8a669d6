/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed completions. */
#include "stream_fixture.h"

#define CHUNK(choices)                                                                                       \
	DATA("{'id':'cmpl-7','object':'text_completion','created':1790000001,'choices':[" choices            \
	     "],'model':'gpt-35-turbo-instruct','system_fingerprint':'fp_1'}")
#define TEXT(index, text) "{'text':'" text "','index':" #index ",'logprobs':null,'finish_reason':null}"

static void test_joined(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_COMPLETION,
		DATA("{'choices':[],'created':0,'id':'','model':'','object':'','prompt_filter_results':[{"
		     "'prompt_index':0,'content_filter_results':{'hate':{'filtered':false,'severity':'safe'}}"
		     "}]}") CHUNK(TEXT(1, "B1")) CHUNK(TEXT(0, "Once ")) CHUNK(TEXT(0, "upon"))
			CHUNK("{'text':'','index':0,'finish_reason':'stop','logprobs':null,'content_filter_"
			      "results':"
			      "{'hate':{'filtered':false}}}")
				CHUNK("{'text':'!','index':1,'finish_reason':'length'}")
					DATA("{'id':'cmpl-7','object':'text_completion','choices':[],'usage':"
					     "{'prompt_tokens':"
					     "3,'completion_tokens':4,'total_tokens':7}}") DONE);
	assert_answer(
		sx, "{'id':'cmpl-7','object':'text_completion','created':1790000001,'model':"
		    "'gpt-35-turbo-instruct','system_fingerprint':'fp_1','choices':[{'index':0,'text':'Once "
		    "upon','logprobs':null,'finish_reason':'stop','content_filter_results':{'hate':{"
		    "'filtered':false}}},{'index':1,'text':'B1!','logprobs':null,'finish_reason':'length'}],"
		    "'usage':{'prompt_tokens':3,'completion_tokens':4,'total_tokens':7},"
		    "'prompt_filter_results':[{'prompt_index':0,'content_filter_results':{'hate':{'filtered':"
		    "false,'severity':'safe'}}}]}");
	assert_int_equal(sx.stream.chunks, 7);
	assert_true(sx.stream.done);
	assert_false(sx.stream.unfinished);
	assert_false(sx.stream.inexact);
	assert_null(sx_problem(&sx));
}

static void test_logprobs(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_COMPLETION,
		CHUNK("{'text':'a','index':0,'logprobs':{'tokens':['a'],'token_logprobs':[-1.5],'top_"
		      "logprobs':[{"
		      "'a':-1.5}],'text_offset':[5]}}")
			CHUNK("{'text':'b','index':0,'logprobs':{'tokens':['b'],'token_logprobs':[-2.5],"
			      "'top_logprobs':[null],'text_offset':[6]},'finish_reason':'stop'}") DONE);
	assert_value(sx_at(&sx, "choices/0/logprobs"),
		     "{'tokens':['a','b'],'token_logprobs':[-1.5,-2.5],'top_logprobs':[{'a':-1.5},null],"
		     "'text_offset':[5,6]}");
	assert_null(sx_problem(&sx));
}

static void test_flaws(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx mixed =
		sx_read(OPENAI_COMPLETION,
			CHUNK(TEXT(0, "a")) CHUNK("{'text':7,'index':0},{'text':'x','index':'0'}")
				CHUNK("{'text':null,'index':0}") DATA("{'error':{'code':'server_error'}}"));
	assert_value(sx_at(&mixed, "choices/0/text"), "'a'");
	assert_value(sx_at(&mixed, "error"), "{'code':'server_error'}");
	assert_says(sx_problem(&mixed), "not of one type");
	assert_says(sx_problem(&mixed), "no usable index");
	assert_true(mixed.stream.inexact && mixed.stream.unfinished && !mixed.stream.done);

	/* Chunks of a chat have no text. */
	_cleanup_sx_ struct sx chat = sx_read(
		OPENAI_COMPLETION,
		DATA("{'choices':[{'index':0,'delta':{'content':'x'},'finish_reason':'stop'}]}") DONE);
	assert_value(sx_at(&chat, "choices"), "[{'index':0,'finish_reason':'stop','delta':{'content':'x'}}]");
}

static void test_prefixes(void **state)
{
	(void)state;
	sx_check_prefixes(OPENAI_COMPLETION,
			  CHUNK(TEXT(0, "")) CHUNK(TEXT(0, "gr\xc3\xbcn")) CHUNK(TEXT(0, " \\ud83d\\ude00"))
				  CHUNK("{'text':'.','index':0,'finish_reason':'stop'}") DONE,
			  "choices/0/text", "gr\xc3\xbcn \xf0\x9f\x98\x80.");
	assert_int_equal(sx_first_token(OPENAI_COMPLETION,
					CHUNK(TEXT(0, "")) CHUNK(TEXT(0, "a")) CHUNK(TEXT(0, "b")) DONE),
			 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joined),
		cmocka_unit_test(test_logprobs),
		cmocka_unit_test(test_flaws),
		cmocka_unit_test(test_prefixes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
