/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define LINES_PER_SECOND 20

static enum log_level max_level = LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= max_level;
}

/* Must hold the lock. */
static bool site_allows(struct log_site *site, uint32_t *ret_suppressed)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (site->window_s != (uint64_t)now.tv_sec) {
		site->window_s = (uint64_t)now.tv_sec;
		site->lines = 0;
	}
	if (site->lines >= LINES_PER_SECOND) {
		site->suppressed++;
		return false;
	}
	site->lines++;
	*ret_suppressed = site->suppressed;
	site->suppressed = 0;
	return true;
}

/* File and process names are other people's: a line end among them would forge a line, an escape sequence
 * would reach the reader's terminal. Beside C0 and DEL that takes C1, which UTF-8 spells C2 80 to C2 9F. */
static void mask_controls(char *line)
{
	for (unsigned char *p = (unsigned char *)line; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
}

void log_write(enum log_level level, struct log_site *site, const char *fmt, ...)
{
	static const char *const prefix[] = {"error: ", "warning: ", "", "debug: "};
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	mask_controls(line);

	pthread_mutex_lock(&lock);
	uint32_t suppressed = 0;
	if (site_allows(site, &suppressed)) {
		if (suppressed)
			fprintf(stderr, "oaitap: (%u more like the next line were left out)\n", suppressed);
		fprintf(stderr, "oaitap: %s%s\n", prefix[level], line);
	}
	pthread_mutex_unlock(&lock);
}
