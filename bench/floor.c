/* SPDX-License-Identifier: Apache-2.0 */

/* The floor of the benchmark: empty programs where the agent has its probes, placed by the agent's own code
 * (probe/attach.h), so that they are the same points in the same way.
 *
 *   floor FILE...    attaches to each, prints "ready", and ends with its standard input */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/macro.h"
#include "bench/floor.skel.h"
#include "probe/attach.h"
#include "probe/features.h"

#define FILES_MAX 16

/* Linux 6.6; newer than the headers that libbpf 1.1 brings. */
#define ATTACH_UPROBE_MULTI ((enum bpf_attach_type)48)

/* Stands in for the agent's programs: what attach.c asks of them is answered below. */
struct programs {
	struct floor_bpf *skel;
	bool multi, cookie;
};

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
	return bpf_program__fd(is_return ? p->skel->progs.floor_return : p->skel->progs.floor_entry);
}

struct bpf_program *programs_entry(const struct programs *p, enum probe_function function)
{
	(void)function;
	return p->skel->progs.floor_entry;
}

struct bpf_program *programs_return(const struct programs *p)
{
	return p->skel->progs.floor_return;
}

static int load(struct programs *p)
{
	struct features features;

	features_detect(&features);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	p->multi = features.multi;
	p->cookie = features.multi || features.cookie;
	p->skel = floor_bpf__open();
	if (!p->skel)
		return -errno;
	if (p->multi) {
		bpf_program__set_expected_attach_type(p->skel->progs.floor_entry, ATTACH_UPROBE_MULTI);
		bpf_program__set_expected_attach_type(p->skel->progs.floor_return, ATTACH_UPROBE_MULTI);
	}
	return floor_bpf__load(p->skel);
}

static int attach(struct programs *p, const char *path, uint32_t file_id, struct attachment **ret_attachment)
{
	struct elf_symbol symbols[PROBE_FUNCTIONS];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int n = probe_functions_find(fd, symbols);
	if (n <= 0)
		return n < 0 ? n : -ENOENT;
	return attachment_new(ret_attachment, p, path, symbols, file_id);
}

int main(int argc, char **argv)
{
	struct programs p = {0};
	struct attachment *attachments[FILES_MAX] = {0};
	unsigned int n_functions = 0;
	char ch;

	if (argc < 2 || argc > FILES_MAX + 1) {
		fprintf(stderr, "usage: floor FILE... (at most %d)\n", FILES_MAX);
		return 2;
	}
	int r = load(&p);
	if (r < 0)
		fprintf(stderr, "floor: the programs cannot be loaded: %s\n", strerror(-r));
	for (int i = 1; i < argc && r >= 0; i++) {
		r = attach(&p, argv[i], (uint32_t)i, &attachments[i - 1]);
		if (r < 0)
			fprintf(stderr, "floor: %s: %s\n", argv[i], strerror(-r));
		else
			n_functions += attachment_functions(attachments[i - 1]);
	}
	if (r >= 0) {
		printf("ready %u %s\n", n_functions, p.multi ? "uprobe_multi" : "perf");
		fflush(stdout);
		while (read(STDIN_FILENO, &ch, 1) > 0)
			;
	}
	for (int i = 0; i < FILES_MAX; i++)
		attachment_free(&attachments[i]);
	floor_bpf__destroy(p.skel);
	return r < 0 ? 1 : 0;
}
