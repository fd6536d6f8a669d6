/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

uint64_t clock_mono_to_real_ns(uint64_t mono_ns)
{
	return mono_ns + (clock_real_ns() - clock_mono_ns());
}

uint64_t clock_boot_to_real_ns(uint64_t boot_ns)
{
	return boot_ns + (clock_real_ns() - read_ns(CLOCK_BOOTTIME));
}

void clock_format_rfc3339(uint64_t real_ns, char ret_text[static CLOCK_RFC3339_LEN])
{
	time_t s = (time_t)(real_ns / NSEC_PER_SEC);
	unsigned int us = (unsigned int)(real_ns % NSEC_PER_SEC / 1000) % 1000000;
	struct tm tm;
	gmtime_r(&s, &tm);
	snprintf(ret_text, CLOCK_RFC3339_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
		 (unsigned int)(tm.tm_year + 1900) % 10000, (unsigned int)(tm.tm_mon + 1) % 100,
		 (unsigned int)tm.tm_mday % 100, (unsigned int)tm.tm_hour % 100,
		 (unsigned int)tm.tm_min % 100, (unsigned int)tm.tm_sec % 100, us);
}
