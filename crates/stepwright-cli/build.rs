//! Packs the pages of the documentation into the command, compressed.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = root.join("docs");
    let entries = fs::read_dir(&docs).into_iter().flatten().flatten();
    let mut pages: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(root.join("llms.txt"));
    pages.sort();
    println!("cargo::rerun-if-changed={}", docs.display());
    let mut all = Vec::new();
    for page in pages {
        println!("cargo::rerun-if-changed={}", page.display());
        let (Some(name), Ok(text)) = (page.file_stem(), fs::read(&page)) else { continue };
        // The name and the text of each page, each ended by a zero byte, which no page contains.
        all.extend(name.as_encoded_bytes());
        all.push(0);
        all.extend(text);
        all.push(0);
    }
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&all).expect("memory can be written");
    let packed = packed.finish().expect("memory can be written");
    let out = env::var_os("OUT_DIR").expect("Cargo sets it");
    fs::write(Path::new(&out).join("docs.bin"), packed).expect("the output folder can be written");
}
