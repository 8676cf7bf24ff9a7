//! The implementation with `openat`, one part of a path at a time.

use super::{Denied, Entry, EntryKind, Found, NAME_ATTEMPTS_MAX, temporary_name};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The maximum number of symbolic links in one path, as in Linux.
const LINKS_MAX: u32 = 40;

/// The flags to read a file without waiting for a pipe's writer or acquiring a terminal.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// The flags to traverse a directory, which needs no permission to read it.
#[cfg(target_os = "linux")]
const THROUGH: OFlags = DIRECTORY.union(OFlags::PATH);
#[cfg(not(target_os = "linux"))]
const THROUGH: OFlags = DIRECTORY;

/// An open directory.
#[derive(Clone, Debug)]
pub struct Beneath {
    dir: Arc<OwnedFd>,
    /// The path without symbolic links.
    path: PathBuf,
}

/// The end of a path: a name in a directory.
struct Place {
    dir: Arc<OwnedFd>,
    name: OsString,
    /// The path of the directory without symbolic links.
    parent: PathBuf,
    /// The type of the entry, if it exists. Never a symbolic link.
    kind: Option<FileType>,
}

impl Beneath {
    /// Opens a directory. Follows links in its own path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let path = path.canonicalize()?;
        let dir = Arc::new(fs::open(&path, THROUGH, Mode::empty())?);
        Ok(Self { dir, path })
    }

    /// Returns the path without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file at a path beneath this directory.
    pub fn file(&self, path: &Path) -> Result<Found, Denied> {
        let place = self.walk(path, false)?;
        // Check before opening, because opening a device may have an effect.
        regular(place.kind.unwrap_or(FileType::Unknown))?;
        let file = fs::openat(&*place.dir, &place.name, READ, Mode::empty());
        let file = file.map_err(exchanged)?;
        regular(file_type(&fs::fstat(&file).map_err(io::Error::from)?))?;
        let path = place.parent.join(&place.name);
        let dir = Self { dir: place.dir, path: place.parent };
        Ok(Found { file: file.into(), path, dir })
    }

    /// Opens a directory beneath this one. Follows links that stay inside.
    pub fn within(&self, path: &Path) -> Result<Self, Denied> {
        let place = self.walk(path, false)?;
        if place.kind != Some(FileType::Directory) {
            return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
        }
        let dir = fs::openat(&*place.dir, &place.name, THROUGH, Mode::empty());
        let path = match place.name.to_str() {
            Some(".") => place.parent,
            _ => place.parent.join(&place.name),
        };
        Ok(Self { dir: Arc::new(dir.map_err(exchanged)?), path })
    }

    /// Creates a directory beneath this one, with those on its path, where they are missing.
    /// Returns its path without links.
    pub fn make(&self, path: &Path) -> Result<PathBuf, Denied> {
        // All that comes before the end of a path is made.
        self.walk(&path.join("_"), true).map(|place| place.parent)
    }

    /// Returns the entries of a directory beneath this one, in no particular order.
    pub fn entries(&self, path: &Path) -> Result<Vec<Entry>, Denied> {
        let place = self.walk(path, false)?;
        let dir = fs::openat(&*place.dir, &place.name, DIRECTORY, Mode::empty());
        let mut entries = Vec::new();
        for entry in fs::Dir::new(dir.map_err(exchanged)?).map_err(io::Error::from)? {
            let entry = entry.map_err(io::Error::from)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not return the type.
                FileType::Unknown => {
                    match fs::statat(&*place.dir, place.below(name), AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => file_type(&stat),
                        // The entry is gone by now.
                        Err(_) => continue,
                    }
                }
                kind => kind,
            };
            let kind = match kind {
                FileType::Directory => EntryKind::Directory,
                FileType::Symlink => EntryKind::Link,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name: name.to_owned(), kind });
        }
        Ok(entries)
    }

    /// Returns `true` if the path is a directory. Follows links that stay inside.
    pub fn is_dir(&self, path: &Path) -> Result<bool, Denied> {
        Ok(self.walk(path, false)?.kind == Some(FileType::Directory))
    }

    /// Writes a file beneath this directory atomically. Creates missing directories on its path.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Denied> {
        let place = self.walk(path, true)?;
        if let Some(kind) = place.kind {
            regular(kind)?;
        }
        let (file, temporary) = Temporary::create(place.dir.clone())?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        drop(file);
        temporary.rename(&place.name)?;
        Ok(())
    }

    /// Appends to a file beneath this directory, which is created if it is missing. Creates missing
    /// directories on its path.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), Denied> {
        let place = self.walk(path, true)?;
        if let Some(kind) = place.kind {
            regular(kind)?;
        }
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let file = fs::openat(&*place.dir, &place.name, flags, Mode::from_raw_mode(0o666));
        let file = file.map_err(exchanged)?;
        regular(file_type(&fs::fstat(&file).map_err(io::Error::from)?))?;
        Ok(File::from(file).write_all(bytes)?)
    }

    /// Follows a path. With `make`, creates missing directories, and the end may be missing.
    fn walk(&self, path: &Path, make: bool) -> Result<Place, Denied> {
        let mut left = VecDeque::new();
        go_on(&mut left, path, &self.path)?;
        // The directories that were traversed. `..` leaves the last of them, even if it was moved
        // meanwhile.
        let mut inside: Vec<(Arc<OwnedFd>, OsString)> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                if inside.pop().is_none() {
                    return Err(Denied::Outside);
                }
                continue;
            }
            let dir = inside.last().map_or(&self.dir, |(dir, _)| dir).clone();
            let stat = match fs::statat(&*dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) if make && !left.is_empty() => {
                    match fs::mkdirat(&*dir, &name, Mode::from_raw_mode(0o777)) {
                        // Another writer may have created it first.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(io::Error::from(error).into()),
                    }
                    fs::statat(&*dir, &name, AtFlags::SYMLINK_NOFOLLOW)
                }
                stat => stat,
            };
            let kind = match stat {
                Ok(stat) => Some(file_type(&stat)),
                Err(Errno::NOENT) if make && left.is_empty() => None,
                Err(error) => return Err(io::Error::from(error).into()),
            };
            if kind == Some(FileType::Symlink) {
                links += 1;
                if links > LINKS_MAX {
                    return Err(io::Error::from(Errno::LOOP).into());
                }
                let target = fs::readlinkat(&*dir, &name, Vec::new()).map_err(io::Error::from)?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    inside.clear();
                }
                go_on(&mut left, &target, &self.path)?;
            } else if left.is_empty() {
                let parent =
                    inside.iter().fold(self.path.clone(), |path, (_, name)| path.join(name));
                return Ok(Place { dir, name, parent, kind });
            } else if kind == Some(FileType::Directory) {
                let next = fs::openat(&*dir, &name, THROUGH, Mode::empty()).map_err(exchanged)?;
                inside.push((Arc::new(next), name));
            } else {
                return Err(io::Error::from(Errno::NOTDIR).into());
            }
        }
        let parent = inside.iter().fold(self.path.clone(), |path, (_, name)| path.join(name));
        let dir = inside.pop().map_or_else(|| self.dir.clone(), |(dir, _)| dir);
        Ok(Place { dir, name: ".".into(), parent, kind: Some(FileType::Directory) })
    }
}

impl Place {
    fn below(&self, name: &OsStr) -> PathBuf {
        Path::new(&self.name).join(name)
    }
}

/// Prepends the parts of a path to `left`. An absolute path must begin with `root`.
fn go_on(left: &mut VecDeque<OsString>, path: &Path, root: &Path) -> Result<(), Denied> {
    let path = if path.is_absolute() {
        path.strip_prefix(root).map_err(|_| Denied::Outside)?
    } else {
        path
    };
    for part in path.components().rev() {
        match part {
            Component::Normal(part) => left.push_front(part.to_owned()),
            Component::ParentDir => left.push_front("..".into()),
            _ => {}
        }
    }
    Ok(())
}

/// Opens a file that a person named, anywhere in the file system.
pub fn open_regular(path: &Path) -> Result<File, Denied> {
    regular(file_type(&fs::stat(path).map_err(io::Error::from)?))?;
    let flags = READ.difference(OFlags::NOFOLLOW);
    let file = fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    regular(file_type(&fs::fstat(&file).map_err(io::Error::from)?))?;
    Ok(file.into())
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn regular(kind: FileType) -> Result<(), Denied> {
    match kind {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Denied::Irregular("a directory")),
        FileType::Fifo => Err(Denied::Irregular("a pipe")),
        FileType::Socket => Err(Denied::Irregular("a socket")),
        FileType::CharacterDevice | FileType::BlockDevice => Err(Denied::Irregular("a device")),
        _ => Err(Denied::Irregular("something else")),
    }
}

/// Maps an error after the check of an entry. A new link there may lead anywhere.
fn exchanged(error: Errno) -> Denied {
    match error {
        Errno::LOOP => Denied::Outside,
        error => io::Error::from(error).into(),
    }
}

/// A file that is not complete yet. Dropping it removes the file.
struct Temporary {
    dir: Arc<OwnedFd>,
    /// The temporary name, until the file is renamed.
    name: Option<String>,
}

impl Temporary {
    fn create(dir: Arc<OwnedFd>) -> io::Result<(OwnedFd, Self)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..NAME_ATTEMPTS_MAX {
            let name = temporary_name();
            match fs::openat(&*dir, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => return Ok((file, Self { dir, name: Some(name) })),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    fn rename(mut self, name: &OsStr) -> io::Result<()> {
        if let Some(aside) = &self.name {
            fs::renameat(&*self.dir, aside, &*self.dir, name)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(aside) = &self.name {
            // No reader looks for this name, so a failure here does no harm.
            let _ = fs::unlinkat(&*self.dir, aside, AtFlags::empty());
        }
    }
}
