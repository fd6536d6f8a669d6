/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/resource.h>
#include <unistd.h>

/* Sets the nice value of the calling thread alone (Linux: threads have their own; setpriority(2), notes).
 * Does nothing where it is not permitted. */
static inline void priority_set(int nice_value)
{
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_value);
}
