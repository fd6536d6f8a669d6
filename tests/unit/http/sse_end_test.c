/* SPDX-License-Identifier: Apache-2.0 */
/* Where a stream says its end: whole, byte by byte, at every split, and with each kind of line end. */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/sse_end.h"

static void feed(struct sse_end *end, const char *data, size_t len)
{
	uint8_t *copy = guard_copy(data, len);
	sse_end_feed(end, copy, len);
	guard_free(copy, len);
}

static void check(const char *text, size_t len, bool said)
{
	for (size_t cut = 0; cut <= len; cut++) {
		struct sse_end end = {0};
		if (cut)
			feed(&end, text, cut);
		if (cut < len)
			feed(&end, text + cut, len - cut);
		if (sse_end_said(&end) != said) {
			print_error("cut at %zu: %s\n", cut, text);
			fail();
		}
	}
	struct sse_end end = {0};
	for (size_t i = 0; i < len; i++)
		feed(&end, text + i, 1);
	assert_int_equal(sse_end_said(&end), said);
}

/* Each LF of the text as LF, CRLF and CR. */
static void check_line_ends(const char *text, bool said)
{
	static const char *const ends[] = {"\n", "\r\n", "\r"};
	for (size_t i = 0; i < 3; i++) {
		char all[1024];
		size_t n = 0;
		for (const char *p = text; *p; p++) {
			const char *piece = *p == '\n' ? ends[i] : (char[]){*p, 0};
			assert_true(n + strlen(piece) < sizeof(all));
			memcpy(all + n, piece, strlen(piece));
			n += strlen(piece);
		}
		all[n] = 0;
		check(all, n, said);
	}
}

#define LONG_DATA                                                                                            \
	"{\"type\":\"response.completed\",\"sequence_number\":7,\"response\":{\"id\":\"resp_1\",\"output\":" \
	"[{\"text\":\"data: [DONE] event: done\"}]}}"

static void test_done(void **state)
{
	static const struct {
		const char *text;
		bool said;
	} cases[] = {
		{"", false},
		{"\n\n", false},
		{"data: [DONE]", true},
		{"data:[DONE]\n", true},
		{"data: [DONE] \t\n\n", true},
		{"\xef\xbb\xbf"
		 "data: [DONE]\n\n",
		 true},
		{"\n\xef\xbb\xbf"
		 "data: [DONE]\n\n",
		 false},
		{"data: {}\n\ndata: [DONE]\n\n\n\n", true},
		{"data: [DONE]\n\n: bye\n\n", true},
		{"data: [DONE]\n\ndata: {}\n\n", false},
		{"data: [DONE]\n\nd", false},
		{"data: [DONE", false},
		{"data: [DONE]x\n\n", false},
		{"data:  [DONE]\n\n", false},
		{"xdata: [DONE]\n\n", false},
		{": data: [DONE]\n\n", false},
		{"database: [DONE]\n\n", false},
		{"data: {\"content\":\"data: [DONE]\n\n", false},
		{"event: done\ndata: [DONE]\n\n", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_line_ends(cases[i].text, cases[i].said);
}

static void test_last_event(void **state)
{
	static const struct {
		const char *text;
		bool said;
	} cases[] = {
		{"event: response.completed\ndata: " LONG_DATA "\n\n", true},
		{"event:response.failed\ndata:{}\n\n", true},
		{"data: {}\nevent: response.incomplete\n\n", true},
		{"event: response.completed\ndata: " LONG_DATA "\n", false},
		{"event: response.completed\ndata: " LONG_DATA, false},
		{"event: response.completed\n\n", false},
		{"event: response.completed\nevent: response.created\ndata: {}\n\n", false},
		{"event: response.completed\ndata: {}\n\n: comment\n\n\n", true},
		{"event: response.completed\ndata: {}\n\ndata: [DONE]\n\n", true},
		{"event: response.completed\ndata: {}\n\nevent: response.created\ndata: {}\n\n", false},
		{"event: response.completed\n\ndata: {}\n\n", false},
		{"event: response.completed.\ndata: {}\n\n", false},
		{"event: response.complete\ndata: {}\n\n", false},
		{"event: response.output_text.delta\ndata: {\"delta\":\"event: response.completed\"}\n\n",
		 false},
		{"event: done\ndata: {}\n\n", true},
		/* Without `event:`. */
		{"data: " LONG_DATA "\n\n", true},
		{"data: { \"type\" : \"speech.audio.done\", \"usage\":{}}\n\n", true},
		{"data: {\"type\":\"response.completed\n\n", false},
		{"data: {\"type\":\"response.output_text.delta\",\"type\":\"response.completed\"}\n\n",
		 false},
		{"data: {}\ndata: {\"type\":\"response.completed\"}\n\n", false},
		{"data: {\"type\":\"response.completed\"", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_line_ends(cases[i].text, cases[i].said);
}

/* Lines of every length around the part that is kept. */
static void test_long_lines(void **state)
{
	(void)state;
	for (size_t n = 0; n < 2 * SSE_END_LINE; n++) {
		char text[512];
		snprintf(text, sizeof(text), "data: %*s[DONE]\n\n", (int)n, "");
		check(text, strlen(text), n == 0);
		snprintf(text, sizeof(text), "event: done%.*s\ndata: {}\n\n", (int)n,
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			 "xxx"
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		check(text, strlen(text), n == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_last_event),
		cmocka_unit_test(test_long_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
