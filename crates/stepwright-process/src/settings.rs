//! The names of environment variables by which programs load or run code.

/// Words at the end of a part of a name, where underscores separate the parts. They are typical of
/// settings: `TAR_OPTIONS`, `RUSTFLAGS`, `RSYNC_RSH`, `http_proxy`.
const SETTING_ENDS: [&str; 33] = [
    "ASKPASS",
    "BROWSER",
    "COMMAND",
    "COMMANDS",
    "COMPILER",
    "CONFIG",
    "EDITOR",
    "ENVIRON",
    "EXEC",
    "FLAGS",
    "HANDLER",
    "HELPER",
    "HOME",
    "HOOK",
    "INIT",
    "INPUTS",
    "INTERPRETER",
    "LIBRARY",
    "LOADER",
    "MODULES",
    "OPTIONS",
    "OPTS",
    "PAGER",
    "PATH",
    "PATHS",
    "PLUGIN",
    "PLUGINS",
    "PREFIX",
    "PRELOAD",
    "PROXY",
    "SHELL",
    "STARTUP",
    "WRAPPER",
];

/// Parts of names that are typical of settings, but also ends of common words.
const SETTING_PARTS: [&str; 12] =
    ["ARGS", "CFG", "CMD", "ENV", "LIB", "LIBS", "OPT", "PROG", "RC", "RSH", "SOCK", "SSH"];

/// The first parts of the names of settings, which are mostly programs. They may end with digits.
const SETTING_FAMILIES: [&str; 96] = [
    "ANSIBLE", "APT", "AR", "AS", "ASAN", "AWK", "AWS", "AZURE", "BUN", "BUNDLE", "CARGO", "CC",
    "CELERY", "CLANG", "CMAKE", "COMPOSER", "CONDA", "CPP", "CURL", "CXX", "DBUS", "DENO",
    "DJANGO", "DOCKER", "DOTNET", "ELECTRON", "EMACS", "ERL", "FC", "FLASK", "FZF", "GCC", "GDB",
    "GEM", "GIT", "GLIBC", "GNUPG", "GO", "GOOGLE", "GPG", "GREP", "GROOVY", "GTK", "GUILE",
    "GUNICORN", "GZIP", "HIST", "JQ", "JULIA", "JUPYTER", "KRB", "KUBE", "KUBECTL", "LC", "LD",
    "LESS", "LIBGL", "LUA", "MAKE", "MALLOC", "MAN", "MIX", "MYSQL", "NIX", "NLS", "NODE", "NSS",
    "NVIM", "OPENSSL", "PHP", "PIP", "PKG", "POETRY", "PS", "PSQL", "PYTEST", "QT", "READLINE",
    "RSYNC", "RUST", "RUSTC", "SED", "SQLITE", "SSH", "SSL", "SUDO", "SVN", "SYSTEMD", "TAR",
    "TCL", "UV", "UVICORN", "VIM", "XDG", "YARN", "ZSH",
];

/// The beginnings of further names of settings, however they continue.
const SETTING_PREFIXES: [&str; 11] =
    ["BASH", "DYLD", "GCONV", "HG", "IPYTHON", "JAVA", "JDK", "NPM", "PERL", "PYTHON", "RUBY"];

/// Settings that none of the other rules covers.
const SETTINGS: [&str; 64] = [
    "BISON",
    "COMPREPLY",
    "CVSEDITOR",
    "DIRSTACK",
    "ENV",
    "EXINIT",
    "F77",
    "FCEDIT",
    "FIGNORE",
    "FLEX",
    "FUNCNEST",
    "GLOBIGNORE",
    "IFS",
    "INPUTRC",
    "LANG",
    "LANGUAGE",
    "LESSCLOSE",
    "LESSKEY",
    "LESSOPEN",
    "LEX",
    "LINENO",
    "LINT",
    "M4",
    "MAIL",
    "MAILCAP",
    "MAILCAPS",
    "MAILCHECK",
    "MAKEFILES",
    "MAKEINFO",
    "NM",
    "OBJC",
    "OBJCOPY",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "PGSERVICEFILE",
    "PGSSLKEY",
    "PGSYSCONFDIR",
    "POSIXLY_CORRECT",
    "PREFIX",
    "PWD",
    "RANDOM",
    "RANLIB",
    "RSH",
    "SECONDS",
    "STRIP",
    "TANGLE",
    "TERM",
    "TERMCAP",
    "TERMINFO",
    "TEX",
    "TEXEDIT",
    "TEXMFCNF",
    "TMPDIR",
    "UNZIP",
    "UNZIPOPT",
    "VISUAL",
    "WEAVE",
    "WGETRC",
    "WINDRES",
    "YACC",
    "ZDOTDIR",
    "ZIPINFO",
    "ZIPOPT",
];

/// The last parts of names that belong to authors, although a family has such a first part:
/// `NODE_NAME`, `HOME_PAGE`.
const OWN_ENDS: [&str; 7] = ["DATE", "EMAIL", "HOST", "NAME", "PAGE", "TITLE", "VERSION"];

/// The first parts of names of paths that belong to authors: `FILE_PATH`.
const OWN_PATHS: [&str; 8] =
    ["DATA", "DIR", "FILE", "FOLDER", "IMAGE", "OUTPUT", "SOURCE", "TARGET"];

/// The beginnings of names that no program reads.
const OWN: [&str; 2] = ["INPUT_", "VALUE_"];

/// Returns `true` if the name may be a setting by which a program loads or runs code. No list
/// of these is complete, so the rules follow how such names are made.
pub fn is_setting(name: &str) -> bool {
    if name.contains(|c: char| c.is_ascii_lowercase()) {
        return name.starts_with("npm_") || name.ends_with("_proxy");
    }
    let name = name.trim_start_matches('_');
    if OWN.iter().any(|own| name.starts_with(own)) {
        return false;
    }
    if name.strip_suffix("_PATH").is_some_and(|first| OWN_PATHS.contains(&first)) {
        return false;
    }
    // `MUTTRC`, but not `SRC`.
    let is_file = |part: &str| part.len() > 3 && part.ends_with("RC");
    let is_loaded = |part: &str| part.contains("PROFILE") || is_file(part);
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default();
    let family = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let last = parts.clone().next_back().unwrap_or_default();
    let is_own = OWN_ENDS.contains(&last) && !matches!(family, "DOCKER" | "LC" | "LD");
    SETTINGS.contains(&name)
        || SETTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || is_loaded(first)
        || !is_own
            && (SETTING_FAMILIES.contains(&family)
                || SETTING_ENDS.iter().any(|end| first.ends_with(end)))
        || parts.any(|part| {
            is_loaded(part)
                || part.starts_with("MODULE")
                || SETTING_PARTS.contains(&part)
                || SETTING_ENDS.iter().any(|end| part.ends_with(end))
        })
        // `RSYNCOPT`, `PSQLRC`
        || SETTING_FAMILIES.iter().any(|family| {
            first.strip_prefix(family).is_some_and(|rest| SETTING_PARTS.contains(&rest))
        })
}
