//! The process that keeps a file locked.

use std::path::Path;

/// Returns the process that holds the lock for writing, and `true` if it is stopped (by SIGSTOP, or
/// by Ctrl-Z). `None` if it is not known: only Linux tells, and only of processes that it shows.
#[cfg(target_os = "linux")]
pub(super) fn lock_holder(path: &Path) -> Option<(u32, bool)> {
    use std::os::unix::fs::MetadataExt as _;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = |end: &str| {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        std::fs::metadata(file).ok().map(|metadata| metadata.ino())
    };
    // The lock of a log is on a byte of its index. Without a log, it is on the file itself.
    let files = [(inode("-shm"), Some(WRITE_LOCK)), (inode(""), None)];
    let holder = locks.lines().find_map(|line| {
        let lock = Lock::read(line)?;
        let is_it = files.iter().any(|(inode, byte)| {
            *inode == Some(lock.inode) && byte.is_none_or(|byte| lock.covers(byte))
        });
        (is_it && lock.process != std::process::id()).then_some(lock.process)
    })?;
    Some((holder, is_stopped(holder)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn lock_holder(_: &Path) -> Option<(u32, bool)> {
    None
}

/// The byte of the index of a log that the writer locks.
#[cfg(target_os = "linux")]
const WRITE_LOCK: u64 = 120;

/// A line of `/proc/locks` about a lock for writing.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq)]
struct Lock {
    process: u32,
    inode: u64,
    from: u64,
    to: u64,
}

#[cfg(target_os = "linux")]
impl Lock {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip_while(|word| *word != "POSIX").skip(2);
        if words.next()? != "WRITE" {
            return None;
        }
        let process = words.next()?.parse().ok().filter(|process| *process > 0)?;
        let inode = words.next()?.rsplit(':').next()?.parse().ok()?;
        let from = words.next()?.parse().ok()?;
        let to = match words.next()? {
            "EOF" => u64::MAX,
            to => to.parse().ok()?,
        };
        Some(Self { process, inode, from, to })
    }

    fn covers(&self, byte: u64) -> bool {
        (self.from..=self.to).contains(&byte)
    }
}

#[cfg(target_os = "linux")]
fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in parentheses may have any character.
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['T', 't']))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let lock = Lock::read("7: POSIX  ADVISORY  WRITE 4711 fd:01:131 120 123").unwrap();
        assert_eq!(lock, Lock { process: 4711, inode: 131, from: 120, to: 123 });
        assert!(lock.covers(120) && !lock.covers(124));
        let whole = Lock::read("7: POSIX  ADVISORY  WRITE 4711 fd:01:131 0 EOF").unwrap();
        assert!(whole.covers(u64::MAX));
        for other in [
            "7: POSIX  ADVISORY  READ 4711 fd:01:131 120 120",
            "7: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF",
            "7: POSIX  ADVISORY  WRITE 0 fd:01:131 0 EOF",
            "7: POSIX",
            "",
        ] {
            assert_eq!(Lock::read(other), None, "{other}");
        }
    }
}
