/* SPDX-License-Identifier: Apache-2.0 */
/* What the caller's identity costs an exchange, once its token is remembered; and what a token costs that is
 * seen first. One thread; medians of rounds. Prints a table, or JSON into the file that is named. Nothing
 * fails on a number. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/macro.h"
#include "identity/claimed.h"
#include "identity/reader.h"

#define ROUNDS	 15
#define ROUND_NS 40000000ULL
#define NOW	 1790000000
#define TID	 "11111111-2222-3333-4444-555555555555"

/* A managed identity's token, about as long as they are. */
#define CLAIMS                                                                                               \
	"{\"aud\":\"https://cognitiveservices.azure.com\",\"iss\":\"https://sts.windows.net/" TID            \
	"/\",\"iat\":1789999000,\"nbf\":1789999000,\"exp\":1790003600,\"aio\":\"k2RgYFhRt4b5kZqb8aVZ8Zn2AQ=" \
	"=\","                                                                                               \
	"\"appid\":\"99999999-8888-7777-6666-000000000000\",\"appidacr\":\"2\",\"idp\":\"https://"           \
	"sts.windows.net/" TID "/\",\"idtyp\":\"app\",\"oid\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\","     \
	"\"rh\":\"1.AXoA\",\"roles\":["                                                                      \
	"\"Cognitive.Invoke\"],\"sub\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\",\"tid\":\"" TID              \
	"\",\"uti\":\"AbCdEfGhIjKlMnOpQrStUv\",\"ver\":\"1.0\",\"xms_mirid\":\"/subscriptions/" TID          \
	"/resourcegroups/group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/caller\"}"

static char folder[] = "/tmp/oaitap-bench-XXXXXX";
static struct identity_key *host_key;
static struct identity_verifier *verifier;
static struct identity_reader *reader;
static EVP_PKEY *pkey;
static char *remembered;

static void need(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static char *encode(const uint8_t *data, size_t len)
{
	char *text = malloc(len * 4 / 3 + 8);
	need(text != NULL, "out of memory");
	int n = EVP_EncodeBlock((uint8_t *)text, data, (int)len);
	while (n > 0 && text[n - 1] == '=')
		text[--n] = 0;
	for (char *p = text; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	return text;
}

/* "Bearer TOKEN"; each number gives another token. */
static char *make_token(unsigned int number)
{
	char header[64];
	uint8_t signature[512];
	size_t len = sizeof(signature);
	char *text, *value;
	snprintf(header, sizeof(header), "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"a\",\"n\":%u}",
		 number);
	_cleanup_free_ char *h = encode((const uint8_t *)header, strlen(header));
	_cleanup_free_ char *c = encode((const uint8_t *)CLAIMS, strlen(CLAIMS));
	need(asprintf(&text, "%s.%s", h, c) > 0, "out of memory");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	need(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		     EVP_DigestSign(ctx, signature, &len, (const uint8_t *)text, strlen(text)) == 1,
	     "cannot sign");
	EVP_MD_CTX_free(ctx);
	_cleanup_free_ char *s = encode(signature, len);
	need(asprintf(&value, "Bearer %s.%s", text, s) > 0, "out of memory");
	free(text);
	return value;
}

static char *number_of(const char *name)
{
	BIGNUM *bn = NULL;
	uint8_t bytes[512];
	need(EVP_PKEY_get_bn_param(pkey, name, &bn) == 1, "no key");
	int n = BN_bn2bin(bn, bytes);
	BN_free(bn);
	return encode(bytes, (size_t)n);
}

static void set_up(void)
{
	static char path[64], jwks[64];
	static const char *sources[] = {jwks};
	struct identity_verifier_options options = {.sources = sources, .n_sources = 1};

	need(mkdtemp(folder) != NULL, "no folder");
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(jwks, sizeof(jwks), "%s/jwks", folder);
	pkey = EVP_RSA_gen(2048);
	_cleanup_free_ char *n = number_of(OSSL_PKEY_PARAM_RSA_N);
	_cleanup_free_ char *e = number_of(OSSL_PKEY_PARAM_RSA_E);
	FILE *f = fopen(jwks, "w");
	need(f != NULL, "no key set");
	fprintf(f, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"%s\",\"e\":\"%s\"}]}", n, e);
	fclose(f);
	need(identity_key_open(&host_key, path) == 0 && identity_verifier_new(&verifier, &options) == 0 &&
		     identity_reader_new(&reader, host_key, verifier, NULL) == 0,
	     "no reader");
	remembered = make_token(0);
}

static const char *read_caller(const struct identity_headers *headers)
{
	struct identity_caller c;
	need(identity_reader_read(reader, headers, NOW, &c) == 0, "out of memory");
	const char *verification = c.verification;
	identity_caller_done(&c);
	return verification;
}

static void run_token(void)
{
	const char *verification = read_caller(&(struct identity_headers){.authorization = remembered});
	need(verification && strcmp(verification, "valid") == 0, "the token is not valid");
}

static void run_key(void)
{
	(void)read_caller(&(struct identity_headers){.api_key = "0123456789abcdef0123456789abcdef"});
}

static void run_none(void)
{
	(void)read_caller(&(struct identity_headers){0});
}

#define FRESH 1500 /* more than are remembered: none of them when its turn comes again */
static char *fresh[FRESH];

static void run_fresh(void)
{
	static unsigned int n;
	if (!fresh[n % FRESH])
		fresh[n % FRESH] = make_token(n + 1);
	(void)read_caller(&(struct identity_headers){.authorization = fresh[n++ % FRESH]});
}

static void run_claimed(void)
{
	static json_t *parameters;
	json_t *claimed = NULL;
	if (!parameters)
		parameters =
			json_pack("{s:s,s:{s:s,s:s,s:s}}", "user", "ann", "user_security_context",
				  "end_user_id", TID, "source_ip", "10.0.0.1", "application_name", "app");
	struct identity_header header = {"x-forwarded-user", "ann@contoso.com"};
	need(identity_claimed_read(parameters, &header, 1, &claimed) == 0, "out of memory");
	json_decref(claimed);
}

/* Of the processor: what else runs on the machine counts as little as it can. */
static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Microseconds of one call. */
static double measure(void (*run)(void))
{
	double rounds[ROUNDS];
	run();
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t n = 0, begin = now_ns(), end = begin;
		for (; end - begin < ROUND_NS; end = now_ns(), n += 16)
			for (int k = 0; k < 16; k++)
				run();
		rounds[i] = (double)(end - begin) / 1000.0 / (double)n;
	}
	qsort(rounds, ROUNDS, sizeof(*rounds), by_value);
	return rounds[ROUNDS / 2];
}

static void clean_up(void)
{
	char path[64];
	identity_reader_free(&reader);
	identity_verifier_free(&verifier);
	identity_key_free(&host_key);
	EVP_PKEY_free(pkey);
	snprintf(path, sizeof(path), "%s/key", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/jwks", folder);
	unlink(path);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what, *name;
		void (*run)(void);
	} rows[] = {
		{"Entra token, remembered, valid", "token-remembered-us", run_token},
		{"API key", "key-us", run_key},
		{"no credential", "none-us", run_none},
		{"on behalf of: body and one header", "claimed-us", run_claimed},
		{"Entra token, seen first", "token-first-us", run_fresh},
	};
	json_t *numbers = json_object();
	set_up();
	printf("%zu bytes of token\n%-36s %12s\n", strlen(remembered), "identity of an exchange",
	       "us, median");
	for (size_t i = 0; i < FRESH; i++)
		fresh[i] = make_token((unsigned int)i + 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double us = measure(rows[i].run);
		printf("%-36s %12.2f\n", rows[i].what, us);
		json_object_set_new(numbers, rows[i].name, json_real(us));
	}
	if (argc > 1)
		need(json_dump_file(numbers, argv[1], JSON_INDENT(1)) == 0, "cannot write the numbers");
	json_decref(numbers);
	clean_up();
	return 0;
}
