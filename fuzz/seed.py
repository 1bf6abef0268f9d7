#!/usr/bin/env python3
"""Writes the fuzz targets' seed corpora from the decoders' fixtures: corpus/<plugin>/<scenario>."""
import pathlib

here = pathlib.Path(__file__).parent
for plugin in ("pgoutput", "wal2json"):
    corpus = here / "corpus" / plugin
    corpus.mkdir(parents=True, exist_ok=True)
    for fixture in (here.parent / "tests/fixtures/decode" / plugin).glob("*.frames"):
        payloads = [line.split(" ", 1)[1] for line in fixture.read_text().splitlines()]
        frames = [bytes.fromhex(text) if plugin == "pgoutput" else text.encode() for text in payloads]
        seed = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames if len(frame) < 65536)
        (corpus / fixture.stem).write_bytes(seed)
