/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "identity/token.h"

#define TID "11111111-2222-3333-4444-555555555555"
#define OID "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
#define APP "99999999-8888-7777-6666-000000000000"
#define V1  "\"iss\":\"https://sts.windows.net/" TID "/\""
#define V2  "\"iss\":\"https://login.microsoftonline.com/" TID "/v2.0\""
#define WHO "\"tid\":\"" TID "\",\"oid\":\"" OID "\""

static char *encode(const char *data, size_t len)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *text = calloc(1, len * 4 / 3 + 4);
	size_t n = 0;
	assert_non_null(text);
	for (size_t i = 0; i < len; i += 3) {
		uint32_t b = (uint32_t)(uint8_t)data[i] << 16;
		size_t left = MIN(len - i, (size_t)3);
		b |= left > 1 ? (uint32_t)(uint8_t)data[i + 1] << 8 : 0;
		b |= left > 2 ? (uint8_t)data[i + 2] : 0;
		for (size_t k = 0; k <= left; k++)
			text[n++] = set[b >> (18 - 6 * k) & 63];
	}
	return text;
}

static char *make_token(const char *header, const char *claims, const char *signature)
{
	_cleanup_free_ char *h = encode(header, strlen(header));
	_cleanup_free_ char *c = encode(claims, strlen(claims));
	char *token;
	assert_true(asprintf(&token, "%s.%s.%s", h, c, signature) > 0);
	return token;
}

static enum token_class read_token(const char *token, size_t len, struct identity_caller *ret)
{
	enum token_class class = 99;
	uint8_t *copy = guard_copy(token, len);
	assert_int_equal(token_read((const char *)copy, len, &class, ret, NULL), 0);
	guard_free(copy, len);
	return class;
}

static enum token_class read_claims(const char *claims, struct identity_caller *ret)
{
	_cleanup_free_ char *token =
		make_token("{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"x\"}", claims, "c2lnbmF0dXJl");
	return read_token(token, strlen(token), ret);
}

struct expect {
	const char *what, *claims;
	enum token_class class;
	const char *tenant, *object, *app, *name, *type, *uti, *audience;
	const char *problem; /* a part of it; NULL: none */
	int64_t expires;
	const char *roles, *scopes; /* joined by '|' */
};

static const struct expect table[] = {
	{.what = "v1 user",
	 .claims = "{" V1 "," WHO
		   ",\"aud\":\"https://cognitiveservices.azure.com\",\"exp\":1790000000,\"appid\":\"" APP
		   "\",\"appidacr\":\"0\",\"unique_name\":\"ann@contoso.com\",\"upn\":\"ann.upn@contoso."
		   "com\",\"name\":\"Ann\","
		   "\"scp\":\"user_impersonation\",\"uti\":\"u1\",\"ver\":\"1.0\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .app = APP,
	 .name = "ann.upn@contoso.com",
	 .type = "user",
	 .uti = "u1",
	 .audience = "https://cognitiveservices.azure.com",
	 .expires = 1790000000,
	 .scopes = "user_impersonation"},
	{.what = "v2 user",
	 .claims = "{" V2 "," WHO ",\"aud\":\"" APP "\",\"azp\":\"" APP
		   "\",\"preferred_username\":\"bo@contoso.com\",\"name\":\"Bo\",\"scp\":\"a.read  b.write "
		   "c\",\"roles\":[\"r1\",\"r2\"]}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .app = APP,
	 .name = "bo@contoso.com",
	 .type = "user",
	 .audience = APP,
	 .scopes = "a.read|b.write|c",
	 .roles = "r1|r2"},
	{.what = "unique_name before preferred_username and name",
	 .claims = "{" V1 "," WHO
		   ",\"name\":\"C\",\"preferred_username\":\"p\",\"unique_name\":\"live.com#c@x.org\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .name = "live.com#c@x.org"},
	{.what = "name alone",
	 .claims = "{" V2 "," WHO ",\"name\":\"Z\xc3\xbc\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .name = "Z\xc3\xbc"},
	{.what = "app",
	 .claims = "{" V1 "," WHO ",\"idtyp\":\"app\",\"appid\":\"" APP "\",\"roles\":[\"x.All\"]}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .app = APP,
	 .type = "app",
	 .roles = "x.All"},
	{.what = "managed identity",
	 .claims = "{" V1 "," WHO
		   ",\"idtyp\":\"app\",\"appidacr\":\"2\",\"xms_mirid\":\"/subscriptions/s/resourcegroups/g/"
		   "providers/Microsoft.ManagedIdentity/userAssignedIdentities/i\",\"appid\":\"" APP "\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .app = APP,
	 .type = "managed-identity"},
	{.what = "certificate app is no managed identity",
	 .claims = "{" V1 "," WHO ",\"idtyp\":\"app\",\"appidacr\":\"2\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .type = "app"},
	{.what = "neither scp nor idtyp",
	 .claims = "{" V1 "," WHO ",\"roles\":\"one\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .roles = "one"},
	{.what = "empty scp is no user's",
	 .claims = "{" V1 "," WHO ",\"scp\":\"\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID},
	{.what = "audiences",
	 .claims = "{" V1 "," WHO ",\"aud\":[\"a\",\"b\"]}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .audience = "a b"},
	{.what = "US Government",
	 .claims = "{\"iss\":\"https://login.microsoftonline.us/" TID "/v2.0\"," WHO "}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID},
	{.what = "China v1",
	 .claims = "{\"iss\":\"https://sts.chinacloudapi.cn/" TID "/\"," WHO "}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID},
	{.what = "China v2",
	 .claims = "{\"iss\":\"https://login.partner.microsoftonline.cn/" TID "/v2.0\"," WHO "}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID},
	{.what = "no oid",
	 .claims = "{" V1 ",\"tid\":\"" TID "\"}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .problem = "lacks tid or oid"},
	{.what = "issuer of another tenant",
	 .claims = "{\"iss\":\"https://sts.windows.net/other/\"," WHO "}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .problem = "different tenants"},
	{.what = "wrong types",
	 .claims = "{" V1 "," WHO
		   ",\"upn\":7,\"roles\":[1,\"ok\",{}],\"exp\":\"soon\",\"scp\":{\"a\":1},\"aud\":true}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .roles = "ok",
	 .problem = "wrong type"},
	{.what = "null claims are absent ones",
	 .claims = "{" V1 "," WHO ",\"upn\":null,\"exp\":null,\"aud\":null}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID},
	{.what = "expiry before time",
	 .claims = "{" V1 "," WHO ",\"exp\":-5}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .problem = "out of range"},
	{.what = "expiry after time",
	 .claims = "{" V1 "," WHO ",\"exp\":1e300}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .problem = "out of range"},
	{.what = "expiry with a fraction",
	 .claims = "{" V1 "," WHO ",\"exp\":1790000000.75}",
	 .class = TOKEN_ENTRA,
	 .tenant = TID,
	 .object = OID,
	 .expires = 1790000000},
	{.what = "somebody else's, with Entra's names",
	 .claims = "{\"iss\":\"https://issuer.example\"," WHO ",\"upn\":\"x\",\"aud\":\"api\",\"exp\":5}",
	 .class = TOKEN_FOREIGN,
	 .audience = "api",
	 .expires = 5},
	{.what = "host that ends like one",
	 .claims = "{\"iss\":\"https://evilsts.windows.net/" TID "/\"," WHO "}",
	 .class = TOKEN_FOREIGN},
	{.what = "host that begins like one",
	 .claims = "{\"iss\":\"https://sts.windows.net.evil.example/\"," WHO "}",
	 .class = TOKEN_FOREIGN},
	{.what = "host as a user name",
	 .claims = "{\"iss\":\"https://sts.windows.net@evil.example/\"," WHO "}",
	 .class = TOKEN_FOREIGN},
	{.what = "host in the path",
	 .claims = "{\"iss\":\"https://evil.example/sts.windows.net/\"," WHO "}",
	 .class = TOKEN_FOREIGN},
	{.what = "not https",
	 .claims = "{\"iss\":\"http://sts.windows.net/" TID "/\"," WHO "}",
	 .class = TOKEN_FOREIGN},
	{.what = "host and nothing else",
	 .claims = "{\"iss\":\"https://sts.windows.net\"," WHO "}",
	 .class = TOKEN_FOREIGN},
	{.what = "no issuer", .claims = "{" WHO "}", .class = TOKEN_FOREIGN, .problem = "no issuer"},
	{.what = "issuer of the wrong type",
	 .claims = "{\"iss\":[\"https://sts.windows.net/x/\"]," WHO "}",
	 .class = TOKEN_FOREIGN,
	 .problem = "wrong type"},
	{.what = "empty object", .claims = "{}", .class = TOKEN_FOREIGN, .problem = "no issuer"},
	{.what = "array", .claims = "[1]", .class = TOKEN_BROKEN, .problem = "not a JSON object"},
	{.what = "string", .claims = "\"x\"", .class = TOKEN_BROKEN, .problem = "not JSON"},
	{.what = "nothing", .claims = "", .class = TOKEN_BROKEN, .problem = "not JSON"},
	{.what = "cut short", .claims = "{" V1 "," WHO, .class = TOKEN_BROKEN, .problem = "not JSON"},
	{.what = "trailing garbage", .claims = "{" V1 "}x", .class = TOKEN_BROKEN, .problem = "not JSON"},
	{.what = "twice the same claim",
	 .claims = "{" V1 "," WHO ",\"tid\":\"other\"}",
	 .class = TOKEN_BROKEN,
	 .problem = "twice"},
	{.what = "not UTF-8",
	 .claims = "{" V1 ",\"upn\":\"\xff\xfe\"}",
	 .class = TOKEN_BROKEN,
	 .problem = "not JSON"},
	{.what = "NUL",
	 .claims = "{" V1 ",\"upn\":\"a\\u0000b\"}",
	 .class = TOKEN_BROKEN,
	 .problem = "not JSON"},
};

static void check_text(const char *what, const char *key, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0))
		fail_msg("%s: %s is %s, not %s", what, key, got ? got : "absent", want ? want : "absent");
}

static void check_list(const char *what, const char *key, const json_t *list, const char *want)
{
	char text[256] = "";
	size_t i;
	json_t *item;
	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		strcat(text, i ? "|" : "");
		strcat(text, json_string_value(item));
	}
	check_text(what, key, list ? text : NULL, want);
}

static void check_row(const struct expect *e)
{
	struct identity_caller c;
	enum token_class class = read_claims(e->claims, &c);
	if (class != e->class)
		fail_msg("%s: class %d, not %d", e->what, class, e->class);
	check_text(e->what, "tenant", c.tenant_id, e->tenant);
	check_text(e->what, "object", c.object_id, e->object);
	check_text(e->what, "app", c.app_id, e->app);
	check_text(e->what, "name", c.name, e->name);
	check_text(e->what, "type", c.principal_type, e->type);
	check_text(e->what, "uti", c.token_id, e->uti);
	check_text(e->what, "audience", c.audience, e->audience);
	check_list(e->what, "roles", c.roles, e->roles);
	check_list(e->what, "scopes", c.scopes, e->scopes);
	if (c.expires != e->expires)
		fail_msg("%s: expires %lld", e->what, (long long)c.expires);
	if ((c.problem == NULL) != (e->problem == NULL) || (c.problem && !strstr(c.problem, e->problem)))
		fail_msg("%s: problem is %s", e->what, c.problem ? c.problem : "absent");
	identity_caller_done(&c);
}

static void test_claims(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(table) >= 25);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		check_row(&table[i]);
}

static void check_form(const char *token, size_t len, enum token_class want, const char *problem)
{
	struct identity_caller c;
	enum token_class class = read_token(token, len, &c);
	if (class != want)
		fail_msg("%.60s: class %d, not %d", token, class, want);
	if ((c.problem == NULL) != (problem == NULL) || (problem && !strstr(c.problem, problem)))
		fail_msg("%.60s: problem is %s", token, c.problem ? c.problem : "absent");
	assert_null(c.tenant_id);
	assert_null(c.issuer);
	identity_caller_done(&c);
}

static void test_forms(void **state)
{
	static const struct {
		const char *token;
		enum token_class class;
		const char *problem;
	} forms[] = {
		{"", TOKEN_OPAQUE, NULL},
		{"opaque", TOKEN_OPAQUE, NULL},
		{"a.b", TOKEN_OPAQUE, NULL},
		{"a.b.c.d", TOKEN_OPAQUE, NULL},
		{"a.b.c.d.e", TOKEN_OPAQUE, NULL},
		{"..", TOKEN_BROKEN, "not JSON"},
		{"a.b.c", TOKEN_BROKEN, "not base64url"},
		{"e30=.e30=.c2ln", TOKEN_BROKEN, "not base64url"},
		{"e30.e3+w.c2ln", TOKEN_BROKEN, "not base64url"},
		{"e31.e30.c2ln", TOKEN_BROKEN, "not base64url"},
		{"e30.e30.c2ln", TOKEN_UNSIGNED, "not signed"},
		{"e30.e3 0.c2ln", TOKEN_BROKEN, "not base64url"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		check_form(forms[i].token, strlen(forms[i].token), forms[i].class, forms[i].problem);
	check_form("e30\0.e30.c2ln", 13, TOKEN_BROKEN, "not base64url");
}

static void test_unsigned(void **state)
{
	static const struct {
		const char *header, *signature;
	} bad[] = {
		{"{\"alg\":\"none\"}", ""},    {"{\"alg\":\"none\"}", "c2ln"}, {"{\"alg\":\"NoNe\"}", "c2ln"},
		{"{\"alg\":\"RS256\"}", ""},   {"{\"alg\":7}", "c2ln"},	       {"{\"alg\":\"\"}", "c2ln"},
		{"{\"typ\":\"JWT\"}", "c2ln"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *token = make_token(bad[i].header, "{" V1 "," WHO "}", bad[i].signature);
		check_form(token, strlen(token), TOKEN_UNSIGNED, "not signed");
	}
}

/* Every prefix of a good token is something, and nothing but the whole is Entra's. */
static void test_prefixes(void **state)
{
	_cleanup_free_ char *token = make_token("{\"alg\":\"RS256\"}", "{" V1 "," WHO "}", "c2ln");
	size_t last_dot = (size_t)(strrchr(token, '.') - token);
	(void)state;
	for (size_t len = 0; len <= strlen(token); len++) {
		struct identity_caller c;
		enum token_class class = read_token(token, len, &c);
		assert_int_equal(class == TOKEN_ENTRA, len > last_dot + 1);
		identity_caller_done(&c);
	}
}

static void test_oversized(void **state)
{
	_cleanup_free_ char *token = malloc(TOKEN_MAX + 2);
	(void)state;
	memset(token, 'a', TOKEN_MAX + 1);
	token[TOKEN_MAX + 1] = 0;
	token[10] = token[20] = '.';
	check_form(token, TOKEN_MAX + 1, TOKEN_OPAQUE, "longer than 64 KiB");
	check_form(token, TOKEN_MAX, TOKEN_BROKEN, "token is not");
}

static void test_deep(void **state)
{
	_cleanup_free_ char *claims = calloc(1, 41000);
	(void)state;
	strcpy(claims, "{\"a\":");
	memset(claims + 5, '[', 40000);
	struct identity_caller c;
	assert_int_equal(read_claims(claims, &c), TOKEN_BROKEN);
	assert_non_null(strstr(c.problem, "not JSON"));
	identity_caller_done(&c);
}

static void test_bounds(void **state)
{
	char claims[20000], *p = claims;
	struct identity_caller c;
	(void)state;
	/* 1023 bytes, then a two-byte character that would straddle the bound. */
	p += sprintf(p, "{" V1 "," WHO ",\"upn\":\"");
	memset(p, 'n', 1023);
	p += 1023;
	p += sprintf(p, "\xc3\xbc\",\"roles\":[");
	for (int i = 0; i < 300; i++)
		p += sprintf(p, "%s\"role-%d\"", i ? "," : "", i);
	p += sprintf(p, "],\"aud\":[\"");
	memset(p, 'a', 600);
	p += 600;
	p += sprintf(p, "\",\"");
	memset(p, 'b', 600);
	p += 600;
	sprintf(p, "\"]}");
	assert_int_equal(read_claims(claims, &c), TOKEN_ENTRA);
	assert_int_equal(strlen(c.name), 1023);
	assert_int_equal(json_array_size(c.roles), IDENTITY_ARRAY_MAX);
	assert_string_equal(json_string_value(json_array_get(c.roles, 255)), "role-255");
	assert_int_equal(strlen(c.audience), IDENTITY_CLAIM_MAX);
	assert_int_equal(c.audience[600], ' ');
	assert_non_null(strstr(c.problem, "1 KiB"));
	identity_caller_done(&c);

	p = claims + sprintf(claims, "{" V1 "," WHO ",\"scp\":\"");
	for (int i = 0; i < 300; i++)
		p += sprintf(p, "s%d ", i);
	sprintf(p, "\"}");
	assert_int_equal(read_claims(claims, &c), TOKEN_ENTRA);
	assert_int_equal(json_array_size(c.scopes), IDENTITY_ARRAY_MAX);
	assert_non_null(strstr(c.problem, "256 values"));
	identity_caller_done(&c);
}

/* Any byte of a good token changed to any value: always classed. */
static void test_any_byte(void **state)
{
	_cleanup_free_ char *token = make_token("{\"alg\":\"RS256\"}", "{" V1 "," WHO "}", "c2ln");
	size_t len = strlen(token);
	(void)state;
	for (size_t i = 0; i < len; i++)
		for (int value = 0; value < 256; value += 5) {
			char was = token[i];
			struct identity_caller c;
			enum token_class class;
			token[i] = (char)value;
			assert_int_equal(token_read(token, len, &class, &c, NULL), 0);
			assert_in_range(class, TOKEN_OPAQUE, TOKEN_ENTRA);
			identity_caller_done(&c);
			token[i] = was;
		}
}

static int allocations_left;

static void *scarce_malloc(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

/* The nth allocation of the JSON library fails: out of memory, or unreadable, but never half of the claims.
 */
static void test_out_of_memory(void **state)
{
	_cleanup_free_ char *token = make_token(
		"{\"alg\":\"RS256\"}",
		"{" V1 "," WHO ",\"roles\":[\"a\",\"b\"],\"scp\":\"c d\",\"aud\":[\"x\"]}", "c2ln");
	enum token_class class = TOKEN_OPAQUE;
	int failures = 0;
	(void)state;
	for (int n = 0; class != TOKEN_ENTRA; n++) {
		struct identity_caller c;
		allocations_left = n;
		json_set_alloc_funcs(scarce_malloc, free);
		int r = token_read(token, strlen(token), &class, &c, NULL);
		json_set_alloc_funcs(malloc, free);
		assert_true(n < 1000);
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			failures++;
			continue;
		}
		assert_true(class == TOKEN_ENTRA || class == TOKEN_BROKEN);
		if (class == TOKEN_ENTRA) {
			assert_int_equal(json_array_size(c.roles), 2);
			assert_int_equal(json_array_size(c.scopes), 2);
			assert_string_equal(c.audience, "x");
		}
		identity_caller_done(&c);
	}
	assert_true(failures > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),	      cmocka_unit_test(test_forms),
		cmocka_unit_test(test_unsigned),      cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_oversized),     cmocka_unit_test(test_deep),
		cmocka_unit_test(test_bounds),	      cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
