# The habits of the project. `just` lists them.

_list:
    @just --list --unsorted

# Type-checks everything
check:
    cargo check --workspace --all-targets --all-features

# Runs all tests, or those whose name contains FILTER
test *FILTER:
    cargo test --workspace --all-features -- {{ FILTER }}

# Looks for what is wrong in form
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Mends what can be mended by a machine
fix:
    cargo clippy --fix --allow-dirty --allow-staged --workspace --all-targets --all-features
    cargo fmt --all

# Writes the compiler's messages for beginners' mistakes anew; read the difference
messages:
    TRYBUILD=overwrite cargo test -p stepwright-engine --test it messages
    TRYBUILD=overwrite cargo test -p stepwright-macros --test it messages

# Runs the simulation of one seed: what failed with it fails again
sim SEED:
    SIM_SEED={{ SEED }} cargo test -p stepwright-engine --test it -- --nocapture simulation::whatever simulation::dispatched

# Makes all runs of the matrix, and writes docs/composition.md anew
composition:
    COMPOSITION=overwrite cargo test -p stepwright-engine --test it matrix

# Builds the documentation, without a warning
doc *ARGS:
    RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace --all-features {{ ARGS }}

# Measures how fast runs are
bench *FILTER:
    cargo bench -p stepwright-engine --bench runs -- {{ FILTER }}

# Runs an example of the facade
example NAME *ARGS:
    cargo run -p stepwright --all-features --example {{ NAME }} -- {{ ARGS }}

# Checks the dependencies: licences, doubles, sources, advisories
deny:
    cargo deny check

# What the build server runs
ci:
    .ci/run
