//! The facade's words for artifacts.

use std::collections::BTreeMap;
use std::io::Read;

use super::{Snapshot, Store};
use crate::artifact::{Artifact, ArtifactId, ArtifactInfo, Artifacts};
use crate::filter::{Field, Filter, Test, Value};
use crate::format::admin::Admin;
use crate::format::retention::ArtifactPut;
use crate::log::{Log, NewRecord};
use crate::retention::{Use, Uses};
use crate::{Error, Result, Seq};

impl Store {
    /// Keeps an artifact: what an event points to, by the BLAKE3 of its content. It is durable when this returns, and a
    /// record of the log says that it is there. Whether it is new is said beside it; content that is there already is
    /// kept once.
    ///
    /// For a day from then on, nothing collects it. So whoever points to an artifact puts it first, also where it was put
    /// before, and then appends the event within the day.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] for a store that was opened to be read; [`Error::OverLimit`] beyond
    /// [`ARTIFACT_LEN_MAX`](crate::limits::ARTIFACT_LEN_MAX) bytes; [`Error::Io`], also of reading `content`; as
    /// [`Store::append`]. Nothing is kept then.
    pub fn put_artifact(&self, content: &mut dyn Read) -> Result<(ArtifactInfo, bool)> {
        if !self.is_writable() {
            return Err(Error::ReadOnly { reason: "an artifact cannot be kept in it".to_owned() });
        }
        let log = &self.inner.log;
        let unique = u64::from_le_bytes(log.world.random()?);
        let beside = log.layout.root().join(format!("artifact-{unique:016x}.new"));
        let room = self.artifacts_room();
        let info = room.write_beside(content, &beside)?;
        let put = ArtifactPut { artifact: info.id.to_string(), len: info.len };
        // It takes long to read it, and whoever collects artifacts holds the lock.
        let was_whole = room.is_whole(info.id);
        let placed = log.transact(|session| {
            let is_new = !was_whole || !room.is_there(info.id)?;
            if is_new {
                room.place(info.id, &beside)?;
            }
            session.write(&[NewRecord::admin(&Admin::Artifact(put).encode())])?;
            session.sync()?;
            Ok(is_new)
        });
        if !matches!(placed, Ok(true)) {
            room.drop_beside(&beside);
        }
        placed.map(|is_new| (info, is_new))
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
        room(&self.inner.log)
    }
}

impl Snapshot {
    /// The artifacts that the log says should be here: by the record that says last that each was put, but those that went
    /// since by a plan.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn artifacts_on_record(&self) -> Result<BTreeMap<ArtifactId, Seq>> {
        let kind = Value::Text("store.artifact".to_owned());
        let is_put = Filter::Field(Field::Name("kind".to_owned()), Test::Equals(vec![kind]));
        let mut here = BTreeMap::new();
        for hit in self.search(&Filter::All(vec![Filter::StoreRecord, is_put]))? {
            let hit = hit?;
            let admin = Admin::decode(hit.body()).map_err(|fault| Error::Forged {
                what: "record",
                reason: format!("record {}: {fault}", hit.seq),
            })?;
            if let Admin::Artifact(put) = admin
                && let Ok(id) = put.artifact.parse()
            {
                here.insert(id, hit.seq);
            }
        }
        for (seq, collecting) in &self.retention()?.collections {
            for id in collecting.artifacts.iter().filter_map(|artifact| artifact.parse::<ArtifactId>().ok()) {
                here.retain(|other, put| *other != id || *put > *seq);
            }
        }
        Ok(here)
    }

    /// What the log says of each of these artifacts: when it was put, and which events name it. Reads all events.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn artifact_uses(&self, ids: &[ArtifactId]) -> Result<BTreeMap<ArtifactId, Use>> {
        let mut uses = Uses::new(ids.iter().copied(), &self.retention()?);
        uses.read(&self.inner.log, &self.head, &self.catalog, &[])?;
        Ok(uses.into_inner())
    }
}

pub(super) fn room(log: &Log) -> Artifacts<'_> {
    Artifacts::new(&*log.world.disk, log.layout.artifacts_dir())
}
