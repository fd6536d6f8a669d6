/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/elf_symbols.h"

enum { SECTION_NONE, SECTION_SYMBOLS, SECTION_STRINGS, SECTION_NAMES, SECTIONS };

#define TEXT_ADDRESS 0x400000U
#define TEXT_OFFSET  0x100U
#define READ_AT	     0x20U
#define WRITE_AT     0x60U

/* A library as small as can be: two functions, one code segment. Its tables may lie elsewhere in the file. */
struct small {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	Elf64_Shdr sections[SECTIONS];
	Elf64_Sym symbols[3];
	char strings[32];
	char names[32];
};

static const char strings[] = "\0my_SSL_read\0SSL_write";
static const char names[] = "\0.note\0.go.buildinfo";

static struct small small_library(void)
{
	struct small f = {
		.header = {.e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phoff = offsetof(struct small, segments),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 2,
			   .e_shoff = offsetof(struct small, sections),
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = SECTIONS,
			   .e_shstrndx = SECTION_NAMES},
		.segments = {{.p_type = PT_LOAD, .p_flags = PF_R},
			     {.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_offset = TEXT_OFFSET,
			      .p_vaddr = TEXT_ADDRESS,
			      .p_filesz = 0x100,
			      .p_memsz = 0x100}},
		.sections = {[SECTION_SYMBOLS] = {.sh_type = SHT_DYNSYM,
						  .sh_offset = offsetof(struct small, symbols),
						  .sh_size = 3 * sizeof(Elf64_Sym),
						  .sh_entsize = sizeof(Elf64_Sym),
						  .sh_link = SECTION_STRINGS},
			     [SECTION_STRINGS] = {.sh_type = SHT_STRTAB,
						  .sh_offset = offsetof(struct small, strings),
						  .sh_size = sizeof(strings)},
			     [SECTION_NAMES] = {.sh_type = SHT_STRTAB,
						.sh_name = 1,
						.sh_offset = offsetof(struct small, names),
						.sh_size = sizeof(names)}},
		/* Linkers let a name be the tail of another. */
		.symbols = {[1] = {.st_name = 4,
				   .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				   .st_shndx = 1,
				   .st_value = TEXT_ADDRESS + READ_AT},
			    [2] = {.st_name = 13,
				   .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				   .st_shndx = 1,
				   .st_value = TEXT_ADDRESS + WRITE_AT}},
	};
	memcpy(f.header.e_ident, ELFMAG, SELFMAG);
	f.header.e_ident[EI_CLASS] = ELFCLASS64;
	f.header.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	f.header.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(f.strings, strings, sizeof(strings));
	memcpy(f.names, names, sizeof(names));
	return f;
}

static struct elf_symbol found[2];

static int find_in_fd(int fd)
{
	found[0] = (struct elf_symbol){.name = "SSL_read"};
	found[1] = (struct elf_symbol){.name = "SSL_write"};
	return elf_symbols_find(fd, found, 2);
}

static int memory_file(const struct small *f)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f, sizeof(*f)), sizeof(*f));
	return fd;
}

static int find_in(const struct small *f)
{
	_cleanup_close_ int fd = memory_file(f);
	return find_in_fd(fd);
}

static void test_small_library(void **state)
{
	struct small f = small_library();
	(void)state;
	assert_int_equal(find_in(&f), 2);
	assert_int_equal(found[0].file_offset, TEXT_OFFSET + READ_AT);
	assert_int_equal(found[1].file_offset, TEXT_OFFSET + WRITE_AT);
	f.sections[SECTION_SYMBOLS].sh_type = SHT_SYMTAB;
	assert_int_equal(find_in(&f), 2);
}

/* Each field that says how large a table is or how it is laid out, one at a time. */
static void test_claims(void **state)
{
	static const struct {
		size_t at, size;
		uint64_t value;
		int expected;
	} claims[] = {
#define FIELD(f) offsetof(struct small, f), sizeof(((struct small *)0)->f)
		{FIELD(header.e_shnum), 0, -EIO},
		{FIELD(header.e_shnum), 4097, -E2BIG},
		{FIELD(header.e_shnum), 4096, -EIO},
		{FIELD(header.e_shentsize), 65, -EIO},
		{FIELD(header.e_shentsize), 0, -EIO},
		{FIELD(header.e_shoff), UINT64_MAX, -EIO},
		{FIELD(header.e_phnum), PN_XNUM, -E2BIG},
		{FIELD(header.e_phnum), 257, -E2BIG},
		{FIELD(header.e_phnum), 256, -EIO},
		{FIELD(header.e_phentsize), 1, -EIO},
		{FIELD(header.e_phoff), UINT64_MAX - 8, -EIO},
		{FIELD(header.e_type), ET_REL, -ENOEXEC},
		{FIELD(header.e_ident[EI_CLASS]), ELFCLASS32, -ENOEXEC},
		{FIELD(header.e_ident[EI_DATA]), 0, -ENOEXEC},
		{FIELD(sections[SECTION_SYMBOLS].sh_entsize), 0, -EIO},
		{FIELD(sections[SECTION_SYMBOLS].sh_entsize), 48, -EIO},
		{FIELD(sections[SECTION_SYMBOLS].sh_size), UINT64_MAX, -EIO},
		{FIELD(sections[SECTION_SYMBOLS].sh_size), 24ULL * 4000001, -E2BIG},
		{FIELD(sections[SECTION_SYMBOLS].sh_size), 24ULL * 4000000, -EIO},
		{FIELD(sections[SECTION_SYMBOLS].sh_offset), UINT64_MAX - 23, -EIO},
		{FIELD(sections[SECTION_SYMBOLS].sh_link), SECTIONS, -EIO},
		{FIELD(sections[SECTION_SYMBOLS].sh_link), SECTION_SYMBOLS, -EIO},
		{FIELD(sections[SECTION_STRINGS].sh_size), (256U << 20) + 1, -E2BIG},
		{FIELD(sections[SECTION_STRINGS].sh_size), 256U << 20, -EIO},
		{FIELD(sections[SECTION_STRINGS].sh_offset), UINT64_MAX, -EIO},
		{FIELD(segments[1].p_offset), UINT64_MAX - 0x20, 0},
		{FIELD(segments[1].p_vaddr), 0, 0},
		{FIELD(symbols[1].st_shndx), SHN_UNDEF, 1},
		{FIELD(symbols[1].st_name), UINT32_MAX, 1},
		/* The string must end inside its table. */
		{FIELD(sections[SECTION_STRINGS].sh_size), sizeof(strings) - 1, 1},
#undef FIELD
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
		struct small f = small_library();
		/* What e_shnum 0 would let section 0 say. */
		f.sections[0].sh_size = SECTIONS;
		memcpy((char *)&f + claims[i].at, &claims[i].value, claims[i].size);
		int r = find_in(&f);
		if (r != claims[i].expected)
			print_error("claim %zu\n", i);
		assert_int_equal(r, claims[i].expected);
	}
}

static double cpu_ms(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long peak_kib(void)
{
	struct rusage u;
	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

/* A few KB on disk that claim the largest tables allowed, thousands of them. */
static void test_sparse(void **state)
{
	struct small f = small_library();
	Elf64_Shdr more[4096];
	char path[] = "/tmp/oaitap-elf-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	f.header.e_shoff = 4096;
	f.header.e_shnum = ARRAY_SIZE(more);
	f.sections[SECTION_SYMBOLS].sh_offset = 1 << 20;
	f.sections[SECTION_SYMBOLS].sh_size = 24ULL * 4000000;
	f.sections[SECTION_STRINGS].sh_offset = 200U << 20;
	f.sections[SECTION_STRINGS].sh_size = 256U << 20;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		more[i] = f.sections[i < SECTIONS ? i : SECTION_SYMBOLS];
	assert_int_equal(pwrite(fd, &f, sizeof(f), 0), sizeof(f));
	assert_int_equal(pwrite(fd, more, sizeof(more), 4096), sizeof(more));
	assert_int_equal(ftruncate(fd, 500 << 20), 0);
	/* One true name and symbol in the midst of it, on both sides of a hole's edge. */
	assert_int_equal(pwrite(fd, "SSL_write", 9, (300 << 20) - 9), 9);
	f.symbols[2].st_name = (100 << 20) - 9;
	assert_int_equal(pwrite(fd, &f.symbols[2], sizeof(Elf64_Sym), (1 << 20) + 24 * 3000000), 24);

	long peak = peak_kib();
	double start = cpu_ms();
	assert_int_equal(find_in_fd(fd), 1);
	assert_int_equal(found[1].file_offset, TEXT_OFFSET + WRITE_AT);
	assert_true(cpu_ms() - start < 100);
	assert_true(peak_kib() - peak < 4096);
}

/* Wherever a slice ends, a name across its end is found, and only once. */
static void test_slices(void **state)
{
	(void)state;
	for (uint32_t at = 49000; at < 49400; at++) {
		struct small f = small_library();
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *text = malloc(100000);
		assert_non_null(text);
		memset(text, 'x', 100000);
		memcpy(text + at, "SSL_write", 10);
		text[99999] = 0;
		f.sections[SECTION_STRINGS].sh_offset = sizeof(f);
		f.sections[SECTION_STRINGS].sh_size = 100000;
		f.symbols[2].st_name = at;
		fd = memory_file(&f);
		assert_int_equal(write(fd, text, 100000), 100000);
		assert_int_equal(find_in_fd(fd), 1);
		assert_int_equal(found[1].file_offset, TEXT_OFFSET + WRITE_AT);
	}
}

static void test_too_many_spellings(void **state)
{
	struct small f = small_library();
	(void)state;
	for (unsigned int n = 1023; n <= 1025; n++) {
		_cleanup_close_ int fd = -1;
		f.sections[SECTION_STRINGS].sh_offset = sizeof(f);
		f.sections[SECTION_STRINGS].sh_size = n * 10;
		f.symbols[1].st_name = 1; /* no such name */
		f.symbols[2].st_name = 10 * (n - 1);
		fd = memory_file(&f);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(write(fd, "SSL_write", 10), 10);
		assert_int_equal(find_in_fd(fd), n > 1024 ? -E2BIG : 1);
	}
}

static int has_section(const struct small *f, const char *name)
{
	_cleanup_close_ int fd = memory_file(f);
	return elf_symbols_has_section(fd, name);
}

static void test_sections(void **state)
{
	struct small f = small_library();
	(void)state;
	assert_int_equal(has_section(&f, ".note"), 1);
	assert_int_equal(has_section(&f, ".go.buildinfo"), 0);
	f.sections[SECTION_STRINGS].sh_name = 7;
	assert_int_equal(has_section(&f, ".go.buildinfo"), 1);
	f.sections[SECTION_NAMES].sh_size = sizeof(names) - 1;
	assert_int_equal(has_section(&f, ".go.buildinfo"), 0);
	f.sections[SECTION_NAMES].sh_size = UINT64_MAX;
	f.sections[SECTION_NAMES].sh_offset = UINT64_MAX - 3;
	assert_int_equal(has_section(&f, ".go.buildinfo"), 0);
	f.header.e_shstrndx = SHN_XINDEX;
	assert_int_equal(has_section(&f, ".note"), -EIO);
	f.header.e_shnum = 0;
	f.sections[0].sh_size = SECTIONS;
	assert_int_equal(has_section(&f, ".note"), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sparse), /* first: it looks at the peak of memory */
		cmocka_unit_test(test_small_library), cmocka_unit_test(test_claims),
		cmocka_unit_test(test_slices),	      cmocka_unit_test(test_too_many_spellings),
		cmocka_unit_test(test_sections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
