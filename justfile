# The recipes of the project. `just` lists them.

_list:
    @just --list --unsorted

# Type-checks everything
check:
    cargo check --workspace --all-targets --all-features

# Runs all tests, or those whose name contains FILTER
test *FILTER:
    cargo test --workspace --all-features -- {{ FILTER }}

# Checks formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Compiles every crate with none, and with each one, of its features
features:
    scripts/features.sh

# Fixes what tools can fix
fix:
    cargo clippy --fix --allow-dirty --allow-staged --workspace --all-targets --all-features
    cargo fmt --all

# Rewrites the compiler's messages for common mistakes; read the diff
messages:
    TRYBUILD=overwrite cargo test -p stepwright-engine --test it messages
    TRYBUILD=overwrite cargo test -p stepwright-macros --test it messages

# Runs the simulation with one seed, to repeat a failure
sim SEED:
    SIM_SEED={{ SEED }} cargo test -p stepwright-engine --test it -- --nocapture simulation::whatever simulation::dispatched

# Runs the matrix of compositions, and rewrites docs/composition.md
composition:
    COMPOSITION=overwrite cargo test -p stepwright-engine --test it matrix

# Builds the documentation; a warning is an error
doc *ARGS:
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --all-features {{ ARGS }}

# Measures TABLES of docs/benchmarks.md, such as `engine`, and prints them
bench *TABLES:
    scripts/figures.py --print {{ TABLES }}

# Runs an example of the facade
example NAME *ARGS:
    cargo run -p stepwright --all-features --example {{ NAME }} -- {{ ARGS }}

# Checks the dependencies: licences, duplicates, sources, advisories
deny:
    cargo deny check

# What the build server runs
ci:
    .ci/run
