# walcast on its own:  docker build -t walcast .
# As it is released, which takes longer (scripts/release.sh):  docker build --build-arg BUILD=profiled -t walcast .

ARG BUILD=plain

FROM rust:1-bookworm AS source
WORKDIR /walcast
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY migrations migrations
COPY sql sql
COPY dashboard/dist dashboard/dist
COPY demo/dist demo/dist

# The caches outlive a build; the binary must not stay in one.
FROM source AS plain
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/walcast/target \
    cargo build --release --locked --bin walcast && cp target/release/walcast /usr/local/bin/walcast

FROM source AS profiled
# It is put under load beside a Postgres, and what it counted is read by the LLVM that rustc has.
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-15 postgresql-15-wal2json \
    && rm -rf /var/lib/apt/lists/* \
    && rustup component add llvm-tools
COPY scripts scripts
COPY bench bench
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/walcast/target \
    --mount=type=cache,target=/walcast/bench/target \
    scripts/release.sh && cp target/profiled/walcast /usr/local/bin/walcast

FROM ${BUILD} AS binary

FROM debian:bookworm-slim
# The certificates are for sslmode=verify-full against a public authority.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 walcast \
    && useradd --system --uid 10001 --gid walcast --no-create-home --shell /usr/sbin/nologin walcast
COPY --from=binary /usr/local/bin/walcast /usr/local/bin/walcast
# By its number: Kubernetes believes no name to be another user than root (runAsNonRoot). It writes no file, and needs no capability.
USER 10001:10001
ENV WALCAST_LISTEN=0.0.0.0:4000 WALCAST_LOG_FORMAT=json
EXPOSE 4000
# Alive, not ready: a standby is healthy although it serves nobody. bash is there already, curl would have to come.
# It speaks no TLS: where walcast does, that it refuses the request is answer enough.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${WALCAST_LISTEN##*:} && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && { read -r _ code _ <&3; [[ $code == 200 || $WALCAST_TLS_CERT ]]; }"]
ENTRYPOINT ["walcast"]
CMD ["serve"]
