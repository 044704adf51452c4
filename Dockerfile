# One static binary in an empty image. Builds with BuildKit and without.

ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# crt-static needs the target by name, or build scripts and macros would be linked so too. The
# static glibc resolves no names; soakrig brings a resolver of its own.
ENV RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo
RUN host="$(rustc -vV | sed -n 's/^host: //p')" \
    && cargo build --release --locked --bin soakrig --target "$host" \
    && mkdir -p /image/data \
    && cp "target/$host/release/soakrig" /image/soakrig

FROM scratch
LABEL org.opencontainers.image.title="soakrig" \
      org.opencontainers.image.description="A soak-testing rig for real-time chat servers" \
      org.opencontainers.image.licenses="Apache-2.0"
# For --ca-file, where a server's certificate is signed by an authority of the system's list only.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/soakrig /soakrig
# Sessions, summaries and anomaly logs: the only place that is written to.
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
ENV SOAKRIG_METRICS_LISTEN=0.0.0.0:9464 \
    XDG_STATE_HOME=/data
EXPOSE 9464
HEALTHCHECK --interval=5s --timeout=4s --start-period=5s --retries=3 CMD ["/soakrig", "health", "http://127.0.0.1:9464"]
ENTRYPOINT ["/soakrig"]
