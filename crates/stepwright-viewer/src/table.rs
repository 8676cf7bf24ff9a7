//! The built files. Written by `web/build.mjs`.

use crate::{File, IMMUTABLE, NO_CACHE};

pub(crate) const DIGEST: &str = "5dcaa0873b05949f5614df232811a7dc39758d452b6494f6c806533ef682c9bc";

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
        "assets/main-42f29c826d88.js",
        File {
            bytes: include_bytes!("../dist/assets/main-42f29c826d88.js"),
            content_type: "text/javascript; charset=utf-8",
            cache_control: IMMUTABLE,
        },
    ),
    (
        "assets/main-7f2911b0ff8c.css",
        File {
            bytes: include_bytes!("../dist/assets/main-7f2911b0ff8c.css"),
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
