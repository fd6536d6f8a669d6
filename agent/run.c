/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"
#include "ops/host_check.h"
#include "ops/status_server.h"
#include "pipeline.h"
#include "pipeline_block.h"
#include "sink/pretty.h"

#define TICK_MS 500

/* How often the kernel's tables are cleared of processes that are gone, and how often they are walked whole.
 */
#define SWEEP_NS     (2 * NSEC_PER_SEC)
#define SWEEP_ALL_NS (60 * NSEC_PER_SEC)

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_PERMITTED = 3, EXIT_NOT_POSSIBLE = 4 };

_Static_assert(CONFIG_ROLE_CLIENT == 1U << RECORD_CLIENT && CONFIG_ROLE_SERVER == 1U << RECORD_SERVER,
	       "roles");

enum output { OUTPUT_PRETTY, OUTPUT_JSON, OUTPUT_NONE };

struct run_options {
	const char *config_path;
	const char *store_path;
	enum output output;
	bool no_probes;
	char **hosts; /* pointers into argv; owned array */
	size_t n_hosts;
};

/* All that lives while the agent runs. */
struct run {
	const struct run_options *options;
	struct config *config;
	struct identity_key *key;
	struct identity_known_keys *known_keys;
	struct identity_verifier *verifier;
	struct identity_whois *whois;
	struct policy *policy; /* until the pipeline has it */
	struct programs *programs;
	struct probe *probe;
	struct features features;
	struct sink *sinks[2];
	size_t n_sinks;
	struct status_server *status;
	struct pipeline *pipeline;
	struct pipeline_block *block;
	int signal_fd;
};

static void print_help(void)
{
	puts("Usage: oaitap run [-c FILE] [--output pretty|json|none] [--store FILE] [--host NAME]...\n"
	     "                  [--no-probes]\n"
	     "Records what this host's programs ask OpenAI and Azure OpenAI. Prints `ready` on standard\n"
	     "error once probes are attached; SIGTERM or Ctrl-C ends it when all events are stored.\n\n"
	     "  -c, --config FILE    configuration (default: " CONFIG_PATH_DEFAULT ", if it is there)\n"
	     "  -o, --output FORMAT  what goes to standard output: pretty (default), json (an event a line), "
	     "none\n"
	     "  -s, --store FILE     event store (default: as configured)\n"
	     "      --host NAME      a host whose traffic is recorded, such as api.openai.com or "
	     "*.openai.azure.com;\n"
	     "                       may be repeated; replaces the configured ones\n"
	     "      --no-probes      touch no program: AI connections are only noticed, as events of type "
	     "Blind\n"
	     "  -v, --verbose        say more on standard error\n"
	     "  -h, --help           this text");
}

static int parse_output(const char *text, enum output *ret_output)
{
	static const char *const names[] = {"pretty", "json", "none"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_output = (enum output)i;
			return 0;
		}
	}
	fprintf(stderr, "oaitap run: --output is pretty, json or none, not '%s'\n", text);
	return -EINVAL;
}

/* -1: go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct run_options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'}, {"output", required_argument, NULL, 'o'},
		{"store", required_argument, NULL, 's'},  {"host", required_argument, NULL, 'H'},
		{"no-probes", no_argument, NULL, 'N'},	  {"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	o->hosts = calloc((size_t)argc, sizeof(*o->hosts));
	if (!o->hosts)
		return EXIT_FAILED;
	for (int c; (c = getopt_long(argc, argv, "c:o:s:vh", longs, NULL)) != -1;) {
		switch (c) {
		case 'c':
			o->config_path = optarg;
			break;
		case 'o':
			if (parse_output(optarg, &o->output) < 0)
				return EXIT_USAGE;
			break;
		case 's':
			o->store_path = optarg;
			break;
		case 'H':
			o->hosts[o->n_hosts++] = optarg;
			break;
		case 'N':
			o->no_probes = true;
			break;
		case 'v':
			log_set_level(LOG_DEBUG);
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			fprintf(stderr, "oaitap run: `oaitap run --help` explains the options\n");
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "oaitap run: '%s' is not understood; `oaitap run --help` explains\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* Says what is wrong and gives the exit code. Takes the error text. */
static int complain(char *error, int exit_code, const char *fallback)
{
	fprintf(stderr, "oaitap: %s\n", error ? error : fallback);
	free(error);
	return exit_code;
}

/* The file, and what the command line says over it. 0; negative errno with *ret_error. */
static int read_config(struct config **ret_config, const struct run_options *o, char **ret_error)
{
	_cleanup_(config_free) struct config *config = NULL;
	int r = config_open(&config, o->config_path, ret_error);
	if (r == 0 && o->n_hosts)
		r = config_set_hosts(config, o->hosts, o->n_hosts, ret_error);
	if (r == 0 && o->store_path) {
		char *path = strdup(o->store_path);
		if (!path)
			return -ENOMEM;
		free(config->store_path);
		config->store_path = path;
	}
	if (r == 0)
		*ret_config = TAKE_PTR(config);
	return r;
}

static int load_config(struct run *run, const struct run_options *o)
{
	char *error = NULL;
	int r = read_config(&run->config, o, &error);
	return r < 0 ? complain(error, config_exit_code(r), "the configuration cannot be read") : -1;
}

/* 0; -EOPNOTSUPP: not here; negative errno; with *ret_error. */
static int enable_block(const struct run *run, const char *file, char **ret_error)
{
	_cleanup_free_ char *why = NULL;
	int r;

	/* Which addresses are AI hosts is learned from ClientHellos. */
	if (!run->features.skb_owner || (run->programs && !programs_state(run->programs).hello)) {
		why = strdup("ClientHellos cannot be looked at");
		r = -EOPNOTSUPP;
	} else {
		r = pipeline_block_enable(run->block, &why);
	}
	if (r < 0 && asprintf(ret_error,
			      "%s: policy: the action block is not possible here: %s; expected report "
			      "(`oaitap doctor` says what is missing)",
			      file ? file : "the configuration", why ? why : strerror(-r)) < 0)
		*ret_error = NULL;
	return r;
}

/* Takes the policy out of config. Errors as read_config(). */
static int make_policy(struct policy **ret_policy, struct config *config, const struct run *run,
		       char **ret_error)
{
	_cleanup_(policy_unref) struct policy *policy = NULL;
	_cleanup_free_ char *file = config->policy->file ? strdup(config->policy->file) : NULL;
	int r = policy_new(&policy, &config->policy, run->key, ret_error);
	if (r == 0 && policy_blocks(policy))
		r = enable_block(run, file, ret_error);
	if (r == 0)
		*ret_policy = TAKE_PTR(policy);
	return r;
}

static int load_policy(struct run *run)
{
	char *error = NULL;
	int r = pipeline_block_new(&run->block, run->features.cgroup);
	if (r == 0)
		r = make_policy(&run->policy, run->config, run, &error);
	if (r == 0)
		return -1;
	int code = r == -EOPNOTSUPP ? EXIT_NOT_POSSIBLE : r == -EPERM ? EXIT_NOT_PERMITTED : EXIT_USAGE;
	return complain(error, code, "the policy cannot be made");
}

/* All or nothing: what is wrong with the new file changes nothing. */
static void reload(struct run *run)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	char keys[512];
	struct policy *policy = NULL;

	int r = read_config(&config, run->options, &error);
	if (r == 0)
		r = make_policy(&policy, config, run, &error);
	if (r < 0) {
		pipeline_policy_refused(run->pipeline);
		log_error("SIGHUP: %s; nothing has changed", error ? error : strerror(-r));
		return;
	}
	bool blocks = policy_blocks(policy);
	pipeline_set_policy(run->pipeline, &policy);
	if (!blocks)
		pipeline_block_lift(run->block);
	log_info("SIGHUP: the policy is read anew");
	if (config_differs(run->config, config, keys, sizeof(keys)))
		log_warn("SIGHUP: these need a restart, and stay as they were: %s", keys);
}

static int open_key(struct run *run)
{
	const char *path = run->config->key_path;
	/* The folder as well on a first start; an existing one keeps its mode. */
	_cleanup_free_ char *copy = strdup(path);
	if (copy && mkdir(dirname(copy), 0700) < 0 && errno != EEXIST)
		log_debug("%s: its folder cannot be made: %s", path, strerror(errno));
	int r = identity_key_open(&run->key, path);
	if (r == 0)
		return -1;
	if (r == -EPERM)
		fprintf(stderr,
			"oaitap: %s: others may read or change the fingerprint key; make it mode 0600 and "
			"yours\n",
			path);
	else if (r == -EBADMSG)
		fprintf(stderr,
			"oaitap: %s: not a fingerprint key (32 bytes); move it away and a new one is made\n",
			path);
	else
		fprintf(stderr, "oaitap: %s: the fingerprint key cannot be opened or made: %s\n", path,
			strerror(-r));
	return r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_USAGE;
}

static int open_known_keys(struct run *run)
{
	char *error = NULL;
	if (!run->config->known_keys)
		return -1;
	int r = identity_known_keys_open(&run->known_keys, run->config->known_keys, &error);
	return r < 0 ? complain(error, config_exit_code(r), "identity.known_keys cannot be read") : -1;
}

static int start_verifier(struct run *run)
{
	const struct config *c = run->config;
	const struct identity_verifier_options options = {
		.sources = (const char *const *)c->jwks.items,
		.n_sources = c->jwks.n,
		.ca_file = c->jwks_ca,
		.audiences = c->audiences.n ? (const char *const *)c->audiences.items : NULL,
		.n_audiences = c->audiences.n,
	};
	if (c->jwks.n == 0)
		return -1;
	int r = identity_verifier_new(&run->verifier, &options);
	if (r < 0)
		fprintf(stderr, "oaitap: the check of tokens cannot start: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILED : -1;
}

/* "auto": where a DaemonSet's pod finds its node. NULL: there is none. The caller frees it. */
static char *kubelet_url(const struct config *config)
{
	char host[256] = "";
	char *url = NULL;
	if (strcmp(config->kubelet, "auto") != 0)
		return strcmp(config->kubelet, "off") == 0 ? NULL : strdup(config->kubelet);
	if (!getenv("KUBERNETES_SERVICE_HOST") || access(config->kubelet_token, F_OK) < 0)
		return NULL;
	const char *name = getenv("NODE_IP");
	if (!name || !*name)
		name = getenv("NODE_NAME");
	if ((!name || !*name) && gethostname(host, sizeof(host) - 1) == 0)
		name = host;
	bool v6 = name && strchr(name, ':');
	if (!name || asprintf(&url, "https://%s%s%s:10250", v6 ? "[" : "", name, v6 ? "]" : "") < 0)
		return NULL;
	return url;
}

static int open_whois(struct run *run)
{
	const struct config *config = run->config;
	struct identity_options options = identity_options_default;
	_cleanup_free_ char *url = kubelet_url(config);
	options.root = strcmp(config->host_root, "/") == 0 ? "" : config->host_root;
	options.kubelet = url;
	options.token_path = config->kubelet_token;
	options.ca_path = config->kubelet_ca;
	int r = identity_whois_new(&run->whois, &options);
	if (r == 0)
		return -1;
	fprintf(stderr, "oaitap: the agent cannot start: %s\n", strerror(-r));
	return EXIT_FAILED;
}

static int open_sinks(struct run *run, const struct run_options *o)
{
	char *error = NULL;
	int r = sink_store_open(&run->sinks[run->n_sinks], run->config->store_path, &error);
	if (r < 0)
		return complain(error, r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_USAGE,
				"the store cannot be opened");
	run->n_sinks++;
	if (o->output == OUTPUT_NONE)
		return -1;
	enum sink_format format = o->output == OUTPUT_JSON ? SINK_JSON : SINK_PRETTY;
	if (sink_stdout_new(&run->sinks[run->n_sinks], STDOUT_FILENO, format, pretty_colour(STDOUT_FILENO)) <
	    0)
		return EXIT_FAILED;
	run->n_sinks++;
	return -1;
}

/* Never harm a watched process: rather see less. */
static bool may_probe(const struct run *run, const struct run_options *o)
{
	if (o->no_probes)
		return false;
	if (run->features.returns == FEATURES_RETURN_SAFE ||
	    (run->features.returns == FEATURES_RETURN_UNKNOWN && !features_may_kill()))
		return true;
	log_warn("on this kernel %s, so no program is probed and AI connections are only noticed (events of "
		 "type Blind): use Linux 6.14, or a 6.12 or 6.13 with the fix \"seccomp: passthrough "
		 "uretprobe\"",
		 run->features.why_returns);
	return false;
}

static int attach(struct run *run, const struct run_options *o)
{
	const struct features *features = &run->features;
	const struct programs_options options = {
		.reads = may_probe(run, o),
		.roles = run->config->roles,
		.args = run->config->args,
		.features = features,
		.ring_size = run->config->ring_size,
		.max_call = run->config->max_call,
		.hosts = run->config->hosts,
		.n_hosts = run->config->n_hosts,
	};
	char *error = NULL;
	int r = programs_load(&run->programs, &options, &error);
	if (r >= 0)
		r = probe_new(&run->probe, run->programs, &error);
	if (r < 0)
		return complain(error, r == -EPERM || r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_NOT_POSSIBLE,
				"the probes cannot be loaded");
	if (pipeline_block_enabled(run->block) && !programs_state(run->programs).hello)
		return complain(
			NULL, EXIT_NOT_POSSIBLE,
			"policy: the action block is not possible here: ClientHellos cannot be looked "
			"at");
	return -1;
}

/* Blocked before any thread starts, so that every thread inherits it and only the descriptor sees them. */
static int open_signals(struct run *run)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signal_fd < 0 ? EXIT_FAILED : -1;
}

static int status_text(void *ctx, struct buf *out)
{
	struct run *run = ctx;
	return pipeline_status(run->pipeline, run->probe, out);
}

static void open_status(struct run *run)
{
	int r = status_server_new(&run->status, run->config->socket_path, status_text, run);
	if (r < 0)
		log_warn("%s: `oaitap status` will not work: %s", run->config->socket_path, strerror(-r));
}

/* True: time to end. */
static bool take_signal(struct run *run)
{
	struct signalfd_siginfo info;
	bool end = false;
	while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(run);
		else
			end = true;
	}
	return end;
}

struct sweep_times {
	uint64_t next_ns, next_all_ns;
};

static void sweep(struct run *run, struct sweep_times *times, uint64_t now_ns)
{
	if (now_ns < times->next_ns)
		return;
	bool all = now_ns >= times->next_all_ns;
	size_t n = programs_sweep(run->programs, all);
	if (n)
		log_debug("%zu connections of ended processes removed", n);
	times->next_ns = now_ns + SWEEP_NS;
	if (all)
		times->next_all_ns = now_ns + SWEEP_ALL_NS;
}

/* How soon a new library is probed decides whether its first request is seen. */
#define PROBE_NICE (-10)

static void loop(struct run *run)
{
	struct sweep_times sweeps = {.next_ns = clock_mono_ns() + SWEEP_NS,
				     .next_all_ns = clock_mono_ns() + SWEEP_ALL_NS};
	struct pollfd fds[] = {
		{.fd = run->signal_fd, .events = POLLIN},
		{.fd = probe_fd(run->probe), .events = POLLIN},
		{.fd = run->status ? status_server_fd(run->status) : -1, .events = POLLIN},
	};
	thread_set_nice(PROBE_NICE);
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), TICK_MS) < 0 && errno != EINTR)
			return;
		if (fds[0].revents && take_signal(run))
			return;
		uint64_t now_ns = clock_mono_ns();
		probe_run(run->probe, now_ns);
		sweep(run, &sweeps, now_ns);
		if (run->status && fds[2].revents)
			status_server_run(run->status);
	}
}

static void say_summary(struct run *run)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	if (pipeline_status(run->pipeline, run->probe, &text) == 0 && text.data)
		log_debug("%s", (const char *)text.data);
	buf_done(&text);
}

static int start(struct run *run, const struct run_options *o)
{
	struct pipeline_options options = {
		.config = run->config,
		.programs = run->programs,
		.probe = run->probe,
		.key = run->key,
		.verifier = run->verifier,
		.known_keys = run->known_keys,
		.policy = &run->policy,
		.enforcer = pipeline_block_enforcer(run->block),
		.whois = run->whois,
		.n_sinks = run->n_sinks,
	};
	for (size_t i = 0; i < run->n_sinks; i++)
		options.sinks[i] = run->sinks[i];
	int r = pipeline_start(&run->pipeline, &options);
	if (r < 0) {
		fprintf(stderr, "oaitap: the agent cannot start: %s\n", strerror(-r));
		return EXIT_FAILED;
	}
	probe_scan(run->probe);
	open_status(run);
	fprintf(stderr, "ready\n");
	if (o->output == OUTPUT_PRETTY && isatty(STDERR_FILENO))
		fprintf(stderr, "oaitap: recording %zu host names into %s; Ctrl-C ends it\n",
			run->config->n_hosts, run->config->store_path);
	loop(run);
	say_summary(run);
	pipeline_stop(&run->pipeline);
	return EXIT_OK;
}

static void run_done(struct run *run)
{
	pipeline_stop(&run->pipeline);
	status_server_free(&run->status);
	for (size_t i = 0; i < run->n_sinks; i++)
		run->sinks[i]->ops->free(&run->sinks[i]);
	/* Last, since it is slow: the kernel takes about a tenth of a second to let go of one probe. Whoever
	 * loses patience and kills us now loses nothing. */
	if (run->probe && run->programs)
		log_debug("everything is stored; %llu probes are being detached",
			  (unsigned long long)probe_stats(run->probe).functions_attached);
	policy_unref(&run->policy);
	pipeline_block_free(&run->block);
	probe_free(&run->probe);
	programs_free(&run->programs);
	identity_verifier_free(&run->verifier);
	identity_known_keys_free(&run->known_keys);
	identity_whois_free(&run->whois);
	identity_key_free(&run->key);
	config_free(&run->config);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
}

static int prepare_and_start(struct run *run, const struct run_options *o)
{
	int r = load_config(run, o);
	if (r < 0)
		r = host_check_or_explain();
	if (r < 0)
		r = open_signals(run);
	/* Before any thread: one of the tests forks. */
	if (r < 0)
		features_detect(&run->features);
	if (r < 0)
		r = open_key(run);
	if (r < 0)
		r = open_known_keys(run);
	if (r < 0)
		r = start_verifier(run);
	if (r < 0)
		r = load_policy(run);
	if (r < 0)
		r = open_sinks(run, o);
	if (r < 0)
		r = open_whois(run);
	if (r < 0)
		r = attach(run, o);
	return r < 0 ? start(run, o) : r;
}

int cmd_run(int argc, char **argv)
{
	struct run_options o = {0};
	struct run run = {.signal_fd = -1, .options = &o};

	umask(077);
	/* A core of this process would hold what it has seen, credentials included. The limit is for
	 * children. */
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	int r = parse_options(argc, argv, &o);
	if (r < 0)
		r = prepare_and_start(&run, &o);
	run_done(&run);
	free(o.hosts);
	return r;
}
