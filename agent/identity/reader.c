/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/reader.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/macro.h"
#include "identity/token.h"

#define WAYS 4 /* places where one token may be; the one not asked for longest makes room */
#define SETS (READER_TOKENS_MAX / WAYS)

/* A bearer token that was read. */
struct memory {
	uint8_t sum[SHA256_LEN];
	bool used;
	uint64_t asked; /* the reader's count when it was last asked for */
	enum token_class class;
	struct identity_caller caller; /* claims; of what is not Entra's the fingerprint and its name */
	struct verify_verdict verdict; /* of Entra's, if there is a verifier */
	uint64_t generation;	       /* of the keys that it is by */
};

struct identity_reader {
	const struct identity_key *key;
	struct identity_verifier *verifier;
	const struct identity_known_keys *known;
	struct sha256 *hash;
	uint64_t asked;
	atomic_uint_least64_t hits, misses;
	struct memory *places; /* SETS * WAYS */
	struct memory big;     /* the last one that is not remembered */
};

static void memory_done(struct memory *m)
{
	identity_caller_done(&m->caller);
	*m = (struct memory){0};
}

int identity_reader_new(struct identity_reader **ret_reader, const struct identity_key *key,
			struct identity_verifier *verifier, const struct identity_known_keys *known)
{
	_cleanup_(identity_reader_free) struct identity_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->key = key;
	reader->verifier = verifier;
	reader->known = known;
	reader->places = calloc(READER_TOKENS_MAX, sizeof(*reader->places));
	if (!reader->places || sha256_new(&reader->hash) < 0)
		return -ENOMEM;
	*ret_reader = TAKE_PTR(reader);
	return 0;
}

void identity_reader_free(struct identity_reader **reader)
{
	struct identity_reader *d = *reader;
	if (!d)
		return;
	for (size_t i = 0; d->places && i < READER_TOKENS_MAX; i++)
		memory_done(&d->places[i]);
	memory_done(&d->big);
	free(d->places);
	sha256_free(&d->hash);
	free(d);
	*reader = NULL;
}

struct identity_reader_stats identity_reader_stats(const struct identity_reader *reader)
{
	return (struct identity_reader_stats){
		.hits = atomic_load_explicit(&reader->hits, memory_order_relaxed),
		.misses = atomic_load_explicit(&reader->misses, memory_order_relaxed),
	};
}

/* --- keys ---------------------------------------------------------------------------- */

static int set_key(const struct identity_reader *d, struct identity_caller *c, const char *credential)
{
	struct identity_known_key known;
	int r = identity_fingerprint(d->key, credential, strlen(credential), &c->key_fingerprint);
	if (r < 0 || !identity_known_keys_find(d->known, c->key_fingerprint, &known))
		return r;
	c->key_name = strdup(known.name);
	/* Copied: the file's are shared by all readers. */
	c->key_labels = json_deep_copy(known.labels);
	return c->key_name && (c->key_labels || !known.labels) ? 0 : -ENOMEM;
}

/* --- tokens -------------------------------------------------------------------------- */

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t list_size(const json_t *list)
{
	size_t size = 0;
	for (size_t i = 0; i < json_array_size(list); i++)
		size += 64 + json_string_length(json_array_get(list, i));
	return size;
}

static size_t caller_size(const struct identity_caller *c)
{
	return text_size(c->tenant_id) + text_size(c->object_id) + text_size(c->app_id) +
	       text_size(c->resource_id) + text_size(c->name) + text_size(c->token_id) +
	       text_size(c->issuer) + text_size(c->audience) + list_size(c->roles) + list_size(c->scopes) +
	       list_size(c->groups);
}

/* What nobody was asked to check needs no excuse for it. */
static void set_unchecked(const struct identity_reader *d, struct memory *m)
{
	m->caller.verification = "unverified";
	if (m->class == TOKEN_UNSIGNED) {
		m->caller.verification = "invalid";
		m->caller.verification_problem = "the token is not signed";
	} else if (d->verifier && m->class == TOKEN_FOREIGN) {
		m->caller.verification_problem = "the token's issuer is not Entra";
	} else if (d->verifier && m->class != TOKEN_ENTRA) {
		m->caller.verification_problem = "the token cannot be read";
	}
}

static int memory_fill(const struct identity_reader *d, const char *token, struct memory *m)
{
	struct token_proof proof = {0};
	int r = token_read(token, strlen(token), &m->class, &m->caller, &proof);
	if (r < 0)
		return r;
	m->caller.kind = m->class == TOKEN_ENTRA ? IDENTITY_ENTRA : IDENTITY_BEARER;
	set_unchecked(d, m);
	if (m->class != TOKEN_ENTRA)
		r = set_key(d, &m->caller, token);
	else if (d->verifier)
		identity_verifier_check(d->verifier, &m->caller, &proof, &m->verdict, &m->generation);
	token_proof_done(&proof);
	return r;
}

/* The token's place, or the one that makes room for it. */
static struct memory *place_of(const struct identity_reader *d, const uint8_t *sum)
{
	uint32_t set;
	memcpy(&set, sum, sizeof(set));
	struct memory *places = &d->places[set % SETS * WAYS], *oldest = places;
	for (size_t i = 0; i < WAYS; i++) {
		if (places[i].used && memcmp(places[i].sum, sum, SHA256_LEN) == 0)
			return &places[i];
		if (places[i].asked < oldest->asked)
			oldest = &places[i];
	}
	return oldest;
}

static bool is_current(const struct identity_reader *d, const struct memory *m)
{
	return m->class != TOKEN_ENTRA || !d->verifier ||
	       m->generation == identity_verifier_generation(d->verifier);
}

static int recall(struct identity_reader *d, const char *token, struct memory **ret_memory)
{
	uint8_t sum[SHA256_LEN];
	sha256_reset(d->hash);
	sha256_update(d->hash, token, strlen(token));
	sha256_final(d->hash, sum);
	struct memory *m = place_of(d, sum);

	if (m->used && memcmp(m->sum, sum, SHA256_LEN) == 0 && is_current(d, m)) {
		atomic_fetch_add_explicit(&d->hits, 1, memory_order_relaxed);
	} else {
		struct memory fresh = {.used = true};
		atomic_fetch_add_explicit(&d->misses, 1, memory_order_relaxed);
		memcpy(fresh.sum, sum, sizeof(sum));
		int r = memory_fill(d, token, &fresh);
		if (r < 0) {
			memory_done(&fresh);
			return r;
		}
		if (caller_size(&fresh.caller) > READER_TOKEN_BYTES_MAX)
			m = &d->big;
		memory_done(m);
		*m = fresh;
	}
	m->asked = ++d->asked;
	if (m->verdict.unknown_key)
		identity_verifier_want(d->verifier);
	*ret_memory = m;
	return 0;
}

static int copy_text(const char *text, char **ret_text)
{
	if (!text)
		return 0;
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

/* The texts are copied, the rest is shared. */
static int caller_copy(const struct identity_caller *from, struct identity_caller *to)
{
	*to = (struct identity_caller){
		.kind = from->kind,
		.principal_type = from->principal_type,
		.roles = json_incref(from->roles),
		.scopes = json_incref(from->scopes),
		.groups = json_incref(from->groups),
		.expires = from->expires,
		.verification = from->verification,
		.verification_problem = from->verification_problem,
		.key_labels = json_incref(from->key_labels),
		.problem = from->problem,
	};
	const struct {
		const char *from;
		char **to;
	} texts[] = {
		{from->tenant_id, &to->tenant_id},
		{from->object_id, &to->object_id},
		{from->app_id, &to->app_id},
		{from->resource_id, &to->resource_id},
		{from->name, &to->name},
		{from->token_id, &to->token_id},
		{from->issuer, &to->issuer},
		{from->audience, &to->audience},
		{from->key_fingerprint, &to->key_fingerprint},
		{from->key_name, &to->key_name},
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (copy_text(texts[i].from, texts[i].to) < 0)
			return -ENOMEM;
	return 0;
}

/* --- headers ------------------------------------------------------------------------- */

/* The token of "Bearer TOKEN" (RFC 6750 section 2.1; the scheme's case does not matter), or NULL. Points into
 * value. */
static const char *bearer_token(const char *value)
{
	static const char scheme[] = "bearer";
	if (!value || strncasecmp(value, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	value += sizeof(scheme) - 1;
	size_t blanks = strspn(value, " \t");
	return blanks > 0 || !*value ? value + blanks : NULL;
}

static bool present(const char *value)
{
	return value && *value;
}

static bool is_key(const char *bearer)
{
	return strncmp(bearer, "sk-", 3) == 0;
}

/* Fills *c if a key counts; its kind stays IDENTITY_NONE if none does. */
static int read_keys(const struct identity_reader *d, const struct identity_headers *headers,
		     const char *bearer, struct identity_caller *c)
{
	const struct {
		enum identity_kind kind;
		const char *value;
	} keys[] = {
		{IDENTITY_API_KEY, headers->api_key},
		{IDENTITY_API_KEY, bearer && is_key(bearer) ? bearer : NULL},
		{IDENTITY_SUBSCRIPTION_KEY, headers->subscription_key},
	};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!present(keys[i].value))
			continue;
		c->kind = keys[i].kind;
		return set_key(d, c, keys[i].value);
	}
	if (present(headers->authorization) && !bearer)
		c->problem = "the authorization header is not a bearer token";
	else if (bearer && !*bearer)
		c->problem = "the bearer token is empty";
	return 0;
}

static int read_token(const struct identity_reader *d, const struct memory *m, int64_t now_s,
		      struct identity_caller *c)
{
	int r = caller_copy(&m->caller, c);
	if (r == 0 && m->class == TOKEN_ENTRA && d->verifier)
		verify_at(&m->verdict, now_s, c);
	return r;
}

int identity_reader_read(struct identity_reader *reader, const struct identity_headers *headers,
			 int64_t now_s, struct identity_caller *ret_caller)
{
	_cleanup_(identity_caller_done) struct identity_caller c = {0};
	const char *bearer = bearer_token(headers->authorization);
	struct memory *m = NULL;
	int r = present(bearer) && !is_key(bearer) ? recall(reader, bearer, &m) : 0;

	if (r == 0 && (!m || m->class != TOKEN_ENTRA))
		r = read_keys(reader, headers, bearer, &c);
	if (r == 0 && m && c.kind == IDENTITY_NONE) {
		identity_caller_done(&c);
		r = read_token(reader, m, now_s, &c);
	}
	if (r < 0)
		return r;
	*ret_caller = c;
	c = (struct identity_caller){0};
	return 0;
}
