//! `serve`, whose mistakes about JSON Web Tokens show at the start, and what it leaves to send.

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

#[test]
fn a_run_of_the_command_leaves_its_notification_to_the_server() {
    let notify = "notify: {name: desk, to: 'http://127.0.0.1:9/runs', events: [completed]}\n";
    let place = Place::with(&format!("{GREETING}{notify}"));
    place.ran(["run", "flow.yaml", "Ada", "--db", "runs.db", "--run-id", "r-1"]).ended(0);
    let listed = place.ran(["deliveries", "list", "--pending", "--db", "runs.db"]).ended(0).stdout;
    assert!(listed.contains("completed") && listed.contains("r-1  desk"), "{listed}");
    let json = ["deliveries", "list", "--pending", "--json", "--db", "runs.db"];
    let json: serde_json::Value = serde_json::from_str(&place.ran(json).ended(0).stdout).unwrap();
    let delivery = &json[0];
    assert_eq!(delivery["run_id"], "r-1");
    assert_eq!(delivery["attempts"], 0);
    let none = place.ran(["deliveries", "list", "--db", "runs.db"]).ended(0);
    assert!(none.stderr.contains("there is no dead delivery"), "{none:#?}");
    let id = delivery["id"].as_str().unwrap();
    let alive = place.ran(["deliveries", "redeliver", id, "--db", "runs.db"]);
    assert_ne!(alive.code, 0, "{alive:#?}");
    assert!(alive.stderr.contains("no dead delivery has the id"), "{alive:#?}");
}
