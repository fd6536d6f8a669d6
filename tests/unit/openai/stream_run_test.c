/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed runs of assistants. */
#include "stream_fixture.h"

#define NAMED(name, json) "event: " name "\ndata: " json "\n\n"
#define RUN(state, status, usage)                                                                            \
	NAMED("thread.run." state, "{'id':'run_1','object':'thread.run','status':'" status                   \
				   "','model':'gpt-4o','usage':" usage "}")
#define MESSAGE(state, status, content)                                                                      \
	NAMED("thread.message." state,                                                                       \
	      "{'id':'msg_1','object':'thread.message','status':'" status "','role':'assistant','content':"  \
	      "[" content "]}")
#define TEXT(index, rest)                                                                                    \
	NAMED("thread.message.delta",                                                                        \
	      "{'id':'msg_1','object':'thread.message.delta','delta':{'content':[{'index':" #index           \
	      ",'type':'text','text':{" rest "}}]}}")
#define STEP(state, status, details)                                                                         \
	NAMED("thread.run.step." state,                                                                      \
	      "{'id':'step_1','object':'thread.run.step','status':'" status "','step_details':" details "}")
#define CALLS(calls)                                                                                         \
	NAMED("thread.run.step.delta",                                                                       \
	      "{'id':'step_1','object':'thread.run.step.delta','delta':{'step_details':{'type':"             \
	      "'tool_calls','tool_calls':[" calls "]}}}")
#define THREAD "{'id':'thread_1','object':'thread','created_at':1790000001,'metadata':{}}"
#define END    "event: done\ndata: [DONE]\n\n"
#define USAGE  "{'prompt_tokens':20,'completion_tokens':11,'total_tokens':31}"

#define BEGIN                                                                                                \
	NAMED("thread.created", THREAD)                                                                      \
	RUN("created", "queued", "null")                                                                     \
	RUN("queued", "queued", "null") RUN("in_progress", "in_progress", "null")
#define HELLO                                                                                                \
	MESSAGE("created", "in_progress", "")                                                                \
	MESSAGE("in_progress", "in_progress", "")                                                            \
	TEXT(0, "'value':'Hel','annotations':[]") TEXT(0, "'value':'lo'")
#define HELLO_VALUE "{'type':'text','text':{'value':'Hello','annotations':[]}}"

static void test_completed(void **state)
{
	(void)state;
	static const char body[] = BEGIN STEP("created", "in_progress", "{'type':'message_creation'}")
		HELLO MESSAGE("completed", "completed", HELLO_VALUE)
			STEP("completed", "completed", "{'type':'message_creation'}")
				RUN("completed", "completed", USAGE) END;
	_cleanup_sx_ struct sx sx = sx_read(OPENAI_RUN, body);
	assert_answer(
		sx,
		"{'id':'run_1','object':'thread.run','status':'completed','model':'gpt-4o','usage':" USAGE
		",'thread':" THREAD
		",'messages':[{'id':'msg_1','object':'thread.message','status':'completed',"
		"'role':'assistant','content':[" HELLO_VALUE
		"]}],'steps':[{'id':'step_1','object':'thread.run.step','status':'completed','step_details':{"
		"'type':'message_creation'}}]}");
	assert_true(sx.stream.done);
	assert_false(sx.stream.unfinished || sx.stream.inexact);
	assert_null(sx_problem(&sx));
	assert_int_equal(sx.stream.chunks, 12);
	assert_int_equal(sx_first_token(OPENAI_RUN, body), 8);
}

static void test_cut(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx =
		sx_read(OPENAI_RUN, BEGIN HELLO TEXT(2, "'value':'third'")
					    TEXT(1, "'value':'s','annotations':[{'index':0,'type':'file_"
						    "citation','text':'[1]','file_citation"
						    "':{'file_id':'f'}}]"));
	assert_value(sx_at(&sx, "messages"), "[{'id':'msg_1','object':'thread.message','status':'in_progress'"
					     ",'role':'assistant','content':["
					     "{'type':'text','text':{'value':'Hello','annotations':[]}},{'"
					     "type':'text','text':{'value':'s',"
					     "'annotations':[{'type':'file_citation','text':'[1]','file_"
					     "citation':{'file_id':'f'}}]}},{'type':"
					     "'text','text':{'value':'third'}}]}]");
	assert_value(sx_at(&sx, "status"), "'in_progress'");
	assert_true(sx.stream.unfinished && !sx.stream.done && !sx.stream.inexact);
	assert_text(sx_problem(&sx), "the stream does not say [DONE]");
	sx_check_prefixes(OPENAI_RUN,
			  BEGIN HELLO MESSAGE("completed", "completed", HELLO_VALUE)
				  RUN("completed", "completed", USAGE) END,
			  "messages/0/content/0/text/value", "Hello");
}

static void test_tool_calls(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_RUN,
		BEGIN STEP("created", "in_progress", "{'type':'tool_calls','tool_calls':[]}") CALLS(
			"{'index':0,'id':'call_1','type':'function','function':{'name':'f','arguments':'','"
			"output':null}}") CALLS("{'index':0,'type':'function','function':{'arguments':'{"
						"\\u0022a'}}")
			CALLS("{'index':0,'type':'function','function':{'arguments':'\\u0022:1}'}}") CALLS(
				"{'index':1,'id':'call_2','type':'code_interpreter','code_interpreter':{'"
				"input':"
				"'pri','outputs':[]}}")
				CALLS("{'index':1,'type':'code_interpreter','code_interpreter':{'input':'nt',"
				      "'outputs':[{'index':0,'type':'logs','logs':'a'}]}}")
					CALLS("{'index':1,'code_interpreter':{'outputs':[{'index':0,'logs':'"
					      "b'},{"
					      "'index':1,'type':'image'}]}}")
						RUN("requires_action", "requires_action", "null") END);
	assert_value(sx_at(&sx, "steps/0/step_details"),
		     "{'type':'tool_calls','tool_calls':[{'id':'call_1','type':'function','function':{'name':"
		     "'f','arguments'"
		     ":'{\\'a\\':1}','output':null}},{'id':'call_2','type':'code_interpreter','code_"
		     "interpreter':{"
		     "'input':'print','outputs':[{'type':'logs','logs':'ab'},{'type':'image'}]}}]}");
	assert_null(sx_problem(&sx));
	assert_true(sx.stream.done && !sx.stream.unfinished);
}

/* By the objects alone. */
static void test_unnamed(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_RUN,
		DATA("{'id':'run_1','object':'thread.run','status':'in_progress'}")
			DATA("{'id':'m','object':'thread.message','status':'in_progress','content':[]}")
				DATA("{'id':'m','object':'thread.message.delta','delta':{'content':[{'index':"
				     "0,'text':{'value':'x'}}]}}")
					DATA("{'id':'m','object':'thread.message','status':'completed','"
					     "content':['final']}")
						DATA("{'id':'m','object':'thread.message.delta','delta':{'"
						     "content':[{'index':0}]}}") DONE);
	assert_answer(
		sx,
		"{'id':'run_1','object':'thread.run','status':'in_progress','messages':[{'id':'m','object':"
		"'thread.message','status':'completed','content':['final']}]}");
	assert_says(sx_problem(&sx), "1 events of the stream do not say what they must");
}

static void test_errors(void **state)
{
	(void)state;
	static const char *const errors[] = {
		NAMED("error", "{'code':'rate_limit','message':'m'}"),
		NAMED("error", "{'error':{'code':'rate_limit','message':'m'}}"),
		DATA("{'error':{'code':'rate_limit','message':'m'}}"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		char body[8192];
		snprintf(body, sizeof(body), "%s%s", BEGIN HELLO, errors[i]);
		_cleanup_sx_ struct sx sx = sx_read(OPENAI_RUN, body);
		assert_value(sx_at(&sx, "error"), "{'code':'rate_limit','message':'m'}");
		assert_value(sx_at(&sx, "messages/0/content/0/text/value"), "'Hello'");
		assert_true(sx.stream.unfinished);
	}
	_cleanup_sx_ struct sx failed = sx_read(
		OPENAI_RUN, NAMED("thread.run.failed",
				  "{'object':'thread.run','status':'failed','last_error':{'code':"
				  "'server_error'},'error':7,'usage':" USAGE "}") NAMED("done", "{}"));
	assert_value(sx_at(&failed, "usage"), USAGE);
	assert_value(sx_at(&failed, "error"), "7");
	assert_true(failed.stream.done && !failed.stream.unfinished);
}

static void test_flaws(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_RUN, NAMED("thread.message.delta", "{'delta':{}}") NAMED("thread.message.delta",
										"{'id':'m','delta':3}")
				    NAMED("thread.message.created", "{'id':7}") NAMED("threads.created", "{}")
					    TEXT(0, "'value':'only'") TEXT(0, "'value':[1]") END);
	assert_value(sx_at(&sx, "messages/1"),
		     "{'id':'msg_1','content':[{'type':'text','text':{'value':'only'}}]}");
	assert_says(sx_problem(&sx), "3 events of the stream do not say what they must");
	assert_says(sx_problem(&sx), "1 events of the stream are of no known type");
	assert_says(sx_problem(&sx), "not of one type");
	assert_true(sx.stream.inexact);

	struct buf b;
	buf_init(&b, 64 << 20);
	for (int i = 0; i < 300; i++)
		assert_int_equal(
			buf_appendf(&b, NAMED("thread.message.created", "{'id':'m%d','content':[]}"), i), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(buf_appendf(&b,
					     NAMED("thread.message.delta",
						   "{'id':'m%d','delta':{'content':[{'index':%d,"
						   "'text':{'value':'x'}}]}}"),
					     i % 2, 1000 - i),
				 0);
	for (int i = 0; i < 400; i++)
		assert_int_equal(buf_appendf(&b,
					     NAMED("thread.message.delta",
						   "{'id':'m3','delta':{'content':[{'index':%d}]}}"),
					     i),
				 0);
	_cleanup_sx_ struct sx many = sx_read_buf(OPENAI_RUN, &b);
	assert_int_equal(json_array_size(sx_at(&many, "messages")), STREAM_MAX_ENTRIES);
	assert_int_equal(json_array_size(sx_at(&many, "messages/0/content")), 100);
	assert_int_equal(json_array_size(sx_at(&many, "messages/3/content")), 128);
	assert_says(sx_problem(&many), "more than 256 messages or steps");
	assert_says(sx_problem(&many), "more than 128 pieces of a message or step");
	assert_true(many.stream.inexact);
}

static void test_long(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 256 << 20);
	/* The slow case: each event of another message than the one before. */
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_appendf(&b,
					     NAMED("thread.message.delta",
						   "{'id':'msg_%d','delta':{'content':[{'index':0,"
						   "'text':{'value':'word '}}]}}"),
					     i * 97 % 250),
				 0);
	double start = sx_seconds();
	_cleanup_sx_ struct sx sx = sx_read_buf(OPENAI_RUN, &b);
	double took = sx_seconds() - start;
	print_message("100,000 deltas, %zu bytes: %.3f s\n", sx.fx.msg.body_len, took);
	assert_int_equal(json_array_size(sx_at(&sx, "messages")), 250);
	assert_int_equal(json_string_length(sx_at(&sx, "messages/7/content/0/text/value")), 2000);
	assert_false(sx.stream.inexact);
	assert_true(took < SPEED_LIMIT_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completed),  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_tool_calls), cmocka_unit_test(test_unnamed),
		cmocka_unit_test(test_errors),	   cmocka_unit_test(test_flaws),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
