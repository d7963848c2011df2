//! `indelible doctor`: what is unusual about a store, and what to do.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use indelible::disk::{Disk, RealDisk};
use indelible::format::admin::Admin;
use indelible::format::failures::FailureClass;
use indelible::trust::{Algorithm, LogKey, VerifierKey};
use indelible::{CheckpointSigner, Store, Timestamp, Verification, limits};
use serde::Serialize;

use crate::exit::{Code, Outcome};
use crate::output::{self, Colour, Out};
use crate::{keys, open, show};

/// Look for what is unusual about the store, and say what to do
///
/// Changes nothing. Looks at unclean stops, bytes kept in lost/, clock steps, the age of what is not sealed or
/// not signed or verified yet, the key, free space and file modes. What it finds is advice: damage is for `verify` to find.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  indelible doctor --json")]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Less free space than this, in bytes, is worth saying.
const FREE_LEN_LOW: u64 = 1 << 30;
/// How old an unsigned record may be before it is worth saying, in nanoseconds: a day.
const UNSIGNED_AGE_NS: i64 = 24 * 3600 * 1_000_000_000;

/// How long after a failed commit it is a problem still, in nanoseconds: a day.
const FAILED_AGE_NS: i64 = 24 * 3600 * 1_000_000_000;
/// How old the last verification of everything may be before it is worth saying, in nanoseconds: eight days.
const VERIFIED_AGE_NS: i64 = 8 * 24 * 3600 * 1_000_000_000;
/// The version of what `--json` prints: docs/JSON.md says what is in it.
const SCHEMA: &str = "indelible.doctor/1";

/// One thing that was looked at; the names are stable.
#[derive(Debug, Serialize)]
struct Remark {
    /// `stops`, `lost`, `clock`, `sealing`, `signing`, `verifying`, `key`, `space`, `modes`, `origin`, `writing`.
    topic: &'static str,
    level: Level,
    /// What was found.
    found: String,
    /// What to do; empty where nothing needs doing.
    advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Good,
    Notice,
    Problem,
}

/// Looks, and says.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let path = store;
    let store = open::to_read(path)?;
    let mut remarks = Vec::new();
    history(&store, &mut remarks)?;
    failures(&store, &mut remarks);
    lost(path, &mut remarks);
    unsealed(&store, &mut remarks)?;
    signing(&store, &mut remarks)?;
    verifying(&store, &mut remarks)?;
    key(&store, &mut remarks)?;
    place(path, &mut remarks);
    modes(path, &mut remarks);

    let mut out = Out::stdout();
    if args.json {
        let worst = remarks.iter().map(|remark| remark.level).max().unwrap_or(Level::Good);
        out.json(&serde_json::json!({
            "schema": SCHEMA,
            "origin": store.origin().as_str(),
            "level": worst,
            "remarks": remarks,
        }))?;
    } else {
        for remark in &remarks {
            let (word, colour) = match remark.level {
                Level::Good => ("good", Colour::Good),
                Level::Notice => ("notice", Colour::Notice),
                Level::Problem => ("problem", Colour::Bad),
            };
            let word = out.paint(colour, format_args!("{word:7}"));
            let found = output::escape(remark.found.as_bytes());
            out.line(format_args!("{word}  {:9} {found}", remark.topic))?;
            if !remark.advice.is_empty() {
                out.line(format_args!("{:19} {}", "", output::escape(remark.advice.as_bytes())))?;
            }
        }
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn remark(topic: &'static str, level: Level, found: impl Into<String>, advice: &str) -> Remark {
    Remark { topic, level, found: found.into(), advice: advice.to_owned() }
}

/// What the log itself tells: unclean stops, clock steps.
fn history(store: &Store, remarks: &mut Vec<Remark>) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    let (mut stops, mut cut, mut steps, mut widest) = (0, 0, 0, 0_i64);
    let mut last_stop = String::new();
    for seq in snapshot.store_records().collect::<Vec<_>>() {
        let record = snapshot.record(seq)?;
        match Admin::decode(&record.body) {
            Ok(Admin::Recovered { cut_len, .. }) => {
                stops += 1;
                cut += cut_len;
                last_stop = record.received_at.to_string();
            }
            Ok(Admin::Clock { step_ns }) => {
                steps += 1;
                if step_ns.unsigned_abs() > widest.unsigned_abs() {
                    widest = step_ns;
                }
            }
            // Other records are no concern here, and a record that does not read is for `verify` to judge.
            _ => {}
        }
    }
    remarks.push(if stops == 0 {
        remark("stops", Level::Good, "no unclean stop lost or left anything", "")
    } else {
        let stops = output::counted(stops, "unclean stop", "unclean stops");
        let found = format!("{stops} recovered, the last at {last_stop}; {} cut", output::length(cut));
        remark("stops", Level::Notice, found, "nothing that the log calls durable is lost by this")
    });
    remarks.push(if steps == 0 {
        remark("clock", Level::Good, "the clock has not stepped", "")
    } else {
        let seconds = widest as f64 / 1e9;
        let steps = output::counted(steps, "clock step", "clock steps");
        let found = format!("{steps}, the widest of {seconds:.3} s");
        remark("clock", Level::Notice, found, "received times are as the clock read; order is by seq")
    });
    Ok(())
}

/// What the disk refused, as far as it was counted.
fn failures(store: &Store, remarks: &mut Vec<Remark>) {
    let failures = store.failures();
    let counted = |class: FailureClass| match failures.count(class) {
        0 => None,
        count => Some(format!("{} {}", output::count(count), class.name())),
    };
    let by_class: Vec<String> = FailureClass::ALL.into_iter().filter_map(counted).collect();
    remarks.push(match failures.last_at {
        None => remark("failures", Level::Good, "no failed commit is counted", ""),
        Some(at) => {
            let commits = output::counted(failures.total(), "failed commit", "failed commits");
            let found = format!("{commits} ({}), the last {}", by_class.join(", "), output::age(age_ns(at)));
            let level = if age_ns(at) < FAILED_AGE_NS { Level::Problem } else { Level::Notice };
            remark("failures", level, found, "whoever appended was told; a retry by event id is safe")
        }
    });
}

fn lost(path: &Path, remarks: &mut Vec<Remark>) {
    let names = std::fs::read_dir(path.join("lost")).into_iter().flatten().flatten();
    let lens: Vec<u64> = names.filter_map(|name| name.metadata().ok()).map(|facts| facts.len()).collect();
    remarks.push(if lens.is_empty() {
        remark("lost", Level::Good, "lost/ is empty", "")
    } else {
        let files = output::counted(lens.len() as u64, "file", "files");
        let found = format!("{files} in lost/, {}", output::length(lens.iter().sum()));
        remark(
            "lost",
            Level::Notice,
            found,
            "bytes of commits that were never acknowledged; look, then remove them",
        )
    });
}

fn unsealed(store: &Store, remarks: &mut Vec<Remark>) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    let Some(active) = snapshot.segments().last() else { return Ok(()) };
    let count = active.end_seq.saturating_sub(active.id.0);
    let age = match snapshot.records(active.id.0..).next() {
        Some(record) => age_ns(record?.received_at),
        None => 0,
    };
    let records = output::counted(count, "record", "records");
    let overdue = age > 2 * limits::SEGMENT_AGE_DEFAULT_S as i64 * 1_000_000_000;
    remarks.push(if overdue {
        let found = format!("{records} not sealed, the oldest {}", output::age(age));
        remark("sealing", Level::Notice, found, "the next append seals them, or: indelible seal")
    } else {
        remark("sealing", Level::Good, format!("{records} in the active segment"), "")
    });
    Ok(())
}

fn signing(store: &Store, remarks: &mut Vec<Remark>) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    let size = snapshot.tree_size();
    let advice = "sign with: indelible checkpoint";
    remarks.push(match show::signed_size(store)? {
        Some(signed) if signed > size => {
            let found = format!("the last checkpoint covers {signed} records, and the log has {size}");
            remark(
                "signing",
                Level::Problem,
                found,
                "the store is rolled back; see: indelible recover --help",
            )
        }
        Some(signed) if signed == size => {
            remark("signing", Level::Good, "the last checkpoint covers all", "")
        }
        Some(signed) => {
            let tail = output::counted(size - signed, "record", "records");
            let age = age_ns(snapshot.record(signed)?.received_at);
            let level = if age > UNSIGNED_AGE_NS { Level::Notice } else { Level::Good };
            let advice = if level == Level::Good { "" } else { advice };
            let found = format!("{tail} after the last checkpoint, the oldest {}", output::age(age));
            remark("signing", level, found, advice)
        }
        None => remark("signing", Level::Notice, "no checkpoint yet: nobody vouches for this log", advice),
    });
    Ok(())
}

/// When all was last found good, and what was found since.
fn verifying(store: &Store, remarks: &mut Vec<Remark>) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    let mut last = None;
    for verification in snapshot.verifications() {
        let verification = verification?;
        let vouches = verification.verified.vouches_for_all();
        last.get_or_insert_with(|| verification.clone());
        if vouches {
            let Some(last) = last else { break };
            remarks.push(verified(&last, Some(&verification)));
            return Ok(());
        }
    }
    remarks.push(match last {
        Some(last) => verified(&last, None),
        None => remark(
            "verifying",
            Level::Notice,
            "no record of a verification",
            "verify with: indelible verify; for timers see: indelible schedule",
        ),
    });
    Ok(())
}

/// What there is to say of the last verification, and of the last that found everything good.
fn verified(last: &Verification, good: Option<&Verification>) -> Remark {
    let Verification { seq, verified, .. } = last;
    if verified.verdict != "clean" {
        let found = format!("the last verification, record {seq}, found the store {}", verified.verdict);
        return remark("verifying", Level::Problem, found, "look again with: indelible verify --full");
    }
    match good {
        Some(good) => {
            let age = age_ns(good.noted_at);
            let found = format!("all was last found good {}, by record {}", output::age(age), good.seq);
            if age > VERIFIED_AGE_NS {
                remark("verifying", Level::Notice, found, "verify with: indelible verify")
            } else {
                remark("verifying", Level::Good, found, "")
            }
        }
        None => {
            let found = "no verification of all is recorded; those that are looked at parts";
            remark("verifying", Level::Notice, found, "verify all with: indelible verify")
        }
    }
}

fn key(store: &Store, remarks: &mut Vec<Remark>) -> Outcome<()> {
    let snapshot = store.snapshot()?;
    let log_keys = snapshot.log_keys()?;
    let in_force: Vec<&LogKey> = log_keys.in_force(snapshot.tree_size()).collect();
    let no_options =
        keys::SignerArgs { signing_key: Vec::new(), signer_command: Vec::new(), signer_timeout: 0 };
    let is_in_force = |key: &&VerifierKey| in_force.iter().any(|known| known.key == **key);
    remarks.push(match keys::signer(store, &no_options) {
        _ if log_keys.all().is_empty() => remark(
            "key",
            Level::Notice,
            "the log names no key",
            "its checkpoints cannot be told from others'",
        ),
        _ if in_force.is_empty() => remark(
            "key",
            Level::Problem,
            "all keys of the log are revoked",
            "nobody can sign it; go on in a new one with `indelible recover --fork`",
        ),
        Ok(signer) if !signer.verifiers().iter().all(is_in_force) => remark(
            "key",
            Level::Problem,
            "the signing key here is not the one that the log names",
            "find the right one, and name it with --signing-key",
        ),
        Ok(_) => remark("key", Level::Good, "the log's signing key is here", ""),
        Err(why) => remark(
            "key",
            Level::Notice,
            why.to_string(),
            "fine where others sign; checkpoints cannot be signed here",
        ),
    });
    // Those of ML-DSA-44 sign beside them.
    let of_kind = |algorithm| in_force.iter().filter(move |known| known.key.algorithm() == algorithm);
    for algorithm in [Algorithm::Ed25519, Algorithm::MlDsa44] {
        let keys: Vec<_> = of_kind(algorithm).collect();
        let [_, .., latest] = keys[..] else { continue };
        let found =
            format!("{} keys of the log sign, the latest from {} records on", keys.len(), latest.since);
        let advice = "when all who verify know the latest: `indelible key rotate --finish`";
        remarks.push(remark("keys", Level::Notice, found, advice));
    }
    Ok(())
}

fn place(path: &Path, remarks: &mut Vec<Remark>) {
    match RealDisk.place(path) {
        Ok(place) => {
            let free = format!("{} free", output::length(place.free_len));
            remarks.push(if place.free_len < FREE_LEN_LOW {
                remark("space", Level::Problem, free, "make room: a full disk refuses appends")
            } else {
                remark("space", Level::Good, free, "")
            });
            if place.network {
                remarks.push(remark(
                    "place",
                    Level::Problem,
                    "the store is on a network filesystem",
                    "its locks and syncs may not hold; move it to a local disk",
                ));
            }
        }
        Err(error) => remarks.push(remark("space", Level::Notice, format!("cannot tell: {error}"), "")),
    }
}

/// Files and directories that others than their owner can reach.
fn modes(path: &Path, remarks: &mut Vec<Remark>) {
    let mut open = Vec::new();
    let mut rest = vec![path.to_path_buf()];
    while let Some(path) = rest.pop() {
        if RealDisk.mode(&path).is_ok_and(|mode| mode & 0o077 != 0) {
            open.push(path.clone());
        }
        rest.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|name| name.path()));
    }
    remarks.push(match open.first() {
        None => remark("modes", Level::Good, "only the owner can reach the files", ""),
        Some(first) => remark(
            "modes",
            Level::Notice,
            format!("{} of {} that others can reach", first.display(), open.len()),
            "unless this is meant: chmod -R go= the store",
        ),
    });
}

fn age_ns(time: Timestamp) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(time.0)
}
