/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/commands.h"

#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"
#include "identity/reader.h"
#include "ops/ops_common.h"

#define INPUT_MAX (128 * 1024) /* bytes: more than the longest token that is read */
#define CTRL_C	  3

static const char usage[] =
	"Usage: oaitap fingerprint [-c FILE] [--key FILE]\n"
	"Reads one API key, or a whole \"Bearer ...\" value, from standard input (from a terminal\n"
	"without showing it) and prints the fingerprint that events give for it. Keys are never\n"
	"taken from the command line, where every user of the host could read them.\n\n"
	"  -c, --config=FILE configuration (default " CONFIG_PATH_DEFAULT ")\n"
	"  -k, --key=FILE    the secret that fingerprints are made with (default: identity.key_path)\n"
	"  -h, --help        this text\n\n"
	"Exit codes: 0 done, 1 there is no key or it has no fingerprint, 2 usage or configuration\n"
	"error, 3 not permitted.\n";

/* What was typed; cleared when it leaves scope. */
struct input {
	char text[INPUT_MAX + 1];
	size_t len;
};

static void cleanup_input(struct input **input)
{
	if (!*input)
		return;
	OPENSSL_cleanse(*input, sizeof(**input));
	free(*input);
}

static int complain(const char *what)
{
	fprintf(stderr, "oaitap fingerprint: %s\n", what);
	return 1;
}

/* To the end of the input; of a terminal to the end of a line. 0; -E2BIG; -EINTR: Ctrl-C; other negative
 * errno of read. */
static int take(struct input *in, bool terminal)
{
	while (in->len < INPUT_MAX) {
		ssize_t n = read(STDIN_FILENO, in->text + in->len, INPUT_MAX - in->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		in->len += (size_t)n;
		if (terminal && in->text[in->len - 1] == CTRL_C)
			return -EINTR;
		if (terminal)
			return 0;
	}
	return -E2BIG;
}

/* Ctrl-C ends the line instead of the process, so that the terminal is never left without echo. */
static int take_hidden(struct input *in)
{
	struct termios before, hidden;
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return take(in, false);
	hidden = before;
	hidden.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ISIG);
	hidden.c_cc[VEOL] = CTRL_C;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
		return -errno;
	fputs("Key (it is not shown): ", stderr);
	int r = take(in, true);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return r;
}

/* One line without the blanks around it, which no header keeps either. NULL, and why not. */
static char *only_line(struct input *in, const char **ret_why)
{
	in->text[in->len] = 0;
	char *text = in->text + strspn(in->text, " \t\r\n");
	size_t len = strlen(text);
	*ret_why = "the key holds a NUL";
	if (strlen(in->text) != in->len)
		return NULL;
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		text[--len] = 0;
	*ret_why = len == 0		   ? "no key was given on standard input"
		   : strpbrk(text, "\r\n") ? "more than one line was given; one key at a time"
					   : NULL;
	return *ret_why ? NULL : text;
}

/* As the headers of a request are read, so that it agrees with events. */
static int print(const struct identity_key *key, const char *text)
{
	_cleanup_(identity_reader_free) struct identity_reader *reader = NULL;
	struct identity_headers headers = {.api_key = text};
	struct identity_caller caller = {0};

	if (strncasecmp(text, "bearer", 6) == 0 && strchr(" \t", text[6])) /* or its end */
		headers = (struct identity_headers){.authorization = text};
	int r = identity_reader_new(&reader, key, NULL, NULL);
	if (r == 0)
		r = identity_reader_read(reader, &headers, 0, &caller);
	if (r < 0)
		return complain(strerror(-r));
	if (caller.kind == IDENTITY_ENTRA)
		r = complain("this is a token of Entra's; events name its claims and no fingerprint");
	else if (!caller.key_fingerprint)
		r = complain(caller.problem ? caller.problem : "this is not a key");
	else if (printf("%s\n", caller.key_fingerprint) < 0 || fflush(stdout) != 0)
		r = ops_write_failed("fingerprint", -errno);
	identity_caller_done(&caller);
	return r;
}

/* The exit code, or -1. A key that is made here would be nobody's: the agent makes it. */
static int open_key(const char *path, struct identity_key **ret_key)
{
	int r = access(path, F_OK) < 0 ? -errno : identity_key_open(ret_key, path);
	if (r == 0)
		return -1;
	if (r == -ENOENT)
		fprintf(stderr,
			"oaitap fingerprint: %s: not there; the agent makes it when it first starts\n", path);
	else if (r == -EPERM)
		fprintf(stderr,
			"oaitap fingerprint: %s: must be yours and mode 0600; run as the agent's user\n",
			path);
	else
		fprintf(stderr, "oaitap fingerprint: %s: %s\n", path,
			r == -EBADMSG ? "not a fingerprint key (32 bytes)" : strerror(-r));
	return r == -EPERM || r == -EACCES ? 3 : 2;
}

static int run(const char *config_path, const char *key_path)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_(identity_key_free) struct identity_key *key = NULL;
	_cleanup_(cleanup_input) struct input *in = calloc(1, sizeof(*in));
	_cleanup_free_ char *error = NULL;
	const char *why;

	int r = in ? config_open(&config, config_path, &error) : -ENOMEM;
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : strerror(-r));
		return config_exit_code(r);
	}
	r = open_key(key_path ? key_path : config->key_path, &key);
	if (r >= 0)
		return r;
	r = isatty(STDIN_FILENO) ? take_hidden(in) : take(in, false);
	if (r < 0)
		return r == -EINTR ? 1 : complain(r == -E2BIG ? "that is no key: too long" : strerror(-r));
	char *text = only_line(in, &why);
	return text ? print(key, text) : complain(why);
}

int cmd_fingerprint(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"key", required_argument, NULL, 'k'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	const char *config_path = NULL, *key_path = NULL;
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":c:k:h", options, NULL)) != -1) {
		if (c == 'h')
			return ops_write_failed("fingerprint",
						ops_write(STDOUT_FILENO, usage, strlen(usage), NULL));
		if (c != 'c' && c != 'k')
			return ops_bad_option("fingerprint", c, argv);
		*(c == 'c' ? &config_path : &key_path) = optarg;
	}
	if (optind < argc) {
		/* Not repeated: it may be the key. */
		fputs("oaitap fingerprint: takes no argument: the key comes on standard input\n", stderr);
		return 2;
	}
	return run(config_path, key_path);
}
