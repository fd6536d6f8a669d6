/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Removes personal data and secrets from texts and JSON values by rules: built-in ones (docs/redaction.md
 * lists them) and the operator's, which are PCRE2 patterns. No I/O, no clock, no log.
 *
 * What a rule finds is replaced by "[NAME]" (mask), by "[NAME:1a2b3c4d5e6f]" (hash: the same value gives the
 * same text) or by nothing (drop). Where matches overlap, all their bytes go and one replacement stands for
 * them: that of the match which begins first, of these the longest, of these the one whose rule is first in
 * the list. If a pattern has a group named "secret", only what that group matched is the match.
 *
 * Every match runs under limits. A rule that reaches one has not seen the whole text, so the whole text is
 * replaced by "[withheld:NAME]" and the report says so: what could not be searched is not passed on.
 *
 * Searched is the text as its reader sees it: a string that is itself JSON (tool arguments) is taken apart
 * into its names, strings and numbers, however deeply nested up to a limit, and put together again as valid
 * JSON with all else as it was; in other text escapes such as \u0040 and \n are searched as what they stand
 * for. The payload of base64 data: URLs is passed over.
 *
 * struct redactor never changes after it was made and may be shared by threads; a struct redact_scratch and a
 * struct redact_report belong to one thread. All memory that held text is cleared before it is given back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define REDACT_RULES_MAX 128u /* after groups are spread out */
#define REDACT_NAME_MAX	 31u  /* bytes: a-z, 0-9 and '-', beginning with a letter */
/* Bytes. No control characters, '"' or '\', since it also goes into JSON text. */
#define REDACT_REPLACEMENT_MAX 64u
#define REDACT_PATTERN_MAX     4096u	   /* bytes */
#define REDACT_TEXT_MAX	       (64u << 20) /* bytes; a longer text is withheld, for the rule "size" */
#define REDACT_MATCH_MAX       2048u	   /* bytes: an operator's rule finds no longer match */
#define REDACT_NESTED_MAX      8u	   /* levels of JSON in JSON strings */
#define REDACT_DEPTH_MAX       2048u	   /* levels of containers of a value; below that all is withheld */
#define REDACT_HITS_MAX	       64u	   /* entries of a report */
#define REDACT_PATH_MAX	       255u	   /* bytes of a path in a report */
#define REDACT_HASH_LEN	       12u	   /* hexadecimal digits in a replacement */

/* The longest that a text of len bytes can become; a text that would grow beyond is withheld, for the rule
 * "size". */
#define REDACT_GROWN(len) (8 * (size_t)(len) + 256)

struct redactor;       /* rules, compiled */
struct redact_scratch; /* what a thread needs to run them */

enum redact_mode { REDACT_MASK, REDACT_HASH, REDACT_DROP };

/* One entry of the operator's list. Strings are borrowed for the call only. */
struct redact_rule {
	const char *name;    /* of a built-in rule, a group of them, or the operator's own rule */
	const char *pattern; /* PCRE2 (UTF, as by pcre2pattern(3)); NULL: name is a built-in rule or group */
	const char *replacement; /* with REDACT_MASK, in place of "[NAME]"; NULL: that */
	enum redact_mode mode;
};

/* Writes 32 bytes made of a keyed hash of value, which is the match in a form in which spellings of one value
 * are alike (lower case of an email, digits of a card). Called by any thread. 0; negative errno: the text's
 * redaction fails with it. */
typedef int (*redact_hash_fn)(void *ctx, const char *rule, const char *value, size_t len,
			      uint8_t ret_sum[static 32]);

struct redact_options {
	bool names;	   /* also search names of members. Two that become alike get " 2", " 3" ... added */
	bool across_parts; /* also search across adjacent text parts of one array (see redact_json()) */
	unsigned int
		nested; /* levels of JSON in strings, at most REDACT_NESTED_MAX; 0: REDACT_NESTED_DEFAULT */
	const uint8_t *key;  /* for REDACT_HASH: HMAC-SHA-256 over rule name, NUL, value; copied, cleared at
				the end */
	size_t key_len;	     /* bytes */
	redact_hash_fn hash; /* in place of key; hash_ctx outlives the redactor */
	void *hash_ctx;
	uint32_t match_limit; /* PCRE2's match limit for one place of a text; 0: REDACT_MATCH_LIMIT_DEFAULT */
	uint32_t depth_limit; /* PCRE2's depth limit; 0: REDACT_DEPTH_LIMIT_DEFAULT. Counts where there is no
				 JIT */
	uint32_t heap_kib; /* PCRE2's heap limit, and the size of the JIT's stack; 0: REDACT_HEAP_KIB_DEFAULT
			    */
};

#define REDACT_NESTED_DEFAULT	   4u
#define REDACT_MATCH_LIMIT_DEFAULT 100000u
#define REDACT_DEPTH_LIMIT_DEFAULT 1000u
#define REDACT_HEAP_KIB_DEFAULT	   512u

/* Why a list of rules was refused. */
struct redact_error {
	size_t rule;	/* index in the list; its length: not about one rule */
	size_t offset;	/* in the pattern, in bytes; 0 if it is not about the pattern */
	char text[160]; /* one sentence without the pattern */
};

/* 0; -EINVAL: *ret_error, if given, says why (a name that is neither built-in nor comes with a pattern, a
 * name twice with patterns, a pattern that does not compile or matches the empty text, REDACT_HASH without a
 * key, ...); -E2BIG: over REDACT_RULES_MAX, *ret_error too; -ENOMEM. A built-in rule that comes again counts
 * where it came first. */
int redactor_new(struct redactor **ret_redactor, const struct redact_rule *rules, size_t n_rules,
		 const struct redact_options *options, struct redact_error *ret_error);
void redactor_free(struct redactor **redactor);

/* The n-th name that may stand in a list without a pattern, rules first, then groups; *ret_what, if given, is
 * one line about it. NULL: no more. Static text. */
const char *redact_builtin_name(size_t n, const char **ret_what);
/* A rule or group of that name is built in. */
bool redact_is_builtin(const char *name);

/* Works with any redactor, so it lasts over a reload. 0; -ENOMEM. */
int redact_scratch_new(struct redact_scratch **ret_scratch);
void redact_scratch_free(struct redact_scratch **scratch);

/* One line of `capture.redacted`. */
struct redact_hit {
	char *path; /* owned; JSON Pointer. One longer than REDACT_PATH_MAX is that of the nearest
		       container above that fits */
	char rule[REDACT_NAME_MAX +
		  1];	/* its name; "size", "depth", "utf-8" for what is withheld for these */
	uint64_t count; /* replacements, or texts withheld */
	bool withheld;	/* the rule reached a limit, so all of the text went */
};

/* Embedded by value; zeroed is empty. Several calls may add to one report. */
struct redact_report {
	struct redact_hit *hits; /* owned; in the order they came; one for each (path, rule, withheld) */
	size_t n_hits;		 /* at most REDACT_HITS_MAX */
	uint64_t total;		 /* sum of all counts, listed or not */
	uint64_t overflow;	 /* of these, in no entry */
	uint64_t withheld;	 /* of all, texts withheld */
};

void redact_report_done(struct redact_report *report);

/* 1: *ret_text is the text without what the rules found: owned, NUL-terminated, free(3), valid UTF-8, at most
 * REDACT_GROWN(len) long. 0: nothing found, outputs untouched. path names the text in the report ("" is the
 * whole document); context is what the text is the value of, for rules that need it (a member's name, a
 * header's), or NULL. text may hold NUL; text that is not UTF-8 is withheld. -ENOMEM, or what
 * redact_options.hash gave: outputs untouched; the text must not be passed on. */
int redact_text(const struct redactor *redactor, struct redact_scratch *scratch, const char *text, size_t len,
		const char *path, const char *context, struct redact_report *report, char **ret_text,
		size_t *ret_len);

/* The same for the member `name` of the object at path; its name is the context. */
int redact_member(const struct redactor *redactor, struct redact_scratch *scratch, const char *text,
		  size_t len, const char *path, const char *name, struct redact_report *report,
		  char **ret_text, size_t *ret_len);

/* The same for each string of a value, in place; containers keep their identity, *value itself is replaced if
 * it is a number that matches. Integers of at least 8 digits are searched as their decimal text and become
 * the replacement as a string ("drop": null); other numbers are left alone.
 *
 * With across_parts, members `text` of neighbouring objects of one array ([{"type":"text","text":"..."},
 * ...]) are searched as one text too: a match that begins in one and ends in another is replaced where it
 * begins, and its rest goes from the others. 2 KiB on each side of a border are looked at.
 *
 * path is the pointer of *value, context as above. 1: something was replaced; 0; -ENOMEM, or what hash gave:
 * *value is partly redacted and must not be passed on. */
int redact_json(const struct redactor *redactor, struct redact_scratch *scratch, json_t **value,
		const char *path, const char *context, struct redact_report *report);

/* The same on a deep copy, or on value itself if nothing is found in it; value is untouched. *ret_value is
 * the caller's (json_decref()) on 0 and 1. */
int redact_json_copy(const struct redactor *redactor, struct redact_scratch *scratch, const json_t *value,
		     const char *path, const char *context, struct redact_report *report, json_t **ret_value);
