//! A progress bar on a terminal, and nothing anywhere else.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indelible::answer::Watch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// Shows how far a command has come. Talk of the command goes through [`Progress::say`], above the bar.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over `total` bytes of input, or without an end where the total is not known.
    pub(crate) fn bytes(total: Option<u64>) -> Self {
        let style = if total.is_some() {
            "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}"
        } else {
            "{spinner} {bytes} {bytes_per_sec} {msg} {elapsed}"
        };
        Self::new(total, style)
    }

    /// A bar over `total` records.
    pub(crate) fn records(total: u64) -> Self {
        Self::new(Some(total), "{wide_bar} {human_pos}/{human_len} records {per_sec} eta {eta}")
    }

    fn new(total: Option<u64>, template: &str) -> Self {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            bar.enable_steady_tick(Duration::from_millis(250));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// How far it has come, and a few words.
    pub(crate) fn at(&self, position: u64, words: String) {
        self.bar.set_position(position);
        self.bar.set_message(words);
    }

    /// How far it has come, of how much.
    pub(crate) fn of(&self, position: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(position);
    }

    /// How far it has come.
    pub(crate) fn position(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Says something on stderr without breaking the bar.
    pub(crate) fn say(&self, words: impl std::fmt::Display) {
        self.bar.suspend(|| output::say(words));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// So long nobody is told that an answer takes its time.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often it is told how far it is.
const INTERVAL: Duration = Duration::from_millis(150);

/// Shows how far a search is while its rows are waited for.
pub(crate) struct Waiting {
    /// Its end is the end of the thread.
    thread: Option<(Sender<()>, JoinHandle<()>)>,
    /// Whether rows go to the terminal too, so that the first of them ends the waiting.
    until_first_row: bool,
}

impl Waiting {
    /// Starts to wait, where a person is there to see it.
    pub(crate) fn for_answer(watch: &Arc<Watch>, until_first_row: bool) -> Self {
        let mut waiting = Waiting { thread: None, until_first_row };
        if !std::io::stderr().is_terminal() {
            return waiting;
        }
        let (end, ended) = channel::<()>();
        let watch = Arc::clone(watch);
        let show = move || {
            if ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = Progress::records(0);
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let (passed, total) = watch.progress();
                bar.of(passed, total);
            }
            bar.finish();
        };
        // Without the thread the answer is as good.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(show);
        waiting.thread = thread.ok().map(|thread| (end, thread));
        waiting
    }

    /// A row has come.
    pub(crate) fn row(&mut self) {
        if self.until_first_row {
            self.finish();
        }
    }

    /// The waiting is over; nothing is drawn from here on.
    pub(crate) fn finish(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}
