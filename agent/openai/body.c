/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/body.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base/macro.h"
#include "base/utf8.h"
#include "openai/text.h"

static bool has_controls(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
			return true;
	return false;
}

/* Length of the text, less a character that a limit or a lost connection cut; -EBADMSG: not text. */
static ssize_t text_len(const struct http_message *msg)
{
	size_t len = msg->body_len, bad;
	if (has_controls(msg->body, len))
		return -EBADMSG;
	if (utf8_valid((const char *)msg->body, len, &bad))
		return (ssize_t)len;
	bool cut = msg->body_total > len || msg->end != HTTP_END_COMPLETE;
	if (!cut || !openai_text_is_cut_character(msg->body + bad, len - bad))
		return -EBADMSG;
	return (ssize_t)bad;
}

static int encode_base64(const uint8_t *data, size_t len, json_t **ret_text)
{
	if (len > INT_MAX / 2)
		return -ENOMEM;
	_cleanup_free_ unsigned char *text = malloc((len + 2) / 3 * 4 + 1);
	if (!text)
		return -ENOMEM;
	int n = EVP_EncodeBlock(text, data, (int)len);
	json_t *value = json_stringn_nocheck((char *)text, (size_t)n);
	if (!value)
		return -ENOMEM;
	*ret_text = value;
	return 0;
}

int openai_body_keep(const struct http_message *msg, json_t *exact_json, json_t **ret_body, bool *ret_base64)
{
	json_t *body = NULL;
	bool base64 = false;

	if (json_is_object(exact_json) || json_is_array(exact_json)) {
		body = json_incref(exact_json);
	} else if (msg->body_len) {
		ssize_t n = text_len(msg);
		if (n >= 0) {
			body = json_stringn_nocheck((const char *)msg->body, (size_t)n);
			if (!body)
				return -ENOMEM;
		} else {
			int r = encode_base64(msg->body, msg->body_len, &body);
			if (r < 0)
				return r;
			base64 = true;
		}
	}
	*ret_body = body;
	*ret_base64 = base64;
	return 0;
}

int openai_body_note_missing(struct openai_notes *notes, const struct http_message *msg)
{
	if (!msg->missing_bytes)
		return 0;
	return openai_notes_add(notes,
				"%llu bytes of the message were not captured, what is recorded may lack them",
				(unsigned long long)msg->missing_bytes);
}

int openai_body_note_cut(struct openai_notes *notes, const struct http_message *msg)
{
	if (msg->body_total <= msg->body_len)
		return 0;
	return openai_notes_add(notes, "only the first %llu of the body's %llu bytes were kept",
				(unsigned long long)msg->body_len, (unsigned long long)msg->body_total);
}

const char *openai_body_coding(const struct http_message *msg)
{
	static const char *const names[] = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress"};
	const char *coding = http_message_header(msg, "content-encoding");

	if (msg->decoded || !coding || !*coding || !strcasecmp(coding, "identity"))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcasecmp(coding, names[i]))
			return names[i];
	return "another coding";
}

bool openai_body_must_be_json(enum openai_kind kind)
{
	return kind == OPENAI_CHAT || kind == OPENAI_COMPLETION || kind == OPENAI_EMBEDDING ||
	       kind == OPENAI_RESPONSE || kind == OPENAI_RUN;
}
