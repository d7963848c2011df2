//! The facade: what an embedding program and the command line see of a store.

mod apply;
#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod archive_tests;
#[cfg(test)]
mod artifact_tests;
mod artifacts;
mod ask;
mod background;
mod backup;
#[cfg(test)]
mod cache_tests;
mod checkpoint;
mod collect;
#[cfg(test)]
mod collect_tests;
mod commit;
#[cfg(test)]
mod directory_tests;
mod drill;
mod export;
#[cfg(test)]
mod failures_tests;
mod find;
mod log_keys;
mod moves;
#[cfg(test)]
mod moves_tests;
mod options;
mod prepare;
mod prove;
mod publish;
mod receipt;
mod retention;
mod rules;
#[cfg(test)]
mod rules_tests;
mod segment_log;
mod signer;
#[cfg(test)]
mod signing_tests;
mod snapshot;
#[cfg(test)]
mod tests;
mod tiers;
#[cfg(test)]
mod tiers_tests;
mod totals;
mod verified;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub use apply::{Applied, ApplyProgress};
pub use checkpoint::CheckpointSigner;
pub use collect::Collected;
pub use drill::{Drawn, Drill, DrilledSegments};
pub use moves::Moved;
pub use options::Options;
pub use prepare::{Masking, Prepared, Source};
pub use prove::ProvenRecord;
pub use publish::Resource;
pub use receipt::{OnDuplicate, Outcome, Receipt};
pub use rules::{RegisteredDocument, RegisteredRules};
pub use segment_log::SegmentLog;
pub use signer::FileSigner;
pub use snapshot::{Records, SegmentInfo, Snapshot};
pub use tiers::Tier;
pub use totals::Totals;
pub use verified::Verification;

use background::Threads;
use bytes::Bytes;

use crate::answer::Opened;
use crate::disk::World;
use crate::format::READ_VERSION;
use crate::format::admin::Admin;
use crate::format::failures::Failures;
use crate::log::group::Group;
use crate::log::seal::{self, SealedSegment};
use crate::log::{AdminPlace, Log, Recovery, lock};
pub use crate::log::{Integrity, Record};
use crate::source::Profile;
use crate::trust::LogKeys;
use crate::{Error, Origin, Result, StoreId};

/// An evidence store, open. Share it among threads by reference or in an `Arc`.
///
/// ```
/// use indelible_engine::{Options, Store};
///
/// # fn main() -> indelible_engine::Result<()> {
/// # let dir = std::env::temp_dir().join(format!("indelible-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&dir);
/// let store = Store::open_or_create(&dir, Options::new("acme.example/agents-prod"))?;
/// let receipt = store.append(br#"{"run_id":"run_8bce4","kind":"deployment","ts":"2026-04-01T09:30:00Z"}"#)?;
/// let snapshot = store.snapshot()?;
/// for record in snapshot.records(receipt.seq..) {
///     assert_eq!(record?.seq, receipt.seq);
/// }
/// store.seal()?;
/// store.close()?;
/// # let _ = std::fs::remove_dir_all(&dir);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    log: Arc<Log>,
    origin: Origin,
    created: Created,
    recovery: Recovery,
    event_len_max: usize,
    seal_in_background: bool,
    group: Group<commit::Job, Result<Vec<Outcome>>>,
    default_source: Mutex<Option<Source>>,
    threads: Mutex<Threads>,
    /// The log's keys, as of the first so many of its own records.
    known_keys: Mutex<(usize, LogKeys)>,
    hops: Mutex<find::Hops>,
    /// The stretches of the log that questions have opened.
    opened: Arc<Opened>,
    /// A commit found the active segment full or old: whoever sees this first has it sealed.
    due: AtomicBool,
}

/// What the log's first record says.
#[derive(Debug, Clone)]
struct Created {
    log_key: Option<String>,
    forked_from: Option<String>,
}

impl Store {
    /// Makes a new store in a directory that holds none.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] where there is one; [`Error::InvalidTrust`] without an origin.
    pub fn create(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        let (world, path) = (options.resolve_world()?, path.as_ref());
        refuse_network(&world, path, &options)?;
        let origin = options.require_origin()?;
        let log =
            Log::create(&world, path, options.settings(), |store_id| created(&options, &origin, store_id))?;
        Store::assemble(log, Recovery::default(), &options)
    }

    /// Opens a store, recovering it first where it was not closed in order.
    ///
    /// A store that is behind its own checkpoint is opened read-only; appending to it says why.
    ///
    /// # Errors
    /// [`Error::NotAStore`]; [`Error::Locked`] where it needs recovery while others have it open; a fault, where
    /// bytes that were durable are damaged.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        let (world, path) = (options.resolve_world()?, path.as_ref());
        if options.read_only {
            let refusal = Error::ReadOnly { reason: "it was opened to be read".to_owned() };
            let log = Log::open_read(&world, path, options.settings(), refusal)?;
            return Store::assemble(log, Recovery::default(), &options);
        }
        refuse_network(&world, path, &options)?;
        match Log::open(&world, path, options.settings()) {
            Ok((log, recovery)) => Store::assemble(log, recovery, &options),
            // What may be read and not be written is opened to be read; an unknown read version fails here again.
            Err(refusal) if may_be_read(&refusal) => {
                let log = Log::open_read(&world, path, options.settings(), refusal)?;
                Store::assemble(log, Recovery::default(), &options)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the store that is there, or makes one.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::create`].
    pub fn open_or_create(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        let path = path.as_ref();
        match Store::open(path, options.clone()) {
            Err(Error::NotAStore { .. }) => match Store::create(path, options.clone()) {
                // Another process was quicker.
                Err(Error::AlreadyExists { .. }) => Store::open(path, options),
                other => other,
            },
            other => other,
        }
    }

    fn assemble(log: Log, recovery: Recovery, options: &Options) -> Result<Store> {
        let first =
            AdminPlace { seq: 0, segment: 0, frame_at: crate::format::log_header::LOG_HEADER_LEN as u64 };
        let Admin::Created { origin, log_key, forked_from, .. } = log.admin(&first)? else {
            let fault =
                crate::Fault::forged(first.frame_at, "first record", "store.created", "another record");
            return Err(fault.in_file(&log.layout.log(crate::SegmentId(0))));
        };
        let origin: Origin = origin.parse()?;
        if let Some(wanted) = options.origin()?
            && wanted != origin
        {
            return Err(Error::AlreadyExists {
                path: log.layout.root().to_path_buf(),
                reason: format!("it is the store of {origin}, not of {wanted}"),
            });
        }
        Ok(Store {
            inner: Arc::new(Inner {
                log: Arc::new(log),
                origin,
                created: Created { log_key, forked_from },
                recovery,
                event_len_max: options.event_len_max,
                seal_in_background: options.seal_in_background,
                group: Group::default(),
                default_source: Mutex::default(),
                threads: Mutex::default(),
                known_keys: Mutex::default(),
                hops: Mutex::default(),
                opened: Arc::default(),
                due: AtomicBool::new(false),
            }),
        })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// The store's identity for life.
    pub fn store_id(&self) -> StoreId {
        self.inner.log.store_id
    }

    /// The verifier key that the log's first record names, if it names one.
    pub fn log_key(&self) -> Option<&str> {
        self.inner.created.log_key.as_deref()
    }

    /// The last checkpoint of the log that this one goes on from, if it does.
    pub fn forked_from(&self) -> Option<&str> {
        self.inner.created.forked_from.as_deref()
    }

    /// What opening found that is not as a clean stop leaves it.
    pub fn recovery(&self) -> &Recovery {
        &self.inner.recovery
    }

    /// How many commits failed, by this process or another, since the store was made or its `head` file was lost: what the
    /// disk refused, and not what was refused for what it is. A hint, and no evidence: it is never synced.
    pub fn failures(&self) -> Failures {
        self.inner.log.failures()
    }

    /// Whether this handle may append.
    pub fn is_writable(&self) -> bool {
        self.inner.log.is_writable()
    }

    /// Appends one event, read by the default profile. It is durable when this returns.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] for what cannot be taken; [`Error::Io`] where the disk takes no more, with nothing
    /// of the event in the log; [`Error::ClosedToWriting`] after a failed sync, when the event may be found after
    /// recovery.
    pub fn append(&self, event: &[u8]) -> Result<Receipt> {
        let source = self.inner.default_source()?;
        let event = self.prepare(&source, event.to_vec(), &Masking::default())?;
        match self.commit(vec![event], OnDuplicate::Keep)?.pop() {
            Some(Outcome::Appended(receipt)) => Ok(receipt),
            _ => Err(Error::ClosedToWriting { reason: "a commit gave no receipt".to_owned() }),
        }
    }

    /// Appends events in order, read by the default profile: all of them, or where one is invalid, none.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_batch<E: AsRef<[u8]>>(&self, events: impl IntoIterator<Item = E>) -> Result<Vec<Receipt>> {
        let source = self.inner.default_source()?;
        let masking = Masking::default();
        let prepared: Result<Vec<Prepared>> = events
            .into_iter()
            .map(|event| self.prepare(&source, event.as_ref().to_vec(), &masking))
            .collect();
        let outcomes = self.commit(prepared?, OnDuplicate::Keep)?;
        Ok(outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                Outcome::Appended(receipt) => Some(receipt),
                Outcome::Duplicate { .. } => None,
            })
            .collect())
    }

    /// The version of `profile` in this log, registered on first use.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn source(&self, profile: &Profile) -> Result<Source> {
        self.inner.log.register(profile).map(Source)
    }

    /// Masks and checks an event, finds its fields and labels it. No lock is held meanwhile: many threads can prepare at once.
    ///
    /// An event may be a slice of a longer buffer, which is kept until all of its events are committed: nothing is
    /// copied then.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] with the place in the event and what is wrong there.
    pub fn prepare(&self, source: &Source, event: impl Into<Bytes>, masking: &Masking) -> Result<Prepared> {
        self.inner.log.feed_if_due();
        let rules = self.inner.log.known_rules();
        let fields = self.inner.log.room_for_fields();
        Prepared::new(source, event.into(), masking, rules.as_ref(), self.inner.event_len_max, fields)
    }

    /// Appends prepared events in order, durable when this returns; what became of each.
    ///
    /// # Errors
    /// As [`Store::append`]; [`Error::DuplicateEvent`] where the caller asked for it.
    pub fn commit(&self, events: Vec<Prepared>, on_duplicate: OnDuplicate) -> Result<Vec<Outcome>> {
        let outcomes = self.inner.commit(events, on_duplicate)?;
        if self.inner.due.swap(false, Ordering::AcqRel) {
            self.seal_if_due()?;
        }
        self.inner.log.feed_if_full();
        self.inner.write_caches_if_due();
        Ok(outcomes)
    }

    /// The log as it stands, for reading. Takes no lock.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::new(&self.inner)
    }

    /// Seals the active segment now. Nothing where it holds no events.
    ///
    /// # Errors
    /// As [`Store::append`]; what went wrong in a seal that the store began by itself.
    pub fn seal(&self) -> Result<Option<SealedSegment>> {
        self.join_sealer()?;
        seal::seal(&self.inner.log)
    }

    /// Waits for a seal under way, makes all that was appended durable, and ends in order. A store that is
    /// dropped instead has lost nothing, but is looked over when it is opened next after a restart of the machine.
    ///
    /// # Errors
    /// As [`Store::append`]; what went wrong in a seal that the store began by itself.
    pub fn close(self) -> Result<()> {
        self.join_threads()?;
        self.inner.log.close()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What went wrong in a seal is told by the next one; nothing that was acknowledged depends on it.
        let _ = self.join_threads();
    }
}

impl Inner {
    fn default_source(&self) -> Result<Source> {
        let mut known = lock(&self.default_source);
        if let Some(source) = &*known {
            return Ok(source.clone());
        }
        let source = Source(self.log.register(Profile::evidence())?);
        *known = Some(source.clone());
        Ok(source)
    }
}

fn created(options: &Options, origin: &Origin, store_id: StoreId) -> Admin {
    let log_key = options.log_key.as_ref().map(ToString::to_string);
    Admin::Created {
        forked_from: options.forked_from.clone(),
        format: READ_VERSION,
        log_key,
        origin: origin.to_string(),
        retention: "forever".to_owned(),
        store_id: store_id.to_string(),
    }
}

fn may_be_read(refusal: &Error) -> bool {
    matches!(refusal, Error::RolledBack { .. } | Error::ReadOnly { .. })
        || refusal.class() == Some(crate::Class::Unsupported)
}

fn refuse_network(world: &World, path: &Path, options: &Options) -> Result<()> {
    if options.force_network {
        return Ok(());
    }
    // A directory that is not there yet will be where the nearest one above it is.
    let place = path.ancestors().find_map(|above| {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        world.disk.place(above).ok()
    });
    if place.is_some_and(|place| place.network) {
        return Err(Error::ReadOnly {
            reason: format!(
                "{} is on a network filesystem, whose locks and syncs may not hold; use a local disk, or force it",
                path.display()
            ),
        });
    }
    Ok(())
}
