//! `indelible retention compact`: moves sealed segments to the warm tier.

use std::path::Path;

use indelible::{Compacted, Error, SegmentId, Snapshot};
use serde_json::json;

use super::query::present;
use crate::approvals::duration;
use crate::exit::{Code, Outcome};
use crate::open;
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::signal::Stop;

/// Move sealed segments to the warm tier: compressed, and asked, proved and verified as before
///
/// Each segment's log is packed, the pack is read back and compared with it, and only then the log is dropped; a record of
/// the store's own says so. Segments that a policy wants in the hot tier still are left there. What was begun and not finished, by Ctrl-C or a crash, changes
/// nothing and is done by the next run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible retention compact
  indelible retention compact --older-than 90d
  indelible retention compact --segment 81920 --json")]
pub(crate) struct Args {
    /// Only segments that were sealed this long ago or longer
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<i64>,
    /// Only the segment that begins with this record
    #[arg(long, value_name = "SEQ", conflicts_with = "older_than")]
    pub(crate) segment: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Moves them.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let store = open::to_write(store)?;
    let stop = Stop::listen(|| ())?;
    let segments = wanted(&store.snapshot()?, args)?;
    let total: u64 = segments.iter().map(|(_, len)| len).sum();
    let bar = Progress::bytes(Some(total));
    let (mut moved, mut passed) = (Vec::new(), 0);
    let mut failed = None;
    for (id, len) in segments {
        match store.compact(id, &mut |done, _| {
            bar.position(passed + done);
            stop.asked().is_none()
        }) {
            Ok(compacted) => moved.extend(compacted),
            Err(Error::Cancelled) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        passed += len;
    }
    bar.finish();
    let closed = store.close();
    let mut out = Out::stdout();
    // Where something kept segments from being moved, that is what there is to say.
    if args.json || !moved.is_empty() || (failed.is_none() && stop.asked().is_none()) {
        tell(&mut out, &moved, args)?;
    }
    out.finish()?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    closed?;
    Ok(stop.asked().inspect(|_| output::say("stopped on request")).unwrap_or(Code::Clean))
}

/// The segments to move, each with the length of its log.
fn wanted(snapshot: &Snapshot, args: &Args) -> Outcome<Vec<(SegmentId, u64)>> {
    if let Some(seq) = args.segment {
        let len =
            snapshot.segments().find(|segment| segment.id.0 == seq).map_or(0, |segment| segment.log_len);
        return Ok(vec![(SegmentId(seq), len)]);
    }
    let now = present();
    let before = args.older_than.map(|ns| now.0.saturating_sub(ns));
    let mut wanted = Vec::new();
    for segment in snapshot.segments().filter(|segment| segment.sealed) {
        let is_old = match (before, snapshot.sealed_at(segment.id)?) {
            (Some(before), Some(at)) => at.0 <= before,
            _ => true,
        };
        if is_old && snapshot.movable_at(segment.id)?.is_none_or(|at| at <= now) {
            wanted.push((segment.id, segment.log_len));
        }
    }
    Ok(wanted)
}

fn tell(out: &mut Out, moved: &[Compacted], args: &Args) -> Outcome<()> {
    let log_len: u64 = moved.iter().map(|moved| moved.log_len).sum();
    let pack_len: u64 = moved.iter().map(|moved| moved.pack_len).sum();
    if args.json {
        let segments: Vec<_> = moved
            .iter()
            .map(|moved| json!({ "segment": moved.id.0, "log_len": moved.log_len, "pack_len": moved.pack_len }))
            .collect();
        return out.json(&json!({ "moved": segments, "log_len": log_len, "pack_len": pack_len }));
    }
    if moved.is_empty() {
        output::say(
            "nothing to move: no sealed segment that was asked for is in the hot tier and may leave it",
        );
        return Ok(());
    }
    out.line(format_args!(
        "moved {} to the warm tier: {} of log are {} now",
        output::counted(moved.len() as u64, "segment", "segments"),
        output::length(log_len),
        output::length(pack_len),
    ))
}
