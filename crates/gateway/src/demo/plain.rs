//! The demo as plain lines: one a second, and one for each thing worth telling.

use std::io::Write;
use std::time::Duration;

use super::board::{Board, Link, What};
use super::show::Screen;
use super::stage::Addresses;

/// Time between two lines that say how things are.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Where everything listens, for people.
pub(crate) fn addresses(addresses: &Addresses) -> String {
    let Addresses {
        pbx,
        control,
        portal,
        far_end,
        token,
        phones,
    } = addresses;
    let control = match control {
        Some(control) => format!("\n               ringway-pbx-sim --control {control} help"),
        None => String::new(),
    };
    format!(
        "ringway demo: a simulated PBX, the gateway and the far end in one process, on loopback\n\
         \x20 PBX          {pbx} (CSTA), {phones} telephones{control}\n\
         \x20 gateway      https://{portal} (health, metrics)\n\
         \x20              ringway status --portal {portal}\n\
         \x20 far end      https://{far_end}\n\
         \x20              curl -k -H 'Authorization: Bearer {token}' https://{far_end}/2017-09-01/calls"
    )
}

/// Writes lines.
pub(crate) struct Plain<'a> {
    out: &'a mut (dyn Write + Send),
    next_line: Duration,
    lines_seen: u64,
}

impl<'a> Plain<'a> {
    /// Writes to `out`, the addresses first.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn new(
        out: &'a mut (dyn Write + Send),
        listening: &Addresses,
    ) -> anyhow::Result<Self> {
        writeln!(out, "{}", addresses(listening))?;
        Ok(Self {
            out,
            next_line: LINE_EVERY,
            lines_seen: 0,
        })
    }
}

impl Screen for Plain<'_> {
    fn show(&mut self, board: &Board) -> anyhow::Result<()> {
        let clock = clock(board.elapsed);
        let new = usize::try_from(board.lines_added - self.lines_seen).unwrap_or(usize::MAX);
        self.lines_seen = board.lines_added;
        let skip = board.lines.len().saturating_sub(new);
        for line in board.lines.iter().skip(skip) {
            if let What::Note(notice) = &line.what {
                writeln!(self.out, "{clock}  * {}", notice.text)?;
            }
        }
        if board.elapsed >= self.next_line {
            self.next_line = board.elapsed + LINE_EVERY - sub_second(board.elapsed);
            writeln!(self.out, "{clock}  {}", status(board))?;
        }
        self.out.flush()?;
        Ok(())
    }
}

fn sub_second(time: Duration) -> Duration {
    Duration::from_nanos(u64::from(time.subsec_nanos()))
}

/// `0:42`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn status(board: &Board) -> String {
    let checker = &board.checker;
    let latency = match board.latency.quantile(0.5) {
        Some(p50) => format!("{:.1} ms", p50.as_secs_f64() * 1000.0),
        None => "-".to_owned(),
    };
    format!(
        "calls {:>2}  {:>5.1} events/s  produced {}  stored {}  delivered {}  missing {}  \
         duplicated {}  out of order {}  latency {latency}  PBX {}  far end {}",
        board.calls.len(),
        board.rate(),
        board.produced_total(),
        board.stored_total(),
        checker.delivered,
        checker.missing(),
        checker.duplicated,
        checker.out_of_order,
        word(board.pbx_link),
        word(board.channel),
    )
}

/// `up`, `starting` or `away 3 s`.
pub(crate) fn word(link: Link) -> String {
    match link {
        Link::Up => "up".to_owned(),
        Link::Starting => "starting".to_owned(),
        Link::Away(time) => format!("away {} s", time.as_secs()),
    }
}
