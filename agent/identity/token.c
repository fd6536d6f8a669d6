/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/token.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

/* Issuers of both token versions, worldwide and in the sovereign clouds (US Government's v1 uses
 * sts.windows.net). */
static const char *const entra_hosts[] = {
	"sts.windows.net",	    "login.microsoftonline.com",
	"login.microsoftonline.us", "login.partner.microsoftonline.cn",
	"login.chinacloudapi.cn",   "sts.chinacloudapi.cn",
};

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

static int base64url_value(char ch)
{
	if (ch >= 'A' && ch <= 'Z')
		return ch - 'A';
	if (ch >= 'a' && ch <= 'z')
		return ch - 'a' + 26;
	if (ch >= '0' && ch <= '9')
		return ch - '0' + 52;
	return ch == '-' ? 62 : ch == '_' ? 63 : -1;
}

/* Strict (RFC 7515 section 2: no padding, no white space, no stray bits). The signature covers the encoded
 * text, so a token that its issuer would accept is spelled as the issuer did. out holds len / 4 * 3 + 2.
 * -EBADMSG: malformed. */
static ssize_t base64url_decode(const char *text, size_t len, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		int value = base64url_value(text[i]);
		if (value < 0)
			return -EBADMSG;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (bits & ((1U << n_bits) - 1))
		return -EBADMSG;
	return (ssize_t)n;
}

/* One part as a JSON object. *ret_object stays as it is and *ret_problem is set if it is none. 0; -ENOMEM. */
static int part_load(const char *text, size_t len, json_t **ret_object, const char **ret_problem)
{
	size_t size = len / 4 * 3 + 2;
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

/* The part of an Entra issuer after its host's "/"; NULL if it is not one. Nothing but the exact host counts:
 * no user part, no port, no longer name that begins or ends like one. */
static const char *entra_issuer_path(const char *issuer)
{
	static const char scheme[] = "https://";
	if (!issuer || strncmp(issuer, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	issuer += sizeof(scheme) - 1;
	size_t len = strcspn(issuer, "/");
	for (size_t i = 0; i < ARRAY_SIZE(entra_hosts); i++)
		if (strlen(entra_hosts[i]) == len && strncasecmp(issuer, entra_hosts[i], len) == 0)
			return issuer[len] == '/' ? issuer + len + 1 : NULL;
	return NULL;
}

/* Absence of idtyp says nothing; scp is in users' tokens only, xms_mirid in managed identities' only. */
static const char *principal_type(struct identity_caller *c, const json_t *claims)
{
	if (c->scopes)
		return "user";
	if (claim_text(c, claims, "xms_mirid"))
		return "managed-identity";
	const char *type = claim_text(c, claims, "idtyp");
	if (!type)
		return NULL;
	return strcmp(type, "app") == 0 ? "app" : strcmp(type, "user") == 0 ? "user" : NULL;
}

static void check_tenant(struct identity_caller *c, const char *issuer_path)
{
	if (!c->tenant_id || !c->object_id) {
		note(c, "the token lacks tid or oid");
		return;
	}
	size_t len = strcspn(issuer_path, "/");
	if (strlen(c->tenant_id) != len || strncasecmp(c->tenant_id, issuer_path, len) != 0)
		note(c, "the token's issuer and tid name different tenants");
}

static int read_entra(struct identity_caller *c, const json_t *claims, const char *issuer_path)
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
	if (r < 0)
		return r;
	c->principal_type = principal_type(c, claims);
	check_tenant(c, issuer_path);
	return 0;
}

static int read_claims(struct identity_caller *c, const json_t *claims, enum token_class *ret_class)
{
	const char *issuer = claim_text(c, claims, "iss");
	const char *path = entra_issuer_path(issuer);
	int r = path ? read_entra(c, claims, path) : 0;
	if (r < 0)
		return r;
	if (!issuer)
		note(c, "the token names no issuer");
	r = copy_text(c, issuer, &c->issuer);
	if (r == 0)
		r = copy_audience(c, claims);
	if (r < 0)
		return r;
	read_expires(c, claims);
	*ret_class = path ? TOKEN_ENTRA : TOKEN_FOREIGN;
	return 0;
}

static bool is_signed(const json_t *header, size_t signature_len)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));
	return alg && *alg && strcasecmp(alg, "none") != 0 && signature_len > 0;
}

struct token_parts {
	const char *header, *claims;
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
		.signature_len = (size_t)(end - dot2 - 1),
	};
	return true;
}

int token_read(const char *text, size_t len, enum token_class *ret_class, struct identity_caller *ret_claims)
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
		if (r == 0 && claims && !is_signed(header, p.signature_len))
			c.problem = "the token is not signed";
		else if (r == 0 && claims)
			r = read_claims(&c, claims, &class);
	}
	if (r < 0)
		return r;
	*ret_class = class;
	*ret_claims = c;
	c = (struct identity_caller){0};
	return 0;
}
