//! Signing beside the appending: on a thread of its own, so that no event waits for a signer, a KMS or an anchor.
//!
//! Which work that is, whoever starts it says; how often, whoever asks.

use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;

use crate::exit::Outcome;
use crate::output;

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
