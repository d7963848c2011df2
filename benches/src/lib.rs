//! What the benchmarks share: the events that they run on, what peers index of these, the peers that more than one benchmark
//! asks, and how contenders are compared.

mod events;
mod fields;
pub mod harness;
pub mod stores;

use std::error::Error;

pub use events::{CONTROLS, Events, Time};
pub use fields::{Fields, Policy};

/// What becomes of anything here; whoever runs a benchmark is told why it broke off.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
