//! Signing beside the appending: on a thread of its own, so that no event waits for a signer, a KMS or an anchor.
//!
//! Which work that is, whoever starts it says; when it is due, a cadence, by the time that it is told.

use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::exit::Outcome;
use crate::output;

/// When a checkpoint is due: once in a while, and only where something came since the last.
#[derive(Debug)]
pub(crate) struct Cadence {
    every: Duration,
    asked_at: Instant,
    unsigned_count: u64,
}

impl Cadence {
    /// Nothing is due before `every` is over from `now` on.
    pub(crate) fn new(every: Duration, now: Instant) -> Self {
        Cadence { every, asked_at: now, unsigned_count: 0 }
    }

    /// Notes what was appended.
    pub(crate) fn appended(&mut self, count: u64) {
        self.unsigned_count += count;
    }

    /// Whether anything was appended that was not asked to be signed.
    pub(crate) fn has_unsigned(&self) -> bool {
        self.unsigned_count > 0
    }

    /// Asks for a checkpoint, where one is due; where `ask` cannot take it now, it stays due.
    pub(crate) fn ask(&mut self, now: Instant, ask: impl FnOnce() -> bool) {
        let is_due = self.has_unsigned() && now.saturating_duration_since(self.asked_at) >= self.every;
        if is_due && ask() {
            (self.asked_at, self.unsigned_count) = (now, 0);
        }
    }
}

/// A thread that signs when it is asked to.
#[derive(Debug)]
pub(crate) struct Signing<T> {
    ask: SyncSender<()>,
    thread: JoinHandle<Option<Outcome<T>>>,
}

impl<T: Send + 'static> Signing<T> {
    /// Starts the thread. What fails is told; the last outcome is kept.
    pub(crate) fn start(mut work: impl FnMut() -> Outcome<T> + Send + 'static) -> Self {
        // One request that waits is enough: it signs all that is there when its turn comes.
        let (ask, asked) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let mut last: Option<Outcome<T>> = None;
            for () in asked {
                if let Some(Err(failure)) = last.replace(work()) {
                    output::warn(format_args!("a checkpoint was not signed: {failure}"));
                }
            }
            last
        });
        Signing { ask, thread }
    }

    /// Asks for a checkpoint, and does not wait for it. Whether one will be signed that was not asked for yet.
    pub(crate) fn ask(&self) -> bool {
        match self.ask.try_send(()) {
            Ok(()) => true,
            Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => false,
        }
    }

    /// Asks for a last one, where `is_due`, and waits for all that was asked for. What came of the last.
    pub(crate) fn finish(self, is_due: bool) -> Outcome<Option<T>> {
        let Signing { ask, thread } = self;
        if is_due {
            // Where the thread is gone, its end says so.
            let _ = ask.send(());
        }
        drop(ask);
        match thread.join() {
            Ok(last) => last.transpose(),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Failure;

    #[test]
    fn once_a_minute_is_asked_where_something_came() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut cadence = Cadence::new(60 * second, start);
        let mut asked = Vec::new();
        // An event each second for five minutes, nothing for five, then one.
        for at in (1..=300).chain([601]) {
            cadence.appended(1);
            cadence.ask(start + at * second, || {
                asked.push(at);
                true
            });
        }
        assert_eq!(asked, [60, 120, 180, 240, 300, 601]);
        assert!(!cadence.has_unsigned());
        cadence.ask(start + 900 * second, || panic!("nothing came"));
        // Whoever signs is busy: it is asked again as soon as something else is.
        cadence.appended(1);
        cadence.ask(start + 901 * second, || false);
        assert!(cadence.has_unsigned());
        cadence.ask(start + 902 * second, || true);
        assert!(!cadence.has_unsigned());
        cadence.appended(1);
        cadence.ask(start + 961 * second, || panic!("a minute has not gone by"));
    }

    #[test]
    fn whoever_asks_does_not_wait_for_what_takes_long() {
        let (release, released) = mpsc::channel::<()>();
        let mut count = 0;
        let signing = Signing::start(move || {
            released.recv().map_err(|_| Failure::Usage("nobody let it go on".to_owned()))?;
            count += 1;
            Ok(count)
        });
        // None of these comes back before it is released, if asking waits.
        assert!(signing.ask());
        while signing.ask() {}
        for _ in 0..4 {
            release.send(()).unwrap();
        }
        let count = signing.finish(true).unwrap();
        assert!(matches!(count, Some(2..=4)), "{count:?}: one at work, one that waits, and the last");
    }

    #[test]
    fn a_failure_is_not_the_end_and_the_last_one_is_told() {
        let failing = |times: u32| {
            let mut nth = 0;
            Signing::start(move || {
                nth += 1;
                if nth > times { Ok(nth) } else { Err(Failure::Usage(format!("number {nth} failed"))) }
            })
        };
        let recovers = failing(1);
        assert!(recovers.ask());
        assert!(matches!(recovers.finish(true), Ok(Some(2))));
        assert!(matches!(failing(0).finish(false), Ok(None)), "nobody asked");
        assert!(failing(9).finish(true).unwrap_err().to_string().contains("number 1 failed"));
    }
}
