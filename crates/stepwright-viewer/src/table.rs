//! The built files. Written by `web/build.mjs`.

use crate::{File, IMMUTABLE, NO_CACHE};

pub(crate) const DIGEST: &str = "0568c5f7824394badea7e19c1dda4e2803f6660b0c76df1346e6223e46d0eba1";

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
        "assets/main-6d0f904a7261.js",
        File {
            bytes: include_bytes!("../dist/assets/main-6d0f904a7261.js"),
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
