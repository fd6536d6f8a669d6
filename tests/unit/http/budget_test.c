/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that share a budget for the bodies of unfinished messages. */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "http/http_conn.h"

#define HEAD "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n"

static struct http_message *last;

static void on_message(void *ctx, struct http_message *msg)
{
	(void)ctx;
	http_message_free(&last);
	last = msg;
}

static void on_unreadable(void *ctx, enum stream_dir dir, uint64_t len, bool missing, const char *why)
{
	(void)ctx;
	(void)dir;
	(void)missing;
	fail_msg("%llu bytes are unreadable: %s", (unsigned long long)len, why);
}

static const struct http_conn_ops ops = {.on_message = on_message, .on_unreadable = on_unreadable};

struct side {
	struct http_conn *conn;
	uint64_t offset;
};

static void write_text(struct side *s, const char *text)
{
	struct stream_chunk chunk = {
		.dir = STREAM_WRITE,
		.offset = s->offset,
		.call_start = true,
		.data = (const uint8_t *)text,
		.len = strlen(text),
	};
	assert_int_equal(http_conn_data(s->conn, &chunk), 0);
	s->offset += chunk.len;
}

static void check_last(const char *body)
{
	assert_non_null(last);
	assert_int_equal(last->end, HTTP_END_COMPLETE);
	assert_int_equal(last->body_total, 12);
	assert_true(last->body_sha256_valid);
	assert_int_equal(last->body_len, strlen(body));
	assert_memory_equal(last->body ? (char *)last->body : "", body, strlen(body));
}

static void test_shared_budget(void **state)
{
	struct http_budget budget = {.max = 10};
	struct http_limits limits = http_limits_default;
	struct side a = {0}, b = {0};
	(void)state;

	limits.budget = &budget;
	assert_int_equal(http_conn_new(&a.conn, 1, STREAM_WRITE, &limits, &ops, NULL), 0);
	assert_int_equal(http_conn_new(&b.conn, 2, STREAM_WRITE, &limits, &ops, NULL), 0);
	write_text(&a, HEAD "abcdefgh");
	assert_int_equal(budget.used, 8);
	write_text(&b, HEAD "ABCD");
	assert_int_equal(budget.used, 10);
	/* Nothing is left for the rest of A; it is hashed and counted all the same. */
	write_text(&a, "ijkl");
	check_last("abcdefgh");
	assert_int_equal(budget.used, 2);
	/* There is room again, but B has a hole already: nothing is joined across it. */
	write_text(&b, "EFGHIJKL");
	check_last("AB");
	assert_int_equal(budget.used, 0);
	write_text(&b, HEAD "0123456");
	assert_int_equal(budget.used, 7);
	http_conn_free(&b.conn);
	assert_int_equal(budget.used, 0);
	http_conn_free(&a.conn);
	http_message_free(&last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared_budget)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
