/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 client over OpenSSL that calls it in many ways. Jobs come as lines of standard input (see
 * clients.py), an empty line ends a batch. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http.h"

#define BATCH_MAX 512
#define POOL	  8 /* SSL objects that the threads share */
#define REUSE	  3 /* exchanges before an object is cleared for a new connection */

struct client {
	SSL_CTX *context;
	struct tls_options options;
	int threads, forks;
	bool inherit;
	char *lines[BATCH_MAX];
	struct job jobs[BATCH_MAX];
	int count;

	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct tls pool[POOL];
	bool busy[POOL];
	int next;
};

static void die(const char *what, int r)
{
	fprintf(stderr, "matrix client: %s: %s\n", what, strerror(-r));
	_exit(1);
}

/* One write, so that lines of several threads and processes do not mix. */
static void say(const struct job *job, const struct result *result)
{
	char line[512];
	int n = snprintf(
		line, sizeof(line),
		"{\"id\":\"%s\",\"pid\":%d,\"status\":%d,\"sent_sha256\":\"%s\",\"body_sha256\":\"%s\"}\n",
		job->id, getpid(), result->status, result->sent_sha256, result->body_sha256);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		die("standard output", -errno);
}

static void run_job(struct client *c, struct tls *tls, const struct job *job)
{
	struct result result = {0};
	int r = 0;

	if (strcmp(tls->host, job->host) != 0) {
		tls_close(tls);
		r = tls_open(c->context, tls, job->host, &c->options);
	}
	if (r)
		die("connecting", r);
	r = http_exchange(tls, job, &c->options, &result);
	if (r)
		die(job->id, r);
	tls->exchanges++;
	say(job, &result);
}

static void run_plain(struct client *c, int first, int step)
{
	struct tls tls = {0};

	for (int i = first; i < c->count; i += step)
		run_job(c, &tls, &c->jobs[i]);
	tls_free(&tls);
}

/* Any thread takes any object that is free, and one that has made REUSE exchanges is used for a new
 * connection. */
static void *work(void *arg)
{
	struct client *c = arg;

	pthread_mutex_lock(&c->lock);
	while (c->next < c->count) {
		struct job *job = &c->jobs[c->next++];
		int at = -1;

		while (at < 0) {
			for (int i = 0; i < POOL && at < 0; i++)
				at = c->busy[(i + c->next) % POOL] ? -1 : (i + c->next) % POOL;
			if (at < 0)
				pthread_cond_wait(&c->freed, &c->lock);
		}
		c->busy[at] = true;
		pthread_mutex_unlock(&c->lock);
		if (c->pool[at].exchanges >= REUSE)
			tls_close(&c->pool[at]);
		run_job(c, &c->pool[at], job);
		pthread_mutex_lock(&c->lock);
		c->busy[at] = false;
		pthread_cond_signal(&c->freed);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void run_threads(struct client *c)
{
	pthread_t threads[64];

	c->next = 0;
	for (int i = 0; i < c->threads; i++)
		if (pthread_create(&threads[i], NULL, work, c))
			die("threads", -EAGAIN);
	for (int i = 0; i < c->threads; i++)
		pthread_join(threads[i], NULL);
}

static void reap(int children)
{
	while (children-- > 0) {
		int status = 0;

		if (wait(&status) < 0 || status)
			die("a child failed", -ECHILD);
	}
}

/* Children with connections of their own. */
static void run_forks(struct client *c)
{
	for (int i = 0; i < c->forks; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork", -errno);
		if (pid == 0) {
			run_plain(c, i, c->forks);
			_exit(0);
		}
	}
	reap(c->forks);
}

/* The first exchange of a connection is the parent's, the others are its child's. */
static void run_inherited(struct client *c)
{
	struct tls tls = {0};
	pid_t pid;

	run_job(c, &tls, &c->jobs[0]);
	pid = fork();
	if (pid < 0)
		die("fork", -errno);
	if (pid == 0) {
		for (int i = 1; i < c->count; i++)
			run_job(c, &tls, &c->jobs[i]);
		tls_free(&tls);
		_exit(0);
	}
	reap(1);
	tls_leave(&tls);
}

static void run_batch(struct client *c)
{
	if (c->threads)
		run_threads(c);
	else if (c->forks)
		run_forks(c);
	else if (c->inherit)
		run_inherited(c);
	else
		run_plain(c, 0, 1);
	printf("{\"done\":%d}\n", c->count);
	fflush(stdout);
	while (c->count)
		free(c->lines[--c->count]);
}

static void take_job(struct client *c, const char *text)
{
	struct job *job = &c->jobs[c->count];
	const char **fields[] = {&job->id,	&job->method, &job->host,  &job->target,
				 &job->framing, &job->path,   &job->header};
	char *rest = strdup(text);

	c->lines[c->count++] = rest;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		*fields[i] = strsep(&rest, "\t");
		if (!*fields[i])
			die("a job has seven fields", -EINVAL);
	}
}

static void take_options(struct client *c, int argc, char **argv, const char **ret_libssl)
{
	static const struct option table[] = {
		{"ex", no_argument, NULL, 'e'},
		{"nonblock", no_argument, NULL, 'n'},
		{"piece", required_argument, NULL, 'p'},
		{"small", required_argument, NULL, 's'},
		{"threads", required_argument, NULL, 't'},
		{"forks", required_argument, NULL, 'f'},
		{"inherit", no_argument, NULL, 'i'},
		{"libssl", required_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		switch (option) {
		case 'e':
			c->options.ex = true;
			break;
		case 'n':
			c->options.nonblock = true;
			break;
		case 'p':
			c->options.piece = strtoul(optarg, NULL, 10);
			break;
		case 's':
			c->options.small = strtoul(optarg, NULL, 10);
			break;
		case 't':
			c->threads = atoi(optarg) > 64 ? 64 : atoi(optarg);
			break;
		case 'f':
			c->forks = atoi(optarg);
			break;
		case 'i':
			c->inherit = true;
			break;
		case 'l':
			*ret_libssl = optarg;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct client c = {.lock = PTHREAD_MUTEX_INITIALIZER, .freed = PTHREAD_COND_INITIALIZER};
	const char *libssl = NULL, *bundle = getenv("SSL_CERT_FILE");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	signal(SIGPIPE, SIG_IGN);
	take_options(&c, argc, argv, &libssl);
	if (tls_load(libssl) < 0)
		die("libssl", -ENOENT);
	c.context = bundle ? tls_context(bundle, &c.options) : NULL;
	if (!c.context)
		die("SSL_CERT_FILE", -EINVAL);
	while ((len = getline(&line, &size, stdin)) > 0) {
		line[len - 1] = '\0';
		if (!line[0])
			run_batch(&c);
		else if (c.count < BATCH_MAX)
			take_job(&c, line);
		else
			die("too many jobs", -E2BIG);
	}
	for (int i = 0; i < POOL; i++)
		tls_free(&c.pool[i]);
	free(line);
	return 0;
}
