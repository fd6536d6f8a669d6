/* SPDX-License-Identifier: Apache-2.0 */

/* The token reader. The first byte of the input chooses: the rest is the token itself, or the claims (then
 * the target does the encoding, so that the fuzzer gets past base64url at once). */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "identity/token.h"
#include "must.h"

#define HEADER	  "eyJhbGciOiJSUzI1NiJ9." /* {"alg":"RS256"} */
#define SIGNATURE ".c2ln"

static void check_text(const char *text)
{
	if (!text)
		return;
	size_t len = strlen(text);
	must(len > 0 && len <= IDENTITY_CLAIM_MAX && utf8_valid(text, len, NULL));
}

static void check_list(const json_t *list)
{
	if (!list)
		return;
	must(json_is_array(list) && json_array_size(list) > 0 && json_array_size(list) <= IDENTITY_ARRAY_MAX);
	for (size_t i = 0; i < json_array_size(list); i++)
		must(json_string_length(json_array_get(list, i)) <= IDENTITY_CLAIM_MAX);
}

static void check_proof(const char *token, size_t len, enum token_class class, const struct token_proof *p)
{
	if (class != TOKEN_ENTRA) {
		must(!p->signed_text && !p->audiences);
		return;
	}
	must(p->signed_text == token && p->signature == token + p->signed_len + 1);
	must(p->signed_len + 1 + p->signature_len == len && p->signature_len > 0);
	must(p->alg[0] == 0 || strlen(p->alg) < sizeof(p->alg));
	must(memchr(p->kid, 0, sizeof(p->kid)) && p->not_before >= 0);
}

static void check(const char *token, size_t len)
{
	enum token_class class;
	struct identity_caller c;
	struct token_proof proof = {0};
	if (token_read(token, len, &class, &c, &proof) < 0)
		return;
	check_proof(token, len, class, &proof);
	token_proof_done(&proof);
	const char *texts[] = {c.tenant_id, c.object_id, c.app_id, c.name, c.token_id, c.issuer, c.audience};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_text(texts[i]);
	check_list(c.roles);
	check_list(c.scopes);
	must(c.kind == IDENTITY_NONE && !c.key_fingerprint && !c.verification && c.expires >= 0);
	check_text(c.resource_id);
	check_list(c.groups);
	must(class == TOKEN_ENTRA || (!c.tenant_id && !c.object_id && !c.app_id && !c.name && !c.token_id &&
				      !c.roles && !c.scopes && !c.principal_type));
	must(class != TOKEN_ENTRA || strncmp(c.issuer, "https://", 8) == 0);
	must(class >= TOKEN_FOREIGN || (!c.issuer && !c.audience && !c.expires));
	must((class != TOKEN_BROKEN && class != TOKEN_UNSIGNED) || c.problem);
	identity_caller_done(&c);
}

static void check_claims(const uint8_t *data, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *token = malloc(sizeof(HEADER) + sizeof(SIGNATURE) + len * 4 / 3 + 4);
	if (!token)
		return;
	memcpy(token, HEADER, sizeof(HEADER));
	size_t n = sizeof(HEADER) - 1;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = MIN(len - i, (size_t)3);
		uint32_t b = (uint32_t)data[i] << 16;
		b |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
		b |= left > 2 ? data[i + 2] : 0;
		for (size_t k = 0; k <= left; k++)
			token[n++] = set[b >> (18 - 6 * k) & 63];
	}
	memcpy(token + n, SIGNATURE, sizeof(SIGNATURE) - 1);
	check(token, n + sizeof(SIGNATURE) - 1);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	if (data[0] & 1)
		check_claims(data + 1, len - 1);
	else
		check((const char *)data + 1, len - 1);
	return 0;
}
