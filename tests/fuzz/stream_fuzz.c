/* SPDX-License-Identifier: Apache-2.0 */

/* libFuzzer: joined streams. The first byte of the input chooses the kind, the rest is the body. Checked
 * besides the sanitizers: what was joined can be written as JSON and is not larger than the body allows,
 * notes are one line of text, and what is left out is said. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "openai/stream.h"
#include "must.h"

static void check_notes(const struct openai_notes *notes)
{
	must(utf8_valid((const char *)notes->text.data, notes->text.len, NULL));
	for (size_t i = 0; i < notes->text.len; i++)
		must(notes->text.data[i] >= 0x20 && notes->text.data[i] != 0x7f);
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
	must(msg.body != NULL);
	memcpy(msg.body, data + 1, size - 1);
	msg.body_total = size - 1;

	struct openai_stream stream = {0};
	struct openai_notes notes;
	openai_notes_init(&notes);
	must(openai_stream_read(&stream, &msg, kinds[data[0] % 8], &notes) == 0);
	if (notes.text.len)
		check_notes(&notes);
	must(!stream.inexact || (stream.answer && notes.text.len));
	must(!stream.answer || stream.chunks);
	must(kinds[data[0] % 8] != OPENAI_UNKNOWN || !stream.answer);
	if (stream.answer) {
		must(json_is_object(stream.answer));
		char *text = json_dumps(stream.answer, JSON_COMPACT);
		must(text != NULL);
		/* A byte of text is at most 6 as JSON (\u001f); each value may need a name and quotes. */
		must(strlen(text) <= 64 * size + 4096);
		free(text);
	}
	openai_stream_done(&stream);
	openai_notes_done(&notes);
	free(msg.body);
	return 0;
}
