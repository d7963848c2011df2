//! How a store is made and opened.

use std::sync::Arc;

use crate::disk::{Retrieve, World};
use crate::log::{Settings, Sync};
use crate::trust::VerifierKey;
use crate::{Error, Origin, Result, limits};

/// How a store is made and opened. `Options::new(origin)` is enough; the rest has defaults.
#[derive(Debug, Clone)]
pub struct Options {
    origin: Option<String>,
    pub(super) log_key: Option<VerifierKey>,
    pub(super) forked_from: Option<String>,
    pub(super) sync: Sync,
    pub(super) event_len_max: usize,
    pub(super) segment_len: u64,
    pub(super) segment_records: u32,
    pub(super) segment_age_s: u64,
    pub(super) allocate_len: u64,
    pub(super) read_only: bool,
    pub(super) force_network: bool,
    pub(super) seal_in_background: bool,
    pub(super) retrieve: Option<Arc<dyn Retrieve>>,
    world: Option<World>,
}

impl Default for Options {
    /// For a store that is there: its origin is read from its log.
    fn default() -> Self {
        Options {
            origin: None,
            log_key: None,
            forked_from: None,
            sync: Sync::Always,
            event_len_max: limits::EVENT_LEN_DEFAULT,
            segment_len: limits::SEGMENT_LEN_DEFAULT,
            segment_records: limits::SEGMENT_RECORDS_MAX / 2,
            segment_age_s: limits::SEGMENT_AGE_DEFAULT_S,
            allocate_len: 8 << 20,
            read_only: false,
            force_network: false,
            seal_in_background: true,
            retrieve: None,
            world: None,
        }
    }
}

impl Options {
    /// For a store of this origin, e.g. `acme.example/agents-prod`. A store that is there must have the same.
    pub fn new(origin: impl Into<String>) -> Self {
        Options { origin: Some(origin.into()), ..Options::default() }
    }

    /// Names the key whose checkpoints speak for the log, in the first record of a new store.
    #[must_use]
    pub fn log_key(mut self, key: VerifierKey) -> Self {
        self.log_key = Some(key);
        self
    }

    /// Says in the first record of a new store which log it goes on from: that log's last checkpoint.
    #[must_use]
    pub fn forked_from(mut self, checkpoint: impl Into<String>) -> Self {
        self.forked_from = Some(checkpoint.into());
        self
    }

    /// When an append is made durable. Default: before it returns.
    #[must_use]
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// Longest event in bytes that is taken: 16 MiB unless told otherwise, 256 MiB at most.
    #[must_use]
    pub fn event_len_max(mut self, len: usize) -> Self {
        self.event_len_max = len.min(limits::EVENT_LEN_MAX);
        self
    }

    /// A segment is sealed when its log has this many bytes: 64 MiB unless told otherwise.
    #[must_use]
    pub fn segment_len(mut self, len: u64) -> Self {
        self.segment_len = len;
        self
    }

    /// A segment is sealed when it has this many records.
    #[must_use]
    pub fn segment_records(mut self, count: u32) -> Self {
        self.segment_records = count.clamp(1, limits::SEGMENT_RECORDS_MAX / 2);
        self
    }

    /// A segment is sealed by the first commit after it has reached this age, in seconds: a day unless told
    /// otherwise.
    #[must_use]
    pub fn segment_age_s(mut self, seconds: u64) -> Self {
        self.segment_age_s = seconds;
        self
    }

    /// How many bytes the active log is made longer by, ahead of need: 8 MiB unless told otherwise.
    #[must_use]
    pub fn allocate_len(mut self, len: u64) -> Self {
        self.allocate_len = len.max(1);
        self
    }

    /// Opens the store to read it: nothing in its directory is changed.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Opens a store on a network filesystem all the same, whose locks and syncs may not hold.
    #[must_use]
    pub fn force_network(mut self, force: bool) -> Self {
        self.force_network = force;
        self
    }

    /// Whether a segment that is full is sealed, and index parts of the active one are written, by threads of the
    /// store's own (the default) or by the call that found it to be time.
    #[must_use]
    pub fn seal_in_background(mut self, background: bool) -> Self {
        self.seal_in_background = background;
        self
    }

    /// The way to segments that are in archives. Without one they cannot be read.
    #[must_use]
    pub fn retrieve(mut self, retrieve: Arc<dyn Retrieve>) -> Self {
        self.retrieve = Some(retrieve);
        self
    }

    /// The world that the store runs in, for tests: the machine itself unless told otherwise.
    #[must_use]
    pub fn world(mut self, world: World) -> Self {
        self.world = Some(world);
        self
    }

    pub(super) fn origin(&self) -> Result<Option<Origin>> {
        self.origin.as_deref().map(str::parse).transpose()
    }

    pub(super) fn require_origin(&self) -> Result<Origin> {
        self.origin()?.ok_or_else(|| Error::InvalidTrust {
            what: "origin",
            reason: "a new store needs one, such as acme.example/agents-prod".to_owned(),
        })
    }

    pub(super) fn resolve_world(&self) -> Result<World> {
        self.world.clone().map_or_else(World::real, Ok)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            sync: self.sync,
            segment_len: self.segment_len,
            segment_records: self.segment_records,
            segment_age_s: self.segment_age_s,
            allocate_len: self.allocate_len,
            retrieve: self.retrieve.clone(),
        }
    }
}
