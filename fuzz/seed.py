#!/usr/bin/env python3
"""Writes the fuzz targets' seed corpora: corpus/<plugin>/<scenario> from the decoders' fixtures, and of WebSockets."""
import pathlib
import zlib

here = pathlib.Path(__file__).parent
for plugin in ("pgoutput", "wal2json"):
    corpus = here / "corpus" / plugin
    corpus.mkdir(parents=True, exist_ok=True)
    for fixture in (here.parent / "tests/fixtures/decode" / plugin).glob("*.frames"):
        payloads = [line.split(" ", 1)[1] for line in fixture.read_text().splitlines()]
        frames = [bytes.fromhex(text) if plugin == "pgoutput" else text.encode() for text in payloads]
        seed = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames if len(frame) < 65536)
        (corpus / fixture.stem).write_bytes(seed)


def deflate(text, flush=zlib.Z_SYNC_FLUSH):
    compress = zlib.compressobj(wbits=-15)
    return (compress.compress(text) + compress.flush(flush)).removesuffix(b"\0\0\xff\xff")


def frame(first, payload):
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + b"\0\0\0\0" + payload


messages = {
    "hello": b"Hello",
    "upgrade": b"5",
    "event": b'42["subscribe",{"room":"documents:1","since":"0/16B3748:0"}]' * 9,
    "large": b"x" * 5000,
}
ping = frame(0x89, b"beat")
for target in ("inbound", "inflate"):
    (here / "corpus" / target).mkdir(parents=True, exist_ok=True)
for name, message in messages.items():
    payload = deflate(message)
    half = len(payload) // 2
    fragments = frame(0x41, payload[:half]) + ping + frame(0x80, payload[half:])
    plain = frame(0x01, message[:3]) + ping + frame(0x80, message[3:])
    # The first byte: compression was negotiated, and the rest arrives in parts of eight bytes.
    (here / "corpus/inbound" / name).write_bytes(b"\x0f" + frame(0xC1, payload) + fragments + plain)
    (here / "corpus/inflate" / name).write_bytes(payload)
    (here / "corpus/inflate" / f"{name}-ended").write_bytes(deflate(message, zlib.Z_FINISH) + b"\0")
