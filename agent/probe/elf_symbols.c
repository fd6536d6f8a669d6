/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/elf_symbols.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

#define SYMBOLS_MAX  4000000U
#define SECTIONS_MAX 4096U
#define PHDRS_MAX    256U
#define STRTAB_MAX   (256U << 20)

static void cleanup_elf(Elf **elf)
{
	if (*elf)
		elf_end(*elf);
}

/* File offset of an address inside an executable segment; 0 if none holds it. */
static uint64_t file_offset_of(Elf *elf, uint64_t vaddr)
{
	size_t n = 0;
	if (elf_getphdrnum(elf, &n) < 0)
		return 0;
	for (size_t i = 0; i < n && i < PHDRS_MAX; i++) {
		GElf_Phdr ph;
		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		if (vaddr >= ph.p_vaddr && vaddr - ph.p_vaddr < ph.p_filesz)
			return vaddr - ph.p_vaddr + ph.p_offset;
	}
	return 0;
}

static struct elf_symbol *wanted(struct elf_symbol *symbols, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!symbols[i].file_offset && strcmp(symbols[i].name, name) == 0)
			return &symbols[i];
	return NULL;
}

/* The names' common first letters: a glance at the string before it is compared with each. */
static bool worth_comparing(const char *name)
{
	return name[0] == 'S' && name[1] == 'S' && name[2] == 'L' && name[3] == '_';
}

static int scan_table(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, struct elf_symbol *symbols,
		      size_t n_symbols)
{
	if (sh->sh_entsize == 0)
		return -EIO;
	uint64_t n = sh->sh_size / sh->sh_entsize;
	if (n > SYMBOLS_MAX)
		return -E2BIG;
	Elf_Scn *str_scn = elf_getscn(elf, sh->sh_link);
	GElf_Shdr str_sh;
	if (!str_scn || !gelf_getshdr(str_scn, &str_sh) || str_sh.sh_size > STRTAB_MAX)
		return -EIO;
	Elf_Data *data = elf_getdata(scn, NULL);
	if (!data)
		return -EIO;
	for (uint64_t i = 0; i < n; i++) {
		GElf_Sym sym;
		if (!gelf_getsym(data, (int)i, &sym))
			return -EIO;
		if (GELF_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_shndx == SHN_UNDEF || sym.st_value == 0)
			continue;
		/* elf_strptr checks that the string ends within its section. */
		const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (!name || !worth_comparing(name))
			continue;
		struct elf_symbol *w = wanted(symbols, n_symbols, name);
		if (w)
			w->file_offset = file_offset_of(elf, sym.st_value);
	}
	return 0;
}

static int scan_kind(Elf *elf, uint32_t type, struct elf_symbol *symbols, size_t n_symbols)
{
	Elf_Scn *scn = NULL;
	for (unsigned int i = 0; i < SECTIONS_MAX && (scn = elf_nextscn(elf, scn)); i++) {
		GElf_Shdr sh;
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != type)
			continue;
		int r = scan_table(elf, scn, &sh, symbols, n_symbols);
		if (r < 0)
			return r;
	}
	return 0;
}

static int count_found(const struct elf_symbol *symbols, size_t n)
{
	int found = 0;
	for (size_t i = 0; i < n; i++)
		found += symbols[i].file_offset != 0;
	return found;
}

/* libelf is asked to read sections, not to map the file: a file that shrinks under a map would kill us. */
int elf_symbols_find(int fd, struct elf_symbol *symbols, size_t n_symbols)
{
	struct stat st;
	char magic[SELFMAG];

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || pread(fd, magic, SELFMAG, 0) != SELFMAG ||
	    memcmp(magic, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EIO;
	_cleanup_(cleanup_elf) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	GElf_Ehdr eh;
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh))
		return -ENOEXEC;
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || (eh.e_type != ET_DYN && eh.e_type != ET_EXEC))
		return -ENOEXEC;
	for (size_t i = 0; i < n_symbols; i++)
		symbols[i].file_offset = 0;
	int r = scan_kind(elf, SHT_DYNSYM, symbols, n_symbols);
	if (r >= 0 && count_found(symbols, n_symbols) < (int)n_symbols)
		r = scan_kind(elf, SHT_SYMTAB, symbols, n_symbols);
	int found = count_found(symbols, n_symbols);
	return found ? found : r;
}
