/* SPDX-License-Identifier: Apache-2.0 */

/* Tokens signed by keys of a test, through the reader: what is read of each, and what its check says. */

#include "guard.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "identity/reader.h"
#include "signer.h"
#include "tokens.h"

static char folder[] = "/tmp/oaitap-verify-XXXXXX";
static char host_key_path[64], jwks_path[64];
static EVP_PKEY *keys[N_KEYS];
static struct identity_key *host_key;
static struct identity_verifier *verifier;
static struct identity_reader *reader;

/* --- a key set in a file ------------------------------------------------------------- */

struct entry {
	enum key key;
	const char *kid, *more;
};

static void write_set(const char *path, const struct entry *entries, size_t n)
{
	char temporary[80];
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	FILE *f = fopen(temporary, "w");
	assert_non_null(f);
	fputs("{\"keys\":[", f);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *jwk = signer_jwk(keys[entries[i].key], entries[i].kid, entries[i].more);
		fprintf(f, "%s%s", i ? "," : "", jwk);
	}
	fputs("]}", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(temporary, path), 0);
}

#define ISSUER_OF(url) ",\"use\":\"sig\",\"issuer\":\"" url "\""

static const struct entry all[] = {
	{KEY_A, "a", ",\"use\":\"sig\""},
	{KEY_A, "ww", ISSUER_OF("https://login.microsoftonline.com/{tenantid}/v2.0")},
	{KEY_A, "ww1", ISSUER_OF("https://sts.windows.net/{tenantid}/")},
	{KEY_A, "us", ISSUER_OF("https://login.microsoftonline.us/{tenantid}/v2.0")},
	{KEY_A, "cn", ISSUER_OF("https://login.partner.microsoftonline.cn/{tenantid}/v2.0")},
	{KEY_A, "tenant", ISSUER_OF("https://login.microsoftonline.com/" TID "/v2.0")},
	{KEY_A, "tenant2", ISSUER_OF("https://login.microsoftonline.com/" TID2 "/v2.0")},
	{KEY_A, "stranger", ISSUER_OF("https://issuer.example/{tenantid}/")},
	{KEY_A, "enc", ",\"use\":\"enc\""},
	{KEY_A, "rs256", ",\"alg\":\"RS256\""},
	{KEY_A, "twice", ""},
	{KEY_B, "twice", ""},
	{KEY_WEAK, "weak", ""},
	{KEY_EC, "ec", ",\"alg\":\"ES256\""},
};

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(host_key_path, sizeof(host_key_path), "%s/key", folder);
	snprintf(jwks_path, sizeof(jwks_path), "%s/jwks.json", folder);
	for (int i = 0; i < N_KEYS; i++)
		keys[i] = i == KEY_EC ? signer_p256() : signer_rsa(i == KEY_WEAK ? 1024 : 2048);
	write_set(jwks_path, all, ARRAY_SIZE(all));
	const char *sources[] = {jwks_path};
	struct identity_verifier_options options = {.sources = sources, .n_sources = 1};
	if (identity_key_open(&host_key, host_key_path) < 0 || identity_verifier_new(&verifier, &options) < 0)
		return -1;
	return identity_reader_new(&reader, host_key, verifier, NULL);
}

static int teardown(void **state)
{
	(void)state;
	identity_reader_free(&reader);
	identity_verifier_free(&verifier);
	identity_key_free(&host_key);
	for (int i = 0; i < N_KEYS; i++)
		EVP_PKEY_free(keys[i]);
	unlink(host_key_path);
	unlink(jwks_path);
	return rmdir(folder);
}

/* --- tokens -------------------------------------------------------------------------- */

/* ' to ", in braces. */
static char *json_of(const char *members)
{
	char *text;
	assert_true(asprintf(&text, "{%s}", members) > 0);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return text;
}

static char *sign(enum key key, const char *method, const char *header, const char *claims)
{
	_cleanup_free_ char *h = json_of(header ? header : HEADER("RS256", "a"));
	_cleanup_free_ char *c = json_of(claims);
	return signer_token(keys[key], method ? method : "RS256", h, c);
}

static void replace_all(char *text, const char *from, const char *to)
{
	for (char *p; (p = strstr(text, from));)
		memcpy(p, to, strlen(to));
}

/* The signature of one text under another. */
static char *graft(const char *header, const char *claims, const char *signature)
{
	_cleanup_free_ char *h = signer_encode(header, strlen(header));
	_cleanup_free_ char *c = signer_encode(claims, strlen(claims));
	char *token;
	assert_true(asprintf(&token, "%s.%s.%s", h, c, signature) > 0);
	return token;
}

static char *damage(const struct row *row, char *token)
{
	_cleanup_free_ char *claims = json_of(row->claims);
	char *signature = strrchr(token, '.') + 1, *result = NULL;
	size_t len = strlen(signature);

	switch (row->damage) {
	case CLAIMS_CHANGED:
		replace_all(claims, TID, TID2);
		result = graft("{\"alg\":\"RS256\",\"kid\":\"a\"}", claims, signature);
		break;
	case HEADER_CHANGED:
		result =
			graft("{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"a\",\"x\":1}", claims, signature);
		break;
	case SIGNATURE_SWAPPED: {
		_cleanup_free_ char *other = sign(row->key, NULL, NULL, "'another':'text'");
		result = graft("{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"a\"}", claims,
			       strrchr(other, '.') + 1);
		break;
	}
	case SIGNATURE_BIT:
		signature[len / 2] = signature[len / 2] == 'A' ? 'B' : 'A';
		break;
	case SIGNATURE_SHORT:
		signature[len - 4] = 0;
		signature[len - 5] = 'A'; /* no stray bits */
		break;
	case SIGNATURE_NONE:
		*signature = 0;
		break;
	case SIGNATURE_ODD:
		signature[3] = '+';
		break;
	case SIGNATURE_LONG:
		assert_true(asprintf(&result, "%.*sAAAA", (int)(strlen(token) - 2), token) > 0);
		break;
	case SIGNATURE_HUGE:
		assert_true(asprintf(&result, "%.*s%08192d", (int)(signature - token), token, 0) > 0);
		break;
	case WHOLE:
		break;
	}
	if (!result)
		return token;
	free(token);
	return result;
}

static char *token_of(const struct row *row)
{
	return damage(row, sign(row->key, row->method, row->header, row->claims));
}

/* --- what was read ------------------------------------------------------------------- */

static void put_text(json_t *object, const char *name, const char *text)
{
	if (text)
		assert_int_equal(json_object_set_new(object, name, json_string(text)), 0);
}

static void put_list(json_t *object, const char *name, json_t *list)
{
	if (list)
		assert_int_equal(json_object_set(object, name, list), 0);
}

/* All but what the check said, the problem and the fingerprint. */
static json_t *caller_json(const struct identity_caller *c)
{
	json_t *object = json_object();
	put_text(object, "kind", identity_kind_name(c->kind));
	put_text(object, "tenant-id", c->tenant_id);
	put_text(object, "object-id", c->object_id);
	put_text(object, "app-id", c->app_id);
	put_text(object, "principal-type", c->principal_type);
	put_text(object, "resource-id", c->resource_id);
	put_text(object, "name", c->name);
	put_list(object, "roles", c->roles);
	put_list(object, "scopes", c->scopes);
	put_list(object, "groups", c->groups);
	put_text(object, "token-id", c->token_id);
	put_text(object, "issuer", c->issuer);
	put_text(object, "audience", c->audience);
	if (c->expires)
		json_object_set_new(object, "expires", json_integer(c->expires));
	return object;
}

static bool holds(const char *text, const char *part)
{
	return (!text && !part) || (text && part && strstr(text, part));
}

static void check_row(const struct row *row, const struct identity_caller *c, const char *round)
{
	_cleanup_free_ char *members = json_of(row->is);
	json_t *want = json_loads(members, JSON_REJECT_DUPLICATES, NULL);
	json_t *got = caller_json(c);
	assert_non_null(want);
	if (!json_equal(want, got)) {
		_cleanup_free_ char *text = json_dumps(got, JSON_COMPACT);
		fail_msg("%s, %s: %s is not %s", row->what, round, text, members);
	}
	json_decref(want);
	json_decref(got);
	if (!c->verification || strcmp(c->verification, row->verification) != 0)
		fail_msg("%s, %s: %s (%s), not %s", row->what, round, c->verification ? c->verification : "-",
			 c->verification_problem ? c->verification_problem : "-", row->verification);
	if (!holds(c->verification_problem, row->why))
		fail_msg("%s, %s: %s", row->what, round,
			 c->verification_problem ? c->verification_problem : "-");
	if (!holds(c->problem, row->problem))
		fail_msg("%s, %s: %s", row->what, round, c->problem ? c->problem : "-");
	if ((c->kind == IDENTITY_ENTRA) != (c->key_fingerprint == NULL))
		fail_msg("%s, %s: fingerprint", row->what, round);
}

static void read_with(struct identity_reader *by, const char *token, int64_t now_s,
		      struct identity_caller *ret)
{
	_cleanup_free_ char *value = NULL;
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	struct identity_headers headers = {.authorization = value};
	assert_int_equal(identity_reader_read(by, &headers, now_s, ret), 0);
}

static void test_table(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(rows) >= 60);
	print_message("%zu tokens\n", ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_free_ char *token = token_of(row);
		struct identity_caller c;
		/* The second time from memory. */
		for (int round = 0; round < 2; round++) {
			read_with(reader, token, row->now ? row->now : NOW, &c);
			check_row(row, &c, round ? "remembered" : "read");
			identity_caller_done(&c);
		}
	}
	struct identity_reader_stats stats = identity_reader_stats(reader);
	assert_true(stats.hits >= ARRAY_SIZE(rows) && stats.misses <= ARRAY_SIZE(rows));
}

/* One token at several times: what is remembered is not the verdict of the time. */
static void test_times_of_one_token(void **state)
{
	static const struct {
		int64_t now_s;
		const char *verification;
	} times[] = {{NOW, "valid"}, {1790003660, "expired"}, {NOW, "valid"}, {1, "invalid"}, {NOW, "valid"}};
	_cleanup_free_ char *token = sign(KEY_A, NULL, NULL, BASE);
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct identity_caller c;
		read_with(reader, token, times[i].now_s, &c);
		assert_string_equal(c.verification, times[i].verification);
		identity_caller_done(&c);
	}
}

static void check_verification(struct identity_reader *by, const char *token, const char *want)
{
	struct identity_caller c;
	read_with(by, token, NOW, &c);
	if (strcmp(c.verification, want) != 0)
		fail_msg("%.40s: %s (%s), not %s", token, c.verification,
			 c.verification_problem ? c.verification_problem : "-", want);
	identity_caller_done(&c);
}

/* Nobody was asked to check: no reason is given, but that an unsigned token is nobody's is certain. */
static void test_without_verifier(void **state)
{
	_cleanup_free_ char *token = sign(KEY_A, NULL, NULL, BASE);
	_cleanup_free_ char *none = sign(KEY_A, NULL, HEADER("none", "a"), BASE);
	struct identity_reader *plain;
	struct identity_caller c;
	(void)state;
	assert_int_equal(identity_reader_new(&plain, host_key, NULL, NULL), 0);
	for (int round = 0; round < 2; round++) {
		read_with(plain, token, NOW, &c);
		assert_string_equal(c.verification, "unverified");
		assert_null(c.verification_problem);
		assert_string_equal(c.tenant_id, TID);
		identity_caller_done(&c);
	}
	check_verification(plain, none, "invalid");
	identity_reader_free(&plain);
}

static void check_opaque(const char *token, const char *problem)
{
	struct identity_caller c;
	read_with(reader, token, NOW, &c);
	assert_int_equal(c.kind, IDENTITY_BEARER);
	assert_string_equal(c.verification, "unverified");
	assert_non_null(c.key_fingerprint);
	assert_true(holds(c.problem, problem));
	identity_caller_done(&c);
}

static void test_opaque(void **state)
{
	_cleanup_free_ char *huge = malloc(70001);
	_cleanup_free_ char *good = sign(KEY_A, NULL, NULL, BASE);
	_cleanup_free_ char *cut = strndup(good, strlen(good) / 2);
	(void)state;
	memset(huge, 'a', 70000);
	huge[70000] = 0;
	huge[100] = huge[200] = '.';
	check_opaque("opaque", NULL);
	check_opaque("five.parts.of.a.jwe", NULL);
	check_opaque("a.b.c", "not base64url");
	check_opaque(cut, NULL);
	check_opaque(huge, "longer than 64 KiB");
}

/* Every cut of a good token, and every byte of it changed: never "valid". */
static void test_cuts_and_bytes(void **state)
{
	_cleanup_free_ char *token = sign(KEY_EC, "ES256", HEADER("ES256", "ec"), BASE);
	size_t len = strlen(token);
	struct identity_caller c;
	(void)state;
	check_verification(reader, token, "valid");
	for (size_t i = 0; i < len; i++) {
		char before = token[i];
		token[i] = 0;
		if (i > 0) {
			read_with(reader, token, NOW, &c);
			assert_true(strcmp(c.verification, "valid") != 0);
			identity_caller_done(&c);
		}
		token[i] = before == 'x' ? 'y' : 'x';
		read_with(reader, token, NOW, &c);
		assert_true(strcmp(c.verification, "valid") != 0);
		identity_caller_done(&c);
		token[i] = before;
	}
}

/* More tokens than are remembered, and some too big to be: the answers stay right. */
static void test_memory_is_bounded(void **state)
{
	struct identity_reader *small;
	(void)state;
	assert_int_equal(identity_reader_new(&small, host_key, verifier, NULL), 0);
	char *tokens[READER_TOKENS_MAX + 200];
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		char claims[sizeof(BASE) + 64];
		snprintf(claims, sizeof(claims), BASE ",'n':%zu", i);
		tokens[i] = sign(KEY_EC, "ES256", HEADER("ES256", "ec"), claims);
	}
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
			check_verification(small, tokens[i], "valid");
	struct identity_reader_stats stats = identity_reader_stats(small);
	assert_true(stats.misses > ARRAY_SIZE(tokens) && stats.hits > 0);
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		free(tokens[i]);

	_cleanup_free_ char *big = malloc(40000);
	size_t n = (size_t)sprintf(big, BASE ",'groups':[");
	for (int i = 0; i < 250; i++)
		n += (size_t)sprintf(big + n, "%s'%0100d'", i ? "," : "", i);
	strcpy(big + n, "]");
	_cleanup_free_ char *token = sign(KEY_A, NULL, NULL, big);
	uint64_t misses = identity_reader_stats(small).misses;
	check_verification(small, token, "valid");
	check_verification(small, token, "valid");
	assert_int_equal(identity_reader_stats(small).misses, misses + 2);
	identity_reader_free(&small);
}

/* --- rotation ------------------------------------------------------------------------ */

static void wait_generation(struct identity_verifier *v, uint64_t before)
{
	for (int i = 0; i < 500; i++) {
		if (identity_verifier_generation(v) != before)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
	}
	fail_msg("the new keys were not noticed");
}

static void test_rotation(void **state)
{
	static const struct entry first[] = {{KEY_A, "a", ""}}, second[] = {{KEY_B, "b", ""}},
				  stolen[] = {{KEY_B, "b", ""}, {KEY_OTHER, "a", ""}};
	char path[80];
	snprintf(path, sizeof(path), "%s/rotating.json", folder);
	const char *sources[] = {path};
	struct identity_verifier_options options = {
		.sources = sources, .n_sources = 1, .file_check_ms = 20, .hold_s = 2};
	_cleanup_free_ char *by_a = sign(KEY_A, NULL, HEADER("RS256", "a"), BASE);
	_cleanup_free_ char *by_b = sign(KEY_B, NULL, HEADER("RS256", "b"), BASE);
	_cleanup_free_ char *by_other = sign(KEY_OTHER, NULL, HEADER("RS256", "a"), BASE);
	struct identity_verifier *v;
	struct identity_reader *by;
	(void)state;

	/* The file comes later. */
	assert_int_equal(identity_verifier_new(&v, &options), 0);
	assert_int_equal(identity_reader_new(&by, host_key, v, NULL), 0);
	check_verification(by, by_a, "unverified");
	uint64_t generation = identity_verifier_generation(v);
	write_set(path, first, ARRAY_SIZE(first));
	wait_generation(v, generation);
	check_verification(by, by_a, "valid");
	check_verification(by, by_b, "unverified");
	assert_int_equal(identity_verifier_stats(v).keys, 1);

	/* Another key: the old one still counts for a while. */
	generation = identity_verifier_generation(v);
	write_set(path, second, ARRAY_SIZE(second));
	wait_generation(v, generation);
	check_verification(by, by_b, "valid");
	check_verification(by, by_a, "valid");

	/* A file that is no key set changes nothing. */
	generation = identity_verifier_generation(v);
	FILE *f = fopen(path, "w");
	fputs("{\"keys\":[", f);
	fclose(f);
	nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
	assert_int_equal(identity_verifier_generation(v), generation);
	check_verification(by, by_b, "valid");

	/* After that while it does not, and its kid may be another's. */
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	write_set(path, stolen, ARRAY_SIZE(stolen));
	wait_generation(v, generation);
	check_verification(by, by_a, "invalid");
	check_verification(by, by_other, "valid");
	check_verification(by, by_b, "valid");
	identity_reader_free(&by);
	identity_verifier_free(&v);
	unlink(path);
}

static void test_audiences_of_the_operator(void **state)
{
	const char *sources[] = {jwks_path}, *audiences[] = {"api://gateway/"};
	struct identity_verifier_options options = {
		.sources = sources, .n_sources = 1, .audiences = audiences, .n_audiences = 1};
	_cleanup_free_ char *ours = sign(KEY_A, NULL, NULL, FROM(V1_ISS, "API://gateway") "," APP_V1);
	_cleanup_free_ char *azure = sign(KEY_A, NULL, NULL, BASE);
	struct identity_verifier *v;
	struct identity_reader *by;
	(void)state;
	assert_int_equal(identity_verifier_new(&v, &options), 0);
	assert_int_equal(identity_reader_new(&by, host_key, v, NULL), 0);
	check_verification(by, ours, "valid");
	check_verification(by, azure, "invalid");
	identity_reader_free(&by);
	identity_verifier_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_times_of_one_token),
		cmocka_unit_test(test_without_verifier),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_cuts_and_bytes),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_audiences_of_the_operator),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
