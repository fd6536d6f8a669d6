/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Memory that ends at a page nobody may touch: reading one byte past a parser's input crashes the test. */

#include <stddef.h>
#include <stdint.h>

/* A copy of data whose last byte is the last of a mapped page. guard_free() with the same len. */
uint8_t *guard_copy(const void *data, size_t len);
void guard_free(uint8_t *data, size_t len);

/* cmocka.h needs these four; every unit test includes this file first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <cmocka.h>
