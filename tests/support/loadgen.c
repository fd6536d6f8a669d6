/* SPDX-License-Identifier: Apache-2.0 */

/* Load for the end-to-end tests: many keep-alive TLS connections that make chat completions, and the server
 * that answers them. Bounded in count and time.
 *
 *   loadgen server --cert FILE --key FILE [--address A] [--port N] [--delay MS] [--seconds N]
 *   loadgen client --host NAME --truth FILE [--address A] [--port N] [--connections N] [--exchanges N]
 *                  [--request BYTES] [--response BYTES] [--chunks N] [--seconds N] [--ca FILE] [--first N]
 *
 * With --chunks the answer is a stream of that many events, each written by itself; --response is then the
 * length of their texts together.
 *
 * Every request body holds an id, "load-CONNECTION-NUMBER" (connections count from --first, or 0), and says
 * how long the answer shall be; the answer repeats the id. The client checks that, and writes for each
 * exchange one line: id, SHA-256 of the request's body, of the answer's body. The server prints "ready" when
 * it listens. The client prints one line of totals. */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#define MAX_CONNECTIONS 1024
#define MAX_EXCHANGES	1000000
#define MAX_BODY	(8 << 20)
#define MAX_CHUNKS	10000
#define MAX_CHUNK	65536
#define MAX_HEAD	4096
#define ID_MAX		64
#define HEX_LEN		65
#define LINE_LEN	(ID_MAX + 2 * HEX_LEN + 2)

struct options {
	const char *host, *address, *cert, *key, *ca, *truth;
	int port;
	long connections, exchanges, first, request, response, chunks, seconds, delay_ms;
};

/* One connection. The buffer holds one whole message and what came after it. */
struct peer {
	SSL *ssl;
	char *buf;
	size_t len, size;
};

struct message {
	char head[MAX_HEAD];
	const char *body; /* in the peer's buffer, until the next message */
	size_t body_len, total;
};

struct worker {
	const struct options *options;
	SSL_CTX *ctx;
	pthread_t thread;
	int fd;
	long number, done;
	char *lines; /* done lines of LINE_LEN */
	const char *error;
};

static void peer_done(struct peer *p)
{
	if (p->ssl) {
		int fd = SSL_get_fd(p->ssl);
		SSL_free(p->ssl);
		close(fd);
	}
	free(p->buf);
	*p = (struct peer){0};
}

static void sha256_hex(const void *data, size_t len, char ret_hex[static HEX_LEN])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!EVP_Digest(data, len, sum, &n, EVP_sha256(), NULL))
		abort();
	for (unsigned int i = 0; i < n; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
}

/* Plaintext of all connections together. */
static atomic_ullong bytes_written, bytes_read;

static int write_all(SSL *ssl, const char *data, size_t len)
{
	size_t n = 0;
	while (len > 0) {
		if (SSL_write_ex(ssl, data, len, &n) != 1)
			return -EIO;
		atomic_fetch_add(&bytes_written, n);
		data += n;
		len -= n;
	}
	return 0;
}

static int read_more(struct peer *p)
{
	size_t n = 0;
	if (p->size - p->len < 16384) {
		size_t size = p->size ? p->size * 2 : 65536;
		char *buf = size > MAX_BODY * 2 ? NULL : realloc(p->buf, size);
		if (!buf)
			return -ENOMEM;
		p->buf = buf;
		p->size = size;
	}
	if (SSL_read_ex(p->ssl, p->buf + p->len, p->size - p->len, &n) != 1)
		return -EIO;
	atomic_fetch_add(&bytes_read, n);
	p->len += n;
	return 0;
}

/* The length that the chunk at this place claims, and of the line that says so. */
static int read_chunk_size(struct peer *p, size_t at, size_t *ret_size, size_t *ret_line)
{
	char *end;
	int r;

	while (p->len <= at || !(end = memmem(p->buf + at, p->len - at, "\r\n", 2)))
		if ((r = read_more(p)) < 0)
			return r;
	unsigned long size = strtoul(p->buf + at, NULL, 16);
	if (size > MAX_BODY)
		return -EBADMSG;
	*ret_size = size;
	*ret_line = (size_t)(end - p->buf) - at + 2;
	return 0;
}

/* Decodes in place: the body closes up behind the head. */
static int read_chunks(struct peer *p, size_t head_len, struct message *ret_msg)
{
	size_t at = head_len, body_len = 0, size, line;
	int r;

	do {
		if ((r = read_chunk_size(p, at, &size, &line)) < 0)
			return r;
		while (p->len < at + line + size + 2)
			if ((r = read_more(p)) < 0)
				return r;
		memmove(p->buf + head_len + body_len, p->buf + at + line, size);
		body_len += size;
		at += line + size + 2;
	} while (size > 0);
	ret_msg->body = p->buf + head_len;
	ret_msg->body_len = body_len;
	ret_msg->total = at;
	return 0;
}

/* The next message, with a content-length or chunked. 0; -EIO: the connection ended; -EBADMSG. */
static int read_message(struct peer *p, struct message *ret_msg)
{
	char *end;
	int r;

	while (!p->len || !(end = memmem(p->buf, p->len, "\r\n\r\n", 4)))
		if ((r = read_more(p)) < 0)
			return r;
	size_t head_len = (size_t)(end - p->buf) + 4;
	if (head_len >= MAX_HEAD)
		return -EBADMSG;
	memcpy(ret_msg->head, p->buf, head_len);
	ret_msg->head[head_len] = 0;
	if (strcasestr(ret_msg->head, "\r\ntransfer-encoding: chunked\r\n"))
		return read_chunks(p, head_len, ret_msg);
	const char *field = strcasestr(ret_msg->head, "\r\ncontent-length:");
	unsigned long length = field ? strtoul(field + strlen("\r\ncontent-length:"), NULL, 10) : 0;
	if (!field || length > MAX_BODY)
		return -EBADMSG;
	while (p->len < head_len + length)
		if ((r = read_more(p)) < 0)
			return r;
	ret_msg->body = p->buf + head_len;
	ret_msg->body_len = length;
	ret_msg->total = head_len + length;
	return 0;
}

static void consume(struct peer *p, size_t len)
{
	memmove(p->buf, p->buf + len, p->len - len);
	p->len -= len;
}

/* The value of a member "key":"..." without escapes in it. */
static int find_string(const struct message *msg, const char *key, char *ret_value, size_t size)
{
	char pattern[64];
	int n = snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	const char *at = memmem(msg->body, msg->body_len, pattern, (size_t)n);
	if (!at)
		return -EBADMSG;
	at += n;
	const char *end = memchr(at, '"', msg->body_len - (size_t)(at - msg->body));
	if (!end || (size_t)(end - at) >= size)
		return -EBADMSG;
	memcpy(ret_value, at, (size_t)(end - at));
	ret_value[end - at] = 0;
	return 0;
}

/* Text that differs from place to place, so that a splice cannot go unnoticed. */
static size_t put_text(char *out, size_t len, const char *id)
{
	size_t at = 0;
	for (unsigned int i = 0; at < len; i++) {
		char piece[ID_MAX + 32];
		int n = snprintf(piece, sizeof(piece), "%u %s Grüße 😀 ", i, id);
		if ((size_t)n > len - at)
			break;
		memcpy(out + at, piece, (size_t)n);
		at += (size_t)n;
	}
	memset(out + at, '.', len - at);
	return len;
}

struct text {
	char *data;
	size_t len;
};

static int make_text(struct text *ret_text, const char *before, const char *after, long size, const char *id)
{
	size_t before_len = strlen(before), after_len = strlen(after);
	size_t fill = (size_t)size > before_len + after_len ? (size_t)size - before_len - after_len : 16;
	char *data = malloc(before_len + fill + after_len + 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, before, before_len);
	put_text(data + before_len, fill, id);
	memcpy(data + before_len + fill, after, after_len + 1);
	ret_text->data = data;
	ret_text->len = before_len + fill + after_len;
	return 0;
}

static int make_request(const struct options *o, const char *id, struct text *ret_body)
{
	char before[512], stream[64] = "";
	if (o->chunks)
		snprintf(stream, sizeof(stream), "\"stream\":true,\"chunks\":\"%ld\",", o->chunks);
	snprintf(before, sizeof(before),
		 "{\"model\":\"gpt-4o-mini\",%s\"user\":\"%s\",\"metadata\":{\"answer\":\"%ld\"},"
		 "\"messages\":["
		 "{\"role\":\"user\","
		 "\"content\":\"id %s ",
		 stream, id, o->response, id);
	return make_text(ret_body, before, "\"}]}", o->request, id);
}

static int make_answer(const char *id, long size, struct text *ret_body)
{
	char before[512];
	const char *after = "\",\"refusal\":null},\"finish_reason\":\"stop\",\"logprobs\":null}],"
			    "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}";
	snprintf(before, sizeof(before),
		 "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"gpt-4o-"
		 "mini-2024-07-18\","
		 "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
		 id);
	return make_text(ret_body, before, after, size, id);
}

/* Head and body in one write, as most clients do. */
static int send_message(SSL *ssl, const char *head, const struct text *body)
{
	size_t head_len = strlen(head);
	char *all = malloc(head_len + body->len);
	if (!all)
		return -ENOMEM;
	memcpy(all, head, head_len);
	memcpy(all + head_len, body->data, body->len);
	int r = write_all(ssl, all, head_len + body->len);
	free(all);
	return r;
}

/* One event as one chunk in one write, as servers send what a model has just made. */
static int send_chunk(SSL *ssl, const char *id, const char *choices, const char *rest)
{
	char event[MAX_CHUNK], chunk[MAX_CHUNK + 32];
	int n = snprintf(event, sizeof(event),
			 "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
			 "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[%s]%s}\n\n",
			 id, choices, rest);
	if (n < 0 || (size_t)n >= sizeof(event))
		return -E2BIG;
	n = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", (unsigned int)n, event);
	return write_all(ssl, chunk, (size_t)n);
}

static int send_texts(SSL *ssl, const char *id, long chunks, long text_len)
{
	char text[MAX_CHUNK / 2], choice[MAX_CHUNK / 2 + 128];
	size_t len = (size_t)text_len < sizeof(text) - 1 ? (size_t)text_len : sizeof(text) - 1;
	int r = 0;

	for (long i = 0; i < chunks && r == 0; i++) {
		memset(text, 'a' + (int)(i % 26), len);
		text[len] = 0;
		snprintf(choice, sizeof(choice),
			 "{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":"
			 "null}",
			 text);
		r = send_chunk(ssl, id, choice, "");
	}
	return r;
}

static int send_stream(SSL *ssl, const char *id, long chunks, long size)
{
	static const char end[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
	char head[MAX_HEAD];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
			 "Transfer-Encoding: chunked\r\nx-request-id: %s\r\n\r\n",
			 id);

	int r = write_all(ssl, head, (size_t)n);
	if (r == 0)
		r = send_texts(ssl, id, chunks, size / chunks > 0 ? size / chunks : 1);
	if (r == 0)
		r = send_chunk(ssl, id,
			       "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}", "");
	if (r == 0)
		r = send_chunk(
			ssl, id, "",
			",\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}");
	return r < 0 ? r : write_all(ssl, end, sizeof(end) - 1);
}

static void pause_ms(long ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
	if (ms)
		nanosleep(&pause, NULL);
}

static int answer_one(const struct options *o, struct peer *p)
{
	char id[ID_MAX], size[32], chunks[32], head[MAX_HEAD];
	struct message msg;
	struct text body;

	int r = read_message(p, &msg);
	if (r < 0)
		return r;
	if ((r = find_string(&msg, "user", id, sizeof(id))) < 0 ||
	    (r = find_string(&msg, "answer", size, sizeof(size))) < 0)
		return r;
	long n_chunks =
		find_string(&msg, "chunks", chunks, sizeof(chunks)) < 0 ? 0 : strtol(chunks, NULL, 10);
	consume(p, msg.total);
	long wanted = strtol(size, NULL, 10);
	if (wanted < 0 || wanted > MAX_BODY || n_chunks < 0 || n_chunks > MAX_CHUNKS)
		return -EBADMSG;
	pause_ms(o->delay_ms);
	if (n_chunks)
		return send_stream(p->ssl, id, n_chunks, wanted);
	if ((r = make_answer(id, wanted, &body)) < 0)
		return r;
	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nx-request-id: "
		 "%s\r\n"
		 "openai-processing-ms: 12\r\n\r\n",
		 body.len, id);
	r = send_message(p->ssl, head, &body);
	free(body.data);
	return r;
}

static void *serve(void *arg)
{
	struct worker *w = arg;
	struct peer p = {.ssl = SSL_new(w->ctx)};

	if (p.ssl && SSL_set_fd(p.ssl, w->fd) == 1 && SSL_accept(p.ssl) == 1)
		while (answer_one(w->options, &p) == 0)
			;
	peer_done(&p);
	free(w);
	return NULL;
}

static int address_of(const struct options *o, struct sockaddr_in *ret_addr)
{
	*ret_addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
	return inet_pton(AF_INET, o->address, &ret_addr->sin_addr) == 1 ? 0 : -EINVAL;
}

static int run_server(const struct options *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct sockaddr_in addr;
	int one = 1;

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		return 1;
	}
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || address_of(o, &addr) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1024) < 0) {
		fprintf(stderr, "loadgen: cannot listen on %s:%d: %s\n", o->address, o->port,
			strerror(errno));
		return 1;
	}
	alarm((unsigned int)o->seconds);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		struct worker *w = peer < 0 ? NULL : calloc(1, sizeof(*w));
		if (!w) {
			close(peer);
			continue;
		}
		setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		*w = (struct worker){.ctx = ctx, .fd = peer, .options = o};
		if (pthread_create(&w->thread, NULL, serve, w) != 0) {
			close(peer);
			free(w);
			continue;
		}
		pthread_detach(w->thread);
	}
}

static int connect_peer(const struct options *o, SSL_CTX *ctx, struct peer *ret_peer)
{
	struct sockaddr_in addr;
	int one = 1;

	if (address_of(o, &addr) < 0)
		return -EINVAL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	SSL *ssl = SSL_new(ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_set_tlsext_host_name(ssl, o->host) != 1 ||
	    SSL_set1_host(ssl, o->host) != 1 || SSL_connect(ssl) != 1) {
		SSL_free(ssl);
		close(fd);
		return -EIO;
	}
	*ret_peer = (struct peer){.ssl = ssl};
	return 0;
}

static int exchange_one(struct worker *w, struct peer *p, long number)
{
	const struct options *o = w->options;
	char id[ID_MAX], got[ID_MAX], head[MAX_HEAD], request_sum[HEX_LEN], answer_sum[HEX_LEN];
	struct message msg;
	struct text body;

	snprintf(id, sizeof(id), "load-%ld-%ld", w->number, number);
	int r = make_request(o, id, &body);
	if (r < 0)
		return r;
	sha256_hex(body.data, body.len, request_sum);
	snprintf(head, sizeof(head),
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\nAuthorization: Bearer sk-load-%ld-%ld\r\n\r\n",
		 o->host, body.len, w->number, number);
	r = send_message(p->ssl, head, &body);
	free(body.data);
	if (r == 0)
		r = read_message(p, &msg);
	if (r == 0)
		r = find_string(&msg, "id", got, sizeof(got));
	if (r < 0)
		return r;
	if (strcmp(got, id) != 0)
		return -EBADMSG;
	sha256_hex(msg.body, msg.body_len, answer_sum);
	consume(p, msg.total);
	snprintf(w->lines + w->done * LINE_LEN, LINE_LEN, "%s %s %s", id, request_sum, answer_sum);
	w->done++;
	return 0;
}

static void *make_load(void *arg)
{
	struct worker *w = arg;
	struct peer p = {0};

	int r = connect_peer(w->options, w->ctx, &p);
	for (long i = 0; i < w->options->exchanges && r == 0; i++)
		r = exchange_one(w, &p, i);
	w->error = r < 0 ? strerror(-r) : NULL;
	peer_done(&p);
	return NULL;
}

static int write_truth(const struct options *o, const struct worker *workers)
{
	FILE *file = fopen(o->truth, "we");
	if (!file)
		return -errno;
	for (long i = 0; i < o->connections; i++)
		for (long k = 0; k < workers[i].done; k++)
			fprintf(file, "%s\n", workers[i].lines + k * LINE_LEN);
	return fclose(file) == 0 ? 0 : -errno;
}

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static int run_client(const struct options *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct worker *workers = calloc((size_t)o->connections, sizeof(*workers));
	struct timespec from, to, cpu_from, cpu_to;
	long done = 0, failed = 0;

	if (!ctx || !workers ||
	    (o->ca ? SSL_CTX_load_verify_locations(ctx, o->ca, NULL)
		   : SSL_CTX_set_default_verify_paths(ctx)) != 1) {
		ERR_print_errors_fp(stderr);
		return 1;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	alarm((unsigned int)o->seconds);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_from);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (long i = 0; i < o->connections; i++) {
		struct worker *w = &workers[i];
		*w = (struct worker){.options = o, .ctx = ctx, .number = o->first + i};
		w->lines = calloc((size_t)o->exchanges, LINE_LEN);
		if (!w->lines || pthread_create(&w->thread, NULL, make_load, w) != 0) {
			fprintf(stderr, "loadgen: no memory or no thread\n");
			return 1;
		}
	}
	for (long i = 0; i < o->connections; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
		if (workers[i].error && failed++ == 0)
			fprintf(stderr, "loadgen: connection %ld: %s\n", i, workers[i].error);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_to);
	int r = write_truth(o, workers);
	if (r < 0)
		fprintf(stderr, "loadgen: %s: %s\n", o->truth, strerror(-r));
	printf("exchanges %ld failed-connections %ld seconds %.6f cpu-seconds %.6f written %llu read %llu\n",
	       done, failed, seconds_between(&from, &to), seconds_between(&cpu_from, &cpu_to),
	       atomic_load(&bytes_written), atomic_load(&bytes_read));
	for (long i = 0; i < o->connections; i++)
		free(workers[i].lines);
	free(workers);
	SSL_CTX_free(ctx);
	return r < 0 || failed ? 1 : 0;
}

static long number(const char *name, const char *text, long max)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < 1 || value > max) {
		fprintf(stderr, "loadgen: --%s: a number from 1 to %ld is expected, not %s\n", name, max,
			text);
		exit(2);
	}
	return value;
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr,
		"usage: loadgen server --cert FILE --key FILE [--address A] [--port N] [--delay MS] "
		"[--seconds N]\n"
		"       loadgen client --host NAME --truth FILE [--ca FILE] [--address A] [--port N]\n"
		"                      [--connections N] [--exchanges N] [--request BYTES] [--response BYTES]"
		" [--chunks N] [--seconds N]\n"
		"                      [--first N]\n");
	exit(2);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"host", required_argument, NULL, 'h'},	   {"address", required_argument, NULL, 'a'},
		{"cert", required_argument, NULL, 'c'},	   {"key", required_argument, NULL, 'k'},
		{"ca", required_argument, NULL, 'C'},	   {"truth", required_argument, NULL, 't'},
		{"port", required_argument, NULL, 'p'},	   {"connections", required_argument, NULL, 'n'},
		{"first", required_argument, NULL, 'f'},   {"exchanges", required_argument, NULL, 'm'},
		{"request", required_argument, NULL, 'q'}, {"response", required_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'}, {"delay", required_argument, NULL, 'd'},
		{"chunks", required_argument, NULL, 'u'},  {0},
	};
	int c, index = 0;

	while ((c = getopt_long(argc, argv, "", names, &index)) != -1) {
		const char *name = c == '?' ? "" : names[index].name;
		switch (c) {
		case 'h':
			o->host = optarg;
			break;
		case 'a':
			o->address = optarg;
			break;
		case 'c':
			o->cert = optarg;
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'C':
			o->ca = optarg;
			break;
		case 't':
			o->truth = optarg;
			break;
		case 'p':
			o->port = (int)number(name, optarg, 65535);
			break;
		case 'n':
			o->connections = number(name, optarg, MAX_CONNECTIONS);
			break;
		case 'f':
			o->first = number(name, optarg, MAX_EXCHANGES);
			break;
		case 'm':
			o->exchanges = number(name, optarg, MAX_EXCHANGES);
			break;
		case 'q':
			o->request = number(name, optarg, MAX_BODY);
			break;
		case 'r':
			o->response = number(name, optarg, MAX_BODY);
			break;
		case 'u':
			o->chunks = number(name, optarg, MAX_CHUNKS);
			break;
		case 'd':
			o->delay_ms = number(name, optarg, 60000);
			break;
		case 's':
			o->seconds = number(name, optarg, 3600);
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	struct options o = {
		.address = "127.0.0.2",
		.port = 443,
		.connections = 16,
		.exchanges = 1000,
		.request = 4096,
		.response = 2048,
		.seconds = 300,
	};

	if (argc < 2)
		usage();
	parse(argc - 1, argv + 1, &o);
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[1], "server") == 0 && o.cert && o.key)
		return run_server(&o);
	if (strcmp(argv[1], "client") == 0 && o.host && o.truth)
		return run_client(&o);
	usage();
}
