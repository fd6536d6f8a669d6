/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small HTTPS server on 127.0.0.1 with a certificate of a CA of its own, for tests of what fetches from it.
 * One connection at a time, one request a connection. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "signer.h"

struct tls_server {
	char ca_path[80]; /* written by tls_server_start() */
	unsigned int port;
	SSL_CTX *ctx;
	int fd;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint requests, handshakes_failed;
	pthread_mutex_t lock;
	char *answer; /* whole, with its head */
	size_t answer_len;
	size_t repeat;	       /* of the answer's last byte: how often it is sent again */
	unsigned int stall_ms; /* between accept and answer */
};

/* head: status line and further fields, each with its CR LF. */
static inline void tls_server_answer(struct tls_server *s, const char *head, const char *body)
{
	char *answer;
	int n = asprintf(&answer, "%sConnection: close\r\n\r\n%s", head, body);
	assert_true(n > 0);
	pthread_mutex_lock(&s->lock);
	free(s->answer);
	s->answer = answer;
	s->answer_len = (size_t)n;
	pthread_mutex_unlock(&s->lock);
}

static inline void tls_add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline X509 *tls_certificate(EVP_PKEY *pkey, const char *name, X509 *issuer, EVP_PKEY *issuer_key,
				    const char *san)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), san ? 2 : 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, pkey);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
	tls_add_extension(cert, NID_basic_constraints, san ? "CA:FALSE" : "critical,CA:TRUE");
	if (san)
		tls_add_extension(cert, NID_subject_alt_name, san);
	assert_true(X509_sign(cert, issuer_key ? issuer_key : pkey, EVP_sha256()) > 0);
	return cert;
}

static inline void tls_serve(struct tls_server *s, int fd)
{
	SSL *ssl = SSL_new(s->ctx);
	char request[4096];
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) != 1) {
		atomic_fetch_add(&s->handshakes_failed, 1);
	} else if (SSL_read(ssl, request, sizeof(request)) > 0) {
		atomic_fetch_add(&s->requests, 1);
		pthread_mutex_lock(&s->lock);
		for (unsigned int i = 0; i < s->stall_ms / 10 && !atomic_load(&s->stop); i++)
			usleep(10000);
		int n = SSL_write(ssl, s->answer, (int)s->answer_len);
		char block[16384];
		memset(block, s->answer[s->answer_len - 1], sizeof(block));
		for (size_t sent = 0; n > 0 && sent < s->repeat; sent += sizeof(block))
			n = SSL_write(ssl, block, sizeof(block));
		pthread_mutex_unlock(&s->lock);
		if (n > 0)
			SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

static inline void *tls_server_main(void *arg)
{
	struct tls_server *s = arg;
	while (!atomic_load(&s->stop)) {
		struct pollfd ready = {.fd = s->fd, .events = POLLIN};
		if (poll(&ready, 1, 20) <= 0)
			continue;
		int fd = accept(s->fd, NULL, NULL);
		if (fd >= 0) {
			tls_serve(s, fd);
			close(fd);
		}
	}
	return NULL;
}

/* port 0: any free one. san: "IP:127.0.0.1". */
static inline void tls_server_listen(struct tls_server *s, unsigned int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof(address);
	int on = 1;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
	s->port = ntohs(address.sin_port);
	atomic_store(&s->stop, false);
	assert_int_equal(pthread_create(&s->thread, NULL, tls_server_main, s), 0);
}

static inline void tls_server_start(struct tls_server *s, const char *ca_path, const char *san)
{
	EVP_PKEY *ca_key = signer_p256(), *key = signer_p256();
	X509 *ca = tls_certificate(ca_key, "oaitap test CA", NULL, NULL, NULL);
	X509 *cert = tls_certificate(key, "server", ca, ca_key, san);
	snprintf(s->ca_path, sizeof(s->ca_path), "%s", ca_path);
	FILE *f = fopen(ca_path, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, ca), 1);
	fclose(f);
	s->ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(s->ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s->ctx, key), 1);
	pthread_mutex_init(&s->lock, NULL);
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
	tls_server_listen(s, 0);
}

/* Nobody listens any more; tls_server_listen() with its port begins again. */
static inline void tls_server_down(struct tls_server *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static inline void tls_server_stop(struct tls_server *s)
{
	tls_server_down(s);
	SSL_CTX_free(s->ctx);
	pthread_mutex_destroy(&s->lock);
	free(s->answer);
	unlink(s->ca_path);
}
