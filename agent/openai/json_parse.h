/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one pass over a JSON text (RFC 8259) that json.h describes: builds jansson's values, since what is
 * wanted of a text that is cut, or that says more than they can hold, no JSON library gives. No recursion;
 * linear in the text. */

#include <stddef.h>
#include <stdint.h>

#include "openai/json.h"

/* As openai_json_read(), without a BOM; but JSON_BAD_UTF8 is found only where the syntax is good before it,
 * and a character that the end of the text cuts is one. 0; -ENOMEM. */
int openai_json_parse(const uint8_t *text, size_t len, struct openai_json *ret_json);
