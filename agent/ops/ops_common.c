/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/ops_common.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "config/config.h"
#include "ops/status_socket.h"

int ops_write(int fd, const void *data, size_t len, const volatile int *stop)
{
	const char *p = data;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		int error = n == 0 ? EIO : errno;
		if (error == EAGAIN && poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1) < 0)
			error = errno;
		if (error == EINTR && stop && *stop)
			return -EINTR;
		if (error != EINTR && error != EAGAIN)
			return -error;
	}
	return 0;
}

int ops_bad_option(const char *command, int c, char **argv)
{
	char letter[3] = {'-', (char)optopt, '\0'};
	/* A long option has no letter; it is the word before optind. */
	const char *name = optopt > 0 && optopt < 128 ? letter : argv[optind - 1];
	fprintf(stderr, "oaitap %s: %s %s; see oaitap %s --help\n", command,
		c == ':' ? "a value is missing after" : "unknown option", name, command);
	return 2;
}

int ops_open_store(const char *command, const char *config_path, const char *store,
		   struct store_reader **ret_reader)
{
	_cleanup_(config_free) struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	int r;

	if (!store || config_path) {
		r = config_open(&config, config_path, &error);
		if (r < 0) {
			fprintf(stderr, "%s\n", error ? error : strerror(-r));
			return config_exit_code(r);
		}
	}
	r = store_reader_open(ret_reader, store ? store : config->store_path, &error);
	if (r == 0)
		return 0;
	fprintf(stderr, "oaitap %s: %s\n", command, error ? error : strerror(-r));
	return config_exit_code(r);
}

int ops_read_failed(const char *command, int error)
{
	const char *why = strerror(-error);
	if (error == -EBUSY)
		why = "it is locked by another program; try again";
	if (error == -EBADMSG)
		why = "it is damaged";
	fprintf(stderr, "oaitap %s: cannot read the store: %s\n", command, why);
	return config_exit_code(error);
}

int ops_write_failed(const char *command, int error)
{
	if (error >= 0 || error == -EPIPE || error == -EINTR)
		return 0;
	fprintf(stderr, "oaitap %s: cannot write the output: %s\n", command, strerror(-error));
	return 1;
}

int ops_agent_options(const char *command, int argc, char **argv, void (*print_help)(void),
		      struct ops_agent_options *ret_options)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 'S'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct ops_agent_options *o = ret_options;

	*o = (struct ops_agent_options){0};
	opterr = 0;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, ":c:S:h", longs, NULL)) != -1;) {
		switch (c) {
		case 'j':
			o->json = true;
			break;
		case 'c':
			o->config_path = optarg;
			break;
		case 'S':
			o->socket_path = optarg;
			break;
		case 'h':
			print_help();
			return 0;
		default:
			return ops_bad_option(command, c, argv);
		}
	}
	return -1;
}

int ops_ask_agent(const char *path, struct buf *answer)
{
	struct sockaddr_un addr;
	int r = status_socket_address(path, &addr);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* An agent that is stopped must not stop us. */
	const struct timeval patience = {.tv_sec = 10};
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	for (;;) {
		char chunk[4096];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return answer->len ? 0 : -ENODATA;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && (r = buf_append(answer, chunk, (size_t)n)) < 0)
			return r;
	}
}
