//! The built files. Written by `web/build.mjs`.

use crate::{File, IMMUTABLE, NO_CACHE};

pub(crate) const DIGEST: &str =
    "7d2131c09ac9335debd3a4d75d017b969d08501eae76845baa89ee6ff900d9ae";

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
        "assets/main-5690faaf27a2.css",
        File {
            bytes: include_bytes!("../dist/assets/main-5690faaf27a2.css"),
            content_type: "text/css; charset=utf-8",
            cache_control: IMMUTABLE,
        },
    ),
    (
        "assets/main-89f21c7b3c80.js",
        File {
            bytes: include_bytes!("../dist/assets/main-89f21c7b3c80.js"),
            content_type: "text/javascript; charset=utf-8",
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
