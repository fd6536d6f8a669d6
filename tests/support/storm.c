/* SPDX-License-Identifier: Apache-2.0 */

/* Storms for the end-to-end tests: many processes, many mappings. Bounded in count and time.
 *
 *   storm processes COUNT AT_ONCE SECONDS PROGRAM ARGUMENT...
 *       runs the program COUNT times, at most AT_ONCE at a time, evenly over SECONDS (0: as fast as it goes).
 *       "{}" as an argument becomes the number of the run. Fails if one of them does.
 *   storm remap COUNT FILE
 *       maps the file as code and unmaps it, COUNT times. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX     100000
#define AT_ONCE_MAX   64
#define SECONDS_MAX   600
#define ARGUMENTS_MAX 32

extern char **environ;

static long number(const char *text, long min, long max)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < min || value > max) {
		fprintf(stderr, "storm: a number from %ld to %ld is expected, not %s\n", min, max, text);
		exit(2);
	}
	return value;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
	double left = when - now();
	if (left <= 0)
		return;
	const struct timespec pause = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
	nanosleep(&pause, NULL);
}

static void reap_one(void)
{
	int status;
	if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "storm: a run ended with status %x\n", (unsigned int)status);
		exit(1);
	}
}

static void start(char **command, long run)
{
	char *argv[ARGUMENTS_MAX + 1], text[32];
	size_t n = 0;
	pid_t pid;

	snprintf(text, sizeof(text), "%ld", run);
	for (; command[n] && n < ARGUMENTS_MAX; n++)
		argv[n] = strcmp(command[n], "{}") == 0 ? text : command[n];
	argv[n] = NULL;
	int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r != 0) {
		fprintf(stderr, "storm: %s: %s\n", argv[0], strerror(r));
		exit(1);
	}
}

static int processes(long count, long at_once, long seconds, char **command)
{
	double began = now();

	for (long i = 0, running = 0; i < count || running > 0;) {
		if (i < count && running < at_once) {
			sleep_until(began + (double)seconds * (double)i / (double)count);
			start(command, ++i);
			running++;
		} else {
			reap_one();
			running--;
		}
	}
	printf("processes %ld seconds %.3f\n", count, now() - began);
	return 0;
}

static int remap(long count, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "storm: %s: %s\n", path, strerror(errno));
		return 1;
	}
	for (long i = 0; i < count; i++) {
		void *code = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		if (code == MAP_FAILED || munmap(code, (size_t)st.st_size) < 0) {
			fprintf(stderr, "storm: %s: %s\n", path, strerror(errno));
			return 1;
		}
	}
	printf("mappings %ld\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc >= 6 && strcmp(argv[1], "processes") == 0)
		return processes(number(argv[2], 1, COUNT_MAX), number(argv[3], 1, AT_ONCE_MAX),
				 number(argv[4], 0, SECONDS_MAX), argv + 5);
	if (argc == 4 && strcmp(argv[1], "remap") == 0)
		return remap(number(argv[2], 1, COUNT_MAX), argv[3]);
	fprintf(stderr, "usage: storm processes COUNT AT_ONCE SECONDS PROGRAM ARGUMENT...\n"
			"       storm remap COUNT FILE\n");
	return 2;
}
