/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "identity/reader.h"

#define ONE   "hmac-sha256:00112233445566778899aabbccddeeff"
#define TWO   "hmac-sha256:10112233445566778899aabbccddeeff"
#define UPPER "hmac-sha256:20112233445566778899AABBCCDDEEFF"

static struct identity_known_keys *parse(const char *text, char **ret_error)
{
	struct identity_known_keys *keys = NULL;
	size_t len = strlen(text);
	uint8_t *copy = guard_copy(text, len);
	*ret_error = NULL;
	int r = identity_known_keys_parse(&keys, "k.yaml", (const char *)copy, len, ret_error);
	guard_free(copy, len);
	assert_true(r == 0 || r == -EINVAL);
	assert_int_equal(r == 0, keys != NULL);
	assert_int_equal(r == 0, *ret_error == NULL);
	return keys;
}

static void test_good(void **state)
{
	char *error;
	struct identity_known_key key;
	struct identity_known_keys *keys = parse("# ours\n"
						 "- {fingerprint: \"" TWO "\", name: key of team B}\n"
						 "- name: \"key of team A\"\n"
						 "  fingerprint: " ONE "\n"
						 "  labels:\n"
						 "    team: a\n"
						 "    cost-center: 4711\n"
						 "- {fingerprint: " UPPER ", name: Zo\xc3\xab, labels: {}}\n",
						 &error);
	(void)state;
	assert_non_null(keys);
	assert_true(identity_known_keys_find(keys, ONE, &key));
	assert_string_equal(key.name, "key of team A");
	assert_string_equal(json_string_value(json_object_get(key.labels, "team")), "a");
	assert_string_equal(json_string_value(json_object_get(key.labels, "cost-center")), "4711");
	assert_true(identity_known_keys_find(keys, TWO, &key));
	assert_string_equal(key.name, "key of team B");
	assert_null(key.labels);
	assert_true(identity_known_keys_find(keys, "hmac-sha256:20112233445566778899aabbccddeeff", &key));
	assert_string_equal(key.name, "Zo\xc3\xab");
	assert_false(identity_known_keys_find(keys, "hmac-sha256:30112233445566778899aabbccddeeff", &key));
	assert_false(identity_known_keys_find(keys, "", &key));
	assert_false(identity_known_keys_find(NULL, ONE, &key));
	identity_known_keys_free(&keys);
}

static void test_empty(void **state)
{
	static const char *const texts[] = {"", "\n", "# nothing\n", "[]", "---\n...\n"};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *error;
		struct identity_known_key key;
		struct identity_known_keys *keys = parse(texts[i], &error);
		if (!keys)
			/* "---" alone is a document that holds an empty value. */
			assert_int_equal(i, 4);
		else
			assert_false(identity_known_keys_find(keys, ONE, &key));
		free(error);
		identity_known_keys_free(&keys);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"a: b\n", "k.yaml:1: expected a list"},
		{"- a\n", "k.yaml:1: expected {fingerprint"},
		{"- {fingerprint: " ONE "}\n", "k.yaml:1: name is missing"},
		{"\n- name: x\n", "k.yaml:2: fingerprint is missing"},
		{"- {name: x, fingerprint: " ONE ", colour: red}\n", "k.yaml:1: unknown key \"colour\""},
		{"- name: x\n  fingerprint: " ONE "\n  [a]: b\n", "k.yaml:3: unknown key"},
		{"- name: x\n  fingerprint: sk-secret\n", "k.yaml:2: fingerprint: expected \"hmac-sha256:"},
		{"- {name: x, fingerprint: " ONE "0}\n", "k.yaml:1: fingerprint: expected"},
		{"- {name: x, fingerprint: hmac-sha256:0011223344556677889gaabbccddeeff}\n",
		 "k.yaml:1: fingerprint"},
		{"- {name: x, fingerprint: [" ONE "]}\n", "k.yaml:1: fingerprint"},
		{"- {name: \"\", fingerprint: " ONE "}\n", "k.yaml:1: name: expected"},
		{"- {name: [x], fingerprint: " ONE "}\n", "k.yaml:1: name: expected"},
		{"- {name: \"a\\nb\", fingerprint: " ONE "}\n", "k.yaml:1: name: expected"},
		{"- {name: \"a\\0b\", fingerprint: " ONE "}\n", "k.yaml:1: name: expected"},
		{"- name: x\n  name: y\n  fingerprint: " ONE "\n", "k.yaml:2: name is given twice"},
		{"- name: x\n  fingerprint: " ONE "\n  fingerprint: " TWO "\n",
		 "k.yaml:3: fingerprint is given twice"},
		{"- name: x\n  fingerprint: " ONE "\n  labels: red\n",
		 "k.yaml:3: labels: expected a mapping"},
		{"- name: x\n  fingerprint: " ONE "\n  labels: {a: [b]}\n",
		 "k.yaml:3: labels: expected names"},
		{"- name: x\n  fingerprint: " ONE "\n  labels:\n    a: b\n    a: c\n",
		 "k.yaml:5: labels: \"a\" is given twice"},
		{"- name: x\n  fingerprint: " ONE "\n  labels: {}\n  labels: {}\n",
		 "k.yaml:4: labels are given twice"},
		{"- {name: x, fingerprint: " ONE "}\n- {name: y, fingerprint: " TWO
		 "}\n- {name: z, fingerprint: " ONE "}\n",
		 "k.yaml:3: this fingerprint is named in line 1 already"},
		{"- {name: x\n- y\n", "k.yaml:3:"},
		{"- name: \xff\n", "k.yaml:"},
		{"- {name: x, fingerprint: " ONE "}\n---\n- more\n", "k.yaml:3: a second document"},
		{"- name: x\n  fingerprint: " ONE
		 "\n  labels: {a: 1,b: 1,c: 1,d: 1,e: 1,f: 1,g: 1,h: 1,i: 1,j: 1,k: 1,l: 1,m: 1,"
		 "n: 1,o: 1,p: 1,q: 1}\n",
		 "k.yaml:3: labels: more than 16"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *error;
		struct identity_known_keys *keys = parse(rows[i].text, &error);
		if (keys || strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("row %zu: %s, not %s", i, error ? error : "taken", rows[i].error);
		assert_null(strchr(error, '\n'));
		assert_null(strstr(error, "sk-secret"));
		free(error);
	}
}

/* A whole file is a list, no part of it breaks anything. */
static void test_cuts(void **state)
{
	static const char text[] =
		"- {fingerprint: \"" ONE "\", name: x, labels: {a: b}}\n- name: y\n  fingerprint: " TWO "\n";
	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		_cleanup_free_ char *cut = strndup(text, len);
		char *error;
		struct identity_known_keys *keys = parse(cut, &error);
		free(error);
		identity_known_keys_free(&keys);
	}
}

static void check_open(const char *path, int want, const char *part)
{
	struct identity_known_keys *keys = NULL;
	_cleanup_free_ char *error = NULL;
	assert_int_equal(identity_known_keys_open(&keys, path, &error), want);
	assert_non_null(strstr(error, part));
	assert_non_null(strstr(error, path));
}

static void test_files(void **state)
{
	char folder[] = "/tmp/oaitap-known-XXXXXX", path[64], fifo[64];
	struct identity_known_keys *keys = NULL;
	char *error = NULL;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/k.yaml", folder);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	check_open(path, -ENOENT, "cannot read it: No such file");
	check_open(folder, -EINVAL, "expected a regular file");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	check_open(fifo, -EINVAL, "expected a regular file");
	FILE *f = fopen(path, "w");
	fputs("- {fingerprint: " ONE ", name: x}\n", f);
	fclose(f);
	assert_int_equal(identity_known_keys_open(&keys, path, &error), 0);
	identity_known_keys_free(&keys);
	assert_int_equal(truncate(path, KNOWN_KEYS_FILE_MAX + 1), 0);
	check_open(path, -EINVAL, "too large");
	unlink(path);
	unlink(fifo);
	rmdir(folder);
}

/* Through the reader: whatever header the key comes in, and of bearer tokens that are not Entra's. */
static void test_names(void **state)
{
	char folder[] = "/tmp/oaitap-known-XXXXXX", path[64], text[300];
	struct identity_key *key = NULL;
	struct identity_known_keys *keys;
	struct identity_reader *reader;
	_cleanup_free_ char *fingerprint = NULL;
	char *error;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	assert_int_equal(identity_key_open(&key, path), 0);
	assert_int_equal(identity_fingerprint(key, "sk-team-a", 9, &fingerprint), 0);
	snprintf(text, sizeof(text), "- {fingerprint: %s, name: team A, labels: {team: a}}\n", fingerprint);
	keys = parse(text, &error);
	assert_int_equal(identity_reader_new(&reader, key, NULL, keys), 0);
	const struct identity_headers headers[] = {
		{.authorization = "Bearer sk-team-a"},
		{.api_key = "sk-team-a"},
		{.subscription_key = "sk-team-a"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct identity_caller c;
		assert_int_equal(identity_reader_read(reader, &headers[i], 0, &c), 0);
		assert_string_equal(c.key_name, "team A");
		assert_string_equal(json_string_value(json_object_get(c.key_labels, "team")), "a");
		assert_string_equal(c.key_fingerprint, fingerprint);
		identity_caller_done(&c);
	}
	struct identity_headers other = {.api_key = "sk-team-b"};
	struct identity_caller c;
	assert_int_equal(identity_reader_read(reader, &other, 0, &c), 0);
	assert_null(c.key_name);
	assert_null(c.key_labels);
	identity_caller_done(&c);
	identity_reader_free(&reader);
	identity_known_keys_free(&keys);
	identity_key_free(&key);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_empty), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_cuts), cmocka_unit_test(test_files), cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
