/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* At most size bytes from fd: all of a file, if that is more than it has. 0; negative errno of read. */
int file_read(int fd, char *text, size_t size, size_t *ret_len);
