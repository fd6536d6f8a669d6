/* SPDX-License-Identifier: Apache-2.0 */
#include "session_fixture.h"

#include <time.h>

#include "faults.h"

#define REALTIME  "/v1/realtime"
#define RESPONSES "/v1/responses"

/* --- floods -------------------------------------------------------------------------- */

/* What a session may hold (the limits of session_input.h, session_config.h and session_output.h, with what
 * the JSON library and the allocator add), and what one message of a megabyte may take besides while it is
 * read. */
#define HELD_MAX    ((size_t)9 << 20)
#define MESSAGE_MAX ((size_t)9 << 20)

static void check_memory(size_t before, size_t flood)
{
#ifndef __SANITIZE_ADDRESS__
	if (live_bytes - before > HELD_MAX || peak_bytes - before > HELD_MAX + MESSAGE_MAX)
		fail_msg("flood %zu: %zu KiB held, %zu KiB at most", flood, (live_bytes - before) >> 10,
			 (peak_bytes - before) >> 10);
#endif
	(void)before;
	(void)flood;
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* fmt with the number for each %d and the text for each %s; the caller frees it. */
static char *fill(const char *fmt, int number, const char *large)
{
	char digits[16];
	struct buf out;
	buf_init(&out, SIZE_MAX / 4);
	snprintf(digits, sizeof(digits), "%d", number);
	for (const char *p = fmt; *p; p++) {
		bool filled = *p == '%' && (p[1] == 'd' || p[1] == 's');
		const char *with = filled && p[1] == 'd' ? digits : large;
		assert_int_equal(filled ? buf_append_str(&out, with) : buf_append(&out, p, 1), 0);
		p += filled;
	}
	return buf_take_str(&out);
}

/* Says the text `n` times, with the number of each in the place of %d. */
static void flood(struct talk *t, enum http_role role, const char *fmt, int n)
{
	for (int i = 0; i < n; i++) {
		char *text = fill(fmt, i, "");
		talk_say(t, role, text);
		free(text);
	}
}

static char *filler(size_t n)
{
	char *text = malloc(n + 1);
	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = 0;
	return text;
}

/* The same with a string of a megabyte in the place of %s. */
static void flood_large(struct talk *t, enum http_role role, const char *fmt, int n)
{
	char *large = filler(1 << 20);
	for (int i = 0; i < n; i++) {
		char *text = fill(fmt, i, large);
		talk_say(t, role, text);
		free(text);
	}
	free(large);
}

static const struct {
	enum http_role role;
	const char *path, *small; /* up to three %d */
	const char *large;	  /* %d, then %s */
} floods[] = {
	{HTTP_REQUEST, REALTIME,
	 "{\"type\":\"response.create\",\"event_id\":\"e%d\",\"response\":{\"metadata\":{\"a\":\"%d\"}}}",
	 "{\"type\":\"response.create\",\"n\":%d,\"event_id\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"response.created\",\"response\":{\"id\":\"r%d\"}}",
	 "{\"type\":\"response.created\",\"n\":%d,\"response\":{\"id\":\"%s\"}}"},
	{HTTP_RESPONSE, REALTIME,
	 "{\"type\":\"response.output_text.delta\",\"response_id\":\"r%d\",\"delta\":\"x\"}",
	 "{\"type\":\"response.output_text.delta\",\"response_id\":\"r%d\",\"delta\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME,
	 "{\"type\":\"response.output_text.delta\",\"response_id\":\"r\",\"item_id\":\"i%d\",\"output_"
	 "index\":%d,\"delta\":\"x\"}",
	 "{\"type\":\"response.output_text.delta\",\"response_id\":\"r\",\"output_index\":%d,\"delta\":\"%"
	 "s\"}"},
	{HTTP_RESPONSE, REALTIME,
	 "{\"type\":\"response.output_audio.delta\",\"response_id\":\"r\",\"content_index\":%d,\"delta\":"
	 "\"AAAA\"}",
	 "{\"type\":\"response.output_audio.delta\",\"response_id\":\"r\",\"content_index\":%d,\"delta\":\"%"
	 "s\"}"},
	{HTTP_RESPONSE, REALTIME,
	 "{\"type\":\"response.output_item.added\",\"response_id\":\"r\",\"item\":{\"id\":\"i%d\"}}",
	 "{\"type\":\"response.output_item.added\",\"response_id\":\"r\",\"output_index\":%d,\"item\":{"
	 "\"id\":\"%s\"}}"},
	{HTTP_REQUEST, REALTIME, "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"i%d\"}}",
	 "{\"type\":\"conversation.item.create\",\"item\":{\"n\":%d,\"text\":\"%s\"}}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"i%d\"}}",
	 "{\"type\":\"conversation.item.added\",\"item\":{\"n\":%d,\"id\":\"%s\"}}"},
	{HTTP_REQUEST, REALTIME, "{\"type\":\"conversation.item.truncate\",\"item_id\":\"i%d\"}",
	 "{\"type\":\"conversation.item.truncate\",\"n\":%d,\"item_id\":\"%s\"}"},
	{HTTP_REQUEST, REALTIME, "{\"type\":\"input_audio_buffer.commit\"}",
	 "{\"type\":\"input_audio_buffer.append\",\"n\":%d,\"audio\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"i%d\"}",
	 "{\"type\":\"input_audio_buffer.committed\",\"n\":%d,\"item_id\":\"%s\"}"},
	{HTTP_REQUEST, REALTIME, "{\"type\":\"session.update\",\"session\":{\"k%d\":1}}",
	 "{\"type\":\"session.update\",\"session\":{\"k%d\":\"%s\"}}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"error\",\"error\":{\"code\":\"c%d\"}}",
	 "{\"type\":\"error\",\"n\":%d,\"error\":{\"code\":\"%s\"}}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"rate_limits.updated\",\"rate_limits\":[%d]}",
	 "{\"type\":\"rate_limits.updated\",\"n\":%d,\"rate_limits\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME,
	 "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"item_id\":\"i%d\","
	 "\"transcript\":\"t\"}",
	 "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"n\":%d,\"item_id\":\"i\","
	 "\"transcript\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"session.output_transcript.delta\",\"delta\":\"x%d\"}",
	 "{\"type\":\"session.output_transcript.delta\",\"n\":%d,\"delta\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME, "{\"type\":\"session.input_transcript.delta\",\"delta\":\"x%d\"}",
	 "{\"type\":\"session.input_transcript.delta\",\"n\":%d,\"delta\":\"%s\"}"},
	{HTTP_REQUEST, RESPONSES, "{\"type\":\"response.create\",\"stream_id\":\"s%d\",\"input\":\"x\"}",
	 "{\"type\":\"response.create\",\"n\":%d,\"stream_id\":\"%s\",\"input\":\"x\"}"},
	{HTTP_REQUEST, RESPONSES, "{\"type\":\"response.steer\",\"input\":\"x%d\"}",
	 "{\"type\":\"response.steer\",\"n\":%d,\"input\":\"%s\"}"},
	{HTTP_RESPONSE, REALTIME,
	 "{\"type\":\"response.output_item.done\",\"response_id\":\"r\",\"output_index\":%d,\"item\":{}}",
	 "{\"type\":\"response.output_item.done\",\"response_id\":\"r\",\"output_index\":%d,\"item\":{\"n\":"
	 "\"%s\"}}"},
	{HTTP_REQUEST, REALTIME, "{\"type\":\"response.create\",\"response\":{\"instructions\":\"%d\"}}",
	 "{\"type\":\"response.create\",\"response\":{\"metadata\":{\"n%d\":\"%s\"}}}"},
	{HTTP_RESPONSE, "/other", "{\"type\":\"x%d\"}", "{\"type\":\"x%d\",\"s\":\"%s\"}"},
};

/* Time grows with what comes, memory does not; and each message is in an exchange or counted. */
static void test_floods(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		struct talk t;
		talk_begin(&t, floods[i].path);
		t.keep = false;
		size_t before = live_bytes;
		double start = seconds();
		peak_bytes = live_bytes;
		flood_large(&t, floods[i].role, floods[i].large, 20);
		check_memory(before, i);
		flood(&t, floods[i].role, floods[i].small, 6000);
		check_memory(before, i);
		flood_large(&t, floods[i].role, floods[i].large, 20);
		check_memory(before, i);
		talk_end(&t);
		talk_done(&t);
		double took = seconds() - start;
		if (took > 20)
			fail_msg("flood %zu took %.1f s", i, took);
	}
}

/* All kinds at once: limits do not add up to more than the sum of them. */
static void test_flood_of_all(void **state)
{
	(void)state;
	struct talk t;
	talk_begin(&t, REALTIME);
	t.keep = false;
	size_t before = live_bytes;
	peak_bytes = live_bytes;
	for (size_t i = 0; i < ARRAY_SIZE(floods); i++) {
		flood(&t, floods[i].role, floods[i].small, 1500);
		flood_large(&t, floods[i].role, floods[i].large, 6);
		check_memory(before, i);
	}
	talk_end(&t);
	talk_done(&t);
}

/* A megabyte of audio in one message: no copy of its text is made. */
static void test_large_audio(void **state)
{
	(void)state;
	struct talk t;
	static const char *const fmts[] = {
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"%s\"}",
		"{\"audio\":\"%s\",\"type\":\"input_audio_buffer.append\"}",
		"{\"type\":\"response.output_audio.delta\",\"response_id\":\"r\",\"delta\":\"%s\"}",
		"{\"type\":\"conversation.item.create\",\"item\":{\"content\":[{\"type\":\"input_audio\","
		"\"audio\":\"%s\"}]}}",
	};
	char *audio = audio_base64(1, 3 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(fmts); i++) {
		char *text = fill(fmts[i], 0, audio);
		talk_begin(&t, REALTIME);
		t.keep = false;
		size_t before = live_bytes;
		peak_bytes = live_bytes;
		talk_say(&t, i == 2 ? HTTP_RESPONSE : HTTP_REQUEST, text);
#ifndef __SANITIZE_ADDRESS__
		assert_true(peak_bytes - before < 64 << 10);
#endif
		(void)before;
		talk_end(&t);
		talk_done(&t);
		free(text);
	}
	free(audio);
}

/* Text that is long is text, wherever the type stands. */
static void test_long_delta(void **state)
{
	(void)state;
	_cleanup_talk_ struct talk t;
	_cleanup_free_ char *long_text = filler(5000);
	_cleanup_free_ char *text = NULL;
	talk_begin(&t, REALTIME);
	assert_true(asprintf(&text,
			     "{\"delta\":\"%s\",\"audio\":\"%s\",\"type\":\"response.output_text.delta\","
			     "\"response_id\":\"r\"}",
			     long_text, long_text) > 0);
	server(&t, text);
	talk_end(&t);
	json_t *part =
		json_array_get(json_object_get(json_array_get(resp_of(&t, 0)->output, 0), "content"), 0);
	assert_string_equal(json_string_value(json_object_get(part, "text")), long_text);
}

/* Every beginning of a message, against the guard page. */
static void test_cut_everywhere(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"type\":\"input_audio_buffer.append\",\"audio\":\"\\u002b\\/"
		"+AA==\",\"x\":[{\"content\":[{\"audio\":\"AA\"}]}]}",
		"{\"type\":\"response.done\",\"response\":{\"id\":\"r\",\"output\":[{\"content\":[{\"audio\":"
		"\"AAAA\"}]}]}}",
		"{ \"delta\" : \"\\\\\\\"\" , "
		"\"type\":\"response.output_text.delta\",\"part\":{\"audio\":\"AAA\"}}",
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t n = 0; n <= strlen(texts[i]); n++) {
			_cleanup_talk_ struct talk t;
			struct http_message a = {.role = HTTP_REQUEST}, b = {.role = HTTP_RESPONSE};
			talk_begin(&t, REALTIME);
			talk_message(&t, &a, texts[i], n);
			talk_message(&t, &b, texts[i], n);
			talk_end(&t);
		}
	}
}

/* libcrypto's digests fail on allocation only, and then the program ends (base/digest.c): not here. */
int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *engine)
{
	static int (*real)(EVP_MD_CTX *, const EVP_MD *, ENGINE *);
	in_loader = true;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "EVP_DigestInit_ex");
	int r = real(ctx, type, engine);
	in_loader = false;
	return r;
}

/* --- faults -------------------------------------------------------------------------- */

static const struct {
	enum http_role role;
	const char *text;
} talk_of_all[] = {
	{HTTP_RESPONSE, "{\"type\":\"session.created\",\"session\":{\"model\":\"m\",\"instructions\":\"i\","
			"\"tools\":[],\"audio\":{"
			"\"input\":{\"transcription\":{\"model\":\"w\"}}}}}"},
	{HTTP_REQUEST,
	 "{\"type\":\"session.update\",\"session\":{\"audio\":{\"input\":{\"turn_detection\":null}}}}"},
	{HTTP_REQUEST, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\"}"},
	{HTTP_REQUEST, "{\"type\":\"input_audio_buffer.commit\"}"},
	{HTTP_REQUEST, "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"role\":"
		       "\"user\",\"content\":[{"
		       "\"audio\":\"AAAA\"}]}}"},
	{HTTP_REQUEST, "{\"type\":\"conversation.item.delete\",\"item_id\":\"x\"}"},
	{HTTP_RESPONSE, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u\"}"},
	{HTTP_RESPONSE, "{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"v\",\"type\":\"message\","
			"\"role\":\"user\"}}"},
	{HTTP_REQUEST,
	 "{\"type\":\"response.create\",\"event_id\":\"e\",\"response\":{\"metadata\":{\"a\":\"b\"}}}"},
	{HTTP_RESPONSE, "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"item_id\":"
			"\"u\",\"transcript\":\"t\","
			"\"usage\":{\"input_tokens\":1}}"},
	{HTTP_RESPONSE,
	 "{\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"metadata\":{\"a\":\"b\"}}}"},
	{HTTP_RESPONSE, "{\"type\":\"rate_limits.updated\",\"rate_limits\":[1]}"},
	{HTTP_RESPONSE,
	 "{\"type\":\"response.output_item.added\",\"response_id\":\"r\",\"item\":{\"id\":\"o\"}}"},
	{HTTP_RESPONSE, "{\"type\":\"response.output_audio.delta\",\"response_id\":\"r\",\"item_id\":\"o\","
			"\"delta\":\"AAAA\"}"},
	{HTTP_RESPONSE, "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r\",\"item_"
			"id\":\"o\",\"delta\":\"x\"}"},
	{HTTP_RESPONSE, "{\"type\":\"error\",\"error\":{\"code\":\"item_x\"}}"},
	{HTTP_RESPONSE, "{\"type\":\"response.done\",\"response\":{\"id\":\"r\",\"status\":\"failed\","
			"\"status_details\":{\"error\":{"
			"\"code\":\"c\",\"param\":\"p\"}},\"output\":[{\"id\":\"o\",\"content\":[{\"type\":"
			"\"output_audio\"}]}],\"usage\":{}}}"},
	{HTTP_REQUEST, "{\"type\":\"response.create\"}"},
	{HTTP_RESPONSE, "{\"type\":\"response.output_text.delta\",\"response_id\":\"s\",\"delta\":\"x\"}"},
	{HTTP_REQUEST, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\"}"},
	{HTTP_REQUEST, "{\"type\":\"response.create\"}"},
	{HTTP_RESPONSE, "{\"type\":\"error\",\"error\":{\"code\":\"c\"}}"},
};

static int all_of_it(const char *path, size_t *ret_given)
{
	struct talk t = {.may_fail = true};
	const struct openai_request handshake = {
		.operation = "x", .backend = (char *)"h", .path = (char *)path};
	t.now_ns = 1;
	int r = openai_session_new(&t.session, &handshake, path, 1, 1, &talk_ops, &t);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(talk_of_all); i++)
		talk_say(&t, talk_of_all[i].role, talk_of_all[i].text);
	talk_end(&t);
	*ret_given = t.n_requests + t.n_responses;
	talk_done(&t);
	return t.r;
}

/* Each allocation in turn fails, alone and with all that follow: the calls say so or get by without it,
 * nothing is leaked, and after a single failure most of the session is on record all the same. */
static void test_each_allocation(void **state)
{
	(void)state;
	static const char *const paths[] = {REALTIME, REALTIME "?intent=transcription", RESPONSES};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		size_t all = 0, given = 0;
		assert_int_equal(all_of_it(paths[i], &all), 0);
		for (int mode = 0; mode < 2; mode++) {
			long n = 0, refused = 0;
			do {
				long before = live;
				failed = false;
				all_after = mode;
				countdown = n++;
				given = 0;
				int r = all_of_it(paths[i], &given);
				countdown = -1;
				assert_true(r == 0 || r == -ENOMEM);
				assert_int_equal(live, before);
				refused += r == -ENOMEM;
				/* A request, its response or both may be lost, and one more be made of the
				 * pieces. */
				assert_true(mode || !given || given + 3 >= all);
			} while (failed);
			assert_true(n > 1 && refused > 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floods),	       cmocka_unit_test(test_flood_of_all),
		cmocka_unit_test(test_large_audio),    cmocka_unit_test(test_long_delta),
		cmocka_unit_test(test_cut_everywhere), cmocka_unit_test(test_each_allocation),
	};
	faults_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
