//! tantivy, a search engine: every field as terms of its own, the time as a column, and the bodies stored as they are.

use std::path::Path;

use tantivy::index::SegmentId;
use tantivy::indexer::NoMergePolicy;
use tantivy::schema::{
    DateOptions, DateTimePrecision, Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::time::OffsetDateTime;
use tantivy::time::format_description::well_known::Rfc3339;
use tantivy::{DateTime, Index, IndexSettings, IndexWriter, TantivyDocument};

use crate::{Fields, Result};

/// How much memory all indexing threads take before they write a segment.
const WRITER_LEN: usize = 512 << 20;
/// A document is read with all that is in its block.
const BLOCK_LEN: usize = 4096;

/// An index.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field says what is in it by its name")]
pub struct Tantivy {
    pub index: Index,
    pub event_id: Field,
    pub run: Field,
    pub tenant: Field,
    pub agent: Field,
    pub kind: Field,
    pub decision: Field,
    pub rule: Field,
    pub environment: Field,
    pub model: Field,
    pub control: Field,
    /// Control and day, a zero between them: how often such a term occurs is how many events there are.
    pub control_day: Field,
    pub ts: Field,
    pub body: Field,
}

impl Tantivy {
    /// Opens the index in the directory `place`, or makes it there.
    ///
    /// # Errors
    /// What tantivy says.
    pub fn open(place: &Path) -> Result<Self> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic);
        let terms = TextOptions::default().set_indexing_options(indexing);
        let mut term = |name| schema.add_text_field(name, terms.clone());
        let (event_id, run, tenant) = (term("event_id"), term("run"), term("tenant"));
        let (agent, kind, decision) = (term("agent"), term("kind"), term("decision"));
        let (rule, environment, model) = (term("rule"), term("environment"), term("model"));
        let (control, control_day) = (term("control"), term("control_day"));
        let time = DateOptions::default().set_fast().set_precision(DateTimePrecision::Milliseconds);
        let (ts, body) = (schema.add_date_field("ts", time), schema.add_bytes_field("body", STORED));
        let index = if place.exists() {
            Index::open_in_dir(place)?
        } else {
            std::fs::create_dir_all(place)?;
            let settings = IndexSettings { docstore_blocksize: BLOCK_LEN, ..IndexSettings::default() };
            Index::builder().schema(schema.build()).settings(settings).create_in_dir(place)?
        };
        Ok(Tantivy {
            index,
            event_id,
            run,
            tenant,
            agent,
            kind,
            decision,
            rule,
            environment,
            model,
            control,
            control_day,
            ts,
            body,
        })
    }

    /// A writer with so many threads. One thread keeps the order of the events.
    ///
    /// # Errors
    /// What tantivy says.
    pub fn writer(&self, thread_count: usize) -> Result<IndexWriter> {
        let writer = self.index.writer_with_num_threads(thread_count, WRITER_LEN)?;
        // What is merged, and when, is for the caller to say.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(writer)
    }

    /// Hands an event over, which is durable with the writer's next commit.
    ///
    /// # Errors
    /// What tantivy says, and events that are none of ours.
    pub fn add(&self, writer: &IndexWriter, body: &[u8]) -> Result {
        let fields = Fields::of(body)?;
        let mut document = TantivyDocument::default();
        document.add_text(self.event_id, fields.event_id);
        document.add_text(self.run, fields.run_id);
        document.add_text(self.tenant, fields.tenant);
        document.add_text(self.agent, fields.agent_id);
        document.add_text(self.kind, fields.kind);
        document.add_text(self.decision, fields.policy.decision);
        document.add_text(self.rule, fields.policy.matched_rule);
        document.add_text(self.environment, fields.environment);
        document.add_text(self.model, fields.model);
        for control in &fields.controls {
            document.add_text(self.control, control);
            document.add_text(self.control_day, format!("{control}\0{}", fields.day()));
        }
        document.add_date(self.ts, Tantivy::time(fields.ts)?);
        document.add_bytes(self.body, body);
        writer.add_document(document)?;
        Ok(())
    }

    /// Makes one segment of all.
    ///
    /// # Errors
    /// What tantivy says.
    pub fn merge(&self, mut writer: IndexWriter) -> Result {
        let segments: Vec<SegmentId> = self.index.searchable_segment_ids()?;
        if segments.len() > 1 {
            writer.merge(&segments).wait()?;
        }
        Ok(writer.wait_merging_threads()?)
    }

    /// A time, as the index has it.
    ///
    /// # Errors
    /// A text that is no time.
    pub fn time(text: &str) -> Result<DateTime> {
        Ok(DateTime::from_utc(OffsetDateTime::parse(text, &Rfc3339)?))
    }
}
