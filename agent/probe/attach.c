/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/macro.h"

/* BPF_LINK_CREATE for uprobe_multi, as the kernel's bpf(2) defines it since 6.6: headers of libbpf 1.1 are
 * older. */
#define ATTACH_UPROBE_MULTI 48
#define UPROBE_MULTI_RETURN 1U

struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

struct attachment {
	unsigned int n_functions;
	int multi_entry, multi_ret; /* link descriptors, or -1 */
	struct bpf_link *entry[PROBE_FUNCTIONS], *ret[PROBE_FUNCTIONS];
};

/* --- in time --------------------------------------------------------------------------- */

/* Before the first probe of a while is placed, the kernel waits for a grace period of RCU (the per-CPU lock
 * that keeps forks out meanwhile): 10 to 30 ms, in which a fast client has sent its first request. Expedited,
 * it is less than one. The setting is the host's, so it is turned on for this one moment only; where it
 * cannot be written, attaching takes longer. A descriptor to turn it off again, or -1. */
static int expedite_begin(void)
{
	char now = '1';
	_cleanup_close_ int fd = open("/sys/kernel/rcu_expedited", O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &now, 1, 0) != 1 || now != '0' || pwrite(fd, "1", 1, 0) != 1)
		return -1;
	return TAKE_FD(fd);
}

static void expedite_end(int fd)
{
	if (fd < 0)
		return;
	(void)!pwrite(fd, "0", 1, 0);
	close(fd);
}

/* --- all at once --------------------------------------------------------------------- */

static int attach_multi(struct programs *p, bool is_return, const char *path,
			const struct elf_symbol symbols[static PROBE_FUNCTIONS], uint32_t file_id,
			unsigned int *ret_count)
{
	uint64_t offsets[PROBE_FUNCTIONS], cookies[PROBE_FUNCTIONS];
	uint32_t n = 0;

	for (int i = 0; i < PROBE_FUNCTIONS; i++) {
		if (!symbols[i].file_offset ||
		    (is_return && !probe_function_carries_data((enum probe_function)i)))
			continue;
		offsets[n] = symbols[i].file_offset;
		cookies[n++] = PROBE_COOKIE(file_id, (uint64_t)i);
	}
	struct link_create attr = {
		.prog_fd = (uint32_t)programs_multi_fd(p, is_return),
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.count = n,
		.multi_flags = is_return ? UPROBE_MULTI_RETURN : 0,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return -errno;
	*ret_count = n;
	return fd;
}

/* The returns first: an entry without its return would only fill frames. */
static int attach_all(struct attachment *a, struct programs *p, const char *path,
		      const struct elf_symbol symbols[static PROBE_FUNCTIONS], uint32_t file_id)
{
	a->multi_ret = attach_multi(p, true, path, symbols, file_id, &a->n_functions);
	if (a->multi_ret < 0)
		return a->multi_ret;
	a->multi_entry = attach_multi(p, false, path, symbols, file_id, &a->n_functions);
	return MIN(a->multi_entry, 0);
}

/* --- one by one ---------------------------------------------------------------------- */

static int attach_one(struct bpf_program *program, bool is_return, const char *path, uint64_t offset,
		      uint64_t cookie, struct bpf_link **ret_link)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = is_return, .bpf_cookie = cookie);
	*ret_link = bpf_program__attach_uprobe_opts(program, -1, path, offset, &options);
	return *ret_link ? 0 : -errno;
}

static int attach_function(struct attachment *a, struct programs *p, const char *path,
			   enum probe_function function, uint64_t offset, uint32_t file_id)
{
	uint64_t cookie = programs_has_cookie(p) ? PROBE_COOKIE(file_id, (uint64_t)function) : 0;
	int r = 0;

	if (probe_function_carries_data(function))
		r = attach_one(programs_return(p), true, path, offset, cookie, &a->ret[function]);
	if (r >= 0)
		r = attach_one(programs_entry(p, function), false, path, offset, cookie, &a->entry[function]);
	if (r >= 0)
		a->n_functions++;
	return r;
}

static int attach_each(struct attachment *a, struct programs *p, const char *path,
		       const struct elf_symbol symbols[static PROBE_FUNCTIONS], uint32_t file_id)
{
	int r = 0;
	for (int i = 0; i < PROBE_FUNCTIONS && r >= 0; i++)
		if (symbols[i].file_offset)
			r = attach_function(a, p, path, (enum probe_function)i, symbols[i].file_offset,
					    file_id);
	return r;
}

/* ------------------------------------------------------------------------------------- */

int attachment_new(struct attachment **ret_attachment, struct programs *programs, const char *path,
		   const struct elf_symbol symbols[static PROBE_FUNCTIONS], uint32_t file_id)
{
	_cleanup_(attachment_free) struct attachment *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->multi_entry = a->multi_ret = -1;
	int hurry = expedite_begin();
	int r = programs_has_multi(programs) ? attach_all(a, programs, path, symbols, file_id)
					     : attach_each(a, programs, path, symbols, file_id);
	expedite_end(hurry);
	if (r < 0)
		return r;
	*ret_attachment = TAKE_PTR(a);
	return 0;
}

void attachment_free(struct attachment **attachment)
{
	struct attachment *a = *attachment;
	if (!a)
		return;
	if (a->multi_entry >= 0)
		close(a->multi_entry);
	if (a->multi_ret >= 0)
		close(a->multi_ret);
	for (int i = 0; i < PROBE_FUNCTIONS; i++) {
		bpf_link__destroy(a->entry[i]);
		bpf_link__destroy(a->ret[i]);
	}
	free(a);
	*attachment = NULL;
}

unsigned int attachment_functions(const struct attachment *attachment)
{
	return attachment->n_functions;
}
