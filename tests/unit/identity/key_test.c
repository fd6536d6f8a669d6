/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/macro.h"
#include "identity/identity.h"

static char folder[] = "/tmp/oaitap-key-XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int remove_key(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void write_file(const char *data, size_t len, mode_t mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static size_t files(void)
{
	size_t n = 0;
	DIR *dir = opendir(folder);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static char *fingerprint(const struct identity_key *key, const char *text)
{
	char *out = NULL;
	assert_int_equal(identity_fingerprint(key, text, strlen(text), &out), 0);
	return out;
}

static void test_made_once(void **state)
{
	struct identity_key *a = NULL, *b = NULL;
	struct stat st;
	(void)state;
	mode_t was = umask(0);
	assert_int_equal(identity_key_open(&a, path), 0);
	umask(was);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(files(), 1);
	assert_int_equal(identity_key_open(&b, path), 0);
	_cleanup_free_ char *fa = fingerprint(a, "sk-x"), *fb = fingerprint(b, "sk-x"),
			    *fc = fingerprint(b, "sk-y");
	assert_string_equal(fa, fb);
	assert_string_not_equal(fa, fc);
	identity_key_free(&a);
	identity_key_free(&b);
	identity_key_free(&b);

	/* Another host's key gives another fingerprint. */
	unlink(path);
	assert_int_equal(identity_key_open(&a, path), 0);
	_cleanup_free_ char *fd = fingerprint(a, "sk-x");
	assert_string_not_equal(fa, fd);
	identity_key_free(&a);
}

static void test_is_hmac(void **state)
{
	char bytes[32], hex[65], want[80];
	uint8_t sum[32];
	unsigned int len = sizeof(sum);
	struct identity_key *key = NULL;
	(void)state;
	for (int i = 0; i < 32; i++)
		bytes[i] = (char)(i * 7);
	write_file(bytes, sizeof(bytes), 0600);
	assert_int_equal(identity_key_open(&key, path), 0);
	_cleanup_free_ char *got = fingerprint(key, "the credential");
	HMAC(EVP_sha256(), bytes, 32, (const unsigned char *)"the credential", 14, sum, &len);
	hex_encode(sum, 16, hex);
	snprintf(want, sizeof(want), "hmac-sha256:%s", hex);
	assert_string_equal(got, want);
	identity_key_free(&key);
}

static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		int result;
	} modes[] = {{0600, 0},	     {0400, 0},	     {0700, 0},	     {0640, -EPERM}, {0604, -EPERM},
		     {0660, -EPERM}, {0602, -EPERM}, {0610, -EPERM}, {0644, -EPERM}};
	char bytes[32] = {1};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct identity_key *key = NULL;
		write_file(bytes, sizeof(bytes), modes[i].mode);
		assert_int_equal(identity_key_open(&key, path), modes[i].result);
		assert_int_equal(key != NULL, modes[i].result == 0);
		identity_key_free(&key);
		unlink(path);
	}
}

static void test_owner(void **state)
{
	char bytes[32] = {1};
	struct identity_key *key = NULL;
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(bytes, sizeof(bytes), 0600);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(identity_key_open(&key, path), -EPERM);
	assert_null(key);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 31, 33, 4096};
	char bytes[4096] = {1};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct identity_key *key = NULL;
		write_file(bytes, sizes[i], 0600);
		assert_int_equal(identity_key_open(&key, path), -EBADMSG);
		assert_null(key);
	}
}

static void test_not_a_file(void **state)
{
	struct identity_key *key = NULL;
	char missing[96];
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(identity_key_open(&key, path), -EBADMSG);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(identity_key_open(&key, path), -EBADMSG);
	rmdir(path);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(identity_key_open(&key, path), -ENOENT);
	unlink(path);
	snprintf(missing, sizeof(missing), "%s/no/key", folder);
	assert_int_equal(identity_key_open(&key, missing), -ENOENT);
	assert_null(key);
	assert_int_equal(files(), 0);
}

#define RACERS 8
#define ROUNDS 40

static pthread_barrier_t barrier;

static void *race(void *arg)
{
	char **ret_text = arg;
	struct identity_key *key = NULL;
	pthread_barrier_wait(&barrier);
	if (identity_key_open(&key, path) == 0)
		identity_fingerprint(key, "c", 1, ret_text);
	identity_key_free(&key);
	return NULL;
}

static void test_race(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t threads[RACERS];
		char *texts[RACERS] = {0};
		pthread_barrier_init(&barrier, NULL, RACERS);
		for (int i = 0; i < RACERS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, race, &texts[i]), 0);
		for (int i = 0; i < RACERS; i++)
			pthread_join(threads[i], NULL);
		pthread_barrier_destroy(&barrier);
		for (int i = 0; i < RACERS; i++) {
			assert_non_null(texts[i]);
			assert_string_equal(texts[i], texts[0]);
		}
		for (int i = 0; i < RACERS; i++)
			free(texts[i]);
		assert_int_equal(files(), 1);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_made_once, remove_key),
		cmocka_unit_test_teardown(test_is_hmac, remove_key),
		cmocka_unit_test_teardown(test_modes, remove_key),
		cmocka_unit_test_teardown(test_owner, remove_key),
		cmocka_unit_test_teardown(test_sizes, remove_key),
		cmocka_unit_test_teardown(test_not_a_file, remove_key),
		cmocka_unit_test_teardown(test_race, remove_key),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
