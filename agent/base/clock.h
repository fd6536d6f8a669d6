/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Clocks. Kernel records carry CLOCK_MONOTONIC nanoseconds; events carry wall-clock time. */

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* "2026-11-23T15:04:05.123456Z" and its NUL. */
#define CLOCK_RFC3339_LEN 28

uint64_t clock_mono_ns(void);
uint64_t clock_real_ns(void);

/* Wall-clock time of a monotonic time stamp, by the offset between the two clocks as it is now.
 * Nanoseconds since 1970. Thread-safe. */
uint64_t clock_mono_to_real_ns(uint64_t mono_ns);

/* Wall-clock time of a time on the boot clock, which (unlike the monotonic one) counts suspended time. */
uint64_t clock_boot_to_real_ns(uint64_t boot_ns);

/* UTC with microseconds (RFC 3339 section 5.6), always CLOCK_RFC3339_LEN - 1 characters for years up to 9999.
 */
void clock_format_rfc3339(uint64_t real_ns, char ret_text[static CLOCK_RFC3339_LEN]);
