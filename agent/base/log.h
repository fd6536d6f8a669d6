/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Log lines on standard error. Lines never carry payload or credentials: callers pass names, sizes and
 * reasons only. Each call site is rate limited; the number of suppressed lines is said when it speaks again.
 * Thread-safe. */

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_site {
	uint64_t window_s;   /* second in which `lines` were written */
	uint32_t lines;	     /* lines in that second */
	uint32_t suppressed; /* since the last line written */
};

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, struct log_site *site, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_at(level, ...)                                                                                   \
	do {                                                                                                 \
		static struct log_site _site;                                                                \
		if (log_enabled(level))                                                                      \
			log_write(level, &_site, __VA_ARGS__);                                               \
	} while (0)

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
