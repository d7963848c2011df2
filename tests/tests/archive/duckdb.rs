//! DuckDB reads an archive without us, and counts as we do.

use std::process::Command;

use super::python;
use crate::cli::Site;

const COUNT: &str = "
import duckdb, json, sys
files = sys.argv[1] + '/*/*.parquet'
controls = duckdb.sql(f\"select id, count(*) from (select unnest(control) as id from '{files}') group by id\")
bodies = duckdb.sql(f\"select count(*), cast(sum(octet_length(body)) as bigint) from '{files}' where source > 0\")
ids = duckdb.sql(f\"select count(distinct event_id), min(event_day), max(event_day) from '{files}'\")
print(json.dumps({'controls': dict(controls.fetchall()), 'bodies': bodies.fetchall()[0], 'ids': ids.fetchall()[0]}))
";

#[test]
fn duckdb_counts_controls_as_we_do() {
    let Some(python) = python() else { return };
    let site = Site::with_store();
    let controls = [r#""SOC2:CC6.1""#, r#""SOC2:CC6.1","PCI-DSS:10.2.1""#, r#""soc 2 cc8.1""#, ""];
    let mut len = 0;
    for segment in 0..3 {
        let events = (0..100 + segment).map(|n| {
            let (day, controls) = (1 + n % 9, controls[n % controls.len()]);
            let event = format!(
                r#"{{"event_id":"e{segment}-{n}","ts":"2026-04-0{day}T09:30:00Z","controls":[{controls}],"kind":"deploy"}}"#
            );
            len += event.len();
            event + "\n"
        });
        site.feed(&["append", "--no-checkpoint"], events.collect::<String>().as_bytes()).ends(0);
        site.run(&["seal"]).ends(0);
    }
    // One from the warm tier.
    site.run(&["retention", "compact", "--segment", "0"]).ends(0);
    site.run(&["archive", "copy", "archive"]).ends(0);
    let counted = Command::new(python).args(["-c", COUNT]).arg(site.path("archive")).output().unwrap();
    assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
    let counted: serde_json::Value = serde_json::from_slice(&counted.stdout).unwrap();
    for (id, count) in [("SOC2:CC6.1", 153), ("PCI-DSS:10.2.1", 76), ("SOC2:CC8.1", 75)] {
        assert_eq!(counted["controls"][id], count, "{counted}");
        let ours = site.run(&["query", &format!("control = {id}"), "--format", "jsonl"]).ends(0).text();
        assert_eq!(ours.lines().count(), count, "{id}");
    }
    assert_eq!(counted["controls"].as_object().unwrap().len(), 3, "{counted}");
    assert_eq!(counted["bodies"], serde_json::json!([303, len]), "{counted}");
    assert_eq!(counted["ids"], serde_json::json!([303, "2026-04-01", "2026-04-09"]), "{counted}");
}
