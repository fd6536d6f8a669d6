#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/fuzz/corpus/elf: small crafted ELF files. A file's name begins with the answer that is expected of
elf_symbols_find() for SSL_read and SSL_write: a number of symbols, or eio, e2big, enoexec."""

import pathlib
import struct
import sys

HEADER, SEGMENT, SECTION, SYMBOL = 64, 56, 64, 24
ADDRESS, CODE_SIZE = 0x400000, 0x100
SHT_NULL, SHT_SYMTAB, SHT_STRTAB, SHT_DYNSYM = 0, 2, 3, 11
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
STB_LOCAL, STB_GLOBAL = 0, 1
STT_OBJECT, STT_FUNC, STT_GNU_IFUNC = 1, 2, 10
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
STRINGS = b"\0my_SSL_read\0SSL_write\0"


class Elf:
    """One code segment, one symbol table and its names; every field may be changed before it is written."""

    def __init__(self):
        self.ident = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9))
        self.order = "<"
        self.header = {"type": ET_DYN, "machine": 62, "version": 1, "entry": 0, "phoff": HEADER, "shoff": None}
        self.header |= {"flags": 0, "ehsize": HEADER, "phentsize": SEGMENT, "phnum": 1}
        self.header |= {"shentsize": SECTION, "shnum": None, "shstrndx": 0}
        self.segment = {"type": 1, "flags": 5, "offset": 0, "vaddr": ADDRESS, "paddr": ADDRESS}
        self.segment |= {"filesz": CODE_SIZE, "memsz": CODE_SIZE, "align": 4096}
        self.symbols = [self.symbol(0, 0, 0, 0, 0), self.symbol(4, 0x20), self.symbol(13, 0x60)]
        self.strings = STRINGS
        self.sections = [self.section(SHT_NULL), self.section(SHT_DYNSYM), self.section(SHT_STRTAB)]
        self.sections[1] |= {"entsize": SYMBOL, "link": 2}

    @staticmethod
    def symbol(name, at, bind=STB_GLOBAL, kind=STT_FUNC, section=1):
        return {"name": name, "info": bind << 4 | kind, "other": 0, "section": section, "size": 8} | {
            "value": ADDRESS + at if section else 0
        }

    @staticmethod
    def section(kind):
        fields = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize")
        return dict.fromkeys(fields, 0) | {"type": kind, "offset": None, "size": None}

    def bytes(self):
        at = HEADER + SEGMENT
        symbols = b"".join(
            struct.pack(self.order + "IBBHQQ", *(s[f] for f in ("name", "info", "other", "section", "value", "size")))
            for s in self.symbols
        )
        places = {SHT_NULL: (0, 0), SHT_STRTAB: (at + len(symbols), len(self.strings))}
        places |= dict.fromkeys((SHT_DYNSYM, SHT_SYMTAB), (at, len(symbols)))
        end = at + len(symbols) + len(self.strings)
        end += -end % 8
        header = self.header | {k: v for k, v in (("shoff", end), ("shnum", len(self.sections))) if self.header[k] is None}
        data = bytes(self.ident) + struct.pack(self.order + "HHIQQQIHHHHHH", *header.values())
        order = ("type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align")
        data += struct.pack(self.order + "IIQQQQQQ", *(self.segment[f] for f in order))
        data += symbols + self.strings
        data += bytes(end - len(data))
        for s in self.sections:
            offset, size = places.get(s["type"], (0, 0))
            s = s | {k: v for k, v in (("offset", offset), ("size", size)) if s[k] is None}
            data += struct.pack(self.order + "IIQQQQIIQQ", *s.values())
        return data


def files():
    """(name, bytes) of each."""

    def one(name, change=lambda elf: None):
        elf = Elf()
        change(elf)
        return name, elf.bytes()

    def header(**fields):
        return lambda elf: elf.header.update(fields)

    def segment(**fields):
        return lambda elf: elf.segment.update(fields)

    def section(number, **fields):
        return lambda elf: elf.sections[number].update(fields)

    def symbol(number, **fields):
        return lambda elf: elf.symbols[number].update(fields)

    def symbols(**fields):
        return lambda elf: [s.update(fields) for s in elf.symbols[1:]]

    def symtab(elf):
        elf.sections[1]["type"] = SHT_SYMTAB

    def local_and_hidden(elf):
        symtab(elf)
        for s in elf.symbols[1:]:
            s |= {"info": STB_LOCAL << 4 | STT_FUNC, "other": 2}

    def exec_local(elf):
        local_and_hidden(elf)
        elf.header["type"] = ET_EXEC

    def resolver(elf):
        elf.symbols[1]["info"] = STB_GLOBAL << 4 | STT_GNU_IFUNC

    def thirty_two(elf):
        elf.ident[4] = 1

    def big_endian(elf):
        elf.ident[5] = 2
        elf.order = ">"

    def both_tables(elf):
        elf.sections += [elf.section(SHT_SYMTAB) | {"entsize": SYMBOL, "link": 2}]
        elf.sections[1]["size"] = 2 * SYMBOL

    def many_tables(elf):
        elf.sections += [dict(elf.sections[1]) for _ in range(60)]

    yield one("2-dynsym")
    yield one("2-symtab", symtab)
    yield one("2-symtab-local-hidden", local_and_hidden)
    yield one("2-exec-local", exec_local)
    yield one("2-one-in-each-table", both_tables)
    yield one("2-many-tables", many_tables)
    yield one("1-resolver", resolver)
    yield one("1-object", symbol(2, info=STB_GLOBAL << 4 | STT_OBJECT))
    yield one("1-undefined", symbol(1, section=0))
    yield one("1-name-out-of-range", symbol(1, name=U32))
    yield one("1-name-at-the-end", symbol(1, name=len(STRINGS)))
    yield one("1-name-unfinished", section(2, size=len(STRINGS) - 1))
    yield one("0-names-out-of-range", symbols(name=U32 - 3))
    yield one("1-address-outside", symbol(1, value=ADDRESS + CODE_SIZE))
    yield one("1-address-wraps", symbol(1, value=U64))
    yield one("0-segment-wraps", segment(offset=U64 - 0x10))
    yield one("0-segment-not-code", segment(flags=4))
    yield one("2-segment-4gb", segment(filesz=1 << 32, memsz=1 << 32))
    yield one("0-no-segments", header(phnum=0))
    yield one("eio-sections-none", header(shnum=0))
    yield one("eio-sections-beyond", header(shoff=U64 - 16))
    yield one("eio-sections-cut", header(shnum=4000))
    yield one("e2big-sections", header(shnum=0xFFFF))
    yield one("eio-section-size", header(shentsize=0))
    yield one("e2big-segments-xnum", header(phnum=0xFFFF))
    yield one("eio-segments-cut", header(phnum=200))
    yield one("eio-segment-size", header(phentsize=0))
    yield one("eio-symbols-4gb", section(1, size=24 * 4000000))
    yield one("e2big-symbols-4gb", section(1, size=(1 << 32) // 24 * 24))
    yield one("eio-symbols-huge", section(1, size=U64))
    yield one("eio-symbols-offset", section(1, offset=U64 - 23))
    yield one("eio-entry-size-zero", section(1, entsize=0))
    yield one("eio-entry-size", section(1, entsize=16))
    yield one("e2big-names-4gb", section(2, size=1 << 32))
    yield one("eio-names-256mb", section(2, size=256 << 20))
    yield one("eio-link-to-itself", section(1, link=1))
    yield one("eio-link-out-of-range", section(1, link=U32))
    yield one("2-link-in-a-circle", section(2, link=1))
    yield one("0-overlap-symbols-are-names", section(2, offset=HEADER + SEGMENT, size=3 * SYMBOL))
    yield one("2-overlap-all", section(2, offset=HEADER + SEGMENT + 3 * SYMBOL, size=len(STRINGS) + SECTION))
    yield one("enoexec-object-file", header(type=ET_REL))
    yield one("enoexec-32-bit", thirty_two)
    yield one("enoexec-big-endian", big_endian)
    whole = Elf().bytes()
    sections = struct.unpack_from("<Q", whole, 40)[0]
    yield "enoexec-cut-empty", b""
    yield "enoexec-cut-magic", whole[:4]
    yield "enoexec-cut-header", whole[: HEADER - 1]
    yield "eio-cut-after-header", whole[:HEADER]
    yield "eio-cut-segments", whole[: HEADER + SEGMENT - 1]
    yield "eio-cut-symbols", whole[: HEADER + SEGMENT + SYMBOL]
    yield "eio-cut-sections", whole[: sections + SECTION]
    yield "eio-cut-last-byte", whole[:-1]


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/fuzz/corpus/elf"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
