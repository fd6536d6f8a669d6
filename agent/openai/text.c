/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/text.h"

#include <errno.h>

#include "base/buf.h"
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

int openai_text_value(const char *text, size_t len, json_t **ret_value)
{
	struct buf b;
	size_t from = 0, bad = 0;
	int r = 0;

	buf_init(&b, SIZE_MAX / 4);
	if (len == 0)
		text = "";
	while (r == 0 && from < len && !utf8_valid(text + from, len - from, &bad)) {
		r = buf_append(&b, text + from, bad);
		if (r == 0)
			r = buf_append_str(&b, "\xef\xbf\xbd");
		from += bad + 1;
	}
	if (r == 0)
		r = buf_append(&b, text + from, len - from);
	json_t *value = r == 0 ? json_stringn_nocheck(b.len ? (const char *)b.data : "", b.len) : NULL;
	buf_done(&b);
	if (!value)
		return -ENOMEM;
	*ret_value = value;
	return 0;
}
