/* SPDX-License-Identifier: Apache-2.0 */
/* Rules into a redactor. */
#include "policy/redact.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/redact_internal.h"

static const struct redact_form *const form_tables[] = {redact_forms_contact, redact_forms_national,
							redact_forms_secret};

/* --- names --- */

static const struct redact_builtin *builtin_find(const char *name)
{
	for (size_t i = 0; i < redact_n_builtins; i++)
		if (!strcmp(redact_builtins[i].name, name))
			return &redact_builtins[i];
	return NULL;
}

static enum redact_group group_find(const char *name)
{
	for (size_t i = 0; i < REDACT_GROUPS; i++)
		if (redact_group_names[i] && !strcmp(redact_group_names[i], name))
			return (enum redact_group)i;
	return REDACT_GROUP_NONE;
}

bool redact_is_builtin(const char *name)
{
	return builtin_find(name) || group_find(name) != REDACT_GROUP_NONE;
}

const char *redact_builtin_name(size_t n, const char **ret_what)
{
	static const char *const group_whats[REDACT_GROUPS] = {
		[REDACT_GROUP_NATIONAL] = "all national identity, tax and insurance numbers",
		[REDACT_GROUP_SECRETS] = "all keys, tokens and passwords",
	};
	if (n < redact_n_builtins) {
		if (ret_what)
			*ret_what = redact_builtins[n].what;
		return redact_builtins[n].name;
	}
	n += 1 - redact_n_builtins;
	if (n >= REDACT_GROUPS)
		return NULL;
	if (ret_what)
		*ret_what = group_whats[n];
	return redact_group_names[n];
}

static bool is_name(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len > REDACT_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* --- errors --- */

__attribute__((format(printf, 4, 5))) static int refuse(struct redact_error *ret_error, size_t rule,
							size_t offset, const char *fmt, ...)
{
	if (!ret_error)
		return -EINVAL;
	va_list args;
	va_start(args, fmt);
	vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, args);
	va_end(args);
	ret_error->rule = rule;
	ret_error->offset = offset;
	return -EINVAL;
}

/* --- patterns --- */

static bool jit_compile(pcre2_code *code)
{
	return pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
}

/* Patterns of the built-in tables: anchored, of bytes. */
static int builtin_compile(pcre2_code **ret_code, bool *ret_jit, const char *pattern, uint32_t options)
{
	int error;
	PCRE2_SIZE offset;
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);
	if (!code)
		return error == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -EINVAL;
	*ret_jit = jit_compile(code);
	*ret_code = code;
	return 0;
}

static int secret_group(const pcre2_code *code)
{
	int n = pcre2_substring_number_from_name(code, (PCRE2_SPTR) "secret");
	return n > 0 ? n : 0;
}

static int own_check_empty(struct redact_compiled_rule *rule)
{
	_cleanup_(pcre2_match_data_freep) pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	_cleanup_(pcre2_match_context_freep) pcre2_match_context *limits = pcre2_match_context_create(NULL);
	if (!match || !limits)
		return -ENOMEM;
	pcre2_set_match_limit(limits, 10000);
	pcre2_set_depth_limit(limits, 1000);
	pcre2_set_heap_limit(limits, 256);
	return pcre2_match(rule->own, (PCRE2_SPTR) "", 0, 0, PCRE2_NO_UTF_CHECK, match, limits) >= 0 ? -EINVAL
												     : 0;
}

static int own_compile(struct redact_compiled_rule *rule, const char *pattern, size_t at,
		       struct redact_error *ret_error)
{
	int error;
	PCRE2_SIZE offset;
	if (strlen(pattern) > REDACT_PATTERN_MAX)
		return refuse(ret_error, at, 0, "the pattern is longer than %u bytes", REDACT_PATTERN_MAX);
	rule->own = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				  PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &error,
				  &offset, NULL);
	if (!rule->own) {
		PCRE2_UCHAR text[128] = "";
		if (error == PCRE2_ERROR_HEAP_FAILED)
			return -ENOMEM;
		pcre2_get_error_message(error, text, sizeof(text));
		return refuse(ret_error, at, offset, "%s", (const char *)text);
	}
	rule->jit = jit_compile(rule->own);
	rule->secret = secret_group(rule->own);
	if (rule->secret >= REDACT_GROUPS_MAX)
		return refuse(ret_error, at, 0, "more than %u groups before the group \"secret\"",
			      REDACT_GROUPS_MAX - 1);
	int r = own_check_empty(rule);
	return r == -EINVAL ? refuse(ret_error, at, 0, "the pattern matches the empty text") : r;
}

/* --- the list --- */

static struct redact_compiled_rule *rule_find(const struct redactor *r, const char *name)
{
	for (size_t i = 0; i < r->n_rules; i++)
		if (!strcmp(r->rules[i].name, name))
			return &r->rules[i];
	return NULL;
}

static int rule_check(const struct redactor *r, const struct redact_rule *rule, size_t at,
		      struct redact_error *ret_error)
{
	const char *text = rule->replacement;
	if (!rule->name || !is_name(rule->name))
		return refuse(ret_error, at, 0,
			      "a name is of a-z, 0-9 and '-', begins with a letter and has %u bytes at most",
			      REDACT_NAME_MAX);
	if (text && rule->mode != REDACT_MASK)
		return refuse(ret_error, at, 0, "a replacement is for mask only");
	for (const char *p = text; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return refuse(ret_error, at, 0,
				      "no '\"', '\\' or control characters in a replacement");
	if (text && (strlen(text) > REDACT_REPLACEMENT_MAX || !utf8_valid(text, strlen(text), NULL)))
		return refuse(ret_error, at, 0, "a replacement is UTF-8 of %u bytes at most",
			      REDACT_REPLACEMENT_MAX);
	if (rule->mode == REDACT_HASH && !r->key && !r->hash)
		return refuse(ret_error, at, 0, "hash needs a key");
	if ((unsigned int)rule->mode > REDACT_DROP)
		return refuse(ret_error, at, 0, "unknown mode");
	return 0;
}

static int rule_add(struct redactor *r, const struct redact_rule *rule, const char *name,
		    enum redact_norm norm, size_t at, struct redact_error *ret_error)
{
	if (r->n_rules == REDACT_RULES_MAX) {
		refuse(ret_error, at, 0, "more than %u rules", REDACT_RULES_MAX);
		return -E2BIG;
	}
	struct redact_compiled_rule *c = &r->rules[r->n_rules++];
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (rule->replacement)
		snprintf(c->replacement, sizeof(c->replacement), "%s", rule->replacement);
	else
		snprintf(c->replacement, sizeof(c->replacement), "[%s]", name);
	c->mode = rule->mode;
	c->norm = norm;
	return rule->pattern ? own_compile(c, rule->pattern, at, ret_error) : 0;
}

static int group_add(struct redactor *r, const struct redact_rule *rule, enum redact_group group, size_t at,
		     struct redact_error *ret_error)
{
	for (size_t i = 0; i < redact_n_builtins; i++) {
		const struct redact_builtin *b = &redact_builtins[i];
		if (b->group != group || rule_find(r, b->name))
			continue;
		int err = rule_add(r, rule, b->name, b->norm, at, ret_error);
		if (err < 0)
			return err;
	}
	return 0;
}

static int list_add(struct redactor *r, const struct redact_rule *rule, size_t at,
		    struct redact_error *ret_error)
{
	int err = rule_check(r, rule, at, ret_error);
	if (err < 0)
		return err;
	if (rule->pattern) {
		if (redact_is_builtin(rule->name) || rule_find(r, rule->name))
			return refuse(ret_error, at, 0, "there is a rule '%s' already", rule->name);
		r->has_own = true;
		return rule_add(r, rule, rule->name, REDACT_NORM_NONE, at, ret_error);
	}
	enum redact_group group = group_find(rule->name);
	if (group != REDACT_GROUP_NONE)
		return group_add(r, rule, group, at, ret_error);
	const struct redact_builtin *b = builtin_find(rule->name);
	if (!b)
		return refuse(ret_error, at, 0, "no built-in rule or group '%s', and no pattern", rule->name);
	return rule_find(r, b->name) ? 0 : rule_add(r, rule, b->name, b->norm, at, ret_error);
}

/* --- forms --- */

static int context_get(struct redactor *r, const char *text, struct redact_compiled_form *c)
{
	for (size_t i = 0; i < r->n_contexts; i++)
		if (r->context_texts[i] == text) {
			c->context = r->contexts[i];
			c->context_jit = r->context_jits[i];
			return 0;
		}
	int err = builtin_compile(&c->context, &c->context_jit, text, 0);
	if (err < 0)
		return err;
	r->context_texts[r->n_contexts] = text;
	r->context_jits[r->n_contexts] = c->context_jit;
	r->contexts[r->n_contexts++] = c->context;
	return 0;
}

/* The first three bytes of a prefix, of which only five bits are looked at: letters in either case are alike,
 * and some other bytes, which the prefix is compared for. */
static void prefix_note(struct redactor *r, struct redact_compiled_form *c)
{
	const char *mark = c->form->mark;
	const size_t at = r->n_forms - r->first[REDACT_PREFIX];
	c->mark_len = strlen(mark);
	for (size_t i = 0; at < 64 && i < ARRAY_SIZE(r->leads); i++)
		for (unsigned int bits = 0; bits < 32; bits++)
			if (i >= c->mark_len || bits == ((uint8_t)mark[i] & 31u))
				r->leads[i][bits] |= 1ULL << at;
}

static bool begins_shape(char shape, unsigned int byte)
{
	bool digit = byte - '0' < 10, letter = (byte | 32) - 'a' < 26;
	return shape == 'D'   ? digit
	       : shape == 'L' ? letter
	       : shape == 'X' ? digit || letter
			      : (uint8_t)shape == byte;
}

/* Into the tables of at_number(). */
static void number_note(struct redactor *r, const struct redact_form *form)
{
	struct redact_numbers *n = &r->numbers;
	const size_t at = r->n_forms - r->first[REDACT_NUMBER];
	const uint64_t bit = at < 64 ? 1ULL << at : 0, runs = (uint32_t)(form->digits >> 8);
	size_t run = 0, word_run = 0;

	while (form->mark[run] == 'D')
		run++;
	while (form->mark[word_run] && strchr("DLX", form->mark[word_run]))
		word_run++;
	for (unsigned int byte = 0; byte < 256; byte++)
		if (begins_shape(form->mark[0], byte))
			n->first[byte] |= bit;
	for (size_t i = 0; i <= REDACT_RUN_MAX; i++) {
		const bool fits = !runs || (i < 32 && runs >> i & 1);
		n->digit_run[i] |= i >= run && fits ? bit : 0;
		n->word_run[i] |= i >= word_run ? bit : 0;
	}
	n->lettered |= form->digits & REDACT_LETTERS ? bit : 0;
	for (size_t i = 0; i <= REDACT_NUMBER_REACH; i++) {
		n->digits[i] |= i >= (form->digits & 0xff) ? bit : 0;
		n->bare[i] |= i >= (form->digits & 0xff) || form->digits & REDACT_LETTERS ? bit : 0;
	}
}

static void marks_add(struct redactor *r, const char *marks)
{
	for (; *marks; marks++) {
		unsigned int i = 0;
		while (i < r->n_marks && r->marks[i][0] != (uint8_t)*marks)
			i++;
		if (i == r->n_marks)
			memset(&r->marks[r->n_marks++], *marks, sizeof(r->marks[0]));
	}
}

/* What the search stops at for this form. */
static void trigger_note(struct redactor *r, struct redact_compiled_form *c)
{
	static const char *const marks[REDACT_TRIGGERS] = {
		[REDACT_AT] = "@%",    [REDACT_NUMBER] = "+(", [REDACT_IPV6] = ":",
		[REDACT_SCHEME] = ":", [REDACT_DASHES] = "-",  [REDACT_TILDE] = "~",
	};
	const enum redact_trigger trigger = c->form->trigger;
	if (marks[trigger])
		marks_add(r, marks[trigger]);
	if (trigger == REDACT_NUMBER)
		number_note(r, c->form);
	if (trigger == REDACT_PREFIX)
		prefix_note(r, c);
	r->marks_only &= trigger != REDACT_NUMBER && trigger != REDACT_IPV4 && trigger != REDACT_PREFIX;
}

static int form_add(struct redactor *r, const struct redact_form *form, size_t rule)
{
	struct redact_compiled_form *c = &r->forms[r->n_forms];
	c->form = form;
	c->rule = (uint16_t)rule;
	/* Without a look ahead, over thousands of bytes, for what the pattern needs: it ends sooner. */
	int err = builtin_compile(&c->code, &c->jit, form->pattern, PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE);
	if (err < 0)
		return err;
	trigger_note(r, c);
	r->n_forms++;
	c->secret = secret_group(c->code);
	return form->context ? context_get(r, form->context, c) : 0;
}

static size_t count_forms(void)
{
	size_t n = 0;
	for (size_t t = 0; t < ARRAY_SIZE(form_tables); t++)
		for (const struct redact_form *f = form_tables[t]; f->rule; f++)
			n++;
	return n;
}

static int trigger_add(struct redactor *r, enum redact_trigger trigger, bool with_context)
{
	for (size_t t = 0; t < ARRAY_SIZE(form_tables); t++)
		for (const struct redact_form *f = form_tables[t]; f->rule; f++) {
			const struct redact_compiled_rule *rule = rule_find(r, f->rule);
			if (f->trigger != trigger || !f->context == with_context || !rule || rule->own)
				continue;
			int err = form_add(r, f, (size_t)(rule - r->rules));
			if (err < 0)
				return err;
		}
	return 0;
}

static int forms_add(struct redactor *r)
{
	size_t n = count_forms();
	r->marks_only = true;
	r->forms = calloc(n, sizeof(*r->forms));
	r->contexts = calloc(n, sizeof(*r->contexts));
	r->context_texts = calloc(n, sizeof(*r->context_texts));
	r->context_jits = calloc(n, sizeof(*r->context_jits));
	if (!r->forms || !r->contexts || !r->context_texts || !r->context_jits)
		return -ENOMEM;
	for (int trigger = 0; trigger < REDACT_TRIGGERS; trigger++) {
		r->first[trigger] = r->n_forms;
		/* Those with a context last: what the others have found is not tried. */
		int err = trigger_add(r, (enum redact_trigger)trigger, false);
		if (err == 0)
			err = trigger_add(r, (enum redact_trigger)trigger, true);
		if (err < 0)
			return err;
	}
	r->first[REDACT_TRIGGERS] = r->n_forms;
	for (unsigned int i = r->n_marks; i < REDACT_MARKS_MAX; i++)
		r->marks[i] = r->n_marks ? r->marks[0] : (lanes){0} + '@';
	/* One bit each in redactor.numbers and .leads. */
	const bool fit = r->first[REDACT_NUMBER + 1] - r->first[REDACT_NUMBER] <= 64 &&
			 r->first[REDACT_PREFIX + 1] - r->first[REDACT_PREFIX] <= 64;
	return fit ? 0 : -E2BIG;
}

/* --- the redactor --- */

static int options_take(struct redactor *r, const struct redact_options *o, size_t n_rules,
			struct redact_error *ret_error)
{
	static const struct redact_options none = {0};
	o = o ? o : &none;
	if (o->nested > REDACT_NESTED_MAX)
		return refuse(ret_error, n_rules, 0, "at most %u levels of nested JSON", REDACT_NESTED_MAX);
	if (o->key && !o->key_len)
		return refuse(ret_error, n_rules, 0, "an empty key");
	r->names = o->names;
	r->across_parts = o->across_parts;
	r->nested = o->nested ? o->nested : REDACT_NESTED_DEFAULT;
	r->match_limit = o->match_limit ? o->match_limit : REDACT_MATCH_LIMIT_DEFAULT;
	r->depth_limit = o->depth_limit ? o->depth_limit : REDACT_DEPTH_LIMIT_DEFAULT;
	r->heap_kib = o->heap_kib ? o->heap_kib : REDACT_HEAP_KIB_DEFAULT;
	r->hash = o->hash;
	r->hash_ctx = o->hash_ctx;
	if (!o->key)
		return 0;
	r->key = malloc(o->key_len);
	if (!r->key)
		return -ENOMEM;
	memcpy(r->key, o->key, o->key_len);
	r->key_len = o->key_len;
	return 0;
}

int redactor_new(struct redactor **ret_redactor, const struct redact_rule *rules, size_t n_rules,
		 const struct redact_options *options, struct redact_error *ret_error)
{
	_cleanup_(redactor_free) struct redactor *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->rules = calloc(REDACT_RULES_MAX, sizeof(*r->rules));
	if (!r->rules)
		return -ENOMEM;
	int err = options_take(r, options, n_rules, ret_error);
	for (size_t i = 0; err == 0 && i < n_rules; i++)
		err = list_add(r, &rules[i], i, ret_error);
	if (err == 0)
		err = forms_add(r);
	if (err < 0)
		return err;
	*ret_redactor = TAKE_PTR(r);
	return 0;
}

void redactor_free(struct redactor **redactor)
{
	struct redactor *r = *redactor;
	if (!r)
		return;
	for (size_t i = 0; i < r->n_rules; i++)
		pcre2_code_free(r->rules[i].own);
	for (size_t i = 0; i < r->n_forms; i++)
		pcre2_code_free(r->forms[i].code);
	for (size_t i = 0; i < r->n_contexts; i++)
		pcre2_code_free(r->contexts[i]);
	if (r->key)
		OPENSSL_cleanse(r->key, r->key_len);
	free(r->key);
	free(r->rules);
	free(r->forms);
	free(r->contexts);
	free(r->context_texts);
	free(r->context_jits);
	free(r);
	*redactor = NULL;
}

/* --- the scratch --- */

int redact_scratch_new(struct redact_scratch **ret_scratch)
{
	_cleanup_(redact_scratch_free) struct redact_scratch *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->match = pcre2_match_data_create(REDACT_GROUPS_MAX, NULL);
	s->limits = pcre2_match_context_create(NULL);
	if (!s->match || !s->limits)
		return -ENOMEM;
	*ret_scratch = TAKE_PTR(s);
	return 0;
}

void redact_scratch_free(struct redact_scratch **scratch)
{
	struct redact_scratch *s = *scratch;
	if (!s)
		return;
	pcre2_match_data_free(s->match);
	pcre2_match_context_free(s->limits);
	if (s->stack)
		pcre2_jit_stack_free(s->stack);
	free(s->spans.v);
	free(s->crossing.v);
	redact_bytes_done(&s->joined);
	redact_bytes_done(&s->norm);
	for (size_t i = 0; i < ARRAY_SIZE(s->view); i++) {
		redact_bytes_done(&s->view[i]);
		redact_bytes_done(&s->map[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(s->level); i++) {
		redact_bytes_done(&s->level[i].out);
		redact_bytes_done(&s->level[i].next);
		redact_bytes_done(&s->level[i].decoded);
	}
	free(s);
	*scratch = NULL;
}

/* The default stack of the JIT is 32 KiB of the thread's own. */
int redact_limits(const struct redactor *r, struct redact_scratch *s)
{
	if (!s->stack || s->stack_kib != r->heap_kib) {
		pcre2_jit_stack *stack = pcre2_jit_stack_create(MIN(32u, r->heap_kib) * 1024u,
								(size_t)r->heap_kib * 1024u, NULL);
		if (!stack)
			return -ENOMEM;
		if (s->stack)
			pcre2_jit_stack_free(s->stack);
		s->stack = stack;
		s->stack_kib = r->heap_kib;
	}
	pcre2_jit_stack_assign(s->limits, NULL, s->stack);
	pcre2_set_depth_limit(s->limits, r->depth_limit);
	pcre2_set_heap_limit(s->limits, r->heap_kib);
	return 0;
}

int redact_run(struct redact_scratch *s, const pcre2_code *code, bool jit, const char *text, size_t len,
	       size_t at, uint32_t match_limit, size_t offset_limit)
{
	const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
	pcre2_set_match_limit(s->limits, match_limit);
	pcre2_set_offset_limit(s->limits, offset_limit);
	if (jit)
		return pcre2_jit_match(code, (PCRE2_SPTR)text, len, at, options, s->match, s->limits);
	return pcre2_match(code, (PCRE2_SPTR)text, len, at, options, s->match, s->limits);
}
