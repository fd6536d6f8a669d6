/* SPDX-License-Identifier: Apache-2.0 */
#include "enforce/destroy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define STATES_ALL (~0U)
#define ANSWER_MAX 8192

/* --- sock_diag ----------------------------------------------------------------------- */

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 req;
};

static void question_fill(struct question *q, const struct destroy_target *t)
{
	*q = (struct question){
		.header = {.nlmsg_len = sizeof(*q),
			   .nlmsg_type = SOCK_DESTROY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.req = {.sdiag_family = (uint8_t)t->family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = STATES_ALL,
			.id = {.idiag_sport = htons(t->local_port), .idiag_dport = htons(t->remote_port)}},
	};
	memcpy(q->req.id.idiag_src, t->local, t->family == AF_INET ? 4 : 16);
	memcpy(q->req.id.idiag_dst, t->remote, t->family == AF_INET ? 4 : 16);
	q->req.id.idiag_cookie[0] = t->cookie ? (uint32_t)t->cookie : INET_DIAG_NOCOOKIE;
	q->req.id.idiag_cookie[1] = t->cookie ? (uint32_t)(t->cookie >> 32) : INET_DIAG_NOCOOKIE;
}

static int answer_read(int fd)
{
	union {
		struct nlmsghdr header;
		char room[ANSWER_MAX];
	} u;

	ssize_t n = recv(fd, &u, sizeof(u), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&u.header, (size_t)n) || u.header.nlmsg_type != NLMSG_ERROR ||
	    u.header.nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EPROTO;
	const struct nlmsgerr *e = NLMSG_DATA(&u.header);
	return e->error;
}

/* fd: a netlink socket of the namespace. */
static int destroy_by(int fd, const struct destroy_target *t)
{
	struct question q;

	question_fill(&q, t);
	if (send(fd, &q, sizeof(q), 0) < 0)
		return -errno;
	return answer_read(fd);
}

/* In the calling thread's namespace. A netlink socket answers at once, so the time limit is for what cannot
 * be. */
static int diag_open(void)
{
	const struct timeval limit = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

/* --- namespaces ---------------------------------------------------------------------- */

/* Whether the process that dir_fd (its folder in /proc) stands for started then. The kernel tells ticks. */
static bool is_process(int dir_fd, uint64_t start_boot_ns)
{
	char text[1024];
	uint64_t ticks;

	if (!start_boot_ns)
		return true;
	_cleanup_close_ int fd = openat(dir_fd, "stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	/* The name, in parentheses, may hold any characters; the start time is the 20th field after it. */
	const char *p = strrchr(text, ')');
	if (!p ||
	    sscanf(p + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		   &ticks) != 1)
		return false;
	uint64_t wanted = start_boot_ns / (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	return MAX(ticks, wanted) - MIN(ticks, wanted) <= 1;
}

/* A file descriptor of the namespace that the process is in; negative errno. */
static int namespace_open(uint32_t tgid, uint64_t start_boot_ns)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u", tgid);
	_cleanup_close_ int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	int fd = openat(dir, "ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	/* Looked at last: dir is of one process, so what was opened through it is, too. */
	if (!is_process(dir, start_boot_ns)) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

static bool is_same(int a, int b)
{
	struct stat sa, sb;
	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* A netlink socket of that namespace: it stays there when the thread has come back. */
static int diag_open_in(int namespace_fd)
{
	_cleanup_close_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	if (is_same(own, namespace_fd))
		return diag_open();
	if (setns(namespace_fd, CLONE_NEWNET) < 0)
		return -errno;
	int fd = diag_open();
	/* Should this fail, no harm is done: what is asked next is asked from wherever this thread is. */
	(void)setns(own, CLONE_NEWNET);
	return fd;
}

int destroy_connection(const struct destroy_target *t)
{
	if ((t->family != AF_INET && t->family != AF_INET6) || !t->remote_port)
		return -EINVAL;
	_cleanup_close_ int namespace_fd = namespace_open(t->tgid, t->start_boot_ns);
	if (namespace_fd < 0)
		return namespace_fd;
	_cleanup_close_ int fd = diag_open_in(namespace_fd);
	if (fd < 0)
		return fd;
	return destroy_by(fd, t);
}

/* A socket that listens on loopback for as long as this takes. */
int destroy_try(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(name);
	struct destroy_target t = {.family = AF_INET};

	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&name, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&name, &len) < 0)
		return -errno;
	memcpy(t.local, &name.sin_addr, sizeof(name.sin_addr));
	t.local_port = ntohs(name.sin_port);
	_cleanup_close_ int fd = diag_open();
	return fd < 0 ? fd : destroy_by(fd, &t);
}
