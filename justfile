# What CI runs, by name. `just` lists it; nothing here does more than the command it shows.

_list:
    @just --list

# The whole test suite; installs redis-server where it is missing.
test *args:
    scripts/test {{ args }}

# The tests in a real browser; installs Chromium where it is missing.
test-browser *args:
    scripts/test-browser {{ args }}

# The conformance suite of the stores.
conformance:
    cargo test --test it store::

# The domain against its model, for longer than the suite does: `just model 100000`.
model cases="20000":
    PROPTEST_CASES={{ cases }} cargo test --test it model::

fmt:
    cargo fmt

lint:
    cargo clippy --all-targets -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Everything a change must pass.
ci:
    .ci/run

# A simulated shop in a terminal, about a minute.
demo:
    cargo run --release -- demo

# The container image.
image:
    docker build --tag cartwake .

# cartwake with Redis and Prometheus.
up:
    docker compose --file deploy/compose.yaml up --build
