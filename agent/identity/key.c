/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/macro.h"

#define KEY_LEN 32
#define FINGERPRINT_LEN                                                                                      \
	16 /* bytes of the HMAC: enough to tell keys apart, less than would prove possession */
#define OPEN_TRIES 8

struct identity_key {
	uint8_t bytes[KEY_LEN];
};

void identity_key_free(struct identity_key **key)
{
	if (!*key)
		return;
	OPENSSL_cleanse(*key, sizeof(**key));
	free(*key);
	*key = NULL;
}

static int read_exactly(int fd, uint8_t *data, size_t len)
{
	for (size_t got = 0; got < len;) {
		ssize_t n = read(fd, data + got, len - got);
		if (n == 0)
			return -EBADMSG;
		if (n < 0 && errno != EINTR)
			return -errno;
		got += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_exactly(int fd, const uint8_t *data, size_t len)
{
	for (size_t put = 0; put < len;) {
		ssize_t n = write(fd, data + put, len - put);
		if (n < 0 && errno != EINTR)
			return -errno;
		put += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* O_NONBLOCK: a FIFO in the key's place must not hang the agent. */
static int key_read(const char *path, uint8_t *ret_bytes)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)))
		return -EPERM;
	if (!S_ISREG(st.st_mode) || st.st_size != KEY_LEN)
		return -EBADMSG;
	return read_exactly(fd, ret_bytes, KEY_LEN);
}

static int sync_folder(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	_cleanup_close_ int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int fill_random(int fd)
{
	uint8_t bytes[KEY_LEN];
	ssize_t n = getrandom(bytes, sizeof(bytes), 0);
	int r = n == (ssize_t)sizeof(bytes) ? write_exactly(fd, bytes, sizeof(bytes)) : n < 0 ? -errno : -EIO;
	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* A name appears with its whole content or not at all, and never replaces another's: -EEXIST then. File
 * systems without hard links know renameat2(). */
static int publish(const char *temporary, const char *path)
{
	if (link(temporary, path) == 0)
		return sync_folder(path);
	if (errno != EPERM && errno != EOPNOTSUPP)
		return -errno;
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		return -errno;
	return sync_folder(path);
}

static int key_make(const char *path)
{
	_cleanup_free_ char *temporary = NULL;
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	_cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC); /* O_EXCL, mode 0600 */
	if (fd < 0)
		return -errno;
	int r = fill_random(fd);
	if (r == 0)
		r = publish(temporary, path);
	unlink(temporary);
	return r;
}

int identity_key_open(struct identity_key **ret_key, const char *path)
{
	_cleanup_(identity_key_free) struct identity_key *key = calloc(1, sizeof(*key));
	if (!key)
		return -ENOMEM;

	/* Whoever loses the race to make the file reads the winner's. */
	int r = -ENOENT;
	for (int i = 0; i < OPEN_TRIES; i++) {
		r = key_read(path, key->bytes);
		if (r != -ENOENT)
			break;
		int made = key_make(path);
		if (made < 0 && made != -EEXIST)
			return made;
	}
	if (r < 0)
		return r;
	*ret_key = TAKE_PTR(key);
	return 0;
}

int identity_fingerprint(const struct identity_key *key, const char *credential, size_t len, char **ret_text)
{
	static const char prefix[] = "hmac-sha256:";
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int sum_len = 0;

	char *text = malloc(sizeof(prefix) + 2 * FINGERPRINT_LEN);
	if (!text)
		return -ENOMEM;
	if (!HMAC(EVP_sha256(), key->bytes, KEY_LEN, (const unsigned char *)credential, len, sum, &sum_len)) {
		free(text);
		return -ENOMEM;
	}
	memcpy(text, prefix, sizeof(prefix) - 1);
	hex_encode(sum, FINGERPRINT_LEN, text + sizeof(prefix) - 1);
	OPENSSL_cleanse(sum, sizeof(sum));
	*ret_text = text;
	return 0;
}
