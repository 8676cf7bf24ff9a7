//! A file may come from a stranger: what it cannot read.

#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use stepwright_file::{Definition, Diagnostics, Options};

const SECRET: &str = "sk-secret-4711";

/// A folder with a workflow file, and a secret beside and around it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.write("secret.txt", SECRET);
        place.write("flows/inside.md", "Write about {{ input }}.");
        place.write("flows/sub/part.yaml", PART);
        place.write("flows/sub/near.md", "near");
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, steps: &str, options: &Options) -> Result<Definition, Diagnostics> {
        let text = format!("format: 1\nname: Flow\nmodel: offline\n{steps}");
        self.write("flows/flow.yaml", &text);
        Definition::read(self.path("flows/flow.yaml"), options)
    }

    /// Returns the mistakes of a file that refers to `path` in every place that takes a reference.
    fn refused(&self, path: &str, options: &Options) -> Vec<Diagnostics> {
        let places = [
            format!("agents: {{a: {{instructions: {{file: '{path}'}}}}}}\nsteps: [{{agent: a}}]\n"),
            format!("agents: {{a: {{}}}}\nsteps: [{{agent: a, prompt: {{file: '{path}'}}}}]\n"),
            format!("steps: [{{name: a, workflow: '{path}'}}]\n"),
        ];
        places.map(|steps| self.read(&steps, options).expect_err(path)).into()
    }
}

const PART: &str = "\
format: 1
name: Part
agents: {a: {model: offline, instructions: {file: near.md}}}
steps: [{agent: a}]
";

#[test]
fn references_stay_beneath_the_folder_of_their_file() {
    let place = Place::new();
    symlink(place.path("secret.txt"), place.path("flows/link.md")).unwrap();
    symlink(place.dir.path(), place.path("flows/up")).unwrap();
    symlink("/proc/self/environ", place.path("flows/environ")).unwrap();
    let absolute = place.path("flows/inside.md").display().to_string();
    let elsewhere = ["/etc/passwd", "/proc/self/environ", "../secret.txt", "sub/../../secret.txt"];
    let links = ["link.md", "up/secret.txt", "up/flows/inside.md", "environ", "sub/../inside.md"];
    for path in elsewhere.iter().chain(&links).copied().chain([absolute.as_str()]) {
        for mistakes in place.refused(path, &Options::default()) {
            let first = mistakes.iter().next().unwrap();
            assert_eq!(mistakes.len(), 1, "{path}: {mistakes}");
            assert!(first.line > 0, "{path}: {mistakes}");
            let help = first.help.as_deref().unwrap_or_default();
            assert!(help.contains("--allow-path DIR"), "{path}: {mistakes}");
            assert!(!mistakes.to_string().contains(SECRET), "{path}: {mistakes}");
        }
    }
    // The message does not tell if a path elsewhere exists.
    let said = |path: &str| {
        let mistakes = place.refused(path, &Options::default());
        mistakes[2].to_string().replace(path, "PATH").replace(['─', ' '], "")
    };
    assert_eq!(said("../secret.txt"), said("../absent.txt"));
    assert_eq!(said("/etc/passwd"), said("/etc/passwt"));
}

#[test]
fn what_lies_beneath_the_folder_is_read() {
    let place = Place::new();
    symlink("sub/near.md", place.path("flows/near.md")).unwrap();
    let steps = "\
agents: {a: {instructions: {file: ./near.md}}}
steps: [{agent: a, prompt: {file: inside.md}}, {name: part, workflow: sub/part.yaml}]
";
    place.read(steps, &Options::default()).unwrap();
}

#[test]
fn another_directory_can_be_allowed() {
    let place = Place::new();
    place.write("shared/prompt.md", "A prompt.");
    place.write("shared/part.yaml", &PART.replace("near.md", "prompt.md"));
    symlink(place.path("shared/prompt.md"), place.path("flows/link.md")).unwrap();
    let absolute = place.path("shared/prompt.md").display().to_string();
    let steps = |path: &str| {
        let part = "{name: part, workflow: ../shared/part.yaml}";
        format!(
            "agents: {{a: {{instructions: {{file: '{path}'}}}}}}\nsteps: [{{agent: a}}, {part}]\n"
        )
    };
    let options = Options { allow_path: vec![place.path("shared")], ..Options::default() };
    for path in ["../shared/prompt.md", "link.md", &absolute] {
        assert_eq!(place.read(&steps(path), &Options::default()).unwrap_err().len(), 2);
        place.read(&steps(path), &options).unwrap();
    }
    // It, and nothing beside it.
    for path in ["../secret.txt", "../shared/../secret.txt", "/etc/passwd"] {
        for mistakes in place.refused(path, &options) {
            let help = mistakes.iter().next().unwrap().help.clone().unwrap_or_default();
            assert!(help.contains("--allow-path"), "{path}: {mistakes}");
        }
    }
    let missing = place.refused("../shared/absent.md", &options);
    assert!(missing[0].to_string().contains("there is no such file"), "{}", missing[0]);
    let nowhere = Options { allow_path: vec!["nowhere".into()], ..Options::default() };
    let mistakes = place.read("steps: [{template: x}]\n", &nowhere).unwrap_err();
    assert!(mistakes.to_string().contains("`nowhere` is not a directory"), "{mistakes}");
}

#[test]
fn a_file_within_refers_to_what_lies_beneath_its_own_folder() {
    let place = Place::new();
    place.write("flows/sub/part.yaml", &PART.replace("near.md", "../inside.md"));
    let steps = "steps: [{name: part, workflow: sub/part.yaml}]\n";
    let mistakes = place.read(steps, &Options::default()).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert!(first.file.ends_with("sub/part.yaml"), "{mistakes}");
    assert!(first.message.contains("leads out of the folder of this file"), "{mistakes}");
    let options = Options { allow_path: vec![place.path("flows")], ..Options::default() };
    place.read(steps, &options).unwrap();
}

#[test]
fn only_regular_files_are_read_and_none_without_an_end() {
    let place = Place::new();
    let path = |name: &str| place.path(&format!("flows/{name}"));
    let mkfifo = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    assert!(mkfifo.success());
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    let large = std::fs::File::create(path("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    let cases = [
        ("fifo", "it is not a regular file, but a pipe"),
        ("socket", "it is not a regular file, but a socket"),
        ("sub", "it is not a regular file, but a directory"),
        ("large", "it has more than 4194304 bytes"),
    ];
    for (name, said) in cases {
        for mistakes in place.refused(name, &Options::default()) {
            let told = mistakes.iter().any(|mistake| mistake.to_string().contains(said));
            assert!(told, "{name}: {mistakes}");
        }
        // A report breaks long messages into lines.
        let named = Definition::read(path(name), &Options::default()).unwrap_err();
        let told = named.iter().any(|mistake| mistake.to_string().contains(said));
        assert!(told, "{name}: {named}");
    }
    let devices = Options { allow_path: vec!["/dev".into()], ..Options::default() };
    for mistakes in place.refused("/dev/zero", &devices) {
        assert!(mistakes.to_string().contains("not a regular file, but a device"), "{mistakes}");
    }
}

#[test]
fn all_files_together_have_a_bound() {
    let place = Place::new();
    place.write("flows/large.md", &"x".repeat(4 * 1024 * 1024));
    let agent = |n| format!("  a{n}: {{instructions: {{file: large.md}}}}\n");
    let agents = (0..20).map(agent).collect::<Vec<_>>().concat();
    let mistakes =
        place.read(&format!("agents:\n{agents}steps: [{{agent: a0}}]\n"), &Options::default());
    let mistakes = mistakes.unwrap_err();
    let said = "all files of the workflow together have more than 67108864 bytes";
    assert!(mistakes.iter().next().unwrap().message.contains(said), "{mistakes}");
}

#[test]
fn the_text_of_another_file_is_never_shown() {
    let place = Place::new();
    // The files beneath the folder may be secret as well.
    let secrets = [
        SECRET.to_owned(),
        format!("API_KEY={SECRET}\n"),
        format!("api_key: {SECRET}\n"),
        format!("api_key: {SECRET}\nsteps: [{{{SECRET}: 1}}]\n"),
        format!("format: 1\nname: {SECRET}\n{SECRET}: [\n"),
        format!("- {SECRET}\n- &{SECRET} *{SECRET}x\n"),
        format!("format: 2\nname: x\nsteps: [{{{SECRET}: 1}}]\n"),
        format!("{{\"{SECRET}\": \"{SECRET}\n"),
        format!("{{{{ {SECRET}\n"),
        format!("{SECRET}\n{{% if %}}\n"),
    ];
    for secret in secrets {
        place.write("flows/secrets.env", &secret);
        for steps in [
            "steps: [{name: a, workflow: ./secrets.env}]\n",
            "agents: {a: {}}\nsteps: [{agent: a, prompt: {file: secrets.env}}]\n",
        ] {
            let Err(mistakes) = place.read(steps, &Options::default()) else { continue };
            let report = mistakes.to_string();
            let json = serde_json::to_string(&mistakes).unwrap();
            assert!(!report.contains(SECRET) && !json.contains(SECRET), "{report}\n{json}");
            assert!(report.contains("secrets.env"), "{report}");
        }
    }
    // The place of a mistake in a prompt is told, without its text.
    place.write("flows/secrets.env", &format!("a\n{SECRET} {{{{ imput }}}}\n"));
    let steps = "agents: {a: {}}\nsteps: [{agent: a, prompt: {file: secrets.env}}]\n";
    let report = place.read(steps, &Options::default()).unwrap_err().to_string();
    assert!(
        report.contains("secrets.env:2:") && report.contains("there is no `imput`"),
        "{report}"
    );
    assert!(!report.contains(SECRET), "{report}");
}
