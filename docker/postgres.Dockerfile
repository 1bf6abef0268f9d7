# Postgres with wal2json, which the official image lacks. pgoutput needs no more than the official image.
FROM postgres:15-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-15-wal2json \
    && rm -rf /var/lib/apt/lists/*
# Since 15.19 Postgres loads plugins that are not its own only where it is told of them.
RUN if postgres --describe-config | grep -q '^output_plugin_libraries'; then \
        echo "output_plugin_libraries = 'pgoutput, wal2json'" >> /usr/share/postgresql/postgresql.conf.sample; \
    fi
