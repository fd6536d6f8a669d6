/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of images, speech and transcriptions. */
#include "stream_fixture.h"

#define SHA_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA_ABC	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

#define IMAGE(type, data, rest)                                                                              \
	EVENT(type, ",'b64_json':'" data                                                                     \
		    "','created_at':1790000001,'size':'1024x1024','quality':'high','background':"            \
		    "'transparent','output_format':'png'" rest)
#define PREVIEW(n, data) IMAGE("image_generation.partial_image", data, ",'partial_image_index':" #n)
#define USAGE                                                                                                \
	"{'total_tokens':100,'input_tokens':50,'output_tokens':50,'input_tokens_details':{'text_tokens':10," \
	"'image_tokens':40}}"

static void test_image(void **state)
{
	(void)state;
	static const char body[] = PREVIEW(0, "Zm9v") PREVIEW(1, "YWJj")
		IMAGE("image_generation.completed", "ZmluYWw=", ",'usage':" USAGE);
	_cleanup_sx_ struct sx sx = sx_read(OPENAI_IMAGE, body);
	assert_answer(sx,
		      "{'created':1790000001,'size':'1024x1024','quality':'high','background':'transparent',"
		      "'output_format':'png','usage':" USAGE ",'data':[{'b64_json':'ZmluYWw='}],"
		      "'partial_images':{'bytes':3,'sha256':'" SHA_ABC "','count':2}}");
	assert_true(sx.stream.done);
	assert_false(sx.stream.unfinished || sx.stream.inexact);
	assert_int_equal(sx.stream.chunks, 3);
	assert_null(sx_problem(&sx));
	assert_int_equal(sx_first_token(OPENAI_IMAGE, body), 1);
	sx_check_prefixes(OPENAI_IMAGE, body, "data/0/b64_json", "ZmluYWw=");

	_cleanup_sx_ struct sx edit =
		sx_read(OPENAI_IMAGE,
			DATA("{'type':'image_edit.partial_image','b64_json':'YQ=='}")
				DATA("{'type':'image_edit.completed','b64_json':'YWI=','usage':null}") DONE);
	assert_value(sx_at(&edit, "data"), "[{'b64_json':'YWI='}]");
	assert_null(sx_problem(&edit));
}

static void test_image_flaws(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx cut = sx_read(OPENAI_IMAGE, PREVIEW(0, "YWJj"));
	assert_value(sx_at(&cut, "partial_images"), "{'bytes':3,'sha256':'" SHA_ABC "','count':1}");
	assert_null(sx_at(&cut, "data"));
	assert_true(cut.stream.unfinished && !cut.stream.done && !cut.stream.inexact);
	assert_text(sx_problem(&cut), "the stream ends without its last event");

	_cleanup_sx_ struct sx two =
		sx_read(OPENAI_IMAGE,
			IMAGE("image_generation.completed", "YQ==", ",'usage':{'total_tokens':1}")
				IMAGE("image_generation.completed", "Yg==", ",'usage':{'total_tokens':2}")
					EVENT("image_generation.completed", "") DATA("{'type':'new'}"));
	assert_value(sx_at(&two, "data"), "[{'b64_json':'YQ=='},{'b64_json':'Yg=='}]");
	assert_value(sx_at(&two, "usage"), "{'total_tokens':2}");
	assert_says(sx_problem(&two), "several values of usage");
	assert_says(sx_problem(&two), "1 events of the stream do not say what they must");
	assert_says(sx_problem(&two), "1 events of the stream are of no known type");
	assert_true(two.stream.inexact);

	_cleanup_sx_ struct sx bad = sx_read(
		OPENAI_IMAGE, PREVIEW(0, "%") EVENT("image_edit.partial_image", ",'b64_json':[]")
				      EVENT("error", ",'error':{'code':'moderation_blocked','message':'m'}"));
	assert_value(sx_at(&bad, "error"), "{'code':'moderation_blocked','message':'m'}");
	assert_says(sx_problem(&bad), "a partial image is not base64");
	assert_true(bad.stream.inexact);
	_cleanup_sx_ struct sx other = sx_read(OPENAI_IMAGE, DATA("{'type':'x'}"));
	assert_null(other.stream.answer);
}

#define AUDIO(data) EVENT("speech.audio.delta", ",'audio':'" data "'")

static void test_speech(void **state)
{
	(void)state;
	static const char body[] = AUDIO("") AUDIO("YQ==") AUDIO("YmM=") EVENT(
		"speech.audio.done", ",'usage':{'input_tokens':14,'output_tokens':101,'total_tokens':115}");
	_cleanup_sx_ struct sx sx = sx_read(OPENAI_SPEECH, body);
	assert_answer(sx, "{'files':[{'bytes':3,'sha256':'" SHA_ABC
			  "'}],'usage':{'input_tokens':14,'output_tokens':101,"
			  "'total_tokens':115}}");
	assert_true(sx.stream.done);
	assert_false(sx.stream.unfinished || sx.stream.inexact);
	assert_null(sx_problem(&sx));
	assert_int_equal(sx_first_token(OPENAI_SPEECH, body), 2);

	_cleanup_sx_ struct sx cut = sx_read(OPENAI_SPEECH, AUDIO("YWJj"));
	assert_answer(cut, "{'files':[{'bytes':3}]}");
	assert_true(cut.stream.unfinished && !cut.stream.done);
	_cleanup_sx_ struct sx silent = sx_read(OPENAI_SPEECH, EVENT("speech.audio.done", ""));
	assert_answer(silent, "{'files':[{'bytes':0,'sha256':'" SHA_EMPTY "'}]}");
	_cleanup_sx_ struct sx odd =
		sx_read(OPENAI_SPEECH, EVENT("speech.audio.delta", ",'audio':7") DATA("{}"));
	assert_says(sx_problem(&odd), "1 events of the stream do not say what they must");
	assert_true(odd.stream.inexact);
}

/* How the base64 is cut does not matter, as long as it is base64. */
static void test_base64(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		int bytes;
		bool bad;
	} cases[] = {
		{AUDIO("YWJj"), 3, false},
		{AUDIO("Y") AUDIO("WJ") AUDIO("j"), 3, false},
		{AUDIO("YQ") AUDIO("==") AUDIO("YmM"), 3, false},
		{AUDIO("YQ=") AUDIO("=YmM="), 3, false},
		{AUDIO("YQ==YmM="), 3, false},
		{AUDIO("YWJj") AUDIO("Z"), 3, true},
		{AUDIO("YWJj\\n"), 3, true},
		{AUDIO("YWJj-"), 3, true},
		{AUDIO("Y=WJj"), 2, true},
		{AUDIO("YWJj===="), 3, false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char body[1024];
		snprintf(body, sizeof(body), "%s%s", cases[i].body, EVENT("speech.audio.done", ""));
		_cleanup_sx_ struct sx sx = sx_read(OPENAI_SPEECH, body);
		assert_int_equal(json_integer_value(sx_at(&sx, "files/0/bytes")), cases[i].bytes);
		assert_text(json_string_value(sx_at(&sx, "files/0/sha256")), cases[i].bad ? NULL : SHA_ABC);
		assert_int_equal(sx.stream.inexact, cases[i].bad);
		if (cases[i].bad)
			assert_says(sx_problem(&sx), "audio in the stream is not base64");
	}
}

/* More than is decoded at a time. */
static void test_much_audio(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 16 << 20);
	struct sha256 *sha;
	uint8_t sum[SHA256_LEN];
	char hex[SHA256_HEX_LEN];
	assert_int_equal(sha256_new(&sha), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(buf_append_str(&b, "data: {'type':'speech.audio.delta','audio':'"), 0);
		for (int j = 0; j < 1000 + i; j++) {
			assert_int_equal(buf_append_str(&b, "c291bmQx"), 0);
			sha256_update(sha, "sound1", 6);
		}
		assert_int_equal(buf_append_str(&b, "'}\n\n"), 0);
	}
	assert_int_equal(buf_append_str(&b, EVENT("speech.audio.done", "")), 0);
	sha256_final(sha, sum);
	sha256_free(&sha);
	hex_encode(sum, sizeof(sum), hex);
	_cleanup_sx_ struct sx sx = sx_read_buf(OPENAI_SPEECH, &b);
	assert_int_equal(json_integer_value(sx_at(&sx, "files/0/bytes")), 6 * (100 * 1000 + 99 * 100 / 2));
	assert_text(json_string_value(sx_at(&sx, "files/0/sha256")), hex);
}

#define TEXT(text) EVENT("transcript.text.delta", ",'delta':'" text "','logprobs':[{'token':'" text "'}]")

static void test_transcript(void **state)
{
	(void)state;
	static const char body[] = TEXT("I see") TEXT(" skies.")
		EVENT("transcript.text.done",
		      ",'text':'I see skies.','logprobs':[{'token':'I see'},{'token':' skies.'}],'usage':{"
		      "'type':'tokens','input_tokens':14,'output_tokens':45,'total_tokens':59}");
	_cleanup_sx_ struct sx sx = sx_read(OPENAI_TRANSCRIPT, body);
	assert_answer(
		sx,
		"{'text':'I see skies.','logprobs':[{'token':'I see'},{'token':' skies.'}],'usage':{'type':"
		"'tokens','input_tokens':14,'output_tokens':45,'total_tokens':59}}");
	assert_true(sx.stream.done);
	assert_false(sx.stream.unfinished || sx.stream.inexact);
	assert_null(sx_problem(&sx));
	sx_check_prefixes(OPENAI_TRANSCRIPT, body, "text", "I see skies.");
	assert_int_equal(sx_first_token(OPENAI_TRANSCRIPT, body), 1);

	_cleanup_sx_ struct sx cut = sx_read(OPENAI_TRANSCRIPT, TEXT("I see") TEXT(" ski"));
	assert_answer(cut, "{'text':'I see ski','logprobs':[{'token':'I see'},{'token':' ski'}]}");
	assert_true(cut.stream.unfinished);
}

#define SEGMENT(id, text)                                                                                    \
	EVENT("transcript.text.segment",                                                                     \
	      ",'id':'" id "','start':0.5,'end':1.5,'speaker':'A','text':'" text "'")

static void test_segments(void **state)
{
	(void)state;
	_cleanup_sx_ struct sx sx = sx_read(
		OPENAI_TRANSCRIPT,
		SEGMENT("seg_1", "Hi") EVENT("transcript.text.delta", ",'delta':'Hi','segment_id':'x'")
			SEGMENT("seg_2", "you") EVENT("transcript.text.done", ",'text':'Hi you'"));
	assert_answer(
		sx,
		"{'text':'Hi "
		"you','segments':[{'type':'transcript.text.segment','id':'seg_1','start':0.5,'end':"
		"1.5,'speaker':'A','text':'Hi'},{'type':'transcript.text.segment','id':'seg_2','start':0.5,"
		"'end':1.5,'speaker':'A','text':'you'}]}");
	_cleanup_sx_ struct sx odd =
		sx_read(OPENAI_TRANSCRIPT, TEXT("a") EVENT("transcript.text.delta", "")
						   EVENT("transcript.text.done", "") TEXT("late"));
	assert_value(sx_at(&odd, "text"), "'a'");
	assert_says(sx_problem(&odd), "2 events of the stream do not say what they must");
	assert_says(sx_problem(&odd), "1 events follow the end");
	assert_true(odd.stream.inexact);
	_cleanup_sx_ struct sx error =
		sx_read(OPENAI_TRANSCRIPT, TEXT("a") DATA("{'error':{'message':'m'}}"));
	assert_value(sx_at(&error, "error"), "{'message':'m'}");
	assert_value(sx_at(&error, "text"), "'a'");
	_cleanup_sx_ struct sx other = sx_read(OPENAI_TRANSCRIPT, DATA("{'text':'x'}"));
	assert_null(other.stream.answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),	   cmocka_unit_test(test_image_flaws),
		cmocka_unit_test(test_speech),	   cmocka_unit_test(test_base64),
		cmocka_unit_test(test_much_audio), cmocka_unit_test(test_transcript),
		cmocka_unit_test(test_segments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
