/* SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket_handshake.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BITS_MIN 8
#define BITS_MAX 15

/* A stretch of a header value. */
struct item {
	const char *text;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct item trimmed(const char *text, size_t len)
{
	while (len && is_blank(text[0])) {
		text++;
		len--;
	}
	while (len && is_blank(text[len - 1]))
		len--;
	return (struct item){.text = text, .len = len};
}

/* The next item of a list. False: none is left. */
static bool next_item(const char **pos, const char *end, char separator, struct item *ret_item)
{
	if (*pos >= end)
		return false;
	const char *stop = memchr(*pos, separator, (size_t)(end - *pos));
	if (!stop)
		stop = end;
	*ret_item = trimmed(*pos, (size_t)(stop - *pos));
	*pos = stop + 1;
	return true;
}

static bool item_is(struct item item, const char *name)
{
	return item.len == strlen(name) && strncasecmp(item.text, name, item.len) == 0;
}

bool websocket_upgrade(const struct http_message *msg)
{
	struct item item;
	for (size_t i = 0; i < msg->n_headers; i++) {
		if (strcmp(msg->headers[i].name, "upgrade") != 0)
			continue;
		const char *pos = msg->headers[i].value, *end = pos + strlen(pos);
		while (next_item(&pos, end, ',', &item))
			if (item_is(item, "websocket"))
				return true;
	}
	return false;
}

/* 8..15, perhaps quoted; 0: something else. */
static uint8_t read_bits(struct item value)
{
	unsigned bits = 0;
	if (value.len >= 2 && value.text[0] == '"' && value.text[value.len - 1] == '"')
		value = (struct item){.text = value.text + 1, .len = value.len - 2};
	if (!value.len || value.len > 2)
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.text[i] < '0' || value.text[i] > '9')
			return 0;
		bits = bits * 10 + (unsigned)(value.text[i] - '0');
	}
	return bits >= BITS_MIN && bits <= BITS_MAX ? (uint8_t)bits : 0;
}

static void read_parameter(struct item parameter, struct websocket_deflate deflate[static 2])
{
	const char *pos = parameter.text, *end = pos + parameter.len;
	struct item name = {}, value = {};
	(void)next_item(&pos, end, '=', &name);
	if (pos < end)
		value = trimmed(pos, (size_t)(end - pos));
	if (item_is(name, "client_no_context_takeover"))
		deflate[HTTP_REQUEST].no_context_takeover = true;
	if (item_is(name, "server_no_context_takeover"))
		deflate[HTTP_RESPONSE].no_context_takeover = true;
	uint8_t bits = read_bits(value);
	if (bits && item_is(name, "client_max_window_bits"))
		deflate[HTTP_REQUEST].window_bits = bits;
	if (bits && item_is(name, "server_max_window_bits"))
		deflate[HTTP_RESPONSE].window_bits = bits;
}

static void read_extension(struct item extension, struct websocket_deflate deflate[static 2])
{
	const char *pos = extension.text, *end = pos + extension.len;
	struct item item;
	/* Named twice, the first one counts. */
	if (deflate[0].agreed || !next_item(&pos, end, ';', &item) || !item_is(item, "permessage-deflate"))
		return;
	for (int role = 0; role < 2; role++)
		deflate[role] = (struct websocket_deflate){.agreed = true, .window_bits = BITS_MAX};
	while (next_item(&pos, end, ';', &item))
		read_parameter(item, deflate);
}

void websocket_extensions(const struct http_message *response, struct websocket_deflate ret_deflate[static 2])
{
	struct item item;
	ret_deflate[0] = ret_deflate[1] = (struct websocket_deflate){};
	for (size_t i = 0; i < response->n_headers; i++) {
		if (strcmp(response->headers[i].name, "sec-websocket-extensions") != 0)
			continue;
		const char *pos = response->headers[i].value, *end = pos + strlen(pos);
		while (next_item(&pos, end, ',', &item))
			read_extension(item, ret_deflate);
	}
}
