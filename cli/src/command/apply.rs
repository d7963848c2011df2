//! `indelible retention apply` and `indelible redact`: carrying out what operators approved to delete.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indelible::format::retention::{Approved, Plan};
use indelible::{Applied, Collected, Moved, SegmentInfo, Seq, Snapshot, Store, Timestamp};
use indelible_archive::{Target, archive_segment};
use serde::Serialize;
use serde_json::json;

use super::archive::let_go;
use super::query::present;
use crate::approvals::{self, Asking, duration};
use crate::archives;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::render::retention as shown;
use crate::signal::Stop;
use crate::{keys, open};

/// Delete and move what a plan names, once operators have approved what it deletes
///
/// Of each event that goes there is left what its entry in the log says, so that all proofs of the others hold, and a
/// record of what went, by which plan. An artifact goes that no event names any more; one that is named, or was put again,
/// since the plan was made stays. Then segments move to the warm tier, and to the archive where one is given; a plan that only
/// moves needs no approval. A hold or a longer policy that came since the plan was made keeps what it applies
/// to. Stopped with Ctrl-C or after --max-duration, it ends behind the segment that it is at; the same command goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible retention apply plan.json
  indelible retention apply plan.json --max-duration 10m
  indelible retention apply plan.json --archive s3://evidence/agents-prod")]
pub(crate) struct Args {
    /// The plan, with its approvals
    file: PathBuf,
    /// Stop behind the segment that is at hand when so much time has passed
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_duration: Option<i64>,
    /// Where to move what the plan has for an archive: a folder or s3://BUCKET/PREFIX
    #[arg(long, value_name = "ARCHIVE")]
    archive: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Delete single events for a reason, as when a person asks for it
///
/// The event goes; what its entry in the log says of it stays: when it came, from which source, how long it was, and a
/// hash that no guess can be tested against. It takes the approvals that any deletion takes. What is held, or kept by a
/// locked rule, cannot be chosen; nor can what is in the active segment: seal it first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible redact 4711 4712 --reason 'GDPR Art. 17, request 88' -o redact.json
  indelible redact 4711 --reason 'GDPR Art. 17, request 88' --key alice.key --key bob.key")]
pub(crate) struct RedactArgs {
    /// Which events: their seqs
    #[arg(required = true, value_name = "SEQ")]
    seqs: Vec<Seq>,
    /// Why: it stays in the log
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    asking: Asking,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the JSON is, for whoever reads it: docs/JSON.md.
const SCHEMA: &str = "indelible.apply/1";

/// Carries out a plan.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let plan: Approved<Plan> = approvals::read(&args.file)?;
    let target = args.archive.as_deref().map(archives::target).transpose()?;
    carry_out(open::to_write(store)?, &plan, target.as_ref(), args.max_duration, args.json)
}

/// Plans the deletion of single events, and carries it out where the approvals are given with it.
pub(crate) fn redact(store: &Path, args: &RedactArgs) -> Outcome {
    let asked = {
        let store = open::to_read(store)?;
        let (snapshot, now) = (store.snapshot()?, present());
        refuse_deleted(&snapshot, &args.seqs)?;
        let expires = Timestamp(now.0.saturating_add(args.asking.expires));
        let mut asked = snapshot.plan_redaction(&args.seqs, &args.reason, now, expires)?;
        for file in &args.asking.key {
            asked.approve(&keys::read(file, "--key")?)?;
        }
        asked
    };
    if args.asking.put_aside(&asked)? {
        output::say("once approved, carry it out with `indelible retention apply FILE`");
        return Ok(Code::Clean);
    }
    carry_out(open::to_write(store)?, &asked, None, None, args.json)
}

/// Refuses events that are gone: one word says so, where a plan would say only that it has nothing to delete.
fn refuse_deleted(snapshot: &Snapshot, seqs: &[Seq]) -> Outcome<()> {
    for seq in seqs.iter().copied().filter(|seq| *seq < snapshot.tree_size()) {
        if let Some(plan) = snapshot.deleted(seq..seq + 1)?.into_keys().next() {
            return Err(Failure::Usage(format!(
                "the event of record {seq} was deleted already, by the plan of record {plan}"
            )));
        }
    }
    Ok(())
}

fn carry_out(
    store: Store,
    plan: &Approved<Plan>,
    archive: Option<&Target>,
    max_duration: Option<i64>,
    as_json: bool,
) -> Outcome {
    let stop = Stop::listen(|| ())?;
    let until = max_duration
        .and_then(|ns| Instant::now().checked_add(Duration::from_nanos(u64::try_from(ns).unwrap_or(0))));
    let go_on = || stop.asked().is_none() && until.is_none_or(|until| Instant::now() < until);
    // A segment that was brought back from an archive may lie there still, as it was.
    archives::forget(store.store_id())?;
    let bar = Progress::records(plan.matter.delete.events);
    let applied = store.apply_plan(plan, &mut |done, total| {
        bar.of(done, total);
        go_on()
    });
    bar.finish();
    let archived = match &applied {
        Ok(_) => to_archive(&store, &plan.matter, archive, &mut || go_on()),
        Err(_) => Ok(Archived::default()),
    };
    let snapshot = store.snapshot()?;
    store.close()?;
    let (applied, archived) = (applied?, archived?);
    let mut out = Out::stdout();
    tell(&mut out, &applied, archived, &snapshot, as_json)?;
    out.finish()?;
    Ok(stop.asked().unwrap_or(Code::Clean))
}

/// What became of the segments that a plan has for an archive.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Archived {
    /// Those that moved this time.
    segments: u64,
    /// Those that a policy wants here that came since the plan was made.
    spared: u64,
    /// Those that are here still: no archive was given, or it was told to stop.
    left: u64,
}

/// Moves to the archive what a plan has for it.
fn to_archive(
    store: &Store,
    plan: &Plan,
    target: Option<&Target>,
    go_on: &mut dyn FnMut() -> bool,
) -> Outcome<Archived> {
    let (snapshot, mut done) = (store.snapshot()?, Archived::default());
    for planned in plan.moves.iter().filter(|planned| planned.tier == "archive") {
        let is_it = |segment: &SegmentInfo| {
            (segment.id.0, segment.end_seq, segment.sealed) == (planned.first_seq, planned.end_seq, true)
        };
        let Some(segment) = snapshot.segments().find(is_it) else { continue };
        if snapshot.archived(segment.id)?.is_some() {
            continue;
        }
        let Some(target) = target.filter(|_| done.left == 0 && go_on()) else {
            done.left += 1;
            continue;
        };
        // What was begun is done whole: who stops it stops behind it.
        let copied = archive_segment(store, &snapshot, &segment, target, &mut |_, _| true)?;
        let to = (target, copied.locked_until);
        if let_go(store, &snapshot, segment.id, to, &mut || true)? {
            done.segments += 1;
        } else {
            done.spared += 1;
        }
    }
    Ok(done)
}

fn tell(
    out: &mut Out,
    applied: &Applied,
    archived: Archived,
    snapshot: &Snapshot,
    as_json: bool,
) -> Outcome<()> {
    let Applied { plan, deleted, segments, spared, left, artifacts: of_artifacts, moved, .. } = applied;
    let Collected { artifacts, bytes, spared: artifacts_spared, left: artifacts_left, .. } = of_artifacts;
    let beyond = beyond_reach(snapshot)?;
    if as_json {
        return out.json(&json!({
            "schema": SCHEMA, "plan": plan, "deleted": deleted, "segments": segments, "spared": spared, "left": left,
            "artifacts": {
                "collected": artifacts, "bytes": bytes, "spared": artifacts_spared, "left": artifacts_left,
            },
            "warm": {
                "segments": moved.segments, "log_len": moved.log_len, "pack_len": moved.pack_len,
                "spared": moved.spared, "left": moved.left,
            },
            "archive": archived,
            "not_reached": beyond,
        }));
    }
    let of_segments = output::counted(*segments, "segment", "segments");
    if let Some(plan) = plan {
        let deleted = shown::amount(*deleted);
        out.line(format_args!("deleted    {deleted} in {of_segments}, by the plan of record {plan}"))?;
    }
    if spared.events > 0 {
        out.line(format_args!(
            "spared     {}: a hold or a policy keeps them that came after the plan",
            shown::amount(*spared)
        ))?;
    }
    let of_artifacts = |count: &u64| output::counted(*count, "artifact", "artifacts");
    if *artifacts > 0 {
        out.line(format_args!("collected  {}, {}", of_artifacts(artifacts), output::length(*bytes)))?;
    }
    if *artifacts_spared > 0 {
        let spared = of_artifacts(artifacts_spared);
        out.line(format_args!(
            "spared     {spared}: named by an event, or put again, since the plan was made"
        ))?;
    }
    moves(out, moved, archived)?;
    if *left > 0 || *artifacts_left > 0 {
        let events = output::counted(*left, "event", "events");
        out.line(format_args!(
            "left       {events}, {}; the same command goes on",
            of_artifacts(artifacts_left)
        ))?;
    }
    // What only moves, nobody looks for.
    for place in beyond.into_iter().filter(|_| plan.is_some()) {
        out.line(format_args!("not reached: {place}"))?;
    }
    Ok(())
}

/// Says what moved.
fn moves(out: &mut Out, warm: &Moved, archived: Archived) -> Outcome<()> {
    let of_segments = |count| output::counted(count, "segment", "segments");
    if warm.segments > 0 {
        let [was, is] = [warm.log_len, warm.pack_len].map(output::length);
        out.line(format_args!("moved      {} to the warm tier: {was} are {is}", of_segments(warm.segments)))?;
    }
    if archived.segments > 0 {
        out.line(format_args!("moved      {} to the archive", of_segments(archived.segments)))?;
    }
    let spared = warm.spared + archived.spared;
    if spared > 0 {
        let spared = of_segments(spared);
        out.line(format_args!("spared     {spared}: a policy wants them here that came after the plan"))?;
    }
    if warm.left > 0 {
        out.line(format_args!("left       {}; the same command goes on", of_segments(warm.left)))?;
    }
    if archived.left > 0 {
        let left = of_segments(archived.left);
        out.line(format_args!("left       {left} for the archive: the same command with --archive ARCHIVE"))?;
    }
    Ok(())
}

/// Where copies of what was deleted may be that the store does not know or cannot reach.
fn beyond_reach(snapshot: &Snapshot) -> Outcome<Vec<String>> {
    let mut places = vec![
        "backups, archives and evidence bundles that were made before".to_owned(),
        "entry tiles that were published: they have sources, times, lengths and labels".to_owned(),
        "artifacts that other events name too".to_owned(),
        "what other people and machines fetched from archives, and keep in caches of their own".to_owned(),
        "what the file system and the drive keep of blocks that are free now, and its snapshots".to_owned(),
    ];
    for archive in snapshot.archives()? {
        places.push(format!(
            "files in the archive {archive} that are older than this: `indelible archive prune {archive}` removes them, and \
             names the object versions that a bucket keeps"
        ));
    }
    let lost_len = snapshot.lost_len()?;
    if lost_len > 0 {
        places
            .push(format!("lost/: {} that recovery cut off, and nobody can read", output::length(lost_len)));
    }
    Ok(places)
}
