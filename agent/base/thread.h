/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What a thread does first. name: at most 15 bytes, as `ps -L` shows it; NULL: as it is. nice_value: of this
 * thread alone (Linux: threads have their own; setpriority(2), notes), where it is permitted. */
static inline void thread_begin(const char *name, int nice_value)
{
	if (name)
		(void)pthread_setname_np(pthread_self(), name);
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_value);
}

/* Lets work gather: to wake up for each piece costs more than the piece. */
static inline void thread_gather_us(long us)
{
	const struct timespec pause = {.tv_nsec = us * 1000};
	(void)nanosleep(&pause, NULL);
}
