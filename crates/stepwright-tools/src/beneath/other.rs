//! The fallback without `openat`: a path is resolved as a whole and compared.

use super::{Denied, Entry, EntryKind, Found, NAME_ATTEMPTS_MAX, temporary_name};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

/// A directory.
#[derive(Clone, Debug)]
pub struct Beneath {
    path: PathBuf,
}

impl Beneath {
    /// Finds a directory. Follows links in its own path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let path = path.canonicalize()?;
        if path.is_dir() { Ok(Self { path }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Returns the path without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file at a path beneath this directory.
    pub fn file(&self, path: &Path) -> Result<Found, Denied> {
        let path = self.real(path)?;
        let file = open_regular(&path)?;
        let parent = path.parent().unwrap_or(&self.path).to_owned();
        Ok(Found { file, path, dir: Self { path: parent } })
    }

    /// Finds a directory beneath this one. Follows links that stay inside.
    pub fn within(&self, path: &Path) -> Result<Self, Denied> {
        let path = self.real(path)?;
        if path.is_dir() {
            Ok(Self { path })
        } else {
            Err(io::Error::from(io::ErrorKind::NotADirectory).into())
        }
    }

    /// Creates a directory beneath this one, with those on its path, where they are missing.
    /// Returns its path without links.
    pub fn make(&self, path: &Path) -> Result<PathBuf, Denied> {
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(Denied::Outside);
        }
        let place = self.path.join(path);
        let known = place.ancestors().find(|path| path.exists()).ok_or(Denied::Outside)?;
        if !known.canonicalize()?.starts_with(&self.path) {
            return Err(Denied::Outside);
        }
        fs::create_dir_all(&place)?;
        self.real(path)
    }

    /// Returns the entries of a directory beneath this one, in no particular order.
    pub fn entries(&self, path: &Path) -> Result<Vec<Entry>, Denied> {
        let mut entries = Vec::new();
        for entry in self.real(path)?.read_dir()? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let kind = match (kind.is_dir(), kind.is_symlink()) {
                (true, _) => EntryKind::Directory,
                (_, true) => EntryKind::Link,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: entry.file_name(), kind });
        }
        Ok(entries)
    }

    /// Returns `true` if the path is a directory. Follows links that stay inside.
    pub fn is_dir(&self, path: &Path) -> Result<bool, Denied> {
        Ok(self.real(path)?.is_dir())
    }

    /// Writes a file beneath this directory atomically. Creates missing directories on its path.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Denied> {
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(Denied::Outside);
        }
        let place = self.path.join(path);
        let mut exists = place.as_path();
        // A dangling link counts as existing, because writing would go through it.
        while exists.symlink_metadata().is_err() {
            exists = exists.parent().ok_or(Denied::Outside)?;
        }
        let real = exists.canonicalize().map_err(|_| Denied::Outside)?;
        if !real.starts_with(&self.path) {
            return Err(Denied::Outside);
        }
        let rest = place.strip_prefix(exists).unwrap_or(Path::new(""));
        let place = if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        if place.is_dir() {
            return Err(Denied::Irregular("a directory"));
        }
        let parent = place.parent().ok_or(Denied::Outside)?;
        fs::create_dir_all(parent)?;
        for _ in 0..NAME_ATTEMPTS_MAX {
            let aside = parent.join(temporary_name());
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&aside) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error.into()),
            };
            let written = file.write_all(bytes);
            drop(file);
            if let Err(error) = written.and_then(|()| fs::rename(&aside, &place)) {
                // No reader looks for this name, so a failure here does no harm.
                let _ = fs::remove_file(&aside);
                return Err(error.into());
            }
            return Ok(());
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists).into())
    }

    /// Appends to a file beneath this directory, which is created if it is missing.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), Denied> {
        let place = match self.real(path) {
            Ok(place) => place,
            Err(Denied::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {
                return self.write(path, bytes);
            }
            Err(denied) => return Err(denied),
        };
        if !place.is_file() {
            return Err(Denied::Irregular("a directory"));
        }
        let mut file = OpenOptions::new().append(true).open(place)?;
        Ok(file.write_all(bytes)?)
    }

    fn real(&self, path: &Path) -> Result<PathBuf, Denied> {
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(Denied::Outside);
        }
        let real = self.path.join(path).canonicalize()?;
        if real.starts_with(&self.path) { Ok(real) } else { Err(Denied::Outside) }
    }
}

/// Opens a file that a person named, anywhere in the file system.
pub fn open_regular(path: &Path) -> Result<File, Denied> {
    let regular = |metadata: fs::Metadata| match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(Denied::Irregular("a directory")),
        _ => Err(Denied::Irregular("a device")),
    };
    regular(fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}
