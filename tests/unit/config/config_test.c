/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "config/config.h"

static char dir[] = "/tmp/oaitap-config-XXXXXX";
static char file[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/c.yaml", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

static void write_file(const char *data, size_t len)
{
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static char *print_text(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	assert_int_equal(config_print(config, f), 0);
	fclose(f);
	return text;
}

/* Loads text as a file; the error goes to *ret_error without the file's name. */
static int load(struct config *config, const char *text, size_t len, char **ret_error)
{
	char *error = NULL;
	write_file(text, len);
	int r = config_load(config, file, &error);
	*ret_error = NULL;
	if (r < 0) {
		assert_non_null(error);
		assert_null(strpbrk(error, "\n\r\t\x1b"));
		assert_memory_equal(error, file, strlen(file));
		*ret_error = strdup(error + strlen(file));
	} else {
		assert_null(error);
	}
	free(error);
	return r;
}

static void test_defaults(void **state)
{
	(void)state;
	struct config *config = NULL;
	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config->n_hosts, 7);
	assert_string_equal(config->hosts[0], "*.openai.azure.com");
	assert_string_equal(config->hosts[6], "ae.api.openai.com");
	assert_int_equal(config->roles, CONFIG_ROLE_CLIENT);
	assert_int_equal(config->max_body, 4 << 20);
	assert_int_equal(config->max_call, 16 << 20);
	assert_int_equal(config->max_message, 16ULL << 30);
	assert_int_equal(config->ring_size, 16 << 20);
	assert_string_equal(config->store_path, "/var/lib/oaitap/oaitap.db");
	assert_string_equal(config->key_path, "/var/lib/oaitap/fingerprint.key");
	assert_string_equal(config->socket_path, "/run/oaitap/oaitap.sock");
	config_free(&config);
	assert_null(config);
	config_free(&config);
}

static const struct {
	const char *text;
	uint64_t bytes;
	int r;
} sizes[] = {
	{"0", 0, 0},
	{"4096", 4096, 0},
	{"1KiB", 1024, 0},
	{"64KiB", 65536, 0},
	{"4MiB", 4 << 20, 0},
	{"1GiB", 1 << 30, 0},
	{"18446744073709551615", UINT64_MAX, 0},
	{"18446744073709551616", 0, -ERANGE},
	{"99999999999999999999999", 0, -ERANGE},
	{"17179869184GiB", 0, -ERANGE},
	{"17179869183GiB", 17179869183ULL << 30, 0},
	{"", 0, -EINVAL},
	{" 1", 0, -EINVAL},
	{"1 ", 0, -EINVAL},
	{"4 MiB", 0, -EINVAL},
	{"4Mib", 0, -EINVAL},
	{"4MB", 0, -EINVAL},
	{"4M", 0, -EINVAL},
	{"-1", 0, -EINVAL},
	{"+1", 0, -EINVAL},
	{"0x10", 0, -EINVAL},
	{"1.5MiB", 0, -EINVAL},
	{"1e3", 0, -EINVAL},
	{"MiB", 0, -EINVAL},
	{"4MiBx", 0, -EINVAL},
	{"99999999999999999999999x", 0, -EINVAL},
};

static void test_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t bytes = 77;
		assert_int_equal(config_parse_size(sizes[i].text, &bytes), sizes[i].r);
		assert_int_equal(bytes, sizes[i].r ? 77 : sizes[i].bytes);
	}
}

static const char whole[] =
	"# a comment\n"
	"hosts: [\"*.Example.COM\", api.openai.com, API.openai.com, my_llm, 10.0.0.5]\n"
	"capture: {roles: [server, client], max_body: 1KiB, max_call: 65536, max_message: 1024GiB}\n"
	"store:\n"
	"  path: /data/\xc3\xa9 \"x\\y\".db\n"
	"identity: {key_path: '/data/key', args: true, kubelet: 'https://10.0.0.4:10250', host_root: /host}\n"
	"status:\n"
	"  socket: /run/s\n";

static void test_whole_file(void **state)
{
	(void)state;
	struct config *config = NULL;
	char *error;
	assert_int_equal(config_new(&config), 0);
	assert_int_equal(load(config, whole, strlen(whole), &error), 0);
	assert_int_equal(config->n_hosts, 4);
	assert_string_equal(config->hosts[0], "*.example.com");
	assert_string_equal(config->hosts[1], "api.openai.com");
	assert_string_equal(config->hosts[2], "my_llm");
	assert_string_equal(config->hosts[3], "10.0.0.5");
	assert_int_equal(config->max_body, 1024);
	assert_int_equal(config->roles, CONFIG_ROLE_CLIENT | CONFIG_ROLE_SERVER);
	assert_int_equal(config->max_call, 65536);
	assert_int_equal(config->max_message, 1ULL << 40);
	assert_int_equal(config->ring_size, 16 << 20);
	assert_string_equal(config->store_path, "/data/\xc3\xa9 \"x\\y\".db");
	assert_string_equal(config->key_path, "/data/key");
	assert_true(config->args);
	assert_string_equal(config->kubelet, "https://10.0.0.4:10250");
	assert_string_equal(config->host_root, "/host");
	assert_string_equal(config->socket_path, "/run/s");

	/* What is printed loads, and prints the same. */
	_cleanup_free_ char *printed = print_text(config);
	struct config *again = NULL;
	assert_int_equal(config_new(&again), 0);
	assert_int_equal(load(again, printed, strlen(printed), &error), 0);
	assert_int_equal(again->n_hosts, 4);
	assert_string_equal(again->store_path, config->store_path);
	_cleanup_free_ char *printed_again = print_text(again);
	assert_string_equal(printed, printed_again);
	config_free(&config);
	config_free(&again);
}

static void test_empty_files(void **state)
{
	(void)state;
	static const char *const texts[] = {"",		  "\n\n", "# nothing\n",      "---\n",
					    "---\n...\n", "{}\n", "%YAML 1.1\n---\n", "\xef\xbb\xbf# mark\n"};
	struct config *fresh = NULL;
	assert_int_equal(config_new(&fresh), 0);
	_cleanup_free_ char *want = print_text(fresh);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config *config = NULL;
		char *error;
		assert_int_equal(config_new(&config), 0);
		assert_int_equal(load(config, texts[i], strlen(texts[i]), &error), 0);
		_cleanup_free_ char *got = print_text(config);
		assert_string_equal(got, want);
		config_free(&config);
	}
	config_free(&fresh);
}

/* Each of these is refused with this place and key; `has` occurs in the rest of the message. */
static const struct bad {
	const char *text;
	const char *place;
	const char *has;
} bad_files[] = {
	{"hosst: [a]\n", ":1: hosst: ", "unknown key"},
	{"# x\n\nfoo: 1\nbar: 2\n", ":3: foo: ", "unknown key"},
	{"capture:\n  max_bdy: 3\n", ":2: capture.max_bdy: ", "unknown key"},
	{"store: {path: /a/b}\ncapture: {max_body: 4MiB,\n  ring: 3}\n", ":3: capture.ring: ", "unknown key"},
	{"max_body: 4MiB\n", ":1: max_body: ", "unknown key"},
	{"capture.max_body: 4MiB\n", ":1: capture.max_body: ", "unknown key"},
	{"\"a\\nb\": 1\n", ":1: a?b: ", "unknown key"},
	{"\"\\e[31m\": 1\n", ":1: ?[31m: ", "unknown key"},
	{"Hosts: [a]\n", ":1: Hosts: ", "unknown key"},
	{"<<: {hosts: [a]}\n", ":1: <<: ", "unknown key"},
	{"hosts: api.openai.com\n", ":1: hosts: ", "single value; expected a list"},
	{"hosts:\n", ":1: hosts: ", "empty; expected a list"},
	{"hosts: {a: b}\n", ":1: hosts: ", "mapping; expected a list"},
	{"hosts: []\n", ":1: hosts: ", "empty list"},
	{"hosts:\n  - a\n  - {b: c}\n", ":3: hosts[1]: ", "mapping; expected a host name"},
	{"hosts: [a,\n [b]]\n", ":2: hosts[1]: ", "list; expected a host name"},
	{"hosts:\n  - api.openai.com\n  - foo bar\n", ":3: hosts[1]: ", "\"foo bar\" holds a character"},
	{"hosts:\n  -\n", ":2: hosts[0]: ", "is empty"},
	{"hosts: [~]\n", ":1: hosts[0]: ", "character"},
	{"hosts: [\"*\"]\n", ":1: hosts[0]: ", "\"*\""},
	{"hosts: [\"a.*.com\"]\n", ":1: hosts[0]: ", "leading"},
	{"hosts: [\"*.\"]\n", ":1: hosts[0]: ", "empty label"},
	{"hosts: [a..b]\n", ":1: hosts[0]: ", "empty label"},
	{"hosts: [a.b.]\n", ":1: hosts[0]: ", "empty label"},
	{"hosts: [.a]\n", ":1: hosts[0]: ", "empty label"},
	{"hosts: [-a.b]\n", ":1: hosts[0]: ", "begins with"},
	{"hosts: [a-.b]\n", ":1: hosts[0]: ", "ends with"},
	{"hosts: [a.b-]\n", ":1: hosts[0]: ", "ends with"},
	{"hosts: ['https://a.b']\n", ":1: hosts[0]: ", "URL"},
	{"hosts: ['a.b:443']\n", ":1: hosts[0]: ", "colon"},
	{"hosts: [\xc3\xa9.com]\n", ":1: hosts[0]: ", "\"??.com\" holds a character"},
	{"hosts: [*.openai.azure.com]\n", ":1: ", "quotes"},
	{"hosts: [a]\ncapture: *x\n", ":2: ", "alias"},
	{"hosts: &x [a]\n", ":1: hosts: ", "anchor"},
	{"store: {path: !!binary L2Eg}\n", ":1: store.path: ", "tag"},
	{"capture: 4\n", ":1: capture: ",
	 "single value; expected a mapping with roles, max_body, max_call, max_message, ring_size"},
	{"\ncapture:\n\nstore: {path: /x}\n", ":2: capture: ", "is empty"},
	{"capture: [max_body]\n", ":1: capture: ", "is a list"},
	{"capture:\n  max_body: [4MiB]\n", ":2: capture.max_body: ", "is a list; expected a number of bytes"},
	{"capture:\n  max_body:\n    x: 1\n", ":3: capture.max_body: ", "is a mapping"},
	{"capture:\n  max_body:\n\n\n# end\n", ":2: capture.max_body: ", "is empty; expected a number"},
	{"capture:\n  max_body: 4 Mib\n", ":2: capture.max_body: ", "\"4 Mib\" is not a size; expected"},
	{"capture:\n  max_body: true\n", ":2: capture.max_body: ", "is not a size"},
	{"capture: {max_body: 1023}\n", ":1: capture.max_body: ", "under the minimum"},
	{"capture: {max_body: 1025MiB}\n", ":1: capture.max_body: ", "over the maximum"},
	{"capture: {max_body: 99999999999999999999}\n", ":1: capture.max_body: ", "over the maximum"},
	{"capture: {max_call: 15KiB}\n", ":1: capture.max_call: ", "under"},
	{"capture: {max_call: 16777217}\n", ":1: capture.max_call: ", "over"},
	{"capture: {max_message: 65535}\n", ":1: capture.max_message: ", "under"},
	{"capture: {max_message: 1025GiB}\n", ":1: capture.max_message: ", "over"},
	{"capture: {roles: client}\n", ":1: capture.roles: ", "single value"},
	{"capture: {roles: []}\n", ":1: capture.roles: ", "empty list"},
	{"capture:\n  roles: [client, proxy]\n", ":2: capture.roles[1]: ", "not a role"},
	{"capture: {roles: [[client]]}\n", ":1: capture.roles[0]: ", "client or server"},
	{"capture: {ring_size: 32KiB}\n", ":1: capture.ring_size: ", "under"},
	{"capture: {ring_size: 3MiB}\n", ":1: capture.ring_size: ", "power of two"},
	{"store: {path: oaitap.db}\n", ":1: store.path: ", "not an absolute path"},
	{"store: {path: /var/lib/}\n", ":1: store.path: ", "folder"},
	{"store: {path: ''}\n", ":1: store.path: ", "is empty"},
	{"store: {path: \"/a\\nb\"}\n", ":1: store.path: ", "control character"},
	{"store: {path: \"/a\\0b\"}\n", ":1: store.path: ", "NUL"},
	{"identity: {key_path: x}\n", ":1: identity.key_path: ", "absolute"},
	{"identity: {args: maybe}\n", ":1: identity.args: ", "true nor false"},
	{"identity: {args: [true]}\n", ":1: identity.args: ", "is a list"},
	{"identity: {kubelet: 'http://n:1'}\n", ":1: identity.kubelet: ", "https"},
	{"identity: {kubelet: 'https://u@n:1'}\n", ":1: identity.kubelet: ", "HOST:PORT"},
	{"identity: {kubelet: 'https://n/x'}\n", ":1: identity.kubelet: ", "HOST:PORT"},
	{"identity: {kubelet: 'https://'}\n", ":1: identity.kubelet: ", "HOST:PORT"},
	{"identity: {kubelet_token: t}\n", ":1: identity.kubelet_token: ", "absolute"},
	{"identity: {host_root: x}\n", ":1: identity.host_root: ", "absolute"},
	{"identity: {host_root: /x/}\n", ":1: identity.host_root: ", "ends with"},
	{"status: {socket: "
	 "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	 "89012345678901234567}\n",
	 ":1: status.socket: ", "too long"},
	{"hosts: [a]\n# x\nhosts: [b]\n", ":3: hosts: ", "given twice, first in line 1"},
	{"capture: {max_body: 4MiB,\n max_body: 5MiB}\n", ":2: capture.max_body: ", "given twice"},
	{"capture: {max_body: 4MiB}\nstore: {path: /x}\ncapture: {max_call: 1MiB}\n",
	 ":3: capture: ", "twice"},
	{"capture:\n\tmax_body: 3\n", ":2: ", "tab"},
	{"\thosts: [a]\n", ":1: ", "tab"},
	{"hosts: [a]\n---\nhosts: [b]\n", ":2: ", "second document"},
	{"hosts: [a]\n...\ngarbage\n", ":3: ", ""},
	{"hosts: [a]\ngarbage\n", ":3: ", "expected YAML"},
	{"hosts: [a] garbage\n", ":1: ", "expected YAML"},
	{"hosts: [a\n", ":2: ", "expected YAML"},
	{"hosts: [\"a]\n", ":2: ", "expected YAML"},
	{"capture: {max_body: 4MiB\nstore: x\n", ":2: ", "expected YAML"},
	{"- hosts\n", ":1: ", "the file is a list; expected a mapping"},
	{"hosts\n", ":1: ", "the file is a single value; expected a mapping"},
	{"? [a]\n: 3\n", ":1: ", "not a name"},
	{"hosts: [a]\nx\x01y: 3\n", ":2: ", "control characters"},
	{"hosts: [a]\n\nx\xff: 3\n", ":3: ", "UTF-8"},
	{"\x7f\x45LF\x02\x01\x01", ":1: ", "UTF-8"},
	{"a: [[[[[[[[[[1]]]]]]]]]]\n", ":1: ", "nested too deep"},
	{"identity:\n  jwks: keys.json\n",
	 ":2: identity.jwks: ", "is neither an absolute path nor an https URL"},
	{"identity:\n  jwks: http://x/keys\n", ":2: identity.jwks: ", "is neither an absolute path"},
	{"identity:\n  jwks: https:///keys\n", ":2: identity.jwks: ", "names no host"},
	{"identity:\n  jwks: https://u:p@x/keys\n", ":2: identity.jwks: ", "holds a user name"},
	{"identity:\n  jwks: https://x/keys?sig=1\n", ":2: identity.jwks: ", "has a query"},
	{"identity:\n  jwks: /etc/\n", ":2: identity.jwks: ", "names a folder"},
	{"identity:\n  jwks: \"/a b\"\n", ":2: identity.jwks: ", "white space"},
	{"identity:\n  jwks:\n", ":2: identity.jwks: ", "is empty"},
	{"identity:\n  jwks: []\n", ":2: identity.jwks: ", "is an empty list"},
	{"identity:\n  jwks: {a: b}\n", ":2: identity.jwks: ", "is a mapping; expected an absolute path"},
	{"identity:\n  jwks:\n    - /a\n    - {b: c}\n", ":4: identity.jwks[1]: ", "expected a single value"},
	{"identity:\n  jwks:\n    - /a\n    - b\n", ":4: identity.jwks[1]: ", "is neither"},
	{"identity:\n  jwks: [/1,/2,/3,/4,/5,/6,/7,/8,/9,/10,/11,/12,/13,/14,/15,/16,/17]\n",
	 ":2: identity.jwks[16]: ", "is one too many"},
	{"identity:\n  known_keys: keys.yaml\n", ":2: identity.known_keys: ", "not an absolute path"},
	{"identity:\n  jwks_ca: [/a]\n", ":2: identity.jwks_ca: ", "is a list"},
	{"identity:\n  claimed_headers: X User\n", ":2: identity.claimed_headers: ", "white space"},
	{"identity:\n  claimed_headers: \"X:\"\n",
	 ":2: identity.claimed_headers: ", "is not the name of a header"},
	{"identity:\n  claimed_headers: [X-User, Authorization]\n",
	 ":2: identity.claimed_headers[1]: ", "carries credentials"},
	{"identity:\n  claimed_headers: API-Key\n", ":2: identity.claimed_headers: ", "carries credentials"},
};

static void test_bad_files(void **state)
{
	(void)state;
	struct config *config = NULL;
	assert_int_equal(config_new(&config), 0);
	_cleanup_free_ char *before = print_text(config);
	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
		const struct bad *bad = &bad_files[i];
		_cleanup_free_ char *error = NULL;
		int r = load(config, bad->text, strlen(bad->text), &error);
		if (r != -EINVAL || strncmp(error, bad->place, strlen(bad->place)) != 0 ||
		    !strstr(error, bad->has))
			fail_msg("case %zu: %s\n got %d \"%s\", expected \"%s...%s\"", i, bad->text, r,
				 error ? error : "(no error)", bad->place, bad->has);
		_cleanup_free_ char *after = print_text(config);
		assert_string_equal(after, before);
	}
	config_free(&config);
}

/* One text alone is a list of one; what is there already is not added; headers in lower case. */
static void test_texts(void **state)
{
	struct config *config = NULL, *again = NULL;
	char *error;
	(void)state;
	const char *text = "identity:\n"
			   "  jwks: https://login.example/keys\n"
			   "  audiences: [api://a, api://b, api://a]\n"
			   "  claimed_headers:\n"
			   "    - X-Forwarded-User\n"
			   "    - x-team\n"
			   "  known_keys: /etc/known.yaml\n"
			   "  jwks_ca: /etc/ca.pem\n";
	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config->jwks.n + config->audiences.n + config->claimed_headers.n, 0);
	assert_null(config->known_keys);
	assert_null(config->jwks_ca);
	assert_int_equal(load(config, text, strlen(text), &error), 0);
	assert_int_equal(config->jwks.n, 1);
	assert_string_equal(config->jwks.items[0], "https://login.example/keys");
	assert_int_equal(config->audiences.n, 2);
	assert_string_equal(config->audiences.items[1], "api://b");
	assert_int_equal(config->claimed_headers.n, 2);
	assert_string_equal(config->claimed_headers.items[0], "x-forwarded-user");
	assert_string_equal(config->known_keys, "/etc/known.yaml");
	assert_string_equal(config->jwks_ca, "/etc/ca.pem");

	/* What is printed is the same again. */
	_cleanup_free_ char *printed = print_text(config);
	assert_int_equal(config_new(&again), 0);
	assert_int_equal(load(again, printed, strlen(printed), &error), 0);
	_cleanup_free_ char *twice = print_text(again);
	assert_string_equal(twice, printed);
	/* A later file replaces the list, and leaves what it does not name. */
	const char *more = "identity:\n  jwks: [/a, /b]\n";
	assert_int_equal(load(config, more, strlen(more), &error), 0);
	assert_int_equal(config->jwks.n, 2);
	assert_string_equal(config->jwks.items[0], "/a");
	assert_int_equal(config->audiences.n, 2);
	config_free(&config);
	config_free(&again);
}

static void test_nul_and_long(void **state)
{
	(void)state;
	struct config *config = NULL;
	_cleanup_free_ char *e1 = NULL, *e2 = NULL, *e3 = NULL, *text = malloc(CONFIG_FILE_MAX + 2);
	assert_int_equal(config_new(&config), 0);
	assert_int_equal(load(config, "hosts: [a]\n\0\n", 13, &e1), -EINVAL);
	assert_memory_equal(e1, ":2: ", 4);

	memset(text, '#', CONFIG_FILE_MAX + 1);
	assert_int_equal(load(config, text, CONFIG_FILE_MAX, &e2), 0);
	assert_int_equal(load(config, text, CONFIG_FILE_MAX + 1, &e2), -EINVAL);
	assert_non_null(strstr(e2, "too large"));

	/* Deep nesting and many values end early, whatever the size of the file. */
	memset(text, '[', CONFIG_FILE_MAX);
	assert_int_equal(load(config, text, CONFIG_FILE_MAX, &e3), -EINVAL);
	config_free(&config);
}

static void test_too_many(void **state)
{
	(void)state;
	struct config *config = NULL;
	_cleanup_free_ char *hosts = NULL, *values = NULL, *error = NULL, *error2 = NULL;
	size_t len;
	assert_int_equal(config_new(&config), 0);
	FILE *f = open_memstream(&hosts, &len);
	fputs("hosts:\n", f);
	for (int i = 0; i < 256; i++)
		fprintf(f, "  - h%d.example\n", i);
	fflush(f);
	assert_int_equal(load(config, hosts, len, &error), 0);
	assert_int_equal(config->n_hosts, 256);
	fputs("  - one.more\n", f);
	fclose(f);
	assert_int_equal(load(config, hosts, len, &error), -EINVAL);
	assert_memory_equal(error, ":258: hosts[256]: ", 18);
	assert_int_equal(config->n_hosts, 256);

	f = open_memstream(&values, &len);
	fputs("hosts:\n", f);
	for (int i = 0; i < 5000; i++)
		fputs("  - same\n", f);
	fclose(f);
	assert_int_equal(load(config, values, len, &error2), -EINVAL);
	assert_non_null(strstr(error2, "too many values"));
	config_free(&config);
}

static void test_long_host(void **state)
{
	(void)state;
	struct config *config = NULL;
	_cleanup_free_ char *error = NULL;
	char host[160];
	char *const list[] = {host};
	assert_int_equal(config_new(&config), 0);
	memset(host, 'a', sizeof(host));
	host[63] = '.';
	host[127] = '\0';
	assert_int_equal(config_set_hosts(config, list, 1, &error), 0);
	assert_int_equal(config->n_hosts, 1);
	host[63] = 'a';
	host[64] = '.';
	assert_int_equal(config_set_hosts(config, list, 1, &error), -EINVAL);
	assert_non_null(strstr(error, "63 bytes"));
	free(TAKE_PTR(error));
	host[64] = 'a';
	host[63] = '.';
	host[127] = 'a';
	host[128] = '\0';
	assert_int_equal(config_set_hosts(config, list, 1, &error), -EINVAL);
	assert_non_null(strstr(error, "127 bytes"));
	assert_int_equal(config->n_hosts, 1);
	config_free(&config);
}

static void test_set_hosts(void **state)
{
	(void)state;
	struct config *config = NULL;
	_cleanup_free_ char *error = NULL, *none = NULL;
	char *const good[] = {"API.Example", "*.x.example"}, *const bad[] = {"a.example", "b c\x1b"};
	assert_int_equal(config_new(&config), 0);
	assert_int_equal(config_set_hosts(config, good, 2, &error), 0);
	assert_int_equal(config->n_hosts, 2);
	assert_string_equal(config->hosts[0], "api.example");
	assert_int_equal(config_set_hosts(config, bad, 2, &error), -EINVAL);
	assert_string_equal(
		error, "--host: \"b c?\" holds a character that no host name has; expected a host name such "
		       "as api.openai.com or *.openai.azure.com, at most 256 of them");
	assert_int_equal(config_set_hosts(config, bad, 0, &none), -EINVAL);
	assert_int_equal(config->n_hosts, 2);
	config_free(&config);
}

static void test_not_files(void **state)
{
	(void)state;
	struct config *config = NULL;
	char *error = NULL;
	assert_int_equal(config_new(&config), 0);

	assert_int_equal(config_load(config, dir, &error), -EINVAL);
	assert_non_null(strstr(error, "folder"));
	free(TAKE_PTR(error));

	assert_int_equal(config_load(config, "/nonexistent/x.yaml", &error), -ENOENT);
	assert_string_equal(error, "/nonexistent/x.yaml: cannot read it: No such file or directory");
	free(TAKE_PTR(error));

	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(config_load(config, file, &error), -EINVAL);
	assert_non_null(strstr(error, "regular file"));
	free(TAKE_PTR(error));
	unlink(file);

	assert_int_equal(config_load(config, "/dev/zero", &error), -EINVAL);
	free(TAKE_PTR(error));
	config_free(&config);
}

static void test_unreadable(void **state)
{
	(void)state;
	struct config *config = NULL;
	char *error = NULL;
	write_file("hosts: [a]\n", 11);
	assert_int_equal(chmod(file, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	int r = config_open(&config, file, &error);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	unlink(file);
	assert_int_equal(r, -EACCES);
	assert_null(config);
	assert_non_null(error);
	assert_int_equal(config_exit_code(r), 3);
	assert_int_equal(config_exit_code(-EINVAL), 2);
	free(error);
}

static void test_open(void **state)
{
	(void)state;
	struct config *config = NULL;
	char *error = NULL;
	assert_int_equal(config_open(&config, "/nonexistent/x", &error), -ENOENT);
	assert_null(config);
	free(TAKE_PTR(error));
	write_file("hosts: [a]\n", 11);
	assert_int_equal(config_open(&config, file, &error), 0);
	assert_int_equal(config->n_hosts, 1);
	config_free(&config);
}

static char *help_text(const char *key, int want)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_int_equal(config_help(key, f), want);
	fclose(f);
	return text;
}

static void test_help(void **state)
{
	(void)state;
	static const char *const keys[] = {"hosts",
					   "capture.roles",
					   "capture.max_body",
					   "capture.max_call",
					   "capture.max_message",
					   "capture.ring_size",
					   "store.path",
					   "identity.key_path",
					   "identity.args",
					   "identity.kubelet",
					   "identity.kubelet_token",
					   "identity.kubelet_ca",
					   "identity.host_root",
					   "status.socket"};
	_cleanup_free_ char *all = help_text(NULL, 0), *section = help_text("capture", 0);
	_cleanup_free_ char *none = help_text("captur", -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *one = help_text(keys[i], 0);
		assert_memory_equal(one, keys[i], strlen(keys[i]));
		assert_non_null(strstr(one, "Default:"));
		assert_non_null(strstr(one, "Value:"));
		assert_non_null(strstr(all, one));
		assert_int_equal(strstr(section, one) != NULL, strncmp(keys[i], "capture", 7) == 0);
	}
	assert_string_equal(none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),   cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_whole_file), cmocka_unit_test(test_empty_files),
		cmocka_unit_test(test_bad_files),  cmocka_unit_test(test_nul_and_long),
		cmocka_unit_test(test_too_many),   cmocka_unit_test(test_long_host),
		cmocka_unit_test(test_set_hosts),  cmocka_unit_test(test_not_files),
		cmocka_unit_test(test_unreadable), cmocka_unit_test(test_open),
		cmocka_unit_test(test_help),	   cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
