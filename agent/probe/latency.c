/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/latency.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

void latency_add(struct latency *l, uint64_t ns)
{
	uint32_t us = (uint32_t)MIN(ns / 1000, (uint64_t)UINT32_MAX);
	l->us[l->count++ % LATENCY_KEPT] = us;
	l->max_us = MAX(l->max_us, us);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

uint32_t latency_percentile(const struct latency *l, unsigned int percent)
{
	uint32_t sorted[LATENCY_KEPT];
	size_t n = MIN(l->count, (uint64_t)LATENCY_KEPT);

	if (n == 0)
		return 0;
	memcpy(sorted, l->us, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	return sorted[(n * percent + 99) / 100 - 1];
}
