//! The modules of Python that a command may run.

/// The modules of Python that treat their arguments and their input as data.
pub(super) const MODULES: &str = "base64 calendar gzip json.tool tarfile zipfile";

/// The modules of Python that may also stand in a command whose values are elsewhere.
pub(super) const MODULES_WITHOUT_VALUES: &str = "\
    black build compileall ensurepip flake8 http.server isort mypy pip pylint pytest ruff sphinx \
    twine unittest venv";

/// The modules of Python's own library, and programs that come as modules, which run code that
/// their arguments name. Other modules may be the author's own, like programs that are not known.
const LOADERS: &str = "\
    IPython Cython PyInstaller abc accelerate aiohttp ansible antigravity argparse ast asyncio \
    asyncore bdb behave bpython bz2 cProfile celery cgi cgitb cmd code codecs codeop collections \
    concurrent conda contextlib coverage ctypes curses dask dataclasses dbm debugpy difflib dis \
    distutils django doctest encodings enum fabric faulthandler filecmp fileinput fire flask \
    fnmatch ftplib functools getopt getpass gettext glob gunicorn heapq hypercorn idlelib \
    imaplib imp importlib inspect invoke io ipdb ipykernel itertools jupyter jupyterlab kernprof \
    lib2to3 linecache line_profiler locale locust logging lzma mailbox mailcap marshal \
    memory_profiler mimetypes modulefinder multiprocessing mypyc nbconvert netrc nntplib nose \
    nose2 notebook nox ntpath nuitka numpy operator optparse os papermill pathlib pdb pickle \
    pickletools pipenv pipes pipx pkgutil platform plistlib poetry poplib posixpath pprint \
    profile pstats ptpython pty pudb py_compile pyclbr pydoc pyperf queue quopri random ray re \
    readline robot rlcompleter runpy scalene sched scrapy secrets select shelve shlex shutil \
    signal site smtpd smtplib socket socketserver sqlite3 ssl stat statistics streamlit string \
    struct subprocess symtable sys sysconfig tabnanny telnetlib tempfile test textwrap this \
    threading timeit tkinter token tokenize tomllib torch tox trace traceback tracemalloc turtle \
    turtledemo types typing urllib uu uuid uv uvicorn virtualenv viztracer waitress warnings \
    wave weakref webbrowser wsgiref xml xmlrpc zipapp zipimport zoneinfo";

/// Returns `true` for a module that nothing but its author knows.
pub(super) fn is_own_module(name: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let of = |list: &str| {
        let first = name.split('.').next().unwrap_or_default();
        list.split_whitespace().any(|known| {
            known.split('.').next().is_some_and(|known| known.eq_ignore_ascii_case(first))
        })
    };
    let is_private = name.starts_with('_');
    name.split('.').all(is_name)
        && !is_private
        && ![LOADERS, MODULES, MODULES_WITHOUT_VALUES].into_iter().any(of)
}
