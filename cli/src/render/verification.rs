//! A verification's report for people.

use indelible::verify::{Reach, Report, SegmentVerdict};

use crate::exit::Outcome;
use crate::output::{self, Colour, Out};

/// Prints segments, findings, remarks, the verdict, and what was not covered.
pub(crate) fn print(out: &mut Out, report: &Report) -> Outcome<()> {
    for (index, segment) in report.segments.iter().enumerate() {
        let is_last = index + 1 == report.segments.len();
        out.line(segment_line(out, segment, is_last))?;
    }
    for finding in &report.findings {
        out.line(format_args!("{} {}", out.paint(Colour::Bad, "finding:"), escaped(finding)))?;
    }
    if report.findings_left_out > 0 {
        let more = output::counted(report.findings_left_out, "more finding", "more findings");
        out.line(format_args!("and {more}"))?;
    }
    for remark in &report.remarks {
        out.line(format_args!("{} {}", out.paint(Colour::Notice, "remark:"), escaped(remark)))?;
    }
    let verdict = match report.verdict() {
        None if !report.is_complete => out.paint(Colour::Notice, "clean as far as it came"),
        None => out.paint(Colour::Good, "clean"),
        Some(class) => out.paint(Colour::Bad, class),
    };
    let covered = &report.covered;
    let second = match covered.ml_dsa_44_count {
        0 => String::new(),
        count => format!("; {} by ML-DSA-44 too", output::counted(count, "checkpoint", "checkpoints")),
    };
    out.line(format_args!(
        "{verdict}: {} in {}, {} read; {}, {} and {} compared, {} verified{second}",
        output::counted(covered.record_count, "record", "records"),
        output::counted(report.segments.len() as u64, "segment", "segments"),
        output::length(covered.read_len),
        output::counted(covered.seal_count, "seal", "seals"),
        output::counted(covered.index_count, "index", "indexes"),
        output::counted(covered.checkpoint_count, "checkpoint", "checkpoints"),
        output::counted(covered.signature_count, "signature", "signatures"),
    ))?;
    if let Some(root) = &report.root {
        out.line(format_args!("root of {} records: {root}", output::count(report.tree_size)))?;
    }
    for sentence in &report.not_covered {
        out.line(format_args!("{} {}", out.paint(Colour::Notice, "not covered:"), escaped(sentence)))?;
    }
    Ok(())
}

fn segment_line(out: &Out, segment: &SegmentVerdict, is_last: bool) -> String {
    let (first, end) = (segment.first_seq, segment.end_seq);
    let head = format!("segment {first:<12} seqs {first}..{end}");
    if segment.reach == Reach::NotReached {
        return format!("{head}: {}", out.paint(Colour::Notice, "not looked at"));
    }
    let verdict = match (segment.class, segment.reach) {
        (Some(class), _) => out.paint(Colour::Bad, class),
        (None, Reach::Earlier | Reach::NotReached) => out.paint(Colour::Good, "clean earlier"),
        (None, Reach::Checksums) => out.paint(Colour::Good, "clean by its checksums"),
        (None, Reach::Quick) => out.paint(Colour::Good, "clean by a quick look"),
        (None, Reach::Full) => out.paint(Colour::Good, "clean"),
    };
    let mut line = format!(
        "{head}, {}, {}: {verdict}",
        output::length(segment.log_len),
        match segment.sealed {
            true => "sealed",
            false if is_last => "active",
            false => "its seal not compared",
        },
    );
    if segment.unread_count > 0 {
        line.push_str(&format!(", {} not read", output::count(segment.unread_count)));
    }
    if segment.finding_count > 0 {
        line.push_str(&format!(", {}", output::counted(segment.finding_count, "finding", "findings")));
    }
    line
}

/// Findings and remarks hold words from the store's bytes.
pub(crate) fn escaped(words: impl std::fmt::Display) -> String {
    output::escape(words.to_string().as_bytes()).into_owned()
}
