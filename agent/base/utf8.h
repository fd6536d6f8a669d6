/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 by table 3-7 of the Unicode Standard (no surrogates, no overlong forms, at most
 * U+10FFFF). NUL is a character like any other. *ret_bad, if given, is the offset of the first bad byte when
 * false. */
bool utf8_valid(const char *data, size_t len, size_t *ret_bad);

/* The same for text that comes in pieces. Zeroed: nothing came yet. */
struct utf8_run {
	uint8_t left;	/* bytes that the character at hand still needs */
	uint8_t lo, hi; /* between which the next of them lies */
	bool bad;
};

void utf8_run_add(struct utf8_run *run, const void *data, size_t len);

/* All that came is well-formed and ends with a whole character. */
bool utf8_run_valid(const struct utf8_run *run);
