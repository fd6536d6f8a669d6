/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/status_server.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"
#include "ops/status_socket.h"

#define TEXT_MAX (1 << 20)

struct status_server {
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	status_text_fn fn;
	void *ctx;
};

/* 0: nobody answers there, the name is free now. */
static int clear_stale(const char *path, const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr;
	_cleanup_free_ char *copy = strdup(path);

	int r = status_socket_address(path, &addr);
	if (r < 0)
		return r;
	if (!copy)
		return -ENOMEM;
	if (mkdir(dirname(copy), 0755) < 0 && errno != EEXIST)
		return -errno;
	r = clear_stale(path, &addr);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The process's umask is 077, so nobody else can connect between these two. */
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0600) < 0 ||
	    listen(fd, 16) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int status_server_new(struct status_server **ret_server, const char *path, status_text_fn fn, void *ctx)
{
	struct status_server *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = listen_at(path);
	if (s->fd < 0) {
		int r = s->fd;
		free(s);
		return r;
	}
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->fn = fn;
	s->ctx = ctx;
	*ret_server = s;
	return 0;
}

void status_server_free(struct status_server **server)
{
	if (!*server)
		return;
	unlink((*server)->path);
	close((*server)->fd);
	free(*server);
	*server = NULL;
}

int status_server_fd(const struct status_server *s)
{
	return s->fd;
}

void status_server_run(struct status_server *s)
{
	for (;;) {
		_cleanup_close_ int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		struct buf text;
		buf_init(&text, TEXT_MAX);
		/* A few kilobytes fit the socket's buffer: one send, and who does not read has no answer. */
		if (s->fn(s->ctx, &text) == 0)
			(void)!send(fd, text.data, text.len, MSG_NOSIGNAL);
		buf_done(&text);
	}
}
