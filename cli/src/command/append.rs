//! `indelible append`: files and pipes of events into the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use indelible::source::Profile;
use indelible::{Error, FileSigner, OnDuplicate as Policy, Outcome as Fate, Prepared, Store};
use serde::Serialize;
use serde_json::json;

use crate::exit::{Code, Failure, Outcome};
use crate::feed::{BadLine, Feed, Item, Place, Ready, Rules, Step};
use crate::output::{self, Out};
use crate::progress::Progress;
use crate::quarantine::Quarantine;
use crate::signal::Stop;
use crate::signing::{Cadence, Signing};
use crate::{anchors, input, keys, open, profiles, show};

use clap::ValueEnum;

/// Append events: newline-delimited JSON, from files or stdin
///
/// Each line is one JSON object, kept byte for byte. Gzip and zstd are read as they are; empty lines are passed
/// over. When the command ends well, all events are durable. What comes down a pipe is committed as it comes.
///
/// Without --source, events are read by the profile `evidence`; where it finds next to nothing in the first event
/// and another profile that ships finds much, nothing is appended, and that profile is named.
///
/// Where the log's signing key is in your configuration folder, a checkpoint over what was appended is signed at
/// the end, and once a minute until then.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible append events.jsonl more.jsonl.gz
  tail -f agent.log | indelible append --receipts
  indelible append --source claude-code ~/.claude/projects/*/*.jsonl
  indelible append --on-error quarantine --on-duplicate skip nightly.jsonl.zst")]
pub(crate) struct Args {
    /// Files to read, - for stdin [default: -]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The events' source: a shipped or registered profile's name, or a profile file
    #[arg(long, short, value_name = "NAME|FILE.toml")]
    pub(crate) source: Option<String>,
    /// Print a receipt for each event, one JSON object a line, as soon as it is durable
    #[arg(long)]
    pub(crate) receipts: bool,
    /// What to do with a line that cannot be taken
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    pub(crate) on_error: OnError,
    /// Where bad lines go with --on-error quarantine [default: quarantine.jsonl beside the store]
    #[arg(long, value_name = "FILE")]
    pub(crate) quarantine: Option<PathBuf>,
    /// What to do with an event whose id is in the log already
    #[arg(long, value_name = "WHAT", default_value = "keep")]
    pub(crate) on_duplicate: OnDuplicate,
    /// Mask obvious secrets (cloud keys, tokens, private keys) before the record is made
    #[arg(long)]
    pub(crate) mask_secrets: bool,
    /// Sign no checkpoint, though the log's signing key is here
    #[arg(long)]
    pub(crate) no_checkpoint: bool,
    /// Print the summary as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// What to do with a line that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// End with code 2; what came before it is kept
    Stop,
    /// Name it and go on
    Skip,
    /// Name it, keep it in the quarantine file beside its reason, and go on
    Quarantine,
}

/// What to do with an event whose id is in the log already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDuplicate {
    /// Append it all the same
    Keep,
    /// Pass it over and count it
    Skip,
    /// End with code 2; what came before it is kept
    Error,
}

impl From<OnDuplicate> for Policy {
    fn from(policy: OnDuplicate) -> Self {
        match policy {
            OnDuplicate::Keep => Policy::Keep,
            OnDuplicate::Skip => Policy::Skip,
            OnDuplicate::Error => Policy::Error,
        }
    }
}

/// How many bytes of events are committed at once, at most, give or take a chunk.
const BATCH_LEN: usize = 4 << 20;

/// How long appended events go without a checkpoint, where one can be signed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// What became of the input; the names are stable.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Events appended, and their bytes.
    events: u64,
    len: u64,
    duplicates: u64,
    /// Lines that could not be taken, and how many of them are in the quarantine file.
    bad: u64,
    quarantined: u64,
    /// Empty lines.
    blank: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    tree_size: Option<u64>,
    root: Option<String>,
    /// The size that the last checkpoint covers, where this command signed one.
    checkpoint_size: Option<u64>,
    /// Whether all input was looked at.
    complete: bool,
}

/// Appends.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let files = input::or_stdin(&args.files);
    let total = input::total_len(&files)?;
    let path = store;
    let store = Arc::new(open::to_write(path)?);
    let source = match &args.source {
        Some(name) => store.source(&profiles::find(name, Some(&store.snapshot()?))?)?,
        None => store.source(Profile::evidence())?,
    };
    let masking = keys::masking(&store, source.profile(), args.mask_secrets)?;
    let keep_bytes = args.on_duplicate == OnDuplicate::Error;
    let rules = Rules { source, masking, keep_bytes };
    let mut feed = Feed::start(files, &store, &rules)?;
    let waker = feed.waker();
    let stop = Stop::listen(move || waker.wake())?;
    let signer = if args.no_checkpoint { None } else { keys::signer_at_hand(&store)? };
    let quarantine = args.quarantine.clone().unwrap_or_else(|| beside(path));
    let mut run = Run {
        args,
        store: &store,
        rules,
        out: Out::stdout(),
        bar: Progress::bytes(total),
        started: Instant::now(),
        signing: signer.map(|signer| sign_beside(&store, signer)),
        cadence: Cadence::new(CHECKPOINT_EVERY, Instant::now()),
        quarantine: Quarantine::new(quarantine),
        batch: Vec::new(),
        places: Vec::new(),
        bytes: Vec::new(),
        batch_len: 0,
        looked_at_first: false,
        summary: Summary::default(),
    };
    // Whatever ends the work, what was appended is signed and told, and the store is closed in order.
    let ended = run.work(&mut feed, &stop).and_then(|code| run.quarantine.sync().map(|()| code));
    let signed = run.sign_last();
    let ended = ended.and_then(|code| signed.map(|()| code));
    run.bar.finish();
    let told = run.tell(&ended);
    drop(feed);
    let Run { out, .. } = run;
    // The workers let go of the store between two chunks; the last to hold it closes it.
    if let Some(store) = Arc::into_inner(store) {
        store.close()?;
    }
    let code = ended?;
    told?;
    out.finish()?;
    Ok(code)
}

/// Refuses input for which no source was named, where the default profile finds next to nothing in its first event and
/// another finds much: what is appended without its fields is hard to find, and stays so.
fn refuse_other_source(first: &Ready) -> Outcome<()> {
    // One value may be there by chance: many sources have a `kind`.
    if first.event.fields().found_count() > 1 {
        return Ok(());
    }
    let Some(likely) = profiles::likely(first.event.body())? else { return Ok(()) };
    let default = Profile::evidence().name();
    Err(Failure::Usage(format!(
        "{}:{}: looks like an event of {likely}: append it with --source {likely}, or with --source {default} as it is; \
         nothing was appended",
        first.place.file, first.place.line
    )))
}

/// Signs beside the appending: a signer, or an anchor, may take its time. The size that was signed.
fn sign_beside(store: &Arc<Store>, signer: FileSigner) -> Signing<Option<u64>> {
    let store = Arc::clone(store);
    Signing::start(move || {
        anchors::copy(&store.checkpoint(&signer)?);
        show::signed_size(&store)
    })
}

/// The quarantine file beside the store.
fn beside(store: &Path) -> PathBuf {
    let store = std::path::absolute(store).unwrap_or_else(|_| store.to_path_buf());
    store.parent().unwrap_or(Path::new(".")).join("quarantine.jsonl")
}

struct Run<'a> {
    args: &'a Args,
    store: &'a Store,
    rules: Rules,
    out: Out,
    bar: Progress,
    started: Instant,
    /// What signs, where the log's signer is here, and when.
    signing: Option<Signing<Option<u64>>>,
    cadence: Cadence,
    quarantine: Quarantine,
    /// What is to be committed next; where each event stands, and its bytes if they are kept.
    batch: Vec<Prepared>,
    places: Vec<Place>,
    bytes: Vec<Bytes>,
    batch_len: usize,
    /// Whether the first event was held against the default profile.
    looked_at_first: bool,
    summary: Summary,
}

impl Run<'_> {
    fn work(&mut self, feed: &mut Feed, stop: &Stop) -> Outcome {
        loop {
            // What has been read is gathered; when there is no more for now, it is committed before waiting.
            let item = match feed.next_read() {
                Some(item) if self.batch_len < BATCH_LEN => item,
                item => {
                    self.commit()?;
                    self.progress(feed);
                    item.unwrap_or_else(|| feed.next())
                }
            };
            if let Some(code) = stop.asked() {
                self.commit()?;
                return Ok(code);
            }
            match item {
                Item::Steps(steps) => {
                    for step in steps {
                        match step {
                            Step::Ready(ready) => self.add(ready)?,
                            Step::Bad(bad) => self.bad(&bad)?,
                        }
                    }
                }
                Item::Blank(count) => self.summary.blank += count,
                Item::Woken => {}
                Item::Failed(failure) => {
                    self.commit()?;
                    return Err(failure);
                }
                Item::End => {
                    self.commit()?;
                    self.summary.complete = true;
                    return Ok(Code::Clean);
                }
            }
        }
    }

    fn add(&mut self, ready: Ready) -> Outcome<()> {
        if self.args.source.is_none() && !std::mem::replace(&mut self.looked_at_first, true) {
            refuse_other_source(&ready)?;
        }
        self.batch_len += ready.event.len();
        self.batch.push(ready.event);
        self.places.push(ready.place);
        self.bytes.extend(ready.bytes);
        Ok(())
    }

    fn commit(&mut self) -> Outcome<()> {
        let (events, places) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.places));
        let (bytes, len) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.batch_len));
        if events.is_empty() {
            return Ok(());
        }
        let lens: Vec<usize> = events.iter().map(Prepared::len).collect();
        match self.store.commit(events, self.args.on_duplicate.into()) {
            Ok(fates) => self.committed(&fates, &lens),
            // The batch was refused as a whole. What comes before the duplicate is kept, so it goes in alone.
            Err(Error::DuplicateEvent { .. }) if bytes.len() == places.len() => {
                self.one_by_one(&places, bytes)
            }
            Err(error) => {
                let events = output::counted(places.len() as u64, "event", "events");
                self.bar.say(format_args!(
                    "the last {events} ({}) may not be durable; where events have ids, the same command with \
                     `--on-duplicate skip` appends those alone that are not in the log",
                    output::length(len as u64)
                ));
                Err(error.into())
            }
        }
    }

    fn one_by_one(&mut self, places: &[Place], bytes: Vec<Bytes>) -> Outcome<()> {
        for (place, bytes) in places.iter().zip(bytes) {
            let event = self.store.prepare(&self.rules.source, bytes, &self.rules.masking)?;
            let len = event.len();
            match self.store.commit(vec![event], Policy::Error) {
                Ok(fates) => self.committed(&fates, &[len])?,
                Err(error @ Error::DuplicateEvent { .. }) => {
                    return Err(Failure::Usage(format!(
                        "{}:{}: {error}; what came before it is kept",
                        place.file, place.line
                    )));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn committed(&mut self, fates: &[Fate], lens: &[usize]) -> Outcome<()> {
        let summary = &mut self.summary;
        for (fate, len) in fates.iter().zip(lens) {
            match fate {
                Fate::Appended(receipt) => {
                    summary.events += 1;
                    self.cadence.appended(1);
                    summary.len += *len as u64;
                    summary.first_seq.get_or_insert(receipt.seq);
                    summary.last_seq = Some(receipt.seq);
                    if self.args.receipts {
                        self.out.json(receipt)?;
                    }
                }
                Fate::Duplicate { seq } => {
                    summary.duplicates += 1;
                    if self.args.receipts {
                        self.out.json(&json!({ "duplicate": true, "seq": seq }))?;
                    }
                }
            }
        }
        let last = fates.iter().rev().find_map(|fate| match fate {
            Fate::Appended(receipt) => Some(receipt),
            Fate::Duplicate { .. } => None,
        });
        if let Some(receipt) = last {
            summary.tree_size = Some(receipt.tree_size);
            summary.root = Some(receipt.root().to_string());
        }
        if self.args.receipts {
            self.out.flush()?;
        }
        self.cadence.ask(Instant::now(), || self.signing.as_ref().is_some_and(Signing::ask));
        Ok(())
    }

    /// Has a checkpoint signed over what was appended since the last, and waits for it: nothing is appended any more.
    fn sign_last(&mut self) -> Outcome<()> {
        if let Some(signing) = self.signing.take() {
            self.summary.checkpoint_size = signing.finish(self.cadence.has_unsigned())?.flatten();
        }
        Ok(())
    }

    fn bad(&mut self, bad: &BadLine) -> Outcome<()> {
        self.summary.bad += 1;
        let BadLine { place, column, reason, .. } = bad;
        let words = format!("{}:{}:{column}: {reason}", place.file, place.line);
        match self.args.on_error {
            OnError::Stop => {
                self.commit()?;
                return Err(Failure::Usage(format!(
                    "{words}; what came before it is kept (--on-error skip or quarantine goes on)"
                )));
            }
            OnError::Skip => {}
            OnError::Quarantine => {
                self.quarantine.add(bad)?;
                self.summary.quarantined += 1;
            }
        }
        if !self.args.quiet {
            self.bar.say(words);
        }
        Ok(())
    }

    fn progress(&self, feed: &Feed) {
        let rate = self.summary.events as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        self.bar.at(feed.read_len(), format!("{} events, {rate:.0}/s", output::count(self.summary.events)));
    }

    /// Says what became of the input: always as JSON where that was asked for; in words on a terminal, and
    /// elsewhere where there is more to say than that all went well.
    fn tell(&mut self, ended: &Outcome) -> Outcome<()> {
        let summary = &self.summary;
        if self.args.json {
            self.out.json(summary)?;
            self.out.flush()?;
        }
        let is_plain = matches!(ended, Ok(Code::Clean)) && summary.bad == 0 && summary.duplicates == 0;
        if self.args.quiet || (is_plain && !output::talks_to_a_person()) {
            return Ok(());
        }
        let mut words = format!(
            "appended {} ({}) in {:.1} s",
            output::counted(summary.events, "event", "events"),
            output::length(summary.len),
            self.started.elapsed().as_secs_f64(),
        );
        if let (Some(first), Some(last)) = (summary.first_seq, summary.last_seq) {
            if first == last {
                words.push_str(&format!(", seq {first}"));
            } else {
                words.push_str(&format!(", seqs {first} to {last}"));
            }
        }
        if let Some(size) = summary.checkpoint_size {
            words.push_str(&format!(", checkpoint at {}", output::count(size)));
        }
        if summary.duplicates > 0 {
            let count = output::counted(summary.duplicates, "duplicate", "duplicates");
            words.push_str(&format!("; {count} passed over"));
        }
        if summary.bad > 0 {
            words.push_str(&format!("; {}", output::counted(summary.bad, "bad line", "bad lines")));
        }
        if summary.quarantined > 0 {
            let path = self.quarantine.path().display();
            words.push_str(&format!(", {} of them in {path}", output::count(summary.quarantined)));
        }
        if summary.blank > 0 {
            let count = output::counted(summary.blank, "empty line", "empty lines");
            words.push_str(&format!("; {count} passed over"));
        }
        if matches!(ended, Ok(Code::Interrupted | Code::Terminated)) {
            words.push_str("; stopped on request");
        }
        output::say(words);
        Ok(())
    }
}
