/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* sun_path is 108 bytes with its NUL (unix(7)); PATH_MAX is 4096 with its NUL. */
#define SOCKET_PATH_MAX 107
#define FILE_PATH_MAX	4000

const char *const config_default_hosts[] = {
	"*.openai.azure.com",	   "*.cognitiveservices.azure.com",
	"*.services.ai.azure.com", "api.openai.com",
	"us.api.openai.com",	   "eu.api.openai.com",
	"ae.api.openai.com",
};
const size_t config_n_default_hosts = ARRAY_SIZE(config_default_hosts);

#define TEXT_MAX 1024
#define NOT_TEXT                                                                                             \
	" \x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19"    \
	"\x1a"                                                                                               \
	"\x1b\x1c\x1d\x1e\x1f\x7f"

/* No user part: the agent's log names the URL. No query, for the same reason. */
static const char *config_jwks_tidy(char *text)
{
	static const char scheme[] = "https://";
	if (text[0] == '/')
		return text[strlen(text) - 1] == '/' ? "names a folder" : NULL;
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return "is neither an absolute path nor an https URL";
	const char *host = text + sizeof(scheme) - 1;
	size_t len = strcspn(host, "/");
	if (len == 0)
		return "names no host";
	if (memchr(host, '@', len))
		return "holds a user name";
	return strpbrk(host, "?#") ? "has a query or a fragment" : NULL;
}

static const char *config_audience_tidy(char *text)
{
	(void)text;
	return NULL;
}

/* To lower case. */
static const char *config_header_tidy(char *text)
{
	static const char *const credentials[] = {
		"authorization",       "api-key",   "cookie",	  "ocp-apim-subscription-key",
		"proxy-authorization", "x-api-key", "set-cookie",
	};
	for (char *p = text; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
		/* A token of RFC 9110 section 5.6.2. */
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~", *p))
			return "is not the name of a header";
	}
	for (size_t i = 0; i < ARRAY_SIZE(credentials); i++)
		if (strcmp(text, credentials[i]) == 0)
			return "carries credentials";
	return NULL;
}

#define ACCOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount/"

/* No user, path or query: the agent's log names the URL. */
static const char *kubelet_problem(const char *text)
{
	static const char scheme[] = "https://";
	if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0)
		return NULL;
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return "is neither auto, off, nor an https URL";
	const char *host = text + sizeof(scheme) - 1;
	if (!*host ||
	    host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")])
		return "is more or less than https://HOST:PORT";
	return NULL;
}

static const char *folder_problem(const char *text)
{
	size_t len = strlen(text);
	if (text[0] != '/')
		return "is not an absolute path";
	if (len > FILE_PATH_MAX)
		return "is too long";
	for (const char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p))
			return "holds a control character";
	return len > 1 && text[len - 1] == '/' ? "ends with \"/\"" : NULL;
}

#define EXPECT_SIZE "a number of bytes, or one with KiB, MiB or GiB"

const struct config_key config_keys[CONFIG_N_KEYS] = {
	{
		.name = "hosts",
		.path = "hosts",
		.kind = CONFIG_HOSTS,
		.expected =
			"a list of 1 to 256 host names such as \"api.openai.com\" or \"*.openai.azure.com\"",
		.help = "Host names that count as AI traffic. A name is exact, or \"*.\" and a suffix:\n"
			"\"*.example.com\" matches every name below example.com, not example.com itself.\n"
			"Upper and lower case are the same. Connections to other hosts are not copied.",
	},
	{
		.section = "capture",
		.name = "roles",
		.path = "capture.roles",
		.kind = CONFIG_ROLES,
		.offset = offsetof(struct config, roles),
		.fallback = "client",
		.expected = "a list of \"client\", \"server\", or both",
		.help = "Which end of a connection a program must be for it to be recorded. \"client\": "
			"what\n"
			"this host's programs ask. \"server\": what they are asked, as a local gateway is "
			"by\n"
			"its callers; the name they are asked under must be one of the hosts. With both, a\n"
			"gateway's two sides are recorded as exchanges of their own.",
	},
	{
		.section = "capture",
		.name = "max_body",
		.path = "capture.max_body",
		.kind = CONFIG_SIZE,
		.offset = offsetof(struct config, max_body),
		.fallback = "4MiB",
		.min = KIB,
		.max = GIB,
		.expected = EXPECT_SIZE ", from 1KiB to 1GiB",
		.help = "Bytes of one request or response body that are kept. What is over is hashed and\n"
			"counted, and the event says how much is missing.",
	},
	{
		.section = "capture",
		.name = "max_call",
		.path = "capture.max_call",
		.kind = CONFIG_SIZE,
		.offset = offsetof(struct config, max_call),
		.fallback = "16MiB",
		.min = 16 * KIB,
		.max = 16 * MIB,
		.expected = EXPECT_SIZE ", from 16KiB to 16MiB",
		.help = "Bytes that are copied of one SSL_read or SSL_write call of a program. What is\n"
			"over is recorded as a gap of known size.",
	},
	{
		.section = "capture",
		.name = "max_message",
		.path = "capture.max_message",
		.kind = CONFIG_SIZE,
		.offset = offsetof(struct config, max_message),
		.fallback = "16GiB",
		.min = 64 * KIB,
		.max = 1024 * GIB,
		.expected = EXPECT_SIZE ", from 64KiB to 1024GiB",
		.help = "Bytes of one request or response that are copied from the kernel, if its head\n"
			"says how long it is. The rest is passed over, which costs the program and the\n"
			"agent nothing; the event counts it as missing and has no hash of the body.",
	},
	{
		.section = "capture",
		.name = "ring_size",
		.path = "capture.ring_size",
		.kind = CONFIG_SIZE,
		.offset = offsetof(struct config, ring_size),
		.fallback = "16MiB",
		.min = 64 * KIB,
		.max = GIB,
		.power_of_two = true,
		.expected = EXPECT_SIZE ", a power of two from 64KiB to 1GiB",
		.help = "Size of the buffer between the kernel and the agent. When it is full, data is\n"
			"dropped, counted, and marked as missing in the events concerned.",
	},
	{
		.section = "store",
		.name = "path",
		.path = "store.path",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, store_path),
		.fallback = "/var/lib/oaitap/oaitap.db",
		.max = FILE_PATH_MAX,
		.expected = "an absolute path of a file",
		.help = "The SQLite database that holds the events. It is made if missing, mode 0600, and\n"
			"so is its folder, mode 0700.",
	},
	{
		.section = "identity",
		.name = "key_path",
		.path = "identity.key_path",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, key_path),
		.fallback = "/var/lib/oaitap/fingerprint.key",
		.max = FILE_PATH_MAX,
		.expected = "an absolute path of a file",
		.help = "The secret of this host from which the fingerprints of API keys are made. It is\n"
			"made once, mode 0600. Without it nobody can test a guessed key against a\n"
			"fingerprint; give hosts the same file to get the same fingerprints on them:\n"
			"`head -c 32 /dev/urandom`, mode 0600, owned by root.",
	},
	{
		.section = "identity",
		.name = "known_keys",
		.path = "identity.known_keys",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, known_keys),
		.max = FILE_PATH_MAX,
		.expected = "an absolute path of a file",
		.help = "A YAML list that names keys by their fingerprints, for the events' key-name:\n"
			"  - fingerprint: \"hmac-sha256:0123456789abcdef0123456789abcdef\"\n"
			"    name: key of team A\n"
			"    labels: {team: a}\n"
			"`oaitap fingerprint` prints the fingerprint of a key. Read when the agent starts.",
	},
	{
		.section = "identity",
		.name = "jwks",
		.path = "identity.jwks",
		.kind = CONFIG_TEXTS,
		.offset = offsetof(struct config, jwks),
		.max = 16,
		.tidy = config_jwks_tidy,
		.default_help = "none: tokens are \"unverified\"",
		.expected = "an absolute path, an https URL, or a list of up to 16 of them",
		.help = "The key sets (JWKS) with which Entra's tokens are checked, as files or URLs. Of "
			"the\n"
			"worldwide cloud: https://login.microsoftonline.com/common/discovery/v2.0/keys. A\n"
			"file is read again when it changes, a URL every hour and when a token names a key\n"
			"that is not known. A key that a set no longer holds is good for another 28 hours;\n"
			"restart the agent to be rid of it at once.",
	},
	{
		.section = "identity",
		.name = "jwks_ca",
		.path = "identity.jwks_ca",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, jwks_ca),
		.max = FILE_PATH_MAX,
		.default_help = "the system's certificates",
		.expected = "an absolute path of a file",
		.help = "Certificates (PEM) that the servers of identity.jwks must have theirs from.",
	},
	{
		.section = "identity",
		.name = "audiences",
		.path = "identity.audiences",
		.kind = CONFIG_TEXTS,
		.offset = offsetof(struct config, audiences),
		.max = CONFIG_MAX_TEXTS,
		.tidy = config_audience_tidy,
		.default_help = "Azure's AI services, worldwide and in the sovereign clouds",
		.expected = "a URL or a GUID, or a list of up to 64 of them",
		.help = "Whom a token may be for (its claim aud); others are \"invalid\". With and without "
			"a\n"
			"slash at the end is the same. A list replaces the default.",
	},
	{
		.section = "identity",
		.name = "claimed_headers",
		.path = "identity.claimed_headers",
		.kind = CONFIG_TEXTS,
		.offset = offsetof(struct config, claimed_headers),
		.max = 16,
		.tidy = config_header_tidy,
		.default_help = "none",
		.expected = "a name of a header that carries no credential, or a list of up to 16 of them",
		.help = "Headers, such as X-Forwarded-User, that say on whose behalf a request is made. "
			"They\n"
			"are recorded under identity.claimed: whoever sends a request may write there what\n"
			"he likes.",
	},
	{
		.section = "identity",
		.name = "args",
		.path = "identity.args",
		.kind = CONFIG_BOOL,
		.offset = offsetof(struct config, args),
		.fallback = "false",
		.expected = "true or false",
		.help = "Whether events hold the arguments of the program. What looks like a secret is "
			"masked\n"
			"(--api-key X, TOKEN=X, sk-..., passwords in URLs, long runs of letters and digits), "
			"but\n"
			"no rule knows every secret: hence off.",
	},
	{
		.section = "identity",
		.name = "kubelet",
		.path = "identity.kubelet",
		.kind = CONFIG_CHECKED,
		.offset = offsetof(struct config, kubelet),
		.fallback = "auto",
		.check = kubelet_problem,
		.expected = "auto, off, or https://HOST:PORT",
		.help = "The kubelet whose list of pods (/pods) gives the names of this node's pods: asked "
			"every\n"
			"30 s, and when a pod is met that is not known, 2 s after the last list at the "
			"earliest. A\n"
			"pod that is gone stays known for 10 minutes. \"auto\": in a pod with a service "
			"account,\n"
			"port 10250 of $NODE_IP, else of $NODE_NAME, else of the host's name; elsewhere "
			"none.",
	},
	{
		.section = "identity",
		.name = "kubelet_token",
		.path = "identity.kubelet_token",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, kubelet_token),
		.fallback = ACCOUNT_PATH "token",
		.max = FILE_PATH_MAX,
		.expected = "an absolute path of a file",
		.help = "The service account's token, which the kubelet is shown. It is read again each "
			"time.",
	},
	{
		.section = "identity",
		.name = "kubelet_ca",
		.path = "identity.kubelet_ca",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, kubelet_ca),
		.fallback = ACCOUNT_PATH "ca.crt",
		.max = FILE_PATH_MAX,
		.expected = "an absolute path of a file",
		.help = "Certificates of the authorities that may have signed the kubelet's, in PEM. Its "
			"name\n"
			"and signature are always checked.",
	},
	{
		.section = "identity",
		.name = "host_root",
		.path = "identity.host_root",
		.kind = CONFIG_CHECKED,
		.offset = offsetof(struct config, host_root),
		.fallback = "/",
		.check = folder_problem,
		.expected = "an absolute path of a folder",
		.help = "Where this host's root is mounted, if the agent runs in a container: the files in "
			"which\n"
			"Docker, containerd, CRI-O and podman note the names of containers are looked for "
			"below\n"
			"its /var/lib and /run.",
	},
	{
		.section = "status",
		.name = "socket",
		.path = "status.socket",
		.kind = CONFIG_PATH,
		.offset = offsetof(struct config, socket_path),
		.fallback = "/run/oaitap/oaitap.sock",
		.max = SOCKET_PATH_MAX,
		.expected = "an absolute path of at most 107 bytes",
		.help = "The Unix socket on which the running agent answers `oaitap status`.",
	},
};

/* --- texts --------------------------------------------------------------------------- */

void config_texts_clear(struct config_texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->items[i]);
	free(texts->items);
	*texts = (struct config_texts){0};
}

static int texts_add(struct config_texts *texts, const char *text)
{
	char **items = realloc(texts->items, (texts->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	texts->items = items;
	items[texts->n] = strdup(text);
	if (!items[texts->n])
		return -ENOMEM;
	texts->n++;
	return 0;
}

int config_texts_copy(const struct config_texts *from, struct config_texts *to)
{
	int r = 0;
	for (size_t i = 0; i < from->n && r == 0; i++)
		r = texts_add(to, from->items[i]);
	return r;
}

static int texts_set(const struct config_key *key, struct config_texts *texts, const char *text,
		     const char **ret_why)
{
	_cleanup_free_ char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret_why = strlen(copy) > TEXT_MAX	   ? "is too long"
		   : texts->n >= key->max	   ? "is one too many"
		   : copy[strcspn(copy, NOT_TEXT)] ? "holds a control character or white space"
						   : key->tidy(copy);
	if (*ret_why)
		return -EINVAL;
	for (size_t i = 0; i < texts->n; i++)
		if (strcmp(texts->items[i], copy) == 0)
			return 0;
	return texts_add(texts, copy);
}

const struct config_key *config_key_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_keys); i++)
		if (strcmp(config_keys[i].path, path) == 0)
			return &config_keys[i];
	return NULL;
}

int config_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {{"", 1}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}};
	uint64_t value = 0;
	const char *p = text;
	int r = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			r = -ERANGE;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(p, units[i].name) != 0)
			continue;
		if (r < 0 || __builtin_mul_overflow(value, units[i].bytes, &value))
			return -ERANGE;
		*ret_bytes = value;
		return 0;
	}
	return -EINVAL;
}

void config_format_size(uint64_t bytes, char ret_text[static CONFIG_SIZE_TEXT])
{
	const char *unit = "";
	if (bytes && bytes % GIB == 0)
		bytes /= GIB, unit = "GiB";
	else if (bytes && bytes % MIB == 0)
		bytes /= MIB, unit = "MiB";
	else if (bytes && bytes % KIB == 0)
		bytes /= KIB, unit = "KiB";
	snprintf(ret_text, CONFIG_SIZE_TEXT, "%llu%s", (unsigned long long)bytes, unit);
}

static int size_set(const struct config_key *key, uint64_t *ret_value, const char *text, const char **ret_why)
{
	uint64_t bytes;
	int r = config_parse_size(text, &bytes);
	if (r == -EINVAL) {
		*ret_why = "is not a size";
		return -EINVAL;
	}
	if (r < 0 || bytes > key->max) {
		*ret_why = "is over the maximum";
		return -EINVAL;
	}
	if (bytes < key->min) {
		*ret_why = "is under the minimum";
		return -EINVAL;
	}
	if (key->power_of_two && (bytes & (bytes - 1))) {
		*ret_why = "is not a power of two";
		return -EINVAL;
	}
	*ret_value = bytes;
	return 0;
}

static int path_set(const struct config_key *key, char **ret_value, const char *text, const char **ret_why)
{
	size_t len = strlen(text);
	if (text[0] != '/') {
		*ret_why = "is not an absolute path";
		return -EINVAL;
	}
	if (len > key->max) {
		*ret_why = "is too long";
		return -EINVAL;
	}
	if (text[len - 1] == '/') {
		*ret_why = "names a folder";
		return -EINVAL;
	}
	for (const char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p)) {
			*ret_why = "holds a control character";
			return -EINVAL;
		}
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*ret_value);
	*ret_value = copy;
	return 0;
}

static int role_add(unsigned int *roles, const char *text, const char **ret_why)
{
	unsigned int role = strcmp(text, "client") == 0	  ? CONFIG_ROLE_CLIENT
			    : strcmp(text, "server") == 0 ? CONFIG_ROLE_SERVER
							  : 0;
	if (!role) {
		*ret_why = "is not a role";
		return -EINVAL;
	}
	*roles |= role;
	return 0;
}

static int bool_set(bool *ret_value, const char *text, const char **ret_why)
{
	bool value = strcmp(text, "true") == 0;
	if (!value && strcmp(text, "false") != 0) {
		*ret_why = "is neither true nor false";
		return -EINVAL;
	}
	*ret_value = value;
	return 0;
}

static int checked_set(const struct config_key *key, char **ret_value, const char *text, const char **ret_why)
{
	*ret_why = key->check(text);
	if (*ret_why)
		return -EINVAL;
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*ret_value);
	*ret_value = copy;
	return 0;
}

int config_key_set(const struct config_key *key, struct config *config, const char *text,
		   const char **ret_why)
{
	char *field = (char *)config + key->offset;
	if (!text[0]) {
		*ret_why = "is empty";
		return -EINVAL;
	}
	if (key->kind == CONFIG_ROLES)
		return role_add((unsigned int *)(void *)field, text, ret_why);
	if (key->kind == CONFIG_BOOL)
		return bool_set((bool *)(void *)field, text, ret_why);
	if (key->kind == CONFIG_CHECKED)
		return checked_set(key, (char **)(void *)field, text, ret_why);
	if (key->kind == CONFIG_SIZE)
		return size_set(key, (uint64_t *)(void *)field, text, ret_why);
	if (key->kind == CONFIG_TEXTS)
		return texts_set(key, (struct config_texts *)(void *)field, text, ret_why);
	return path_set(key, (char **)(void *)field, text, ret_why);
}

/* What is wrong with a host name, NULL if nothing is. Labels as in RFC 1035 section 2.3.1 with digits allowed
 * first (RFC 1123 section 2.1) and with "_", which is common in private zones and which TLS clients send. */
static const char *host_problem(const char *host)
{
	const char *p = host;
	if (!*p)
		return "is empty";
	if (strlen(host) > CONFIG_HOST_MAX)
		return "is longer than 127 bytes";
	if (strstr(host, "://"))
		return "is a URL, not a host name";
	if (strchr(host, ':'))
		return "holds a colon; a port or an IPv6 address cannot be given";
	if (p[0] == '*' && p[1] == '.')
		p += 2;
	if (strchr(p, '*'))
		return "has \"*\" elsewhere than in a leading \"*.\"";
	size_t label = 0;
	for (; *p; p++) {
		if (*p == '.') {
			if (label == 0 || p[1] == '\0')
				return "has an empty label";
			if (p[-1] == '-')
				return "has a label that ends with \"-\"";
			label = 0;
			continue;
		}
		bool alnum = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		if (!alnum && *p != '-' && *p != '_')
			return "holds a character that no host name has";
		if (label == 0 && *p == '-')
			return "has a label that begins with \"-\"";
		if (++label > 63)
			return "has a label longer than 63 bytes";
	}
	if (label == 0)
		return "has an empty label";
	return p[-1] == '-' ? "has a label that ends with \"-\"" : NULL;
}

int config_host_add(struct config *config, const char *host, const char **ret_why)
{
	const char *why = host_problem(host);
	if (!why && config->n_hosts >= CONFIG_MAX_HOSTS)
		why = "is one host too many";
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	_cleanup_free_ char *copy = strdup(host);
	if (!copy)
		return -ENOMEM;
	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	for (size_t i = 0; i < config->n_hosts; i++)
		if (strcmp(config->hosts[i], copy) == 0)
			return 0;
	char **hosts = realloc(config->hosts, (config->n_hosts + 1) * sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	config->hosts = hosts;
	config->hosts[config->n_hosts++] = TAKE_PTR(copy);
	return 0;
}

void config_hosts_clear(struct config *config)
{
	for (size_t i = 0; i < config->n_hosts; i++)
		free(config->hosts[i]);
	free(config->hosts);
	config->hosts = NULL;
	config->n_hosts = 0;
}

const char *config_quote(const char *text, char ret_text[static CONFIG_QUOTE_TEXT])
{
	size_t n = 0;
	for (; n < CONFIG_QUOTE_TEXT - 4 && text[n]; n++)
		ret_text[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	strcpy(ret_text + n, text[n] ? "..." : "");
	return ret_text;
}

char *config_error(const char *file, unsigned int line, const char *key, const char *fmt, ...)
{
	_cleanup_free_ char *message = NULL;
	char *text = NULL;
	char place[16] = "";
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n < 0) {
		message = NULL;
		return NULL;
	}
	if (line)
		snprintf(place, sizeof(place), ":%u", line);
	if (asprintf(&text, "%s%s: %s%s%s", file, place, key ? key : "", key ? ": " : "", message) < 0)
		return NULL;
	for (char *p = text; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	return text;
}
