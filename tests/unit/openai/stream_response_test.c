/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of the Responses API: whole, cut, resumed, with lost events, and hostile. */
#include "stream_fixture.h"

#define BEGIN                                                                                                \
	EVENT("response.created",                                                                            \
	      ",'sequence_number':0,'response':{'id':'resp_1','object':'response','status':'in_progress',"   \
	      "'model':'gpt-5','output':[],'usage':null}")                                                   \
	EVENT("response.in_progress",                                                                        \
	      ",'sequence_number':1,'response':{'id':'resp_1','object':'response','status':'in_progress',"   \
	      "'model':'gpt-5','output':[],'usage':null}")
#define ADDED                                                                                                \
	EVENT("response.output_item.added",                                                                  \
	      ",'sequence_number':2,'output_index':0,'item':{'id':'msg_1','type':'message','status':"        \
	      "'in_progress','role':'assistant','content':[]}")                                              \
	EVENT("response.content_part.added",                                                                 \
	      ",'sequence_number':3,'item_id':'msg_1','output_index':0,'content_index':0,'part':{'type':"    \
	      "'output_text','text':'','annotations':[]}")
#define DELTA(seq, text)                                                                                     \
	EVENT("response.output_text.delta",                                                                  \
	      ",'sequence_number':" #seq                                                                     \
	      ",'item_id':'msg_1','output_index':0,'content_index':0,'delta':'" text                         \
	      "','logprobs':[],'obfuscation':'aX9'")
#define MESSAGE                                                                                              \
	"{'id':'msg_1','type':'message','status':'completed','role':'assistant','content':[{'type':"         \
	"'output_text','text':'Hi there','annotations':[]}]}"
#define ENDED                                                                                                \
	EVENT("response.output_text.done",                                                                   \
	      ",'sequence_number':6,'item_id':'msg_1','output_index':0,'content_index':0,'text':'Hi "        \
	      "there','logprobs':[]")                                                                        \
	EVENT("response.content_part.done",                                                                  \
	      ",'sequence_number':7,'item_id':'msg_1','output_index':0,'content_index':0,'part':{'type':"    \
	      "'output_text','text':'Hi there','annotations':[]}")                                           \
	EVENT("response.output_item.done", ",'sequence_number':8,'output_index':0,'item':" MESSAGE)
#define RESPONSE                                                                                             \
	"{'id':'resp_1','object':'response','status':'completed','model':'gpt-5','output':[" MESSAGE         \
	"],'usage':{'input_tokens':5,'output_tokens':2,'total_tokens':7}}"
#define COMPLETED EVENT("response.completed", ",'sequence_number':9,'response':" RESPONSE)
#define WHOLE	  BEGIN ADDED DELTA(4, "Hi") DELTA(5, " there") ENDED COMPLETED

static void test_completed(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(OPENAI_RESPONSE, WHOLE);
	assert_answer(sx, RESPONSE);
	assert_int_equal(sx.stream.chunks, 10);
	assert_true(sx.stream.done);
	assert_false(sx.stream.unfinished);
	assert_false(sx.stream.inexact);
	assert_null(sx_problem(&sx));
	assert_int_equal(sx_first_token(OPENAI_RESPONSE, WHOLE), 5);
}

/* All of it without `event:` lines, and with the [DONE] that some servers add. */
static void test_unnamed(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_RESPONSE,
		DATA("{'type':'response.output_text.delta','output_index':0,'content_index':0,"
		     "'delta':'Hi'}") DATA("{'type':'response.completed','response':" RESPONSE "}") DONE);
	assert_answer(sx, RESPONSE);
	assert_null(sx_problem(&sx));
}

static void test_other_ends(void **state)
{
	(void)state;
	static const char *const types[] = {"failed", "incomplete", "cancelled"};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char body[2048];
		snprintf(body, sizeof(body),
			 BEGIN "event: response.%s\ndata: "
			       "{'type':'response.%s','sequence_number':2,'response':{'id':"
			       "'resp_1','status':'%s','error':{'code':'server_error','message':'m'}}}\n\n",
			 types[i], types[i], types[i]);
		_cleanup_sx_ struct sx sx = sx_read(OPENAI_RESPONSE, body);
		assert_true(sx.stream.done && !sx.stream.inexact);
		assert_value(sx_at(&sx, "error"), "{'code':'server_error','message':'m'}");
		assert_null(sx_problem(&sx));
	}
}

static void test_cut(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(OPENAI_RESPONSE, BEGIN ADDED DELTA(4, "Hi") DELTA(5, " the"));
	assert_answer(
		sx,
		"{'id':'resp_1','object':'response','status':'in_progress','model':'gpt-5','output':[{'id':"
		"'msg_1','type':'message','status':'in_progress','role':'assistant','content':[{'type':"
		"'output_text','text':'Hi the','annotations':[]}]}],'usage':null}");
	assert_false(sx.stream.done || sx.stream.inexact);
	assert_true(sx.stream.unfinished);
	assert_text(sx_problem(&sx), "the stream ends without its last event");

	/* What is done counts as it is. */
	_cleanup_sx_ struct sx ended = sx_read(OPENAI_RESPONSE, BEGIN ADDED DELTA(4, "Hi") ENDED);
	assert_value(sx_at(&ended, "output"), "[" MESSAGE "]");
	_cleanup_sx_ struct sx part = sx_read(
		OPENAI_RESPONSE,
		BEGIN ADDED DELTA(4, "x") EVENT(
			"response.output_text.done",
			",'output_index':0,'content_index':0,'text':'all','logprobs':[{'token':'all'}]"));
	assert_value(sx_at(&part, "output/0/content/0"),
		     "{'type':'output_text','text':'all','annotations':[],'logprobs':[{'token':'all'}]}");
}

/* Every kind of item, in pieces. */
static void test_items(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_RESPONSE,
		BEGIN
			/* 0: reasoning */
			EVENT("response.output_item.added", ",'output_index':0,'item':{'id':'rs_1','type':'"
							    "reasoning','summary':[]}")
				EVENT("response.reasoning_summary_part.added",
				      ",'item_id':'rs_1','output_index':0,'summary_index':0,'part':{'type':'"
				      "summary_text','text':''}") EVENT("response.reasoning_summary_text."
									"delta",
									",'item_id':'rs_1','output_index':0,'"
									"summary_index':0,'delta':'I '")
					EVENT("response.reasoning_summary_text.delta",
					      ",'item_id':'rs_1','output_index':0,'summary_index':0,'delta':'"
					      "think'") EVENT("response.reasoning_summary_text.done",
							      ",'item_id':'rs_1','output_index':0,'summary_"
							      "index':0,'text':'"
							      "I think'")
						EVENT("response.reasoning_summary_part.done",
						      ",'item_id':'rs_1','output_index':0,'summary_index':0,'"
						      "part':{'type':'summary_text','text':'I "
						      "think'}")
							EVENT("response.reasoning_summary_text.delta",
							      ",'item_id':'rs_1','output_index':0,'summary_"
							      "index':1,'delta':'so'")
								EVENT("response.reasoning_text.delta",
								      ",'item_id':'rs_1','output_index':0,'"
								      "content_index':0,'delta':'raw'")
		/* 1: function call */
		EVENT("response.output_item.added", ",'output_index':1,'item':{'id':'fc_1','type':'function_"
						    "call','status':'in_progress','call_id':"
						    "'call_1','name':'f','arguments':''}")
			EVENT("response.function_call_arguments.delta",
			      ",'item_id':'fc_1','output_index':1,'delta':'{'")
				EVENT("response.function_call_arguments.delta",
				      ",'item_id':'fc_1','output_index':1,'delta':'}'")
		/* 2, 3, 4: other arguments */
		EVENT("response.output_item.added", ",'output_index':2,'item':{'id':'mcp_1','type':'mcp_call'"
						    ",'name':'t','arguments':''}")
			EVENT("response.mcp_call.in_progress", ",'item_id':'mcp_1','output_index':2") EVENT(
				"response.mcp_call_arguments.delta",
				",'item_id':'mcp_1','output_index':2,'"
				"delta':'{a'") EVENT("response.mcp_call_arguments.done",
						     ",'item_id':'mcp_1','output_index':2,'"
						     "arguments':'{abc}'") EVENT("response.mcp_call.failed",
										 ",'item_id':'mcp_1','output_"
										 "index':2")
				EVENT("response.output_item.added",
				      ",'output_index':3,'item':{'id':'ctc_1','type':'custom_tool_call','"
				      "name':'t','input':''}") EVENT("response.custom_tool_call_input.delta",
								     ",'item_id':'ctc_1','output_index':3,'"
								     "delta':'ls'")
					EVENT("response.output_item.added",
					      ",'output_index':4,'item':{'id':'ci_1','type':'code_"
					      "interpreter_call','status':'in_progress',"
					      "'code':''}")
						EVENT("response.code_interpreter_call_code.delta",
						      ",'item_id':'ci_1','output_index':4,'delta':'print()'")
							EVENT("response.code_interpreter_call.interpreting",
							      ",'item_id':'ci_1','output_index':4")
		/* 5: web search */
		EVENT("response.output_item.added",
		      ",'output_index':5,'item':{'id':'ws_1','type':'web_search_call','status':'in_progress'"
		      "}") EVENT("response.web_search_call.searching", ",'item_id':'ws_1','output_index':5")
			EVENT("response.web_search_call.completed", ",'item_id':'ws_1','output_index':5")
		/* 6: commands and a patch */
		EVENT("response.output_item.added",
		      ",'output_index':6,'item':{'id':'sh_1','type':'shell_call','action':{'commands':[],'"
		      "timeout_ms':"
		      "5}}") EVENT("response.shell_call_command.added",
				   ",'output_index':6,'command_index':0,'command':''")
			EVENT("response.shell_call_command.delta",
			      ",'output_index':6,'command_index':0,'delta':'rm '")
				EVENT("response.shell_call_command.delta",
				      ",'output_index':6,'command_index':0,'delta':'-r'")
					EVENT("response.shell_call_command.done",
					      ",'output_index':6,'command_index':1,'command':'ls'")
						EVENT("response.apply_patch_call_operation_diff.delta",
						      ",'output_index':7,'delta':'+x'")
		/* 8: message with a refusal, an annotation and log probabilities */
		EVENT("response.output_item.added", ",'output_index':8,'item':{'id':'msg_1','type':'message',"
						    "'role':'assistant','content':[]}")
			EVENT("response.output_text.delta",
			      ",'output_index':8,'content_index':0,'delta':'a',"
			      "'logprobs':[{'token':'a'}]") EVENT("response.output_text.delta",
								  ",'output_index':8,'content_index':0,'"
								  "delta':'b','logprobs':[{'token':'b'}]")
				EVENT("response.output_text.annotation.added",
				      ",'output_index':8,'content_index':0,'annotation_index':0,'annotation':"
				      "{'type':'file_citation',"
				      "'index':7}") EVENT("response.refusal.delta",
							  ",'output_index':8,'content_index':1,'delta':'No'")
					EVENT("response.refusal.done",
					      ",'output_index':8,'content_index':1,'refusal':'No.'")
						EVENT("response.mcp_list_tools.in_progress",
						      ",'item_id':'x','output_index':8"));
	assert_value(
		sx_at(&sx, "output/0"),
		"{'id':'rs_1','type':'reasoning','summary':[{'type':'summary_text','text':'I think'},{'type':"
		"'summary_text','text':'so'}],'content':[{'type':'reasoning_text','text':'raw'}]}");
	assert_value(sx_at(&sx, "output/1"),
		     "{'id':'fc_1','type':'function_call','status':'in_progress','call_id':"
		     "'call_1','name':'f','arguments':'{}'}");
	assert_value(sx_at(&sx, "output/2"),
		     "{'id':'mcp_1','type':'mcp_call','name':'t','arguments':'{abc}','status':'failed'}");
	assert_value(sx_at(&sx, "output/3"),
		     "{'id':'ctc_1','type':'custom_tool_call','name':'t','input':'ls'}");
	assert_value(sx_at(&sx, "output/4"),
		     "{'id':'ci_1','type':'code_interpreter_call','status':'interpreting','code':'print()'}");
	assert_value(sx_at(&sx, "output/5"), "{'id':'ws_1','type':'web_search_call','status':'completed'}");
	assert_value(sx_at(&sx, "output/6"),
		     "{'id':'sh_1','type':'shell_call','action':{'commands':['rm -r','ls'],"
		     "'timeout_ms':5}}");
	assert_value(sx_at(&sx, "output/7"),
		     "{'type':'apply_patch_call','status':'in_progress','operation':{'diff':'+x'}}");
	assert_value(sx_at(&sx, "output/8"), "{'id':'msg_1','type':'message','role':'assistant','content':[{'"
					     "type':'output_text','text':'ab',"
					     "'annotations':[{'type':'file_citation','index':7}],'logprobs':["
					     "{'token':'a'},{'token':'b'}]},{"
					     "'type':'refusal','refusal':'No.'}]}");
	assert_false(sx.stream.inexact);
	assert_says(sx_problem(&sx), "1 items of the output are known by their pieces alone");
}

static void test_media(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_RESPONSE,
		BEGIN EVENT("response.output_item.added",
			    ",'output_index':0,'item':{'id':'ig_1','type':'image_generation_call','status':'"
			    "in_progress',"
			    "'result':null}") EVENT("response.image_generation_call.generating",
						    ",'item_id':'ig_1','output_index':0")
			EVENT("response.image_generation_call.partial_image",
			      ",'item_id':'ig_1','output_index':0,'partial_image_index':0,'partial_image_b64'"
			      ":'Zm9v'") EVENT("response.image_generation_call.partial_image",
					       ",'item_id':'ig_1','output_index':0,'partial_image_index':1,"
					       "'partial_image_b64':'YWJj'")
				EVENT("response.audio.delta", ",'delta':'YQ=='")
					EVENT("response.audio.transcript.delta", ",'delta':'he'")
						EVENT("response.audio.transcript.delta", ",'delta':'llo'")
							EVENT("response.audio.delta", ",'delta':'YmM='")
								EVENT("response.audio.done", ""));
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	assert_value(sx_at(&sx, "output/0/status"), "'generating'");
	assert_int_equal(json_integer_value(sx_at(&sx, "output/0/partial_images/count")), 2);
	assert_int_equal(json_integer_value(sx_at(&sx, "output/0/partial_images/bytes")), 3);
	assert_text(json_string_value(sx_at(&sx, "output/0/partial_images/sha256")), abc);
	assert_int_equal(json_integer_value(sx_at(&sx, "audio/bytes")), 3);
	assert_text(json_string_value(sx_at(&sx, "audio/sha256")), abc);
	assert_value(sx_at(&sx, "audio/transcript"), "'hello'");

	_cleanup_sx_ struct sx bad =
		sx_read(OPENAI_RESPONSE, EVENT("response.image_generation_call.partial_image",
					       ",'output_index':0,'partial_image_b64':'?'")
						 EVENT("response.audio.delta", ",'delta':'abcde'"));
	assert_says(sx_problem(&bad), "a partial image is not base64");
	assert_true(bad.stream.inexact);
}

static void test_sequence(void **state)
{
	(void)state;
	/* The rest of a stream, asked for with starting_after. */
	_cleanup_sx_ struct sx rest = sx_read(OPENAI_RESPONSE, DELTA(5, " there"));
	assert_answer(rest,
		      "{'output':[{'id':'msg_1','type':'message','status':'in_progress','content':[{'type':"
		      "'output_text','text':' there'}]}],'status':'in_progress'}");
	assert_says(sx_problem(&rest), "begins with event 5");
	assert_says(sx_problem(&rest), "1 items of the output are known by their pieces alone");
	_cleanup_sx_ struct sx second =
		sx_read(OPENAI_RESPONSE, DELTA(1, "x") EVENT("response.completed",
							     ",'sequence_number':2,'response':" RESPONSE));
	assert_answer(second, RESPONSE);
	assert_text(sx_problem(&second), "the stream begins with event 1: what was before it is not in it");
	assert_false(second.stream.inexact);

	_cleanup_sx_ struct sx lost = sx_read(OPENAI_RESPONSE, BEGIN ADDED DELTA(7, "Hi") DELTA(9, " there"));
	assert_says(sx_problem(&lost), "4 events are missing");
	_cleanup_sx_ struct sx back =
		sx_read(OPENAI_RESPONSE, BEGIN ADDED DELTA(4, "Hi") DELTA(4, "Hi") DELTA(2, "!"));
	assert_says(sx_problem(&back), "sequence numbers of 2 events of the stream do not rise");
	assert_value(sx_at(&back, "output/0/content/0/text"), "'HiHi!'");
	assert_true(back.stream.inexact);
	_cleanup_sx_ struct sx far =
		sx_read(OPENAI_RESPONSE, BEGIN DELTA(9223372036854775807, "x") DELTA(0, "y"));
	assert_says(sx_problem(&far), "9223372036854775805 events are missing");
}

static void test_errors(void **state)
{
	(void)state;
	static const char *const errors[] = {
		EVENT("error",
		      ",'sequence_number':5,'code':'server_error','message':'it broke','param':null"),
		EVENT("error", ",'sequence_number':5,'error':{'code':'server_error','message':'it "
			       "broke','param':null}"),
		DATA("{'type':'error','code':'server_error','message':'it broke','param':null}"),
		"event: error\ndata: {'code':'server_error','message':'it broke','param':null}\n\n",
		DATA("{'error':{'code':'server_error','message':'it broke','param':null}}"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		char body[4096];
		snprintf(body, sizeof(body), "%s%s", BEGIN ADDED DELTA(4, "so far"), errors[i]);
		_cleanup_sx_ struct sx sx = sx_read(OPENAI_RESPONSE, body);
		assert_value(sx_at(&sx, "error"),
			     "{'code':'server_error','message':'it broke','param':null}");
		assert_value(sx_at(&sx, "output/0/content/0/text"), "'so far'");
		assert_true(sx.stream.unfinished && !sx.stream.done);
		assert_null(sx_problem(&sx));
		_cleanup_sx_ struct sx alone = sx_read(OPENAI_RESPONSE, errors[i]);
		assert_answer(alone, "{'error':{'code':'server_error','message':'it broke','param':null}}");
	}
	/* An `error` of something else. */
	_cleanup_sx_ struct sx steer =
		sx_read(OPENAI_RESPONSE,
			BEGIN EVENT("response.steer.failed", ",'sequence_number':2,'error':{'code':'c'}")
				EVENT("response.completed", ",'sequence_number':3,'response':" RESPONSE));
	assert_answer(steer, RESPONSE);
	assert_text(sx_problem(&steer), "1 events of the stream are of no known type");
	assert_false(steer.stream.inexact);
}

/* What goes wrong before the last event does not touch the answer; what goes wrong in it does. */
static void test_settled(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx before =
		sx_read(OPENAI_RESPONSE,
			BEGIN DATA("broken") DELTA(2, "x") EVENT("response.output_text.delta", ",'delta':7")
				EVENT("response.new.thing", "") COMPLETED);
	assert_answer(before, RESPONSE);
	assert_false(before.stream.inexact);
	assert_says(sx_problem(&before), "1 events of the stream could not be read exactly");
	assert_says(sx_problem(&before), "1 events of the stream do not say what they must");
	assert_says(sx_problem(&before), "1 events of the stream are of no known type");

	_cleanup_sx_ struct sx within =
		sx_read(OPENAI_RESPONSE, BEGIN EVENT("response.completed", ",'response':{'id':1,'id':2}"));
	assert_answer(within, "{'id':2}");
	assert_true(within.stream.inexact);
	_cleanup_sx_ struct sx after = sx_read(OPENAI_RESPONSE, WHOLE DELTA(10, "more"));
	assert_answer(after, RESPONSE);
	assert_true(after.stream.inexact);
	assert_text(sx_problem(&after), "1 events follow the end of the stream");
	_cleanup_sx_ struct sx empty =
		sx_read(OPENAI_RESPONSE, BEGIN ADDED DELTA(4, "x") EVENT("response.completed", ""));
	assert_value(sx_at(&empty, "output/0/content/0/text"), "'x'");
	assert_true(empty.stream.done && empty.stream.inexact);
}

/* Through to the response: clients need not wait for the end of the framing. */
static void test_as_response(void **state)
{
	(void)state;
	static const struct openai_request asked = {
		.kind = OPENAI_RESPONSE, .operation = "Create_Response", .stream = true};
	_cleanup_free_ char *text = sx_quotes(WHOLE);
	_cleanup_fx_ struct fx fx = fx_response(200, "text/event-stream", text);
	fx.msg.end = HTTP_END_CLOSED;
	_cleanup_resp_ struct openai_response *resp = fx_read_response(&fx, &asked);
	assert_value(resp->output, "[" MESSAGE "]");
	assert_int_equal(resp->prompt_tokens, 5);
	assert_int_equal(resp->total_tokens, 7);
	assert_text(resp->response_id, "resp_1");
	assert_true(resp->whole);
	assert_int_equal(resp->outcome, OPENAI_OK);
	assert_null(resp->problem);
	assert_null(resp->body);

	fx_body(&fx, text, (size_t)(strstr(text, "event: response.output_text.done") - text));
	_cleanup_resp_ struct openai_response *cut = fx_read_response(&fx, &asked);
	assert_value(
		json_object_get(json_array_get(json_object_get(json_array_get(cut->output, 0), "content"), 0),
				"text"),
		"'Hi there'");
	assert_false(cut->whole);
	assert_int_equal(cut->outcome, OPENAI_INTERRUPTED);
	assert_text(cut->problem, "the stream ends without its last event");
	assert_text(cut->model, "gpt-5");
}

static void test_foreign(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx =
		sx_read(OPENAI_RESPONSE, DATA("{'choices':[{'delta':{'content':'x'}}]}") DONE);
	assert_null(sx.stream.answer);
	assert_null(sx_problem(&sx));
	assert_true(sx.stream.done);
	_cleanup_sx_ struct sx none = sx_read(OPENAI_RESPONSE, "");
	assert_null(none.stream.answer);
	/* Of kinds that are not joined the end is found all the same. */
	static const enum openai_kind kinds[] = {OPENAI_UNKNOWN, OPENAI_EMBEDDING, OPENAI_OBJECT,
						 OPENAI_REALTIME};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_sx_ struct sx other = sx_read(kinds[i], WHOLE);
		assert_null(other.stream.answer);
		assert_int_equal(other.stream.chunks, 10);
		assert_true(other.stream.done);
	}
}

static void test_prefixes(void **state)
{
	(void)state;
	sx_check_prefixes(OPENAI_RESPONSE, WHOLE, "output/0/content/0/text", "Hi there");
	sx_check_prefixes(
		OPENAI_RESPONSE,
		BEGIN EVENT("response.function_call_arguments.delta", ",'output_index':0,'delta':'{\\n'")
			EVENT("response.function_call_arguments.delta",
			      ",'output_index':0,'delta':'\\ud83d\\ude00}'") DONE,
		"output/0/arguments", "{\n\xf0\x9f\x98\x80}");
}

/* Pieces that fit nothing: said, and never a crash. */
static void test_confusion(void **state)
{
	(void)state;
	static const char *const odd[] = {
		EVENT("response.output_text.delta", ",'output_index':0,'content_index':0,'delta':{'a':1}"),
		EVENT("response.output_text.delta", ",'output_index':-1,'content_index':0,'delta':'x'"),
		EVENT("response.output_text.delta", ",'output_index':0,'content_index':'0','delta':'x'"),
		EVENT("response.output_text.delta", ",'content_index':0,'delta':'x'"),
		EVENT("response.output_text.delta", ""),
		EVENT("response.output_item.added", ",'output_index':0,'item':[]"),
		EVENT("response.output_item.done", ",'output_index':'x','item':{}"),
		EVENT("response.content_part.added", ",'output_index':0,'content_index':0,'part':'x'"),
		EVENT("response.output_text.annotation.added", ",'output_index':0,'content_index':0"),
		EVENT("response.image_generation_call.partial_image",
		      ",'output_index':0,'partial_image_b64':1"),
		EVENT("response.audio.delta", ",'delta':null"),
		EVENT("response.web_search_call.searching", ""),
		EVENT("response.created", ",'response':7"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		_cleanup_sx_ struct sx sx = sx_read(OPENAI_RESPONSE, odd[i]);
		assert_non_null(sx.stream.answer);
		assert_says(sx_problem(&sx), "1 events of the stream do not say what they must");
		assert_true(sx.stream.inexact);
	}
	/* After their end. */
	_cleanup_sx_ struct sx late = sx_read(
		OPENAI_RESPONSE,
		BEGIN ADDED EVENT("response.output_text.done",
				  ",'output_index':0,'content_index':0,'text':'a'")
			EVENT("response.output_text.delta", ",'output_index':0,'content_index':0,'delta':'b'")
				EVENT("response.content_part.done",
				      ",'output_index':0,'content_index':0,'part':{'type':'output_text','"
				      "text':'c'}") EVENT("response.output_text.delta",
							  ",'output_index':0,'content_index':0,'delta':'d'")
					EVENT("response.output_item.done",
					      ",'output_index':0,'item':" MESSAGE)
						EVENT("response.refusal.delta",
						      ",'output_index':0,'content_index':4,'delta':'e'")
							EVENT("response.output_item.added",
							      ",'output_index':0,'item':{'id':'other'}"));
	assert_value(sx_at(&late, "output"), "[" MESSAGE "]");
	assert_says(sx_problem(&late), "4 events of the stream do not say what they must");
	/* Members that are something else already, and two items at one place. */
	_cleanup_sx_ struct sx mixed = sx_read(
		OPENAI_RESPONSE,
		EVENT("response.output_item.added",
		      ",'output_index':3,'item':{'id':'a','content':7,'"
		      "operation':[]}") EVENT("response.output_item.added",
					      ",'output_index':3,'item':{'id':'b','content':[5,6],'operation'"
					      ":[]}")
			EVENT("response.output_text.delta", ",'output_index':3,'content_index':1,'delta':'x'")
				EVENT("response.reasoning_text.delta",
				      ",'output_index':3,'content_index':9223372036854775807,'delta':'y'")
					EVENT("response.output_text.delta",
					      ",'output_index':3,'content_index':9223372036854775807,'delta':"
					      "'z'") EVENT("response.apply_patch_call_operation_diff.delta",
							   ",'output_index':3,'delta':'d'"));
	assert_value(sx_at(&mixed, "output"),
		     "[{'id':'b','content':[5,{'type':'output_text','text':'x'},{'type':"
		     "'reasoning_text','text':'yz'}],'operation':{'diff':'d'}}]");
	assert_says(sx_problem(&mixed), "not of one type");
	assert_true(mixed.stream.inexact);
}

static void add(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	assert_int_equal(buf_append(b, text, (size_t)n), 0);
}

static void test_limits(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 64 << 20);
	for (int i = 0; i < 2000; i++)
		add(&b,
		    EVENT("response.output_text.delta", ",'output_index':%d,'content_index':0,'delta':'i%d'"),
		    5000 - 2 * i, i);
	_cleanup_sx_ struct sx items = sx_read_buf(OPENAI_RESPONSE, &b);
	assert_int_equal(json_array_size(sx_at(&items, "output")), STREAM_MAX_ITEMS);
	assert_value(sx_at(&items, "output/0/content/0/text"), "'i1023'");
	assert_value(sx_at(&items, "output/1023/content/0/text"), "'i0'");
	assert_says(sx_problem(&items), "more than 1024 items of output");
	assert_true(items.stream.inexact);

	for (int i = 0; i < 2000; i++)
		add(&b,
		    EVENT("response.output_text.delta", ",'output_index':0,'content_index':%d,'delta':'p%d'"),
		    2000 - i, i);
	_cleanup_sx_ struct sx parts = sx_read_buf(OPENAI_RESPONSE, &b);
	assert_int_equal(json_array_size(sx_at(&parts, "output/0/content")), 1024);
	assert_value(sx_at(&parts, "output/0/content/1023/text"), "'p0'");
	assert_says(sx_problem(&parts), "more values than can be joined");

	/* Of a stream that comes to its end, what did not fit is not lacking. */
	for (int i = 0; i < 2000; i++)
		add(&b,
		    EVENT("response.output_text.delta", ",'output_index':%d,'content_index':0,'delta':'x'"),
		    i);
	add(&b, "%s", COMPLETED);
	_cleanup_sx_ struct sx whole = sx_read_buf(OPENAI_RESPONSE, &b);
	assert_answer(whole, RESPONSE);
	assert_null(strstr(sx_problem(&whole) ? sx_problem(&whole) : "", "left out"));
	assert_false(whole.stream.inexact);
}

static void test_long(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 256 << 20);
	add(&b, "%s", BEGIN ADDED);
	for (int i = 0; i < 100000; i++)
		add(&b,
		    EVENT("response.output_text.delta", ",'sequence_number':%d,'item_id':'msg_1','output_"
							"index':0,'content_index':0,'delta':"
							"'word ','logprobs':[]"),
		    4 + i);
	double start = sx_seconds();
	_cleanup_sx_ struct sx sx = sx_read_buf(OPENAI_RESPONSE, &b);
	double took = sx_seconds() - start;
	print_message("100,000 deltas, %zu bytes: %.3f s\n", sx.fx.msg.body_len, took);
	assert_int_equal(json_string_length(sx_at(&sx, "output/0/content/0/text")), 500000);
	assert_text(sx_problem(&sx), "the stream ends without its last event");
	assert_true(took < SPEED_LIMIT_S);

	/* The slow cases: each event of another item and another part than the one before. */
	for (int i = 0; i < 100000; i++)
		add(&b,
		    EVENT("response.output_text.delta", ",'output_index':%d,'content_index':%d,'delta':'w'"),
		    i * 577 % 1000, i * 7919 % 977);
	start = sx_seconds();
	_cleanup_sx_ struct sx scattered = sx_read_buf(OPENAI_RESPONSE, &b);
	took = sx_seconds() - start;
	print_message("100,000 scattered deltas: %.3f s\n", took);
	assert_int_equal(json_array_size(sx_at(&scattered, "output")), 1000);
	assert_says(sx_problem(&scattered), "more values than can be joined");
	assert_true(took < SPEED_LIMIT_S);

	/* A million events that say nothing. */
	for (int i = 0; i < 1000000; i++)
		assert_int_equal(buf_append_str(&b, "data:{}\n\n"), 0);
	add(&b, "%s", COMPLETED);
	start = sx_seconds();
	_cleanup_sx_ struct sx tiny = sx_read_buf(OPENAI_RESPONSE, &b);
	took = sx_seconds() - start;
	print_message("1,000,000 events: %.3f s\n", took);
	assert_int_equal(tiny.stream.chunks, 1000001);
	assert_answer(tiny, RESPONSE);
	assert_says(sx_problem(&tiny), "1000000 events of the stream are of no known type");
	assert_true(took < SPEED_LIMIT_S);
}

/* One event of 4 MiB, and one nested as deep as the parser goes. */
static void test_large(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 64 << 20);
	add(&b, "%s", BEGIN);
	add(&b, "data: {'type':'response.output_text.delta','output_index':0,'content_index':0,'delta':'");
	for (int i = 0; i < 65536; i++)
		assert_int_equal(
			buf_append_str(&b,
				       "0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNO"),
			0);
	add(&b, "'}\n\n");
	_cleanup_sx_ struct sx sx = sx_read_buf(OPENAI_RESPONSE, &b);
	assert_int_equal(json_string_length(sx_at(&sx, "output/0/content/0/text")), 4 << 20);
	assert_false(sx.stream.inexact);

	for (int depth = 2000; depth < 2100; depth += 99) {
		add(&b, "data: {'type':'response.output_item.added','output_index':0,'item':{'x':");
		for (int i = 0; i < depth; i++)
			assert_int_equal(buf_append_str(&b, "["), 0);
		for (int i = 0; i < depth; i++)
			assert_int_equal(buf_append_str(&b, "]"), 0);
		add(&b, "}}\n\n%s", DATA("{'type':'response.completed','response':" RESPONSE "}"));
		_cleanup_sx_ struct sx deep = sx_read_buf(OPENAI_RESPONSE, &b);
		assert_answer(deep, RESPONSE);
		if (depth > 2048)
			assert_says(sx_problem(&deep), "nested too deeply");
		else
			assert_null(sx_problem(&deep));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completed),  cmocka_unit_test(test_unnamed),
		cmocka_unit_test(test_other_ends), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_items),	   cmocka_unit_test(test_media),
		cmocka_unit_test(test_sequence),   cmocka_unit_test(test_errors),
		cmocka_unit_test(test_settled),	   cmocka_unit_test(test_as_response),
		cmocka_unit_test(test_foreign),	   cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_confusion),  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long),	   cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
