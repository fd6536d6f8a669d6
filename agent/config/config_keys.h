/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The table of keys: everything else about the configuration derives from it. Internal to the stage. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum config_kind {
	CONFIG_HOSTS,	/* list of host names: struct config hosts, n_hosts */
	CONFIG_ROLES,	/* list of roles: bits of an unsigned int at offset */
	CONFIG_SIZE,	/* uint64_t at offset */
	CONFIG_PATH,	/* char * at offset */
	CONFIG_TEXTS,	/* one text or a list of them: struct config_texts at offset */
	CONFIG_CHECKED, /* char * at offset, of a form of its own */
	CONFIG_BOOL,	/* bool at offset */
};

struct config_key {
	const char *section; /* "capture", or NULL at the top level */
	const char *name;    /* "max_body" */
	const char *path;    /* "capture.max_body" */
	enum config_kind kind;
	size_t offset;		  /* in struct config */
	const char *fallback;	  /* default value as text; NULL: as default_help says, or none */
	const char *default_help; /* for `config help` */
	uint64_t min, max;	  /* size: bytes; path: length in bytes; texts: their number */
	/* Texts: puts a value into the form in which it is kept. NULL, or what is wrong with it. */
	const char *(*tidy)(char *text);
	bool power_of_two;
	const char *(*check)(const char *text); /* checked: what is wrong with a value, static; or NULL */
	const char *expected;			/* ends the error message: "expected ..." */
	const char *help;			/* wrapped at 80 columns, lines separated by LF */
};

#define CONFIG_N_KEYS 19

extern const struct config_key config_keys[CONFIG_N_KEYS];
extern const char *const config_default_hosts[];
extern const size_t config_n_default_hosts;

/* NULL: no such key. */
const struct config_key *config_key_find(const char *path);

static inline bool config_is_list(const struct config_key *key)
{
	return key->kind == CONFIG_HOSTS || key->kind == CONFIG_ROLES || key->kind == CONFIG_TEXTS;
}

/* Checks one value and stores it (a role or one of several texts: adds it) in config. *ret_why says what is
 * wrong ("is over the maximum"; static). 0; -EINVAL; -ENOMEM. Not for the hosts. */
int config_key_set(const struct config_key *key, struct config *config, const char *text,
		   const char **ret_why);

/* Adds a host, in lower case, unless it is there already. Errors as above. */
int config_host_add(struct config *config, const char *host, const char **ret_why);
void config_hosts_clear(struct config *config);
void config_texts_clear(struct config_texts *texts);
/* to is empty. 0; -ENOMEM. */
int config_texts_copy(const struct config_texts *from, struct config_texts *to);

/* "16MiB": the largest unit that divides bytes. */
#define CONFIG_SIZE_TEXT 24
void config_format_size(uint64_t bytes, char ret_text[static CONFIG_SIZE_TEXT]);

/* Copy of text for a message: printable ASCII, other bytes as '?', "..." after 60 bytes. */
#define CONFIG_QUOTE_TEXT 64
const char *config_quote(const char *text, char ret_text[static CONFIG_QUOTE_TEXT]);

/* A double-quoted YAML scalar. */
void config_print_quoted(FILE *out, const char *text);

/* "FILE:LINE: KEY: message", or without ":LINE" if line is 0 and without KEY if it is NULL. Control
 * characters of the file name are shown as '?'. NULL: out of memory. The caller frees it. */
char *config_error(const char *file, unsigned int line, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
