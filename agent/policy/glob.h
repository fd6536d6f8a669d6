/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* "*" stands for any text, "?" for one byte; everything else for itself. Never worse than the product of both
 * lengths. any_case: ASCII letters match either case. */
bool glob_match(const char *glob, const char *text, bool any_case);
