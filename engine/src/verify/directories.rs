//! Directories over runs of sealed segments. They are caches: one that is not what its segments give is remarked on,
//! and nothing depends on it.
//!
//! Each segment, when it is rebuilt, looks for all of its own in the directory, and counts it; at the end the
//! directory must hold no more than was counted. So no two segments' terms are held in memory at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::report::{Remark, Report};
use super::segment::{Outcome, Rebuilt};
use crate::disk::{Disk, Mapped};
use crate::error::Fault;
use crate::format::directory::{Covered, Directory, InRun};
use crate::source::EventTime;
use crate::{Result, SegmentId, Seq, Timestamp};

/// The directories that stand below `dir/`.
#[derive(Default)]
pub(super) struct Directories {
    open: Vec<(String, Directory<Mapped>)>,
    /// By first seq: the directory that is over a segment, and its place there.
    by_segment: BTreeMap<Seq, (usize, usize)>,
}

/// A directory, and the place in it of the segment that is looked at.
#[derive(Clone, Copy)]
pub(super) struct PlaceInRun<'a> {
    directory: &'a Directory<Mapped>,
    segment: usize,
}

/// What of a directory is of one segment.
#[derive(Default)]
pub(super) struct Tally {
    listed: u64,
    unlisted: u64,
    event_ids: u64,
    /// Something that the segment has and the directory has not, or otherwise.
    wrong: Option<String>,
}

impl Directories {
    /// Opens what is there. What cannot be opened is remarked on.
    pub(super) fn open(disk: &Arc<dyn Disk>, root: &Path, remarks: &mut Vec<Remark>) -> Self {
        let mut found = Directories::default();
        for name in disk.list(&root.join("dir")).unwrap_or_default() {
            let file = format!("dir/{name}");
            let Some(id) = SegmentId::from_file_name(&name, "dir") else {
                remarks.push(Remark::new(file, "is no directory over segments; it was not looked at"));
                continue;
            };
            let directory =
                disk.map(&root.join("dir").join(&name)).ok().and_then(|b| Directory::open(b).ok());
            match directory {
                Some(directory)
                    if directory.segments().first().is_some_and(|first| first.first_seq == id.0) =>
                {
                    for (place, segment) in directory.segments().iter().enumerate() {
                        found.by_segment.insert(segment.first_seq, (found.open.len(), place));
                    }
                    found.open.push((file, directory));
                }
                Some(_) => remarks.push(remark(file, "is over other segments than its name says")),
                None => remarks.push(remark(file, "is damaged")),
            }
        }
        found
    }

    /// Where a directory speaks of a segment, if one does.
    pub(super) fn place(&self, id: SegmentId) -> Option<PlaceInRun<'_>> {
        let (directory, segment) = *self.by_segment.get(&id.0)?;
        self.open.get(directory).map(|(_, directory)| PlaceInRun { directory, segment })
    }

    /// Compares what all segments have counted with what each directory holds.
    pub(super) fn settle(&self, segments: &[SegmentId], outcomes: &mut [Outcome], report: &mut Report) {
        for (index, (file, directory)) in self.open.iter().enumerate() {
            let (mut sum, mut compared, mut last_leaf) = (Tally::default(), 0, None);
            for (id, outcome) in segments.iter().zip(outcomes.iter_mut()) {
                if self.by_segment.get(&id.0).is_none_or(|(of, _)| *of != index) {
                    continue;
                }
                last_leaf = outcome.last_leaf;
                let Some(tally) = outcome.in_directory.take() else { continue };
                compared += 1;
                sum.listed += tally.listed;
                sum.unlisted += tally.unlisted;
                sum.event_ids += tally.event_ids;
                sum.wrong = sum.wrong.or(tally.wrong);
            }
            let known =
                directory.segments().iter().all(|s| segments.binary_search(&SegmentId(s.first_seq)).is_ok());
            if !known {
                report.remarks.push(remark(file.clone(), "is over segments that the log does not have"));
            } else if compared == directory.segments().len() {
                let total = total(directory).unwrap_or_else(|fault| (fault.to_string(), [0; 3]));
                let differs = total.1 != [sum.listed, sum.unlisted, sum.event_ids]
                    || last_leaf != Some(directory.last_leaf());
                let more = differs
                    .then(|| if total.0.is_empty() { "it has more than they".to_owned() } else { total.0 });
                if let Some(wrong) = sum.wrong.or(more) {
                    report
                        .remarks
                        .push(remark(file.clone(), &format!("is not what its segments give: {wrong}")));
                }
            }
        }
    }
}

fn remark(file: String, what: &str) -> Remark {
    Remark::new(file, format!("{what}; it is a cache: the next seal or query that may write makes it anew"))
}

/// How many places of listed terms, entries of others and event ids a directory holds.
fn total(directory: &Directory<Mapped>) -> Result<(String, [u64; 3]), Fault> {
    directory.check_all()?;
    let (mut listed, mut unlisted) = (0, 0);
    for field in directory.fields() {
        let field = field?;
        unlisted += u64::from(field.unlisted_count());
        for index in 0..field.term_count() {
            listed += field.places(index)?.len() as u64;
        }
    }
    let [entries, event_ids] = directory.lookup_counts()?;
    let text = if entries == unlisted { String::new() } else { "its counts do not agree".to_owned() };
    Ok((text, [listed, entries, event_ids]))
}

impl PlaceInRun<'_> {
    /// Looks for all that a segment has.
    pub(super) fn compare(self, rebuilt: &Rebuilt) -> Tally {
        let mut tally = Tally::default();
        if let Err(wrong) = self.look(rebuilt, &mut tally) {
            tally.wrong = Some(wrong);
        }
        tally
    }

    fn look(self, rebuilt: &Rebuilt, tally: &mut Tally) -> Result<(), String> {
        let PlaceInRun { directory, segment } = self;
        let index = &rebuilt.index;
        let say = |fault: Fault| fault.to_string();
        let covered = directory.segments().get(segment).copied();
        if covered != Some(covers(rebuilt)) {
            return Err(format!("what it says of segment {}", index.first_seq()));
        }
        let order = index.fields_by_name();
        let dictionaries = index.dictionaries(&order);
        for (field, ids) in order.iter().zip(&dictionaries) {
            let name = index.field(*field).0;
            let in_run =
                directory.field(name).map_err(say)?.ok_or_else(|| format!("it has no field {name}"))?;
            let reserved = index.reserved_counts(*field);
            if in_run.reserved(segment).map_err(say)? != reserved {
                return Err(format!("its counts of field {name}"));
            }
            for (ordinal, id) in (0..).zip(ids) {
                let term = index.term(*id);
                let count = index.postings(*id as usize).len() as u32;
                let is_here = match directory.term(name, term.kind, term.bytes).map_err(say)? {
                    InRun::Listed(places) => {
                        tally.listed += 1;
                        places.iter().any(|place| {
                            (usize::from(place.segment), place.count, place.ordinal)
                                == (segment, count, ordinal)
                        })
                    }
                    InRun::Perhaps(mask) => {
                        tally.unlisted += 1;
                        mask >> segment & 1 == 1
                    }
                };
                if !is_here {
                    return Err(format!("a term of field {name} in segment {}", index.first_seq()));
                }
            }
        }
        for field in directory.fields() {
            let field = field.map_err(say)?;
            let has = order.iter().any(|own| index.field(*own).0 == field.name());
            if !has && field.reserved(segment).map_err(say)? != [0, index.record_count(), 0] {
                return Err(format!("its counts of field {}", field.name()));
            }
        }
        self.look_at_composites(rebuilt, &order, &dictionaries)?;
        for (prefix, _) in index.event_ids() {
            tally.event_ids += 1;
            if directory.event(*prefix).map_err(say)? >> segment & 1 == 0 {
                return Err(format!("an event id in segment {}", index.first_seq()));
            }
        }
        Ok(())
    }
}

impl PlaceInRun<'_> {
    /// Compares what the composite indexes have of a segment with its records: which of them carry each term of a leading
    /// field, and what each of these holds of each column.
    fn look_at_composites(
        self,
        rebuilt: &Rebuilt,
        order: &[usize],
        dictionaries: &[Vec<u32>],
    ) -> Result<(), String> {
        let PlaceInRun { directory, segment } = self;
        let index = &rebuilt.index;
        let say = |fault: Fault| fault.to_string();
        let before = directory.segments().iter().take(segment).map(|segment| segment.record_count);
        // Of a run of more records than have numbers there is no composite index.
        let base = before.fold(0, u32::saturating_add);
        let end = base.saturating_add(index.record_count());
        // By listed term of a field, the offsets of those that carry it here.
        let postings = |name: &str| {
            let field =
                directory.field(name).map_err(say)?.ok_or_else(|| format!("it has no field {name}"))?;
            let mut postings: Vec<&[u32]> = vec![&[]; field.term_count() as usize];
            let here = order.iter().zip(dictionaries).find(|(own, _)| index.field(**own).0 == name);
            for id in here.into_iter().flat_map(|(_, ids)| ids) {
                let term = index.term(*id);
                if let Some(listed) = field.find(term.kind, term.bytes).map_err(say)? {
                    postings[listed as usize] = index.postings(*id as usize);
                }
            }
            Ok::<_, String>(postings)
        };
        if directory.composites().next().is_none() {
            return Ok(());
        }
        let mut columns = Vec::new();
        for name in directory.columns() {
            let mut held = vec![0_u64; index.record_count() as usize];
            for (bit, offsets) in postings(name)?.into_iter().enumerate() {
                offsets.iter().for_each(|offset| held[*offset as usize] |= 1 << bit);
            }
            columns.push(held);
        }
        for composite in directory.composites() {
            for (term, offsets) in (0..).zip(postings(composite.lead_name())?) {
                let rows = composite.rows(term).map_err(say)?;
                let places = rows.places(base..end);
                let records = rows.records().skip(places.start).take(places.len());
                let is_same = records.eq(offsets.iter().map(|offset| base.saturating_add(*offset)))
                    && columns.iter().enumerate().all(|(column, held)| {
                        let of_rows = places.clone().map(|place| rows.terms(column, place));
                        of_rows.eq(offsets.iter().map(|offset| held[*offset as usize]))
                    });
                if !is_same {
                    let name = composite.lead_name();
                    return Err(format!(
                        "its composite index of field {name} in segment {}",
                        index.first_seq()
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What a directory should say of a segment itself.
fn covers(rebuilt: &Rebuilt) -> Covered {
    let span = |times: &mut dyn Iterator<Item = Timestamp>| {
        times.fold(None, |span: Option<(Timestamp, Timestamp)>, time| {
            Some(span.map_or((time, time), |(from, to)| (from.min(time), to.max(time))))
        })
    };
    let mut known = rebuilt.index.times().iter().filter_map(|time| match time {
        EventTime::Known(time) => Some(*time),
        EventTime::Unreadable | EventTime::Absent => None,
    });
    Covered {
        first_seq: rebuilt.index.first_seq(),
        record_count: rebuilt.index.record_count(),
        index_root: rebuilt.restated.index_root,
        event_times: span(&mut known),
        received: span(&mut rebuilt.frames.iter().map(|frame| frame.received_at)),
    }
}
