/* SPDX-License-Identifier: Apache-2.0 */

/* What the programs of the action `block` cost a connect(), side by side: in rounds that take turns, a
 * connection to a loopback port is made and closed, without the programs, with them, with somebody else
 * blocked, and refused. Prints the median of the rounds' medians, in nanoseconds. Needs root. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "enforce/block_programs.h"
#include "probe/features.h"

#define ROUNDS 41
#define CALLS  2000

enum mode { WITHOUT, IDLE, OTHER_CGROUP, OTHER_PROCESS, REFUSED, MODES };

static const char *const names[MODES] = {"without the programs", "nobody is blocked", "another cgroup is",
					 "another process is", "this cgroup is: refused"};

struct bench {
	char mount[PATH_MAX], cgroup[PATH_MAX + 64];
	uint64_t cgroup_id;
	int listener;
	struct sockaddr_in name;
	struct block_address address;
	double ns[MODES][ROUNDS];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* In a cgroup as deep as a pod's. */
static void prepare(struct bench *b)
{
	bool partial;
	struct stat st;
	socklen_t len = sizeof(b->name);

	features_find_cgroup("/proc/self/mounts", b->mount, &partial);
	snprintf(b->cgroup, sizeof(b->cgroup), "%s", b->mount);
	for (int i = 0; i < 4; i++) {
		size_t n = strlen(b->cgroup);
		snprintf(b->cgroup + n, sizeof(b->cgroup) - n, "/oaitap-bench-%d", i);
		if (mkdir(b->cgroup, 0755) < 0 && errno != EEXIST)
			die(b->cgroup);
	}
	if (stat(b->cgroup, &st) < 0)
		die(b->cgroup);
	b->cgroup_id = st.st_ino;
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	b->name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(b->listener, (struct sockaddr *)&b->name, len) < 0 || listen(b->listener, 16) < 0 ||
	    getsockname(b->listener, (struct sockaddr *)&b->name, &len) < 0)
		die("listener");
	b->address = (struct block_address){.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
					    .port = ntohs(b->name.sin_port)};
}

static void enter(const char *cgroup)
{
	char path[PATH_MAX + 96];
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
}

static void clean(const struct bench *b)
{
	char path[PATH_MAX + 64];
	enter(b->mount);
	snprintf(path, sizeof(path), "%s", b->cgroup);
	for (int i = 0; i < 4; i++) {
		(void)rmdir(path);
		*strrchr(path, '/') = 0;
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* connect() alone is timed. */
static double measure(const struct bench *b, bool refused)
{
	const struct linger at_once = {.l_onoff = 1};
	static double ns[CALLS];

	for (int i = 0; i < CALLS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		uint64_t begun_ns = clock_mono_ns();
		int r = connect(fd, (const struct sockaddr *)&b->name, sizeof(b->name));
		ns[i] = (double)(clock_mono_ns() - begun_ns);
		if ((r < 0) != refused)
			die("connect");
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		if (!refused)
			close(accept(b->listener, NULL, NULL));
	}
	qsort(ns, CALLS, sizeof(*ns), by_value);
	return ns[CALLS / 2];
}

static double round_of(const struct bench *b, enum mode mode)
{
	struct block_programs *programs = NULL;
	char *error = NULL;
	struct block_key key = {.id = mode == OTHER_CGROUP ? 1 : b->cgroup_id};

	if (mode == OTHER_PROCESS)
		key = (struct block_key){.id = 1, .tgid = 4000000};
	if (mode != WITHOUT && (block_programs_load(&programs, 3600 * NSEC_PER_SEC, &error) < 0 ||
				block_programs_attach(programs, b->mount, &error) < 0)) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	if (mode >= OTHER_CGROUP && (block_programs_block(programs, &key, UINT64_MAX) < 0 ||
				     block_programs_learn(programs, &b->address, clock_mono_ns()) < 0))
		die("block");
	double ns = measure(b, mode == REFUSED);
	block_programs_free(&programs);
	return ns;
}

int main(void)
{
	static struct bench b;
	prepare(&b);
	enter(b.cgroup);
	for (int round = 0; round < ROUNDS; round++)
		for (int mode = 0; mode < MODES; mode++)
			b.ns[mode][round] = round_of(&b, (enum mode)mode);
	clean(&b);
	printf("%-26s %10s %10s   ns a connect() on loopback, medians of %d rounds of %d\n", "", "ns", "more",
	       ROUNDS, CALLS);
	double base = 0;
	for (int mode = 0; mode < MODES; mode++) {
		qsort(b.ns[mode], ROUNDS, sizeof(double), by_value);
		double median = b.ns[mode][ROUNDS / 2];
		base = mode == WITHOUT ? median : base;
		printf("%-26s %10.0f %+10.0f\n", names[mode], median, median - base);
	}
	return 0;
}
