/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

struct bytes {
	unsigned char *data;
	size_t len, size;
};

static int reserve(struct bytes *b, size_t more)
{
	unsigned char *data;

	if (b->size - b->len >= more)
		return 0;
	data = realloc(b->data, 2 * b->size + more);
	if (!data)
		return -ENOMEM;
	b->size = 2 * b->size + more;
	b->data = data;
	return 0;
}

static int add(struct bytes *b, const void *data, size_t len)
{
	if (reserve(b, len) < 0)
		return -ENOMEM;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

__attribute__((format(printf, 2, 3))) static int print(struct bytes *b, const char *format, ...)
{
	char line[2048];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return n < 0 || (size_t)n >= sizeof(line) ? -E2BIG : add(b, line, (size_t)n);
}

static void hash(const unsigned char *data, size_t len, char ret[65])
{
	unsigned char digest[32];
	unsigned int size = 0;

	if (EVP_Digest(data, len, digest, &size, EVP_sha256(), NULL) != 1 || size != sizeof(digest))
		abort();
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static int read_file(const char *path, struct bytes *ret)
{
	FILE *file = path[0] ? fopen(path, "rb") : NULL;
	size_t n;
	int r = 0;

	if (!path[0])
		return 0;
	if (!file)
		return -errno;
	do {
		r = reserve(ret, 1 << 20);
		n = r < 0 ? 0 : fread(ret->data + ret->len, 1, 1 << 20, file);
		ret->len += n;
	} while (n);
	fclose(file);
	return r;
}

/* Chunks of many sizes, a TLS record's among them. */
static int add_chunks(struct bytes *out, const struct bytes *body)
{
	static const size_t sizes[] = {1, 16384, 7, 16383, 4096, 16385, 100, 65536};
	size_t at = 0;

	for (size_t i = 0; at < body->len; i++) {
		size_t size = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];

		size = size < body->len - at ? size : body->len - at;
		if (print(out, "%zx\r\n", size) < 0 || add(out, body->data + at, size) < 0 ||
		    add(out, "\r\n", 2) < 0)
			return -ENOMEM;
		at += size;
	}
	return add(out, "0\r\n\r\n", 5);
}

static int add_request(struct bytes *out, const struct job *job, const struct bytes *body)
{
	int r = print(out, "%s %s HTTP/1.1\r\nHost: %s\r\nApi-Key: 0123456789abcdef0123456789abcdef\r\n",
		      job->method, job->target, job->host);

	if (!r && job->header[0])
		r = print(out, "%s\r\n", job->header);
	if (r)
		return r;
	if (!strcmp(job->framing, "none"))
		return add(out, "\r\n", 2);
	if (print(out, "Content-Type: application/json\r\n") < 0)
		return -ENOMEM;
	if (!strcmp(job->framing, "chunked"))
		return print(out, "Transfer-Encoding: chunked\r\n\r\n") ?: add_chunks(out, body);
	return print(out, "Content-Length: %zu\r\n\r\n", body->len) ?: add(out, body->data, body->len);
}

struct answer {
	struct tls *tls;
	const struct tls_options *options;
	struct bytes in;
	size_t at; /* bytes taken */
};

static int more(struct answer *a)
{
	ssize_t n;

	if (reserve(&a->in, 40000) < 0)
		return -ENOMEM;
	n = tls_read(a->tls, a->in.data + a->in.len, 40000, a->options);
	if (n <= 0)
		return -EPIPE;
	a->in.len += (size_t)n;
	return 0;
}

static int take(struct answer *a, size_t len, struct bytes *out)
{
	while (a->in.len - a->at < len) {
		int r = more(a);

		if (r < 0)
			return r;
	}
	a->at += len;
	return add(out, a->in.data + a->at - len, len);
}

/* Up to and with the mark; the text ends with a zero byte. */
static int take_until(struct answer *a, const char *mark, struct bytes *out)
{
	unsigned char *end;

	while (!a->in.data || !(end = memmem(a->in.data + a->at, a->in.len - a->at, mark, strlen(mark)))) {
		int r = more(a);

		if (r < 0)
			return r;
	}
	out->len = 0;
	return take(a, (size_t)(end - a->in.data) + strlen(mark) - a->at, out) ?: add(out, "", 1);
}

static int take_chunks(struct answer *a, struct bytes *line, struct bytes *body)
{
	size_t size;

	do {
		int r = take_until(a, "\r\n", line);

		if (r < 0)
			return r;
		size = strtoull((char *)line->data, NULL, 16);
		r = take(a, size, body) ?: take_until(a, "\r\n", line);
		if (r < 0)
			return r;
		if (strcmp((char *)line->data, "\r\n") != 0)
			return -EBADMSG;
	} while (size);
	return 0;
}

static int take_answer(struct answer *a, struct bytes *line, struct bytes *body, int *ret_status)
{
	int r = take_until(a, "\r\n\r\n", line);
	const char *head = (char *)line->data, *length;

	if (r < 0)
		return r;
	if (sscanf(head, "HTTP/1.1 %d ", ret_status) != 1)
		return -EBADMSG;
	length = strcasestr(head, "\r\nContent-Length: ");
	if (strcasestr(head, "\r\nTransfer-Encoding: chunked\r\n"))
		r = take_chunks(a, line, body);
	else if (length)
		r = take(a, strtoull(length + 18, NULL, 10), body);
	/* Bytes after the end were asked for by nobody. */
	return r < 0 ? r : a->at == a->in.len ? 0 : -EBADMSG;
}

int http_exchange(struct tls *tls, const struct job *job, const struct tls_options *options,
		  struct result *ret)
{
	struct bytes body = {0}, request = {0}, line = {0}, got = {0};
	struct answer answer = {.tls = tls, .options = options};
	int r;

	r = read_file(job->path, &body) ?: add_request(&request, job, &body);
	if (!r) {
		hash(body.data, body.len, ret->sent_sha256);
		r = tls_write(tls, request.data, request.len, options);
	}
	if (!r)
		r = take_answer(&answer, &line, &got, &ret->status);
	if (!r)
		hash(got.data, got.len, ret->body_sha256);
	free(body.data);
	free(request.data);
	free(line.data);
	free(got.data);
	free(answer.in.data);
	return r;
}
