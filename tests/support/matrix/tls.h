/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATRIX_TLS_H
#define MATRIX_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

struct tls_options {
	bool ex;       /* SSL_write_ex, SSL_read_ex */
	bool nonblock; /* partial writes, and a buffer that moves between tries */
	size_t piece;  /* bytes of a write; 0: all */
	size_t small;  /* writes of that size; what is left goes out in calls of 16 KiB */
};

struct tls {
	SSL *ssl;
	int fd;
	char host[256]; /* empty: not connected */
	unsigned int exchanges;
};

/* 0, or -errno: the library was not found, or lacks a function. libssl: with MATRIX_DLOPEN, the file. */
int tls_load(const char *libssl);
SSL_CTX *tls_context(const char *bundle, const struct tls_options *options);
/* Connects; an SSL object that is there already is cleared and used again. */
int tls_open(SSL_CTX *context, struct tls *tls, const char *host, const struct tls_options *options);
int tls_write(struct tls *tls, const unsigned char *data, size_t len, const struct tls_options *options);
/* Bytes read, 0 at the end, or -errno. */
ssize_t tls_read(struct tls *tls, unsigned char *data, size_t size, const struct tls_options *options);
/* Ends the connection and keeps the SSL object. */
void tls_close(struct tls *tls);
void tls_free(struct tls *tls);
/* Lets go of a connection that another process goes on with. */
void tls_leave(struct tls *tls);

#endif
