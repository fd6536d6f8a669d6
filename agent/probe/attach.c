/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/attach.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#include "base/macro.h"

struct attachment {
	unsigned int n_functions;
	struct bpf_link *entry[PROBE_FUNCTIONS], *ret[PROBE_FUNCTIONS];
};

static int attach_one(struct bpf_program *program, bool is_return, const char *path, uint64_t offset,
		      struct bpf_link **ret_link)
{
	*ret_link = bpf_program__attach_uprobe(program, is_return, -1, path, offset);
	return *ret_link ? 0 : -errno;
}

/* The return first: an entry without its return would only fill frames. */
static int attach_function(struct attachment *a, struct programs *p, const char *path,
			   enum probe_function function, uint64_t offset)
{
	struct bpf_program *entry = programs_entry(p, function);
	int r = 0;

	if (!entry)
		return 0;
	if (probe_function_carries_data(function))
		r = attach_one(programs_return(p), true, path, offset, &a->ret[function]);
	if (r >= 0)
		r = attach_one(entry, false, path, offset, &a->entry[function]);
	if (r >= 0)
		a->n_functions++;
	return r;
}

int attachment_new(struct attachment **ret_attachment, struct programs *programs, const char *path,
		   const struct elf_symbol symbols[static PROBE_FUNCTIONS], uint32_t file_id)
{
	_cleanup_(attachment_free) struct attachment *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	(void)file_id;
	for (int i = 0; i < PROBE_FUNCTIONS; i++) {
		if (!symbols[i].file_offset)
			continue;
		int r = attach_function(a, programs, path, (enum probe_function)i, symbols[i].file_offset);
		if (r < 0)
			return r;
	}
	*ret_attachment = TAKE_PTR(a);
	return 0;
}

void attachment_free(struct attachment **attachment)
{
	struct attachment *a = *attachment;
	if (!a)
		return;
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
