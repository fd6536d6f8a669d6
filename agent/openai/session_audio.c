/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_audio.h"

#include <errno.h>

#include "base/digit.h"

#define BLOCK 3072

/* While one string is read. */
struct decoder {
	struct session_audio *audio;
	uint32_t bits;
	unsigned digits, padding;
	size_t n; /* in block */
	uint8_t block[BLOCK];
};

static void flush(struct decoder *d)
{
	sha256_update(d->audio->sha, d->block, d->n);
	d->audio->bytes += d->n;
	d->n = 0;
}

static void put(struct decoder *d, uint32_t byte)
{
	d->block[d->n++] = (uint8_t)byte;
	if (d->n == BLOCK)
		flush(d);
}

static bool take_digit(struct decoder *d, unsigned c)
{
	if (c == '=')
		return ++d->padding <= 2;
	int digit = base64_digit(c);
	if (digit < 0 || d->padding)
		return false;
	d->bits = d->bits << 6 | (uint32_t)digit;
	if (++d->digits % 4 == 0) {
		put(d, d->bits >> 16);
		put(d, d->bits >> 8);
		put(d, d->bits);
	}
	return true;
}

/* Writers of JSON may escape the slash (PHP) and the plus sign (.NET). Length of the escape; 0: none of
 * those. */
static size_t read_escape(const uint8_t *p, size_t len, unsigned *ret_char)
{
	if (len >= 2 && p[1] == '/') {
		*ret_char = '/';
		return 2;
	}
	if (len < 6 || p[1] != 'u')
		return 0;
	unsigned unit = 0;
	for (int i = 2; i < 6; i++) {
		int value = hex_digit(p[i]);
		if (value < 0)
			return 0;
		unit = unit << 4 | (unsigned)value;
	}
	*ret_char = unit;
	return 6;
}

static bool read_digits(struct decoder *d, const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		unsigned c = text[i];
		size_t n = 1;
		if (c == '\\' && !(n = read_escape(text + i, len - i, &c)))
			return false;
		if (!take_digit(d, c))
			return false;
		i += n;
	}
	return true;
}

/* What the last digits stand for that are less than four. */
static bool read_rest(struct decoder *d)
{
	unsigned rest = d->digits % 4;
	if (rest == 1 || (d->padding && rest + d->padding != 4))
		return false;
	if (rest == 2)
		put(d, d->bits >> 4);
	if (rest == 3) {
		put(d, d->bits >> 10);
		put(d, d->bits >> 2);
	}
	return true;
}

int session_audio_add(struct session_audio *audio, const uint8_t *text, size_t len)
{
	struct decoder d;

	if (!audio->sha) {
		int r = sha256_new(&audio->sha);
		if (r < 0)
			return r;
	}
	d.audio = audio;
	d.bits = 0;
	d.digits = d.padding = 0;
	d.n = 0;
	audio->pieces++;
	bool good = read_digits(&d, text, len) && read_rest(&d);
	flush(&d);
	audio->inexact |= !good;
	return good ? 0 : -EBADMSG;
}

int session_audio_take(struct session_audio *audio, json_t **ret_value)
{
	uint8_t sum[SHA256_LEN];
	char text[SHA256_HEX_LEN];

	json_auto_t *value = json_object();
	if (!value || json_object_set_new_nocheck(value, "bytes", json_integer((json_int_t)audio->bytes)) < 0)
		return -ENOMEM;
	if (!audio->inexact) {
		if (!audio->sha && sha256_new(&audio->sha) < 0)
			return -ENOMEM;
		sha256_final(audio->sha, sum);
		hex_encode(sum, sizeof(sum), text);
		sha256_reset(audio->sha);
		audio->inexact = true; /* should the next line fail: the sum is gone */
		if (json_object_set_new_nocheck(value, "sha256", json_string(text)) < 0)
			return -ENOMEM;
	}
	session_audio_done(audio);
	*ret_value = json_incref(value);
	return 0;
}

void session_audio_done(struct session_audio *audio)
{
	sha256_free(&audio->sha);
	*audio = (struct session_audio){0};
}
