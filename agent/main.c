/* SPDX-License-Identifier: Apache-2.0 */

/* The command line: picks the command. */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "ops/commands.h"
#include "run.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", cmd_run, "audit this host's traffic, in the foreground"},
	{"tail", cmd_tail, "show the newest events of the store"},
	{"show", cmd_show, "show one exchange: who, what, answer, tokens, timing"},
	{"doctor", cmd_doctor, "say what works on this host and why not"},
	{"status", cmd_status, "show the counters of the running agent"},
	{"policy", cmd_policy, "try the policy on a sample"},
	{"config", cmd_config, "check, print or explain the configuration"},
};

static void print_help(FILE *out)
{
	fprintf(out,
		"Usage: oaitap COMMAND [OPTION]...\n"
		"Records what this host's programs ask OpenAI and Azure OpenAI, without touching them.\n\n"
		"Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\n  --help     this text; `oaitap COMMAND --help` explains one command\n"
		     "  --version  the version\n");
}

int main(int argc, char **argv)
{
	/* A reader that goes away is an error of the write, not the end of the program. */
	signal(SIGPIPE, SIG_IGN);
	/* So is a file-size limit. */
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("oaitap " OAITAP_VERSION);
		return 0;
	}
	fprintf(stderr, "oaitap: '%s' is not a command; `oaitap --help` lists them\n", argv[1]);
	return 2;
}
