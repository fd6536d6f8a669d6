/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/commands.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"
#include "ops/ops_common.h"
#include "policy/policy.h"

static const char usage[] =
	"Usage: oaitap config check [FILE | -c FILE]\n"
	"       oaitap config print [-c FILE]\n"
	"       oaitap config help [KEY]\n"
	"check  says whether the file is right, or file, line, key and what is wrong\n"
	"print  the configuration in effect: defaults and what the file changes\n"
	"help   describes one key (capture.max_body), a section (capture), or all\n"
	"\n"
	"  -c, --config=FILE configuration (default /etc/oaitap/oaitap.yaml)\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit codes: 0 done, 1 no such key, 2 usage or configuration error, 3 not permitted.\n";

static int complain(const char *what)
{
	fprintf(stderr, "oaitap config: %s; see oaitap config --help\n", what);
	return 2;
}

static int output_failed(int error)
{
	/* SIGPIPE is ignored: stdio reports a reader that is gone like any other failure. */
	if (error < 0 && errno != EPIPE)
		fprintf(stderr, "oaitap config: cannot write the output: %s\n", strerror(errno));
	return error < 0 && errno != EPIPE ? 1 : 0;
}

static int check(const char *path)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	const char *file = path ? path : CONFIG_PATH_DEFAULT;

	_cleanup_(policy_unref) struct policy *policy = NULL;
	int r = config_open(&config, path, &error);
	if (r == 0) /* names of redactions and patterns are known there */
		r = policy_new(&policy, &config->policy, NULL, &error);
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : strerror(-r));
		return config_exit_code(r);
	}
	if (!path && access(file, F_OK) < 0)
		printf("%s: not there, the defaults are used\n", file);
	else
		printf("%s: ok\n", file);
	return output_failed(fflush(stdout));
}

static int print(const char *path)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;

	int r = config_open(&config, path, &error);
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : strerror(-r));
		return config_exit_code(r);
	}
	return output_failed(config_print(config, stdout));
}

static int help(const char *key)
{
	int r = config_help(key, stdout);
	if (r == -ENOENT) {
		fprintf(stderr, "oaitap config: no such key; `oaitap config help` lists the keys\n");
		return 1;
	}
	return output_failed(r);
}

int cmd_config(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *path = NULL;
	int c;

	opterr = 0;
	optind = 0;
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		if (c == 'h')
			return ops_write_failed("config",
						ops_write(STDOUT_FILENO, usage, strlen(usage), NULL));
		if (c != 'c')
			return ops_bad_option("config", c, argv);
		path = optarg;
	}
	int n = argc - optind;
	if (n < 1)
		return complain("say check, print or help");
	const char *verb = argv[optind], *word = n > 1 ? argv[optind + 1] : NULL;
	if (n > 2)
		return complain("too many arguments");
	if (strcmp(verb, "check") == 0)
		return path && word ? complain("the file is given twice") : check(word ? word : path);
	if (strcmp(verb, "print") == 0)
		return word ? complain("print takes no argument; give the file with -c") : print(path);
	if (strcmp(verb, "help") == 0)
		return help(word);
	return complain("say check, print or help");
}
