/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/elf_symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

/* Tables are streamed, so the two large limits bound time, not memory. */
#define SYMBOLS_MAX  4000000U
#define STRTAB_MAX   (256U << 20)
#define SECTIONS_MAX 4096U
#define PHDRS_MAX    256U
/* Compilers make one executable segment, linkers with large pages two or three. */
#define CODE_MAX 16U
/* Places in one string table that spell a wanted name: names that merely end in one ("my_SSL_read") count. */
#define SPELLINGS_MAX 1024U
#define NAME_MAX_LEN  64U
#define PREFIX	      "SSL_"

#define SYMBOLS_PER_SLICE 2048U
#define SLICE		  (SYMBOLS_PER_SLICE * sizeof(Elf64_Sym))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_DATA ELFDATA2LSB
#else
#define NATIVE_DATA ELFDATA2MSB
#endif

struct image {
	int fd;
	uint64_t size;
	Elf64_Ehdr header;
	Elf64_Shdr *sections; /* header.e_shnum */
	Elf64_Phdr code[CODE_MAX];
	size_t n_code;
};

/* A place in the string table and the symbol whose name is there. */
struct spelling {
	uint32_t at;
	uint32_t symbol;
};

struct search {
	struct elf_symbol *symbols;
	size_t n_symbols;
	size_t n_spellings;
	struct spelling spellings[SPELLINGS_MAX]; /* ascending */
	union {
		Elf64_Sym table[SYMBOLS_PER_SLICE];
		char text[SLICE];
	} slice;
};

static void image_done(struct image *image)
{
	free(image->sections);
}

static bool inside(const struct image *image, uint64_t offset, uint64_t len)
{
	return offset <= image->size && len <= image->size - offset;
}

static int read_at(const struct image *image, uint64_t offset, void *ret_data, size_t len)
{
	if (!inside(image, offset, len))
		return -EIO;
	return pread(image->fd, ret_data, len, (off_t)offset) == (ssize_t)len ? 0 : -EIO;
}

/* The first place from offset on that has data, or end. A file system that cannot tell has data everywhere.
 */
static uint64_t skip_hole(const struct image *image, uint64_t offset, uint64_t end)
{
	off_t data = lseek(image->fd, (off_t)offset, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? end : offset;
	return MIN(MAX((uint64_t)data, offset), end);
}

static int check_header(const Elf64_Ehdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != NATIVE_DATA || (h->e_type != ET_DYN && h->e_type != ET_EXEC))
		return -ENOEXEC;
	/* e_shnum 0 and PN_XNUM move the true count into section 0, where it has 32 and more bits. */
	if (h->e_shnum > SECTIONS_MAX || h->e_phnum > PHDRS_MAX)
		return -E2BIG;
	if (h->e_shnum == 0 || h->e_shentsize != sizeof(Elf64_Shdr) ||
	    (h->e_phnum && h->e_phentsize != sizeof(Elf64_Phdr)))
		return -EIO;
	return 0;
}

static int read_sections(struct image *image)
{
	size_t len = image->header.e_shnum * sizeof(Elf64_Shdr);
	if (!inside(image, image->header.e_shoff, len))
		return -EIO;
	image->sections = malloc(len);
	return image->sections ? read_at(image, image->header.e_shoff, image->sections, len) : -ENOMEM;
}

static int read_code_segments(struct image *image)
{
	const Elf64_Ehdr *h = &image->header;
	if (!inside(image, h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr)))
		return -EIO;
	for (size_t i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr ph;
		int r = read_at(image, h->e_phoff + i * sizeof(ph), &ph, sizeof(ph));
		if (r < 0)
			return r;
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		if (image->n_code == CODE_MAX)
			return -E2BIG;
		image->code[image->n_code++] = ph;
	}
	return 0;
}

/* On failure image_done() is due as well. */
static int image_init(struct image *image, int fd)
{
	struct stat st;

	*image = (struct image){.fd = fd};
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	image->size = (uint64_t)st.st_size;
	if (read_at(image, 0, &image->header, sizeof(image->header)) < 0)
		return -ENOEXEC;
	int r = check_header(&image->header);
	return r < 0 ? r : read_sections(image);
}

/* File offset of an address inside an executable segment; 0 if none holds it. */
static uint64_t file_offset_of(const struct image *image, uint64_t vaddr)
{
	for (size_t i = 0; i < image->n_code; i++) {
		const Elf64_Phdr *ph = &image->code[i];
		if (vaddr < ph->p_vaddr || vaddr - ph->p_vaddr >= ph->p_filesz)
			continue;
		uint64_t offset = vaddr - ph->p_vaddr;
		return inside(image, ph->p_offset, offset + 1) ? ph->p_offset + offset : 0;
	}
	return 0;
}

static int add_spelling(struct search *s, uint64_t at, const char *text, size_t len)
{
	for (size_t i = 0; i < s->n_symbols; i++) {
		size_t size = strlen(s->symbols[i].name) + 1;
		if (size > len || memcmp(text, s->symbols[i].name, size) != 0)
			continue;
		if (s->n_spellings == SPELLINGS_MAX)
			return -E2BIG;
		s->spellings[s->n_spellings++] = (struct spelling){(uint32_t)at, (uint32_t)i};
		return 0;
	}
	return 0;
}

/* Names that begin in the first `begin` bytes of the slice; its rest is there so that they can end. */
static int search_text(struct search *s, uint64_t at, size_t len, size_t begin)
{
	const char *text = s->slice.text, *hit;
	for (size_t i = 0; i < begin && (hit = memmem(text + i, len - i, PREFIX, sizeof(PREFIX) - 1));) {
		i = (size_t)(hit - text);
		if (i >= begin)
			break;
		int r = add_spelling(s, at + i, hit, len - i);
		if (r < 0)
			return r;
		i += sizeof(PREFIX) - 1;
	}
	return 0;
}

/* Slices overlap by one name. So a name at the end of the data before a hole gets its NUL from the hole. */
static int find_spellings(const struct image *image, const Elf64_Shdr *strings, struct search *s)
{
	uint64_t base = strings->sh_offset, end = base + strings->sh_size;

	s->n_spellings = 0;
	for (uint64_t pos = skip_hole(image, base, end); pos < end;) {
		size_t len = MIN((uint64_t)SLICE, end - pos);
		size_t begin = pos + len == end ? len : len - NAME_MAX_LEN;
		int r = read_at(image, pos, s->slice.text, len);
		if (r >= 0)
			r = search_text(s, pos - base, len, begin);
		if (r < 0)
			return r;
		pos = skip_hole(image, pos + begin, end);
	}
	return 0;
}

static int compare_spelling(const void *key, const void *member)
{
	uint32_t at = *(const uint32_t *)key, other = ((const struct spelling *)member)->at;
	return (at > other) - (at < other);
}

static void look_at_symbol(const struct image *image, struct search *s, const Elf64_Sym *sym)
{
	if (ELF64_ST_TYPE(sym->st_info) != STT_FUNC || sym->st_shndx == SHN_UNDEF || sym->st_value == 0)
		return;
	const struct spelling *sp =
		bsearch(&sym->st_name, s->spellings, s->n_spellings, sizeof(*sp), compare_spelling);
	if (sp && !s->symbols[sp->symbol].file_offset)
		s->symbols[sp->symbol].file_offset = file_offset_of(image, sym->st_value);
}

/* A hole holds empty symbols only. */
static int look_at_symbols(const struct image *image, const Elf64_Shdr *table, struct search *s)
{
	uint64_t base = table->sh_offset, end = base + table->sh_size;

	for (uint64_t pos = base; (pos = skip_hole(image, pos, end)) < end;) {
		pos -= (pos - base) % sizeof(Elf64_Sym);
		size_t len = MIN((uint64_t)SLICE, end - pos);
		int r = read_at(image, pos, s->slice.table, len);
		if (r < 0)
			return r;
		for (size_t i = 0; i < len / sizeof(Elf64_Sym); i++)
			look_at_symbol(image, s, &s->slice.table[i]);
		pos += len;
	}
	return 0;
}

static int scan_table(const struct image *image, const Elf64_Shdr *table, struct search *s)
{
	if (table->sh_entsize != sizeof(Elf64_Sym) || table->sh_size % sizeof(Elf64_Sym) != 0 ||
	    table->sh_link >= image->header.e_shnum)
		return -EIO;
	const Elf64_Shdr *strings = &image->sections[table->sh_link];
	if (table->sh_size / sizeof(Elf64_Sym) > SYMBOLS_MAX || strings->sh_size > STRTAB_MAX)
		return -E2BIG;
	if (strings->sh_type != SHT_STRTAB || !inside(image, table->sh_offset, table->sh_size) ||
	    !inside(image, strings->sh_offset, strings->sh_size))
		return -EIO;
	int r = find_spellings(image, strings, s);
	return r < 0 || s->n_spellings == 0 ? r : look_at_symbols(image, table, s);
}

/* The format allows one table of each kind; were all looked at, a small file could name one large table
 * thousands of times. */
static int scan_kind(const struct image *image, uint32_t type, struct search *s)
{
	for (size_t i = 0; i < image->header.e_shnum; i++)
		if (image->sections[i].sh_type == type)
			return scan_table(image, &image->sections[i], s);
	return 0;
}

static int count_found(const struct elf_symbol *symbols, size_t n)
{
	int found = 0;
	for (size_t i = 0; i < n; i++)
		found += symbols[i].file_offset != 0;
	return found;
}

int elf_symbols_find(int fd, struct elf_symbol *symbols, size_t n_symbols)
{
	_cleanup_(image_done) struct image image;
	int r = image_init(&image, fd);
	if (r >= 0)
		r = read_code_segments(&image);
	if (r < 0)
		return r;
	_cleanup_free_ struct search *s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->symbols = symbols;
	s->n_symbols = n_symbols;
	for (size_t i = 0; i < n_symbols; i++)
		symbols[i].file_offset = 0;
	r = scan_kind(&image, SHT_DYNSYM, s);
	if (r >= 0 && count_found(symbols, n_symbols) < (int)n_symbols)
		r = scan_kind(&image, SHT_SYMTAB, s);
	int found = count_found(symbols, n_symbols);
	return found ? found : r;
}

int elf_symbols_has_section(int fd, const char *name)
{
	_cleanup_(image_done) struct image image;
	char text[NAME_MAX_LEN];
	size_t size = strlen(name) + 1;

	int r = image_init(&image, fd);
	if (r < 0)
		return r;
	if (size > sizeof(text) || image.header.e_shstrndx >= image.header.e_shnum)
		return -EIO;
	const Elf64_Shdr *names = &image.sections[image.header.e_shstrndx];
	for (size_t i = 0; i < image.header.e_shnum; i++) {
		uint64_t at = image.sections[i].sh_name;
		if (at < names->sh_size && size <= names->sh_size - at &&
		    inside(&image, names->sh_offset, at) &&
		    read_at(&image, names->sh_offset + at, text, size) == 0 && memcmp(text, name, size) == 0)
			return 1;
	}
	return 0;
}
