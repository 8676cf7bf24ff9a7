//! The files that a command writes, and the programs that may run them.

use super::programs::{base, file_name, is_stream, lists};
use super::script::{Checked, Command, Word, Wrong};
use crate::source::Span;
use std::cell::RefCell;

/// The programs that write the files that they name.
const WRITERS: &str = "cp curl dd install ln mv rsync sponge tee wget xxd";

/// The programs that write files whose names are in their input.
const UNPACKERS: &str = "cpio patch unzip";

/// The programs that run what they find in the files of a project.
const BUILDERS: &str = "\
    ant bazel bundle cargo cmake gmake go gradle just make meson mvn ninja nox npm pnpm rake task \
    tox yarn";

/// The programs that make programs of files.
const COMPILERS: &str = "as c++ cc clang clang++ g++ gcc ghc javac ld rustc tcc";

/// The endings of files that no program runs unless it is told to.
const DATA_ENDS: [&str; 10] =
    [".txt", ".md", ".csv", ".tsv", ".log", ".html", ".xml", ".json", ".out", ".pdf"];

/// Names with such an ending that programs run all the same.
const BUILD_FILES: &str = "package.json composer.json CMakeLists.txt build.xml pom.xml";

/// The endings of files that interpreters load by themselves.
const CODE_ENDS: [&str; 16] = [
    ".py", ".pyc", ".pth", ".pl", ".pm", ".rb", ".js", ".mjs", ".cjs", ".ts", ".lua", ".php",
    ".so", ".sh", ".r", ".jl",
];

/// The files that git reads settings and programs from, beside those in `.git`.
const GIT_FILES: &str = "\
    applypatch-msg commit-msg config config.worktree fsmonitor-watchman post-applypatch \
    post-checkout post-commit post-merge post-rewrite post-update pre-applypatch pre-auto-gc \
    pre-commit pre-merge-commit pre-push pre-rebase pre-receive prepare-commit-msg \
    push-to-checkout update";

/// The files that a command writes.
#[derive(Default)]
pub(super) struct Written {
    pub(super) paths: Vec<String>,
    /// The scripts and programs that it runs by their paths.
    pub(super) run: RefCell<Vec<(String, Span)>>,
    /// `true` if one of them may have any name.
    any: bool,
}

impl Written {
    /// Adds the files that a simple command writes.
    pub(super) fn add(&mut self, command: &Command) {
        for target in &command.targets {
            self.file(target);
        }
        let names: Vec<String> = command.words.iter().map(|word| base(&word.text)).collect();
        let after = |list: &str| names.iter().position(|name| lists(list, name));
        let rest = |at: usize| &command.words[at + 1..];
        if let Some(at) = after(WRITERS) {
            for word in rest(at) {
                self.file(word);
            }
        }
        if let Some(at) = after("sort gsort") {
            for (index, word) in rest(at).iter().enumerate() {
                let text = word.text.as_str();
                let is_output =
                    text.starts_with("--o") || text.starts_with('-') && text.contains('o');
                if is_output {
                    let (_, attached) = text.split_once(['o', '=']).unwrap_or_default();
                    let attached = attached.rsplit('=').next().unwrap_or_default();
                    self.path(attached);
                    rest(at).get(index + 1).into_iter().for_each(|next| self.file(next));
                }
            }
        }
        if let Some(at) = after("uniq") {
            let is_operand = |word: &&Word| word.text == "-" || !word.text.starts_with('-');
            rest(at).iter().filter(is_operand).skip(1).for_each(|word| self.file(word));
        }
        if let Some(at) = after("sed gsed") {
            // `-i`, or the command `w`.
            let writes = |word: &Word| {
                let text = &word.text;
                text.contains(['w', 'W']) || text.starts_with('-') && text.contains('i')
            };
            if rest(at).iter().any(writes) {
                for word in rest(at) {
                    self.file(word);
                }
            }
        }
        if let Some(at) = after("awk gawk mawk nawk goawk") {
            self.any |= rest(at).iter().any(|word| word.text.contains('>'));
        }
        self.any |= after(UNPACKERS).is_some();
        if let Some(at) = after("tar gtar bsdtar") {
            let options = rest(at).first().map(|word| word.text.as_str()).unwrap_or_default();
            self.any |= options.contains('x') || rest(at).iter().any(|word| word.text == "-x");
        }
    }

    fn file(&mut self, word: &Word) {
        // `of=file`
        self.path(word.text.rsplit('=').next().unwrap_or_default());
    }

    fn path(&mut self, path: &str) {
        let is_descriptor = path.bytes().all(|c| c.is_ascii_digit());
        if path.is_empty() || is_descriptor || is_stream(path) {
            return;
        }
        self.any |= is_open(path);
        self.paths.push(path.to_owned());
    }
}

/// Returns `true` if a path may be one of several.
pub(super) fn is_open(path: &str) -> bool {
    path.contains([super::programs::DYNAMIC, '*', '?', '[', '{'])
}

impl Written {
    /// Refuses a program or script that the command itself writes.
    pub(super) fn not_written(&self, file: &Word) -> Checked {
        self.run.borrow_mut().push((file.text.clone(), file.span));
        let name = file_name(&file.text);
        let is_script = is_open(&file.text) && !self.paths.is_empty();
        if self.paths.iter().any(|path| file_name(path) == name) {
            return Err((file.span, Wrong::Written(name)));
        }
        if self.any || is_script {
            return Err((file.span, Wrong::MayRun(name)));
        }
        Ok(())
    }

    /// Refuses a module of Python that the command itself writes.
    pub(super) fn not_module(&self, module: &Word) -> Checked {
        let parts: Vec<&str> = module.text.split('.').collect();
        let is_part = |path: &String| path.split(['/', '.']).any(|piece| parts.contains(&piece));
        if self.paths.iter().any(is_part) {
            return Err((module.span, Wrong::Written(module.text.clone())));
        }
        self.refuse_if(false, &module.text, module.span)
    }

    /// Refuses an interpreter that may load a file that the command itself writes.
    pub(super) fn loads_nothing_written(&self, name: &str, at: Span) -> Checked {
        let is_code = |path: &String| {
            let path = path.to_ascii_lowercase();
            CODE_ENDS.iter().any(|end| path.ends_with(end))
        };
        self.refuse_if(self.paths.iter().any(is_code), name, at)
    }

    /// Refuses a program that may run a file that the command itself writes.
    pub(super) fn runs_nothing_written(&self, kind: &str, first: &Word) -> Checked {
        let paths = &self.paths;
        let name = file_name(&first.text);
        let is_build = |path: &String| {
            let is_data = DATA_ENDS.iter().any(|end| path.ends_with(end));
            !is_data || lists(BUILD_FILES, &file_name(path))
        };
        let is_git = |path: &String| path.contains(".git") || lists(GIT_FILES, &file_name(path));
        if first.text.contains('/') {
            self.not_written(first)?;
        } else if paths.iter().any(|path| file_name(path) == name) {
            return Err((first.span, Wrong::Written(name)));
        }
        match kind {
            "git" | "hg" | "svn" => self.refuse_if(paths.iter().any(is_git), &name, first.span),
            _ if lists(BUILDERS, kind) => {
                self.refuse_if(paths.iter().any(is_build), &name, first.span)
            }
            _ if lists(COMPILERS, kind) => self.refuse_if(!paths.is_empty(), &name, first.span),
            _ => Ok(()),
        }
    }

    fn refuse_if(&self, is_written: bool, name: &str, at: Span) -> Checked {
        if is_written || self.any {
            return Err((at, Wrong::MayRun(name.to_owned())));
        }
        Ok(())
    }
}
