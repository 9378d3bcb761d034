# The proxy's image: `docker build -t mysql-proxy:0.1.0 .`
# Everything in it is pinned: the compiler, the system, and each crate by Cargo.lock. Nothing is installed on the way,
# paths are always the same and no time is written down, so the same commit gives the same binary.

# The image that has make as well, for the allocator.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
ENV CARGO_HOME=/cargo \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo \
    RUSTFLAGS="--remap-path-prefix=/cargo=cargo --remap-path-prefix=/src=mysql-proxy"
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN cargo build --release --locked --bin mysql-proxy

# glibc (libc and libm) and libgcc_s are needed at run time, and nothing else.
FROM debian:12.12-slim
COPY --from=build /src/target/release/mysql-proxy /usr/local/bin/mysql-proxy
# Nobody's account: the proxy writes no file and opens no port below 1024.
USER 65532:65532
EXPOSE 3306 3307 9090
ENTRYPOINT ["/usr/local/bin/mysql-proxy"]
CMD ["run"]
