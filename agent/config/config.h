/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The configuration: defaults, a YAML file (libcyaml), then the command line. One table of keys
 * (config_keys.c) gives the schema, validation, `config print` and `config help`. Not thread-safe; once
 * loaded it may be read by any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config_policy.h"

#define CONFIG_PATH_DEFAULT "/etc/oaitap/oaitap.yaml"

#define CONFIG_MAX_HOSTS 256
#define CONFIG_HOST_MAX	 127	     /* bytes of one host name, "*." included */
#define CONFIG_FILE_MAX	 (256 << 10) /* bytes of a configuration file */
#define CONFIG_MAX_TEXTS 64	     /* values of a list of texts */

#define CONFIG_ROLE_CLIENT 1U
#define CONFIG_ROLE_SERVER 2U

/* Values of a key that takes one or several texts. */
struct config_texts {
	char **items; /* NULL if there are none */
	size_t n;
};

struct config {
	char **hosts; /* "api.openai.com" or "*.openai.azure.com"; lower case, no duplicates; at least one */
	size_t n_hosts;
	unsigned int roles; /* capture.roles: CONFIG_ROLE_* */
	uint64_t max_body;  /* capture.max_body: bytes of one body that are kept; 1 KiB .. 1 GiB */
	uint64_t max_call;  /* capture.max_call: bytes of one SSL_read or SSL_write call; 16 KiB .. 16 MiB */
	uint64_t max_message; /* capture.max_message: bytes of one message that are copied; 64 KiB .. 1 TiB */
	uint64_t ring_size;   /* capture.ring_size: bytes; a power of two, 64 KiB .. 1 GiB */
	char *store_path;     /* store.path; absolute when it comes from a file */
	char *key_path;	      /* identity.key_path */
	char *known_keys;     /* identity.known_keys; or NULL */
	struct config_texts jwks;	     /* identity.jwks: absolute paths and https URLs; may be none */
	char *jwks_ca;			     /* identity.jwks_ca; or NULL */
	struct config_texts audiences;	     /* identity.audiences; none: Azure's */
	struct config_texts claimed_headers; /* identity.claimed_headers: in lower case; may be none */
	bool args;			     /* identity.args */
	char *kubelet;			     /* identity.kubelet: "auto", "off", or "https://HOST[:PORT]" */
	char *kubelet_token, *kubelet_ca;    /* identity.kubelet_token, identity.kubelet_ca */
	char *host_root;		     /* identity.host_root: "/", or without "/" at its end */
	char *socket_path;		     /* status.socket; at most 107 bytes */
	struct config_policy *policy;
};

/* Defaults only. 0; -ENOMEM. */
int config_new(struct config **ret_config);
void config_free(struct config **config);

/* Reads a regular file of at most CONFIG_FILE_MAX bytes over the values that are there. On failure *ret_error
 * is one line "FILE:LINE: KEY: what is wrong; what is expected" ("FILE: why" if it could not be read; KEY is
 * absent for bad syntax), without control characters; the caller frees it, and the config is as before. NULL
 * on -ENOMEM. 0; -EINVAL: bad content, too large, not a regular file; -ENOENT, -EACCES, other negative errno
 * of open, read; -ENOMEM. */
int config_load(struct config *config, const char *path, char **ret_error);

/* What every command does first: defaults, then the file. path NULL: CONFIG_PATH_DEFAULT, which may be
 * missing. Errors as of config_load(). */
int config_open(struct config **ret_config, const char *path, char **ret_error);

/* Exit code for a failure of config_load() or config_open(): 3 if not permitted, otherwise 2. */
int config_exit_code(int error);

/* Paths of the keys, but policy's, in which two configurations differ, joined by ", "; at most size - 1
 * bytes. False: they do not differ. */
bool config_differs(const struct config *a, const struct config *b, char *ret_keys, size_t size);

/* Replaces the list of hosts (--host, repeated). 0; -EINVAL with *ret_error "--host: ..."; -ENOMEM. */
int config_set_hosts(struct config *config, char *const *hosts, size_t n, char **ret_error);

/* The effective configuration as YAML that config_load() accepts; no secrets. 0; -EIO: out did not take it.
 */
int config_print(const struct config *config, FILE *out);

/* Documentation of one key, of a section ("capture"), or of all if key is NULL. -ENOENT: no such key; -EIO.
 */
int config_help(const char *key, FILE *out);

/* "4MiB", "64KiB", "1GiB", "4096" to bytes. 0; -EINVAL: not of that form; -ERANGE: over 2^64 - 1. */
int config_parse_size(const char *text, uint64_t *ret_bytes);
