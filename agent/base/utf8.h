/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 by table 3-7 of the Unicode Standard (no surrogates, no overlong forms, at most
 * U+10FFFF). NUL is a character like any other. *ret_bad, if given, is the offset of the first bad byte when
 * false. */
bool utf8_valid(const char *data, size_t len, size_t *ret_bad);
