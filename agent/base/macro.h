/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Cleanup attributes and small helpers. A variable declared with _cleanup_(f) is passed to f by
 * address when it leaves scope; TAKE_PTR hands ownership on. */

#include <stdlib.h>
#include <stdint.h>
#include <unistd.h>

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _cleanup_free_	_cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

#define TAKE_PTR(p)                                                                                          \
	({                                                                                                   \
		__auto_type _p = (p);                                                                        \
		(p) = NULL;                                                                                  \
		_p;                                                                                          \
	})
#define TAKE_FD(fd)                                                                                          \
	({                                                                                                   \
		int _f = (fd);                                                                               \
		(fd) = -1;                                                                                   \
		_f;                                                                                          \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                            \
	({                                                                                                   \
		__auto_type _min_a = (a);                                                                    \
		__auto_type _min_b = (b);                                                                    \
		_min_a < _min_b ? _min_a : _min_b;                                                           \
	})
#define MAX(a, b)                                                                                            \
	({                                                                                                   \
		__auto_type _max_a = (a);                                                                    \
		__auto_type _max_b = (b);                                                                    \
		_max_a > _max_b ? _max_a : _max_b;                                                           \
	})

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
