/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/target.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/digit.h"
#include "base/macro.h"

/* A DNS name has at most 253 characters; zone identifiers and gateways' names get room to spare. */
#define HOST_MAX   512
#define WORD_MAX   64
#define NAME_SIGNS "-._:/@+"

struct slice {
	const char *p;
	size_t len;
};

ssize_t openai_percent_decode(const char *text, size_t len, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			out[n++] = text[i];
			continue;
		}
		if (len - i < 3)
			return -EBADMSG;
		int hi = hex_digit((uint8_t)text[i + 1]), lo = hex_digit((uint8_t)text[i + 2]);
		if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
			return -EBADMSG;
		out[n++] = (char)(hi << 4 | lo);
		i += 2;
	}
	return (ssize_t)n;
}

static bool host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

/* "", ":" or ":443" */
static bool is_port(const char *p, size_t len)
{
	if (len == 0)
		return true;
	if (p[0] != ':' || len > 6)
		return false;
	for (size_t i = 1; i < len; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* The host of "host:port" or "[v6]:port", lower case. 0; -EBADMSG: not a host; -ENOMEM. */
static int host_read(char **ret_host, struct slice authority)
{
	if (authority.len == 0 || authority.len > HOST_MAX)
		return -EBADMSG;
	_cleanup_free_ char *host = strndup(authority.p, authority.len);
	if (!host)
		return -ENOMEM;
	for (char *p = host; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';

	size_t n = 0;
	if (host[0] == '[') {
		for (n = 1; host_char(host[n]) || host[n] == ':' || host[n] == '%'; n++)
			;
		if (host[n++] != ']' || n < 4)
			return -EBADMSG;
	} else {
		while (host_char(host[n]))
			n++;
	}
	if (n == 0 || !is_port(host + n, strlen(host) - n))
		return -EBADMSG;
	if (n > 1 && host[n - 1] == '.')
		n--;
	host[n] = 0;
	*ret_host = TAKE_PTR(host);
	return 0;
}

/* Absolute form: "scheme://userinfo@host:port/path". False: another form. The user information is left out.
 */
static bool absolute_split(struct slice target, struct slice *ret_authority, struct slice *ret_rest)
{
	const char *sep = memmem(target.p, target.len, "://", 3);
	if (!sep || target.p[0] == '/' || memchr(target.p, '?', (size_t)(sep - target.p)))
		return false;

	struct slice authority = {sep + 3, target.len - (size_t)(sep + 3 - target.p)};
	size_t len = 0;
	while (len < authority.len && !strchr("/?#", authority.p[len]))
		len++;
	*ret_rest = (struct slice){authority.p + len, authority.len - len};
	authority.len = len;
	const char *at = memrchr(authority.p, '@', authority.len);
	if (at)
		authority = (struct slice){at + 1, authority.len - (size_t)(at + 1 - authority.p)};
	*ret_authority = authority;
	return true;
}

static int path_copy(char **ret_path, struct slice path)
{
	struct buf b;
	buf_init(&b, path.len * 3);
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.p[i];
		bool plain = c > 0x20 && c < 0x7f;
		int r = plain ? buf_append(&b, &c, 1) : buf_appendf(&b, "%%%02X", c);
		if (r < 0) {
			buf_done(&b);
			return r;
		}
	}
	char *text = buf_take_str(&b);
	if (!text)
		return -ENOMEM;
	*ret_path = text;
	return 0;
}

/* A version is a date or a word, and so, with some signs more, are the names of models and deployments.
 * Anything else might be a credential that slipped in through a malformed query. */
static bool is_word(const char *p, size_t len, const char *signs)
{
	if (len == 0 || len > WORD_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
		      (p[i] >= '0' && p[i] <= '9') || (p[i] && strchr(signs, p[i]))))
			return false;
	return true;
}

/* The first parameter of that name ("name="). 0; -ENODATA: the query has none; -EBADMSG: not a word; -ENOMEM.
 */
static int parameter_read(char **ret_value, struct slice query, const char *name, const char *signs)
{
	const char *end = query.p + query.len;

	for (const char *p = query.p; p < end;) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		struct slice item = {p, (size_t)((amp ? amp : end) - p)};
		p += item.len + 1;
		if (item.len < strlen(name) || strncasecmp(item.p, name, strlen(name)) != 0)
			continue;

		_cleanup_free_ char *value = malloc(item.len);
		if (!value)
			return -ENOMEM;
		ssize_t n = openai_percent_decode(item.p + strlen(name), item.len - strlen(name), value);
		if (n < 0 || !is_word(value, (size_t)n, signs))
			return -EBADMSG;
		value[n] = 0;
		*ret_value = TAKE_PTR(value);
		return 0;
	}
	return -ENODATA;
}

static int query_read(struct openai_target *t, struct slice query)
{
	int r = parameter_read(&t->api_version, query, "api-version=", "-._");
	if (r == -EBADMSG)
		t->problem = "api-version is not a version";
	if (r != -ENOMEM)
		r = parameter_read(&t->query_model, query, "model=", NAME_SIGNS);
	if (r != -ENOMEM)
		r = parameter_read(&t->query_deployment, query, "deployment=", NAME_SIGNS);
	return r == -ENOMEM ? r : 0;
}

static struct slice host_field(const struct http_message *msg, bool *ret_repeated)
{
	struct slice host = {0};
	for (size_t i = 0; i < msg->n_headers; i++) {
		const struct http_header *h = &msg->headers[i];
		if (strcmp(h->name, "host") != 0)
			continue;
		if (!host.p)
			host = (struct slice){h->value, strlen(h->value)};
		else if (strcasecmp(host.p, h->value) != 0)
			*ret_repeated = true;
	}
	return host;
}

/* Path and query of origin form, absolute form and "*". */
static int rest_read(struct openai_target *t, struct slice rest)
{
	size_t path_len = 0;
	while (path_len < rest.len && rest.p[path_len] != '?' && rest.p[path_len] != '#')
		path_len++;
	t->raw_path = path_len ? rest.p : "/";
	t->raw_path_len = path_len ? path_len : 1;
	int r = path_copy(&t->path, (struct slice){t->raw_path, t->raw_path_len});
	if (r < 0)
		return r;
	if (path_len == rest.len || rest.p[path_len] != '?')
		return 0;

	struct slice query = {rest.p + path_len + 1, rest.len - path_len - 1};
	const char *hash = memchr(query.p, '#', query.len);
	if (hash)
		query.len = (size_t)(hash - query.p);
	return query_read(t, query);
}

int openai_target_read(struct openai_target *ret_target, const struct http_message *msg)
{
	_cleanup_(openai_target_done) struct openai_target t = {0};
	struct slice target = {msg->target, msg->target ? strlen(msg->target) : 0};
	bool repeated = false;
	struct slice authority = host_field(msg, &repeated);

	if (msg->method && !strcmp(msg->method, "CONNECT")) {
		authority = target;
	} else if (target.len) {
		struct slice rest = target;
		(void)absolute_split(target, &authority, &rest);
		int r = rest_read(&t, rest);
		if (r < 0)
			return r;
	}
	if (authority.p) {
		int r = host_read(&t.backend, authority);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			t.problem = "the host is not a host name";
		else if (repeated)
			t.problem = "there is more than one host field: the first counts";
	}
	*ret_target = t;
	t = (struct openai_target){0};
	return 0;
}

void openai_target_done(struct openai_target *target)
{
	free(target->backend);
	free(target->path);
	free(target->api_version);
	free(target->query_model);
	free(target->query_deployment);
	*target = (struct openai_target){0};
}
