//! Encrypted connections, on a server with a certificate.

use std::error::Error as _;
use stepwright_store::Postgres;
use stepwright_testing::postgres::Server;

/// The key is for this test, and valid for `localhost` only.
const FILES: [(&str, &str); 2] = [
    ("server.crt", include_str!("tls/server.crt")),
    ("server.key", include_str!("tls/server.key")),
];

#[tokio::test]
async fn an_encrypted_connection_believes_whom_it_was_told_to() {
    let Some(server) = Server::start() else { return };
    for (name, text) in FILES {
        let text = text.trim_end().replace('\n', "\\n");
        let write = format!("printf %b \"{text}\" > {name}; chmod 600 {name}");
        server.sql("postgres", &format!("COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; {write}'"));
    }
    server.sql("postgres", "ALTER SYSTEM SET ssl TO on");
    server.stop();
    server.resume();

    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/postgres/tls/authority.crt");
    let connect = |host: &str, parameters: &str| {
        let address = server.address("postgres").replace("127.0.0.1", host);
        Postgres::connect(format!("{address}?{parameters}"))
    };
    let known = format!("sslmode=verify-full&sslrootcert={authority}");
    let encrypted = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = ";
    for (name, parameters, ssl) in [
        ("plain", "sslmode=disable", "f\n"),
        ("usual", "", "t\n"),
        ("any", "sslmode=require", "t\n"),
        ("known", &known, "t\n"),
    ] {
        let parameters = format!("{parameters}&application_name={name}");
        let _store = connect("localhost", &parameters).await.unwrap();
        assert_eq!(server.sql("postgres", &format!("{encrypted}'{name}'")), ssl, "{name}");
    }

    for (host, parameters, part) in [
        ("localhost", "sslmode=verify-full", "UnknownIssuer"),
        ("127.0.0.1", &known, "not valid for name"),
    ] {
        let error = connect(host, parameters).await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains(part), "{error:?}");
        assert!(error.hint().unwrap().starts_with("check `sslmode`"), "{error:?}");
    }
}
