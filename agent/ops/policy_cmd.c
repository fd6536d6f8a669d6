/* SPDX-License-Identifier: Apache-2.0 */

/* `oaitap policy test`: what the policy makes of sample events. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/macro.h"
#include "config/config.h"
#include "ops/commands.h"
#include "ops/ops_common.h"
#include "ops/page.h"
#include "policy/sample.h"
#include "sink/pretty.h"

#define FILE_MAX (256U << 20)
#define PAGE_MAX (1U << 30)

static const char usage[] =
	"Usage: oaitap policy test FILE [--json] [-c FILE]\n"
	"Shows what the policy makes of samples: which rule holds, what is wrong with the call, and what\n"
	"would be kept of it. Nothing is stored.\n"
	"\n"
	"FILE (- is standard input) holds events, as `oaitap show --json` or `oaitap tail --json` print "
	"them,\n"
	"or the JSON body of a request or of an answer.\n"
	"\n"
	"      --json        one object a sample, as JSON\n"
	"  -c, --config=FILE configuration (default /etc/oaitap/oaitap.yaml)\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit codes: 0 done, 1 a sample is neither, 2 usage or configuration error, 3 not permitted.\n";

struct policy_test {
	struct policy *policy;
	struct identity_key *key;
	struct redact_scratch *scratch;
	json_t *asked; /* the last Request event */
	bool json, colour;
	size_t n;
};

/* --- reading ------------------------------------------------------------------------- */

static int read_file(const char *path, struct buf *ret_text)
{
	_cleanup_close_ int opened = -1;
	int fd = STDIN_FILENO;
	char part[65536];

	if (strcmp(path, "-") != 0) {
		fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return -errno;
	}
	for (;;) {
		ssize_t n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int r = buf_append(ret_text, part, (size_t)n);
		if (r < 0)
			return r;
	}
}

/* One value, an array of them, or several after one another, as `tail --json` has them. */
static json_t *parse(const struct buf *text, json_error_t *ret_error)
{
	json_t *all = json_array();
	size_t at = 0;

	while (all && at < text->len) {
		const char *from = (const char *)text->data + at;
		size_t blank = strspn(from, " \t\r\n");
		if (at + blank >= text->len)
			break;
		json_t *value =
			json_loadb(from, text->len - at, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, ret_error);
		int r = value ? 0 : -1;
		if (json_is_array(value))
			r = json_array_extend(all, value);
		else if (value)
			r = json_array_append(all, value);
		json_decref(value);
		if (r < 0) {
			json_decref(all);
			return NULL;
		}
		at += (size_t)ret_error->position;
	}
	return all;
}

/* --- showing ------------------------------------------------------------------------- */

static json_t *violations(unsigned int bits)
{
	static const char *const names[POLICY_N_VIOLATIONS] = {"require_entra", "tenants", "applications",
							       "deployments", "models"};
	json_t *list = json_array();
	for (int i = 0; i < POLICY_N_VIOLATIONS; i++)
		if (bits & (1U << i))
			json_array_append_new(list, json_string(names[i]));
	return list;
}

static int show_json(const struct policy_sample *s, struct buf *out)
{
	json_auto_t *object =
		json_pack("{s:s, s:b, s:s, s:o, s:O}", "rule", s->rule, "sampled", s->sampled, "action",
			  !s->verdict.violations ? "none"
			  : s->verdict.block	 ? "block"
						 : "report",
			  "violations", violations(s->verdict.violations), "event", s->event);
	_cleanup_free_ char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	int r = buf_append_str(out, text);
	return r < 0 ? r : buf_append_str(out, "\n");
}

static int show_text(const struct policy_test *t, const struct policy_sample *s, struct buf *out)
{
	_cleanup_free_ char *event = json_dumps(s->event, JSON_COMPACT);
	if (!event)
		return -ENOMEM;
	json_auto_t *wrong = violations(s->verdict.violations), *word;
	size_t i;
	int r = buf_appendf(
		out, "%sSample %zu\n  rule      %s\n  call      %s", t->n > 1 ? "\n" : "", t->n, s->rule,
		s->verdict.violations ? s->verdict.block ? "block:" : "report:" : "as it should be");
	json_array_foreach (wrong, i, word)
		if (r == 0)
			r = buf_appendf(out, " %s", json_string_value(word));
	if (r == 0)
		r = buf_append_str(out,
				   s->sampled ? "\n" : "\n  sample    not in it, the content is not kept\n");
	return r < 0 ? r : page_event(out, event, strlen(event), true, t->colour);
}

static int run_one(struct policy_test *t, json_t *input)
{
	struct policy_sample sample;
	struct buf out;
	const char *type = json_string_value(json_object_get(input, "event-type"));

	t->n++;
	if (type && strcmp(type, "Request") == 0)
		t->asked = input;
	const char *id = json_string_value(json_object_get(input, "message-id"));
	const char *asked_id = json_string_value(json_object_get(t->asked, "message-id"));
	bool same = id && asked_id && strcmp(id, asked_id) == 0;
	int r = policy_sample_run(&sample, t->policy, t->scratch, input, same ? t->asked : NULL);
	if (r < 0)
		return r;
	buf_init(&out, PAGE_MAX);
	r = t->json ? show_json(&sample, &out) : show_text(t, &sample, &out);
	if (r == 0)
		r = ops_write(STDOUT_FILENO, out.data, out.len, NULL);
	buf_done(&out);
	policy_sample_done(&sample);
	return r;
}

static int run_all(struct policy_test *t, const json_t *all)
{
	json_t *input;
	size_t i;
	int code = 0;

	json_array_foreach (all, i, input) {
		int r = run_one(t, input);
		if (r == -EINVAL) {
			fprintf(stderr,
				"oaitap policy: sample %zu is neither a Request or Response event nor a "
				"body\n",
				t->n);
			code = 1;
		} else if (r < 0) {
			return ops_write_failed("policy", r);
		}
	}
	return code;
}

/* --- command ------------------------------------------------------------------------- */

/* The host's key gives the hashes that the agent would give; not everyone who tries a policy may read it. */
static int open_policy(struct policy_test *t, const char *config_path)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;

	int r = config_open(&config, config_path, &error);
	if (r == 0 && access(config->key_path, R_OK) == 0)
		(void)identity_key_open(&t->key, config->key_path);
	if (r == 0)
		r = policy_new(&t->policy, &config->policy, t->key, &error);
	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : strerror(-r));
		return config_exit_code(r);
	}
	r = redact_scratch_new(&t->scratch);
	if (r < 0)
		fprintf(stderr, "oaitap policy: %s\n", strerror(-r));
	return r < 0 ? 1 : 0;
}

static int test(struct policy_test *t, const char *file)
{
	json_error_t error = {0};
	struct buf text;

	buf_init(&text, FILE_MAX);
	int r = read_file(file, &text), code = 2;
	json_t *all = r == 0 ? parse(&text, &error) : NULL;
	if (r < 0)
		fprintf(stderr, "oaitap policy: %s: %s\n", file,
			r == -E2BIG ? "is too large; expected at most 256 MiB" : strerror(-r));
	else if (!all)
		fprintf(stderr, "oaitap policy: %s:%d: is not JSON: %s\n", file, error.line, error.text);
	else
		code = run_all(t, all);
	json_decref(all);
	buf_done(&text);
	return r == -EACCES ? 3 : code;
}

int cmd_policy(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"config", required_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct policy_test t = {0};
	const char *config = NULL;
	int c;

	opterr = 0;
	optind = 0;
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		if (c == 'h')
			return ops_write_failed("policy",
						ops_write(STDOUT_FILENO, usage, strlen(usage), NULL));
		if (c == 'j')
			t.json = true;
		else if (c == 'c')
			config = optarg;
		else
			return ops_bad_option("policy", c, argv);
	}
	if (argc - optind != 2 || strcmp(argv[optind], "test") != 0) {
		fprintf(stderr, "oaitap policy: say `oaitap policy test FILE`; see oaitap policy --help\n");
		return 2;
	}
	t.colour = !t.json && pretty_colour(STDOUT_FILENO);
	int code = open_policy(&t, config);
	if (code == 0)
		code = test(&t, argv[optind + 1]);
	redact_scratch_free(&t.scratch);
	policy_unref(&t.policy);
	identity_key_free(&t.key);
	return code;
}
