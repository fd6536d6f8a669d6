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

void log_write(enum log_level level, struct log_site *site, const char *fmt, ...)
{
	static const char *const prefix[] = {"error: ", "warning: ", "", "debug: "};
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);

	pthread_mutex_lock(&lock);
	uint32_t suppressed = 0;
	if (site_allows(site, &suppressed)) {
		if (suppressed)
			fprintf(stderr, "oaitap: (%u more like the next line were left out)\n", suppressed);
		fprintf(stderr, "oaitap: %s%s\n", prefix[level], line);
	}
	pthread_mutex_unlock(&lock);
}
