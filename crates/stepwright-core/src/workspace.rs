//! The files that steps make in their workspaces.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A file that a step made or changed in its workspace.
///
/// ```
/// use stepwright_core::{StepOutput, workspace::WorkspaceFile};
/// let file = WorkspaceFile { path: "chart.svg".into(), bytes: 812, sha256: "9f86d0…".into() };
/// let output = StepOutput { files: vec![file], ..StepOutput::from("the chart is drawn") };
/// assert_eq!(&*output.files[0].path, "chart.svg");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceFile {
    /// The path in the workspace, with `/` between its parts.
    pub path: Arc<str>,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the content, in hexadecimal.
    pub sha256: Arc<str>,
}
