//! The walk through a store's segments: several at a time, taken in order, each as far as was asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::directories::Directories;
use super::notes::Kept;
use super::packed::Source;
use super::pool::Pool;
use super::round::{self, Held};
use super::scope::{Reach, Scope};
use super::segment::{self, Outcome, Task};
use super::sources::Registry;
use super::watch::Watch;
use super::{Depth, Options, hints};
use crate::disk::{Disk, Open};
use crate::{SegmentId, Seq};

/// Threads that are used unless told otherwise; each holds the index of one segment.
const THREADS_DEFAULT: usize = 4;

/// The segments, and how each is to be looked at.
pub(super) struct Walk<'a> {
    pub(super) files: &'a hints::Files,
    pub(super) sources: &'a [Source],
    pub(super) reaches: &'a [Reach],
    pub(super) held: &'a BTreeMap<Seq, Held<'a>>,
}

/// How many bytes there are to read; a guess where a file cannot be opened, which its own check will tell.
pub(super) fn total_len(
    disk: &Arc<dyn Disk>,
    root: &Path,
    files: &hints::Files,
    sources: &[Source],
    reaches: &[Reach],
) -> u64 {
    let len = |((id, source), reach): ((&SegmentId, &Source), &Reach)| match reach {
        Reach::Earlier => 0,
        Reach::Quick if files.sidecars.contains(id) => {
            let path = root.join("log").join(id.file_name("idx"));
            disk.open(&path, Open::Read).and_then(|file| file.len()).unwrap_or(0)
        }
        _ => source.log_len(disk).unwrap_or(0),
    };
    files.segments.iter().zip(sources).zip(reaches).map(len).sum()
}

/// Checks all segments, several at a time, taken in order.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: &Options,
    walk: &Walk<'_>,
    directories: &Directories,
    kept: &[Kept],
    watch: &Watch<'_>,
) -> Vec<Outcome> {
    let Walk { files, sources, reaches, held } = walk;
    let registry = Registry::new(&files.segments);
    let pool = Pool::new(files.segments.len());
    let mut marks: Vec<u64> = kept.iter().map(|kept| kept.checkpoint.size).collect();
    if let Scope::Since { size, .. } = &options.scope {
        marks.push(*size);
    }
    marks.sort_unstable();
    marks.dedup();
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begun = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::with_capacity(files.segments.len()));
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (Some(id), Some(source)) = (files.segments.get(place), sources.get(place)) else {
                return pool.help();
            };
            let active = place + 1 == files.segments.len();
            let mut reach = reaches.get(place).copied().unwrap_or_default();
            if reach == Reach::Full && matches!(options.scope, Scope::Round(_)) {
                // One segment at least, so that any round comes to its end.
                let first = !begun.swap(true, Ordering::Relaxed);
                if !first && watch.is_time_over() {
                    is_over.store(true, Ordering::Relaxed);
                }
                if is_over.load(Ordering::Relaxed) {
                    // The end of the log alone tells whether it is behind its checkpoints.
                    reach = if active { Reach::Checksums } else { Reach::NotReached };
                }
            }
            let task = Task {
                disk,
                root: path,
                source,
                file: source.file.clone(),
                id: *id,
                place,
                active,
                head: files.head.as_ref().filter(|head| active && head.active == *id),
                has_sidecar: files.sidecars.contains(id),
                in_directory: directories.place(*id),
                part_names: files.parts.get(id).map_or(&[], Vec::as_slice),
                next: sources.get(place + 1),
                depth: match reach {
                    Reach::Full => Depth::Full,
                    Reach::Quick => Depth::Quick,
                    Reach::Checksums | Reach::Earlier | Reach::NotReached => Depth::Checksums,
                },
                remember: reach == Reach::Full && matches!(options.scope, Scope::Round(_)),
                marks: &marks,
                registry: &registry,
                pool: &pool,
                watch,
            };
            let outcome = match reach {
                Reach::Full | Reach::Checksums | Reach::Quick => segment::check(&task),
                Reach::Earlier => {
                    held.get(&id.0).map_or_else(|| segment::check(&task), |held| round::recall(&task, held))
                }
                Reach::NotReached => round::leave_out(&task),
            };
            done.lock().unwrap_or_else(PoisonError::into_inner).push((place, outcome));
        }
    };
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_DEFAULT)),
        threads => threads,
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
