/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of every family while allocations fail. */
#include "fixture.h"

#include "faults.h"
#include "stream_fixture.h"

#include <openssl/crypto.h>

static const struct {
	enum openai_kind kind;
	const char *body;
} cases[] = {
	{OPENAI_COMPLETION,
	 DATA("{'id':'i','object':'text_completion','choices':[{'text':'a','index':1,'logprobs':{'tokens':['"
	      "a']}}]}") DATA("{'choices':[{'text':'b','index':0,'finish_reason':'stop'}],'usage':{'total_"
			      "tokens':1}}") DONE},
	{OPENAI_RESPONSE,
	 EVENT("response.created", ",'sequence_number':3,'response':{'id':'r','status':'queued'}") EVENT(
		 "response.output_item.added",
		 ",'sequence_number':9,'output_index':0,'item':{'id':'m','content':[]}")
		 EVENT("response.content_part.added",
		       ",'output_index':0,'content_index':0,'part':{'type':'"
		       "output_text','text':''}") EVENT("response.output_text.delta",
							",'output_index':0,'content_index':0,'delta':'x'"
							",'logprobs':[{'token':'x'}]")
			 EVENT("response.output_text.annotation.added",
			       ",'output_index':0,'content_index':0,'annotation':{'type':'url_citation'}")
				 EVENT("response.refusal.done",
				       ",'output_index':0,'content_index':1,'"
				       "refusal':'no'") EVENT("response.function_call_arguments.delta",
							      ",'item_id':'f','output_index':1,'delta':'{}'")
					 EVENT("response.shell_call_command.done",
					       ",'output_index':2,'command_index':0,'command':'ls'")
						 EVENT("response.apply_patch_call_operation_diff.delta",
						       ",'output_index':3,'delta':'+'")
							 EVENT("response.web_search_call.searching",
							       ",'output_index':4")},
	{OPENAI_RESPONSE,
	 EVENT("response.image_generation_call.partial_image", ",'output_index':4,'partial_image_b64':'YWJj'")
		 EVENT("response.audio.delta", ",'delta':'YWJj'")
			 EVENT("response.audio.transcript.delta", ",'delta':'a'")
				 EVENT("error", ",'code':'c','message':'m'") DATA("broken")},
	{OPENAI_RESPONSE,
	 EVENT("response.output_text.delta", ",'output_index':0,'content_index':0,'delta':'x'")
		 EVENT("response.content_part.done",
		       ",'output_index':0,'content_index':0,'part':{'type':'output_text'}")
			 EVENT("response.completed",
			       ",'response':{'id':'r','output':[],'usage':{'total_tokens':1}}")},
	{OPENAI_IMAGE, EVENT("image_generation.partial_image", ",'b64_json':'YWJj','size':'1x1'")
			       EVENT("image_generation.completed",
				     ",'b64_json':'YWJj','created_at':1,'usage':{'total_tokens':1}")},
	{OPENAI_SPEECH, EVENT("speech.audio.delta", ",'audio':'YWJ'")
				EVENT("speech.audio.done", ",'usage':{'total_tokens':1}")},
	{OPENAI_TRANSCRIPT, EVENT("transcript.text.segment", ",'id':'s','text':'a'") EVENT(
				    "transcript.text.delta", ",'delta':'a','logprobs':[{'token':'a'}]")},
	{OPENAI_TRANSCRIPT, EVENT("transcript.text.delta", ",'delta':'a'")
				    EVENT("transcript.text.done", ",'text':'ab','usage':{'total_tokens':1}")},
	{OPENAI_RUN, "event: thread.created\ndata: {'id':'t'}\n\n"
		     "event: thread.run.created\ndata: {'id':'r','status':'queued'}\n\n"
		     "event: thread.message.created\ndata: {'id':'m','content':[]}\n\n"
		     "event: thread.message.delta\ndata: "
		     "{'id':'m','delta':{'content':[{'index':0,'text':{'value':'x'}}]}}\n\n"
		     "event: thread.run.step.delta\ndata: "
		     "{'id':'s','delta':{'step_details':{'tool_calls':[{'index':0}]}}}\n\n"
		     "event: thread.run.completed\ndata: {'id':'r','status':'completed'}\n\n" DONE},
};

/* libcrypto keeps its memory: base/digest.c ends the program rather than give a wrong hash. */
static void *crypto_malloc(size_t len, const char *file, int line)
{
	(void)file, (void)line;
	in_loader = true;
	void *p = malloc(len);
	in_loader = false;
	return p;
}

static void *crypto_realloc(void *old, size_t len, const char *file, int line)
{
	(void)file, (void)line;
	in_loader = true;
	void *p = realloc(old, len);
	in_loader = false;
	return p;
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

static int run(size_t i)
{
	struct openai_stream stream = {0};
	struct openai_notes notes;
	char text[4096];
	assert_true(strlen(cases[i].body) < sizeof(text));
	strcpy(text, cases[i].body);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	struct fx fx = fx_response(200, NULL, text);
	openai_notes_init(&notes);
	int r = openai_stream_read(&stream, &fx.msg, cases[i].kind, &notes);
	if ((r < 0 && stream.answer) || (r == 0 && !stream.answer))
		r = -EINVAL;
	openai_stream_done(&stream);
	openai_notes_done(&notes);
	fx_done(&fx);
	return r;
}

static void test_each_allocation(void **state)
{
	(void)state;
	/* What libcrypto loads at its first use it keeps. */
	struct sha256 *warm;
	assert_int_equal(sha256_new(&warm), 0);
	sha256_free(&warm);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		faults_each(run, i, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
	faults_init();
	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
