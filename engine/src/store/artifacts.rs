//! The facade's words for artifacts.

use std::io::Read;

use super::Store;
use crate::artifact::{Artifact, ArtifactId, ArtifactInfo, Artifacts};
use crate::{Error, Result};

impl Store {
    /// Keeps an artifact: what an event points to, by the BLAKE3 of its content. It is durable when this returns. Whether
    /// it is new is said beside it; content that is there already is kept once.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] for a store that was opened to be read; [`Error::OverLimit`] beyond
    /// [`ARTIFACT_LEN_MAX`](crate::limits::ARTIFACT_LEN_MAX) bytes; [`Error::Io`], also of reading `content`. Nothing is
    /// kept then.
    pub fn put_artifact(&self, content: &mut dyn Read) -> Result<(ArtifactInfo, bool)> {
        if !self.is_writable() {
            return Err(Error::ReadOnly { reason: "an artifact cannot be kept in it".to_owned() });
        }
        let log = &self.inner.log;
        let unique = u64::from_le_bytes(log.world.random()?);
        let beside = log.layout.root().join(format!("artifact-{unique:016x}.new"));
        self.artifacts_room().put(content, &beside)
    }

    /// An artifact's content, to be read.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Fault`] where its file is damaged or is another's.
    pub fn artifact(&self, id: ArtifactId) -> Result<Artifact> {
        self.artifacts_room().open(id)
    }

    /// The names of all artifacts, in order.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn artifacts(&self) -> Result<Vec<ArtifactId>> {
        self.artifacts_room().list()
    }

    pub(super) fn artifacts_room(&self) -> Artifacts<'_> {
        let log = &self.inner.log;
        Artifacts::new(&*log.world.disk, log.layout.artifacts_dir())
    }
}
