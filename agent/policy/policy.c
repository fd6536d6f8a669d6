/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/match.h"

#define SAMPLE_WHOLE (1ULL << 32)

/* --- making -------------------------------------------------------------------------- */

/* What the rule says, over the defaults. Lists are borrowed from either. */
static struct config_settings overlay(const struct config_settings *base, const struct config_settings *over)
{
	struct config_settings s = *base;

#define TAKE(flag, member)                                                                                   \
	do {                                                                                                 \
		if (over->given & (flag))                                                                    \
			s.member = over->member;                                                             \
	} while (0)
	TAKE(CONFIG_GIVES_REQUIRE_ENTRA, require_entra);
	TAKE(CONFIG_GIVES_ACTION, action);
	TAKE(CONFIG_GIVES_TENANTS, tenants);
	TAKE(CONFIG_GIVES_APPLICATIONS, applications);
	TAKE(CONFIG_GIVES_DEPLOYMENTS, deployments);
	TAKE(CONFIG_GIVES_MODELS, models);
	TAKE(CONFIG_GIVES_REDACT, redact);
	TAKE(CONFIG_GIVES_METADATA_ONLY, metadata_only);
	TAKE(CONFIG_GIVES_SAMPLE, sample);
#undef TAKE
	for (int i = 0; i < CONFIG_N_FIELDS; i++)
		if (over->fields[i].given)
			s.fields[i] = over->fields[i];
	return s;
}

static bool keeps_all(const struct policy_rule *rule)
{
	if (rule->redactor || rule->settings.metadata_only || rule->sample_below < SAMPLE_WHOLE)
		return false;
	for (int i = 0; i < CONFIG_N_FIELDS; i++)
		if (rule->settings.fields[i].how != CONFIG_KEEP)
			return false;
	return true;
}

/* at: the rule's place in the file, or the number of rules for what stands at the top. */
static int redact_refused(const struct policy *p, const struct config_settings *s, size_t at,
			  const struct redact_error *error, char **ret_error)
{
	const struct config_policy *c = p->config;
	char key[96], place[48] = "";
	unsigned int line = 0;

	if (at < c->n_rules)
		snprintf(key, sizeof(key), "policy.rules[%zu].redact", at);
	else
		snprintf(key, sizeof(key), "policy.redact");
	if (error->rule < c->n_patterns) {
		line = c->patterns[error->rule].line;
		snprintf(key, sizeof(key), "policy.redact_rules[%zu].pattern", error->rule);
	} else if (error->rule - c->n_patterns < s->redact.n) {
		size_t i = error->rule - c->n_patterns, len = strlen(key);
		line = s->redact.lines[i];
		snprintf(key + len, sizeof(key) - len, "[%zu]", i);
	}
	if (line)
		snprintf(place, sizeof(place), ":%u", line);
	if (asprintf(ret_error, "%s%s: %s: %s", c->file ? c->file : "policy", place, key, error->text) < 0) {
		*ret_error = NULL;
		return -ENOMEM;
	}
	return -EINVAL;
}

/* The operator's own rules come first: where matches are alike, they count. */
static int redactor_make(struct policy *p, struct policy_rule *rule, size_t at, char **ret_error)
{
	static const struct redact_options options = {.names = true, .across_parts = true};
	const struct config_policy *c = p->config;
	const struct config_list *names = &rule->settings.redact;
	size_t n = c->n_patterns + names->n;
	struct redact_error error = {.rule = SIZE_MAX};

	if (n == 0)
		return 0;
	_cleanup_free_ struct redact_rule *rules = calloc(n, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_patterns; i++)
		rules[i] = (struct redact_rule){.name = c->patterns[i].name,
						.pattern = c->patterns[i].pattern,
						.replacement = c->patterns[i].replace};
	for (size_t i = 0; i < names->n; i++)
		rules[c->n_patterns + i].name = names->items[i];
	int r = redactor_new(&p->redactors[p->n_redactors], rules, n, &options, &error);
	if (r == -EINVAL || r == -E2BIG)
		return redact_refused(p, &rule->settings, at, &error, ret_error);
	if (r < 0)
		return r;
	rule->redactor = p->redactors[p->n_redactors++];
	return 0;
}

static int rule_make(struct policy *p, size_t at, char **ret_error)
{
	const struct config_policy *c = p->config;
	struct policy_rule *rule = &p->rules[at], *base = &p->rules[p->n_rules];
	bool is_default = at == p->n_rules;
	int r = 0;

	rule->name = is_default ? "default" : c->rules[at].name;
	rule->when = is_default ? NULL : &c->rules[at].when;
	rule->settings = is_default ? c->settings : overlay(&c->settings, &c->rules[at].settings);
	rule->sample_below = (uint64_t)(rule->settings.sample * (double)SAMPLE_WHOLE);
	if (is_default || (c->rules[at].settings.given & CONFIG_GIVES_REDACT))
		r = redactor_make(p, rule, at, ret_error);
	else
		rule->redactor = base->redactor;
	rule->untouched = keeps_all(rule);
	return r;
}

int policy_new(struct policy **ret_policy, struct config_policy **config, const struct identity_key *key,
	       char **ret_error)
{
	_cleanup_(policy_unref) struct policy *p = calloc(1, sizeof(*p));
	int r = 0;

	if (!p)
		return -ENOMEM;
	atomic_init(&p->refs, 1);
	p->key = key;
	p->n_rules = (*config)->n_rules;
	p->rules = calloc(p->n_rules + 1, sizeof(*p->rules));
	p->redactors = calloc(p->n_rules + 1, sizeof(struct redactor *));
	if (!p->rules || !p->redactors)
		return -ENOMEM;
	p->config = *config;
	/* The default first, since rules share what it has. */
	for (size_t i = p->n_rules + 1; i-- > 0 && r == 0;)
		r = rule_make(p, i, ret_error);
	if (r < 0) {
		p->config = NULL;
		return r;
	}
	*config = NULL;
	*ret_policy = TAKE_PTR(p);
	return 0;
}

struct policy *policy_ref(struct policy *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void policy_unref(struct policy **policy)
{
	struct policy *p = TAKE_PTR(*policy);
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	for (size_t i = 0; i < p->n_redactors; i++)
		redactor_free(&p->redactors[i]);
	free(p->redactors);
	free(p->rules);
	config_policy_free(&p->config);
	free(p);
}

bool policy_blocks(const struct policy *policy)
{
	return config_policy_blocks(policy->config);
}

uint64_t policy_block_for_s(const struct policy *policy)
{
	return policy->config->block_for_s;
}

enum config_block_scope policy_block_scope(const struct policy *policy)
{
	return policy->config->block_scope;
}

size_t policy_n_rules(const struct policy *policy)
{
	return policy->n_rules;
}

/* --- deciding ------------------------------------------------------------------------ */

/* FNV-1a, finished by splitmix64: all bits of the id count, whoever made it. */
static bool in_sample(const struct policy_rule *rule, const char *message_id)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	if (rule->sample_below >= SAMPLE_WHOLE)
		return true;
	for (const char *p = message_id; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3ULL;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
	h ^= h >> 31;
	return (h >> 32) < rule->sample_below;
}

void policy_decide(struct policy_decision *ret_decision, struct policy *policy, const char *message_id,
		   const struct policy_facts *facts, const struct openai_request *req,
		   const struct identity_caller *caller)
{
	const struct policy_rule *rule = policy->rules;
	while (rule->when && !when_matches(rule->when, facts, req, caller))
		rule++;
	*ret_decision = (struct policy_decision){
		.policy = policy_ref(policy), .rule = rule, .sampled = in_sample(rule, message_id)};
}

void policy_decision_done(struct policy_decision *decision)
{
	policy_unref(&decision->policy);
	*decision = (struct policy_decision){0};
}

/* --- judging ------------------------------------------------------------------------- */

static bool any_glob(const struct config_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (glob_match(list->items[i], text, true))
			return true;
	return false;
}

/* A list allows what it names; one that is empty allows all, and what is not said is not judged. */
static bool allowed(const struct config_list *list, const char *text)
{
	return list->n == 0 || !text || any_glob(list, text);
}

/* For claims: a token that does not say its tenant is of none that is allowed. */
static bool allowed_claim(const struct config_list *list, const char *text)
{
	return list->n == 0 || (text && any_glob(list, text));
}

/* A token that is known to be forged or expired proves nothing. */
static bool is_entra(const struct identity_caller *caller)
{
	return caller->kind == IDENTITY_ENTRA &&
	       (!caller->verification || (strcmp(caller->verification, "invalid") != 0 &&
					  strcmp(caller->verification, "expired") != 0));
}

static unsigned int judge_caller(const struct config_settings *s, const struct identity_caller *caller)
{
	unsigned int wrong = 0;
	if (s->require_entra != CONFIG_REQUIRE_OFF && !is_entra(caller))
		wrong |= POLICY_REQUIRE_ENTRA;
	if (caller->kind != IDENTITY_ENTRA)
		return wrong;
	if (!allowed_claim(&s->tenants, caller->tenant_id))
		wrong |= POLICY_TENANTS;
	if (!allowed_claim(&s->applications, caller->app_id))
		wrong |= POLICY_APPLICATIONS;
	return wrong;
}

static unsigned int judge_request(const struct config_settings *s, const struct openai_request *req)
{
	unsigned int wrong = 0;
	if (!allowed(&s->deployments, req->deployment_id))
		wrong |= POLICY_DEPLOYMENTS;
	if (!allowed(&s->models, req->model))
		wrong |= POLICY_MODELS;
	return wrong;
}

void policy_judge(struct policy_verdict *ret_verdict, struct policy_decision *d,
		  const struct identity_caller *caller, const struct openai_request *req,
		  const struct openai_response *resp)
{
	*ret_verdict = (struct policy_verdict){0};
	if (!d->rule || d->reported)
		return;
	const struct config_settings *s = &d->rule->settings;
	unsigned int wrong = 0;
	if (!resp)
		wrong = judge_caller(s, caller) | (req ? judge_request(s, req) : 0);
	else if (req && !req->model && !allowed(&s->models, resp->model))
		wrong = POLICY_MODELS;
	if (!wrong)
		return;
	d->reported = wrong;
	ret_verdict->violations = wrong;
	ret_verdict->rule = d->rule->name;
	ret_verdict->block = ((wrong & POLICY_REQUIRE_ENTRA) && s->require_entra == CONFIG_REQUIRE_BLOCK) ||
			     ((wrong & ~POLICY_REQUIRE_ENTRA) && s->action == CONFIG_ACTION_BLOCK);
}
