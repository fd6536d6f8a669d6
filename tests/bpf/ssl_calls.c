/* SPDX-License-Identifier: Apache-2.0 */

/* The watched program of records_test: a TLS client and a TLS server in one process, joined by a BIO pair.
 * Its arguments are steps, done in order once a byte has come on standard input:
 *
 *   new            a client without a server name, and its server
 *   sni=NAME       the same with a server name
 *   write=N        the client writes N bytes with SSL_write, the server reads them
 *   write_ex=N     with SSL_write_ex
 *   text=STRING    the client writes this text (\r, \n and \x1f are understood), the server reads it
 *   read=N         the server writes N bytes, the client reads them with SSL_read
 *   read_ex=N      with SSL_read_ex
 *   fail_read      the client reads when there is nothing (WANT_READ)
 *   fail_write=N   the client writes N bytes with little room: WANT_WRITE until the server has read, then the
 * same call peek=N         the server writes N bytes, the client peeks at them, then reads them free SSL_free
 *   early=N        a resumed connection that writes N bytes as early data
 *   tcp=NAME       as sni, over TCP with a socket BIO: no SSL_set_fd
 *   memory=NAME    as sni, over TCP with memory BIOs: the thread sends after the call
 *   address        prints the TCP connection's ports as the client sees them, local and remote
 *   pause          SIGSTOP for itself
 *   exec=PROGRAM   replaces the program
 *
 * Byte i of a stream is (i * 7 + i / 251) % 256, counted from the connection's first byte in its direction
 * (text counts too). */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define BIO_SIZE (64 * 1024)

static SSL_CTX *client_ctx, *server_ctx;
static SSL *client, *server;
static size_t sent[2]; /* by the client, by the server */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ssl_calls: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	exit(9);
}

static void make_contexts(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();
	must(key && cert, "making a key");
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	client_ctx = SSL_CTX_new(TLS_client_method());
	server_ctx = SSL_CTX_new(TLS_server_method());
	must(SSL_CTX_use_certificate(server_ctx, cert) == 1 && SSL_CTX_use_PrivateKey(server_ctx, key) == 1,
	     "using the certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void make_pair(const char *name)
{
	BIO *a, *b;
	must(BIO_new_bio_pair(&a, BIO_SIZE, &b, BIO_SIZE) == 1, "making a BIO pair");
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	if (name)
		must(SSL_set_tlsext_host_name(client, name) == 1, "setting the name");
	for (int i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	must(SSL_is_init_finished(client) && SSL_is_init_finished(server), "handshake");
	sent[0] = sent[1] = 0;
}

/* --- over TCP ------------------------------------------------------------------------ */

static int client_fd = -1, server_fd = -1;
static BIO *wire; /* of memory BIOs: what the client has to send, and gets */

static void connect_tcp(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);

	must(bind(listener, (struct sockaddr *)&a, len) == 0 && listen(listener, 1) == 0 &&
		     getsockname(listener, (struct sockaddr *)&a, &len) == 0,
	     "listening");
	client_fd = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(client_fd, (struct sockaddr *)&a, len) == 0, "connecting");
	server_fd = accept(listener, NULL, NULL);
	must(server_fd >= 0, "accepting");
	close(listener);
	setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	must(fcntl(client_fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(server_fd, F_SETFL, O_NONBLOCK) == 0,
	     "O_NONBLOCK");
}

/* What the client's memory BIO holds goes out, what has come goes in. */
static void pump(void)
{
	static char buf[70000];
	ssize_t n;

	if (!wire)
		return;
	while ((n = BIO_read(wire, buf, sizeof(buf))) > 0)
		must(send(client_fd, buf, (size_t)n, 0) == n, "sending");
	while ((n = recv(client_fd, buf, 16384, 0)) > 0)
		must(BIO_write(wire, buf, (int)n) == n, "filling the BIO");
}

static void make_tcp(const char *name, bool memory)
{
	BIO *inner = NULL;

	connect_tcp();
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	if (memory)
		must(BIO_new_bio_pair(&inner, BIO_SIZE, &wire, BIO_SIZE) == 1, "making a BIO pair");
	else
		inner = BIO_new_socket(client_fd, BIO_NOCLOSE);
	BIO *peer = BIO_new_socket(server_fd, BIO_NOCLOSE);
	SSL_set_bio(client, inner, inner);
	SSL_set_bio(server, peer, peer);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	must(SSL_set_tlsext_host_name(client, name) == 1, "setting the name");
	for (int i = 0; i < 100 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
		SSL_do_handshake(client);
		pump();
		SSL_do_handshake(server);
		usleep(1000);
		pump();
	}
	must(SSL_is_init_finished(client) && SSL_is_init_finished(server), "handshake");
	sent[0] = sent[1] = 0;
}

static void print_address(void)
{
	struct sockaddr_in a, b;
	socklen_t len = sizeof(a);
	must(getsockname(client_fd, (struct sockaddr *)&a, &len) == 0 &&
		     getpeername(client_fd, (struct sockaddr *)&b, &len) == 0,
	     "asking for addresses");
	printf("%u %u\n", ntohs(a.sin_port), ntohs(b.sin_port));
	fflush(stdout);
}

/* ------------------------------------------------------------------------------------- */

static uint8_t *pattern(size_t from, size_t len)
{
	uint8_t *data = malloc(len ? len : 1);
	must(data != NULL, "malloc");
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((from + i) * 7 + (from + i) / 251);
	return data;
}

/* Reads what is there; returns the number of bytes. Not through the functions under test for the server,
 * whose connection is not watched anyway. */
static size_t drain(SSL *ssl, bool ex)
{
	static uint8_t buf[20000];
	size_t total = 0;
	for (;;) {
		size_t n = 0;
		if (ex ? SSL_read_ex(ssl, buf, sizeof(buf), &n) != 1
		       : (n = (size_t)SSL_read(ssl, buf, sizeof(buf)), (int)n <= 0))
			return total;
		total += n;
	}
}

/* Writes all of it, the other side reading whenever there is no more room. */
static void write_all(SSL *from, SSL *to, const uint8_t *data, size_t len, bool ex, bool reader_ex)
{
	size_t received = 0;
	SSL_clear_mode(from, SSL_MODE_ENABLE_PARTIAL_WRITE);
	for (;;) {
		size_t n = 0;
		bool ok = ex ? SSL_write_ex(from, data, len, &n) == 1 : SSL_write(from, data, (int)len) > 0;
		pump();
		received += drain(to, reader_ex);
		for (int i = 0; ok && received < len && i < 1000; i++) { /* TCP takes its time */
			usleep(1000);
			pump();
			received += drain(to, reader_ex);
		}
		if (ok)
			break;
		must(SSL_get_error(from, -1) == SSL_ERROR_WANT_WRITE, "writing");
	}
	must(received == len, "reading what was written");
}

static void step_write(size_t n, bool ex)
{
	uint8_t *data = pattern(sent[0], n);
	write_all(client, server, data, n, ex, false);
	sent[0] += n;
	free(data);
}

static void step_read(size_t n, bool ex)
{
	uint8_t *data = pattern(sent[1], n);
	write_all(server, client, data, n, false, ex);
	sent[1] += n;
	free(data);
}

static void step_text(const char *text)
{
	char *out = strdup(text);
	size_t n = 0;
	must(out != NULL, "strdup");
	for (const char *p = text; *p; p++) {
		unsigned int byte = (unsigned char)*p;
		int more = 0;
		if (p[0] == '\\' && (p[1] == 'r' || p[1] == 'n')) {
			byte = p[1] == 'r' ? '\r' : '\n';
			more = 1;
		} else if (sscanf(p, "\\x%2x%n", &byte, &more) == 1) {
			more--;
		}
		out[n++] = (char)byte;
		p += more;
	}
	write_all(client, server, (uint8_t *)out, n, false, false);
	sent[0] += n;
	free(out);
}

static void step_peek(size_t n)
{
	uint8_t *data = pattern(sent[1], n), look[64];
	must(SSL_write(server, data, (int)n) == (int)n, "writing");
	must(SSL_peek(client, look, sizeof(look)) > 0, "peeking");
	must(drain(client, false) == n, "reading");
	sent[1] += n;
	free(data);
}

static size_t nested_len;

static void on_handshake_done(const SSL *ssl, int where, int ret)
{
	(void)ret;
	if (!(where & SSL_CB_HANDSHAKE_DONE) || !nested_len)
		return;
	uint8_t *data = pattern(0, nested_len);
	must(SSL_write((SSL *)ssl, data, (int)nested_len) == (int)nested_len, "writing in the callback");
	sent[0] = nested_len;
	nested_len = 0;
	free(data);
}

static void step_nested(size_t n)
{
	uint8_t byte;
	BIO *a, *b;
	must(BIO_new_bio_pair(&a, BIO_SIZE, &b, BIO_SIZE) == 1, "making a BIO pair");
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	must(SSL_set_tlsext_host_name(client, "api.openai.com") == 1, "setting the name");
	SSL_set_info_callback(client, on_handshake_done);
	sent[0] = sent[1] = 0;
	nested_len = n;
	for (int i = 0; i < 10 && nested_len; i++) {
		SSL_read(client, &byte, 1);
		SSL_do_handshake(server);
	}
	must(nested_len == 0, "the handshake");
	SSL_do_handshake(server);
	must(drain(server, false) == n, "reading what the callback wrote");
}

static void step_early(size_t n)
{
	static uint8_t buf[20000];
	size_t done = 0;
	uint8_t *data = pattern(0, n);

	SSL_CTX_set_max_early_data(server_ctx, 16384);
	make_pair("api.openai.com");
	drain(client, false); /* takes the ticket */
	SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_set_shutdown(client,
			 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else it is no good for resuming */
	SSL_SESSION *session = SSL_get1_session(client);
	must(SSL_SESSION_get_max_early_data(session) > 0, "getting a ticket for early data");
	SSL_free(client);
	SSL_free(server);
	BIO *a, *b;
	must(BIO_new_bio_pair(&a, BIO_SIZE, &b, BIO_SIZE) == 1, "making a BIO pair");
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	must(SSL_set_tlsext_host_name(client, "api.openai.com") == 1 && SSL_set_session(client, session) == 1,
	     "resuming");
	must(SSL_write_early_data(client, data, n, &done) == 1 && done == n, "writing early data");
	must(SSL_read_early_data(server, buf, sizeof(buf), &done) == SSL_READ_EARLY_DATA_SUCCESS && done == n,
	     "reading early data");
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(client);
		(void)SSL_read_early_data(server, buf, sizeof(buf), &done);
		SSL_do_handshake(server);
	}
	must(SSL_is_init_finished(client) && SSL_is_init_finished(server), "handshake");
	sent[0] = n;
	sent[1] = 0;
	SSL_SESSION_free(session);
	free(data);
}

static void step(const char *s)
{
	const char *eq = strchr(s, '=');
	const char *value = eq ? eq + 1 : "";
	size_t name_len = eq ? (size_t)(eq - s) : strlen(s);
	size_t n = strtoul(value, NULL, 10);

#define IS(word) (name_len == strlen(word) && strncmp(s, word, name_len) == 0)
	if (IS("new"))
		make_pair(NULL);
	else if (IS("sni"))
		make_pair(value);
	else if (IS("write") || IS("fail_write"))
		step_write(n, false);
	else if (IS("write_ex"))
		step_write(n, true);
	else if (IS("text"))
		step_text(value);
	else if (IS("read"))
		step_read(n, false);
	else if (IS("read_ex"))
		step_read(n, true);
	else if (IS("fail_read"))
		must(SSL_read(client, (uint8_t[8]){0}, 8) < 0, "failing to read");
	else if (IS("peek"))
		step_peek(n);
	else if (IS("nested"))
		step_nested(n);
	else if (IS("early"))
		step_early(n);
	else if (IS("tcp") || IS("memory"))
		make_tcp(value, IS("memory"));
	else if (IS("address"))
		print_address();
	else if (IS("pause"))
		raise(SIGSTOP);
	else if (IS("free"))
		SSL_free(client), SSL_free(server);
	else if (IS("exec"))
		must(execl(value, value, (char *)NULL) == 0, "exec");
	else
		must(false, s);
#undef IS
}

int main(int argc, char **argv)
{
	char go;
	make_contexts();
	/* The probes are in place once this byte comes. */
	must(read(STDIN_FILENO, &go, 1) == 1, "waiting to start");
	for (int i = 1; i < argc; i++)
		step(argv[i]);
	return 0;
}
