"""DuckDB as a contender, in a process of its own that measures itself.

usage: contender.py DATABASE [EVENTS]

With EVENTS, a file of one event a line, makes DATABASE of it and ends. Otherwise each line of the input is a question, a JSON
array of its name and what it asks for, and each line of the output its answer: nanoseconds, rows, and the sum of bytes or
counts. Statements are parsed once; the time is that of binding, running and fetching.
"""

import json
import sys
import time

import duckdb

# Few values are an enum, and the controls of an event, of which there are a dozen, the bits of a number. The link table is for
# counting them all. Nothing is compressed: that makes the database a quarter larger, and reading a few bodies four times faster.
MAKE = """
create temp table raw as select
    json->>'event_id' as event_id, json->>'run_id' as run, json->>'agent_id' as agent, json->>'kind' as kind,
    json->>'$.policy.decision' as decision, (json->>'ts')::timestamp as ts,
    list_distinct(json->>'$.controls[*]') as controls, json::varchar as body
from read_ndjson_objects($events);
create type agent as enum (select distinct agent from raw order by all);
create type kind as enum (select distinct kind from raw order by all);
create type decision as enum (select distinct decision from raw order by all);
create type control as enum (select distinct unnest(controls) from raw order by all);
create table event as select
    event_id, run, agent::agent as agent, kind::kind as kind, decision::decision as decision, ts,
    list_sum(list_transform(controls, lambda c: 1::integer << enum_code(c::control)))::integer as controls, body
from raw;
create table event_control as select unnest(controls)::control as control from raw;
drop table raw;
create index event_by_id on event (event_id);
create index event_by_run on event (run);
checkpoint;
"""
BITS = """
select id, 1::integer << enum_code(id::control) from (select unnest(enum_range(null::control)) as id)
"""
# Each gives one row: how many rows, and their sum. The names are those of the questions.
ROWS = "select count(*), sum(strlen(body)) from event where "
QUESTIONS = {
    "event": ROWS + "event_id = ?",
    "run": ROWS + "run = ?",
    "denials": ROWS + "agent = ?::agent and decision = 'deny' and ts >= ?::timestamp and ts < ?::timestamp",
    "controls": "select count(*), sum(events) from (select count(*) as events from event_control group by control)",
    "control count": "select 1, count(*) from event where controls & ? <> 0 and ts >= ?::timestamp and ts < ?::timestamp",
    "conjunction": ROWS + "controls & ? <> 0 and agent = ?::agent and kind = ?::kind",
    "text": ROWS + "contains(body, ?)",
}


def make(database, events):
    with duckdb.connect(database) as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute("pragma force_compression = 'uncompressed'")
        for statement in connection.extract_statements(MAKE):
            names = {"events": events} if "$events" in statement.query else None
            connection.execute(statement, names)


def answer(database):
    connection = duckdb.connect(database, read_only=True, config={"threads": 2})
    connection.execute("set enable_progress_bar = false")
    statements = {name: connection.extract_statements(sql)[0] for name, sql in QUESTIONS.items()}
    bits = dict(connection.execute(BITS).fetchall())
    for line in sys.stdin:
        name, *asked = json.loads(line)
        if name in ("control count", "conjunction"):
            asked[0] = bits.get(asked[0], 0)
        start = time.perf_counter_ns()
        rows, total = connection.execute(statements[name], asked).fetchone()
        elapsed = time.perf_counter_ns() - start
        print(json.dumps([elapsed, rows, int(total or 0)]), flush=True)


if __name__ == "__main__":
    make(*sys.argv[1:]) if len(sys.argv) > 2 else answer(sys.argv[1])
