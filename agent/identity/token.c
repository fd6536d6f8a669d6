/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"
#include "identity/base64url.h"
#include "identity/issuer.h"

#define WRONG_TYPE "a claim of the token has the wrong type"
#define TOO_LONG   "a claim of the token is longer than 1 KiB and was cut"
#define TOO_MANY   "a claim of the token has more than 256 values and was cut"

/* Expiry goes into events as a date made from unsigned 64-bit nanoseconds, which end in 2554. */
#define EXPIRES_MAX (UINT64_MAX / 1000000000)

static void note(struct identity_caller *c, const char *problem)
{
	if (!c->problem)
		c->problem = problem;
}

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

/* One part as a JSON object. *ret_object stays as it is and *ret_problem is set if it is none. 0; -ENOMEM. */
static int part_load(const char *text, size_t len, json_t **ret_object, const char **ret_problem)
{
	size_t size = BASE64URL_DECODED_MAX(len);
	uint8_t *decoded = malloc(size);
	if (!decoded)
		return -ENOMEM;
	ssize_t n = base64url_decode(text, len, decoded);
	json_error_t error = {0};
	json_t *json =
		n < 0 ? NULL : json_loadb((const char *)decoded, (size_t)n, JSON_REJECT_DUPLICATES, &error);
	OPENSSL_cleanse(decoded, size);
	free(decoded);

	if (n < 0) {
		*ret_problem = "the token is not base64url";
	} else if (!json) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return -ENOMEM;
		*ret_problem = json_error_code(&error) == json_error_duplicate_key
				       ? "the token states a claim twice"
				       : "the token is not JSON";
	} else if (!json_is_object(json)) {
		json_decref(json);
		*ret_problem = "the token is not a JSON object";
	} else {
		*ret_object = json;
	}
	return 0;
}

/* At most IDENTITY_CLAIM_MAX bytes, cut before a character. jansson gives well-formed UTF-8 without NUL. */
static size_t bounded_len(struct identity_caller *c, const char *text, size_t len)
{
	if (len <= IDENTITY_CLAIM_MAX)
		return len;
	note(c, TOO_LONG);
	len = IDENTITY_CLAIM_MAX;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* A string claim that is not empty, or NULL; borrowed. */
static const char *claim_text(struct identity_caller *c, const json_t *claims, const char *name)
{
	const json_t *value = json_object_get(claims, name);
	if (!value || json_is_null(value))
		return NULL;
	if (!json_is_string(value)) {
		note(c, WRONG_TYPE);
		return NULL;
	}
	return json_string_length(value) ? json_string_value(value) : NULL;
}

static int copy_text(struct identity_caller *c, const char *text, char **ret_text)
{
	if (!text)
		return 0;
	char *copy = strndup(text, bounded_len(c, text, strlen(text)));
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	return 0;
}

static int copy_claim(struct identity_caller *c, const json_t *claims, const char *name, char **ret_text)
{
	return *ret_text ? 0 : copy_text(c, claim_text(c, claims, name), ret_text);
}

/* Appends to an array that is made when its first value comes. */
static int list_append(struct identity_caller *c, json_t **list, const char *text, size_t len)
{
	if (!*list && !(*list = json_array()))
		return -ENOMEM;
	if (json_array_size(*list) >= IDENTITY_ARRAY_MAX) {
		note(c, TOO_MANY);
		return 0;
	}
	json_t *value = json_stringn(text, bounded_len(c, text, len));
	return json_array_append_new(*list, value) < 0 ? -ENOMEM : 0;
}

static int list_append_words(struct identity_caller *c, json_t **list, const char *text)
{
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		int r = list_append(c, list, text, len);
		if (r < 0)
			return r;
		text += len;
	}
	return 0;
}

/* A string, of words if split, or an array of strings. */
static int copy_list(struct identity_caller *c, const json_t *claims, const char *name, bool split,
		     json_t **list)
{
	const json_t *value = json_object_get(claims, name);

	if (!json_is_array(value)) {
		const char *text = claim_text(c, claims, name);
		if (!text)
			return 0;
		return split ? list_append_words(c, list, text) : list_append(c, list, text, strlen(text));
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item = json_array_get(value, i);
		int r = 0;
		if (json_is_string(item))
			r = list_append(c, list, json_string_value(item), json_string_length(item));
		else
			note(c, WRONG_TYPE);
		if (r < 0)
			return r;
	}
	return 0;
}

/* `aud` is a string or an array of strings (RFC 7519 section 4.1.3); several are joined by a space, which
 * none may hold. */
static int copy_audience(struct identity_caller *c, const json_t *claims)
{
	_cleanup_(cleanup_json) json_t *list = NULL;
	int r = copy_list(c, claims, "aud", false, &list);
	if (r < 0 || !list)
		return r;

	char text[IDENTITY_CLAIM_MAX + 2]; /* one byte more than fits, so that a cut is noticed */
	size_t len = 0;
	for (size_t i = 0; i < json_array_size(list) && len <= IDENTITY_CLAIM_MAX; i++) {
		const json_t *item = json_array_get(list, i);
		if (i > 0)
			text[len++] = ' ';
		size_t n = MIN(json_string_length(item), sizeof(text) - 1 - len);
		memcpy(text + len, json_string_value(item), n);
		len += n;
	}
	text[len] = 0;
	return len ? copy_text(c, text, &c->audience) : 0;
}

static void read_expires(struct identity_caller *c, const json_t *claims)
{
	const json_t *value = json_object_get(claims, "exp");
	if (!value || json_is_null(value))
		return;
	if (!json_is_number(value)) {
		note(c, WRONG_TYPE);
		return;
	}
	double seconds = json_number_value(value);
	if (!(seconds >= 1) || seconds > (double)EXPIRES_MAX) {
		note(c, "the token's expiry is out of range");
		return;
	}
	c->expires = json_is_integer(value) ? json_integer_value(value) : (int64_t)seconds;
}

static bool claim_is(struct identity_caller *c, const json_t *claims, const char *name, const char *text)
{
	const char *value = claim_text(c, claims, name);
	return value && strcmp(value, text) == 0;
}

/* An application's token without idtyp: it is about the application itself (sub is oid), which proved itself
 * with a secret or a certificate. */
static bool is_client_alone(struct identity_caller *c, const json_t *claims)
{
	const char *subject = claim_text(c, claims, "sub");
	const char *names[] = {"appidacr", "azpacr"};
	bool proved = false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		proved |= claim_is(c, claims, names[i], "1") || claim_is(c, claims, names[i], "2");
	return proved && subject && c->object_id && strcmp(subject, c->object_id) == 0;
}

/* idtyp says it, if it is there: its absence says nothing. scp is in users' tokens only, xms_mirid in managed
 * identities' only; a certificate alone (appidacr 2) is any application's. */
static const char *principal_type(struct identity_caller *c, const json_t *claims)
{
	const char *app = claim_text(c, claims, "xms_mirid") ? "managed-identity" : "app";

	if (claim_is(c, claims, "idtyp", "app"))
		return app;
	if (claim_is(c, claims, "idtyp", "user") || c->scopes)
		return "user";
	return *app == 'm' || is_client_alone(c, claims) ? app : NULL;
}

static void check_tenant(struct identity_caller *c, const struct issuer *issuer)
{
	if (!c->tenant_id || !c->object_id) {
		note(c, "the token lacks tid or oid");
		return;
	}
	size_t len = issuer->tenant_len;
	if (strlen(c->tenant_id) != len || strncasecmp(c->tenant_id, issuer->tenant, len) != 0)
		note(c, "the token's issuer and tid name different tenants");
}

static int read_entra(struct identity_caller *c, const json_t *claims, const struct issuer *issuer)
{
	/* Pairs are the two versions' spellings; the first that is there counts. */
	const struct {
		const char *name;
		char **ret_text;
	} texts[] = {
		{"tid", &c->tenant_id},
		{"oid", &c->object_id},
		{"appid", &c->app_id},
		{"azp", &c->app_id},
		{"upn", &c->name},
		{"unique_name", &c->name},
		{"preferred_username", &c->name},
		{"name", &c->name},
		{"uti", &c->token_id},
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int r = copy_claim(c, claims, texts[i].name, texts[i].ret_text);
		if (r < 0)
			return r;
	}
	int r = copy_list(c, claims, "roles", false, &c->roles);
	if (r == 0)
		r = copy_list(c, claims, "scp", true, &c->scopes);
	if (r == 0)
		r = copy_list(c, claims, "groups", false, &c->groups);
	if (r < 0)
		return r;
	c->principal_type = principal_type(c, claims);
	check_tenant(c, issuer);
	if (c->principal_type && strcmp(c->principal_type, "managed-identity") == 0)
		r = copy_claim(c, claims, "xms_mirid", &c->resource_id);
	return r;
}

static int read_claims(struct identity_caller *c, const json_t *claims, enum token_class *ret_class)
{
	const char *text = claim_text(c, claims, "iss");
	struct issuer issuer;
	bool entra = issuer_read(text, &issuer);
	int r = entra ? read_entra(c, claims, &issuer) : 0;
	if (r < 0)
		return r;
	if (!text)
		note(c, "the token names no issuer");
	r = copy_text(c, text, &c->issuer);
	if (r == 0)
		r = copy_audience(c, claims);
	if (r < 0)
		return r;
	read_expires(c, claims);
	*ret_class = entra ? TOKEN_ENTRA : TOKEN_FOREIGN;
	return 0;
}

static bool is_signed(const json_t *header, size_t signature_len)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));
	return alg && *alg && strcasecmp(alg, "none") != 0 && signature_len > 0;
}

struct token_parts {
	const char *header, *claims, *signature;
	size_t header_len, claims_len, signature_len;
};

static bool split_parts(const char *text, size_t len, struct token_parts *ret_parts)
{
	const char *end = text + len;
	const char *dot1 = memchr(text, '.', len);
	const char *dot2 = dot1 ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
	if (!dot2 || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)))
		return false;
	*ret_parts = (struct token_parts){
		.header = text,
		.header_len = (size_t)(dot1 - text),
		.claims = dot1 + 1,
		.claims_len = (size_t)(dot2 - dot1 - 1),
		.signature = dot2 + 1,
		.signature_len = (size_t)(end - dot2 - 1),
	};
	return true;
}

/* Too long for the field: as if it were not there. */
static void copy_short(const json_t *object, const char *name, char *ret_text, size_t size)
{
	const json_t *value = json_object_get(object, name);
	if (json_is_string(value) && json_string_length(value) < size)
		memcpy(ret_text, json_string_value(value), json_string_length(value) + 1);
}

static void read_times(const json_t *claims, struct token_proof *proof)
{
	const json_t *value = json_object_get(claims, "nbf");
	double seconds = json_number_value(value);
	if (!value || json_is_null(value))
		return;
	if (!json_is_number(value) || !(seconds >= 0) || seconds > (double)EXPIRES_MAX)
		proof->bad_not_before = true;
	else
		proof->not_before = (int64_t)seconds;
}

static void read_proof(const struct token_parts *p, const json_t *header, json_t *claims,
		       struct token_proof *ret_proof)
{
	*ret_proof = (struct token_proof){
		.signed_text = p->header,
		.signed_len = (size_t)(p->signature - 1 - p->header),
		.signature = p->signature,
		.signature_len = p->signature_len,
		.critical = json_object_get(header, "crit") != NULL,
		.nonce = json_object_get(header, "nonce") != NULL,
		.audiences = json_incref(json_object_get(claims, "aud")),
	};
	copy_short(header, "alg", ret_proof->alg, sizeof(ret_proof->alg));
	copy_short(header, "kid", ret_proof->kid, sizeof(ret_proof->kid));
	read_times(claims, ret_proof);
}

void token_proof_done(struct token_proof *proof)
{
	json_decref(proof->audiences);
	*proof = (struct token_proof){0};
}

int token_read(const char *text, size_t len, enum token_class *ret_class, struct identity_caller *ret_claims,
	       struct token_proof *ret_proof)
{
	_cleanup_(identity_caller_done) struct identity_caller c = {0};
	_cleanup_(cleanup_json) json_t *header = NULL;
	_cleanup_(cleanup_json) json_t *claims = NULL;
	enum token_class class = TOKEN_BROKEN;
	struct token_parts p;
	int r = 0;

	if (len > TOKEN_MAX) {
		c.problem = "the token is longer than 64 KiB";
		class = TOKEN_OPAQUE;
	} else if (!split_parts(text, len, &p)) {
		class = TOKEN_OPAQUE;
	} else {
		r = part_load(p.header, p.header_len, &header, &c.problem);
		if (r == 0 && header)
			r = part_load(p.claims, p.claims_len, &claims, &c.problem);
		if (r == 0 && claims && !is_signed(header, p.signature_len)) {
			c.problem = "the token is not signed";
			class = TOKEN_UNSIGNED;
		} else if (r == 0 && claims) {
			r = read_claims(&c, claims, &class);
		}
	}
	if (r < 0)
		return r;
	if (ret_proof && class == TOKEN_ENTRA)
		read_proof(&p, header, claims, ret_proof);
	*ret_class = class;
	*ret_claims = c;
	c = (struct identity_caller){0};
	return 0;
}
