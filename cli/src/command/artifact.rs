//! `indelible artifact`: what events point to and do not hold themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use indelible::artifact::{ArtifactId, ArtifactInfo};
use indelible::filter::Glob;
use indelible::retention::Use;
use indelible::{Error, Seq, Snapshot, Store, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::query::present;
use crate::exit::{Code, Failure, Outcome};
use crate::input;
use crate::new_file::{self, Readers};
use crate::open;
use crate::output::{self, Out, Table};
use crate::progress::Progress;
use crate::signal::Stop;

/// Keep prompts, diffs, scan output and logs that events point to
///
/// An artifact is named by the BLAKE3 of its content, `blake3:` and 64 hex digits: what `b3sum FILE` prints. It is kept
/// once, compressed. Events name it in their field `artifact`; put it first, so that no event ever points to nothing, and
/// append the event within a day: what nothing names by then, a retention plan may let go.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible artifact put prompt.txt plan.diff
  git diff | indelible artifact put -
  indelible artifact get blake3:c6e1… -o plan.diff
  indelible artifact verify")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with artifacts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Keep files, and print their names
    #[command(after_help = "Example:\n  indelible artifact put prompt.txt plan.diff --json")]
    Put {
        /// The files, - for stdin; byte for byte, compressed files too
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Print one JSON object an artifact
        #[arg(long)]
        json: bool,
    },
    /// Print an artifact's content, once all of it was found right
    #[command(after_help = "Example:\n  indelible artifact get blake3:c6e1… -o plan.diff")]
    Get {
        /// Its name, or the 64 hex digits alone
        #[arg(value_name = "NAME")]
        name: String,
        /// Write to a file that does not exist yet, instead of to stdout
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List the artifacts: how many events name each, the first of them, and what a retention plan may collect; this reads
    /// all events
    #[command(after_help = "Example:\n  indelible artifact list --json")]
    List {
        /// Print one JSON object an artifact
        #[arg(long)]
        json: bool,
    },
    /// Check that each artifact is what its name says, and that each that was put or that an event names is there
    ///
    /// As `verify` has it: exit code 11 where one was removed that the log says was put, and no approved plan let go; 14 where
    /// an event names one that was never put.
    #[command(after_help = "Example:\n  indelible artifact verify && echo all there")]
    Verify {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Keeps, gives back, lists or checks.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let mut out = Out::stdout();
    let code = match &args.what {
        What::Put { files, json } => put(store, files, *json, &mut out)?,
        What::Get { name, output } => get(&open::to_read(store)?, name, output.as_deref(), &mut out)?,
        What::List { json } => list(&open::to_read(store)?, *json, &mut out)?,
        What::Verify { json } => verify(&open::to_read(store)?, *json, &mut out)?,
    };
    out.finish()?;
    Ok(code)
}

/// Reads on until somebody presses Ctrl-C, and shows how far it is.
struct Watched<'w, R> {
    from: R,
    stop: &'w Stop,
    bar: &'w Progress,
    done: &'w mut u64,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.asked().is_some() {
            return Err(io::Error::other("stopped on request"));
        }
        let count = self.from.read(buffer)?;
        *self.done += count as u64;
        self.bar.position(*self.done);
        Ok(count)
    }
}

fn put(store: &Path, files: &[PathBuf], json: bool, out: &mut Out) -> Outcome {
    // All files are looked for before the first is kept.
    let total = input::total_len(files)?;
    let store = open::to_write(store)?;
    let (stop, bar, mut done) = (Stop::listen(|| ())?, Progress::bytes(total), 0);
    for path in files {
        let from: Box<dyn Read> = match path.as_os_str() == "-" {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(path).map_err(Failure::io(format!("open {}", path.display())))?),
        };
        let mut watched = Watched { from, stop: &stop, bar: &bar, done: &mut done };
        let kept = store.put_artifact(&mut watched);
        if let Some(code) = stop.asked() {
            return Err(Failure::Told(code));
        }
        let (ArtifactInfo { id, len, stored_len }, is_new) = kept?;
        let file = path.display().to_string();
        if json {
            out.json(&json!({
                "artifact": id.to_string(), "file": file, "len": len, "stored_len": stored_len, "new": is_new,
            }))?;
        } else {
            out.line(format_args!("{id}  {}", output::escape_text(&file, out.is_terminal())))?;
        }
        // What was kept is told at once, whatever becomes of the next.
        out.flush()?;
    }
    bar.finish();
    store.close()?;
    Ok(Code::Clean)
}

fn get(store: &Store, name: &str, output: Option<&Path>, out: &mut Out) -> Outcome {
    let id: ArtifactId = name.parse()?;
    let Some(path) = output else {
        if out.is_terminal() {
            let reason = "an artifact may hold anything, and this is a terminal: give -o FILE, or a pipe";
            return Err(Failure::Usage(reason.to_owned()));
        }
        // What went out cannot be taken back: all of it is checked before.
        store.artifact(id)?.copy_to(&mut io::sink())?;
        let mut content = Sent { out, failure: None };
        let copied = store.artifact(id)?.copy_to(&mut content);
        return match content.failure {
            Some(failure) => Err(failure),
            None => copied.map(|_| Code::Clean).map_err(Failure::from),
        };
    };
    let name = path.display();
    let mut file = new_file::create(path, Readers::Usual)?;
    let written = store.artifact(id).and_then(|mut artifact| artifact.copy_to(&mut file));
    match written {
        Ok(len) => {
            file.sync_all().map_err(Failure::io(format!("sync {name}")))?;
            output::say(format_args!("wrote {} to {name}", output::length(len)));
            Ok(Code::Clean)
        }
        Err(error) => {
            // It is no artifact: nobody should take it for one.
            std::fs::remove_file(path).map_err(Failure::io(format!("remove {name}")))?;
            Err(error.into())
        }
    }
}

/// Sends bytes to stdout, and keeps the failure that says so.
struct Sent<'o> {
    out: &'o mut Out,
    failure: Option<Failure>,
}

impl Write for Sent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.raw(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many events name each artifact in their field for it.
fn named(snapshot: &Snapshot) -> Outcome<BTreeMap<ArtifactId, u64>> {
    let terms = snapshot.terms("artifact", Some(&Glob::new("blake3:*")))?;
    let named = terms.into_iter().filter_map(|(term, count)| {
        let text = std::str::from_utf8(&term.bytes).ok()?;
        Some((text.parse().ok()?, count))
    });
    Ok(named.collect())
}

fn list(store: &Store, json: bool, out: &mut Out) -> Outcome {
    let (ids, now) = (store.artifacts()?, present());
    let snapshot = store.snapshot()?;
    let mut table = Table::new(&["artifact", "length", "stored", "put", "events", "first", "collectable"]);
    let mut count = 0;
    for (id, used) in snapshot.artifact_uses(&ids)? {
        let ArtifactInfo { len, stored_len, .. } = store.artifact(id)?.info();
        let Use { events, first, put, .. } = used;
        let put = put.map(|(_, at)| at);
        let is_collectable = used.is_collectable(snapshot.tree_size(), now);
        count += 1;
        if json {
            out.json(&json!({
                "artifact": id.to_string(), "len": len, "stored_len": stored_len, "events": events, "first": first,
                "put_at": put.map(|at| at.to_string()), "collectable": is_collectable,
            }))?;
        } else {
            let (len, stored_len) = (output::length(len), output::length(stored_len));
            let put = put.map_or_else(|| "-".to_owned(), Timestamp::day_text);
            let first = first.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
            let is_collectable = if is_collectable { "yes" } else { "no" }.to_owned();
            table.row([id.to_string(), len, stored_len, put, output::count(events), first, is_collectable]);
        }
    }
    if count == 0 && !json {
        output::say("no artifacts; keep one with `indelible artifact put FILE`");
    } else if !json {
        table.print(out)?;
    }
    Ok(Code::Clean)
}

/// What was found of all artifacts.
#[derive(Debug, Default, Serialize)]
struct Verdict {
    /// Those that are what their names say.
    whole: u64,
    /// Those that are not.
    wrong: Vec<Wrong>,
    /// Those that events name, that are not here, and of which the log does not say that they were.
    missing: Vec<Missing>,
    /// Those that a record says were put, that no approved plan let go, and that are not here.
    removed: Vec<Removed>,
}

#[derive(Debug, Serialize)]
struct Wrong {
    artifact: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Missing {
    artifact: String,
    events: u64,
}

#[derive(Debug, Serialize)]
struct Removed {
    artifact: String,
    /// The record that says so last.
    put: Seq,
    events: u64,
}

/// The weightier of two, as a verification of the store weighs them.
fn weightier(one: Code, other: Code) -> Code {
    const RISING: [Code; 6] =
        [Code::Clean, Code::Incomplete, Code::Unsupported, Code::Environment, Code::Damaged, Code::Forged];
    let weight = |code: &Code| RISING.iter().position(|known| known == code).unwrap_or(RISING.len());
    if weight(&other) > weight(&one) { other } else { one }
}

fn verify(store: &Store, json: bool, out: &mut Out) -> Outcome {
    let stop = Stop::listen(|| ())?;
    let ids = store.artifacts()?;
    let bar = Progress::bytes(None);
    let (mut verdict, mut code, mut done) = (Verdict::default(), Code::Clean, 0);
    for id in &ids {
        if let Some(code) = stop.asked() {
            return Err(Failure::Told(code));
        }
        match store.artifact(*id).and_then(|mut artifact| artifact.copy_to(&mut io::sink())) {
            Ok(len) => {
                verdict.whole += 1;
                done += len;
                bar.position(done);
            }
            Err(error) => {
                let failure = Failure::from(error);
                code = weightier(code, failure.code());
                verdict.wrong.push(Wrong { artifact: id.to_string(), reason: failure.to_string() });
            }
        }
    }
    bar.finish();
    let ids: BTreeSet<ArtifactId> = ids.into_iter().collect();
    // Named behind the list of what is here: what is put meanwhile is not missed.
    let snapshot = store.snapshot()?;
    let named = named(&snapshot)?;
    let is_gone =
        |id: &ArtifactId| !ids.contains(id) && matches!(store.artifact(*id), Err(Error::NotFound { .. }));
    let on_record = snapshot.artifacts_on_record()?;
    for (id, put) in on_record.iter().filter(|(id, _)| is_gone(id)) {
        code = weightier(code, Code::Forged);
        let events = named.get(id).copied().unwrap_or(0);
        verdict.removed.push(Removed { artifact: id.to_string(), put: *put, events });
    }
    for (id, events) in named.into_iter().filter(|(id, _)| !on_record.contains_key(id) && is_gone(id)) {
        code = weightier(code, Code::Incomplete);
        verdict.missing.push(Missing { artifact: id.to_string(), events });
    }
    if json {
        out.json(&verdict)?;
        return Ok(code);
    }
    for Wrong { artifact, reason } in &verdict.wrong {
        out.line(format_args!("{artifact}  {}", output::escape_text(reason, out.is_terminal())))?;
    }
    for Removed { artifact, put, events } in &verdict.removed {
        let events = output::counted(*events, "event names it", "events name it");
        out.line(format_args!(
            "{artifact}  removed without authority: record {put} says that it was put; {events}"
        ))?;
    }
    for Missing { artifact, events } in &verdict.missing {
        let events = output::counted(*events, "event names it", "events name it");
        out.line(format_args!("{artifact}  missing: {events}"))?;
    }
    let whole = output::counted(verdict.whole, "artifact is", "artifacts are");
    output::say(format_args!(
        "{whole} whole, {} wrong, {} removed, {} missing",
        output::count(verdict.wrong.len() as u64),
        output::count(verdict.removed.len() as u64),
        output::count(verdict.missing.len() as u64)
    ));
    Ok(code)
}
