/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of our parsers beside others', in one process and one thread: the two of a row take turns, so that
 * what slows the machine slows both. Prints a table, or JSON with --json. Nothing fails on a number. */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/macro.h"
#include "http/head.h"
#include "http/sse.h"
#include "openai/json.h"

#define ROUNDS	 15
#define ROUND_NS 40000000ULL
#define PIECE	 1400 /* bytes of a stream that come at once: about what one TLS record holds */

/* bench/peers/src/lib.rs */
int64_t peer_pico_head(const uint8_t *data, size_t len);
int64_t peer_httparse_head(const uint8_t *data, size_t len);
int64_t peer_sse(const uint8_t *data, size_t len, size_t piece);
int64_t peer_json(const uint8_t *data, size_t len);

typedef int64_t (*parse_fn)(const uint8_t *data, size_t len);

struct row {
	const char *what;
	const char *peer;
	void (*make)(struct buf *text);
	parse_fn ours, theirs;
	struct buf text;
	double ours_mbs, theirs_mbs; /* medians; 10^6 bytes a second */
};

/* --- ours -------------------------------------------------------------------------------- */

static int64_t our_head(const uint8_t *data, size_t len)
{
	struct http_message *msg = calloc(1, sizeof(*msg));
	bool flawed;
	int r = msg ? http_head_read(msg, data, len, 256, true, &flawed) : -ENOMEM;
	int64_t n = r < 0 ? r : (int64_t)msg->n_headers;
	http_message_free(&msg);
	return n;
}

static void on_event(void *ctx, const struct sse_event *event)
{
	*(int64_t *)ctx += (int64_t)event->data_len;
}

static int64_t our_sse(const uint8_t *data, size_t len)
{
	_cleanup_(sse_free) struct sse *sse = NULL;
	int64_t total = 0;
	int r = sse_new(&sse, 1 << 20, on_event, &total);
	for (size_t at = 0; at < len && r == 0; at += PIECE)
		r = sse_feed(sse, data + at, MIN((size_t)PIECE, len - at));
	if (r == 0)
		r = sse_end(sse);
	return r < 0 ? r : total;
}

static int64_t their_sse(const uint8_t *data, size_t len)
{
	return peer_sse(data, len, PIECE);
}

static int64_t our_json(const uint8_t *data, size_t len)
{
	struct openai_json json;
	int r = openai_json_read(data, len, &json);
	if (r < 0)
		return r;
	int64_t found = json_is_object(json.value);
	json_decref(json.value);
	return found;
}

/* --- texts ------------------------------------------------------------------------------- */

static void check(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "parsers: %s\n", strerror(-r));
	exit(1);
}

/* What openai-python sends. */
static void make_head(struct buf *text)
{
	check(buf_append_str(
		text,
		"POST /openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n"
		"Host: contoso.openai.azure.com\r\nAccept-Encoding: gzip, deflate\r\n"
		"Connection: keep-alive\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
		"User-Agent: AzureOpenAI/Python 1.99.1\r\nX-Stainless-Lang: python\r\n"
		"X-Stainless-Package-Version: 1.99.1\r\nX-Stainless-OS: Linux\r\n"
		"X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n"
		"X-Stainless-Runtime-Version: 3.11.2\r\napi-key: 00000000000000000000000000000000\r\n"
		"X-Stainless-Async: false\r\nx-stainless-retry-count: 0\r\n"
		"x-stainless-read-timeout: 600\r\nContent-Length: 1234\r\n\r\n"));
}

static const char words[] = "the quick brown fox jumps over the lazy dog while nobody writes it down ";

static void make_stream(struct buf *text)
{
	for (int i = 0; i < 2000; i++)
		check(buf_appendf(
			text,
			"data: "
			"{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":"
			"1760000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":"
			"{\"content\":\"%.*s\"},\"finish_reason\":null}]}\n\n",
			1 + i % 7, words + i % 60));
	check(buf_append_str(text, "data: [DONE]\n\n"));
}

/* A conversation of many turns. */
static void make_chat(struct buf *text)
{
	check(buf_append_str(text, "{\"model\":\"gpt-4o-mini\",\"temperature\":0.2,\"messages\":["));
	for (int i = 0; i < 60; i++) {
		check(buf_appendf(text, "%s{\"role\":\"%s\",\"content\":\"", i ? "," : "",
				  i % 2 ? "assistant" : "user"));
		for (int k = 0; k < 4 + i % 9; k++)
			check(buf_appendf(text, "%s%s", words,
					  k % 3 ? "" : "\\n\\u00fc\xc3\xa4 \\\"quoted\\\" "));
		check(buf_append_str(text, "\"}"));
	}
	check(buf_append_str(text, "]}"));
}

/* One event of a stream. */
static void make_event(struct buf *text)
{
	check(buf_append_str(
		text,
		"{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
		"\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
		"the\"},"
		"\"finish_reason\":null}]}"));
}

/* Numbers: what an embedding is made of. */
static void make_numbers(struct buf *text, int places)
{
	check(buf_append_str(
		text,
		"{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":["));
	for (int i = 0; i < 1536; i++)
		check(buf_appendf(text, "%s%.*f", i ? "," : "", places, (i * 7919 % 2000 - 1000) / 23456.7));
	check(buf_append_str(text, "]}],\"model\":\"text-embedding-3-small\",\"usage\":{\"prompt_tokens\":8,"
				   "\"total_tokens\":8}}"));
}

static void make_short_numbers(struct buf *text)
{
	make_numbers(text, 9);
}

/* As a program prints them that does not round. */
static void make_long_numbers(struct buf *text)
{
	make_numbers(text, 18);
}

/* --- measuring --------------------------------------------------------------------------- */

/* Of this thread on its CPU: what others do there is not counted. */
static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static double speed_mbs(parse_fn parse, const struct buf *text)
{
	uint64_t start = now_ns(), runs = 0, batch = 8, spent;
	int64_t sum = 0;
	/* To ask for the time is not free. */
	for (spent = 0; spent < ROUND_NS; batch += batch / 2) {
		for (uint64_t i = 0; i < batch; i++)
			sum += parse(text->data, text->len);
		runs += batch;
		spent = now_ns() - start;
	}
	if (sum <= 0)
		exit(1);
	return (double)(runs * text->len) * 1e3 / (double)spent;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void measure(struct row *row)
{
	double ours[ROUNDS], theirs[ROUNDS];
	int64_t found = row->ours(row->text.data, row->text.len);
	if (found <= 0 || found != row->theirs(row->text.data, row->text.len)) {
		fprintf(stderr, "parsers: %s: the two do not read the same\n", row->what);
		exit(1);
	}
	for (int i = 0; i < ROUNDS; i++) {
		ours[i] = speed_mbs(row->ours, &row->text);
		theirs[i] = speed_mbs(row->theirs, &row->text);
	}
	qsort(ours, ROUNDS, sizeof(*ours), compare);
	qsort(theirs, ROUNDS, sizeof(*theirs), compare);
	row->ours_mbs = ours[ROUNDS / 2];
	row->theirs_mbs = theirs[ROUNDS / 2];
}

static void print(const struct row *row, FILE *json, bool first)
{
	const double ratio = row->ours_mbs / row->theirs_mbs;
	printf("%-15s %8zu %10.1f %10.1f  %-19s %.2f\n", row->what, row->text.len, row->ours_mbs,
	       row->theirs_mbs, row->peer, ratio);
	if (json)
		fprintf(json,
			"%s{\"parser\":\"%s\",\"bytes\":%zu,\"mbs\":%.1f,\"peer_mbs\":%.1f,\"peer\":\"%s\"}",
			first ? "[" : ",\n ", row->what, row->text.len, row->ours_mbs, row->theirs_mbs,
			row->peer);
}

#define ROW(w, p, m, o, t)                                                                                   \
	{                                                                                                    \
		.what = (w), .peer = (p), .make = (m), .ours = (o), .theirs = (t)                            \
	}

static const char legend[] = "The parsers of HTTP point into the head that they are given. Ours makes a "
			     "message that outlives it: all is\n"
			     "copied, names in lower case, values that hold control bytes cleaned and kept; "
			     "picohttpparser and httparse stop\n"
			     "there. serde_json is as it comes, without its feature float_roundtrip: of long "
			     "numbers it gives a double close by,\n"
			     "ours the nearest. All use the same malloc().";

int main(int argc, char **argv)
{
	struct row rows[] = {
		ROW("HTTP/1.1 head", "picohttpparser", make_head, our_head, peer_pico_head),
		ROW("HTTP/1.1 head", "httparse", make_head, our_head, peer_httparse_head),
		ROW("event stream", "eventsource-stream", make_stream, our_sse, their_sse),
		ROW("JSON, event", "serde_json", make_event, our_json, peer_json),
		ROW("JSON, text", "serde_json", make_chat, our_json, peer_json),
		ROW("JSON, numbers", "serde_json", make_short_numbers, our_json, peer_json),
		ROW("JSON, long ones", "serde_json", make_long_numbers, our_json, peer_json),
	};
	FILE *json = argc > 1 ? fopen(argv[1], "w") : NULL;
	if (argc > 1 && !json)
		check(-errno);
	printf("%-15s %8s %10s %10s  %-19s %s\n", "parser", "bytes", "ours MB/s", "peer MB/s", "peer",
	       "ours/peer");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_init(&rows[i].text, 64 << 20);
		rows[i].make(&rows[i].text);
		measure(&rows[i]);
		print(&rows[i], json, i == 0);
		buf_done(&rows[i].text);
	}
	puts(legend);
	if (!json)
		return 0;
	fputs("]\n", json);
	return fclose(json) ? 1 : 0;
}
