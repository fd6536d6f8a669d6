/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as an ELF file. What is found must be inside the file. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/elf32.h"
#include "probe/elf_symbols.h"
#include "must.h"

static bool is_refusal(int r)
{
	return r == -ENOEXEC || r == -E2BIG || r == -EIO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_symbol symbols[] = {{.name = "SSL_read"}, {.name = "SSL_write"}, {.name = "SSL_write_ex"}};
	static int fd = -1;
	int found = 0;

	if (fd < 0)
		fd = memfd_create("elf", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)size) == 0);
	must(pwrite(fd, data, size, 0) == (ssize_t)size);
	int r = elf_symbols_find(fd, symbols, 3);
	for (size_t i = 0; i < 3; i++) {
		must(symbols[i].file_offset < size || symbols[i].file_offset == 0);
		found += symbols[i].file_offset != 0;
	}
	must(r == found || (is_refusal(r) && found == 0));
	r = elf_symbols_has_section(fd, ".go.buildinfo");
	must(r == 0 || r == 1 || is_refusal(r));
	(void)elf32_has_section(fd, ".go.buildinfo");
	return 0;
}
