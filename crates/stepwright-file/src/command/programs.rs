//! The programs that the checks know.

pub(super) use crate::system::is_setting;

/// Returns `true` if a list of words contains the name.
pub(super) fn lists(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|one| one == name)
}

/// Stands for a value in a word, or for the text that the shell inserts there.
pub(super) const DYNAMIC: char = '\u{e000}';

/// The programs that treat every argument as data, also as an option. A value may stand anywhere
/// among their arguments in the text of a command.
pub(super) const DATA: &str = "\
    base64 basename cat cksum cmp comm cut dirname du echo fold head ls md5sum mkdir nl paste \
    readlink realpath rev seq sha1sum sha256sum sha512sum stat tac tail touch tr wc";

/// The programs that may stand with constant arguments next to values in the text of a command.
pub(super) const CONSTANT: &str = "cd cp date exit false mv pwd rm set sleep tee true uniq";

/// The further programs that treat their arguments as data in scripts.
pub(super) const DATA_IN_SCRIPTS: &str = "\
    : break bzip2 chgrp chmod chown column continue dd df expand expr factor file fmt gunzip \
    gzip hexdump hostname iconv id join kill ln logger mktemp numfmt od pr return rmdir shift \
    shuf strings truncate tsort type umask uname unlink wait whereis which xxd xz yes zcat";

/// The programs of [`GUARDED`] that may stand in the text of a command with values.
pub(super) const BEHIND_DASHES: &str = "diff egrep fgrep grep sort";

/// A program with options that are not data. A value is safe behind `--` or a data option.
pub(super) struct Guarded {
    pub(super) names: &'static str,
    /// The letters of the options without an argument.
    pub(super) flags: &'static str,
    /// The letters of the options with an argument.
    pub(super) args: &'static str,
    /// The long options without an argument.
    pub(super) longs: &'static str,
    /// The options whose argument is data.
    pub(super) data: &'static str,
    /// `true` if one of its options runs code.
    pub(super) runs: bool,
}

const fn guarded(
    names: &'static str,
    flags: &'static str,
    args: &'static str,
    data: &'static str,
) -> Guarded {
    Guarded { names, flags, args, longs: "", data, runs: true }
}

pub(super) const GUARDED: &[Guarded] = &[
    Guarded {
        runs: false,
        ..guarded(
            "grep egrep fgrep",
            "bcEFGhHIiLlnoqRrsTUvwxyZz",
            "eABCmDdf",
            "-e -m -A -B -C --regexp",
        )
    },
    Guarded { runs: false, ..guarded("diff", "abBcdeiNqrstTuwy", "UCIWxX", "-I -x -U") },
    guarded("sort gsort", "bcCdfghimMnrRsuVz", "koStT", "-t -k"),
    guarded("tar gtar bsdtar", "cxtzjJvpkuahO", "fC", "-C"),
    guarded("rsync", "avznrtplogDuHxchPqi", "efT", "--include --exclude"),
    guarded("scp", "rpqCBv", "cFiJloPS", ""),
    guarded(
        "curl",
        "fgGiIkLNsSvO",
        "AbcdDeFHmoTuwX",
        "\
    -A -d -F -H -u --data --data-raw --data-binary --data-urlencode --form-string --header \
    --json --url --user",
    ),
    guarded("wget", "cNqSvx", "eioOPtTU", "--post-data"),
    guarded("rg", "cFHiIlLnNoqsSvwx", "ABCefgjmMrtT", "-e -g --regexp"),
    guarded("hg", "qvAy", "mu", "-m -u --message --user"),
    guarded("svn", "qv", "mF", "-m --message"),
    guarded("gpg gpg2", "abdesqv", "oru", "-r -u --recipient --local-user"),
    guarded("pylint", "", "", ""),
    guarded("zip unzip", "9jmqru", "", ""),
    guarded("split", "d", "abCln", ""),
    guarded("man less more install fd fdfind bat pandoc", "", "", ""),
];

/// The options of the commands of git. The same letter has other meanings for other commands.
pub(super) const GIT: &[Guarded] = &[
    git("commit", "ahinopqsvz", "cCFmt", "-m -F --message --author --date --file"),
    git("tag", "adfls", "Fmu", "-m -F --message --file"),
    git(
        "log",
        "abEFhiPpqvwz",
        "GLnS",
        "-G -n -S --after --author --before --committer --grep --max-count --since --until",
    ),
    git(
        "rev-list shortlog",
        "q",
        "",
        "--after --author --before --committer --grep --max-count --since --until",
    ),
    git("grep", "acEFGhHiIlLnopqrvwWz", "ABCefm", "-A -B -C -e -m"),
    git("checkout", "dflpqt", "bB", "-b -B"),
    git("switch", "dfqt", "cC", "-c -C"),
    git("clone", "lnqsv", "bcjou", "-b --branch"),
    git("merge", "nqv", "FmsX", "-m"),
    git("add", "AefinNpuv", "", ""),
    git("rm mv", "fknqrv", "", ""),
    git("branch", "acdDfilmMqrv", "u", ""),
    git("fetch pull", "afkmnpqrtuv46", "jo", ""),
    git("push", "dfnquv46", "o", ""),
    git("status ls-files", "bcdkmostuvz", "xX", ""),
    git("diff show", "abpqRwz", "", ""),
    git("restore reset", "pqW", "s", ""),
    git("blame", "befklnpstw", "LS", ""),
    git("describe init rev-parse stash", "q", "", ""),
];

const fn git(
    names: &'static str,
    flags: &'static str,
    args: &'static str,
    data: &'static str,
) -> Guarded {
    let longs = "\
        --all --amend --cached --force --name-only --no-edit --no-verify --oneline --patch \
        --porcelain --quiet --short --staged --stat";
    Guarded { longs, ..guarded(names, flags, args, data) }
}

/// The tests of `find` whose argument is data.
pub(super) const FIND_TESTS: &str = "\
    -name -iname -path -ipath -wholename -regex -iregex -newer -type -size -mtime -mmin \
    -maxdepth -mindepth -user -group";

/// A program that runs another program, which is named in its arguments.
pub(super) struct Runner {
    pub(super) names: &'static str,
    /// The letters of the options without an argument.
    pub(super) flags: &'static str,
    /// The letters of the options with an argument.
    pub(super) args: &'static str,
    /// The number of arguments before the program.
    pub(super) operands: usize,
}

const fn runner(
    names: &'static str,
    flags: &'static str,
    args: &'static str,
    operands: usize,
) -> Runner {
    Runner { names, flags, args, operands }
}

pub(super) const RUNNERS: &[Runner] = &[
    runner("command", "p", "", 0),
    runner("builtin nohup busybox toybox", "", "", 0),
    runner("exec", "cl", "a", 0),
    runner("env", "i0v", "u", 0),
    runner("sudo", "nEHkKSbPA", "ugpCDRThUrt", 0),
    runner("doas", "nL", "uaC", 0),
    runner("nice", "", "n", 0),
    runner("ionice", "t", "cnpPu", 0),
    runner("stdbuf", "", "ioe", 0),
    runner("setsid", "cfw", "", 0),
    runner("time", "apqv", "fo", 0),
    runner("timeout", "v", "sk", 1),
    runner("flock", "nesxuoFv", "wE", 1),
    runner("chroot", "", "", 1),
    // The first argument says what they do: `uv run`, `npm exec`, `cargo install`.
    runner("bundle cargo go npm pnpm poetry uv yarn", "", "", 1),
    // It has rules of its own.
    runner("xargs gxargs", "", "", 0),
];

pub(super) const SHELLS: &str = "\
    sh bash rbash dash ash ksh ksh93 mksh pdksh oksh zsh yash posh fish csh tcsh nu xonsh elvish";

/// An interpreter of a language.
pub(super) struct Language {
    pub(super) names: &'static str,
    /// The letters of the options without an argument.
    pub(super) flags: &'static str,
    /// The letters of the options whose argument is in the same word.
    pub(super) attached: &'static str,
    /// The options whose next word is the code.
    pub(super) code: &'static str,
}

const fn language(
    names: &'static str,
    flags: &'static str,
    attached: &'static str,
    code: &'static str,
) -> Language {
    Language { names, flags, attached, code }
}

pub(super) const LANGUAGES: &[Language] = &[
    language("python pypy ipython jython micropython", "BEIOPRSbdhqsuvx", "", "-c -m"),
    language("perl raku", "acgilnpsStTuUvwWX0", "CDFIMm0il", "-e -E"),
    language("ruby jruby", "acgilnpsSUvwW", "FIrTKi", "-e"),
    language("node nodejs deno bun tsx ts-node", "", "", "-e -p -pe --eval --print eval"),
    language("php", "nqsw", "d", "-r -f"),
    language("lua luajit", "v", "l", "-e"),
    language("rscript julia osascript guile racket", "", "", "-e -c"),
    language(
        "\
    r tclsh wish elixir groovy scala kotlin swift ghc runghc sbcl clojure jshell janet",
        "",
        "",
        "-e",
    ),
];

/// The programs whose arguments are code or name code, wholly or in part. They take no values.
pub(super) const CODE: &str = "\
    abduco act amm ammonite ansible ansible-playbook apk apt apt-get aria2c asdf at batch bind \
    blender boot bpftrace brew bunx bwrap byobu c++ c89 c99 capsh catchsegv cc cgexec \
    chibi-scheme choom chpst chronic chrt clang clang++ clisp cmake cmd compgen complete conda \
    convert cpan cpio cpulimit crash crictl crontab crun csi csvtool ctr daemonize dagger \
    dbus-run-session dc debugfs devbox dmsetup dnf docker dosbox dotnet dpkg dtach duckdb \
    dumb-init dvips easy_install ecl ed elinks emacs enable enscript entr envdir envuidgid erl \
    eslint ex exiftool exim expect fakeroot faketime fc firejail flatpak fsi ftp fzf g++ gcc \
    gcore gdb gem gforth gimp gmake gnome-terminal gnuplot gosu gprolog gradle grunt gs gsi gulp \
    gview gvim hash helm history hyperfine i386 ifne invoke ip irb java javac jest jjs \
    journalctl jrunscript just kak kitty knife konsole kubectl latex latexmk lazygit ld.so ldd \
    lftp links linux32 linux64 lldb logrotate logsave ltrace lualatex luatex lxc lxc-attach lynx \
    m4 machinectl magick mail mailx make mamba mariadb mise mlr mocha mongosh mono mosh mount \
    msgfilter mutt mvn mysql nc ncat nerdctl newgrp ninja nix nix-shell nmap nodemon nox npx \
    nroff nsenter nsexec numactl nvim octave openssl openvpn pacman pdflatex pdftex pdm pee perf \
    pexec pip pipenv pipx pkexec podman powershell pre-commit prlimit proot proxychains pry \
    psftp psql puppet pwsh py.test pyenv pytest qemu rake rbenv rebar3 redis-cli restic rlwrap \
    rpm rsh run-mailcap run-parts runcon runuser rush rustc rview rvim rxvt s6-setuidgid sash \
    sbt schroot screen script sem sendmail service setarch setpriv setuidgid sftp sg shopt \
    skopeo socat softlimit sqlcmd sqlite3 ssh ssh-add ssh-agent ssh-keygen sshfs sshpass \
    start-stop-daemon strace su su-exec swipl systemctl systemd-cat systemd-inhibit \
    systemd-nspawn systemd-run taskset tbl tcc tcpdump terraform tex tic tig tini tmate tmux top \
    torify torsocks tox troff tsocks uclampset uname26 unbuffer unshare urxvt uvx vagrant \
    valgrind vi view vim vimdiff vitest w3m watch watchexec webpack wezterm wsl x86_64 xdg-open \
    xdotool xe xelatex xetex xterm xvfb-run yum zathura zellij zrun zypper";

/// Those of [`CODE`] that install what their arguments name, and run nothing else.
pub(super) const INSTALLERS: &str = "apk apt apt-get brew dnf gem pacman pip yum zypper";

/// Those of [`CODE`] that run their input unless they are given code in another way.
pub(super) const CODE_IN_INPUT: &str = "\
    at batch clisp cmd crontab csi dc duckdb ed ex erl expect fsi ftp gdb gforth gnuplot gsi \
    lftp lldb m4 mariadb mongosh \
    mosh mysql newgrp octave powershell psql pwsh rsh runuser script sftp sqlcmd sqlite3 ssh su \
    swipl";

/// Options of any program whose argument is code or names a program.
pub(super) const CODE_OPTIONS: &str = "\
    --exec --eval --command --rsh --to-command --use-compress-program --compress-program \
    --filter --checkpoint-action --rsync-path --open-files-in-pager --upload-pack --receive-pack \
    --exec-batch --ssh-command --preview --pager --editor --pre --info-script \
    --new-volume-script --unzip-command --strip-program --use-askpass --init-hook --diff-cmd \
    --diff3-cmd --merge-cmd --editor-cmd \
    --config-option --rsh-command --photo-viewer --rulesdir";

/// Returns the last part of a path.
pub(super) fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Returns `true` for the names of files that are the input of a process.
pub(super) fn is_stream(path: &str) -> bool {
    path == "-" || path.starts_with("/dev/") || path.starts_with("/proc/")
}

/// The name of a program without its folder and its version, in lower case.
pub(super) fn base(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word).to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    let is_version = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let plain = name.trim_end_matches(is_version);
    if !plain.is_empty() && !is_known(name) && is_known(plain) {
        return plain.to_owned();
    }
    if name.starts_with("ld-linux") || name.starts_with("ld-musl") {
        return "ld.so".to_owned();
    }
    name.to_owned()
}

fn is_known(name: &str) -> bool {
    lists(SHELLS, name)
        || language_of(name).is_some()
        || lists(CODE, name)
        || matches!(name, "awk" | "gawk" | "mawk" | "nawk" | "goawk" | "sed" | "gsed")
}

pub(super) fn language_of(name: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| lists(language.names, name))
}

/// Returns the variable that a word assigns to, and whether it is one element of an array.
pub(super) fn assigned(word: &str) -> Option<(&str, bool)> {
    let (name, _) = word.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let (variable, index) = name.split_once('[').map_or((name, None), |(v, i)| (v, Some(i)));
    if !crate::system::is_variable(variable) || variable.contains(DYNAMIC) {
        return None;
    }
    Some((variable, index.is_some()))
}
