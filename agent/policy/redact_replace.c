/* SPDX-License-Identifier: Apache-2.0 */
/* Matches into replacements. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/macro.h"
#include "policy/redact_internal.h"

static int span_order(const void *a, const void *b)
{
	const struct redact_span *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* What is the rest of a match that began elsewhere has its replacement there. */
	if ((x->rule == REDACT_RULE_NONE) != (y->rule == REDACT_RULE_NONE))
		return x->rule == REDACT_RULE_NONE ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return (x->rule > y->rule) - (x->rule < y->rule);
}

static int normalise(struct redact_bytes *out, enum redact_norm norm, const char *p, size_t len)
{
	redact_bytes_reset(out);
	int r = redact_bytes_room(out, len + 1);
	for (size_t i = 0; r == 0 && i < len; i++) {
		char c = p[i];
		bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
		if (norm == REDACT_NORM_ALNUM && !upper && !lower && !digit)
			continue;
		if (norm == REDACT_NORM_ALNUM && lower)
			c = (char)(c - 0x20);
		if (norm == REDACT_NORM_LOWER && upper)
			c = (char)(c + 0x20);
		r = redact_bytes_add(out, &c, 1);
	}
	return r;
}

static int keyed_sum(const struct redactor *r, const struct redact_compiled_rule *rule,
		     struct redact_bytes *value, uint8_t *ret_sum)
{
	if (r->hash)
		return r->hash(r->hash_ctx, rule->name, value->len ? value->data : "", value->len, ret_sum);
	_cleanup_(redact_bytes_done) struct redact_bytes message = {0};
	unsigned int len = SHA256_LEN;
	if (redact_bytes_add(&message, rule->name, strlen(rule->name) + 1) < 0 ||
	    redact_bytes_add(&message, value->data, value->len) < 0)
		return -ENOMEM;
	return HMAC(EVP_sha256(), r->key, (int)r->key_len, (const unsigned char *)message.data, message.len,
		    ret_sum, &len)
		       ? 0
		       : -ENOMEM;
}

static int put_hash(const struct redactor *r, struct redact_scratch *s,
		    const struct redact_compiled_rule *rule, const char *p, size_t len,
		    struct redact_bytes *out)
{
	uint8_t sum[SHA256_LEN] = {0};
	char text[REDACT_NAME_MAX + REDACT_HASH_LEN + 4], hex[REDACT_HASH_LEN + 1];
	int err = normalise(&s->norm, rule->norm, p, len);
	if (err == 0)
		err = keyed_sum(r, rule, &s->norm, sum);
	redact_bytes_reset(&s->norm);
	if (err < 0)
		return err;
	hex_encode(sum, REDACT_HASH_LEN / 2, hex);
	OPENSSL_cleanse(sum, sizeof(sum));
	/* Digits alone could be taken for a number by another rule. */
	if (strspn(hex, "0123456789") == REDACT_HASH_LEN)
		hex[REDACT_HASH_LEN / 2] = (char)('a' + (hex[REDACT_HASH_LEN / 2] - '0') % 6);
	int n = snprintf(text, sizeof(text), "[%s:%s]", rule->name, hex);
	return redact_bytes_add(out, text, (size_t)n);
}

static int put_replacement(const struct redactor *r, struct redact_scratch *s, const char *text,
			   struct redact_span span, struct redact_bytes *out)
{
	if (span.rule == REDACT_RULE_NONE)
		return 0;
	const struct redact_compiled_rule *rule = &r->rules[span.rule];
	s->counts[span.rule]++;
	s->counted = true;
	if (rule->mode == REDACT_DROP)
		return 0;
	if (rule->mode == REDACT_HASH)
		return put_hash(r, s, rule, text + span.start, span.end - span.start, out);
	return redact_bytes_add(out, rule->replacement, strlen(rule->replacement));
}

void redact_spans_merge(struct redact_spans *spans)
{
	size_t n = 0;
	if (!spans->n)
		return;
	qsort(spans->v, spans->n, sizeof(*spans->v), span_order);
	for (size_t i = 1; i < spans->n; i++) {
		if (spans->v[i].start < spans->v[n].end)
			spans->v[n].end = MAX(spans->v[n].end, spans->v[i].end);
		else
			spans->v[++n] = spans->v[i];
	}
	spans->n = n + 1;
}

int redact_apply(const struct redactor *r, struct redact_scratch *s, const char *text, size_t len,
		 struct redact_spans *spans, size_t max, struct redact_bytes *out)
{
	size_t at = 0;
	redact_spans_merge(spans);
	for (size_t i = 0; i <= spans->n; i++) {
		const size_t next = i < spans->n ? spans->v[i].start : len;
		int err = redact_bytes_add(out, text + at, next - at);
		if (err == 0 && i < spans->n)
			err = put_replacement(r, s, text, spans->v[i], out);
		if (err < 0)
			return err;
		if (out->len > max) {
			s->withheld = "size";
			return REDACT_WITHHELD;
		}
		at = i < spans->n ? spans->v[i].end : len;
	}
	return 0;
}
