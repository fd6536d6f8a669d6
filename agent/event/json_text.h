/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writes JSON text (RFC 8259) on one line, always well-formed and in UTF-8 whatever the strings hold. Linear
 * in the input. The first failure sticks in `error` and later calls do nothing, so that callers check once at
 * the end. Embedded by value; not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"

/* Readers refuse deep nesting (jq at 256, SQLite at 1000): what lies deeper is given as a string that holds
 * its JSON text. */
#define JSON_TEXT_DEPTH_MAX 200

/* Text that must not be given: each place where it stands in a string or key holds "[credential]" instead. */
#define JSON_TEXT_SECRETS_MAX 8

struct json_text_secret {
	const char *text; /* borrowed, not empty */
	size_t len;
};

struct json_text {
	struct buf out;
	struct json_text_secret secrets[JSON_TEXT_SECRETS_MAX];
	size_t n_secrets;
	int error;  /* 0; -ENOMEM; -E2BIG: over the ceiling */
	bool comma; /* something precedes on this level */
	unsigned int depth;
	uint64_t replaced;  /* bytes that were not UTF-8, each given as U+FFFD */
	uint64_t flattened; /* values that lay too deep, given as text */
	uint64_t hidden;    /* secrets left out */
};

void json_text_init(struct json_text *w, size_t max);
void json_text_done(struct json_text *w);

/* For the strings written from now on. -E2BIG: JSON_TEXT_SECRETS_MAX are set. */
int json_text_hide(struct json_text *w, const char *secret, size_t len);

/* key is NULL inside an array and for the outermost value. */
void json_text_open(struct json_text *w, const char *key, char bracket); /* '{' or '[' */
void json_text_close(struct json_text *w, char bracket);		 /* '}' or ']' */

/* A NULL string or value writes nothing, not even its key. */
void json_text_string(struct json_text *w, const char *key, const char *text);
void json_text_stringn(struct json_text *w, const char *key, const char *text, size_t len);
void json_text_value(struct json_text *w, const char *key, const json_t *value);
void json_text_int(struct json_text *w, const char *key, int64_t value);
void json_text_uint(struct json_text *w, const char *key, uint64_t value);
void json_text_bool(struct json_text *w, const char *key, bool value);

/* The shortest of 15, 16 or 17 digits that reads back as the same number, with a fraction or an exponent so
 * that it stays a real for typed readers; null if it is not finite. */
void json_text_real(struct json_text *w, const char *key, double value);
