//! Runs as tests, as a program has them.

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workflows/tests");

#[test]
fn a_cassette_is_replayed_in_one_line() {
    stepwright_testing::replay(format!("{TESTS}/blog.cassette.yaml"));
}

#[tokio::test]
#[should_panic(expected = "cannot be read")]
async fn a_missing_cassette_fails_the_test() {
    stepwright_testing::replay(format!("{TESTS}/none.cassette.yaml"));
}
