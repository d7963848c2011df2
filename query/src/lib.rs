//! The query language of Indelible: a text becomes a tree, the tree a plan over the store's index, the plan rows.
//!
//! `docs/QUERY.md` is the language's page. This crate reads no file, no terminal and no clock: a snapshot and the
//! present time are given to it.
#![forbid(unsafe_code)]

mod answer;
pub mod ast;
pub mod bundle;
pub mod controls;
mod decimal;
mod disclosed;
mod error;
mod event;
mod grammar;
mod ground;
mod json;
mod lexer;
mod plan;
mod print;
mod resolve;
mod retention;
mod rule;
mod run;
mod settle;
mod span;
#[cfg(test)]
mod tests;
mod time;
mod value;
mod vocabulary;
mod walk;
mod words;

pub use answer::{Answer, HELD_MAX_DEFAULT, Options, Query, query};
pub use decimal::Decimal;
pub use disclosed::Disclosed;
pub use error::{Error, Problem, Problems, Result};
pub use event::Event;
pub use ground::{Ground, Order};
pub use retention::{POLICY_TEMPLATES, duration_ns, hold_conditions, policy};
pub use rule::filter;
pub use run::{Row, Rows};
pub use span::{Span, Spanned};
pub use value::Value;
pub use vocabulary::Vocabulary;
