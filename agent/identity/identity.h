/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who asked: the process (from the kernel and /proc) and the caller (from the credentials in the headers).
 * Credentials go in, claims and fingerprints come out; nothing here keeps a credential past the call, and
 * buffers that held one are cleared. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

enum identity_kind {
	IDENTITY_NONE,
	IDENTITY_ENTRA,		   /* bearer token that is a JWT issued by Entra */
	IDENTITY_API_KEY,	   /* api-key header, or a bearer token of the form sk-... */
	IDENTITY_SUBSCRIPTION_KEY, /* Ocp-Apim-Subscription-Key */
	IDENTITY_BEARER,	   /* some other bearer token */
};

const char *identity_kind_name(enum identity_kind kind);

/* All strings owned or NULL, UTF-8, at most IDENTITY_CLAIM_MAX bytes. Claims are as the token states them:
 * verification says what that is worth. */
#define IDENTITY_CLAIM_MAX 1024
#define IDENTITY_ARRAY_MAX 256

struct identity_caller {
	enum identity_kind kind;
	char *tenant_id, *object_id, *app_id;
	const char *principal_type; /* static: "user", "app", "managed-identity"; or NULL */
	char *resource_id; /* of a managed identity: the Azure resource that it is, as the token spells it */
	char *name;
	json_t *roles;	/* array of strings, or NULL */
	json_t *scopes; /* array of strings, or NULL */
	json_t *groups; /* array of strings, or NULL */
	char *token_id, *issuer, *audience;
	int64_t expires; /* seconds since 1970; 0: not said */
	/* static: "valid", "invalid", "expired", "unverified"; or NULL when kind is no token's */
	const char *verification;
	const char *verification_problem; /* static: why it is not valid, in plain words; or NULL */
	char *key_fingerprint;		  /* of keys and of tokens that are not Entra's; or NULL */
	char *key_name;			  /* the operator's name for that key; or NULL */
	json_t *key_labels;		  /* object of strings, the operator's as well; or NULL */
	const char *problem; /* static: the first thing wrong with the credential, in plain words; or NULL */
};

/* The host's secret for fingerprints: made once (32 random bytes, mode 0600), then read. */
struct identity_key;

/* Agents that start at once agree on one key. 0; -EPERM: the file is readable or writable by others or not
 * owned by us (fix its mode); -EBADMSG: not a file of 32 bytes; -ENOMEM; other negative errno from open,
 * read, write, link. The folder must exist. */
int identity_key_open(struct identity_key **ret_key, const char *path);
void identity_key_free(struct identity_key **key);

/* "hmac-sha256:" and the first 16 bytes of HMAC-SHA-256(host key, credential) in hexadecimal. The caller
 * frees it. 0; -ENOMEM. */
int identity_fingerprint(const struct identity_key *key, const char *credential, size_t len, char **ret_text);

void identity_caller_done(struct identity_caller *caller);

/* A process, as the kernel said when its connection was first seen, completed from /proc while it lives. */
struct identity_process {
	uint32_t pid, parent_pid, uid;
	uint64_t start_boot_ns; /* boot clock; tells apart processes that reused a pid; 0: not known */
	uint64_t start_real_ns; /* the same on the wall clock, nanoseconds since 1970; 0: not known */
	char comm[16];		/* of the thread group leader, NUL-terminated */
	char *exe;		/* without " (deleted)"; NULL when the process was gone */
	char *user;		/* the host's name for the uid; NULL when it has none */
	char *cgroup;		/* path in the unified hierarchy, else in systemd's; or NULL */
	char *unit; /* innermost *.service or *.scope of that path, as escaped by systemd; or NULL */
};

/* Fills exe, user, cgroup and unit (NULL on entry), start_real_ns, and parent_pid if it is 0; pid, uid,
 * start_boot_ns and comm are given by the caller. Uses /proc/PID only after checking that its start time is
 * the one given (0: not checked) within a clock tick; one of another process, or gone, is not an error. Reads
 * /proc and the user database, so not for the capture thread. proc_root is "/proc" but in tests. 0; -ENOMEM:
 * process is as before. */
int identity_process_read(const char *proc_root, struct identity_process *process);
void identity_process_done(struct identity_process *process);
