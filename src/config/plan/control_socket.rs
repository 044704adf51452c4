//! The path of the control socket, of a generator and of `soakrig ctl`.

use std::path::PathBuf;

use super::super::value::{RunId, SocketPlace};
use super::build::Draft;
use crate::error::StartError;
use crate::model::Shard;

impl Draft<'_> {
    /// The socket at which this generator listens, if any.
    pub(super) fn control_socket(&self, run: &RunId, shard: Shard) -> Result<Option<PathBuf>, StartError> {
        match &self.layers.settings.report.control_socket {
            None | Some(SocketPlace::Off) => Ok(None),
            Some(SocketPlace::At(path)) => Ok(Some(path.clone())),
            Some(SocketPlace::Auto) => {
                let directory = self.environment.runtime_directory().ok_or_else(|| {
                    let why = "auto: the variable XDG_RUNTIME_DIR is not set to an absolute path";
                    let error = self.layers.conflict(&["control_socket"], why);
                    error.remedy("give the path of a socket, in a directory that only you can write to")
                })?;
                Ok(Some(directory.join(format!("{}-{}.sock", run.as_str(), shard.index))))
            }
        }
    }
}
