//! The built files. Written by `web/build.mjs`.

use crate::{File, IMMUTABLE, NO_CACHE};

pub(crate) const DIGEST: &str =
    "65ed73ce4ee5329d14060600844dc5399c13e4970b59870d6d02d0cc05c5fdbd";

pub(crate) const FILES: &[(&str, File)] = &[
    (
        "assets/icon-cc0cee3a690c.svg",
        File {
            bytes: include_bytes!("../dist/assets/icon-cc0cee3a690c.svg"),
            content_type: "image/svg+xml",
            cache_control: IMMUTABLE,
        },
    ),
    (
        "assets/main-0ca878add919.js",
        File {
            bytes: include_bytes!("../dist/assets/main-0ca878add919.js"),
            content_type: "text/javascript; charset=utf-8",
            cache_control: IMMUTABLE,
        },
    ),
    (
        "assets/main-c16a44e497e3.css",
        File {
            bytes: include_bytes!("../dist/assets/main-c16a44e497e3.css"),
            content_type: "text/css; charset=utf-8",
            cache_control: IMMUTABLE,
        },
    ),
    (
        "index.html",
        File {
            bytes: include_bytes!("../dist/index.html"),
            content_type: "text/html; charset=utf-8",
            cache_control: NO_CACHE,
        },
    ),
];
