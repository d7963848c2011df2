//! The outcome of a verification as Prometheus text, for the textfile collector of a node exporter.
//!
//! Names and labels are a stable interface; docs/OPERATING.md lists them. A verification that could not look at all writes nothing: the time of the
//! last one then grows old, which is what to raise an alarm on.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use indelible::Timestamp;
use indelible::format::failures::{FailureClass, Failures};
use indelible::verify::{FindingClass, Report};

use crate::exit::{Failure, Outcome};
use crate::new_file;
use crate::witnessed::Witnessed;

/// What is written.
pub(crate) struct Measured<'a> {
    pub(crate) report: &'a Report,
    pub(crate) ended: Timestamp,
    pub(crate) took: Duration,
    pub(crate) witnessed: &'a [Witnessed],
    /// Events that are past their time and not held; none where that was not looked at.
    pub(crate) overdue_count: Option<u64>,
    /// Commits that failed; none where the store could not be opened to ask.
    pub(crate) failures: Option<Failures>,
}

/// Replaces the file in one step: a collector may read at any time, under another user.
pub(crate) fn write(path: &Path, measured: &Measured<'_>) -> Outcome<()> {
    let written = new_file::replace(path, text(measured).as_bytes());
    written.map_err(Failure::io(format!("write {}", path.display())))
}

fn text(measured: &Measured<'_>) -> String {
    let Measured { report, ended, took, witnessed, overdue_count, failures } = measured;
    let origin = format!("origin=\"{}\"", escaped(report.origin.as_deref().unwrap_or_default()));
    let mut text = String::new();
    let mut metric = |kind: &str, name: &str, help: &str, values: &[(String, String)]| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP indelible_{name} {help}\n# TYPE indelible_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "indelible_{name}{{{labels}}} {value}");
        }
    };
    let classed = |class: &str| format!("{origin},class=\"{class}\"");
    if let Some(failures) = failures {
        let counts =
            FailureClass::ALL.map(|class| (classed(class.name()), failures.count(class).to_string()));
        metric("counter", "append_errors_total", "Commits that failed, by class.", &counts);
        if let Some(at) = failures.last_at {
            let last = [(origin.clone(), at.0.div_euclid(1_000_000_000).to_string())];
            metric("gauge", "append_error_time_seconds", "When the last of them failed, Unix time.", &last);
        }
    }
    let mut gauge = |name: &str, help: &str, values: &[(String, String)]| metric("gauge", name, help, values);
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
        "verify_complete",
        "0 if the time that was given was over before all was looked at.",
        &one(u8::from(report.is_complete).to_string()),
    );
    gauge(
        "verify_last_seq",
        "Seq of the last record that was looked at.",
        &one(report.tree_size.saturating_sub(1).to_string()),
    );
    gauge(
        "verify_full_records",
        "Records that were rebuilt and compared this time.",
        &one(report.covered.body_count.to_string()),
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
    let cosigned: Vec<_> = witnessed
        .iter()
        .map(|witness| (format!("{origin},witness=\"{}\"", escaped(&witness.by)), witness.time_s.to_string()))
        .collect();
    if !cosigned.is_empty() {
        gauge("witness_time_seconds", "When a witness cosigned the latest checkpoint, Unix time.", &cosigned);
    }
    if let Some(count) = overdue_count {
        let help = "Events that no rule keeps any longer, no hold holds, and that are still there.";
        gauge("retention_overdue_events", help, &one(count.to_string()));
    }
    let counts = report.finding_counts();
    let classes: Vec<_> = FindingClass::ALL
        .iter()
        .map(|class| {
            let count = counts.get(class.name()).copied().unwrap_or(0);
            (classed(class.name()), count.to_string())
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
