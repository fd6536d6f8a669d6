/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/macro.h"

#define MASK "[masked]"

/* An argument is at most what the kernel gave of all of them; this bounds one read from /proc. */
#define ARG_MAX_BYTES 65536

/* Names whose values are secret: those that end so, in any case, "-", "_" and "." aside. */
static const char *const secret_names[] = {
	"key",	      "token", "secret",	   "password",	  "passwd",	   "pwd",
	"passphrase", "pass",  "credential",	   "credentials", "authorization", "bearer",
	"signature",  "sig",   "connectionstring", "cookie",	  "assertion",
};

/* Well-known beginnings of tokens, and how many characters must follow. */
static const struct {
	const char *prefix;
	size_t least;
} token_prefixes[] = {
	{"sk-", 8},   {"sk_", 8},   {"pk_live_", 8}, {"rk_live_", 8},	  {"ghp_", 16},	  {"gho_", 16},
	{"ghs_", 16}, {"ghu_", 16}, {"ghr_", 16},    {"github_pat_", 16}, {"glpat-", 16}, {"xoxb-", 8},
	{"xoxp-", 8}, {"xoxa-", 8}, {"xapp-", 8},    {"AKIA", 16},	  {"ASIA", 16},	  {"AIza", 30},
	{"hf_", 16},  {"npm_", 16}, {"eyJ", 12},     {"SG.", 16},	  {"gsk_", 16},
};

#define RUN_LEAST 32

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static bool is_token(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == '+' || c == '/' ||
	       c == '=';
}

static bool is_secret_name(const char *name, size_t len)
{
	char plain[64];
	size_t n = 0;

	if (len > sizeof(plain) - 1) {
		name += len - (sizeof(plain) - 1);
		len = sizeof(plain) - 1;
	}
	for (size_t i = 0; i < len; i++)
		if (isalnum((unsigned char)name[i]))
			plain[n++] = (char)tolower((unsigned char)name[i]);
	for (size_t i = 0; i < ARRAY_SIZE(secret_names); i++) {
		size_t m = strlen(secret_names[i]);
		if (n >= m && memcmp(plain + n - m, secret_names[i], m) == 0)
			return true;
	}
	return false;
}

/* The name that ends before text[at], quotes and blanks between them aside. */
static bool secret_before(const char *text, size_t at)
{
	while (at > 0 && (text[at - 1] == '"' || text[at - 1] == '\'' || text[at - 1] == ' '))
		at--;
	size_t start = at;
	while (start > 0 && is_name(text[start - 1]))
		start--;
	return start < at && is_secret_name(text + start, at - start);
}

/* Bytes of the value that begins at text: up to what ends it, a scheme ("Bearer ") and quotes included. */
static size_t value_len(const char *text, size_t len)
{
	size_t i = 0;
	char quote = 0;

	while (i < len && text[i] == ' ')
		i++;
	if (i < len && (text[i] == '"' || text[i] == '\''))
		quote = text[i++];
	for (; i < len; i++) {
		if (quote ? text[i] == quote : strchr("&;,\"'}", text[i]) != NULL)
			break;
	}
	return i;
}

/* Bytes of a token at text, 0: it is none. */
static size_t token_len(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(token_prefixes); i++) {
		size_t n = strlen(token_prefixes[i].prefix), end = n;
		if (len < n || memcmp(text, token_prefixes[i].prefix, n) != 0)
			continue;
		while (end < len && is_token(text[end]))
			end++;
		if (end - n >= token_prefixes[i].least)
			return end;
	}
	bool letter = false, digit = false;
	size_t end = 0;
	for (; end < len && isalnum((unsigned char)text[end]); end++) {
		letter |= isalpha((unsigned char)text[end]) != 0;
		digit |= isdigit((unsigned char)text[end]) != 0;
	}
	return end >= RUN_LEAST && letter && digit ? end : 0;
}

/* "//user:password@": bytes from the password to before the "@"; text is after "//". */
static size_t password_at(const char *text, size_t len, size_t *ret_start)
{
	size_t end = 0, at = 0, colon = 0;
	bool has_at = false, has_colon = false;

	for (; end < len && text[end] != '/' && text[end] != '?' && text[end] != ' '; end++) {
		if (text[end] == ':' && !has_colon && !has_at) {
			colon = end;
			has_colon = true;
		}
		if (text[end] == '@') {
			at = end;
			has_at = true;
		}
	}
	if (!has_at || !has_colon || colon > at)
		return 0;
	*ret_start = colon + 1;
	return at - colon - 1;
}

static int mask(struct buf *out, const char *text, size_t len)
{
	int r = 0;
	for (size_t i = 0; i < len && r == 0;) {
		size_t start = 0, n = 0;
		bool begins = i == 0 || !isalnum((unsigned char)text[i - 1]);
		if (i >= 2 && text[i - 1] == '/' && text[i - 2] == '/')
			n = password_at(text + i, len - i, &start);
		if (n == 0 && i > 0 && (text[i - 1] == '=' || text[i - 1] == ':') &&
		    !(text[i - 1] == ':' && text[i] == '/') && secret_before(text, i - 1)) {
			start = 0;
			n = value_len(text + i, len - i);
		}
		if (n == 0 && begins) {
			start = 0;
			n = token_len(text + i, len - i);
		}
		if (n > 0) {
			r = buf_append(out, text + i, start);
			if (r == 0)
				r = buf_append_str(out, MASK);
			i += start + n;
			continue;
		}
		r = buf_append(out, text + i, 1);
		i++;
	}
	return r;
}

/* "--api-key": the next argument is its value. */
static bool is_secret_option(const char *text, size_t len)
{
	return len > 1 && text[0] == '-' && !memchr(text, '=', len) && !memchr(text, ' ', len) &&
	       is_secret_name(text, len);
}

/* Text that is not UTF-8 is given with "?" for what is not ASCII. */
static json_t *arg_string(struct buf *out)
{
	const char *text = out->data ? (const char *)out->data : "";
	json_t *value = json_stringn(text, out->len);
	if (value)
		return value;
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] >= 0x80)
			out->data[i] = '?';
	return json_stringn((const char *)out->data, out->len);
}

static int add_arg(json_t *list, const char *text, size_t len, bool secret)
{
	struct buf out;
	buf_init(&out, ARG_MAX_BYTES * 2);
	int r = secret ? buf_append_str(&out, MASK) : mask(&out, text, MIN(len, (size_t)ARG_MAX_BYTES));
	json_t *value = r == 0 ? arg_string(&out) : NULL;
	buf_done(&out);
	return json_array_append_new(list, value) < 0 ? -ENOMEM : 0;
}

json_t *identity_args_masked(const char *args, size_t len)
{
	json_t *list = json_array();
	bool secret = false;

	for (size_t at = 0; list && at < len && json_array_size(list) < IDENTITY_ARGS_MAX;) {
		size_t n = strnlen(args + at, len - at);
		bool value = secret && !(n > 0 && args[at] == '-');
		if (add_arg(list, args + at, n, value) < 0) {
			json_decref(list);
			return NULL;
		}
		secret = is_secret_option(args + at, n);
		at += n + 1;
	}
	return list;
}
