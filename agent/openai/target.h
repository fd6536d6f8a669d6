/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where a request goes: its target (RFC 9112 section 3.2) and its Host field. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "http/message.h"

struct openai_target {
	/* Slices of msg->target, which die with it. */
	const char *raw_path; /* NULL: none */
	size_t raw_path_len;

	/* Owned; as in struct openai_request. */
	char *backend;
	char *path;
	char *api_version;

	/* Owned: the query's `model` and `deployment`, which is where realtime sessions say them; NULL if
	 * they are not there or do not look like such a name. */
	char *query_model;
	char *query_deployment;

	const char *problem; /* static, or NULL */
};

/* 0; -ENOMEM. A target that cannot be read is not an error of the call. */
int openai_target_read(struct openai_target *ret_target, const struct http_message *msg);
void openai_target_done(struct openai_target *target);

/* Decodes into out, which holds len bytes. The decoded length; -EBADMSG: a percent sign without two
 * hexadecimal digits, or one that stands for NUL. Never allocates. */
ssize_t openai_percent_decode(const char *text, size_t len, char *out);
