//! Figures over time as lines: where each point stands, and the same as a table.

use jiff::Timestamp;

/// Points of a line; a span of time is cut into so many pieces.
const PIECES: usize = 60;
/// The drawing, in its own units.
pub(crate) const WIDTH: u32 = 720;
pub(crate) const HEIGHT: u32 = 180;
const MINUTE_MS: u64 = 60_000;

/// One line: the name of its text, and a value for each piece that has one.
pub(crate) struct Series {
    pub(crate) id: &'static str,
    values: Vec<Option<f64>>,
    /// Pieces of the line, where nothing is missing in between, as points of SVG.
    pub(crate) lines: Vec<String>,
    /// The newest value.
    pub(crate) now: String,
}

/// Lines over the same time.
pub(crate) struct Chart {
    /// The name of its title.
    pub(crate) id: &'static str,
    pub(crate) series: Vec<Series>,
    /// The highest, the middle and the lowest value of the scale.
    pub(crate) scale: [String; 3],
}

/// How the minutes of a piece become one value.
#[derive(Clone, Copy)]
pub(crate) enum Merge {
    /// The highest of them.
    Highest,
    /// All of them together.
    Sum,
    /// So much a second.
    Rate,
}

/// A span of time that ends with the newest minute.
pub(crate) struct Span {
    /// Minutes of each piece.
    minutes: u64,
    /// When the first piece begins.
    from_ms: u64,
}

impl Span {
    /// The last `minutes` before `now_ms`.
    pub(crate) const fn new(minutes: u64, now_ms: u64) -> Self {
        let piece = minutes.div_ceil(PIECES as u64);
        let whole = piece * PIECES as u64 * MINUTE_MS;
        Self {
            minutes: piece,
            from_ms: now_ms.saturating_sub(whole),
        }
    }

    /// The piece that holds a minute.
    fn piece(&self, at_ms: u64) -> Option<usize> {
        // A minute is told by its end.
        let since = at_ms.checked_sub(self.from_ms + 1)?;
        let piece = usize::try_from(since / (self.minutes * MINUTE_MS)).ok()?;
        (piece < PIECES).then_some(piece)
    }

    /// When a piece ends, by the clock, UTC.
    fn end(&self, piece: usize) -> String {
        let ms = self.from_ms + (piece as u64 + 1) * self.minutes * MINUTE_MS;
        let stamp = Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX));
        let text = stamp.unwrap_or_default().to_string();
        text.get(11..16).unwrap_or_default().to_owned()
    }

    /// Beginning, middle and end, by the clock.
    pub(crate) fn times(&self) -> [String; 3] {
        [0, PIECES / 2 - 1, PIECES - 1].map(|piece| self.end(piece))
    }

    /// The values of one line out of minutes with what they have.
    pub(crate) fn series(
        &self,
        id: &'static str,
        merge: Merge,
        minutes: impl Iterator<Item = (u64, Option<f64>)>,
    ) -> Series {
        let mut values: Vec<Option<f64>> = vec![None; PIECES];
        for (at_ms, value) in minutes {
            let (Some(piece), Some(value)) = (self.piece(at_ms), value) else {
                continue;
            };
            let before = values[piece];
            values[piece] = Some(match (merge, before) {
                (_, None) => value,
                (Merge::Highest, Some(before)) => before.max(value),
                (Merge::Sum | Merge::Rate, Some(before)) => before + value,
            });
        }
        if matches!(merge, Merge::Rate) {
            let seconds = (60 * self.minutes) as f64;
            values.iter_mut().flatten().for_each(|sum| *sum /= seconds);
        }
        Series {
            id,
            values,
            lines: Vec::new(),
            now: String::new(),
        }
    }

    /// A row for each piece that has a value, the newest first: when, and the values.
    pub(crate) fn rows(&self, chart: &Chart) -> Vec<(String, Vec<String>)> {
        let pieces = (0..PIECES).rev();
        let row = |piece: usize| {
            let values = chart.series.iter().map(|line| line.values[piece]);
            let values: Vec<_> = values.collect();
            let any = values.iter().any(Option::is_some);
            let texts = values.iter().map(|it| it.map(number).unwrap_or_default());
            any.then(|| (self.end(piece), texts.collect()))
        };
        pieces.filter_map(row).collect()
    }
}

impl Chart {
    /// Lines under one title, drawn to one scale.
    pub(crate) fn new(id: &'static str, mut series: Vec<Series>) -> Self {
        let all = series.iter().flat_map(|line| line.values.iter().flatten());
        let top = round_above(all.copied().fold(0.0, f64::max));
        for line in &mut series {
            line.lines = lines(&line.values, top);
            let last = line.values.iter().rev().flatten().next();
            line.now = last.copied().map(number).unwrap_or_default();
        }
        Self {
            id,
            series,
            scale: [top, top / 2.0, 0.0].map(number),
        }
    }

    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.iter().all(|line| line.lines.is_empty())
    }
}

fn lines(values: &[Option<f64>], top: f64) -> Vec<String> {
    let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
    let step = width / (PIECES - 1) as f64;
    let point = |(at, value): (usize, &Option<f64>)| {
        let y = height - value.unwrap_or_default() / top * height;
        format!("{:.1},{y:.1}", at as f64 * step)
    };
    let indexed: Vec<_> = values.iter().enumerate().collect();
    let runs = indexed.split(|(_, value)| value.is_none());
    let drawn = runs.filter(|run| !run.is_empty()).map(|run| {
        let mut points: Vec<_> = run.iter().copied().map(point).collect();
        if let [only] = &points[..] {
            // A line of one point is drawn as a dot.
            points.push(only.clone());
        }
        points.join(" ")
    });
    drawn.collect()
}

/// The next of 1, 2, 5, 10, 20 … that is not below.
fn round_above(value: f64) -> f64 {
    let mut top = 1.0;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle().take(60) {
        if top >= value {
            break;
        }
        top *= factor;
    }
    top
}

/// A number as people read it.
fn number(value: f64) -> String {
    match value {
        value if value >= 10.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_fall_into_their_pieces_and_gaps_stay_gaps() {
        let now = 10 * 3_600_000;
        let hour = Span::new(60, now);
        let minutes = [
            (now - 59 * MINUTE_MS, Some(3.0)),
            (now - 58 * MINUTE_MS, Some(4.0)),
            (now - 56 * MINUTE_MS, None),
            (now, Some(9.0)),
            (now - 61 * MINUTE_MS, Some(99.0)),
        ];
        let line = hour.series("x", Merge::Highest, minutes.into_iter());
        let chart = Chart::new("t", vec![line]);
        assert_eq!(chart.scale, ["10", "5", "0"]);
        let line = &chart.series[0];
        assert_eq!(
            line.lines,
            ["0.0,126.0 12.2,108.0", "720.0,18.0 720.0,18.0"]
        );
        assert_eq!(line.now, "9");
        assert_eq!(hour.times(), ["09:01", "09:30", "10:00"]);
        let rows = hour.rows(&chart);
        assert_eq!(rows[0], ("10:00".to_owned(), vec!["9".to_owned()]));
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn minutes_of_one_piece_are_merged() {
        let now = 100 * 3_600_000;
        let day = Span::new(24 * 60, now);
        let minutes = || (0..24).map(|at| (now - at * MINUTE_MS, Some(6.0)));
        for (merge, expect) in [
            (Merge::Highest, "6"),
            (Merge::Sum, "144"),
            (Merge::Rate, "0.10"),
        ] {
            let chart = Chart::new("t", vec![day.series("x", merge, minutes())]);
            assert_eq!(chart.series[0].now, expect);
        }
        let none = Chart::new("t", vec![day.series("x", Merge::Sum, std::iter::empty())]);
        assert!(none.is_empty() && none.scale[0] == "1");
    }
}
