/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256, incremental, by libcrypto. Not thread-safe per object. */

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN     32
#define SHA256_HEX_LEN 65 /* 64 characters and the NUL */

struct sha256;

int sha256_new(struct sha256 **ret_ctx); /* 0; -ENOMEM */
void sha256_free(struct sha256 **ctx);
void sha256_reset(struct sha256 *ctx);
void sha256_update(struct sha256 *ctx, const void *data, size_t len);
/* Ends the computation; sha256_reset() starts the next one. */
void sha256_final(struct sha256 *ctx, uint8_t ret_sum[static SHA256_LEN]);

/* Lower-case hexadecimal of len bytes and a NUL into ret_text, which holds 2 * len + 1. */
void hex_encode(const uint8_t *data, size_t len, char *ret_text);
