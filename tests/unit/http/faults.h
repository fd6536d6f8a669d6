/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An allocation that fails on demand, and a count of what lives. For one test program, which includes this
 * once and calls faults_init() first. Not under a sanitizer: there the allocator is not ours to replace. */

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

static bool armed, failed;
static unsigned long countdown; /* allocations that still succeed */
static long live;		/* allocations not freed yet */

/* After n more allocations one fails. */
static void faults_arm(unsigned long n)
{
	countdown = n;
	failed = false;
	armed = true;
}

/* From now on none fails. True: one has failed. */
static bool faults_disarm(void)
{
	armed = false;
	return failed;
}

static bool refuse(void)
{
	if (!armed || countdown-- > 0)
		return false;
	armed = false;
	failed = true;
	return true;
}

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

void *malloc(size_t size)
{
	return refuse() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return refuse() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	if (refuse())
		return NULL;
	void *moved = __libc_realloc(p, size);
	return p ? moved : counted(moved);
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return __libc_malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return __libc_realloc(p, size);
}

static void crypto_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	__libc_free(p);
}

/* libcrypto keeps its memory: base/digest.c ends the program rather than give a wrong hash. False: it will
 * not. */
static bool faults_init(void)
{
	if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
		return false;
	/* libcrypto loads what it needs at the first use, with the C library's own allocations. */
	EVP_MD_CTX *warm = EVP_MD_CTX_new();
	bool loaded = warm && EVP_DigestInit_ex(warm, EVP_sha256(), NULL) == 1;
	EVP_MD_CTX_free(warm);
	return loaded;
}
