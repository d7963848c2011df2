//! Asks witnesses to cosign a checkpoint, C2SP tlog-witness, and keeps what they answered and verifies.
//!
//! Nothing that a witness does can cost more than its time and a message: every answer is bounded, and no line of it
//! is kept before its cosignature is verified under the witness's key.

use std::time::{Duration, Instant};

use indelible::trust::{Checkpoint, Note, NoteSignature, Policy, PolicyWitness};
use indelible::{Snapshot, Store, Timestamp, limits};

use crate::exit::Outcome;
use crate::{output, web};

/// How many characters of a refusal are shown.
const REFUSAL_LEN_MAX: usize = 200;

/// What a witness answered, or what went wrong in words.
type Answer = Result<Vec<NoteSignature>, String>;

/// Asks all witnesses of `policy` at once, keeps the cosignatures in the store, and says whether they are enough.
/// `before` is the checkpoint before this one, which may tell what a witness knows.
pub(crate) fn cosign(
    store: &Store,
    note: &mut Note,
    before: Option<&Note>,
    policy: &Policy,
    timeout: Duration,
) -> Outcome<bool> {
    let snapshot = store.snapshot()?;
    let asked: &Note = note;
    let answers: Vec<(&PolicyWitness, Answer)> = std::thread::scope(|scope| {
        let threads: Vec<_> = policy
            .witnesses()
            .iter()
            .map(|witness| {
                let snapshot = &snapshot;
                (witness, scope.spawn(move || ask(witness, snapshot, asked, before, timeout)))
            })
            .collect();
        let joined = |thread: std::thread::ScopedJoinHandle<'_, Answer>| {
            thread.join().unwrap_or_else(|_| Err("asking it failed".to_owned()))
        };
        threads.into_iter().map(|(witness, thread)| (witness, joined(thread))).collect()
    });
    for (witness, answer) in answers {
        let added = answer.and_then(|lines| {
            witness.key.add_to(note, &lines).map_err(|error| format!("its answer is not believed: {error}"))
        });
        match added {
            Ok(time_s) => output::say(format_args!(
                "witnessed by {} at {}",
                output::escape(&witness.name),
                time(time_s)
            )),
            Err(reason) => output::warn(format_args!("witness {}: {reason}", output::escape(&witness.name))),
        }
    }
    store.keep_cosignatures(note)?;
    Ok(policy.is_met(note))
}

/// Seconds since 1970 as a time.
pub(crate) fn time(time_s: u64) -> Timestamp {
    Timestamp(i64::try_from(time_s).unwrap_or(i64::MAX).saturating_mul(1_000_000_000))
}

/// Asks one witness; where it says that it knows another size, once more from that.
fn ask(
    witness: &PolicyWitness,
    snapshot: &Snapshot,
    note: &Note,
    before: Option<&Note>,
    timeout: Duration,
) -> Answer {
    let deadline = Instant::now() + timeout;
    let url = witness.address().ok_or("the policy gives no address for it")?;
    web::check_url(url, "a witness's").map_err(|failure| failure.to_string())?;
    let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
    let size = Checkpoint::decode(note.text()).map_err(|error| error.to_string())?.size;
    let mut old_size = size_known(witness, note).or(before.and_then(|note| size_known(witness, note)));
    for last in [false, true] {
        let from = old_size.unwrap_or(0);
        let request = snapshot.prove_extension(from, note).map_err(|error| error.to_string())?;
        let (status, body) =
            web::post(&address, &request.to_string(), limits::NOTE_LEN_MAX as u64, deadline)?;
        match status {
            200 => {
                return NoteSignature::decode_lines(&body)
                    .map_err(|error| format!("its answer is no cosignature: {error}"));
            }
            409 => {
                let known = stated_size(&body).ok_or("it answered 409 without the size that it knows")?;
                if known == from {
                    return Err(format!("it has cosigned another tree of {known} records"));
                }
                if known > size {
                    return Err(format!(
                        "it has cosigned {known} records of this log, which now shows {size}: was it restored?"
                    ));
                }
                if last {
                    return Err(format!("it knows {known} records now, and knew {from} a moment ago"));
                }
                old_size = Some(known);
            }
            422 => {
                return Err(format!("it says that this log does not continue the {from} records it knows"));
            }
            _ => return Err(format!("it refused with status {status}: {}", first_line(&body))),
        }
    }
    Err("it answered neither yes nor no".to_owned())
}

/// The size of a checkpoint that the witness cosigned before.
fn size_known(witness: &PolicyWitness, note: &Note) -> Option<u64> {
    witness.key.cosigned(note).ok().flatten()?;
    Checkpoint::decode(note.text()).ok().map(|checkpoint| checkpoint.size)
}

/// A size in decimal and a newline, as a conflict is told.
fn stated_size(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text.lines().next().unwrap_or_default().chars().take(REFUSAL_LEN_MAX).collect();
    output::escape(line.as_bytes()).into_owned()
}
