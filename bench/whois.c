/* SPDX-License-Identifier: Apache-2.0 */
/* What attribution costs the agent with its caches warm: once for each connection (what the kernel saw
 * becomes a process, its user, container and pod are found) and for each event of it. Nothing fails on a
 * number. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "identity/identity.h"

#define ROUNDS 31
#define CALLS  2000

#define ID "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"

static const char exe[] = "python3.11\0bin\0usr";
static const char service[] = "assistant.service\0system.slice";
static const char pod[] =
	"cri-containerd-" ID ".scope\0kubepods-burstable-pod2c48913c_b29f_41e7_9350_020968147796.slice\0"
	"kubepods-burstable.slice\0kubepods.slice";
static const char args[] = "/usr/bin/python3.11\0-m\0assistant\0--api-key\0made-up\0--model\0gpt-4o-mini";

static const struct identity_parent parents[] = {
	{.pid = 4000, .comm = "gunicorn"}, {.pid = 3000, .comm = "sh"}, {.pid = 1, .comm = "systemd"}};

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct work {
	struct identity_whois *whois;
	const char *cgroup;
	size_t cgroup_len;
	bool args;
};

static int connection(const struct work *work, struct identity_process *process, struct identity_place *place)
{
	struct identity_seen seen = {
		.exe = {exe, sizeof(exe), false},
		.cgroups = {{work->cgroup, work->cgroup_len, false}},
		.args = work->args ? args : NULL,
		.args_len = sizeof(args),
		.parents = parents,
		.n_parents = ARRAY_SIZE(parents),
	};
	*process = (struct identity_process){.pid = 4711, .parent_pid = 4000, .start_boot_ns = 123456789};
	*place = (struct identity_place){0};
	int r = identity_process_seen(process, &seen);
	if (r == 0)
		r = identity_whois_process(work->whois, process);
	return r < 0 ? r : identity_whois_place(work->whois, process, place);
}

static void measure(const char *name, const struct work *work)
{
	double per_connection[ROUNDS], per_event[ROUNDS];
	struct identity_process process;
	struct identity_place place;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now_ns();
		for (int n = 0; n < CALLS; n++) {
			if (connection(work, &process, &place) < 0)
				exit(1);
			identity_place_done(&place);
			identity_process_done(&process);
		}
		per_connection[i] = (double)(now_ns() - start) / CALLS;
		if (connection(work, &process, &place) < 0)
			exit(1);
		start = now_ns();
		for (int n = 0; n < CALLS; n++)
			(void)identity_whois_place(work->whois, &process, &place);
		per_event[i] = (double)(now_ns() - start) / CALLS;
		identity_place_done(&place);
		identity_process_done(&process);
	}
	qsort(per_connection, ROUNDS, sizeof(double), by_value);
	qsort(per_event, ROUNDS, sizeof(double), by_value);
	printf("%-28s %10.2f us a connection %10.3f us an event\n", name, per_connection[ROUNDS / 2] / 1000,
	       per_event[ROUNDS / 2] / 1000);
}

/* Where the container's file is looked for. */
static void put_file(const char *root)
{
	static const char text[] = "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"main\"}}";
	char path[512];
	snprintf(path, sizeof(path), "mkdir -p %s/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID,
		 root);
	if (system(path) != 0)
		exit(1);
	snprintf(path, sizeof(path),
		 "%s/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json", root);
	FILE *f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		exit(1);
}

int main(void)
{
	char root[] = "/tmp/oaitap-bench-XXXXXX", command[64];
	struct identity_options options = identity_options_default;
	struct work work = {0};

	if (!mkdtemp(root))
		return 1;
	put_file(root);
	options.root = root;
	if (identity_whois_new(&work.whois, &options) < 0)
		return 1;
	work.cgroup = service;
	work.cgroup_len = sizeof(service);
	measure("a service", &work);
	work.args = true;
	measure("a service, with arguments", &work);
	work.args = false;
	work.cgroup = pod;
	work.cgroup_len = sizeof(pod);
	measure("a container", &work);
	identity_whois_free(&work.whois);
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command) == 0 ? 0 : 1;
}
