/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The built-in rules as tables. A rule has one form or several. A form is tried only where its trigger
 * stands, which one pass over the text finds for all (redact_scan.c); its pattern is anchored there, and has
 * bounded repeats. Patterns are of bytes: letters outside ASCII are spelt as such, and end a word. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum redact_trigger {
	REDACT_AT,     /* an '@' or "%40"; tried where the local part before it begins */
	REDACT_NUMBER, /* a word with a digit in it, or a '+' or '(' before a digit; `mark` is its shape */
	REDACT_IPV4,   /* a word of at most three digits with ".digit" behind it */
	REDACT_IPV6,   /* a ':' among hexadecimal digits; tried where these begin */
	REDACT_SCHEME, /* "://" */
	REDACT_DASHES, /* five dashes */
	REDACT_TILDE,  /* "Q~" behind a digit; tried three characters before that digit */
	REDACT_PREFIX, /* a word that begins with `mark`, in either case of letters */
	REDACT_WHOLE,  /* the beginning of a text whose context is known: the value of a member */
	REDACT_TRIGGERS
};

/* In what form spellings of one value are alike, for the hash. */
enum redact_norm { REDACT_NORM_NONE, REDACT_NORM_LOWER, REDACT_NORM_ALNUM };

enum redact_group { REDACT_GROUP_NONE, REDACT_GROUP_NATIONAL, REDACT_GROUP_SECRETS, REDACT_GROUPS };

/* What a pattern has matched; a check may make it shorter or refuse it. */
struct redact_match {
	const char *text; /* all of it, for a look around */
	size_t len;
	size_t start, end;
};

typedef bool (*redact_check_fn)(struct redact_match *m);

#define REDACT_LETTERS (1ULL << 63)

struct redact_form {
	const char *rule;
	enum redact_trigger trigger;
	/* REDACT_NUMBER: the first characters: D digit, L ASCII letter, X either, others as they are.
	 * REDACT_WHOLE: the last two letters of the contexts that match, in lower case, between spaces. */
	const char *mark;
	/* REDACT_NUMBER: bits 0 to 7: at least so many within reach of the first character. Bit 8 + n: it may
	 * begin with n digits before anything else; none of these: with any number of them. REDACT_LETTERS:
	 * letters may stand before the last of these digits. */
	uint64_t digits;
	const char *pattern;
	const char *context; /* a pattern that what comes before, or the context given by the caller, must
				match */
	redact_check_fn check;
};

struct redact_builtin {
	const char *name;
	const char *what;
	enum redact_group group;
	enum redact_norm norm;
};

extern const struct redact_builtin redact_builtins[];
extern const size_t redact_n_builtins;
extern const char *const redact_group_names[REDACT_GROUPS];

/* Tables of forms, each ended by one without a rule. */
extern const struct redact_form redact_forms_contact[];
extern const struct redact_form redact_forms_national[];
extern const struct redact_form redact_forms_secret[];
