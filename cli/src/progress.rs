//! A progress bar on a terminal, and nothing anywhere else.

use std::io::IsTerminal;
use std::time::Duration;

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
