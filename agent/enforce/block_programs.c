/* SPDX-License-Identifier: Apache-2.0 */
#include "enforce/block_programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "base/macro.h"
#include "bpf/block.skel.h"

struct block_programs {
	struct block_bpf *skel;
	int blocks_fd, refusals_fd, addresses_fd, connects_fd;
};

static int fail(char **ret_error, int r, const char *what)
{
	if (asprintf(ret_error, "%s: %s", what, strerror(-r)) < 0)
		*ret_error = NULL;
	return r;
}

/* What matters is turned into one line by us. */
static int print_nothing(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

static int load(struct block_programs *p, uint64_t address_age_ns)
{
	p->skel = block_bpf__open();
	if (!p->skel)
		return -errno;
	p->skel->rodata->address_age_ns = address_age_ns;
	return block_bpf__load(p->skel);
}

int block_programs_load(struct block_programs **ret_programs, uint64_t address_age_ns, char **ret_error)
{
	_cleanup_(block_programs_free) struct block_programs *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	libbpf_print_fn_t print = libbpf_set_print(print_nothing);
	if (log_enabled(LOG_DEBUG))
		(void)libbpf_set_print(print);
	int r = load(p, address_age_ns);
	libbpf_set_print(print);
	if (r < 0)
		return fail(ret_error, r, "the kernel does not take the programs that refuse connections");
	p->blocks_fd = bpf_map__fd(p->skel->maps.blocks);
	p->refusals_fd = bpf_map__fd(p->skel->maps.refusals);
	p->addresses_fd = bpf_map__fd(p->skel->maps.addresses);
	p->connects_fd = bpf_map__fd(p->skel->maps.connects);
	*ret_programs = TAKE_PTR(p);
	return 0;
}

void block_programs_free(struct block_programs **programs)
{
	if (!*programs)
		return;
	block_bpf__destroy((*programs)->skel);
	free(*programs);
	*programs = NULL;
}

int block_programs_attach(struct block_programs *p, const char *cgroup, char **ret_error)
{
	const struct {
		struct bpf_program *program;
		struct bpf_link **link;
	} all[] = {
		{p->skel->progs.block_connect4, &p->skel->links.block_connect4},
		{p->skel->progs.block_connect6, &p->skel->links.block_connect6},
		{p->skel->progs.block_sendmsg4, &p->skel->links.block_sendmsg4},
		{p->skel->progs.block_sendmsg6, &p->skel->links.block_sendmsg6},
	};
	_cleanup_close_ int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(ret_error, -errno, cgroup);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		*all[i].link = bpf_program__attach_cgroup(all[i].program, fd);
		if (!*all[i].link)
			return fail(ret_error, -errno,
				    "the root of cgroup v2 does not take the programs that refuse "
				    "connections");
	}
	return 0;
}

/* How many there are is looked at by every connect() of the host, so it is exact. */
static void count(struct block_programs *p, const struct block_key *key, int change)
{
	uint32_t *n = key->tgid ? &p->skel->bss->process_blocks : &p->skel->bss->cgroup_blocks;
	__atomic_fetch_add(n, (uint32_t)change, __ATOMIC_RELAXED);
}

int block_programs_block(struct block_programs *p, const struct block_key *key, uint64_t until_ns)
{
	const struct block_refusals none = {0};

	if (bpf_map_update_elem(p->blocks_fd, key, &until_ns, BPF_EXIST) == 0)
		return 0;
	if (bpf_map_update_elem(p->refusals_fd, key, &none, BPF_ANY) < 0)
		return -errno;
	if (bpf_map_update_elem(p->blocks_fd, key, &until_ns, BPF_NOEXIST) < 0) {
		int r = -errno;
		bpf_map_delete_elem(p->refusals_fd, key);
		return r;
	}
	count(p, key, 1);
	return 0;
}

void block_programs_unblock(struct block_programs *p, const struct block_key *key,
			    struct block_refusals *ret_refusals)
{
	*ret_refusals = (struct block_refusals){0};
	if (bpf_map_delete_elem(p->blocks_fd, key) < 0)
		return;
	count(p, key, -1);
	(void)bpf_map_lookup_elem(p->refusals_fd, key, ret_refusals);
	bpf_map_delete_elem(p->refusals_fd, key);
}

int block_programs_learn(struct block_programs *p, const struct block_address *address, uint64_t seen_ns)
{
	return bpf_map_update_elem(p->addresses_fd, address, &seen_ns, BPF_ANY) < 0 ? -errno : 0;
}

int block_programs_take_connect(struct block_programs *p, uint64_t cookie, struct block_connect *ret_connect)
{
	struct block_connect c;
	if (bpf_map_lookup_elem(p->connects_fd, &cookie, &c) < 0)
		return -ENOENT;
	bpf_map_delete_elem(p->connects_fd, &cookie);
	*ret_connect = c;
	return 0;
}
