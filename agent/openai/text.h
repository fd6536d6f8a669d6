/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8 without control characters. */
bool openai_text_is_printable(const char *text, size_t len);

/* The len bytes (at least 1) are the beginning of a UTF-8 character and not all of it. */
bool openai_text_is_cut_character(const uint8_t *p, size_t len);
