//! `indelible demo`: the main job from end to end, on the sample evidence that ships with the program.

use std::path::{Path, PathBuf};
use std::time::Instant;

use indelible::disk::World;
use indelible::source::{Fields, Profile};
use indelible::{CheckpointSigner, FileSigner, Masking, OnDuplicate, Options, Snapshot, Store};

use crate::exit::{Failure, Outcome};
use crate::output::{self, Colour, Out, Table};
use crate::profiles;

/// See it work: a store of real sample evidence, sealed, signed and verified
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  indelible demo\n  indelible demo my-demo")]
pub(crate) struct Args {
    /// The directory to make [default: a new one among the temporary files]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// The samples, so that the demo works from any directory: file name, profile, bytes. `examples/data/README.md`
/// names their origins and licences.
const SAMPLES: [(&str, &str, &[u8]); 6] = [
    ("evidence.jsonl", "evidence", include_bytes!("../../../examples/data/evidence.jsonl")),
    ("claude-code.jsonl", "claude-code", include_bytes!("../../../examples/data/claude-code.jsonl")),
    ("codex.jsonl", "codex", include_bytes!("../../../examples/data/codex.jsonl")),
    ("cloudtrail.jsonl", "cloudtrail", include_bytes!("../../../examples/data/cloudtrail.jsonl")),
    (
        "cloudtrail-records.json",
        "cloudtrail",
        include_bytes!("../../../examples/data/cloudtrail-records.json"),
    ),
    ("kubernetes.jsonl", "kubernetes-audit", include_bytes!("../../../examples/data/kubernetes.jsonl")),
];
const ORIGIN: &str = "demo.example/agents";
/// The run that is shown.
const RUN: &str = "run_8bce4";

/// Shows the main job.
pub(crate) fn run(args: &Args) -> Outcome {
    let started = Instant::now();
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => fresh_dir()?,
    };
    let (place, key_file) = (dir.join("evidence"), dir.join("demo.key"));
    let mut out = Out::stdout();

    title(&mut out, "1. A store, and a signing key outside it")?;
    let signer = FileSigner::create(&World::real()?, &key_file, ORIGIN)?;
    let store = Store::create(&place, Options::new(ORIGIN).log_key(signer.verifier().clone()))?;
    row(&mut out, "store", place.display())?;
    row(&mut out, "verifier key", signer.verifier())?;

    title(&mut out, "2. Evidence from five kinds of sources, each event kept byte for byte")?;
    let mut table = Table::new(&["sample", "source", "events", "bytes", "seqs"]);
    for (file, source, bytes) in SAMPLES {
        table.row(append(&store, file, source, bytes)?);
    }
    table.print(&mut out)?;

    title(&mut out, "3. Sealed: the segment's records and its index are committed to by one root each")?;
    if let Some(sealed) = store.seal()? {
        row(
            &mut out,
            "segment",
            format_args!("seqs {} to {}", sealed.seal.first_seq, sealed.seal.end_seq - 1),
        )?;
        row(&mut out, "root", &sealed.seal.root)?;
        row(&mut out, "index root", &sealed.seal.index_root)?;
    }

    title(&mut out, &format!("4. What {RUN} did"))?;
    show_run(&mut out, &store.snapshot()?)?;

    title(&mut out, "5. Signed: nobody can rewrite this log from here on without being found out")?;
    let note = store.checkpoint(&signer)?;
    out.line(output::escape_lines(note.to_string().trim_end()))?;
    store.close()?;

    title(&mut out, "6. Verified from the bytes alone, by code that shares nothing with the writer")?;
    let code = super::verify::of_demo(&mut out, &place, signer.verifier(), &note)?;

    title(&mut out, "Try next")?;
    let shown = output::escape(place.display().to_string().as_bytes()).into_owned();
    for (command, about) in [
        ("stats", "how much there is of what"),
        ("log -n 3", "the last events, byte for byte"),
        ("show ev_0008 --integrity", "the deployment, with what ties it into the log"),
        ("verify --json", "the same check for a machine"),
        ("doctor", "what is unusual"),
    ] {
        out.line(format_args!("  indelible -C {shown} {command:26} {about}"))?;
    }
    out.line("  indelible init evidence --origin you.example/agents    a store of your own")?;
    out.finish()?;
    output::say(format_args!(
        "done in {:.1} s; remove it with: rm -r {}",
        started.elapsed().as_secs_f64(),
        dir.display()
    ));
    Ok(code)
}

fn title(out: &mut Out, words: &str) -> Outcome<()> {
    out.line("")?;
    out.line(out.paint(Colour::Strong, words))
}

fn row(out: &mut Out, name: &str, value: impl std::fmt::Display) -> Outcome<()> {
    let value = value.to_string();
    out.line(format_args!("{name:13} {}", output::escape(value.as_bytes())))
}

/// Appends one sample; its row in the table.
fn append(store: &Store, file: &str, source: &str, bytes: &[u8]) -> Outcome<[String; 5]> {
    let source = store.source(&profiles::find(source, None)?)?;
    let profile = source.profile();
    let documents = bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut events = Vec::new();
    for document in documents {
        let parts = if profile.splits() { profile.split(document)? } else { vec![document] };
        for event in parts {
            events.push(store.prepare(&source, event.to_vec(), &Masking::default())?);
        }
    }
    let outcomes = store.commit(events, OnDuplicate::Keep)?;
    let seqs = match (outcomes.first(), outcomes.last()) {
        (Some(first), Some(last)) => format!("{} to {}", first.seq(), last.seq()),
        _ => String::new(),
    };
    let (count, len) = (outcomes.len() as u64, bytes.len() as u64);
    Ok([file.to_owned(), profile.name().to_owned(), output::count(count), output::length(len), seqs])
}

/// Lists the events of one run, as the profile's fields tell them.
fn show_run(out: &mut Out, snapshot: &Snapshot) -> Outcome<()> {
    let mut table = Table::new(&["seq", "time", "agent or actor", "kind", "decision", "status"]);
    let mut fields = Fields::default();
    for record in snapshot.records(..) {
        let record = record?;
        if record.is_store_record() {
            continue;
        }
        let source = snapshot.source(record.source)?;
        let profile = source.profile();
        fields.clear();
        profile.extract(&record.body, &mut fields)?;
        let value = |name| value(profile, &fields, name);
        if value("run").as_deref() != Some(RUN) {
            continue;
        }
        let time = match fields.time() {
            indelible::source::EventTime::Known(time) => time.to_string(),
            _ => record.received_at.to_string(),
        };
        let actor = value("agent").or_else(|| value("actor"));
        let words = [actor, value("kind"), value("decision"), value("status")];
        table.row([record.seq.to_string(), time].into_iter().chain(words.map(Option::unwrap_or_default)));
    }
    table.print(out)
}

/// The first value of a field.
fn value(profile: &Profile, fields: &Fields, name: &str) -> Option<String> {
    let slot = profile.fields().iter().position(|rule| rule.name == name)?;
    let term = fields.terms().find(|(at, _)| usize::from(*at) == slot)?.1;
    Some(String::from_utf8_lossy(term.bytes).into_owned())
}

/// A directory that nobody else has, among the temporary files.
fn fresh_dir() -> Outcome<PathBuf> {
    let random = World::real()?.random::<6>()?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let dir = std::env::temp_dir().join(format!("indelible-demo-{name}"));
    make_dir(&dir)?;
    Ok(dir)
}

fn make_dir(dir: &Path) -> Outcome<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().mode(0o700).create(dir);
    made.map_err(Failure::io(format!("make {}", dir.display())))
}
