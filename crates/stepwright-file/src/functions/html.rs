//! The text of HTML. It is for reading, and not for showing in a browser.

use super::{Given, text};
use serde_json::Value;
use stepwright_tools::__private::readable;

/// Removes tags and comments, and decodes entities.
pub(super) fn striptags(args: &[Value]) -> Given {
    Ok(readable::striptags(text(&args[0])?).into())
}

/// Returns the readable text: a line for each block, a dash before each element of a list, and no
/// scripts and styles.
pub(super) fn html_to_text(args: &[Value]) -> Given {
    Ok(readable::html_to_text(text(&args[0])?).into())
}
