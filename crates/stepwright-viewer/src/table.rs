//! The built files. Written by `web/build.mjs`.

use crate::{File, IMMUTABLE, NO_CACHE};

pub(crate) const DIGEST: &str = "d1ea08b1f5f59b77c58ceced30577af2a9faebbd526aaf3ed854e60ed2f6d04e";

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
        "assets/main-1feb7ef3e3bf.js",
        File {
            bytes: include_bytes!("../dist/assets/main-1feb7ef3e3bf.js"),
            content_type: "text/javascript; charset=utf-8",
            cache_control: IMMUTABLE,
        },
    ),
    (
        "assets/main-3dc25c27addd.css",
        File {
            bytes: include_bytes!("../dist/assets/main-3dc25c27addd.css"),
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
