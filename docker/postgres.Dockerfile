# Postgres with wal2json, which the official image lacks. pgoutput needs no more than the official image.
FROM postgres:15-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-15-wal2json \
    && rm -rf /var/lib/apt/lists/*
# Newer minor releases let only the output plugins be used that are listed here. For a new volume; in an old one:
#   ALTER SYSTEM SET output_plugin_libraries = pgoutput, test_decoding, wal2json; SELECT pg_reload_conf();
RUN if postgres --describe-config | grep -q '^output_plugin_libraries'; then \
        echo "output_plugin_libraries = 'pgoutput, test_decoding, wal2json'" >> /usr/share/postgresql/postgresql.conf.sample; \
    fi
