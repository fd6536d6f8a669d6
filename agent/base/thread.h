/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Sets the nice value of the calling thread alone (Linux: threads have their own; setpriority(2), notes).
 * Does nothing where it is not permitted. */
static inline void thread_set_nice(int nice_value)
{
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_value);
}

/* What a thread does first. name: at most 15 bytes, as `ps -L` shows it. */
static inline void thread_begin(const char *name, int nice_value)
{
	(void)pthread_setname_np(pthread_self(), name);
	thread_set_nice(nice_value);
}

/* Lets work gather: to wake up for each piece costs more than the piece. */
static inline void thread_gather_us(long us)
{
	const struct timespec pause = {.tv_nsec = us * 1000};
	(void)nanosleep(&pause, NULL);
}
