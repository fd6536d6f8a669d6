/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The operator's names for keys, by fingerprint (identity.known_keys). A YAML list:
 *
 *     - fingerprint: "hmac-sha256:0123456789abcdef0123456789abcdef"
 *       name: key of team A
 *       labels: {team: a, cost-center: "4711"}      # optional
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define KNOWN_KEYS_FILE_MAX   (4 << 20) /* bytes */
#define KNOWN_KEYS_MAX	      16384
#define KNOWN_KEYS_NAME_MAX   256 /* bytes, of names and of labels' names and values */
#define KNOWN_KEYS_LABELS_MAX 16

struct identity_known_keys;

struct identity_known_key {
	const char *name;
	json_t *labels; /* object of strings, borrowed and not to be changed; or NULL */
};

/* Reads a regular file. On failure *ret_error is one line "FILE:LINE: what is wrong; what is expected" that
 * the caller frees, NULL on -ENOMEM. 0; -EINVAL: bad content, too large, not a regular file; -ENOENT,
 * -EACCES, other negative errno of open, read; -ENOMEM. */
int identity_known_keys_open(struct identity_known_keys **ret_keys, const char *path, char **ret_error);
/* The same from memory; path is for messages. */
int identity_known_keys_parse(struct identity_known_keys **ret_keys, const char *path, const char *text,
			      size_t len, char **ret_error);
void identity_known_keys_free(struct identity_known_keys **keys);

/* False: not in the file. keys may be NULL. Any thread; the labels are one thread's at a time to count
 * references to. */
bool identity_known_keys_find(const struct identity_known_keys *keys, const char *fingerprint,
			      struct identity_known_key *ret_key);
