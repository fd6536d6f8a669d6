/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Audio that a session carries as base64 in JSON strings: counted and hashed, never kept. Embedded by value;
 * all zero is audio of which nothing has come yet. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/digest.h"

struct session_audio {
	struct sha256 *sha; /* owned; NULL until the first byte */
	uint64_t bytes;
	uint64_t pieces; /* strings that were added */
	bool inexact;	 /* some of it is missing or is not base64: bytes are what could be read */
};

/* Adds the bytes that one JSON string stands for: text is what is between its quotes, as on the wire. Each
 * string is base64 of its own (RFC 4648 section 4, with or without padding). Decodes in blocks on the stack.
 * 0; -EBADMSG: not base64, what could be read before that counts and the audio is inexact; -ENOMEM. */
int session_audio_add(struct session_audio *audio, const uint8_t *text, size_t len);

/* {bytes, sha256}, without sha256 if it is inexact; a new reference. The audio starts anew. 0; -ENOMEM. */
int session_audio_take(struct session_audio *audio, json_t **ret_value);

void session_audio_done(struct session_audio *audio);
