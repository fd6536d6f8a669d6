/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Counts the bytes that are allocated, and the processor's time. For one test program, whose allocations all
 * go through here; call meter_init() first. */

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

static size_t meter_live, meter_peak;

static void meter_add(size_t len)
{
	meter_live += len;
	meter_peak = meter_live > meter_peak ? meter_live : meter_peak;
}

#ifdef __SANITIZE_ADDRESS__
/* Of libasan, whose header for them is not everywhere. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *p, size_t len),
						     void (*on_free)(const volatile void *p));
extern size_t __sanitizer_get_allocated_size(const volatile void *p);

static void meter_on_malloc(const volatile void *p, size_t len)
{
	(void)p;
	meter_add(len);
}

static void meter_on_free(const volatile void *p)
{
	meter_live -= p ? __sanitizer_get_allocated_size(p) : 0;
}

static inline bool meter_init(void)
{
	return __sanitizer_install_malloc_and_free_hooks(meter_on_malloc, meter_on_free) > 0;
}
#else
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t n, size_t len);
extern void *__libc_realloc(void *p, size_t len);
extern void __libc_free(void *p);

static void *meter_count(void *p)
{
	if (p)
		meter_add(malloc_usable_size(p));
	return p;
}

void *malloc(size_t len)
{
	return meter_count(__libc_malloc(len));
}

void *calloc(size_t n, size_t len)
{
	return meter_count(__libc_calloc(n, len));
}

void *realloc(void *old, size_t len)
{
	size_t before = old ? malloc_usable_size(old) : 0;
	void *p = __libc_realloc(old, len);
	if (!p)
		return NULL;
	meter_live -= before;
	return meter_count(p);
}

void *reallocarray(void *old, size_t n, size_t len)
{
	size_t all;
	if (!__builtin_mul_overflow(n, len, &all))
		return realloc(old, all);
	errno = ENOMEM;
	return NULL;
}

void free(void *p)
{
	meter_live -= p ? malloc_usable_size(p) : 0;
	__libc_free(p);
}

static inline bool meter_init(void)
{
	return true;
}
#endif

/* What is allocated now is where the peak begins. */
static inline size_t meter_begin(void)
{
	meter_peak = meter_live;
	return meter_live;
}

/* Of this process: others on the machine do not count. */
static inline double meter_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
