/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* 32-bit programs carry no probes here; what they are is still to be said. The file is hostile input, read in
 * small pieces. */

#include <stdbool.h>

/* fd is borrowed; its position does not change. False also if it cannot be read. */
bool elf32_is(int fd);

/* Whether a 32-bit file has a section of this name (shorter than 32 bytes). False if it is broken. */
bool elf32_has_section(int fd, const char *name);
