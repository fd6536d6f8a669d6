/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/lanes.h"

/* Length of the well-formed sequence at p, 0 if none. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		if (p[0] == 0xe0)
			lo = 0xa0;
		if (p[0] == 0xed)
			hi = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		if (p[0] == 0xf0)
			lo = 0x90;
		if (p[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (left < n || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool utf8_valid(const char *data, size_t len, size_t *ret_bad)
{
	const uint8_t *p = (const uint8_t *)data;
	for (size_t i = 0; i < len;) {
		/* Most of any text is ASCII. */
		size_t n = p[i] < 0x80 && len - i >= LANES ? lanes_first((lanes)(lanes_load(p + i) >= 0x80))
							   : sequence_len(p + i, len - i);
		if (n == 0) {
			if (ret_bad)
				*ret_bad = i;
			return false;
		}
		i += n;
	}
	return true;
}

static void begin_character(struct utf8_run *run, uint8_t c)
{
	run->lo = 0x80;
	run->hi = 0xbf;
	if (c < 0x80) {
		run->left = 0;
	} else if (c >= 0xc2 && c <= 0xdf) {
		run->left = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		run->left = 2;
		run->lo = c == 0xe0 ? 0xa0 : 0x80;
		run->hi = c == 0xed ? 0x9f : 0xbf;
	} else if (c >= 0xf0 && c <= 0xf4) {
		run->left = 3;
		run->lo = c == 0xf0 ? 0x90 : 0x80;
		run->hi = c == 0xf4 ? 0x8f : 0xbf;
	} else {
		run->bad = true;
	}
}

void utf8_run_add(struct utf8_run *run, const void *data, size_t len)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len && !run->bad; i++) {
		if (!run->left) {
			begin_character(run, p[i]);
			continue;
		}
		run->bad = p[i] < run->lo || p[i] > run->hi;
		run->left--;
		run->lo = 0x80;
		run->hi = 0xbf;
	}
}

bool utf8_run_valid(const struct utf8_run *run)
{
	return !run->bad && !run->left;
}
