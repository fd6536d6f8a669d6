/* SPDX-License-Identifier: Apache-2.0 */

/* libFuzzer: joined streams. The first byte of the input chooses the kind, the rest is the body. Checked
 * besides the sanitizers: what was joined can be written as JSON and is not larger than the body allows,
 * notes are one line of text, and what is left out is said. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "openai/stream.h"

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_notes(const struct openai_notes *notes)
{
	check(utf8_valid((const char *)notes->text.data, notes->text.len, NULL));
	for (size_t i = 0; i < notes->text.len; i++)
		check(notes->text.data[i] >= 0x20 && notes->text.data[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum openai_kind kinds[] = {OPENAI_CHAT,  OPENAI_COMPLETION, OPENAI_RESPONSE,
						 OPENAI_IMAGE, OPENAI_SPEECH,	  OPENAI_TRANSCRIPT,
						 OPENAI_RUN,   OPENAI_UNKNOWN};
	if (size < 2)
		return -1;
	struct http_message msg = {
		.role = HTTP_RESPONSE, .status = 200, .body_len = size - 1, .last_ts_ns = 1};
	/* Of its exact size, so that the sanitizer sees a read past its end. */
	msg.body = malloc(size - 1);
	check(msg.body != NULL);
	memcpy(msg.body, data + 1, size - 1);
	msg.body_total = size - 1;

	struct openai_stream stream = {0};
	struct openai_notes notes;
	openai_notes_init(&notes);
	check(openai_stream_read(&stream, &msg, kinds[data[0] % 8], &notes) == 0);
	if (notes.text.len)
		check_notes(&notes);
	check(!stream.inexact || (stream.answer && notes.text.len));
	check(!stream.answer || stream.chunks);
	check(kinds[data[0] % 8] != OPENAI_UNKNOWN || !stream.answer);
	if (stream.answer) {
		check(json_is_object(stream.answer));
		char *text = json_dumps(stream.answer, JSON_COMPACT);
		check(text != NULL);
		/* A byte of text is at most 6 as JSON (\u001f); each value may need a name and quotes. */
		check(strlen(text) <= 64 * size + 4096);
		free(text);
	}
	openai_stream_done(&stream);
	openai_notes_done(&notes);
	free(msg.body);
	return 0;
}
