/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The OpenSSL functions that carry a probe. Write functions first: they are attached first, so that the
 * request that decides about a connection is not missed. */

#include <stdbool.h>
#include <stddef.h>

#include "include/functions.h"
#include "probe/elf_symbols.h"

extern const char *const probe_function_names[PROBE_FUNCTIONS];

/* It has a program on its return as well. */
bool probe_function_carries_data(enum probe_function function);

/* Looks for all of them. A file is of use if it has a function that writes and one that reads: number of
 * functions found, 0 if it is of no use, negative as elf_symbols_find(). */
int probe_functions_find(int fd, struct elf_symbol ret_symbols[static PROBE_FUNCTIONS]);
