/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of every length against a guard page: what is read several bytes at a time says the same wherever it
 * lies. */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/head.h"

#define NAME_MAX_LEN  40
#define VALUE_MAX_LEN 140

static const char token[] = "Aa-zZ09bY_c!D#e$F%g&H'i*J+k.L^m`N|o~pQrStUvWx";
static const char token_low[] = "aa-zz09by_c!d#e$f%g&h'i*j+k.l^m`n|o~pqrstuvwx";

static const char dots[] = "................................................................................";

struct head {
	struct http_message *msg;
	int r;
	bool flawed;
};

static struct head read_head(const char *text, size_t len, enum http_role role, bool whole)
{
	struct head h = {.msg = calloc(1, sizeof(*h.msg))};
	uint8_t *copy = guard_copy(text, len);
	h.msg->role = role;
	h.r = http_head_read(h.msg, copy, len, 256, whole, &h.flawed);
	guard_free(copy, len);
	return h;
}

/* Its one field, or of two the first, has that name and value. */
static void check_field(const struct head *h, const char *name, const char *value)
{
	assert_int_equal(h->r, 0);
	assert_true(h->msg->n_headers > 0);
	assert_string_equal(h->msg->headers[0].name, name);
	assert_string_equal(h->msg->headers[0].value, value);
}

static size_t print_head(char *out, size_t size, size_t name_len, const char *value, const char *end)
{
	int n = snprintf(out, size, "GET /%.*s HTTP/1.1%s%.*s:\t%s %sB: c%s%s", (int)(name_len % 7),
			 "abcdefg", end, (int)name_len, token, value, end, end, end);
	assert_true(n > 0 && (size_t)n < size);
	return (size_t)n;
}

static void test_every_length(void **state)
{
	char text[512], name[NAME_MAX_LEN + 1], value[VALUE_MAX_LEN + 1];
	(void)state;
	for (size_t n = 1; n <= NAME_MAX_LEN; n++) {
		snprintf(name, sizeof(name), "%.*s", (int)n, token_low);
		for (size_t v = 0; v <= VALUE_MAX_LEN; v++) {
			memset(value, 0, sizeof(value));
			for (size_t i = 0; i < v; i++)
				value[i] = (char)(i % 3 ? 0x21 + (i * 7 + n) % 90 : 0x80 + i % 128);
			size_t len = print_head(text, sizeof(text), n, value, v % 2 ? "\r\n" : "\n");
			struct head h = read_head(text, len, HTTP_REQUEST, true);
			check_field(&h, name, value);
			assert_false(h.flawed);
			assert_int_equal(h.msg->n_headers, 2);
			assert_string_equal(h.msg->headers[1].name, "b");
			assert_string_equal(h.msg->headers[1].value, "c");
			http_message_free(&h.msg);
		}
	}
}

/* Each byte in each place of a value; what text cannot hold is '?', and no other value is touched. */
static void test_every_byte_in_a_value(void **state)
{
	static const char intro[] = "HTTP/1.1 200 OK\r\nA: ", rest[] = "z\r\nB: \tc\td\r\n\r\n";
	char text[256], want[80];
	(void)state;
	for (int c = 0; c < 256; c++) {
		for (size_t at = 1; at < 70; at++) {
			size_t len = strlen(intro);
			memcpy(text, intro, len);
			memset(text + len, 'v', at);
			text[len + at] = (char)c;
			memcpy(text + len + at + 1, rest, strlen(rest));
			snprintf(want, sizeof(want), "%.*s", (int)at + 2, text + len);
			len += at + 1 + strlen(rest);
			bool bad = (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
			if (c == '\n')
				want[at] = 0;
			else
				want[at] = (char)(bad ? '?' : c);
			want[at + 1] = c == '\n' ? 0 : 'z';
			want[at + 2] = 0;
			struct head h = read_head(text, len, HTTP_RESPONSE, true);
			check_field(&h, "a", want);
			/* After a line feed, the rest is a line of its own. */
			assert_int_equal(h.flawed, bad || c == '\n');
			assert_int_equal(h.msg->n_headers, 2);
			assert_string_equal(h.msg->headers[1].value, "c\td");
			http_message_free(&h.msg);
		}
	}
}

/* The byte before a line feed may be the line end's; a control byte there is none. */
static void test_every_byte_before_a_line_feed(void **state)
{
	char text[256], want[80];
	(void)state;
	for (int c = 1; c < 256; c++) {
		for (int at = 1; at < 70; at++) {
			if (c == '\n')
				continue;
			size_t len = (size_t)snprintf(text, sizeof(text),
						      "HTTP/1.1 200 OK\nA:%.*s%c\nB:c\n\n", at, dots, c);
			bool bad = (c < 0x20 && c != '\t' && c != '\r') || c == 0x7f;
			bool none = c == ' ' || c == '\t' || c == '\r';
			snprintf(want, sizeof(want), "%.*s%c", at, dots, none ? 0 : bad ? '?' : c);
			struct head h = read_head(text, len, HTTP_RESPONSE, true);
			check_field(&h, "a", want);
			assert_int_equal(h.flawed, bad);
			assert_string_equal(h.msg->headers[1].value, "c");
			http_message_free(&h.msg);
		}
	}
}

/* Each byte in each place of a name: a token's, or the name ends there. */
static void test_every_byte_in_a_name(void **state)
{
	static const char intro[] = "HTTP/1.1 200 OK\r\n", rest[] = "Z: v\r\n\r\n";
	char text[128];
	(void)state;
	for (int c = 1; c < 256; c++) {
		bool is_token = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
				strchr("!#$%&'*+-.^_`|~", c);
		for (size_t at = 1; at < 40; at++) {
			if (c == '\n' || c == ':')
				continue;
			size_t len = strlen(intro);
			memcpy(text, intro, len);
			memset(text + len, 'N', at);
			text[len + at] = (char)c;
			memcpy(text + len + at + 1, rest, strlen(rest));
			len += at + 1 + strlen(rest);
			struct head h = read_head(text, len, HTTP_RESPONSE, true);
			assert_int_equal(h.r, 0);
			assert_int_equal(h.msg->n_headers, is_token);
			assert_int_equal(h.flawed, !is_token);
			if (is_token) {
				const char *name = h.msg->headers[0].name;
				assert_int_equal(strlen(name), at + 2);
				assert_int_equal(strspn(name, "n"), at + (c == 'n' || c == 'N'));
				assert_int_equal((uint8_t)name[at], c >= 'A' && c <= 'Z' ? c + 0x20 : c);
				assert_int_equal(name[at + 1], 'z');
				assert_string_equal(h.msg->headers[0].value, "v");
			}
			http_message_free(&h.msg);
		}
	}
}

static void test_every_byte_in_a_target(void **state)
{
	char text[128], want[64];
	(void)state;
	for (int c = 1; c < 256; c++) {
		for (size_t at = 1; at < 50; at++) {
			if (c == '\n')
				continue;
			size_t len = (size_t)snprintf(text, sizeof(text), "PUT /%.*s%cb HTTP/1.0\r\n\r\n",
						      (int)at, dots, c);
			bool bad = c < 0x20 || c == 0x7f;
			snprintf(want, sizeof(want), "%.*s", (int)at + 3, text + 4);
			if (bad && c != '\t')
				want[at + 1] = '?';
			struct head h = read_head(text, len, HTTP_REQUEST, true);
			assert_int_equal(h.r, 0);
			assert_string_equal(h.msg->method, "PUT");
			assert_string_equal(h.msg->target, want);
			assert_int_equal(h.flawed, bad || c == ' ');
			http_message_free(&h.msg);
		}
	}
}

/* Of a head without its end, the lines that are complete; and nothing of it is kept that is not freed. */
static void test_every_cut(void **state)
{
	static const char text[] =
		"POST /v1/chat/completions HTTP/1.1\r\nHost: example.com\r\n"
		"X-Long-Name-Of-A-Field: a value that goes on\r\n\tand on\r\nLast: one\r\n\r\n";
	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct head h = read_head(text, len, HTTP_REQUEST, false);
		size_t lines = 0;
		for (size_t i = 0; i < len; i++)
			lines += text[i] == '\n';
		assert_int_equal(h.r, 0);
		assert_int_equal(h.msg->method != NULL, len > 4);
		assert_int_equal(h.msg->target != NULL, lines > 0);
		assert_int_equal(h.msg->n_headers, (lines > 1) + (lines > 2) + (lines > 4));
		assert_false(h.flawed);
		if (lines > 2)
			assert_string_equal(h.msg->headers[1].value, lines > 3 ? "a value that goes on and on"
									       : "a value that goes on");
		http_message_free(&h.msg);
	}
}

/* Lines that continue a value, of every length. */
static void test_folds(void **state)
{
	char text[512], want[300];
	(void)state;
	for (int first = 0; first < 40; first++) {
		for (int more = 0; more < 80; more++) {
			int n = snprintf(text, sizeof(text),
					 "HTTP/1.0 200 \nA:%.*s\r\n \t%.*s \r\n\t%.*s\nB: c\n\n", first, dots,
					 more, dots, more, dots);
			snprintf(want, sizeof(want), "%.*s%s%.*s%s%.*s", first, dots,
				 first && more ? " " : "", more, dots, more ? " " : "", more, dots);
			struct head h = read_head(text, (size_t)n, HTTP_RESPONSE, true);
			check_field(&h, "a", want);
			assert_false(h.flawed);
			assert_string_equal(h.msg->headers[1].value, "c");
			http_message_free(&h.msg);
		}
	}
}

/* The list grows, up to the limit. */
static void test_many_fields(void **state)
{
	char text[4096];
	size_t len = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
	(void)state;
	for (int i = 0; i < 257; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "n%d: %d\r\n", i, i);
	struct head h = read_head(text, len, HTTP_REQUEST, false);
	assert_int_equal(h.r, -E2BIG);
	assert_int_equal(h.msg->n_headers, 256);
	for (int i = 0; i < 256; i++) {
		char want[16];
		snprintf(want, sizeof(want), "%d", i);
		assert_string_equal(h.msg->headers[i].value, want);
	}
	http_message_free(&h.msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_byte_in_a_value),
		cmocka_unit_test(test_every_byte_before_a_line_feed),
		cmocka_unit_test(test_every_byte_in_a_name),
		cmocka_unit_test(test_every_byte_in_a_target),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_many_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
