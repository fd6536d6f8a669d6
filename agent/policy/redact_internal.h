/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the redaction engine share. Nothing here is for other modules. */

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/lanes.h"
#include "base/utf8.h"
#include "policy/redact.h"
#include "policy/redact_builtin.h"
#include "policy/redact_bytes.h"

/* A text was not searched through: internal return value beside 0, 1 and -errno. */
#define REDACT_WITHHELD 2

/* Groups of a pattern that are looked at. */
#define REDACT_GROUPS_MAX 16

/* Matches of one text; a text with more is withheld. 24 MiB at worst. */
#define REDACT_SPANS_MAX (1u << 20)

/* Built-in patterns are anchored, with bounded repeats: they never look further than this. */
#define REDACT_FORM_REACH (24u << 10)

struct redact_span {
	size_t start, end; /* bytes */
	uint16_t rule;
};

struct redact_spans {
	struct redact_span *v; /* owned */
	size_t n, cap;
};

struct redact_compiled_rule {
	char name[REDACT_NAME_MAX + 1];
	char replacement[REDACT_REPLACEMENT_MAX + 1]; /* with REDACT_MASK */
	enum redact_mode mode;
	enum redact_norm norm;
	pcre2_code *own; /* the operator's pattern; NULL: built-in */
	int secret;	 /* the group that is the match; 0: all */
	bool jit;
};

/* A built-in form, compiled. */
struct redact_compiled_form {
	const struct redact_form *form;
	pcre2_code *code;
	pcre2_code *context; /* shared: owned by redactor.contexts */
	size_t mark_len;     /* bytes; of REDACT_PREFIX */
	int secret;	     /* as of a rule */
	uint16_t rule;
	bool jit, context_jit;
};

/* How far ahead of a number's first byte digits are counted, in bytes. */
#define REDACT_NUMBER_REACH 48
/* Of the shape of a number this much at most is looked at before its form is. */
#define REDACT_RUN_MAX 32U

#define REDACT_MARKS_MAX 7

/* Bit n: the n-th form of REDACT_NUMBER is possible. */
struct redact_numbers {
	uint64_t first[256]; /* by the first byte */
	uint64_t digit_run[REDACT_RUN_MAX +
			   1]; /* by the digits, or the letters and digits, that it begins with */
	uint64_t word_run[REDACT_RUN_MAX + 1];
	uint64_t digits[REDACT_NUMBER_REACH + 1]; /* by the digits within reach */
	uint64_t bare[REDACT_NUMBER_REACH + 1];	  /* by those of them before any letter */
	uint64_t lettered;			  /* those that may have a letter before a digit */
};

struct redactor {
	struct redact_compiled_rule *rules;
	size_t n_rules;
	/* Sorted by trigger; first[t] .. first[t + 1] are those of trigger t. */
	struct redact_compiled_form *forms;
	size_t n_forms;
	size_t first[REDACT_TRIGGERS + 1];
	pcre2_code **contexts;
	const char **context_texts;
	bool *context_jits;
	size_t n_contexts;
	uint64_t leads[3][32]; /* bit n: the n-th form of REDACT_PREFIX may have this byte there */
	struct redact_numbers numbers;
	/* Each of one byte that a trigger outside of words begins with; the rest are like the first. */
	lanes marks[REDACT_MARKS_MAX];
	unsigned int n_marks;
	bool marks_only; /* no trigger is in a word */
	bool has_own;
	bool names, across_parts;
	unsigned int nested;
	uint8_t *key;
	size_t key_len;
	redact_hash_fn hash;
	void *hash_ctx;
	uint32_t match_limit, depth_limit, heap_kib;
};

/* Buffers of one level of JSON in strings. */
struct redact_level {
	struct redact_bytes out;     /* what becomes of a text of this level */
	struct redact_bytes next;    /* the same in the making */
	struct redact_bytes decoded; /* a literal within that text */
};

struct redact_scratch {
	bool used; /* one of the buffers holds text */
	pcre2_match_data *match;
	pcre2_match_context *limits;
	pcre2_jit_stack *stack;
	size_t stack_kib;
	struct redact_spans spans;
	struct redact_spans crossing; /* of all parts of an array; see redact_parts.c */
	struct redact_bytes view[2];  /* a text with its escapes undone, and that with its own undone */
	struct redact_bytes map[2];   /* for each byte of a view the offset in the text; uint32_t */
	struct redact_bytes joined;
	struct redact_bytes norm;
	struct redact_level level[REDACT_NESTED_MAX + 1];
	uint64_t counts[REDACT_RULES_MAX]; /* of the text at hand */
	bool counted;			   /* one of them is not 0 */
	const char *withheld;		   /* the name to say with REDACT_WITHHELD */
	uint64_t budget;		   /* match steps left for the text at hand */
};

/* A text being searched. */
struct redact_subject {
	const char *text;
	size_t len;
	const char *context; /* or NULL */
};

static inline void pcre2_match_data_freep(pcre2_match_data **match)
{
	pcre2_match_data_free(*match);
}

static inline void pcre2_match_context_freep(pcre2_match_context **limits)
{
	pcre2_match_context_free(*limits);
}

int redact_span_push(struct redact_scratch *s, struct redact_spans *spans, struct redact_span span);

/* One match under the limits. As pcre2_match(); never with PCRE2_ERROR_NOMATCH for a limit. */
int redact_run(struct redact_scratch *s, const pcre2_code *code, bool jit, const char *text, size_t len,
	       size_t at, uint32_t match_limit, size_t offset_limit);

/* Sets the limits that hold for all matches of a call. 0; -ENOMEM. */
int redact_limits(const struct redactor *r, struct redact_scratch *s);

/* What the built-in rules find in text[from, to). 0; REDACT_WITHHELD; -ENOMEM. */
int redact_scan(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
		size_t from, size_t to, struct redact_spans *spans);

/* JSON text in which no rule can find anything, whatever its literals are the values of. False says nothing.
 */
bool redact_is_quiet(const struct redactor *r, const struct redact_subject *subject);

/* A short text that no rule finds anything in: most are words of the API. False says nothing. */
bool redact_is_dull(const struct redactor *r, const struct redact_subject *subject);

/* What the operator's rules find. The same. */
int redact_own(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
	       size_t from, size_t to, struct redact_spans *spans);

/* All rules, over all of a text but what is passed over, with its escapes as they are and undone. The same.
 */
int redact_find(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
		struct redact_spans *spans);

/* The span is what a replacement has left, so it stays. */
bool redact_is_replaced(const struct redactor *r, const struct redact_subject *subject,
			struct redact_span span);

/* The rule of a span whose bytes go without a replacement: the rest of a match that began elsewhere. */
#define REDACT_RULE_NONE REDACT_RULES_MAX

/* Appends text with its spans replaced to out, and counts in s->counts. Sorts the spans. 0; REDACT_WITHHELD:
 * out would grow over max; -ENOMEM; what the hash gave. */
int redact_apply(const struct redactor *r, struct redact_scratch *s, const char *text, size_t len,
		 struct redact_spans *spans, size_t max, struct redact_bytes *out);
/* Sorts, and makes overlapping spans one. */
void redact_spans_merge(struct redact_spans *spans);

/* Bytes of the escape (RFC 8259) at p, which begins with a backslash, and what it stands for; 0: none. */
size_t redact_unescape(const char *p, size_t left, char ret_bytes[static 4], size_t *ret_n);

/* What becomes of a string that lies `level` levels of JSON deep; given: spans known beforehand, or NULL. 1:
 * s->level[level].out; 0: it stays; REDACT_WITHHELD; -errno. Adds to s->counts. */
int redact_string(const struct redactor *r, struct redact_scratch *s, unsigned int level,
		  const struct redact_subject *subject, const struct redact_spans *given);

/* The same, without a look whether it is JSON text. */
int redact_plain(const struct redactor *r, struct redact_scratch *s, unsigned int level,
		 const struct redact_subject *subject, const struct redact_spans *given);

/* The same for JSON text (redact_literal.c). */
int redact_literals(const struct redactor *r, struct redact_scratch *s, unsigned int level,
		    const struct redact_subject *subject);
bool redact_is_json(const char *text, size_t len);
bool redact_may_be_json(const char *text, size_t len); /* by its first byte */

/* redact_top() would not leave the string as it is. A string without findings costs one search and no copy.
 */
bool redact_changes(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject);

/* The outermost string, with limits, lengths and encoding. 1: s->level[0].out, which says so if the string is
 * withheld, and the report has it; 0: it stays; -errno. */
struct redact_place;
int redact_top(const struct redactor *r, struct redact_scratch *s, const struct redact_subject *subject,
	       const struct redact_spans *given, const struct redact_place *place,
	       struct redact_report *report);
/* "[withheld:NAME]" of s->withheld into s->level[0].out, and into the report. 1; -ENOMEM. */
int redact_withhold(const struct redactor *r, struct redact_scratch *s, const struct redact_place *place,
		    struct redact_report *report);
/* Clears all that held text. */
void redact_scratch_clear(struct redact_scratch *s);

/* A place in a value, for its JSON Pointer. Lives on the stack. */
struct redact_place {
	const struct redact_place *above; /* NULL: the outermost */
	const char *base;		  /* of the outermost: the caller's path */
	const char *name;		  /* NULL: index */
	size_t index;
};

/* Adds what s->counts, or s->withheld if withheld, say, and zeroes both. 0; -ENOMEM. */
int redact_report_add(const struct redactor *r, struct redact_scratch *s, bool withheld,
		      const struct redact_place *place, struct redact_report *report);
