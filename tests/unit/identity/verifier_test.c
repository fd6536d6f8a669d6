/* SPDX-License-Identifier: Apache-2.0 */

/* Key sets from https URLs: a real server with a CA of its own on the loopback interface. */

#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "identity/jwks_fetch.h"
#include "identity/reader.h"
#include "tls_server.h"

#define OK  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define NOW 1790000000
#define CLAIMS                                                                                               \
	"{\"iss\":\"https://sts.windows.net/t-1/\",\"tid\":\"t-1\",\"oid\":\"o\",\"aud\":"                   \
	"\"https://ai.azure.com\",\"exp\":1790003600}"

static char folder[] = "/tmp/oaitap-verifier-XXXXXX";
static char key_path[64], ca_path[64];
static struct tls_server server;
static EVP_PKEY *key_a, *key_b;
static char *set_a, *set_b, *token_a, *token_b;
static struct identity_key *host_key;
static char url[64];

static char *set_of(EVP_PKEY *pkey, const char *kid)
{
	_cleanup_free_ char *jwk = signer_jwk(pkey, kid, ",\"use\":\"sig\"");
	char *text;
	assert_true(asprintf(&text, "{\"keys\":[%s]}", jwk) > 0);
	return text;
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", folder);
	/* The machine's proxies are none of ours. */
	setenv("no_proxy", "*", 1);
	key_a = signer_rsa(2048);
	key_b = signer_rsa(2048);
	set_a = set_of(key_a, "a");
	set_b = set_of(key_b, "b");
	token_a = signer_token(key_a, "RS256", "{\"alg\":\"RS256\",\"kid\":\"a\"}", CLAIMS);
	token_b = signer_token(key_b, "RS256", "{\"alg\":\"RS256\",\"kid\":\"b\"}", CLAIMS);
	return identity_key_open(&host_key, key_path) < 0 || jwks_fetch_init() < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(key_a);
	EVP_PKEY_free(key_b);
	free(set_a);
	free(set_b);
	free(token_a);
	free(token_b);
	identity_key_free(&host_key);
	unlink(key_path);
	return rmdir(folder);
}

static int start_server(void **state)
{
	(void)state;
	server = (struct tls_server){0};
	tls_server_start(&server, ca_path, "IP:127.0.0.1");
	tls_server_answer(&server, OK, set_a);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/keys", server.port);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	tls_server_stop(&server);
	return 0;
}

/* --- one fetch ----------------------------------------------------------------------- */

static int fetch(const char *from, const char *ca, long timeout_ms, size_t max, char *ret_why,
		 size_t *ret_len)
{
	static atomic_bool stop;
	struct buf out;
	buf_init(&out, max);
	ret_why[0] = 0;
	int r = jwks_fetch(from, ca, timeout_ms, &stop, &out, ret_why);
	*ret_len = out.len;
	assert_true(r == 0 || (r == -EIO && out.len == 0 && ret_why[0]));
	buf_done(&out);
	return r;
}

static void check_refused(const char *from, const char *ca, const char *why)
{
	char text[JWKS_FETCH_WHY];
	size_t len;
	assert_int_equal(fetch(from, ca, 3000, 100000, text, &len), -EIO);
	if (!strstr(text, why))
		fail_msg("%s: %s", from, text);
}

static void test_fetch(void **state)
{
	char why[JWKS_FETCH_WHY];
	size_t len;
	(void)state;
	assert_int_equal(fetch(url, ca_path, 3000, 100000, why, &len), 0);
	assert_int_equal(len, strlen(set_a));
	assert_int_equal(atomic_load(&server.requests), 1);
}

static void test_certificates(void **state)
{
	char by_name[64];
	(void)state;
	/* Not of the system's authorities. */
	check_refused(url, NULL, "certificate");
	/* Of the right one, for another name. */
	snprintf(by_name, sizeof(by_name), "https://localhost:%u/keys", server.port);
	check_refused(by_name, ca_path, "SSL peer certificate");
	check_refused(url, "/nonexistent/ca.pem", "CA cert");
	assert_int_equal(atomic_load(&server.requests), 0);
}

static void test_answers_that_are_none(void **state)
{
	char plain[64], ftp[80];
	(void)state;
	tls_server_answer(&server, "HTTP/1.1 404 Not Found\r\n", set_a);
	check_refused(url, ca_path, "status is 404");
	/* Where a redirect leads is not asked. */
	tls_server_answer(&server, "HTTP/1.1 302 Found\r\nLocation: /keys2\r\n", set_a);
	check_refused(url, ca_path, "status is 302");
	assert_int_equal(atomic_load(&server.requests), 2);
	tls_server_answer(&server, "SSH-2.0-x\r\n", "");
	check_refused(url, ca_path, "");
	snprintf(plain, sizeof(plain), "http://127.0.0.1:%u/keys", server.port);
	check_refused(plain, ca_path, "protocol");
	snprintf(ftp, sizeof(ftp), "file://%s", ca_path);
	check_refused(ftp, ca_path, "protocol");
}

static void test_giant(void **state)
{
	(void)state;
	tls_server_answer(&server, OK "Content-Length: 100001\r\n", "x");
	check_refused(url, ca_path, "longer than 100000 bytes");
	/* Without saying how much comes. */
	tls_server_answer(&server, OK, "x");
	server.repeat = 64 << 20;
	check_refused(url, ca_path, "longer than 100000 bytes");
}

static void test_slow(void **state)
{
	char why[JWKS_FETCH_WHY];
	size_t len;
	(void)state;
	server.stall_ms = 5000;
	uint64_t before = clock_mono_ns();
	assert_int_equal(fetch(url, ca_path, 300, 100000, why, &len), -EIO);
	assert_non_null(strstr(why, "imeout"));
	assert_true(clock_mono_ns() - before < 2 * NSEC_PER_SEC);
}

/* --- the verifier -------------------------------------------------------------------- */

static struct identity_verifier *verifier;
static struct identity_reader *reader;

static void start_verifier(struct identity_verifier_options options)
{
	static const char *sources[1];
	sources[0] = url;
	options.sources = sources;
	options.n_sources = 1;
	options.ca_file = ca_path;
	options.file_check_ms = 20;
	assert_int_equal(identity_verifier_new(&verifier, &options), 0);
	assert_int_equal(identity_reader_new(&reader, host_key, verifier, NULL), 0);
}

static void stop_verifier(void)
{
	identity_reader_free(&reader);
	identity_verifier_free(&verifier);
}

static const char *verification(const char *token)
{
	_cleanup_free_ char *value = NULL;
	struct identity_caller c;
	assert_true(asprintf(&value, "Bearer %s", token) > 0);
	struct identity_headers headers = {.authorization = value};
	uint64_t before = clock_mono_ns();
	assert_int_equal(identity_reader_read(reader, &headers, NOW, &c), 0);
	/* Never waits for the server. */
	assert_true(clock_mono_ns() - before < NSEC_PER_SEC / 2);
	const char *text = c.verification;
	identity_caller_done(&c);
	return text;
}

static void wait_for(const char *token, const char *want)
{
	const char *got = "";
	for (int i = 0; i < 500; i++) {
		got = verification(token);
		if (strcmp(got, want) == 0)
			return;
		usleep(10000);
	}
	fail_msg("%s, not %s", got, want);
}

/* Without asking for anything: a token asks for its key. */
static void wait_keys(uint64_t n)
{
	for (int i = 0; i < 500 && identity_verifier_stats(verifier).keys < n; i++)
		usleep(10000);
	assert_int_equal(identity_verifier_stats(verifier).keys, n);
}

/* Tokens of the new key bring it themselves, those of the old one stay valid. */
static void test_rotation(void **state)
{
	(void)state;
	start_verifier((struct identity_verifier_options){0});
	wait_keys(1);
	assert_string_equal(verification(token_a), "valid");
	assert_int_equal(atomic_load(&server.requests), 1);
	tls_server_answer(&server, OK, set_b);
	assert_string_equal(verification(token_b), "unverified");
	wait_keys(2);
	assert_string_equal(verification(token_b), "valid");
	assert_string_equal(verification(token_a), "valid");
	assert_int_equal(atomic_load(&server.requests), 2);
	assert_int_equal(identity_verifier_stats(verifier).keys, 2);
	stop_verifier();
}

/* Whoever makes up kids gets no more than a few fetches. */
static void test_unknown_keys_are_limited(void **state)
{
	(void)state;
	start_verifier((struct identity_verifier_options){.fetch_burst = 3, .fetch_interval_s = 3600});
	wait_keys(1);
	for (int i = 0; i < 100; i++) {
		assert_string_equal(verification(token_b), "unverified");
		usleep(5000);
	}
	assert_int_equal(atomic_load(&server.requests), 1 + 3);
	stop_verifier();
}

static void test_refresh(void **state)
{
	(void)state;
	start_verifier((struct identity_verifier_options){.refresh_s = 1});
	wait_for(token_a, "valid");
	tls_server_answer(&server, OK, set_b);
	wait_keys(2);
	assert_string_equal(verification(token_b), "valid");
	stop_verifier();
}

/* Down at first; later down again: what is known stays. Retried ever less often. */
static void test_server_down(void **state)
{
	(void)state;
	unsigned int port = server.port;
	tls_server_down(&server);
	start_verifier((struct identity_verifier_options){.refresh_s = 1, .retry_s = 1, .retry_max_s = 2});
	assert_string_equal(verification(token_a), "unverified");
	usleep(300000);
	assert_true(identity_verifier_stats(verifier).failures >= 1);
	tls_server_listen(&server, port);
	wait_for(token_a, "valid");
	tls_server_down(&server);
	usleep(1500000);
	assert_string_equal(verification(token_a), "valid");
	tls_server_listen(&server, port);
	stop_verifier();
}

static void test_bad_sets_change_nothing(void **state)
{
	static const char *const bad[] = {"", "{", "{\"keys\":[]}", "<html>",
					  "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\"}]}"};
	(void)state;
	start_verifier((struct identity_verifier_options){.fetch_burst = 50, .hold_s = 1});
	wait_for(token_a, "valid");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned int before = atomic_load(&server.requests);
		/* Longer than a key is held that a good set lacks. */
		usleep(1100000);
		tls_server_answer(&server, OK, bad[i]);
		for (int k = 0; k < 300 && atomic_load(&server.requests) == before; k++) {
			verification(token_b);
			usleep(10000);
		}
		assert_true(atomic_load(&server.requests) > before);
		assert_string_equal(verification(token_a), "valid");
	}
	stop_verifier();
}

/* It ends while a server holds it up. */
static void test_ends_in_time(void **state)
{
	(void)state;
	server.stall_ms = 30000;
	start_verifier((struct identity_verifier_options){0});
	while (atomic_load(&server.requests) == 0)
		usleep(1000);
	assert_string_equal(verification(token_a), "unverified");
	uint64_t before = clock_mono_ns();
	stop_verifier();
	assert_true(clock_mono_ns() - before < 3 * NSEC_PER_SEC);
}

int main(void)
{
#define with_server(test) cmocka_unit_test_setup_teardown(test, start_server, stop_server)
	const struct CMUnitTest tests[] = {
		with_server(test_fetch),
		with_server(test_certificates),
		with_server(test_answers_that_are_none),
		with_server(test_giant),
		with_server(test_slow),
		with_server(test_rotation),
		with_server(test_unknown_keys_are_limited),
		with_server(test_refresh),
		with_server(test_server_down),
		with_server(test_bad_sets_change_nothing),
		with_server(test_ends_in_time),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
