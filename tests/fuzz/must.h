/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What must hold of any input. A failure names the condition: the input alone does not tell which one. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define must(condition) must_at((condition), #condition, __FILE__, __LINE__)

static inline void must_at(bool holds, const char *condition, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}
