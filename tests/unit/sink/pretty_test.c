/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "sink/pretty.h"

static const char request[] =
	"{\"schema\":\"oaitap/"
	"1\",\"event-type\":\"Request\",\"event-id\":\"0193a5b2-7c3d-7aaa-8000-000000000001\","
	"\"event-time\":\"2026-11-23T15:04:05.123456Z\",\"message-id\":\"0193a5b2-7c3d-7abc-8000-"
	"000000000002\","
	"\"backend\":\"contoso.openai.azure.com\",\"operation\":\"ChatCompletions_Create\",\"deployment-id\":"
	"\"gpt\","
	"\"model\":\"gpt-4o\",\"stream\":true,\"attempt\":2,"
	"\"identity\":{\"kind\":\"entra\",\"name\":\"Jane "
	"Doe\",\"app-id\":\"a-1\",\"verification\":\"unverified\"},"
	"\"process\":{\"pid\":1234,\"comm\":\"python3\",\"uid\":1000,\"user\":\"alice\"},"
	"\"capture\":{\"complete\":true},\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
	"{\"role\":\"user\",\"content\":\"first\"},{\"role\":\"assistant\",\"content\":\"x\"},"
	"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What is\\n  the   capital?\"},"
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:...\"}}]}]}";

static const char response[] =
	"{\"event-type\":\"Response\",\"event-time\":\"2026-11-23T15:04:06.000001Z\","
	"\"message-id\":\"0193a5b2-7c3d-7abc-8000-000000000002\",\"operation\":\"ChatCompletions_Create\","
	"\"identity\":{\"kind\":\"api-key\",\"key-fingerprint\":\"hmac-sha256:1a2b3c4d5e6f\"},"
	"\"process\":{\"pid\":1234,\"comm\":\"python3\",\"uid\":1000},\"status\":200,\"outcome\":"
	"\"interrupted\","
	"\"model\":\"gpt-4o-2024\",\"prompt_tokens\":12,\"completion_tokens\":34,\"total_tokens\":46,"
	"\"timing\":{\"duration-ms\":1234.5,\"time-to-first-token-ms\":210.2},\"finish-reason\":[\"stop\","
	"\"tool_calls\"],"
	"\"error\":{\"code\":\"429\",\"message\":\"slow down\"},"
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Paris.\"}},"
	"{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\","
	"\"function\":"
	"{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\"}}]}}],"
	"\"capture\":{\"complete\":false,\"missing-bytes\":4096,\"reason\":\"ring-full\"}}";

static char *render(const char *text, size_t len, bool colour, unsigned int width)
{
	struct buf out;
	struct pretty_options options = {.colour = colour, .width = width};
	uint8_t *copy = guard_copy(text, len);
	buf_init(&out, 1 << 20);
	assert_int_equal(pretty_event(&out, (const char *)copy, len, &options), 0);
	guard_free(copy, len);
	return buf_take_str(&out);
}

static void test_request(void **state)
{
	(void)state;
	_cleanup_free_ char *text = render(request, strlen(request), false, 200);
	assert_string_equal(
		text, "2026-11-23 15:04:05.123Z \xe2\x86\x92 0193a5b2-7c3d-7abc python3[1234] alice  "
		      "Jane Doe (entra, unverified)\n"
		      "    ChatCompletions_Create  gpt-4o at contoso.openai.azure.com  stream  retry 2\n"
		      "    > What is the capital? [image_url]\n");
}

/* Where the process belongs, in a few words, if that says more than its name. */
static void test_place(void **state)
{
	static const struct {
		const char *more, *want;
	} rows[] = {
		{"\"app\":\"x\"", "x[7] u  "},
		{"\"app\":\"shop\"", "x[7] u shop  "},
		{"\"app\":\"a\",\"container\":{\"id\":\"3726184226f5d314\",\"name\":\"web\"}",
		 "x[7] u in web  "},
		{"\"app\":\"a\",\"container\":{\"id\":\"3726184226f5d314\"}", "x[7] u in 37261842"},
		{"\"k8s\":{\"namespace\":\"shop\",\"pod\":\"chat-0\"},\"container\":{\"id\":\"3\"}",
		 "x[7] u shop/chat-0  "},
		{"\"k8s\":{\"pod-uid\":\"u\"},\"app\":\"x\"", "x[7] u  "},
		{"\"k8s\":7,\"container\":[],\"app\":{}", "x[7] u  "},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char event[512];
		snprintf(event, sizeof(event),
			 "{\"event-type\":\"Request\",\"process\":{\"pid\":7,\"comm\":\"x\",\"user\":\"u\"},%"
			 "s}",
			 rows[i].more);
		_cleanup_free_ char *text = render(event, strlen(event), false, 200);
		if (!strstr(text, rows[i].want))
			fail_msg("row %zu: %s", i, text);
	}
}

static void test_response(void **state)
{
	(void)state;
	_cleanup_free_ char *text = render(response, strlen(response), false, 200);
	assert_string_equal(
		text, "2026-11-23 15:04:06.000Z \xe2\x86\x90 0193a5b2-7c3d-7abc python3[1234] 1000  "
		      "api-key 1a2b3c4d\n"
		      "    200 interrupted  gpt-4o-2024  12 in + 34 out tokens  1.23 s, first token 210 ms  "
		      "stop, tool_calls\n"
		      "    error 429: slow down\n"
		      "    < Paris.\n"
		      "    < \xe2\x9a\x99 get_weather({\"city\":\"Paris\"})\n"
		      "    !! INCOMPLETE CAPTURE: ring-full, 4096 bytes missing\n");
}

static void test_policy(void **state)
{
	(void)state;
	static const char event[] = "{\"event-type\":\"Policy\",\"event-time\":\"2026-11-23T15:04:05."
				    "123456Z\",\"identity\":{\"kind\":"
				    "\"api-key\",\"key-fingerprint\":\"hmac-sha256:1a2b3c4d5e6f\"},"
				    "\"process\":{\"pid\":1,\"comm\":\"x\","
				    "\"uid\":0},\"rule\":\"batch\",\"action\":\"report\",\"reason\":\"model "
				    "\\u001b[2J is not allowed\"}";
	static const char kept[] = "{\"event-type\":\"Request\",\"capture\":{\"complete\":true,\"withheld\":["
				   "{\"path\":\"/tools\",\"how\":"
				   "\"drop\",\"why\":\"sample\"}],\"redacted\":[{\"path\":\"\",\"rule\":"
				   "\"email\",\"count\":2}]}}";
	_cleanup_free_ char *text = render(event, strlen(event), false, 100);
	assert_string_equal(text, "2026-11-23 15:04:05.123Z ! x[1] 0  api-key 1a2b3c4d\n"
				  "    policy report, rule batch: model \\x1b[2J is not allowed\n");
	_cleanup_free_ char *other = render(kept, strlen(kept), false, 100);
	assert_non_null(strstr(other, "    kept: not all, by sample, 2 redacted\n"));
}

static void test_unknown(void **state)
{
	(void)state;
	static const char event[] =
		"{\"event-type\":\"Request\",\"operation\":\"Unknown\",\"method\":\"PUT\",\"path\":\"/x\","
		"\"body\":{\"a\":[1,\"\\u001b\"]},\"problem\":\"bad \\u001b[2J\",\"capture\":"
		"{\"complete\":false,\"missing-bytes\":0,\"reason\":\"closed\"}}";
	_cleanup_free_ char *text = render(event, strlen(event), false, 200);
	assert_non_null(
		strstr(text, "    Unknown PUT /x\n    > {\"a\":[1,\"\\u001B\"]}\n    problem: bad \\x1b[2J\n"
			     "    !! INCOMPLETE CAPTURE: closed\n"));
}

static void test_colours(void **state)
{
	(void)state;
	_cleanup_free_ char *plain = render(response, strlen(response), false, 60);
	_cleanup_free_ char *coloured = render(response, strlen(response), true, 60),
			    *stripped = strdup(coloured);
	assert_null(strchr(plain, '\x1b'));
	assert_non_null(strstr(coloured, "\x1b[" PRETTY_YELLOW "m!! INCOMPLETE CAPTURE\x1b[0m"));
	char *to = stripped;
	bool open = false;
	for (const char *p = coloured; *p; p++) {
		if (*p == '\x1b') {
			open = strncmp(p, "\x1b[0m", 4) != 0;
			p = strchr(p, 'm');
			continue;
		}
		assert_false(*p == '\n' && open);
		*to++ = *p;
	}
	*to = '\0';
	assert_string_equal(stripped, plain);
}

/* Characters of a line, as the width counts them here (no wide ones in the text). */
static size_t characters(const char *p, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)p[i] & 0xc0) != 0x80;
	return n;
}

static void test_width(void **state)
{
	(void)state;
	char text[2048] = "{\"event-type\":\"Request\",\"messages\":[{\"role\":\"user\",\"content\":\"";
	for (int i = 0; i < 200; i++)
		strcat(text, "\xc3\xa9");
	strcat(text, "\"}],\"operation\":\"a-very-long-operation-name-that-never-ends\","
		     "\"backend\":\"a.very.long.host.name.example.com\"}");
	for (unsigned int width = 40; width < 120; width++) {
		_cleanup_free_ char *out = render(text, strlen(text), false, width);
		for (const char *p = out; *p;) {
			size_t len = strcspn(p, "\n");
			assert_true(characters(p, len) <= width);
			p += len + 1;
		}
		const char *answer = strstr(out, "    > ");
		assert_non_null(answer);
		assert_int_equal(characters(answer, strcspn(answer, "\n")), width);
		assert_memory_equal(out + strlen(out) - 4, "\xe2\x80\xa6\n", 4);
	}
}

static const struct {
	const char *in;
	size_t len;
	const char *line;
} unsafe[] = {
#define CASE(in, out)                                                                                        \
	{                                                                                                    \
		in, sizeof(in) - 1, out                                                                      \
	}
	CASE("plain \xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80", "plain \xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80"),
	CASE("", ""),
	CASE("  a \r\n\t b  ", "a b"),
	CASE("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
	CASE("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
	CASE("a\0b", "a\\x00b"),
	CASE("a\x08\x08z\x7f", "a\\x08\\x08z\\x7f"),
	CASE("\x0b\x0c\x0e", "\\x0b\\x0c\\x0e"),
	CASE("\xc2\x9b"
	     "31m",
	     "\\u{9b}31m"),
	CASE("\xc2\x80\xc2\x9f\xc2\xa0", "\\u{80}\\u{9f}\xc2\xa0"),
	CASE("\x9b\x90", "\\x9b\\x90"),
	CASE("\xff\xfe", "\\xff\\xfe"),
	CASE("\xc3", "\\xc3"),
	CASE("\xe4\xb8", "\\xe4\\xb8"),
	CASE("\xc0\x9b", "\\xc0\\x9b"),
	CASE("\xe0\x82\x9b", "\\xe0\\x82\\x9b"),
	CASE("\xed\xa0\x80", "\\xed\\xa0\\x80"),
	CASE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"),
	CASE("a\xe2\x80\xae"
	     "b\xe2\x80\xac",
	     "a\\u{202e}b\\u{202c}"),
	CASE("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xad", "\\u{202a}\\u{202b}\\u{202d}"),
	CASE("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}"),
	CASE("\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f", "\\u{61c}\\u{200e}\\u{200f}"),
	CASE("\xe2\x80\xa8\xe2\x80\xa9", "\\u{2028}\\u{2029}"),
	CASE("\xef\xbb\xbf\xe2\x80\x8b", "\\u{feff}\\u{200b}"),
	CASE("\xf3\xa0\x81\xa1", "\\u{e0061}"),
	CASE("\xef\xbf\xbf\xf0\x9f\xbf\xbe", "\\u{ffff}\\u{1fffe}"),
};

static void test_neutralised(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unsafe); i++) {
		struct buf out;
		uint8_t *copy = guard_copy(unsafe[i].in, unsafe[i].len);
		buf_init(&out, 1000);
		assert_int_equal(pretty_line(&out, (char *)copy, unsafe[i].len, 0), 0);
		assert_string_equal(out.data ? (char *)out.data : "", unsafe[i].line);
		buf_done(&out);
		guard_free(copy, unsafe[i].len);
	}
}

/* Whatever the bytes: the output is UTF-8 without controls, in both forms, and no line is too long. */
static void test_random_bytes(void **state)
{
	(void)state;
	unsigned int seed = 12345;
	for (int round = 0; round < 3000; round++) {
		char data[64];
		size_t len = (size_t)(rand_r(&seed) % 64);
		struct buf out;
		for (size_t i = 0; i < len; i++)
			data[i] = (char)(rand_r(&seed) % 3 ? rand_r(&seed)
							   : "\xe2\x80\xae\xf3\xa0\x1b\n"[rand_r(&seed) % 7]);
		uint8_t *copy = guard_copy(data, len);
		buf_init(&out, 4096);
		assert_int_equal(pretty_line(&out, (char *)copy, len, 20), 0);
		assert_true(utf8_valid((char *)out.data, out.len, NULL));
		assert_true(characters((char *)out.data, out.len) <= 20);
		size_t line = out.len;
		assert_int_equal(pretty_lines(&out, (char *)copy, len, "> "), 0);
		assert_true(utf8_valid((char *)out.data, out.len, NULL));
		for (size_t i = 0; i < out.len; i++) {
			assert_true(out.data[i] >= 0x20 || (out.data[i] == '\n' && i >= line));
			assert_true(out.data[i] != 0x7f);
			assert_false(i && out.data[i - 1] == 0xc2 && out.data[i] < 0xa0);
		}
		buf_done(&out);
		guard_free(copy, len);
	}
}

static void lines(const char *in, const char *want)
{
	struct buf out;
	size_t len = strlen(in);
	uint8_t *copy = guard_copy(in, len);
	buf_init(&out, 1000);
	assert_int_equal(pretty_lines(&out, (char *)copy, len, "  "), 0);
	assert_string_equal((char *)out.data, want);
	buf_done(&out);
	guard_free(copy, len);
}

static void test_lines(void **state)
{
	(void)state;
	lines("", "  \n");
	lines("a", "  a\n");
	lines("a\n", "  a\n");
	lines("a\r\n\r\n\tb\rc", "  a\n  \n      b\\x0dc\n");
	lines("\n\n", "  \n  \n");
	lines("x\x1b[2J", "  x\\x1b[2J\n");
}

static void test_line_cut(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		unsigned int max;
		const char *want;
	} cuts[] = {
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcd\xe2\x80\xa6"},
		{"abc   ", 3, "abc"},
		{"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 6, "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"},
		{"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 5, "\xe4\xb8\xad\xe4\xb8\xad\xe2\x80\xa6"},
		{"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 4, "\xe4\xb8\xad\xe2\x80\xa6"},
		{"ab\x1b", 5, "ab\xe2\x80\xa6"},
		{"ab\x1b", 6, "ab\\x1b"},
		{"ab", 1, "\xe2\x80\xa6"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		struct buf out;
		buf_init(&out, 100);
		assert_int_equal(pretty_line(&out, cuts[i].in, strlen(cuts[i].in), cuts[i].max), 0);
		assert_string_equal((char *)out.data, cuts[i].want);
		buf_done(&out);
	}
}

/* Events that are valid JSON and otherwise wrong in every field. */
static void test_hostile_events(void **state)
{
	(void)state;
	static const char *const events[] = {
		"{}",
		"{\"event-type\":3}",
		"{\"event-type\":\"Request\"}",
		"{\"event-type\":\"Response\"}",
		"{\"event-type\":\"Request\",\"messages\":{},\"process\":[],\"identity\":1,\"capture\":\"x\","
		"\"model\":[1]}",
		"{\"event-type\":\"Request\",\"messages\":[null,1,\"x\",{\"role\":\"user\",\"content\":{"
		"\"a\":1}}]}",
		"{\"event-type\":\"Request\",\"messages\":[{\"role\":\"user\",\"content\":[[],null,{\"type\":"
		"7}]}]}",
		"{\"event-type\":\"Response\",\"choices\":[null,[],{\"message\":[]},{\"message\":{\"tool_"
		"calls\":[1,{}]}}],"
		"\"timing\":{\"duration-ms\":1e300,\"time-to-first-token-ms\":-1},\"finish-reason\":[{},1],"
		"\"error\":{}}",
		"{\"event-type\":\"Response\",\"status\":\"x\",\"outcome\":null,\"error\":{\"code\":{},"
		"\"message\":1}}",
		"{\"event-type\":\"Re\\u001bquest\",\"reason\":\"\\u001b[2J\",\"message-id\":\"\\u001b["
		"2J\\u001b[2J\\u001b[2J\\u001b[2J\","
		"\"event-time\":\"\\u001b[2J\",\"process\":{\"comm\":\"\\u001b[2J\",\"user\":\"\\u202e\","
		"\"pid\":-1},"
		"\"identity\":{\"kind\":\"\\u001b\",\"name\":\"\\u001b[2J\",\"verification\":\"\\u009b2J\"}}",
		"{\"event-type\":\"Response\",\"model\":\"\\u001b[2J\",\"outcome\":\"\\u001b[2J\",\"finish-"
		"reason\":[\"\\u001b\"],"
		"\"error\":{\"code\":\"\\u001b[2J\",\"message\":\"\\u001b[2J\"},\"capture\":{\"complete\":"
		"false,"
		"\"reason\":\"\\u001b[2J\"},\"choices\":[{\"message\":{\"content\":\"\\u0000\\u001b[2J\","
		"\"tool_calls\":"
		"[{\"function\":{\"name\":\"\\u001b[2J\",\"arguments\":\"\\u001b[2J\"}}]}}]}",
		"{\"event-type\":\"Request\",\"operation\":\"\\u001b[2J\",\"backend\":\"\\u001b[2J\","
		"\"model\":\"\\u001b[2J\","
		"\"prompt\":\"\\u001b[2J\",\"identity\":{\"kind\":\"api-key\",\"key-fingerprint\":\"h:"
		"\\u001b[2J\"}}",
		"{\"event-type\":\"Request\",\"operation\":\"Unknown\",\"method\":\"\\u001b[2J\",\"path\":"
		"\"\\u001b[2J\"}",
	};
	static const char *const garbage[] = {"", "x", "[]", "3", "{\"a\":", "\xff\xff", "\"\x1b[2J\""};
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		_cleanup_free_ char *out = render(events[i], strlen(events[i]), false, 100);
		assert_null(strchr(out, '\x1b'));
		assert_null(strstr(out, "\xc2\x9b"));
		assert_null(strstr(out, "\xe2\x80\xae"));
		assert_int_equal(out[strlen(out) - 1], '\n');
	}
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		_cleanup_free_ char *out = render(garbage[i], strlen(garbage[i]), true, 100);
		assert_non_null(strstr(out, "not a JSON object"));
		assert_null(strchr(out, '\x1b'));
	}
}

/* Every prefix of an event, and the ceiling of the buffer at every size. */
static void test_short_everything(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(response); len++)
		free(render(response, len, true, 80));
	_cleanup_free_ char *whole = render(response, strlen(response), true, 80);
	for (size_t max = 0; max <= strlen(whole); max++) {
		struct buf out;
		struct pretty_options options = {.colour = true, .width = 80};
		buf_init(&out, max);
		int r = pretty_event(&out, response, strlen(response), &options);
		assert_int_equal(r, max < strlen(whole) ? -E2BIG : 0);
		buf_done(&out);
	}
}

static void test_colour_and_width_of(void **state)
{
	(void)state;
	int fd = open("/dev/null", O_WRONLY), master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_false(pretty_colour(fd));
	assert_int_equal(pretty_width(fd), PRETTY_WIDTH);
	close(fd);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    (fd = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0) {
		print_message("SKIPPED: no pseudo terminals\n");
		skip();
	}
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_true(pretty_colour(fd));
	setenv("NO_COLOR", "1", 1);
	assert_false(pretty_colour(fd));
	setenv("NO_COLOR", "", 1);
	assert_true(pretty_colour(fd));
	setenv("TERM", "dumb", 1);
	assert_false(pretty_colour(fd));
	assert_int_equal(pretty_width(fd), PRETTY_WIDTH);
	close(fd);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_neutralised),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_cut),
		cmocka_unit_test(test_hostile_events),
		cmocka_unit_test(test_short_everything),
		cmocka_unit_test(test_colour_and_width_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
