/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "base/macro.h"
#include "bpf/oaitap.skel.h"

/* Room in the ring that data records leave to control records. */
#define RING_CONTROL_SHARE 8

/* Linux 6.6; newer than the headers that libbpf 1.1 brings. */
#define ATTACH_UPROBE_MULTI ((enum bpf_attach_type)48)

struct programs {
	struct oaitap_bpf *skel;
	int conns_fd, procs_fd, counters_fd, flows_fd, order_fd;
	bool multi, cookie;
	struct programs_state state;
};

/* libbpf explains itself at length; what matters is turned into one line by us. */
static int on_libbpf_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!log_enabled(LOG_DEBUG) || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

static int fail(char **ret_error, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(char **ret_error, int r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(ret_error, fmt, ap) < 0)
		*ret_error = NULL;
	va_end(ap);
	return r;
}

/* Before 5.11 BPF memory counts against this limit. Where it cannot be raised it may still do. */
static void raise_limits(void)
{
	struct rlimit files;
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0)
		log_debug("RLIMIT_MEMLOCK stays as it is (%s); this matters only before Linux 5.11",
			  strerror(errno));
	/* Each probed file takes two dozen descriptors. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* "api.openai.com" matches itself, hence the terminator; "*.x.y" what ends in ".x.y". */
static int host_key_fill(struct host_key *key, const char *pattern)
{
	bool wild = strncmp(pattern, "*.", 2) == 0;
	const char *name = wild ? pattern + 1 : pattern;
	size_t len = strlen(name);

	if (len == 0 || len > OAITAP_PATTERN_MAX)
		return -EINVAL;
	*key = (struct host_key){.prefix_bits = (uint32_t)(len + !wild) * 8};
	for (size_t i = 0; i < len; i++)
		key->reversed[i] = name[len - 1 - i];
	return 0;
}

static int hosts_fill(struct programs *p, const struct programs_options *options, char **ret_error)
{
	int fd = bpf_map__fd(p->skel->maps.hosts);
	for (size_t i = 0; i < options->n_hosts; i++) {
		struct host_key key;
		uint8_t one = 1;
		int r = host_key_fill(&key, options->hosts[i]);
		if (r < 0)
			return fail(ret_error, r, "hosts: '%s' is longer than %u bytes", options->hosts[i],
				    OAITAP_PATTERN_MAX);
		if (bpf_map_update_elem(fd, &key, &one, BPF_ANY) < 0)
			return fail(ret_error, -errno, "the host table does not take '%s': %s",
				    options->hosts[i], strerror(errno));
	}
	return 0;
}

static int chain_fill(struct oaitap_bpf *skel)
{
	const struct bpf_program *const progs[] = {skel->progs.chain_send, skel->progs.chain_decide};
	for (uint32_t i = 0; i < ARRAY_SIZE(progs); i++) {
		int fd = bpf_program__fd(progs[i]);
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.chain), &i, &fd, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

/* Paths end where this process's root is. Without it they end at the root of the file's mount tree, which
 * mostly is the same. */
static void root_note(struct oaitap_bpf *skel)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int r = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.who_root), &run);
	if (r < 0)
		log_debug("where the root is could not be told to the kernel: %s", strerror(-r));
}

/* exec and exit. Attached one by one: the skeleton's attach would want a file for the probes. */
static int tracepoints_attach(struct oaitap_bpf *skel)
{
	skel->links.process_exec = bpf_program__attach(skel->progs.process_exec);
	if (!skel->links.process_exec)
		return -errno;
	skel->links.process_exit = bpf_program__attach(skel->progs.process_exit);
	return skel->links.process_exit ? 0 : -errno;
}

static struct bpf_program *entry_program(const struct oaitap_bpf *skel, enum probe_function function)
{
	struct bpf_program *const programs[PROBE_FUNCTIONS] = {
		[PROBE_SSL_WRITE] = skel->progs.ssl_write,
		[PROBE_SSL_WRITE_EX] = skel->progs.ssl_write_ex,
		[PROBE_SSL_WRITE_EX2] = skel->progs.ssl_write_ex2,
		[PROBE_SSL_WRITE_EARLY_DATA] = skel->progs.ssl_write_early_data,
		[PROBE_SSL_SENDFILE] = skel->progs.ssl_sendfile,
		[PROBE_SSL_CTRL] = skel->progs.ssl_ctrl,
		[PROBE_SSL_SET_TLSEXT_HOST_NAME] = skel->progs.ssl_set_tlsext_host_name,
		[PROBE_SSL_SET_ACCEPT_STATE] = skel->progs.ssl_set_accept_state,
		[PROBE_SSL_READ] = skel->progs.ssl_read,
		[PROBE_SSL_READ_EX] = skel->progs.ssl_read_ex,
		[PROBE_SSL_READ_EARLY_DATA] = skel->progs.ssl_read_early_data,
		[PROBE_SSL_SET_FD] = skel->progs.ssl_set_fd,
		[PROBE_SSL_FREE] = skel->progs.ssl_free,
	};
	return programs[function];
}

/* The same code loads for both ways of attaching; a kernel wants to be told which. */
static void choose_probes(struct programs *p, const struct features *features)
{
	struct bpf_program *const with_multi[] = {p->skel->progs.multi_enter, p->skel->progs.ssl_data_return,
						  p->skel->progs.chain_send, p->skel->progs.chain_decide};
	p->multi = features->multi;
	p->cookie = features->multi || features->cookie;
	p->skel->rodata->has_cookie = p->cookie;
	bpf_program__set_autoload(p->skel->progs.multi_enter, p->multi);
	for (int i = 0; i < PROBE_FUNCTIONS; i++)
		bpf_program__set_autoload(entry_program(p->skel, (enum probe_function)i), !p->multi);
	for (size_t i = 0; p->multi && i < ARRAY_SIZE(with_multi); i++)
		bpf_program__set_expected_attach_type(with_multi[i], ATTACH_UPROBE_MULTI);
}

static void choose_details(struct programs *p, const struct features *features, bool hello)
{
	bool kprobe = !features->send_length && features->kprobe;

	bpf_program__set_autoload(p->skel->progs.socket_sent, features->send_length);
	bpf_program__set_autoload(p->skel->progs.socket_sends, kprobe);
	bpf_program__set_autoload(p->skel->progs.hello_connect4, hello);
	bpf_program__set_autoload(p->skel->progs.hello_connect6, hello);
	bpf_program__set_autoload(p->skel->progs.hello_egress, hello);
	p->state.hello = hello;
}

static int open_and_load(struct programs *p, const struct programs_options *options, bool hello)
{
	p->skel = oaitap_bpf__open();
	if (!p->skel)
		return -errno;
	p->skel->rodata->max_call_bytes = options->max_call;
	p->skel->rodata->ring_data_max = options->ring_size - options->ring_size / RING_CONTROL_SHARE;
	p->skel->rodata->roles = options->roles;
	p->skel->rodata->want_args = options->args;
	bpf_map__set_max_entries(p->skel->maps.ring, (uint32_t)options->ring_size);
	choose_probes(p, options->features);
	choose_details(p, options->features, hello);
	int r = oaitap_bpf__load(p->skel);
	if (r < 0) {
		oaitap_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	return r;
}

/* Without the details if this kernel does not take their programs. */
static int load_programs(struct programs *p, const struct programs_options *options, char **ret_error)
{
	bool hello = options->features->skb_owner;
	int r = open_and_load(p, options, hello);
	if (r < 0 && hello && r != -EPERM && r != -ENOMEM) {
		r = open_and_load(p, options, false);
		log_warn("AI traffic that cannot be read will not be noticed: this kernel does not take the "
			 "programs for it");
		p->state.why_no_hello = "this kernel does not take the programs that look at ClientHellos";
	}
	if (r == -EPERM)
		return fail(ret_error, -EPERM,
			    "the kernel does not let this process load BPF programs: run as root, or with "
			    "CAP_BPF, "
			    "CAP_PERFMON, CAP_SYS_PTRACE and CAP_NET_ADMIN");
	if (r < 0)
		return fail(
			ret_error, r == -ENOMEM ? r : -EOPNOTSUPP,
			"this kernel does not take the BPF programs (%s): `oaitap doctor` says what it lacks",
			strerror(-r));
	return 0;
}

static void attach_sockets(struct programs *p, const struct features *features)
{
	if (features->send_length) {
		p->skel->links.socket_sent = bpf_program__attach(p->skel->progs.socket_sent);
		if (p->skel->links.socket_sent)
			p->state.sockets = "sock_send_length";
	} else if (features->kprobe) {
		p->skel->links.socket_sends =
			bpf_program__attach_kprobe(p->skel->progs.socket_sends, false, "tcp_sendmsg");
		if (p->skel->links.socket_sends)
			p->state.sockets = "tcp_sendmsg";
	}
	if (!p->state.sockets)
		log_info("addresses are known only for programs that use SSL_set_fd: this kernel has neither "
			 "the "
			 "tracepoint sock_send_length nor kprobes");
}

/* The owner first: a socket that nobody was seen to connect is not looked at. */
static int attach_hello_to(struct programs *p, int cgroup_fd)
{
	p->skel->links.hello_connect4 = bpf_program__attach_cgroup(p->skel->progs.hello_connect4, cgroup_fd);
	p->skel->links.hello_connect6 = bpf_program__attach_cgroup(p->skel->progs.hello_connect6, cgroup_fd);
	p->skel->links.hello_egress = bpf_program__attach_cgroup(p->skel->progs.hello_egress, cgroup_fd);
	return p->skel->links.hello_connect4 && p->skel->links.hello_connect6 && p->skel->links.hello_egress
		       ? 0
		       : -errno;
}

static void attach_hello(struct programs *p, const struct features *features)
{
	if (!p->state.hello)
		return;
	_cleanup_close_ int fd = open(features->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : attach_hello_to(p, fd);
	if (r < 0) {
		p->state.hello = false;
		p->state.why_no_hello = "the root of cgroup v2 does not take them";
		log_warn("AI traffic that cannot be read will not be noticed: %s: %s", features->cgroup,
			 strerror(-r));
	}
}

/* Only ClientHellos are left to look at. */
static int check_use(const struct programs *p, char **ret_error)
{
	if (p->state.reads || p->state.hello)
		return 0;
	return fail(
		ret_error, -EOPNOTSUPP,
		"no program may be probed, and ClientHellos cannot be looked at here: nothing is left to do; "
		"`oaitap doctor` says what is missing");
}

static int load(struct programs *p, const struct programs_options *options, char **ret_error)
{
	int r = load_programs(p, options, ret_error);
	if (r < 0)
		return r;
	r = chain_fill(p->skel);
	if (r < 0)
		return fail(ret_error, r, "the program chain cannot be set up: %s", strerror(-r));
	r = hosts_fill(p, options, ret_error);
	if (r < 0)
		return r;
	root_note(p->skel);
	r = tracepoints_attach(p->skel);
	if (r < 0)
		return fail(ret_error, r, "exec and exit cannot be watched: %s", strerror(-r));
	if (p->state.reads)
		attach_sockets(p, options->features);
	attach_hello(p, options->features);
	return check_use(p, ret_error);
}

int programs_load(struct programs **ret_programs, const struct programs_options *options, char **ret_error)
{
	struct programs *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->state.reads = options->reads;
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(on_libbpf_print);
	raise_limits();
	int r = load(p, options, ret_error);
	if (r < 0) {
		programs_free(&p);
		return r;
	}
	p->conns_fd = bpf_map__fd(p->skel->maps.conns);
	p->procs_fd = bpf_map__fd(p->skel->maps.procs);
	p->counters_fd = bpf_map__fd(p->skel->maps.counters);
	p->flows_fd = bpf_map__fd(p->skel->maps.flows);
	p->order_fd = bpf_program__fd(p->skel->progs.conn_order);
	*ret_programs = p;
	return 0;
}

void programs_free(struct programs **programs)
{
	if (!*programs)
		return;
	oaitap_bpf__destroy((*programs)->skel);
	free(*programs);
	*programs = NULL;
}

int programs_ring_fd(const struct programs *p)
{
	return bpf_map__fd(p->skel->maps.ring);
}

bool programs_has_multi(const struct programs *p)
{
	return p->multi;
}

bool programs_has_cookie(const struct programs *p)
{
	return p->cookie;
}

int programs_multi_fd(const struct programs *p, bool is_return)
{
	return bpf_program__fd(is_return ? p->skel->progs.ssl_data_return : p->skel->progs.multi_enter);
}

struct bpf_program *programs_entry(const struct programs *p, enum probe_function function)
{
	return entry_program(p->skel, function);
}

struct bpf_program *programs_return(const struct programs *p)
{
	return p->skel->progs.ssl_data_return;
}

struct programs_state programs_state(const struct programs *p)
{
	return p->state;
}

int programs_order(struct programs *p, const struct conn_key *key, uint64_t conn_id, enum conn_order order,
		   enum record_dir dir, uint64_t until)
{
	uint64_t args[] = {key->ssl, key->tgid, conn_id, order, dir, until};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = args, .ctx_size_in = sizeof(args));
	int r = bpf_prog_test_run_opts(p->order_fd, &run);
	if (r < 0)
		return r;
	return run.retval == 0 ? 0 : -ENOENT;
}

int programs_flow_find(const struct programs *p, uint64_t cookie, struct flow *ret_flow)
{
	struct flow flow;
	if (bpf_map_lookup_elem(p->flows_fd, &cookie, &flow) < 0)
		return -ENOENT;
	*ret_flow = flow;
	return 0;
}

void programs_flow_remove(struct programs *p, uint64_t cookie)
{
	bpf_map_delete_elem(p->flows_fd, &cookie);
}

int programs_counters(const struct programs *p, struct counter_value ret_values[static COUNTER_MAX])
{
	for (uint32_t i = 0; i < COUNTER_MAX; i++)
		if (bpf_map_lookup_elem(p->counters_fd, &i, &ret_values[i]) < 0)
			return -errno;
	return 0;
}

int programs_conn_find(const struct programs *p, const struct conn_key *key, uint64_t conn_id,
		       struct conn *ret_conn)
{
	struct conn conn;
	if (bpf_map_lookup_elem(p->conns_fd, key, &conn) < 0 || conn.id != conn_id)
		return -ENOENT;
	*ret_conn = conn;
	return 0;
}

int programs_conn_take(struct programs *p, const struct conn_key *key, uint64_t conn_id,
		       struct conn *ret_conn)
{
	int r = programs_conn_find(p, key, conn_id, ret_conn);
	if (r < 0)
		return r;
	bpf_map_delete_elem(p->conns_fd, key);
	return 0;
}

/* Calls fn for each key of a table. A walk starts over when the entry it stands on goes away under it: hence
 * the bound. */
static void walk(int fd, size_t max_entries, void *key, void *next, size_t key_size,
		 void (*fn)(struct programs *p, const void *key, size_t *n), struct programs *p, size_t *n)
{
	bool more = bpf_map_get_next_key(fd, NULL, key) == 0;
	for (size_t i = 0; more && i < 2 * max_entries; i++) {
		more = bpf_map_get_next_key(fd, key, next) == 0;
		fn(p, key, n);
		memcpy(key, next, key_size);
	}
}

static void count_if_dead(struct programs *p, const void *key, size_t *n)
{
	struct proc proc;
	if (bpf_map_lookup_elem(p->procs_fd, key, &proc) == 0 && proc.dead)
		(*n)++;
}

static void remove_if_dead(struct programs *p, const void *key, size_t *n)
{
	struct proc proc;
	if (bpf_map_lookup_elem(p->procs_fd, key, &proc) == 0 && proc.dead &&
	    bpf_map_delete_elem(p->procs_fd, key) == 0)
		(*n)++;
}

static void remove_if_orphaned(struct programs *p, const void *key, size_t *n)
{
	const struct conn_key *conn_key = key;
	struct conn conn;
	struct proc proc;

	if (bpf_map_lookup_elem(p->conns_fd, key, &conn) < 0)
		return;
	bool alive = bpf_map_lookup_elem(p->procs_fd, &conn_key->tgid, &proc) == 0 && !proc.dead &&
		     proc.process_gen == conn.process_gen;
	if (alive || bpf_map_delete_elem(p->conns_fd, key) < 0)
		return;
	/* A head that was held back, if there is one. */
	(void)bpf_map_delete_elem(bpf_map__fd(p->skel->maps.scratches), &conn.id);
	(*n)++;
}

size_t programs_sweep(struct programs *p, bool all)
{
	struct conn_key conn_key, next_conn_key;
	uint32_t tgid, next_tgid;
	size_t n_dead = 0, n = 0;

	walk(p->procs_fd, OAITAP_PROCS_MAX, &tgid, &next_tgid, sizeof(tgid), count_if_dead, p, &n_dead);
	if (n_dead == 0 && !all)
		return 0;
	walk(p->conns_fd, OAITAP_CONNS_MAX, &conn_key, &next_conn_key, sizeof(conn_key), remove_if_orphaned,
	     p, &n);
	n_dead = 0;
	walk(p->procs_fd, OAITAP_PROCS_MAX, &tgid, &next_tgid, sizeof(tgid), remove_if_dead, p, &n_dead);
	return n;
}
