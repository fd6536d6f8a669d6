/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/text.h"

#include "base/utf8.h"

bool openai_text_is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return utf8_valid(text, len, NULL);
}

bool openai_text_is_cut_character(const uint8_t *p, size_t len)
{
	size_t whole = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len >= whole)
		return false;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}
