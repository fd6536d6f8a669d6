/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/glob.h"

#include <stddef.h>

static char lower(char ch)
{
	return ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
}

/* What the last "*" stands for grows by one byte whenever the rest does not fit; an earlier "*" never has to.
 */
bool glob_match(const char *glob, const char *text, bool any_case)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		bool same = *glob == *text || (any_case && lower(*glob) == lower(*text));
		if (*glob == '*') {
			star = ++glob;
			from = text;
		} else if (*glob && (*glob == '?' || same)) {
			glob++;
			text++;
		} else if (star) {
			glob = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}
