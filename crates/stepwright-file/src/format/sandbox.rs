//! The sandboxes of commands.

use super::form::{Form, Mapping, key, words};
use super::reader::{Fields, Reader};
use crate::system::Folder;
use crate::tree::{Node, Yaml};
use std::path::Path;
use stepwright_core::ErrorId;
use stepwright_process::{Backend, Sandbox};

/// A sandbox as written.
#[derive(Clone, Debug)]
pub(crate) struct Apart {
    pub(crate) sandbox: Sandbox,
    /// The folders that are mounted: their paths in the base directory, and in the sandbox.
    pub(crate) mounts: Vec<(String, String, bool)>,
}

const BACKENDS: [(&str, Backend); 3] =
    [("bubblewrap", Backend::Bubblewrap), ("podman", Backend::Podman), ("docker", Backend::Docker)];

const NETWORKS: [(&str, bool); 2] = [("none", false), ("all", true)];

/// The form of a sandbox.
pub(super) const SANDBOX: Form = Form::Mapping(&SETTINGS);

static SETTINGS: Mapping = Mapping {
    name: "sandbox",
    what: "`sandbox`",
    required: &[],
    members: &[
        key(
            "backend",
            &Form::Words(|| words(&BACKENDS)),
            "The program that makes it. By default the first that is installed.",
        ),
        key("image", &Form::Text, "The image with the programs, for podman and docker."),
        key(
            "network",
            &Form::Either(&[
                Form::Words(|| words(&NETWORKS)),
                Form::List(&Form::Text, 0, usize::MAX),
            ]),
            "Whether commands have a network. Default: none.",
        ),
        key(
            "mounts",
            &Form::List(&Form::Mapping(&MOUNT), 0, usize::MAX),
            "The folders and files that commands see besides their own folder.",
        ),
    ],
};

static MOUNT: Mapping = Mapping {
    name: "mount",
    what: "a mount",
    required: &[&["from", "to"]],
    members: &[
        key("from", &Form::Text, "The path beneath the base directory."),
        key("to", &Form::Text, "The absolute path in the sandbox."),
        key("write", &Form::Bool, "Whether commands may change it."),
    ],
};

impl Reader<'_> {
    /// Takes the sandbox of a step or of a file.
    pub(super) fn sandbox(&mut self, fields: &mut Fields<'_>) -> Option<Apart> {
        let (_, node) = fields.take("sandbox")?;
        let mut fields = Fields::of(self, node, "`sandbox`")?;
        let mut sandbox = Sandbox::new();
        let backend_place = fields.value_place("backend");
        let backend = fields.choice(self, "backend", &BACKENDS);
        let image_place = fields.place("image");
        let image = fields.word(self, "image");
        if let Some(backend) = backend {
            let is_bubblewrap = backend == Backend::Bubblewrap;
            if let (true, Some(place)) = (is_bubblewrap, image_place) {
                let mistake = self.mistake(place, "bubblewrap has no images");
                let mistake = mistake.coded(ErrorId::SETTING_USELESS);
                self.push(mistake.help("leave `image` out, or choose `podman` or `docker`"));
            } else if let (false, None, Some(place)) = (is_bubblewrap, &image, backend_place) {
                let mistake = self.mistake(place, format!("{backend} needs an image"));
                self.push(mistake.help("name one that is there already: `image: debian:13-slim`"));
            }
            sandbox = sandbox.backend(backend);
        }
        if let Some(image) = image {
            // An option would follow it.
            if image.text.trim().is_empty() || image.text.starts_with('-') {
                let message = format!("`{}` cannot be the name of an image", image.text);
                let mistake = self.mistake(image.span, message);
                self.push(mistake.help("write `image: debian:13-slim`"));
            }
            sandbox = sandbox.image(image.text);
        }
        if let Some((_, node)) = fields.take("network") {
            sandbox = sandbox.network(self.network(node));
        }
        let mounts = fields.take("mounts").map(|(_, node)| self.mounts(node)).unwrap_or_default();
        fields.finish(self);
        Some(Apart { sandbox, mounts })
    }

    /// Returns `true` for a network without limits. A limit that cannot be enforced is a mistake.
    fn network(&mut self, node: &Node) -> bool {
        match &node.value {
            Yaml::List(hosts) if hosts.is_empty() => false,
            Yaml::List(_) => {
                let message = "no sandbox can limit the network to some hosts: with bubblewrap, \
                               podman and docker it is on or off";
                let mistake = self.mistake(node.span, message).label("not enforced by any");
                let help = "write `network: none`, and fetch in a step with `http`, whose \
                            `permissions` name hosts; or `network: all`";
                self.push(mistake.help(help));
                false
            }
            Yaml::Text(_) => self.one_of(node, "network", &NETWORKS).unwrap_or_default(),
            _ => {
                self.wrong_type(node, "`network` is `none`, `all`, or a list of hosts");
                false
            }
        }
    }

    fn mounts(&mut self, node: &Node) -> Vec<(String, String, bool)> {
        let Some(list) = self.list(node, "mounts") else { return Vec::new() };
        let mut mounts = Vec::new();
        for node in list {
            let Some(mut fields) = Fields::of(self, node, "a mount") else { continue };
            let help = "write `{from: data, to: /data}`";
            let from = fields.need(self, "from", help);
            let from = from.and_then(|(_, node)| self.constant(node, "from"));
            let to = fields.need(self, "to", help);
            let to = to.and_then(|(_, node)| self.constant(node, "to"));
            let write = fields.bool(self, "write") == Some(true);
            fields.finish(self);
            let (Some(from), Some(to)) = (from, to) else { continue };
            let folder = Folder::new(self.options.base_dir.clone());
            let is_whole = matches!(from.text.as_str(), "." | "./");
            if let (false, Err(error)) = (is_whole, folder.check_path(&from.text)) {
                let error = error.data;
                let mistake = self.mistake(from.span, error.message).coded(ErrorId::FILE_REFUSED);
                self.push(mistake.maybe_help(error.hint));
            }
            let is_plain = !to.text.contains("..") && !to.text.contains('\0');
            if !Path::new(&to.text).is_absolute() || to.text == "/" || !is_plain {
                let message = format!("`{}` is not an absolute path in the sandbox", to.text);
                self.push(self.mistake(to.span, message).help("write `to: /data`"));
            }
            mounts.push((from.text, to.text, write));
        }
        mounts
    }
}
