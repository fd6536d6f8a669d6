/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/elf32.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define SECTIONS_MAX 4096
#define NAME_SIZE    32

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif

static bool read_at(int fd, uint64_t offset, void *ret_data, size_t len)
{
	return offset <= INT64_MAX && pread(fd, ret_data, len, (off_t)offset) == (ssize_t)len;
}

bool elf32_is(int fd)
{
	unsigned char ident[EI_NIDENT];
	return read_at(fd, 0, ident, sizeof(ident)) && memcmp(ident, ELFMAG, SELFMAG) == 0 &&
	       ident[EI_CLASS] == ELFCLASS32;
}

static bool read_section(int fd, const Elf32_Ehdr *h, unsigned int i, Elf32_Shdr *ret_section)
{
	return read_at(fd, (uint64_t)h->e_shoff + i * sizeof(*ret_section), ret_section,
		       sizeof(*ret_section));
}

bool elf32_has_section(int fd, const char *name)
{
	const size_t size = strlen(name) + 1;
	Elf32_Shdr names, section;
	char text[NAME_SIZE];
	Elf32_Ehdr h;

	if (!elf32_is(fd) || !read_at(fd, 0, &h, sizeof(h)) || h.e_ident[EI_DATA] != NATIVE_DATA ||
	    h.e_shentsize != sizeof(section) || h.e_shnum > SECTIONS_MAX || h.e_shstrndx >= h.e_shnum ||
	    size > sizeof(text) || !read_section(fd, &h, h.e_shstrndx, &names))
		return false;
	for (unsigned int i = 0; i < h.e_shnum && read_section(fd, &h, i, &section); i++)
		if (section.sh_name < names.sh_size && size <= names.sh_size - section.sh_name &&
		    read_at(fd, (uint64_t)names.sh_offset + section.sh_name, text, size) &&
		    memcmp(text, name, size) == 0)
			return true;
	return false;
}
