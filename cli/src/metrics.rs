//! The outcome of a verification as Prometheus text, for the textfile collector of a node exporter.
//!
//! Names and labels are a stable interface. A verification that could not look at all writes nothing: the time of the
//! last one then grows old, which is what to raise an alarm on.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use indelible::Timestamp;
use indelible::verify::{FindingClass, Report};

use crate::exit::{Failure, Outcome};

/// Replaces the file in one step: a collector may read at any time, under another user.
pub(crate) fn write(path: &Path, report: &Report, ended: Timestamp, took: Duration) -> Outcome<()> {
    let beside = path.with_extension("new");
    let written = || {
        let mut file = fs::File::create(&beside)?;
        file.write_all(text(report, ended, took).as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().map_err(Failure::io(format!("write {}", path.display())))
}

fn text(report: &Report, ended: Timestamp, took: Duration) -> String {
    let origin = format!("origin=\"{}\"", escaped(report.origin.as_deref().unwrap_or_default()));
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(String, String)]| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP indelible_{name} {help}\n# TYPE indelible_{name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "indelible_{name}{{{labels}}} {value}");
        }
    };
    let one = |value: String| [(origin.clone(), value)];
    let seconds = ended.0.div_euclid(1_000_000_000);
    let signed_size = report.checkpoint_size.unwrap_or(0);
    gauge("verify_time_seconds", "When the last verification ended, Unix time.", &one(seconds.to_string()));
    gauge("verify_duration_seconds", "How long it took.", &one(format!("{:.3}", took.as_secs_f64())));
    gauge(
        "verify_clean",
        "1 if it found nothing wrong.",
        &one(u8::from(report.verdict().is_none()).to_string()),
    );
    gauge(
        "log_records",
        "Records in the log, whose last seq is one less.",
        &one(report.tree_size.to_string()),
    );
    gauge(
        "log_unsigned_records",
        "Records at the log's end that no good checkpoint covers.",
        &one(report.tree_size.saturating_sub(signed_size).to_string()),
    );
    let counts = report.finding_counts();
    let classes: Vec<_> = FindingClass::ALL
        .iter()
        .map(|class| {
            let count = counts.get(class.name()).copied().unwrap_or(0);
            (format!("{origin},class=\"{}\"", class.name()), count.to_string())
        })
        .collect();
    gauge("verify_findings", "Findings that were listed, by class.", &classes);
    gauge(
        "verify_findings_not_listed",
        "Findings beyond those that a report lists.",
        &one(report.findings_left_out.to_string()),
    );
    text
}

/// A label's value as Prometheus writes it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
