/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/commands.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/macro.h"
#include "ops/ops_common.h"
#include "ops/page.h"
#include "sink/pretty.h"

#define MAX_PAGE (1 << 30)
/* Candidates named when a beginning of an id is not unique. */
#define MAX_CANDIDATES 5

static const char usage[] =
	"Usage: oaitap show MESSAGE-ID [--json] [-c FILE] [--store FILE]\n"
	"Shows one exchange: who asked what, the answer, tokens, timing, and whether all of it was "
	"captured.\n"
	"MESSAGE-ID may be shortened to its beginning if only one exchange begins so.\n"
	"\n"
	"      --json        an array of the exchange's events, as JSON\n"
	"  -c, --config=FILE configuration that names the store (default /etc/oaitap/oaitap.yaml)\n"
	"      --store=FILE  the store itself\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit codes: 0 done, 1 no such exchange or not unique, 2 no store or usage or configuration error,\n"
	"3 not permitted.\n";

struct show {
	struct store_reader *reader;
	bool json, colour;
	char id[STORE_ID_LEN];
};

/* Lower case; hex digits and dashes only. */
static int parse_id(const char *text, char ret_id[static STORE_ID_LEN])
{
	size_t len = strlen(text);
	if (len == 0 || len >= STORE_ID_LEN || strspn(text, "0123456789abcdefABCDEF-") != len)
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		ret_id[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
	return 0;
}

/* Completes show->id. 0 or an exit code. */
static int find_exchange(struct show *show)
{
	_cleanup_free_ char(*ids)[STORE_ID_LEN] = NULL;
	int n = store_reader_find(show->reader, show->id, MAX_CANDIDATES + 1, &ids);
	if (n < 0)
		return ops_read_failed("show", n);
	if (n == 0) {
		fprintf(stderr, "oaitap show: no exchange %s in the store; `oaitap tail` shows the newest\n",
			show->id);
		return 1;
	}
	/* A whole id is never ambiguous, even if the store holds longer ones. */
	if (n > 1 && strcmp(ids[0], show->id) != 0) {
		fprintf(stderr, "oaitap show: several exchanges begin with %s:\n", show->id);
		for (int i = 0; i < MIN(n, MAX_CANDIDATES); i++)
			fprintf(stderr, "  %s\n", ids[i]);
		if (n > MAX_CANDIDATES)
			fprintf(stderr, "  ...\n");
		return 1;
	}
	memcpy(show->id, ids[0], sizeof(show->id));
	return 0;
}

/* One event's share of the output. */
static int render(const struct show *show, const struct store_row *row, bool first, struct buf *out)
{
	if (!show->json)
		return page_event(out, row->body, row->len, first, show->colour);
	/* A row that is no JSON would make the whole array unreadable. */
	_cleanup_(json_decrefp) json_t *event = json_loadb(row->body, row->len, JSON_ALLOW_NUL, NULL);
	if (!event)
		return -EBADMSG;
	int r = buf_append_str(out, first ? "[\n" : ",\n");
	return r < 0 ? r : buf_append(out, row->body, row->len);
}

static int show_run(struct show *show)
{
	int64_t seq = 0;
	bool first = true;
	int code = find_exchange(show), r;

	if (code)
		return code;
	for (;;) {
		struct store_row row;
		struct buf out;
		r = store_reader_next(show->reader, show->id, seq, &row);
		if (r < 0)
			return ops_read_failed("show", r);
		if (r == 0)
			break;
		seq = row.seq;
		buf_init(&out, MAX_PAGE);
		r = render(show, &row, first, &out);
		store_row_done(&row);
		if (r == -EBADMSG)
			fprintf(stderr, "oaitap show: event %lld of the store is not JSON, left out\n",
				(long long)seq);
		else if (r < 0)
			code = ops_read_failed("show", r);
		else if ((r = ops_write(STDOUT_FILENO, out.data, out.len, NULL)) < 0)
			code = ops_write_failed("show", r);
		buf_done(&out);
		if (r < 0 && r != -EBADMSG)
			return code;
		first = first && r == -EBADMSG;
		code = r == -EBADMSG ? 1 : code;
	}
	if (show->json) {
		r = ops_write(STDOUT_FILENO, first ? "[]\n" : "\n]\n", 3, NULL);
		return r < 0 ? ops_write_failed("show", r) : code;
	}
	return code;
}

int cmd_show(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{"store", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct show show = {0};
	const char *config = NULL, *store = NULL;
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			show.json = true;
			break;
		case 'c':
			config = optarg;
			break;
		case 's':
			store = optarg;
			break;
		case 'h':
			return ops_write_failed("show", ops_write(STDOUT_FILENO, usage, strlen(usage), NULL));
		default:
			return ops_bad_option("show", c, argv);
		}
	}
	if (argc - optind != 1 || parse_id(argv[optind], show.id) < 0) {
		fprintf(stderr, "oaitap show: give one message id, as `oaitap tail` shows it; see oaitap "
				"show --help\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	show.colour = !show.json && pretty_colour(STDOUT_FILENO);
	int code = ops_open_store("show", config, store, &show.reader);
	if (code == 0)
		code = show_run(&show);
	store_reader_free(&show.reader);
	return code;
}
