//! A verification as the commands run it: with a bar, stopped by Ctrl-C, and noted in the log that it was of.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indelible::disk::{Disk, RealDisk};
use indelible::verify::{self, FindingClass, Report};
use indelible::{Error, Seq};

use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output;
use crate::progress::Progress;
use crate::signal::Stop;

/// What a record names as the verifier.
const VERIFIER: &str = concat!("indelible ", env!("CARGO_PKG_VERSION"));

/// Verifies, as the options say.
pub(crate) fn check(store: &Path, mut options: verify::Options) -> Outcome<Report> {
    let bar = Arc::new(Progress::bytes(Some(0)));
    let cancel = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&cancel);
    let stop = Stop::listen(move || asked.store(true, Ordering::Relaxed))?;
    let shown = Arc::clone(&bar);
    options.progress = Some(Arc::new(move |at: verify::Progress| shown.of(at.done_len, at.total_len)));
    options.cancel = Some(cancel);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = verify::verify(&disk, store, &options);
    bar.finish();
    match (report, stop.asked()) {
        (Err(Error::Cancelled), Some(code)) => Err(Failure::Told(code)),
        (report, _) => Ok(report?),
    }
}

/// The exit code that a report's weightiest finding means.
pub(crate) fn code(report: &Report) -> Code {
    match report.verdict() {
        None if report.is_complete => Code::Clean,
        None => Code::Partial,
        Some(FindingClass::Unsupported) => Code::Unsupported,
        Some(FindingClass::Damaged) => Code::Damaged,
        Some(FindingClass::Forged) => Code::Forged,
        Some(FindingClass::NotAuthenticated) => Code::NotAuthenticated,
        Some(FindingClass::RolledBack) => Code::RolledBack,
        // `Incomplete`; and a class that a later engine may add is no success either.
        Some(_) => Code::Incomplete,
    }
}

/// Notes the verification in the log, as any writer appends. Where that cannot be, or could change what was found, it
/// is told, and the verdict stays what it is.
pub(crate) fn note(store: &Path, report: &Report, took: Duration) -> Option<Seq> {
    let noted = match report.is_not_to_be_noted() {
        Some(why) => Err(why.to_owned()),
        None => append(store, report, took).map_err(|failure| failure.to_string()),
    };
    match noted {
        Ok(seq) => {
            output::say(format_args!("record {seq} of the log says so"));
            Some(seq)
        }
        Err(why) => {
            output::warn(format_args!("the log has no record of this verification: {why}"));
            None
        }
    }
}

fn append(store: &Path, report: &Report, took: Duration) -> Outcome<Seq> {
    let store = open::to_write(store)?;
    let seq = store.note_verification(&report.verified(took, VERIFIER))?;
    store.close()?;
    Ok(seq)
}
