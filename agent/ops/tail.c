/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/commands.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "ops/ops_common.h"
#include "sink/pretty.h"

#define POLL_MS	  100
#define DEFAULT_N 10
#define MAX_BLOCK (1 << 20)

static const char usage[] =
	"Usage: oaitap tail [-n N] [-f] [--json] [-c FILE] [--store FILE]\n"
	"Prints the newest events of the store, newest last.\n"
	"\n"
	"  -n, --lines=N     how many events (default 10; 0: only new ones, with -f)\n"
	"  -f, --follow      goes on with new events as they come, until interrupted\n"
	"      --json        one event a line, as JSON\n"
	"  -c, --config=FILE configuration that names the store (default /etc/oaitap/oaitap.yaml)\n"
	"      --store=FILE  the store itself\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit codes: 0 done, 2 no store or usage or configuration error, 3 not permitted.\n";

struct tail {
	struct store_reader *reader;
	uint64_t n;
	bool follow, json;
	struct pretty_options options;
	int64_t seq; /* of the last event printed */
};

static volatile int stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* SA_RESETHAND: a second signal ends the program even if it hangs in a write. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	stop = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int print_row(const struct tail *tail, const struct store_row *row)
{
	struct buf out;
	int r;

	if (tail->json) {
		r = ops_write(STDOUT_FILENO, row->body, row->len, &stop);
		return r < 0 ? r : ops_write(STDOUT_FILENO, "\n", 1, &stop);
	}
	buf_init(&out, MAX_BLOCK);
	r = pretty_event(&out, row->body, row->len, &tail->options);
	if (r == 0)
		r = ops_write(STDOUT_FILENO, out.data, out.len, &stop);
	buf_done(&out);
	return r;
}

/* Prints what is there. 0; an exit code plus 1 if it is over. */
static int print_new(struct tail *tail)
{
	while (!stop) {
		struct store_row row;
		int r = store_reader_next(tail->reader, NULL, tail->seq, &row);
		if (r == 0 || (r == -EBUSY && tail->follow))
			return 0;
		if (r < 0)
			return ops_read_failed("tail", r) + 1;
		tail->seq = row.seq;
		r = print_row(tail, &row);
		store_row_done(&row);
		if (r < 0)
			return ops_write_failed("tail", r) + 1;
	}
	return 1;
}

/* False if the reader of our output is gone. */
static bool wait_a_moment(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};
	return poll(&out, 1, POLL_MS) <= 0 || !(out.revents & (POLLERR | POLLNVAL));
}

static int tail_run(struct tail *tail)
{
	int r = store_reader_before_last(tail->reader, tail->n, &tail->seq);
	if (r < 0)
		return ops_read_failed("tail", r);
	if (tail->follow)
		catch_signals();
	do {
		if (!tail->json)
			tail->options.width = pretty_width(STDOUT_FILENO);
		r = print_new(tail);
		if (r > 0)
			return r - 1;
	} while (tail->follow && wait_a_moment());
	return 0;
}

static int parse_count(const char *text, uint64_t *ret_n)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret_n = n;
	return 0;
}

int cmd_tail(int argc, char **argv)
{
	static const struct option options[] = {
		{"lines", required_argument, NULL, 'n'},
		{"follow", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{"store", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct tail tail = {.n = DEFAULT_N};
	const char *config = NULL, *store = NULL;
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":n:fc:h", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			if (parse_count(optarg, &tail.n) == 0)
				break;
			fprintf(stderr, "oaitap tail: -n: not a number of events; see oaitap tail --help\n");
			return 2;
		case 'f':
			tail.follow = true;
			break;
		case 'j':
			tail.json = true;
			break;
		case 'c':
			config = optarg;
			break;
		case 's':
			store = optarg;
			break;
		case 'h':
			return ops_write_failed("tail", ops_write(STDOUT_FILENO, usage, strlen(usage), NULL));
		default:
			return ops_bad_option("tail", c, argv);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "oaitap tail: takes no arguments; see oaitap tail --help\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	tail.options.colour = !tail.json && pretty_colour(STDOUT_FILENO);
	int code = ops_open_store("tail", config, store, &tail.reader);
	if (code == 0)
		code = tail_run(&tail);
	store_reader_free(&tail.reader);
	return code;
}
