//! The options of `serve` about JSON Web Tokens: mistakes show at the start.

use crate::support::{GREETING, Place, Ran};

fn serve(place: &Place, options: &[&str]) -> Ran {
    // The port is never reached: each of these settings is wrong.
    let own = ["serve", "flow.yaml", "--no-db", "--port", "0"];
    place.ran([&own[..], options].concat())
}

#[test]
fn mistakes_in_the_rules_for_tokens_show_before_the_server_listens() {
    let place = Place::with(GREETING);
    place.write("short.txt", "short\n");
    place.write("secret.txt", "0123456789abcdef0123456789abcdef\n");
    place.write("private.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    place.write("empty.json", "{\"keys\": []}");
    let audience = ["--jwt-audience", "flows"];
    let cases: [(&[&str], &str); 8] = [
        (&["--jwt-secret", "none.txt"], "`--jwt-secret`: cannot read `none.txt`"),
        (&["--jwt-secret", "short.txt"], "has 5 bytes; it needs at least 32"),
        (&["--jwt-key", "private.pem"], "the key for tokens is no public key in PEM"),
        (&["--jwt-jwks", "none.json"], "the JWKS at `none.json` cannot be used"),
        (&["--jwt-jwks", "empty.json"], "no key in it can verify signatures"),
        (&["--jwt-jwks", "http://login.example/keys"], "is no address of a JWKS"),
        (
            &["--jwt-secret", "secret.txt", "--jwt-algorithm", "RS256"],
            "`RS256` cannot be used with this key",
        ),
        (
            &["--jwt-secret", "secret.txt", "--jwt-skew", "1h"],
            "the clock skew of tokens is 3600 seconds",
        ),
    ];
    for (options, says) in cases {
        let refused = serve(&place, &[options, &audience].concat()).ended(2);
        assert!(refused.stderr.contains(says), "{options:?}: {refused:#?}");
        assert!(refused.stderr.contains("help: "), "{options:?}: {refused:#?}");
        assert!(!refused.stderr.contains("Listening"), "{options:?}: {refused:#?}");
    }
    // Without an audience, tokens for other services would be accepted.
    serve(&place, &["--jwt-secret", "secret.txt"]).ended(2);
    let two = ["--jwt-secret", "secret.txt", "--jwt-key", "private.pem"];
    serve(&place, &[&two[..], &audience].concat()).ended(2);
    serve(&place, &audience).ended(2);
    let none = ["--jwt-secret", "secret.txt", "--jwt-algorithm", "none"];
    serve(&place, &[&none[..], &audience].concat()).ended(2);
}

#[test]
fn a_project_that_is_not_trusted_admits_no_tokens() {
    let place = Place::with(GREETING);
    place.write("stepwright.toml", "[serve]\njwt-secret = \"secret.txt\"\n");
    place.write("secret.txt", "0123456789abcdef0123456789abcdef\n");
    let refused = serve(&place, &[]).ended(2);
    let says = "stepwright.toml:2: `jwt-secret` could widen what you allow";
    assert!(refused.stderr.contains(says), "{refused:#?}");
}
