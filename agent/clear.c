/* SPDX-License-Identifier: Apache-2.0 */

/* Memory is cleared before it is given back, whoever had it: bodies, keys and tokens pass through many hands
 * (parsers, decoders, libraries), and what was freed would wait in the heap to be found. These take the place
 * of mimalloc's own for the whole process, libraries included. */

#ifdef OAITAP_CLEAR

#include <mimalloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macro.h"

/* From here on whole pages are handed back to the kernel: that costs nothing for those that were never
 * touched, where clearing would touch them all. */
#define PAGES_FROM (256U << 10)

static void clear_pages(char *p, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *first = (char *)(((uintptr_t)p + page - 1) & ~(page - 1));
	char *end = (char *)((uintptr_t)(p + len) & ~(page - 1));

	if (madvise(first, (size_t)(end - first), MADV_DONTNEED) < 0) {
		explicit_bzero(p, len);
		return;
	}
	explicit_bzero(p, (size_t)(first - p));
	explicit_bzero(end, (size_t)(p + len - end));
}

void free(void *p)
{
	if (!p)
		return;
	size_t len = mi_usable_size(p);
	if (len < PAGES_FROM)
		explicit_bzero(p, len);
	else
		clear_pages(p, len);
	mi_free(p);
}

void *realloc(void *p, size_t len)
{
	size_t have = p ? mi_usable_size(p) : 0;
	if (p && len <= have && len >= have / 2)
		return p;
	void *to = mi_malloc(len);
	if (!to)
		return NULL;
	if (p)
		memcpy(to, p, MIN(len, have));
	free(p);
	return to;
}

#endif
