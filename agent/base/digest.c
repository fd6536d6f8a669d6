/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* libcrypto's digest functions fail on allocation only, and abort is better than a wrong hash on record. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct sha256 {
	EVP_MD_CTX *md;
};

int sha256_new(struct sha256 **ret_ctx)
{
	struct sha256 *ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->md = EVP_MD_CTX_new();
	if (!ctx->md) {
		free(ctx);
		return -ENOMEM;
	}
	sha256_reset(ctx);
	*ret_ctx = ctx;
	return 0;
}

void sha256_free(struct sha256 **ctx)
{
	if (!*ctx)
		return;
	EVP_MD_CTX_free((*ctx)->md);
	free(*ctx);
	*ctx = NULL;
}

void sha256_reset(struct sha256 *ctx)
{
	must(EVP_DigestInit_ex(ctx->md, EVP_sha256(), NULL));
}

void sha256_update(struct sha256 *ctx, const void *data, size_t len)
{
	must(EVP_DigestUpdate(ctx->md, data, len));
}

void sha256_final(struct sha256 *ctx, uint8_t ret_sum[static SHA256_LEN])
{
	must(EVP_DigestFinal_ex(ctx->md, ret_sum, NULL));
}

void hex_encode(const uint8_t *data, size_t len, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		ret_text[2 * i] = digits[data[i] >> 4];
		ret_text[2 * i + 1] = digits[data[i] & 15];
	}
	ret_text[2 * len] = 0;
}
