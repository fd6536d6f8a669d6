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

#include "base/macro.h"
#include "base/map.h"
#include "ops/commands.h"
#include "ops/host_check.h"
#include "ops/ops_common.h"
#include "ops/tls_kind.h"
#include "probe/functions.h"
#include "probe/scan.h"

/* One process being looked at: the best that was found among its mappings. */
struct process_view {
	pid_t pid;
	enum tls_kind kind;
	const char *library; /* borrowed from the report's files */
};

struct report {
	struct map *known; /* identity of a file to its struct file_view */
	json_t *files, *processes, *unreadable;
	struct process_view process;
};

/* A file that was looked at, once for all its users. */
struct file_view {
	enum tls_kind kind;
	char *path;
};

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
	int n = probe_functions_find(fd, symbols);
	view->kind = n > 0 ? TLS_READABLE : tls_kind_of_file(fd, path);
	view->path = strdup(path);
	if (n > 0)
		json_array_append_new(r->files, json_pack("{s:s, s:s, s:i}", "path", path, "functions",
							  functions_text(symbols), "found", n));
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

static void on_installed(void *ctx, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		(void)file_view_get(ctx, fd, path);
}

static void on_mapping(void *ctx, const struct scan_mapping *m)
{
	struct report *r = ctx;
	_cleanup_close_ int fd = scan_open_mapping(m);
	struct file_view *view = fd >= 0 ? file_view_get(r, fd, m->path) : NULL;
	if (view && view->kind > r->process.kind) {
		r->process.kind = view->kind;
		r->process.library = view->path;
	}
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

static void on_pid(void *ctx, pid_t pid)
{
	struct report *r = ctx;
	char comm[32];

	r->process = (struct process_view){.pid = pid};
	int e = scan_process(pid, on_mapping, r);
	if (e == -ENOENT || e == -ESRCH)
		return;
	read_comm(pid, comm);
	if (e < 0)
		json_array_append_new(r->unreadable, json_pack("{s:i, s:s, s:s}", "pid", (int)pid, "comm",
							       comm, "why", strerror(-e)));
	else if (r->process.kind != TLS_NONE)
		json_array_append_new(r->processes,
				      json_pack("{s:i, s:s, s:s, s:s*}", "pid", (int)pid, "comm", comm, "tls",
						tls_kind_text(r->process.kind), "library",
						r->process.library));
}

static json_t *features_json(bool *ret_able)
{
	struct host_feature features[16];
	size_t n = host_check_features(features, ARRAY_SIZE(features));
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		if (features[i].required && !features[i].present)
			*ret_able = false;
		json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:s}", "name", features[i].name,
						      "present", features[i].present, "required",
						      features[i].required, "detail", features[i].detail));
	}
	return list;
}

static int examine(json_t **ret_root, bool *ret_able)
{
	struct report r = {.files = json_array(), .processes = json_array(), .unreadable = json_array()};
	if (map_new(&r.known) < 0)
		return -ENOMEM;
	const char *missing = host_check_missing_capability();
	*ret_able = missing == NULL;
	json_t *features = features_json(ret_able);
	scan_installed(on_installed, &r);
	(void)scan_pids(on_pid, &r);
	*ret_root =
		json_pack("{s:s*, s:o, s:o, s:o, s:o}", "missing-capability", missing, "features", features,
			  "files", r.files, "processes", r.processes, "unreadable", r.unreadable);
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (map_next(r.known, &cursor, &key, &value)) {
		free(((struct file_view *)value)->path);
		free(value);
	}
	map_free(&r.known);
	return *ret_root ? 0 : -ENOMEM;
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static void print_features(const json_t *root)
{
	size_t i;
	json_t *f;

	if (json_object_get(root, "missing-capability"))
		printf("  no   permission        %s is missing: run as root\n",
		       member(root, "missing-capability"));
	else
		printf("  yes  permission\n");
	json_array_foreach (json_object_get(root, "features"), i, f) {
		bool present = json_is_true(json_object_get(f, "present"));
		printf("  %-4s %-17s %s%s\n", present ? "yes" : "no", member(f, "name"),
		       present ? "" : member(f, "detail"),
		       present || !json_is_true(json_object_get(f, "required")) ? "" : " is needed");
	}
}

static void print_report(const json_t *root, bool able)
{
	size_t i;
	json_t *o;

	printf("This kernel and this user\n");
	print_features(root);
	printf("\nFiles that can be probed\n");
	json_array_foreach (json_object_get(root, "files"), i, o)
		printf("  %s (%s)\n", member(o, "path"), member(o, "functions"));
	printf("\nProcesses that use TLS\n");
	json_array_foreach (json_object_get(root, "processes"), i, o)
		printf("  %7" JSON_INTEGER_FORMAT " %-16s %s: %s\n",
		       json_integer_value(json_object_get(o, "pid")), member(o, "comm"), member(o, "tls"),
		       member(o, "library"));
	if (json_array_size(json_object_get(root, "processes")) == 0)
		printf("  none at the moment\n");
	json_array_foreach (json_object_get(root, "unreadable"), i, o)
		printf("  %7" JSON_INTEGER_FORMAT " %-16s cannot be looked at: %s\n",
		       json_integer_value(json_object_get(o, "pid")), member(o, "comm"), member(o, "why"));
	printf("\n%s\n",
	       able ? "oaitap can run here." : "oaitap cannot run here: see the lines with \"no\" above.");
}

static void print_help(void)
{
	puts("Usage: oaitap doctor [--json]\n"
	     "Says what works on this host and why not: the kernel's features, the files with OpenSSL "
	     "inside,\n"
	     "and every process that uses TLS with whether it can be read. Attaches nothing.\n"
	     "Exit code 0: the agent can run here; 1: it cannot.\n\n"
	     "      --json  as JSON\n"
	     "  -h, --help  this text");
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	bool json = false, able = true;
	json_t *root = NULL;

	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1;) {
		if (c == 'h') {
			print_help();
			return 0;
		}
		if (c != 'j')
			return ops_bad_option("doctor", c, argv);
		json = true;
	}
	int r = examine(&root, &able);
	if (r < 0) {
		fprintf(stderr, "oaitap doctor: %s\n", strerror(-r));
		return 1;
	}
	if (json) {
		json_dumpf(root, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_report(root, able);
	}
	json_decref(root);
	return able ? 0 : 1;
}
