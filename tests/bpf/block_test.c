/* SPDX-License-Identifier: Apache-2.0 */

/* The action `block` with the real programs: real processes in cgroups of their own connect to real sockets.
 * Needs root and cgroup v2. */

#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "base/macro.h"
#include "enforce/enforcer.h"
#include "probe/features.h"
#include "tests/bpf/starts.skel.h"

#define SECONDS	 2
#define WAIT_MS	 20000 /* an emulated machine takes its time */
#define PATH_LEN (PATH_MAX + 64)

static char mount_path[PATH_MAX];
static struct starts_bpf *starts;

/* --- what the enforcer reports ------------------------------------------------------- */

struct told {
	pthread_mutex_t lock;
	unsigned int begins, ends, freed;
	struct enforcer_report last;
	char cgroup[ENFORCER_PATH_MAX], reason[ENFORCER_REASON_MAX];
};

static struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_report(void *ctx, const struct enforcer_report *report)
{
	(void)ctx;
	pthread_mutex_lock(&told.lock);
	told.last = *report;
	snprintf(told.cgroup, sizeof(told.cgroup), "%s", report->cgroup);
	snprintf(told.reason, sizeof(told.reason), "%s", report->reason);
	if (report->what == ENFORCER_BEGIN)
		told.begins++;
	else
		told.ends++;
	pthread_mutex_unlock(&told.lock);
}

static void on_data_free(void *data)
{
	free(data);
	pthread_mutex_lock(&told.lock);
	told.freed++;
	pthread_mutex_unlock(&told.lock);
}

static const struct enforcer_ops ops = {.on_report = on_report, .data_free = on_data_free};

/* --- a process that does as it is told ----------------------------------------------- */

struct order {
	int family, type;
	bool nonblocking, mapped, by_child;
	uint16_t port;
	bool receive; /* not a connect(): reads from the last socket, which may have been ended */
	bool listens; /* not a connect(): opens a port, which local_port answers */
	bool quit;
};

struct answer {
	int error;
	uint64_t cookie;
	uint16_t local_port;
};

struct actor {
	pid_t pid;
	int fd;
};

static void fill_name(const struct order *o, struct sockaddr_storage *name, socklen_t *len)
{
	memset(name, 0, sizeof(*name));
	if (o->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)name;
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(o->port)};
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(o->port)};
		inet_pton(AF_INET6, o->mapped ? "::ffff:127.0.0.1" : "::1", &in6->sin6_addr);
		*len = sizeof(*in6);
	}
}

static void connect_as_told(const struct order *o, struct answer *a, int *last_fd)
{
	struct sockaddr_storage name, local;
	socklen_t len, local_len = sizeof(local), size = sizeof(a->cookie);

	int fd = socket(o->family, o->type | SOCK_CLOEXEC | (o->nonblocking ? SOCK_NONBLOCK : 0), 0);
	fill_name(o, &name, &len);
	int r = o->type == SOCK_DGRAM ? (int)sendto(fd, "x", 1, 0, (struct sockaddr *)&name, len)
				      : connect(fd, (struct sockaddr *)&name, len);
	a->error = r < 0 ? errno : 0;
	(void)getsockopt(fd, SOL_SOCKET, SO_COOKIE, &a->cookie, &size);
	(void)getsockname(fd, (struct sockaddr *)&local, &local_len);
	a->local_port = ntohs(((struct sockaddr_in *)&local)->sin_port);
	if (*last_fd >= 0)
		close(*last_fd);
	*last_fd = fd;
}

static int listen_on(int family, uint16_t *ret_port);

static void obey(const struct order *o, struct answer *a, int *last_fd)
{
	char byte;

	memset(a, 0, sizeof(*a));
	if (o->listens) {
		(void)listen_on(AF_INET, &a->local_port);
	} else if (o->receive) {
		const struct timeval limit = {.tv_usec = 200000};
		(void)setsockopt(*last_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		a->error = recv(*last_fd, &byte, 1, 0) < 0 ? errno : 0;
	} else if (o->by_child) {
		pid_t child = fork();
		int status = 0;
		if (child == 0) {
			connect_as_told(o, a, last_fd);
			_exit(a->error);
		}
		waitpid(child, &status, 0);
		a->error = WEXITSTATUS(status);
	} else {
		connect_as_told(o, a, last_fd);
	}
}

static void act(int fd)
{
	struct order o;
	struct answer a;
	int last_fd = -1;

	while (read(fd, &o, sizeof(o)) == (ssize_t)sizeof(o) && !o.quit) {
		obey(&o, &a, &last_fd);
		if (write(fd, &a, sizeof(a)) != (ssize_t)sizeof(a))
			break;
	}
	_exit(0);
}

static void cgroup_join(const char *cgroup)
{
	char path[PATH_LEN];
	snprintf(path, sizeof(path), "%s%s/cgroup.procs", mount_path, cgroup);
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(1);
	close(fd);
}

/* cgroup NULL: stays where it is. */
static struct actor actor_start(const char *cgroup, bool own_network)
{
	struct actor a;
	int pair[2];
	char ready;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	a.pid = fork();
	if (a.pid == 0) {
		close(pair[0]);
		if (cgroup)
			cgroup_join(cgroup);
		if (own_network && unshare(CLONE_NEWNET) < 0)
			_exit(1);
		if (own_network && system("ip link set lo up") != 0)
			_exit(1);
		if (write(pair[1], "r", 1) != 1)
			_exit(1);
		act(pair[1]);
	}
	close(pair[1]);
	a.fd = pair[0];
	assert_int_equal(read(a.fd, &ready, 1), 1);
	return a;
}

static struct answer ask(const struct actor *a, struct order o)
{
	struct answer answer;
	o.family = o.family ? o.family : AF_INET;
	o.type = o.type ? o.type : SOCK_STREAM;
	assert_int_equal(write(a->fd, &o, sizeof(o)), sizeof(o));
	assert_int_equal(read(a->fd, &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

#define ERROR_OF(actor, ...) ask(actor, (struct order){__VA_ARGS__}).error

static void actor_stop(struct actor *a)
{
	const struct order quit = {.quit = true};
	(void)!write(a->fd, &quit, sizeof(quit));
	close(a->fd);
	assert_int_equal(waitpid(a->pid, NULL, 0), a->pid);
}

/* --- the world ----------------------------------------------------------------------- */

struct world {
	struct enforcer *enforcer;
	enum enforcer_scope scope; /* wanted by block() */
	char name[64];		   /* of the cgroup that holds the test's */
	char a[128], b[128], below[160];
	int listeners[3];
	uint16_t ai, other, ai6; /* ports */
};

static uint64_t cgroup_make(const char *cgroup)
{
	char path[PATH_LEN];
	struct stat st;
	snprintf(path, sizeof(path), "%s%s", mount_path, cgroup);
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static uint64_t cgroup_id(const char *cgroup)
{
	return cgroup_make(cgroup);
}

static int listen_on(int family, uint16_t *ret_port)
{
	struct sockaddr_storage name;
	socklen_t len;
	const struct order o = {.family = family};

	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fill_name(&o, &name, &len);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	assert_int_equal(listen(fd, 512), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	*ret_port = ntohs(((struct sockaddr_in *)&name)->sin_port);
	return fd;
}

static void start_enforcer(struct world *w, uint64_t address_age_ns)
{
	const struct enforcer_options options = {.cgroup = mount_path, .address_age_ns = address_age_ns};
	char *error = NULL;
	int r = enforcer_new(&w->enforcer, &options, &ops, NULL, &error);
	if (r < 0)
		print_message("%s\n", error);
	assert_int_equal(r, 0);
	pthread_mutex_lock(&told.lock);
	told.begins = told.ends = told.freed = 0;
	pthread_mutex_unlock(&told.lock);
}

static int setup(void **state)
{
	static struct world w;
	w = (struct world){0};
	snprintf(w.name, sizeof(w.name), "/oaitap-test-%d", getpid());
	snprintf(w.a, sizeof(w.a), "%s/a", w.name);
	snprintf(w.b, sizeof(w.b), "%s/b", w.name);
	snprintf(w.below, sizeof(w.below), "%s/below", w.a);
	cgroup_make(w.name);
	cgroup_make(w.a);
	cgroup_make(w.b);
	cgroup_make(w.below);
	w.listeners[0] = listen_on(AF_INET, &w.ai);
	w.listeners[1] = listen_on(AF_INET, &w.other);
	w.listeners[2] = listen_on(AF_INET6, &w.ai6);
	*state = &w;
	return 0;
}

static void cgroup_remove(const char *cgroup)
{
	char path[PATH_LEN];
	snprintf(path, sizeof(path), "%s%s", mount_path, cgroup);
	(void)rmdir(path);
}

static int teardown(void **state)
{
	struct world *w = *state;
	enforcer_free(&w->enforcer);
	for (size_t i = 0; i < ARRAY_SIZE(w->listeners); i++)
		close(w->listeners[i]);
	cgroup_remove(w->below);
	cgroup_remove(w->a);
	cgroup_remove(w->b);
	cgroup_remove(w->name);
	return 0;
}

static void pause_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

static unsigned int read_told(const unsigned int *counter)
{
	pthread_mutex_lock(&told.lock);
	unsigned int n = *counter;
	pthread_mutex_unlock(&told.lock);
	return n;
}

static void wait_told(const unsigned int *counter, unsigned int n)
{
	for (int i = 0; i < WAIT_MS && read_told(counter) < n; i++)
		pause_ms(1);
	assert_int_equal(read_told(counter), n);
}

#define WAIT_STAT(w, name, n)                                                                                \
	do {                                                                                                 \
		for (int _i = 0; _i < WAIT_MS && enforcer_stats((w)->enforcer).name < (n); _i++)             \
			pause_ms(1);                                                                         \
		assert_int_equal(enforcer_stats((w)->enforcer).name, n);                                     \
	} while (0)

/* /proc tells it in ticks only. 0: it has not connected yet. */
static uint64_t start_boot_ns(pid_t pid)
{
	uint32_t tgid = (uint32_t)pid;
	uint64_t ns = 0;
	(void)bpf_map_lookup_elem(bpf_map__fd(starts->maps.starts), &tgid, &ns);
	return ns;
}

static void addresses_fill(struct record_socket *s, const struct answer *a, int family, uint16_t port)
{
	static const uint8_t v4[4] = {127, 0, 0, 1};
	*s = (struct record_socket){.cookie = a->cookie,
				    .family = (uint16_t)family,
				    .local_port = a->local_port,
				    .remote_port = port};
	if (family == AF_INET) {
		memcpy(s->local, v4, sizeof(v4));
		memcpy(s->remote, v4, sizeof(v4));
	} else {
		s->local[15] = s->remote[15] = 1;
	}
}

/* As bpf/hello.bpf.c tells it. */
static void say_hello(struct world *w, const struct actor *actor, const struct answer *a, int family,
		      uint16_t port, uint32_t before)
{
	struct record_socket s;
	addresses_fill(&s, a, family, port);
	struct record_hello hello = {.cookie = a->cookie,
				     .tgid = (uint32_t)actor->pid,
				     .start_boot_ns = start_boot_ns(actor->pid),
				     .family = (uint16_t)family,
				     .local_port = a->local_port,
				     .remote_port = port,
				     .before = before};
	memcpy(hello.local, s.local, sizeof(hello.local));
	memcpy(hello.remote, s.remote, sizeof(hello.remote));
	enforcer_hello(w->enforcer, &hello);
}

/* Somebody's connection to the AI host, so that its address is known. */
static void learn(struct world *w, const struct actor *actor, int family, uint16_t port)
{
	uint64_t before = enforcer_stats(w->enforcer).addresses;
	struct answer a = ask(actor, (struct order){.family = family, .port = port});
	assert_int_equal(a.error, 0);
	say_hello(w, actor, &a, family, port, 0);
	WAIT_STAT(w, addresses, before + 1);
}

static void block(struct world *w, const struct actor *actor, const char *cgroup, const struct answer *a,
		  uint64_t seconds)
{
	struct enforcer_subject s = {.pid = (uint32_t)actor->pid,
				     .start_boot_ns = start_boot_ns(actor->pid),
				     .scope = w->scope,
				     .cgroup_id = cgroup_id(cgroup)};
	if (a)
		addresses_fill(&s.socket, a, AF_INET, w->ai);
	assert_int_equal(enforcer_block(w->enforcer, &s, seconds, "an API key", strdup("mine")), 0);
}

/* --- tests --------------------------------------------------------------------------- */

/* In every way to connect; what is refused is counted to the last one. */
static void test_cgroup(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false), b = actor_start(w->b, false),
		     below = actor_start(w->below, false);

	learn(w, &b, AF_INET, w->ai);
	learn(w, &b, AF_INET6, w->ai6);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	block(w, &a, w->a, NULL, SECONDS);
	wait_told(&told.begins, 1);
	assert_int_equal(told.last.scope, ENFORCER_CGROUP);
	assert_string_equal(told.cgroup, w->a);
	assert_string_equal(told.reason, "an API key");
	assert_int_equal(told.last.subject->pid, a.pid);

	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai, .nonblocking = true), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai, .family = AF_INET6, .mapped = true), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai6, .family = AF_INET6), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai, .by_child = true), EPERM);
	assert_int_equal(ERROR_OF(&below, .port = w->ai), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai, .type = SOCK_DGRAM), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai6, .type = SOCK_DGRAM, .family = AF_INET6), EPERM);

	assert_int_equal(ERROR_OF(&a, .port = w->other), 0);
	assert_int_equal(ERROR_OF(&a, .port = w->other, .family = AF_INET6, .mapped = true), 0);
	assert_int_equal(ERROR_OF(&a, .port = w->other, .type = SOCK_DGRAM), 0);
	assert_int_equal(ERROR_OF(&b, .port = w->ai), 0);
	assert_int_equal(ERROR_OF(&b, .port = w->ai6, .family = AF_INET6), 0);
	assert_int_equal(ERROR_OF(&b, .port = w->ai, .type = SOCK_DGRAM), 0);

	wait_told(&told.ends, 1);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	assert_int_equal(ERROR_OF(&below, .port = w->ai), 0);
	assert_int_equal(told.last.refused_connects, 6);
	assert_int_equal(told.last.refused_datagrams, 2);
	assert_int_equal(told.last.violations, 1);
	assert_false(told.last.lifted);
	assert_int_equal(told.freed, 1);
	actor_stop(&a);
	actor_stop(&b);
	actor_stop(&below);
}

/* The kernel lets go by itself: here nobody tells it to. */
static void test_heals_alone(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	block(w, &a, w->a, NULL, SECONDS);
	wait_told(&told.begins, 1);
	uint64_t until_ns = told.last.until_ns;
	/* The enforcer's thread waits for this lock when the time has come. */
	block(w, &a, w->b, NULL, SECONDS - 1);
	wait_told(&told.begins, 2);
	pthread_mutex_lock(&told.lock);
	int refused = EPERM;
	while (refused == EPERM && clock_mono_ns() + 100 * NSEC_PER_MSEC < until_ns) {
		refused = ERROR_OF(&a, .port = w->ai);
		pause_ms(50);
	}
	while (clock_mono_ns() <= until_ns)
		pause_ms(1);
	int healed = ERROR_OF(&a, .port = w->ai);
	unsigned int ends = told.ends;
	pthread_mutex_unlock(&told.lock);
	/* Nothing fails while the lock is held: the enforcer's thread could not end. */
	assert_int_equal(refused, EPERM);
	assert_int_equal(healed, 0);
	assert_int_equal(ends, 0);
	wait_told(&told.ends, 2);
	actor_stop(&a);
}

/* A violation meanwhile makes it longer, and neither makes another report nor undoes what was counted. */
static void test_extends(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	uint64_t begun_ns = clock_mono_ns();
	block(w, &a, w->a, NULL, 1);
	wait_told(&told.begins, 1);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	block(w, &a, w->a, NULL, SECONDS);
	block(w, &a, w->a, NULL, 1);
	WAIT_STAT(w, violations, 3);
	wait_told(&told.freed, 2);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	wait_told(&told.ends, 1);
	assert_true(clock_mono_ns() >= begun_ns + SECONDS * NSEC_PER_SEC);
	assert_int_equal(told.begins, 1);
	assert_int_equal(told.last.violations, 3);
	assert_int_equal(told.last.refused_connects, 2);
	assert_int_equal(told.freed, 3);
	actor_stop(&a);
}

/* The process and its descendants, but not another process of the same cgroup. */
static void process_scope(struct world *w, const char *cgroup)
{
	struct actor a = actor_start(w->a, false), b = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	assert_int_equal(ERROR_OF(&b, .port = w->ai), 0);
	block(w, &a, cgroup, NULL, SECONDS);
	wait_told(&told.begins, 1);
	assert_int_equal(told.last.scope, ENFORCER_PROCESS);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->ai, .by_child = true), EPERM);
	assert_int_equal(ERROR_OF(&a, .port = w->other), 0);
	assert_int_equal(ERROR_OF(&b, .port = w->ai), 0);
	wait_told(&told.ends, 1);
	assert_int_equal(told.last.refused_connects, 2);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	actor_stop(&a);
	actor_stop(&b);
}

static void test_process(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	w->scope = ENFORCER_PROCESS;
	process_scope(w, w->a);
	assert_string_equal(told.cgroup, w->a);
}

/* The root is everybody's: only the process is blocked. */
static void test_root(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	process_scope(w, "");
	assert_string_equal(told.cgroup, "/");
}

/* Without cgroup and start time nobody is blocked, and that is counted. */
static void test_nobody(void **state)
{
	struct world *w = *state;
	const struct enforcer_subject s = {.pid = 4000000};
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	assert_int_equal(enforcer_block(w->enforcer, &s, 1, "x", strdup("mine")), 0);
	WAIT_STAT(w, not_blocked, 1);
	wait_told(&told.freed, 1);
	assert_int_equal(told.begins, 0);
}

/* The connection of the violation is ended, in whatever network namespace it is; others are not. */
static void destroys(struct world *w, bool own_network)
{
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, own_network), b = actor_start(w->b, false);
	uint16_t port = own_network ? ask(&a, (struct order){.listens = true}).local_port : w->ai;
	struct answer answer = ask(&a, (struct order){.port = port});
	assert_int_equal(answer.error, 0);
	assert_int_equal(ERROR_OF(&b, .port = w->ai), 0);
	assert_int_equal(ERROR_OF(&a, .receive = true), EAGAIN);
	struct enforcer_subject s = {
		.pid = (uint32_t)a.pid, .start_boot_ns = start_boot_ns(a.pid), .cgroup_id = cgroup_id(w->a)};
	addresses_fill(&s.socket, &answer, AF_INET, port);
	/* Not another socket that has the addresses by now, nor that of another process with this pid. */
	s.socket.cookie++;
	assert_int_equal(enforcer_block(w->enforcer, &s, 1, "x", NULL), 0);
	wait_told(&told.begins, 1);
	assert_int_equal(told.last.end_error, -ENOENT);
	s.socket.cookie--;
	s.start_boot_ns -= 60 * NSEC_PER_SEC;
	assert_int_equal(enforcer_block(w->enforcer, &s, 1, "x", NULL), 0);
	WAIT_STAT(w, not_ended, 2);
	assert_int_equal(ERROR_OF(&a, .receive = true), EAGAIN);
	s.start_boot_ns += 60 * NSEC_PER_SEC;
	assert_int_equal(enforcer_block(w->enforcer, &s, 1, "x", NULL), 0);
	WAIT_STAT(w, ended, 1);
	assert_int_equal(ERROR_OF(&a, .receive = true), ECONNABORTED);
	assert_int_equal(ERROR_OF(&b, .receive = true), EAGAIN);
	wait_told(&told.ends, 1);
	assert_int_equal(told.last.ended, 1);
	actor_stop(&a);
	actor_stop(&b);
}

static void test_destroys(void **state)
{
	destroys(*state, false);
}

static void test_destroys_elsewhere(void **state)
{
	destroys(*state, true);
}

/* Without a cookie the addresses are enough. */
static void test_destroys_by_address(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	struct answer answer = ask(&a, (struct order){.port = w->ai});
	answer.cookie = 0;
	block(w, &a, w->a, &answer, 1);
	wait_told(&told.begins, 1);
	assert_int_equal(told.last.end_error, 0);
	assert_int_equal(told.last.ended, 1);
	assert_int_equal(ERROR_OF(&a, .receive = true), ECONNABORTED);
	actor_stop(&a);
}

/* An address that is not known yet: the connection is let through and ended when its ClientHello says where
 * it leads. */
static void test_new_address(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false), b = actor_start(w->b, false);
	assert_int_equal(ERROR_OF(&a, .port = w->other), 0);
	block(w, &a, w->a, NULL, SECONDS);
	wait_told(&told.begins, 1);
	struct answer answer = ask(&a, (struct order){.port = w->ai});
	assert_int_equal(answer.error, 0);
	say_hello(w, &a, &answer, AF_INET, w->ai, 0);
	WAIT_STAT(w, ended, 1);
	assert_int_equal(ERROR_OF(&a, .receive = true), ECONNABORTED);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	/* Somebody else's is not. */
	answer = ask(&b, (struct order){.port = w->ai});
	say_hello(w, &b, &answer, AF_INET, w->ai, 0);
	WAIT_STAT(w, addresses, 2);
	assert_int_equal(ERROR_OF(&b, .receive = true), EAGAIN);
	wait_told(&told.ends, 1);
	assert_int_equal(told.last.ended, 1);
	actor_stop(&a);
	actor_stop(&b);
}

/* A proxy leads elsewhere, too: it stays reachable. What goes through it to an AI host is ended. */
static void test_proxy(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	struct answer answer = ask(&a, (struct order){.port = w->ai});
	say_hello(w, &a, &answer, AF_INET, w->ai, 1);
	WAIT_STAT(w, proxied, 1);
	assert_int_equal(ERROR_OF(&a, .receive = true), EAGAIN);
	block(w, &a, w->a, NULL, SECONDS);
	wait_told(&told.begins, 1);
	answer = ask(&a, (struct order){.port = w->ai});
	assert_int_equal(answer.error, 0);
	say_hello(w, &a, &answer, AF_INET, w->ai, 1);
	WAIT_STAT(w, ended, 1);
	assert_int_equal(ERROR_OF(&a, .receive = true), ECONNABORTED);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	assert_int_equal(enforcer_stats(w->enforcer).addresses, 0);
	actor_stop(&a);
}

/* An address that nobody has spoken to for long may be another's. */
static void test_age(void **state)
{
	struct world *w = *state;
	start_enforcer(w, NSEC_PER_SEC);
	struct actor a = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	block(w, &a, w->a, NULL, 60);
	wait_told(&told.begins, 1);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	pause_ms(1000);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	actor_stop(&a);
}

static void test_lift(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	block(w, &a, w->a, NULL, 3600);
	wait_told(&told.begins, 1);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	assert_int_equal(enforcer_lift(w->enforcer), 0);
	wait_told(&told.ends, 1);
	assert_true(told.last.lifted);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	/* And the end of the agent. */
	block(w, &a, w->a, NULL, 3600);
	wait_told(&told.begins, 2);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), EPERM);
	enforcer_free(&w->enforcer);
	assert_int_equal(told.ends, 2);
	assert_int_equal(told.freed, 2);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	actor_stop(&a);
}

/* So many are blocked that there is no room: the next one is let through. */
static void test_full(void **state)
{
	struct world *w = *state;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	for (uint32_t i = 0; i < 1024; i++) {
		const struct enforcer_subject s = {.pid = 5000000 + i, .start_boot_ns = 1};
		assert_int_equal(enforcer_block(w->enforcer, &s, 3600, "x", NULL), 0);
	}
	wait_told(&told.begins, 1024);
	block(w, &a, w->a, NULL, 3600);
	WAIT_STAT(w, not_blocked, 1);
	assert_int_equal(ERROR_OF(&a, .port = w->ai), 0);
	assert_int_equal(enforcer_stats(w->enforcer).blocked, 1024);
	actor_stop(&a);
}

/* From the violation to the first connect() that fails. */
static void test_how_soon(void **state)
{
	enum { ROUNDS = 200 };
	struct world *w = *state;
	uint64_t worst_ns = 0, sum_ns = 0;
	start_enforcer(w, ENFORCER_ADDRESS_AGE_NS);
	struct actor a = actor_start(w->a, false);
	learn(w, &a, AF_INET, w->ai);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t ns = clock_mono_ns();
		block(w, &a, w->a, NULL, 3600);
		/* Taken off, so that there is room for the next one. */
		while (ERROR_OF(&a, .port = w->ai) != EPERM)
			close(accept(w->listeners[0], NULL, NULL));
		ns = clock_mono_ns() - ns;
		worst_ns = MAX(worst_ns, ns);
		sum_ns += ns;
		assert_int_equal(enforcer_lift(w->enforcer), 0);
		wait_told(&told.ends, (unsigned int)i + 1);
	}
	print_message("violation to refused connect(): %llu us on average, %llu us at most, of %d\n",
		      (unsigned long long)(sum_ns / ROUNDS / 1000), (unsigned long long)(worst_ns / 1000),
		      ROUNDS);
	assert_true(worst_ns < NSEC_PER_SEC);
	actor_stop(&a);
}

static void test_why_not(void **state)
{
	(void)state;
	assert_null(enforcer_why_not(mount_path));
	assert_non_null(enforcer_why_not(""));
	char *error = NULL;
	struct enforcer *e = NULL;
	const struct enforcer_options options = {.cgroup = ""};
	assert_int_equal(enforcer_new(&e, &options, &ops, NULL, &error), -EOPNOTSUPP);
	assert_string_equal(error, "cgroup v2 is not mounted");
	free(error);
	assert_null(e);
}

static int setup_all(void **state)
{
	bool partial;
	(void)state;
	features_find_cgroup("/proc/self/mounts", mount_path, &partial);
	if (!mount_path[0])
		return -1;
	starts = starts_bpf__open_and_load();
	int fd = open(mount_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!starts || fd < 0)
		return -1;
	starts->links.note_start = bpf_program__attach_cgroup(starts->progs.note_start, fd);
	close(fd);
	return starts->links.note_start ? 0 : -1;
}

static int teardown_all(void **state)
{
	(void)state;
	starts_bpf__destroy(starts);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cgroup),
		TEST(test_heals_alone),
		TEST(test_extends),
		TEST(test_process),
		TEST(test_root),
		TEST(test_nobody),
		TEST(test_destroys),
		TEST(test_destroys_elsewhere),
		TEST(test_destroys_by_address),
		TEST(test_new_address),
		TEST(test_proxy),
		TEST(test_age),
		TEST(test_lift),
		TEST(test_full),
		TEST(test_how_soon),
		TEST(test_why_not),
	};
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
