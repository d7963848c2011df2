//! Indelible.
pub use indelible_engine::*;
