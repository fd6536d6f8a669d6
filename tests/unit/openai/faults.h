/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Allocations that fail on demand, and a count of what lives. For one test program, which includes this once
 * and calls faults_init() first. Under ASan, which owns malloc and finds leaks itself, only jansson's
 * allocations fail. jansson's lexer does not check its own (an assertion stops the program), so json_loadb()
 * fails as a whole. */

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static long countdown = -1; /* allocations until one fails; negative: none does */
static bool all_after;
static bool failed;
static long live;
__attribute__((unused)) static size_t live_bytes, peak_bytes; /* not under ASan */

static volatile bool in_loader; /* the compiler believes that malloc() does not look at it */

static bool fails(void)
{
	if (countdown < 0 || in_loader)
		return false;
	if (countdown > 0) {
		countdown--;
		return false;
	}
	failed = true;
	if (!all_after)
		countdown = -1;
	return true;
}

static json_t *(*real_loadb)(const char *data, size_t len, size_t flags, json_error_t *error);

json_t *json_loadb(const char *data, size_t len, size_t flags, json_error_t *error)
{
	if (fails()) {
		memset(error, 0, sizeof(*error));
		return NULL;
	}
	in_loader = true;
	json_t *value = real_loadb(data, len, flags, error);
	in_loader = false;
	return value;
}

#ifdef __SANITIZE_ADDRESS__
static void *failing_malloc(size_t len)
{
	return fails() ? NULL : malloc(len);
}
#else
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t n, size_t len);
extern void *__libc_realloc(void *p, size_t len);
extern void __libc_free(void *p);

static void *faults_count(void *p)
{
	if (!p)
		return NULL;
	live++;
	live_bytes += malloc_usable_size(p);
	peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
	return p;
}

void *malloc(size_t len)
{
	return faults_count(fails() ? NULL : __libc_malloc(len));
}

void *calloc(size_t n, size_t len)
{
	return faults_count(fails() ? NULL : __libc_calloc(n, len));
}

void *realloc(void *old, size_t len)
{
	if (fails())
		return NULL;
	size_t before = old ? malloc_usable_size(old) : 0;
	void *p = __libc_realloc(old, len);
	if (p) {
		live -= !!old;
		live_bytes -= before;
	}
	return faults_count(p);
}

void *reallocarray(void *old, size_t n, size_t len)
{
	size_t all;
	if (__builtin_mul_overflow(n, len, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, all);
}

void free(void *p)
{
	live -= !!p;
	live_bytes -= p ? malloc_usable_size(p) : 0;
	__libc_free(p);
}
#endif

static inline void faults_init(void)
{
	*(void **)&real_loadb = dlsym(RTLD_NEXT, "json_loadb");
#ifdef __SANITIZE_ADDRESS__
	json_set_alloc_funcs(failing_malloc, free);
#endif
}

/* Each allocation in turn fails, alone and together with all that follow: run(i) says -ENOMEM, or got by
 * without it, and leaves nothing behind. must_fail: one at least makes it fail. */
__attribute__((unused)) static void faults_each(int (*run)(size_t i), size_t i, bool must_fail)
{
	assert_int_equal(run(i), 0);
	for (int mode = 0; mode < 2; mode++) {
		long n = 0, refused = 0;
		do {
			long before = live;
			failed = false;
			all_after = mode;
			countdown = n++;
			int r = run(i);
			countdown = -1;
			assert_true(r == 0 || r == -ENOMEM);
			assert_int_equal(live, before);
			refused += r == -ENOMEM;
		} while (failed);
		assert_true((n > 1 && refused > 0) || !must_fail);
	}
}
