//! The support bundle: what somebody needs who is to help, in one archive without a secret.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use local_portal::{GatewayView as _, Weight};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::PortalView;
use crate::health::SOFTWARE;

/// Log lines in the bundle.
const LINES_MAX: usize = 20_000;
/// Events in the bundle.
const EVENTS_MAX: usize = 2_000;

const READ_ME: &str = "\
What is in here

health.json           every part of the gateway, since when, last error
metrics.txt           all figures, as Prometheus reads them
minutes.csv           figures of each minute of the last day
log.txt               the newest lines of the log
events.jsonl          the newest events, as they went to the far end
csta.jsonl            the newest frames between PBX and gateway: ringway csta decode csta.jsonl
ringway.toml          the configuration
portal-settings.toml  what the portal lays over it

Passwords, tokens and keys are in none of them. Numbers of telephones are.
";

impl PortalView {
    /// Packs everything.
    pub(super) fn pack(&self) -> anyhow::Result<Vec<u8>> {
        let mut files = vec![
            ("README.txt", format!("{SOFTWARE}\n\n{READ_ME}")),
            ("health.json", serde_json::to_string_pretty(&self.health())?),
            ("metrics.txt", self.metrics()),
            ("minutes.csv", self.minutes_table()),
            ("log.txt", self.log_text()),
            ("events.jsonl", self.events_text()),
            ("csta.jsonl", self.csta_record()),
        ];
        if let Some(file) = &self.file {
            files.extend(file.without_secrets());
        }
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            archive.start_file(format!("ringway-support/{name}"), options)?;
            archive.write_all(text.as_bytes())?;
        }
        Ok(archive.finish()?.into_inner())
    }

    fn log_text(&self) -> String {
        let lines = self.log(Weight::Debug, "", LINES_MAX);
        let lines = lines.iter().rev().map(|line| &*line.text);
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    fn events_text(&self) -> String {
        let events = self.view.shared.recent.events(EVENTS_MAX, |_| true);
        let bodies = events.iter().rev().map(|(told, _)| &*told.body);
        bodies.flat_map(|body| [body, "\n"]).collect()
    }

    fn minutes_table(&self) -> String {
        let mut text =
            "end,events,calls,latency p50 ms,latency p99 ms,voice good,voice fair,voice bad\n"
                .to_owned();
        for minute in self.minutes() {
            let end = cloud_uplink::Timestamp::from_unix_ms(minute.at_ms);
            let (half, most) = minute.latency_ms.unzip();
            let [half, most] =
                [half, most].map(|it| it.map(|ms| format!("{ms:.2}")).unwrap_or_default());
            let ([good, fair, bad], events, calls) = (minute.voice, minute.events, minute.calls);
            let _ = writeln!(
                text,
                "{end},{events},{calls},{half},{most},{good},{fair},{bad}"
            );
        }
        text
    }
}
