# Postgres with wal2json, which the official image lacks. pgoutput needs no more than the official image.
FROM postgres:15-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-15-wal2json \
    && rm -rf /var/lib/apt/lists/*
