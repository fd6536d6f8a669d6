# SPDX-License-Identifier: Apache-2.0
"""Content codings, as a server applies them: what is fed comes out at once, so that a stream's events do not wait
for each other in the compressor."""

import re
import zlib

import brotli
import zstandard


class Deflate:
    """`wbits`: 31 gzip, 15 zlib (what HTTP calls deflate), -15 the bare format that some servers send for it."""

    def __init__(self, wbits):
        self.coder = zlib.compressobj(6, zlib.DEFLATED, wbits)

    def feed(self, data):
        return self.coder.compress(data) + self.coder.flush(zlib.Z_SYNC_FLUSH)

    def finish(self):
        return self.coder.flush()


class Brotli:
    def __init__(self):
        self.coder = brotli.Compressor(quality=4)

    def feed(self, data):
        return self.coder.process(data) + self.coder.flush()

    def finish(self):
        return self.coder.finish()


class Zstd:
    def __init__(self):
        self.coder = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()

    def feed(self, data):
        return self.coder.compress(data) + self.coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self):
        return self.coder.flush()


class Several:
    """In the order in which they are applied, which is the order of the Content-Encoding header."""

    def __init__(self, coders):
        self.coders = coders

    def feed(self, data):
        for coder in self.coders:
            data = coder.feed(data)
        return data

    def finish(self):
        rest = b""
        for coder in self.coders:
            rest = (coder.feed(rest) if rest else b"") + coder.finish()
        return rest


MAKERS = {
    "gzip": lambda: Deflate(31),
    "deflate": lambda: Deflate(15),
    "raw-deflate": lambda: Deflate(-15),
    "br": Brotli,
    "zstd": Zstd,
}


def names(coding):
    return [name.strip() for name in coding.split(",") if name.strip()]


def header(coding):
    """The value of Content-Encoding."""
    return ", ".join(name.replace("raw-", "") for name in names(coding))


def coder(coding):
    made = [MAKERS[name]() for name in names(coding)]
    return made[0] if len(made) == 1 else Several(made)


def encode(coding, data):
    made = coder(coding)
    return made.feed(data) + made.finish()


def accepted(coding, header_value):
    """Whether a client that sends this Accept-Encoding takes it."""
    takes = {}
    for part in (header_value or "").split(","):
        name, _, rest = part.strip().partition(";")
        quality = re.search(r"q=([0-9.]+)", rest)
        takes[name.strip().lower()] = float(quality.group(1)) if quality else 1.0
    return all(takes.get(name.replace("raw-", ""), takes.get("*", 0.0)) > 0.0 for name in names(coding))


def decode(coding, data):
    """Of a request's body. ValueError if it is not what it says."""
    try:
        for name in reversed(names(coding)):
            if name in ("gzip", "x-gzip", "deflate"):
                data = zlib.decompress(data, 15 if name == "deflate" else 31)
            elif name == "br":
                data = brotli.decompress(data)
            elif name == "zstd":
                data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
            elif name != "identity":
                raise ValueError(f"no coding of ours: {name}")
    except (zlib.error, brotli.error, zstandard.ZstdError) as problem:
        raise ValueError(str(problem)) from None
    return data
