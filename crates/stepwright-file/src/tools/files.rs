//! `files`: the files of the base directory, or of a directory within it.

use crate::effects;
use crate::format::form::{Form, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::{Folder, Granted};
use std::sync::Arc;
use stepwright_agent::{AgentBuilder, Toolkit};
use stepwright_core::tool::AnyTool;
use stepwright_core::{Error, ErrorId, ErrorKind};
use stepwright_tools::__private::files::tools;

pub(super) const KIND: ToolKind = ToolKind {
    name: "files",
    shown: "`files`",
    read,
    effects: effects::FILES,
    settings: &[
        key("dir", &Form::Text, "The folder, beneath the base directory. By default all of it."),
        key("write", &Form::Bool, "Whether the model may write and change files."),
    ],
    needs: &[],
};

#[derive(Debug)]
struct FilesOf {
    dir: Option<String>,
    write: bool,
}

/// The tools for a folder.
struct Kit(Result<Folder, Error>, bool);

impl Toolkit for Kit {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        Ok(tools(&Arc::new(self.0?), self.1))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn read(
    reader: &mut Reader<'_>,
    _: &Word,
    fields: Option<&mut Fields<'_>>,
) -> Option<Box<dyn AgentTool>> {
    let Some(fields) = fields else { return Some(Box::new(FilesOf { dir: None, write: false })) };
    let dir = fields.word(reader, "dir");
    if let Some(dir) = &dir {
        reader.beneath(dir);
    }
    let write = fields.bool(reader, "write") == Some(true);
    Some(Box::new(FilesOf { dir: dir.map(|dir| dir.text), write }))
}

impl Reader<'_> {
    /// Reports a path that leaves the base directory.
    pub(super) fn beneath(&mut self, path: &Word) {
        let folder = Folder::new(self.options.base_dir.clone());
        if let Err(error) = folder.check_path(&path.text) {
            let error = error.data;
            let mistake = self.mistake(path.span, error.message).coded(ErrorId::FILE_REFUSED);
            self.push(mistake.maybe_help(error.hint));
        }
    }
}

impl AgentTool for FilesOf {
    fn known_as(&self) -> &'static [&'static str] {
        const ALL: &[&str] =
            &["read_file", "list_files", "find_files", "search_files", "write_file", "patch_file"];
        if self.write { ALL } else { &ALL[..4] }
    }

    fn only_reads(&self) -> bool {
        !self.write
    }

    fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder {
        let folder = match &self.dir {
            None => Ok(Folder::clone(&granted.folder)),
            Some(dir) => granted.folder.within(dir).map_err(|error| {
                let wrong = Error::new(ErrorKind::Definition, error.data.message.clone());
                wrong.with_id(ErrorId::FILE_REFUSED)
            }),
        };
        agent.tool(Kit(folder, self.write))
    }
}
