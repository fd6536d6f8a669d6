/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* Valid UTF-8 without control characters. */
bool openai_text_is_printable(const char *text, size_t len);

/* The len bytes (at least 1) are the beginning of a UTF-8 character and not all of it. */
bool openai_text_is_cut_character(const uint8_t *p, size_t len);

/* A string, new, with U+FFFD in place of each byte that is not UTF-8. 0; -ENOMEM. */
int openai_text_value(const char *text, size_t len, json_t **ret_value);
