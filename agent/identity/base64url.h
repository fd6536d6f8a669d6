/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes that len characters decode to, at most. */
#define BASE64URL_DECODED_MAX(len) ((len) / 4 * 3 + 2)

/* Strict (RFC 7515 section 2: no padding, no white space, no stray bits). A signature covers the encoded
 * text, so a token that its issuer would accept is spelled as the issuer did. out holds
 * BASE64URL_DECODED_MAX(len). Bytes written; -EBADMSG: malformed, and out may hold a part. */
ssize_t base64url_decode(const char *text, size_t len, uint8_t *out);
