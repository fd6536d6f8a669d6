/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What one character stands for as a digit; -1: nothing. No locale. */

static inline int hex_digit(unsigned c)
{
	if (c >= '0' && c <= '9')
		return (int)c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (int)c - 'a' + 10 : -1;
}

/* RFC 4648 section 4. */
static inline int base64_digit(unsigned c)
{
	if (c >= 'A' && c <= 'Z')
		return (int)c - 'A';
	if (c >= 'a' && c <= 'z')
		return (int)c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return (int)c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}
