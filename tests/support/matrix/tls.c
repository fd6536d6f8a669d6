/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MATRIX_DLOPEN
/* SSL_set_tlsext_host_name and SSL_set_mode are macros over SSL_ctrl. */
#define FUNCTIONS(X)                                                                                         \
	X(TLS_client_method)                                                                                 \
	X(SSL_CTX_new)                                                                                       \
	X(SSL_CTX_ctrl)                                                                                      \
	X(SSL_CTX_load_verify_locations)                                                                     \
	X(SSL_CTX_set_verify)                                                                                \
	X(SSL_new)                                                                                           \
	X(SSL_clear)                                                                                         \
	X(SSL_free)                                                                                          \
	X(SSL_ctrl)                                                                                          \
	X(SSL_set1_host)                                                                                     \
	X(SSL_set_fd)                                                                                        \
	X(SSL_connect)                                                                                       \
	X(SSL_write)                                                                                         \
	X(SSL_write_ex)                                                                                      \
	X(SSL_read)                                                                                          \
	X(SSL_read_ex)                                                                                       \
	X(SSL_peek)                                                                                          \
	X(SSL_shutdown)                                                                                      \
	X(SSL_set_quiet_shutdown)                                                                            \
	X(SSL_get_error)

#define DECLARE(name) static typeof(&name) dl_##name;
FUNCTIONS(DECLARE)

int tls_load(const char *libssl)
{
	void *library = dlopen(libssl, RTLD_NOW | RTLD_LOCAL);
	bool all = library;

#define LOAD(name) all = all && (dl_##name = (typeof(&name))dlsym(library, #name));
	FUNCTIONS(LOAD)
	return all ? 0 : -ENOENT;
}

#define TLS_client_method	      dl_TLS_client_method
#define SSL_CTX_new		      dl_SSL_CTX_new
#define SSL_CTX_ctrl		      dl_SSL_CTX_ctrl
#define SSL_CTX_load_verify_locations dl_SSL_CTX_load_verify_locations
#define SSL_CTX_set_verify	      dl_SSL_CTX_set_verify
#define SSL_new			      dl_SSL_new
#define SSL_clear		      dl_SSL_clear
#define SSL_free		      dl_SSL_free
#define SSL_ctrl		      dl_SSL_ctrl
#define SSL_set1_host		      dl_SSL_set1_host
#define SSL_set_fd		      dl_SSL_set_fd
#define SSL_connect		      dl_SSL_connect
#define SSL_write		      dl_SSL_write
#define SSL_write_ex		      dl_SSL_write_ex
#define SSL_read		      dl_SSL_read
#define SSL_read_ex		      dl_SSL_read_ex
#define SSL_peek		      dl_SSL_peek
#define SSL_shutdown		      dl_SSL_shutdown
#define SSL_set_quiet_shutdown	      dl_SSL_set_quiet_shutdown
#define SSL_get_error		      dl_SSL_get_error
#else
int tls_load(const char *libssl)
{
	return libssl ? -EINVAL : 0;
}
#endif

SSL_CTX *tls_context(const char *bundle, const struct tls_options *options)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context || SSL_CTX_load_verify_locations(context, bundle, NULL) != 1)
		return NULL;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (options->nonblock)
		SSL_CTX_set_mode(context,
				 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return context;
}

static int dial(const char *host, const struct tls_options *options)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
	int buffer = 16384, fd;

	if (getaddrinfo(host, "443", &hints, &found))
		return -EHOSTUNREACH;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* A small buffer, so that writes really are partial. */
	if (fd >= 0 && options->nonblock)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd < 0 ? -ECONNREFUSED : fd;
}

/* Waits for what a call of the non-blocking client needs. 0, -EPIPE: the connection has ended, or failed. */
static int wait_for(struct tls *tls, int ret)
{
	struct pollfd one = {.fd = tls->fd};

	switch (SSL_get_error(tls->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		one.events = POLLIN;
		break;
	case SSL_ERROR_WANT_WRITE:
		one.events = POLLOUT;
		break;
	default:
		return -EPIPE;
	}
	return poll(&one, 1, 60000) == 1 ? 0 : -ETIMEDOUT;
}

int tls_open(SSL_CTX *context, struct tls *tls, const char *host, const struct tls_options *options)
{
	int r;

	if (strlen(host) >= sizeof(tls->host))
		return -EINVAL;
	if (tls->ssl)
		SSL_clear(tls->ssl);
	else
		tls->ssl = SSL_new(context);
	if (!tls->ssl)
		return -ENOMEM;
	tls->fd = dial(host, options);
	if (tls->fd < 0)
		return tls->fd;
	strcpy(tls->host, host);
	tls->exchanges = 0;
	SSL_set_tlsext_host_name(tls->ssl, host);
	SSL_set1_host(tls->ssl, host);
	if (options->nonblock && fcntl(tls->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (SSL_set_fd(tls->ssl, tls->fd) != 1)
		return -EIO;
	while ((r = SSL_connect(tls->ssl)) != 1)
		if (wait_for(tls, r) < 0)
			return -EPROTO;
	return 0;
}

static ssize_t write_once(struct tls *tls, const unsigned char *data, size_t len, bool ex)
{
	size_t done = 0;
	int r;

	if (ex)
		return SSL_write_ex(tls->ssl, data, len, &done) == 1 ? (ssize_t)done : -1;
	r = SSL_write(tls->ssl, data, len > INT_MAX ? INT_MAX : (int)len);
	return r > 0 ? r : -1;
}

/* Each try from memory of its own: what a try that failed was given is overwritten and gone before the next.
 */
static int write_moving(struct tls *tls, const unsigned char *data, size_t len, bool ex)
{
	int r = 0;

	while (len && !r) {
		unsigned char *copy = malloc(len);
		ssize_t n;

		if (!copy)
			return -ENOMEM;
		memcpy(copy, data, len);
		n = write_once(tls, copy, len, ex);
		if (n < 0)
			r = wait_for(tls, (int)n);
		memset(copy, '#', len);
		free(copy);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return r;
}

int tls_write(struct tls *tls, const unsigned char *data, size_t len, const struct tls_options *options)
{
	size_t small = options->small;

	if (options->nonblock)
		return write_moving(tls, data, len, options->ex);
	while (len) {
		size_t size = options->piece ? options->piece : len;
		ssize_t n;

		if (options->piece && small-- == 0) {
			size = 16384;
			small = 0;
		}
		n = write_once(tls, data, size < len ? size : len, options->ex);
		if (n < 0)
			return -EPIPE;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t tls_read(struct tls *tls, unsigned char *data, size_t size, const struct tls_options *options)
{
	unsigned char first;

	/* What is only looked at comes again. */
	if (!options->nonblock && !options->ex && SSL_peek(tls->ssl, &first, 1) != 1)
		return 0;
	for (;;) {
		size_t done = 0;
		int r;

		if (options->ex) {
			r = SSL_read_ex(tls->ssl, data, size, &done);
		} else {
			r = SSL_read(tls->ssl, data, (int)size);
			done = r > 0 ? (size_t)r : 0;
		}
		if (done)
			return (ssize_t)done;
		if (!options->nonblock)
			return 0;
		r = wait_for(tls, r);
		if (r < 0)
			return r == -EPIPE ? 0 : r;
	}
}

void tls_close(struct tls *tls)
{
	if (!tls->host[0])
		return;
	SSL_shutdown(tls->ssl);
	close(tls->fd);
	tls->host[0] = '\0';
}

void tls_free(struct tls *tls)
{
	tls_close(tls);
	if (tls->ssl)
		SSL_free(tls->ssl);
	tls->ssl = NULL;
}

void tls_leave(struct tls *tls)
{
	if (tls->ssl)
		SSL_set_quiet_shutdown(tls->ssl, 1);
	tls_free(tls);
}
