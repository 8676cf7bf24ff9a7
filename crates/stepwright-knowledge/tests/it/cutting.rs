//! Documents in chunks.

use stepwright_knowledge::{CHUNK_BYTES_MAX, Document, DocumentKind, cut};

fn texts(document: &Document) -> Vec<(String, String)> {
    cut(document).into_iter().map(|chunk| (chunk.heading, chunk.text)).collect()
}

#[test]
fn markdown_is_cut_at_headings_and_keeps_their_path() {
    let text =
        "Intro.\n\n# A\n\nOne.\n\n## B\n\nTwo.\n\n```sh\n# no heading\n```\n\n# C\n\nThree.\n";
    let found = texts(&Document::markdown("a.md", text));
    let expected = [
        ("", "Intro."),
        ("A", "One."),
        ("A > B", "Two.\n\n```sh\n# no heading\n```"),
        ("C", "Three."),
    ];
    let expected = expected.map(|(heading, text)| (heading.to_owned(), text.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn html_is_cut_as_its_text() {
    let page = "<html><head><title>x</title></head><body><p>First &amp; last.</p>\
        <script>no()</script><p>Second.</p></body></html>";
    let found = texts(&Document::new("a.html", page, DocumentKind::Html));
    let all: String = found.into_iter().map(|(_, text)| text).collect();
    assert!(all.contains("First & last.") && all.contains("Second."), "{all}");
    assert!(!all.contains("no()") && !all.contains('<'), "{all}");
}

#[test]
fn rows_of_csv_have_the_names_of_their_columns() {
    let text = "name,price\n\"Cup, red\",3\n\"A \"\"good\"\" pen\",2\n";
    let found = texts(&Document::new("a.csv", text, DocumentKind::Csv));
    let expected = "name: Cup, red; price: 3\nname: A \"good\" pen; price: 2";
    assert_eq!(found, [(String::new(), expected.to_owned())]);
}

#[test]
fn no_chunk_is_too_long_and_no_word_is_lost() {
    let words: Vec<String> = (0..5_000).map(|nth| format!("wörd{nth}")).collect();
    for text in [words.join(" "), words.join(" ").replace("9 ", "9.\n\n"), "ä".repeat(9_000)] {
        let chunks = cut(&Document::text("a", text.clone()));
        assert!(chunks.len() > 3);
        assert!(chunks.iter().all(|chunk| chunk.text.len() <= CHUNK_BYTES_MAX));
        let all: String = chunks.into_iter().map(|chunk| chunk.text + " ").collect();
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(letters(&all), letters(&text));
    }
}

#[test]
fn an_empty_document_has_no_chunks() {
    for kind in [DocumentKind::Text, DocumentKind::Markdown, DocumentKind::Html, DocumentKind::Csv]
    {
        assert_eq!(cut(&Document::new("a", " \n\n \n", kind)), []);
    }
    assert_eq!(cut(&Document::new("a.csv", "name,price\n", DocumentKind::Csv)), []);
}
