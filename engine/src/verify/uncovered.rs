//! What a verification does not show, in words: what was left out, and what no verification can show.

use super::chain::{Chain, Grounds};
use super::report::{Report, SegmentVerdict};
use super::scope::{Reach, Scope};
use super::{Depth, Options};

/// Says it all. `outside` is the greatest size of a checkpoint outside the store that holds.
pub(super) fn say(chain: &Chain, options: &Options, outside: Option<u64>, report: &mut Report) {
    let mut say = Vec::new();
    if options.depth == Depth::Full {
        segments(chain, options, report, &mut say);
    }
    report.not_covered.append(&mut say);

    let unread = report.segments.iter().filter(|segment| !segment.looked_at).count();
    let mut say = |text: String| report.not_covered.push(text);
    match unread {
        0 => {}
        1 => say("1 segment in the archive: `--archive` has it looked at".to_owned()),
        unread => say(format!("{unread} segments in the archive: `--archive` has them looked at")),
    }
    match options.depth {
        Depth::Quick => {
            let records = match report.covered.unread_count {
                1 => "the record".to_owned(),
                count => format!("the {count} records"),
            };
            say(format!(
                "the bytes of {records} that sidecars stand for were not read: `verify --checksums` reads them, `verify` \
                 compares all that they say"
            ));
            say("indexes, and whether they name all of the store's own records".to_owned());
        }
        Depth::Checksums => {
            say("bodies, leaves, roots and indexes: checksums, ranges and signatures were looked at only"
                .to_owned());
        }
        Depth::Full => {}
    }
    if options.depth != Depth::Full {
        say("checkpoints other than the latest".to_owned());
    }
    if options.key.is_none() {
        say("who vouches for this log: no key was given, so this is integrity only".to_owned());
    }
    match report.checkpoint_size {
        Some(size) if size < chain.end_seq() => {
            let records = match chain.end_seq() - size {
                1 => "the record".to_owned(),
                count => format!("{count} records"),
            };
            say(format!("{records} after the last checkpoint, of {size}: cutting them off would not show"));
        }
        Some(_) => {}
        None => say("cutting off the log's end: there is no checkpoint that holds".to_owned()),
    }
    match outside {
        None => say("an older copy put in this one's place together with its checkpoint: none to expect was given, and \
                     no anchor has one"
            .to_owned()),
        Some(size) if size < chain.end_seq() => say(format!(
            "an older copy with at least {size} records put in this one's place: what is kept outside the store goes no \
             further"
        )),
        Some(_) => {}
    }
    say("what was never appended".to_owned());
}

/// What is said of the segments that this run did not go through.
fn segments(chain: &Chain, options: &Options, report: &Report, say: &mut Vec<String>) {
    for (reach, what) in [
        (Reach::NotReached, "the time was over before them; the next run of the round goes on there"),
        (Reach::Checksums, "looked at quickly, by checksums: bodies, leaves, roots and indexes were not"),
        (Reach::Earlier, "not read again: earlier runs of this round checked them"),
    ] {
        let runs = report.segments.chunk_by(|one, next| one.reach == next.reach && day(one) == day(next));
        let mut from = 1;
        for run in runs {
            let numbers = (from, from + run.len() - 1);
            from += run.len();
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            if first.reach == reach {
                let which = if run.len() == 1 {
                    format!("segment {}", numbers.0)
                } else {
                    format!("segments {}..{}", numbers.0, numbers.1)
                };
                let count = report.segments.len();
                let on = first.checked_at.map_or_else(String::new, |at| format!(" on {}", at.day_text()));
                let upto = if reach == Reach::NotReached && numbers.1 == count {
                    "the end".to_owned()
                } else {
                    last.end_seq.to_string()
                };
                say.push(format!("{which} of {count} (records {}..{upto}): {what}{on}", first.first_seq));
            }
        }
    }
    if !report.is_complete {
        say.push("artifacts: the run that ends the round looks at them".to_owned());
    } else if !matches!(options.scope, Scope::All | Scope::Round(_)) {
        say.push(match options.scope {
            Scope::Subset { of, .. } => {
                format!("what is in artifacts, but of one in {of}: of the others the heads")
            }
            _ => "what is in artifacts: only their heads were looked at".to_owned(),
        });
    }
    say.extend(match chain.grounds() {
        Grounds::Read => None,
        Grounds::Remembered => Some(
            "checkpoints among records of earlier runs, which compared them; the tree over those records is what they \
             came to",
        ),
        Grounds::Stated if report.root.is_some() => {
            Some("checkpoints among records that were vouched for; the tree over them is the one that was")
        }
        Grounds::Stated => Some(
            "the tree over records that were not hashed now, which is taken as the log behind them states it, and \
             checkpoints among them",
        ),
    }.map(str::to_owned));
}

/// Segments that were checked on another day are told apart.
fn day(segment: &SegmentVerdict) -> Option<i64> {
    segment.checked_at.map(crate::Timestamp::day)
}
