/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#define UUID_LEN 37 /* 36 characters and the NUL */

/* A UUIDv7 (RFC 9562 section 5.7): the time in milliseconds, then random bits from the kernel.
 * Lower-case text. Thread-safe. 0; negative errno: the kernel gave no random bytes. */
int uuid_v7(uint64_t real_ns, char ret_text[static UUID_LEN]);
