//! `indelible demo`: the main job from end to end, on the sample evidence that ships with the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indelible::bundle::Candidates;
use indelible::disk::World;
use indelible::query::bundle::{self, ExportOptions, Question};
use indelible::{CheckpointSigner, FileSigner, Masking, OnDuplicate, Options, Snapshot, Store, query};

use crate::exit::{Failure, Outcome};
use crate::output::{self, Colour, Out, Table};
use crate::profiles;
use crate::render::{Format, Line, Printer, Sheet};

/// See it work: a store of real sample evidence, sealed, asked, signed and verified
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
const TIMELINE: &str = "timeline run run_8bce4";
/// What an auditor asks.
const QUESTIONS: [&str; 2] = [
    "kind = deployment and environment = production | preceded by (decision = REQUIRE_APPROVAL) within run \
     | fields ts, run, agent, approver, approval.approved_at - other.ts as waited, policy",
    "kind = deployment and environment = production | unless preceded by (kind = approval.granted) within run",
];

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

    let snapshot = store.snapshot()?;
    title(&mut out, "4. What happened in a run, from request to outcome")?;
    ask(&mut out, &snapshot, TIMELINE)?;

    title(
        &mut out,
        "5. Who approved production deployments, and how long did they wait? Which had no approval?",
    )?;
    for question in QUESTIONS {
        ask(&mut out, &snapshot, question)?;
    }

    title(&mut out, "6. Signed: nobody can rewrite this log from here on without being found out")?;
    let note = store.checkpoint(&signer)?;
    out.line(output::escape_lines(note.to_string().trim_end()))?;
    let question = Question {
        text: QUESTIONS[1].to_owned(),
        parameters: BTreeMap::new(),
        now: snapshot.received_at(),
        all: false,
    };
    let whole = ExportOptions { candidates: Candidates::All, ..ExportOptions::default() };
    let (bytes, _) = bundle::export(&snapshot, &question, &whole, &note, signer.verifier())?;
    store.close()?;

    title(&mut out, "7. Verified from the bytes alone, by code that shares nothing with the writer")?;
    let code = super::verify::of_demo(&mut out, &place, signer.verifier(), &note)?;

    title(&mut out, "8. The second answer with its evidence, for an auditor who has the key and no store")?;
    let file = dir.join("unapproved.zip");
    super::export::write(&file, &bytes, false)?;
    row(&mut out, "bundle", file.display())?;
    super::verify_bundle::tell(&mut out, &bundle::verify(&bytes, signer.verifier())?)?;

    title(&mut out, "Try next")?;
    let shown = output::escape(place.display().to_string().as_bytes()).into_owned();
    for (command, about) in [
        ("stats", "how much there is of what"),
        ("log -n 3", "the last events, byte for byte"),
        ("control SOC2:CC8.1", "the evidence of a control"),
        ("query 'decision = DENY'", "what was denied"),
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

/// Shows a query and its answer, as a person would see it.
fn ask(out: &mut Out, snapshot: &Snapshot, text: &str) -> Outcome<()> {
    out.line(out.paint(Colour::Faint, format_args!("> {text}")))?;
    let answer = query(snapshot, text)?;
    let mut printer =
        Printer::new(Format::Table, Sheet::of(&answer, text.starts_with("timeline"), false), out)?;
    let mut is_empty = true;
    for row in answer {
        is_empty = false;
        printer.row(out, &Line { row: &row?, tied: None })?;
    }
    printer.finish(out)?;
    if is_empty { out.line("none") } else { Ok(()) }
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
