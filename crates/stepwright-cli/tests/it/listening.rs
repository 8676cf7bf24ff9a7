//! The addresses at which `stepwright serve` listens.

use crate::support::{GREETING, Place};

#[test]
fn an_address_that_others_reach_is_refused_before_the_server_says_that_it_listens() {
    let place = Place::with(GREETING);
    let serve = ["serve", "flow.yaml", "--no-db", "--port", "0"];
    let refused = place.ran([&serve[..], &["--host", "0.0.0.0"]].concat()).ended(2);
    assert!(refused.stderr.contains("the server has no keys"), "{refused:#?}");
    assert!(!refused.stderr.contains("Listening"), "{refused:#?}");
    let refused = place.ran([&serve[..], &["--allow-host", "http://x"]].concat()).ended(2);
    assert!(refused.stderr.contains("invalid host `http://x`"), "{refused:#?}");
    assert!(refused.stderr.contains("help: "), "{refused:#?}");
}
