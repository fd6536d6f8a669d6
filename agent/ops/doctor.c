/* SPDX-License-Identifier: Apache-2.0 */

/* `oaitap doctor`: what works on this host and why not. Only looks; attaches nothing. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/map.h"
#include "base/utf8.h"
#include "config/config.h"
#include "ops/ai_view.h"
#include "ops/commands.h"
#include "ops/host_check.h"
#include "ops/ops_common.h"
#include "probe/features.h"
#include "probe/functions.h"
#include "probe/scan.h"
#include "probe/tls_kind.h"
#include "sink/pretty.h"

#define TEXT_MAX   16384
#define NO_RETURNS "blind: on this kernel a return probe ends programs that have a seccomp filter"

/* A file that was looked at, once for all its users. */
struct file_view {
	enum tls_kind kind;
	bool searched; /* its texts, too */
	char *path;
};

struct report {
	struct map *known; /* identity of a file to its struct file_view */
	json_t *files, *processes, *unreadable;
	bool able;		 /* the agent can run */
	bool reads;		 /* and return probes are safe */
	struct ai_view *talkers; /* NULL: no agent runs that could know */
	const struct file_view
		*best; /* of the process that is being looked at; borrowed from known, or NULL */
};

/* Names of processes and files may be any bytes; JSON takes UTF-8 only. */
static json_t *text_json(const char *text)
{
	if (utf8_valid(text, strlen(text), NULL))
		return json_string(text);
	struct buf plain;
	buf_init(&plain, TEXT_MAX);
	json_t *value = pretty_line(&plain, text, strlen(text), 0) == 0
				? json_stringn((const char *)plain.data, plain.len)
				: NULL;
	buf_done(&plain);
	return value ? value : json_string("?");
}

static const char *functions_text(const struct elf_symbol symbols[static PROBE_FUNCTIONS])
{
	return symbols[PROBE_SSL_WRITE_EX].file_offset && symbols[PROBE_SSL_READ_EX].file_offset
		       ? "SSL_read, SSL_write and their _ex forms"
		       : "SSL_read and SSL_write";
}

static struct file_view *file_look(struct report *r, int fd, const char *path)
{
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	struct file_view *view = calloc(1, sizeof(*view));
	if (!view)
		return NULL;
	view->path = strdup(path);
	if (!view->path) {
		free(view);
		return NULL;
	}
	int n = probe_functions_find(fd, symbols);
	view->kind = tls_kind_find(fd, path);
	if (n > 0)
		json_array_append_new(r->files, json_pack("{s:o, s:s, s:i}", "path", text_json(path),
							  "functions", functions_text(symbols), "found", n));
	return view;
}

static struct file_view *file_view_get(struct report *r, int fd, const char *path)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	uint64_t key = map_mix(map_mix(0, st.st_dev), st.st_ino);
	struct file_view *view = map_get(r->known, key);
	if (view)
		return view;
	view = file_look(r, fd, path);
	if (view && map_put(r->known, key, view) < 0) {
		free(view->path);
		free(view);
		view = NULL;
	}
	return view;
}

static void on_installed(void *ctx, int fd, const char *path)
{
	(void)file_view_get(ctx, fd, path);
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct report *r = ctx;
	_cleanup_close_ int fd = scan_open_mapping(m);
	struct file_view *view = fd >= 0 ? file_view_get(r, fd, m->path) : NULL;
	if (view && view->kind != TLS_NONE && (!r->best || view->kind > r->best->kind))
		r->best = view;
}

static void read_comm(pid_t pid, char ret_comm[static 32])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	FILE *f = fopen(path, "re");
	if (!f || !fgets(ret_comm, 32, f))
		snprintf(ret_comm, 32, "?");
	ret_comm[strcspn(ret_comm, "\n")] = 0;
	if (f)
		fclose(f);
}

static const char *verdict(const struct report *r, pid_t pid, const struct file_view *view)
{
	if (r->talkers && !ai_view_has(r->talkers, pid))
		return "not AI";
	if (view->kind == TLS_READABLE && !r->reads)
		return NO_RETURNS;
	return tls_kind_verdict(view->kind);
}

/* A TLS library that is linked in and has left neither name nor symbols, by its texts in the program. */
static void look_into_program(struct report *r, pid_t pid)
{
	char link[64], path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	_cleanup_close_ int fd = n > 0 ? open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd < 0)
		return;
	path[n] = 0;
	struct file_view *view = file_view_get(r, fd, path);
	if (view && view->kind == TLS_NONE && !view->searched) {
		view->searched = true;
		view->kind = tls_kind_search(fd);
	}
	if (view && view->kind != TLS_NONE)
		r->best = view;
}

static void on_pid(void *ctx, pid_t pid)
{
	struct report *r = ctx;
	char comm[32];

	r->best = NULL;
	int e = scan_process(pid, on_mapping, r);
	if (e == -ENOENT || e == -ESRCH)
		return;
	if (e >= 0 && !r->best)
		look_into_program(r, pid);
	read_comm(pid, comm);
	if (e < 0)
		json_array_append_new(r->unreadable, json_pack("{s:i, s:o, s:s}", "pid", (int)pid, "comm",
							       text_json(comm), "why", strerror(-e)));
	else if (r->best)
		json_array_append_new(r->processes,
				      json_pack("{s:i, s:o, s:s, s:o}", "pid", (int)pid, "comm",
						text_json(comm), "tls", verdict(r, pid, r->best), "library",
						text_json(r->best->path)));
}

static json_t *features_json(struct report *r)
{
	struct host_feature all[32];
	struct features details;
	json_t *list = json_array();

	features_detect(&details);
	r->reads = details.returns != FEATURES_RETURN_KILLS;
	size_t n = host_check_features(all, ARRAY_SIZE(all));
	n += host_check_details(&details, all + n, ARRAY_SIZE(all) - n - 1);
	all[n++] = host_check_block(&details);
	for (size_t i = 0; i < n; i++) {
		if (all[i].required && !all[i].present)
			r->able = false;
		json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:b, s:s}", "name", all[i].name,
						      "present", all[i].present, "checked", all[i].checked,
						      "required", all[i].required, "detail", all[i].detail));
	}
	return list;
}

static void known_free(struct map **known)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;

	while (map_next(*known, &cursor, &key, &value)) {
		free(((struct file_view *)value)->path);
		free(value);
	}
	map_free(known);
}

static int examine(json_t **ret_root, const char *socket_path)
{
	struct report r = {0};
	if (map_new(&r.known) < 0)
		return -ENOMEM;
	(void)ai_view_ask(&r.talkers, socket_path);
	r.files = json_array();
	r.processes = json_array();
	r.unreadable = json_array();
	const char *missing = host_check_missing_capability();
	r.able = missing == NULL;
	json_t *features = features_json(&r);
	scan_installed(on_installed, &r);
	(void)scan_pids(on_pid, &r);
	*ret_root = json_pack("{s:s*, s:b, s:b, s:b, s:o, s:o, s:o, s:o}", "missing-capability", missing,
			      "agent-runs", r.talkers != NULL, "can-run", r.able, "can-read",
			      r.able && r.reads, "features", features, "files", r.files, "processes",
			      r.processes, "unreadable", r.unreadable);
	known_free(&r.known);
	ai_view_free(&r.talkers);
	return *ret_root ? 0 : -ENOMEM;
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* On one line, and no byte of it can act on the terminal. */
static void print_text(const char *text)
{
	struct buf line;
	buf_init(&line, TEXT_MAX);
	if (pretty_line(&line, text, strlen(text), 0) == 0)
		fwrite(line.data, 1, line.len, stdout);
	buf_done(&line);
}

static const char *answer(const json_t *feature)
{
	if (json_is_true(json_object_get(feature, "present")))
		return "yes";
	return json_is_true(json_object_get(feature, "checked")) ? "no" : "?";
}

static void print_features(const json_t *root)
{
	size_t i;
	json_t *f;

	if (json_object_get(root, "missing-capability"))
		printf("  no   permission     %s is missing: run as root\n",
		       member(root, "missing-capability"));
	else
		printf("  yes  permission\n");
	json_array_foreach (json_object_get(root, "features"), i, f) {
		bool present = json_is_true(json_object_get(f, "present"));
		bool needed = json_is_true(json_object_get(f, "required"));
		printf("  %-4s %-*s%s%s\n", answer(f), present ? 0 : 15, member(f, "name"),
		       present ? "" : member(f, "detail"), present || !needed ? "" : " is needed");
	}
}

static void print_process(const json_t *process, const char *what, const char *more)
{
	printf("  %7" JSON_INTEGER_FORMAT " ", json_integer_value(json_object_get(process, "pid")));
	print_text(member(process, "comm"));
	printf("  %s: ", what);
	print_text(more);
	putchar('\n');
}

static const char *conclusion(const json_t *root)
{
	if (!json_is_true(json_object_get(root, "can-run")))
		return "oaitap cannot run here: see the lines with \"no\" above.";
	return json_is_true(json_object_get(root, "can-read"))
		       ? "oaitap can run here."
		       : "oaitap can run here, but reads nothing: see return-probes above.";
}

static void print_report(const json_t *root)
{
	size_t i;
	json_t *o;

	printf("This kernel and this user\n");
	print_features(root);
	printf("\nFiles that can be probed\n");
	json_array_foreach (json_object_get(root, "files"), i, o) {
		printf("  ");
		print_text(member(o, "path"));
		printf(" (%s)\n", member(o, "functions"));
	}
	printf("\nProcesses that use TLS%s\n",
	       json_is_true(json_object_get(root, "agent-runs"))
		       ? ""
		       : " (no agent answers that knows which of them talk to AI hosts)");
	json_array_foreach (json_object_get(root, "processes"), i, o)
		print_process(o, member(o, "tls"), member(o, "library"));
	if (json_array_size(json_object_get(root, "processes")) == 0)
		printf("  none at the moment\n");
	json_array_foreach (json_object_get(root, "unreadable"), i, o)
		print_process(o, "cannot be looked at", member(o, "why"));
	printf("\n%s\n", conclusion(root));
}

static void print_help(void)
{
	puts("Usage: oaitap doctor [--json] [-c FILE] [--socket PATH]\n"
	     "Says what works on this host and why not: the kernel's features, the files with OpenSSL "
	     "inside,\n"
	     "and every process that uses TLS with whether it can be read. Attaches nothing.\n"
	     "Of processes that have not talked to an AI host since the running agent began: \"not AI\".\n"
	     "Exit code 0: the agent can run here; 1: it cannot.\n\n"
	     "      --json         as JSON\n"
	     "  -c, --config FILE  configuration that names the agent's socket\n"
	     "  -S, --socket PATH  the agent's socket\n"
	     "  -h, --help         this text");
}

static int report(const char *socket_path, bool json)
{
	json_t *root = NULL;
	int r = examine(&root, socket_path);
	if (r < 0) {
		fprintf(stderr, "oaitap doctor: %s\n", strerror(-r));
		return 1;
	}
	if (json) {
		json_dumpf(root, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_report(root);
	}
	bool able = json_is_true(json_object_get(root, "can-run"));
	json_decref(root);
	return able ? 0 : 1;
}

/* Another configuration, or none that can be read, is no reason to say nothing of the host. */
static int report_configured(const char *config_path, bool json)
{
	struct config *config = NULL;
	char *error = NULL;
	int r = config_open(&config, config_path, &error);
	if (r < 0 && (config_path || r == -EINVAL))
		fprintf(stderr, "oaitap doctor: %s\n", error ? error : strerror(-r));
	free(error);
	int code = report(r < 0 ? "" : config->socket_path, json);
	config_free(&config);
	return r < 0 && config_path ? 2 : code;
}

int cmd_doctor(int argc, char **argv)
{
	struct ops_agent_options o;
	int code = ops_agent_options("doctor", argc, argv, print_help, &o);
	if (code >= 0)
		return code;
	if (optind < argc) {
		fprintf(stderr, "oaitap doctor: takes no arguments; see oaitap doctor --help\n");
		return 2;
	}
	return o.socket_path ? report(o.socket_path, o.json) : report_configured(o.config_path, o.json);
}
