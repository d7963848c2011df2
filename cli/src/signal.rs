//! Ctrl-C and SIGTERM: the first asks the command to come to an end, the second ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::{Code, Failure, Outcome};

/// Whether the command was asked to stop, and by which signal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicI32>);

impl Stop {
    /// Starts to listen. `wake` is called once, on another thread, when the first signal comes: it must bring
    /// whoever waits back to where it asks [`Stop::asked`].
    pub(crate) fn listen(wake: impl Fn() + Send + 'static) -> Outcome<Self> {
        let stop = Stop::default();
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first signal finds the flag unset and sets it, the second finds it set.
            let code = i32::from(code(signal) as u8);
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&armed))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&armed)))
                .map_err(Failure::io("listen for signals"))?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::io("listen for signals"))?;
        let shared = stop.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    shared.0.store(signal, Ordering::SeqCst);
                    wake();
                }
            })
            .map_err(Failure::io("start a thread"))?;
        Ok(stop)
    }

    /// The exit code to end with, once a signal has come.
    pub(crate) fn asked(&self) -> Option<Code> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(code(signal)),
        }
    }
}

fn code(signal: i32) -> Code {
    if signal == SIGTERM { Code::Terminated } else { Code::Interrupted }
}
