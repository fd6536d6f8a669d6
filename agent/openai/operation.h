/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The operation table: which API operation a method and a path are. Operation ids are those of the published
 * API descriptions (OpenAI's, which Azure's v1 shares, and Azure OpenAI's by version); what opens a WebSocket
 * has none there and gets one of ours (connectRealtime, Realtime_Connect, ...). The host is not looked at:
 * gateways and self-hosted servers use the same paths. */

#include <stdbool.h>
#include <stddef.h>

#include "openai/exchange.h"

/* Where the paths of a row begin. */
enum openai_root {
	ROOT_OPENAI = 1 << 0,	/* /v1 */
	ROOT_AZURE_V1 = 1 << 1, /* /openai/v1 */
	ROOT_AZURE = 1 << 2,	/* /openai */
	ROOT_FOUNDRY = 1 << 3,	/* /models */
	ROOT_BARE = 1 << 4,	/* nothing: servers that leave out /v1 */
};

enum openai_flag {
	OP_UPGRADE = 1 << 0,	  /* only as a request to change to WebSocket */
	OP_ANSWERS_FILE = 1 << 1, /* the answer is a file, whatever type it says it has */
	OP_ANSWERS_KEY = 1 << 2,  /* the answer gives out a credential */
};

struct openai_operation {
	const char *id;
	enum openai_kind kind;
	const char *method;
	const char *path;  /* after the root: literal segments, {deployment}, {model} and other wildcards */
	unsigned roots;	   /* enum openai_root: each of them */
	unsigned flags;	   /* enum openai_flag */
	const char *until; /* the last api-version that uses this id; NULL: all. The row after it has the
			    * same path and is for later ones, and for requests that say none. */
};

/* The rows of one resource, which is the first segment of their paths. Where two rows fit a path, the first
 * one is meant: literal segments stand before wildcards. */
struct openai_resource {
	const char *name;
	const struct openai_operation *rows;
	size_t n_rows;
};

/* All of them, sorted by name. Static. */
const struct openai_resource *openai_resources(size_t *ret_n);

/* What is asked. Borrowed; each pointer may be NULL. */
struct openai_asked {
	const char *method;
	const char *path; /* without query, not NUL-terminated */
	size_t path_len;
	const char *api_version;
	bool upgrade; /* to WebSocket */
};

struct openai_match {
	const struct openai_operation *operation; /* static; never NULL: the "Unknown" one if no row fits */
	char *deployment; /* the decoded {deployment}, also of a path below /openai/deployments/ that is not
			   * in the table; or NULL */
	char *model;	  /* the decoded {model}; or NULL */
	bool model_is_deployment; /* the body's model names a deployment */
};

/* Segments are percent-decoded before they are compared; below /openai and /models without regard to case, as
 * the service does. Empty segments (a doubled or a final slash) count for nothing: servers of this API accept
 * them. A path that different servers read differently names no operation: one with dot segments, encoded
 * slashes or backslashes, control characters, invalid UTF-8 or invalid percent-encoding.
 *
 * Gateways put the API below a prefix of their own (/proxy/openai/v1/embeddings, /api/v1/chat/completions).
 * If the whole path is no row's, what follows the prefix is tried: the longest rest of the path that begins
 * with /openai, /v1 or /models, or that follows /openai and needs no root. So a deployment or a file called
 * "v1" is not taken for a root. The limit of this: the prefix is believed, and an API of another kind that
 * ends in the same way (/shop/v1/files) is named like ours. What needs no root is the asking of models and
 * the list of models alone, since other paths (/files, /threads) say too little.
 *
 * 0; -ENOMEM. */
int openai_operation_find(struct openai_match *ret_match, const struct openai_asked *asked);
void openai_match_done(struct openai_match *match);
