//! The profile versions that this log's events are read by: a fold over its `store.source` records.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::{AdminPlace, Catalog, Log, NewRecord, lock, scan::FrameScan};
use crate::format::admin::Admin;
use crate::format::frame;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::Hash;
use crate::index::SourceRules;
use crate::source::Profile;
use crate::{Error, Fault, Result, SegmentId, Seq};

/// Longest frame that is read for a single record at a time, in bytes.
const WINDOW_LEN: usize = 16 << 10;

/// An immutable version of a profile, registered in a log.
#[derive(Debug)]
pub(crate) struct SourceVersion {
    /// The seq of its `store.source` record: what entries call `source`.
    pub(crate) seq: Seq,
    pub(crate) profile: Arc<Profile>,
    /// What the index needs of the profile.
    pub(crate) rules: SourceRules,
}

impl SourceVersion {
    fn new(seq: Seq, profile: Profile) -> Self {
        SourceVersion { seq, rules: profile.rules(), profile: Arc::new(profile) }
    }
}

/// The store's own records are read by a profile that is part of every release.
pub(crate) static STORE_RECORDS: LazyLock<SourceRules> = LazyLock::new(|| Profile::store_records().rules());

/// The versions that were looked up so far.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    known: Mutex<HashMap<Seq, Arc<SourceVersion>>>,
    /// The store's own records below this seq have been looked through.
    folded_to: Mutex<Seq>,
}

impl Log {
    /// The store's own record at `place`. The catalog may be behind a log that was rewritten: what stayed there stands
    /// in other places.
    pub(crate) fn admin(&self, place: &AdminPlace) -> Result<Admin> {
        self.admin_at(place).or_else(|error| {
            let log = self.files.log(SegmentId(place.segment))?;
            if log.header.rewritten_by == 0 || !matches!(error, Error::Fault { .. }) {
                return Err(error);
            }
            let mut frames = FrameScan::new(&log.file, &log.path, LOG_HEADER_LEN as u64, log.len()?);
            while let Some((frame_at, header, _)) = frames.next()? {
                if place.seq < header.first_seq + u64::from(header.count) {
                    return self.admin_at(&AdminPlace { frame_at, ..*place });
                }
            }
            Err(error)
        })
    }

    fn admin_at(&self, place: &AdminPlace) -> Result<Admin> {
        let log = self.files.log(SegmentId(place.segment))?;
        let missing = || {
            Fault::damaged(
                place.frame_at,
                "catalog",
                format_args!("the store's record {}", place.seq),
                "another",
            )
            .in_file(&log.path)
        };
        // Of what is in the archive, these frames are kept here.
        let kept = log.archived.as_ref().and_then(|archived| archived.frame(place.frame_at));
        let mut scan;
        let (header, payload) = match kept {
            Some(bytes) => frame::decode(bytes).map_err(|fault| fault.in_file(&log.path))?,
            None => {
                let len = log.file.len().map_err(Error::io("measure", &log.path))?;
                scan = FrameScan::new(&log.file, &log.path, place.frame_at, len).with_window(WINDOW_LEN);
                let (_, header, payload) = scan.next()?.ok_or_else(missing)?;
                (header, payload)
            }
        };
        let records = frame::records(payload, header.count).map_err(|fault| fault.in_file(&log.path))?;
        let index = place.seq.checked_sub(header.first_seq).and_then(|index| usize::try_from(index).ok());
        let record = index.and_then(|index| records.get(index)).filter(|record| record.source == 0);
        Admin::decode(record.and_then(|record| record.body.bytes()).ok_or_else(missing)?)
            .map_err(|fault| fault.shifted(place.frame_at).in_file(&log.path))
    }

    /// The version that entries call `seq`.
    pub(crate) fn source(&self, catalog: &Catalog, seq: Seq) -> Result<Arc<SourceVersion>> {
        self.fold_admin(catalog)?;
        lock(&self.sources.known)
            .get(&seq)
            .cloned()
            .ok_or_else(|| Error::NotFound { what: "source", name: seq.to_string() })
    }

    /// All versions registered as of `catalog`, in the order of their seqs.
    pub(crate) fn all_sources(&self, catalog: &Catalog) -> Result<Vec<Arc<SourceVersion>>> {
        self.fold_admin(catalog)?;
        let mut all: Vec<_> = lock(&self.sources.known).values().cloned().collect();
        all.sort_by_key(|version| version.seq);
        Ok(all)
    }

    /// All of the store's own records below this seq have been folded.
    pub(super) fn folded_to(&self) -> Seq {
        *lock(&self.sources.folded_to)
    }

    /// Takes the store's own records into account that were not yet, as of `catalog`.
    pub(super) fn fold_admin(&self, catalog: &Catalog) -> Result<()> {
        let mut folded_to = lock(&self.sources.folded_to);
        for place in catalog.admin.iter().filter(|place| place.seq >= *folded_to) {
            match self.admin(place)? {
                Admin::Source { profile, .. } => {
                    let version = SourceVersion::new(place.seq, Profile::parse(&profile)?);
                    lock(&self.sources.known).insert(place.seq, Arc::new(version));
                }
                other => self.registered.fold(place.seq, other)?,
            }
        }
        *folded_to = (*folded_to).max(catalog.admin_end);
        Ok(())
    }

    /// The version of `profile` in this log; registers it if it is new.
    pub(crate) fn register(&self, profile: &Profile) -> Result<Arc<SourceVersion>> {
        let digest = profile.digest();
        let catalog = self.catalog(&self.head()?)?;
        if let Some(version) = self.find_source(&catalog, digest)? {
            return Ok(version);
        }
        let body =
            Admin::Source { name: profile.name().to_owned(), profile: profile.text().to_owned() }.encode();
        self.transact(|session| {
            // Another process may have registered it since.
            let catalog = self.catalog(session.head())?;
            if self.find_source(&catalog, digest)?.is_none() {
                session.write(&[NewRecord::admin(&body)])?;
            }
            Ok(())
        })?;
        let catalog = self.catalog(&self.head()?)?;
        self.find_source(&catalog, digest)?
            .ok_or_else(|| Error::NotFound { what: "source", name: profile.name().to_owned() })
    }

    fn find_source(&self, catalog: &Catalog, digest: Hash) -> Result<Option<Arc<SourceVersion>>> {
        let all = self.all_sources(catalog)?;
        Ok(all.into_iter().find(|version| version.profile.digest() == digest))
    }
}
