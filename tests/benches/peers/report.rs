//! The figures: a table for each row, a line for each goal, and all of it kept for the plot.

use std::fmt::Write as _;

use crate::{goals::goal, load::Run, stats::Series};

/// All that was measured.
pub(crate) struct Report {
    quick: bool,
    sheets: Vec<Sheet>,
}

/// The figures of one row of the benchmark.
pub(crate) struct Sheet {
    title: &'static str,
    notes: Vec<String>,
    cells: Vec<Cell>,
}

struct Cell {
    who: String,
    what: &'static str,
    series: Series,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            quick,
            sheets: Vec::new(),
        }
    }

    /// Prints the table of a row, and keeps it.
    pub(crate) fn add(&mut self, sheet: Sheet) {
        println!("{}", sheet.table());
        self.sheets.push(sheet);
    }

    /// Prints what a goal is compared with.
    pub(crate) fn ratio(&self, name: &str, values: &Series) {
        let value = values.median();
        let Some(goal) = goal(name) else {
            println!("RATIO {name} {} goal none", plain(value));
            return;
        };
        let judgement = match (self.quick, goal.is_met(value)) {
            (true, _) => "",
            (false, true) => " met",
            (false, false) => " missed",
        };
        println!(
            "RATIO {name} {} goal {} {} min {} max {} reps {}{judgement}",
            plain(value),
            plain(goal.value),
            goal.side_name(),
            plain(values.min()),
            plain(values.max()),
            values.len(),
        );
    }

    /// The figure of `who` in the row `title`.
    pub(crate) fn find(&self, title: &str, who: &str, what: &str) -> Option<&Series> {
        self.sheets
            .iter()
            .find(|sheet| sheet.title == title)?
            .find(who, what)
    }
}

impl Sheet {
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            notes: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// A line below the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Says so where locks were not had.
    pub(crate) fn failures(&mut self, who: &str, run: &Run) {
        if let Some((count, first)) = run.failures() {
            self.note(format!("{who}: {count} cycles failed, the first: {first}"));
        }
    }

    /// The value of a figure in one more repetition.
    pub(crate) fn push(&mut self, who: &str, what: &'static str, value: f64) {
        match self
            .cells
            .iter_mut()
            .find(|cell| cell.who == who && cell.what == what)
        {
            Some(cell) => cell.series.push(value),
            None => self.cells.push(Cell {
                who: who.to_owned(),
                what,
                series: Series::new(vec![value]),
            }),
        }
    }

    fn find(&self, who: &str, what: &str) -> Option<&Series> {
        Some(
            &self
                .cells
                .iter()
                .find(|cell| cell.who == who && cell.what == what)?
                .series,
        )
    }

    /// The figure, empty where it was not measured.
    pub(crate) fn series(&self, who: &str, what: &str) -> Series {
        self.find(who, what).cloned().unwrap_or_default()
    }

    fn table(&self) -> String {
        let (mut whos, mut whats): (Vec<&str>, Vec<&str>) = Default::default();
        for cell in &self.cells {
            if !whos.contains(&cell.who.as_str()) {
                whos.push(&cell.who);
            }
            if !whats.contains(&cell.what) {
                whats.push(cell.what);
            }
        }
        let mut lines = vec![
            std::iter::once(String::new())
                .chain(whats.iter().map(|what| (*what).to_owned()))
                .collect(),
        ];
        for who in &whos {
            let values = whats
                .iter()
                .map(|what| self.find(who, what).map(shown).unwrap_or_default());
            lines.push(
                std::iter::once((*who).to_owned())
                    .chain(values)
                    .collect::<Vec<_>>(),
            );
        }
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=whats.len()).map(width).collect();
        let mut text = format!("## {}\n", self.title);
        for (number, line) in lines.iter().enumerate() {
            text.push('|');
            for (value, width) in line.iter().zip(&widths) {
                _ = write!(text, " {value:<width$} |");
            }
            text.push('\n');
            if number == 0 {
                text.push('|');
                for width in &widths {
                    _ = write!(text, "{}|", "-".repeat(width + 2));
                }
                text.push('\n');
            }
        }
        for note in &self.notes {
            _ = writeln!(text, "{note}");
        }
        text
    }
}

/// Median, and between what it lay.
fn shown(series: &Series) -> String {
    let (low, high) = (series.min(), series.max());
    if series.len() < 2 || low == high {
        return number(series.median());
    }
    format!(
        "{} ({}..{})",
        number(series.median()),
        number(low),
        number(high)
    )
}

/// Three digits that count, and separated thousands.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    if value.is_infinite() {
        return "never".to_owned();
    }
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut spaced = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0
            && at < whole
            && (whole - at) % 3 == 0
            && digit.is_ascii_digit()
            && !spaced.ends_with('-')
        {
            spaced.push(' ');
        }
        spaced.push(digit);
    }
    spaced
}

/// As a program reads it.
fn plain(value: f64) -> String {
    if value.is_infinite() {
        "inf".to_owned()
    } else {
        format!("{value:.3}")
    }
}
