/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/base64url.h"

#include <errno.h>

#include "base/digit.h"

static int digit(char ch)
{
	switch (ch) {
	case '-':
		return 62;
	case '_':
		return 63;
	case '+':
	case '/':
		return -1;
	default:
		return base64_digit((unsigned char)ch);
	}
}

ssize_t base64url_decode(const char *text, size_t len, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		int value = digit(text[i]);
		if (value < 0)
			return -EBADMSG;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (bits & ((1U << n_bits) - 1))
		return -EBADMSG;
	return (ssize_t)n;
}
