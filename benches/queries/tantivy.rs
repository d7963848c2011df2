//! tantivy as a contender: all in one segment, whose postings, columns and stored bodies are read without scoring.

use std::path::Path;
use std::sync::Arc;

use indelible_benches::Events;
use indelible_benches::stores::Tantivy;
use memchr::memmem::Finder;
use tantivy::columnar::Column;
use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::query::{BooleanQuery, EnableScoring, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::store::StoreReader;
use tantivy::{DateTime, DocId, DocSet, Searcher, TERMINATED, TantivyDocument, Term};

use super::questions::{Answer, DAYS, Question, SEED};
use super::{Contender, Result};

/// How many blocks of stored bodies are kept ready.
const BLOCKS_KEPT: usize = 1024;

pub(crate) struct Segment {
    tantivy: Tantivy,
    searcher: Searcher,
    bodies: StoreReader,
    times: Column<DateTime>,
}

impl Segment {
    /// Opens the index in `place`, or makes it.
    pub(crate) fn open(place: &Path, events: usize) -> Result<Self> {
        let path = place.join("tantivy");
        if !path.exists() {
            let making = path.with_extension("making");
            let _ = std::fs::remove_dir_all(&making);
            let tantivy = Tantivy::open(&making)?;
            let mut writer = tantivy.writer(1)?;
            for body in Events::spread(SEED, events, DAYS).take(events) {
                tantivy.add(&writer, &body)?;
            }
            writer.commit()?;
            tantivy.merge(writer)?;
            std::fs::rename(&making, &path)?;
        }
        let tantivy = Tantivy::open(&path)?;
        let searcher = tantivy.index.reader()?.searcher();
        let [segment] = searcher.segment_readers() else {
            return Err("tantivy's index is not one segment".into());
        };
        let bodies = segment.get_store_reader(BLOCKS_KEPT)?;
        let times = segment.fast_fields().date("ts")?;
        Ok(Segment { tantivy, searcher, bodies, times })
    }

    fn segment(&self) -> &SegmentReader {
        self.searcher.segment_reader(0)
    }

    fn terms(&self, field: Field) -> Result<Arc<InvertedIndexReader>> {
        Ok(self.segment().inverted_index(field)?)
    }

    fn read(&self, doc: DocId, answer: &mut Answer) -> Result {
        let document: TantivyDocument = self.bodies.get(doc)?;
        answer.rows += 1;
        answer.sum += self.body(&document).len() as u64;
        Ok(())
    }

    fn body<'a>(&self, document: &'a TantivyDocument) -> &'a [u8] {
        document.get_first(self.tantivy.body).and_then(|body| body.as_bytes()).unwrap_or_default()
    }

    /// The bodies of the events that have a term.
    fn with_term(&self, field: Field, value: &str) -> Result<Answer> {
        let mut answer = Answer::default();
        let term = Term::from_field_text(field, value);
        if let Some(mut postings) = self.terms(field)?.read_postings(&term, IndexRecordOption::Basic)? {
            while postings.doc() != TERMINATED {
                self.read(postings.doc(), &mut answer)?;
                postings.advance();
            }
        }
        Ok(answer)
    }

    /// The bodies of the events that have all of these terms, and are wanted.
    fn with_all(&self, terms: &[(Field, &str)], wanted: impl Fn(DocId) -> bool) -> Result<Answer> {
        let terms = terms.iter().map(|(field, value)| Term::from_field_text(*field, value));
        let queries =
            terms.map(|term| Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Query>);
        let query = BooleanQuery::intersection(queries.collect());
        let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
        let mut docs = weight.scorer(self.segment(), 1.0)?;
        let mut answer = Answer::default();
        while docs.doc() != TERMINATED {
            if wanted(docs.doc()) {
                self.read(docs.doc(), &mut answer)?;
            }
            docs.advance();
        }
        Ok(answer)
    }
}

impl Contender for Segment {
    fn name(&self) -> &'static str {
        "tantivy"
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        let tantivy = &self.tantivy;
        let mut answer = Answer::default();
        match question {
            Question::Event(id) => return self.with_term(tantivy.event_id, id),
            Question::Run(run) => return self.with_term(tantivy.run, run),
            Question::Denials { agent, from, until } => {
                let window = Tantivy::time(from)?..Tantivy::time(until)?;
                // With a query of the range beside the terms, all of this takes four times as long.
                return self.with_all(&[(tantivy.agent, agent), (tantivy.decision, "deny")], |doc| {
                    self.times.first(doc).is_some_and(|time| window.contains(&time))
                });
            }
            Question::Controls => {
                let terms = self.terms(tantivy.control)?;
                let mut terms = terms.terms().stream()?;
                while terms.advance() {
                    answer.rows += 1;
                    answer.sum += u64::from(terms.value().doc_freq);
                }
            }
            Question::ControlCount { control, from, until } => {
                let day = |time: &str| format!("{control}\0{}", time.get(..10).unwrap_or_default());
                let terms = self.terms(tantivy.control_day)?;
                let mut terms = terms.terms().range().ge(day(from)).lt(day(until)).into_stream()?;
                answer.rows = 1;
                while terms.advance() {
                    answer.sum += u64::from(terms.value().doc_freq);
                }
            }
            Question::Conjunction { control, agent, kind } => {
                let terms = [(tantivy.control, control), (tantivy.agent, agent), (tantivy.kind, kind)];
                return self.with_all(&terms.map(|(field, value)| (field, value.as_str())), |_| true);
            }
            Question::Text(text) => {
                let needle = Finder::new(text);
                for document in self.bodies.iter::<TantivyDocument>(None) {
                    let document = document?;
                    let body = self.body(&document);
                    if needle.find(body).is_some() {
                        answer.rows += 1;
                        answer.sum += body.len() as u64;
                    }
                }
            }
        }
        Ok(answer)
    }
}
