# syntax=docker/dockerfile:1
FROM rust:1-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG REVISION=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    CARTWAKE_REVISION="$REVISION" cargo build --locked --profile dist --bin cartwake \
 && install -D target/dist/cartwake /out/cartwake \
 && install -d -o 10001 -g 10001 -m 0750 /out/data

FROM gcr.io/distroless/cc-debian12
COPY --from=build /out/cartwake /usr/local/bin/cartwake
COPY --from=build --chown=10001:10001 /out/data /data
USER 10001:10001
# All that is ever written: the embedded store, when no other is configured. The rest may be mounted read-only.
VOLUME /data
WORKDIR /data
ENV CARTWAKE__SERVER__LISTEN=0.0.0.0:8080 \
    CARTWAKE__SERVER__OPS_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["cartwake", "healthcheck"]
ENTRYPOINT ["cartwake"]
CMD ["serve"]
