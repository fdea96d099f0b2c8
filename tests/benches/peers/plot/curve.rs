//! Cycles a second and waits, by the number of tasks.

use plotters::{
    prelude::{Circle, IntoDrawingArea, PathElement, RGBColor, SVGBackend, WHITE},
    style::Color,
};

use super::{Area, FAINT, FLOOR, INK, OURS, PEER, text};
use crate::{
    contender::Kind,
    machine,
    outcome::Outcome,
    report::Report,
    rows::crowd::curve::{CURVES, Curve, TASKS, TITLE, row},
};

const SIZE: (u32, u32) = (1_180, 520);
const HEAD: u32 = 64;
/// What surrounds the lines of a panel.
const LEFT: i32 = 74;
const RIGHT: i32 = 24;
const TOP: i32 = 62;
const BOTTOM: i32 = 48;

struct Line {
    name: &'static str,
    color: RGBColor,
    /// Tasks and value.
    points: Vec<(f64, f64)>,
}

struct Panel {
    question: &'static str,
    unit: &'static str,
    lines: Vec<Line>,
}

/// The picture, if the curve was measured.
pub(super) fn picture(report: &Report) -> Outcome<Option<String>> {
    if report.find(TITLE, &row(TASKS[0]), CURVES[0].rate).is_none() {
        return Ok(None);
    }
    let all = |what: fn(&Curve) -> &'static str| {
        let line = |curve: &Curve| line(report, curve.kind.name(), color(curve.kind), what(curve));
        CURVES.iter().map(line).collect::<Vec<_>>()
    };
    let ours = &CURVES[0];
    let panels = [
        Panel {
            question: "Acquire and release, each task its own key",
            unit: "cycles a second, more is better",
            lines: all(|curve| curve.rate),
        },
        Panel {
            question: "How long an acquire takes",
            unit: "ms, less is better, this crate",
            lines: vec![
                line(report, "p99", OURS, ours.p99),
                line(report, "p50", FAINT, ours.p50),
            ],
        },
    ];
    let mut picture = String::new();
    draw(&mut picture, &panels)?;
    Ok(Some(picture))
}

fn color(kind: Kind) -> RGBColor {
    match kind {
        Kind::Fenced => OURS,
        Kind::Rslock(_) => PEER,
        _ => FLOOR,
    }
}

fn line(report: &Report, name: &'static str, color: RGBColor, what: &str) -> Line {
    let point = |tasks: usize| {
        let value = report.find(TITLE, &row(tasks), what)?.median();
        (value.is_finite() && value > 0.0).then_some((tasks as f64, value))
    };
    Line {
        name,
        color,
        points: TASKS.into_iter().filter_map(point).collect(),
    }
}

fn draw(picture: &mut String, panels: &[Panel]) -> Outcome<()> {
    let all = SVGBackend::with_string(picture, SIZE).into_drawing_area();
    all.fill(&WHITE)?;
    let (head, body) = all.split_vertically(HEAD);
    text(
        &head,
        "From 1 to 32,000 tasks on 5 Redis nodes",
        (24, 16),
        28.0,
        INK,
    )?;
    let date = chrono::Local::now().format("%Y-%m-%d");
    let below = format!(
        "{}; {date}; medians, both axes logarithmic",
        machine::machine()
    );
    text(&head, &below, (24, 44), 15.0, FAINT)?;
    for (area, panel) in body.split_evenly((1, panels.len())).iter().zip(panels) {
        draw_panel(area, panel)?;
    }
    all.present()?;
    Ok(())
}

fn draw_panel(area: &Area<'_>, panel: &Panel) -> Outcome<()> {
    text(area, panel.question, (24, 10), 19.0, INK)?;
    text(area, panel.unit, (24, 31), 15.0, FAINT)?;
    let axes = Axes::of(area, &panel.lines)?;
    axes.draw(area)?;
    for line in &panel.lines {
        let points: Vec<(i32, i32)> = line.points.iter().map(|point| axes.place(*point)).collect();
        for point in &points {
            area.draw(&Circle::new(*point, 3, line.color.filled()))?;
        }
        area.draw(&PathElement::new(points, line.color.stroke_width(2)))?;
    }
    // The names stand in the corner that no curve reaches.
    for (number, line) in (0..).zip(&panel.lines) {
        let (x, y) = (LEFT + 16, TOP + 4 + 20 * number);
        area.draw(&PathElement::new(
            vec![(x, y + 8), (x + 22, y + 8)],
            line.color.stroke_width(3),
        ))?;
        text(area, line.name, (x + 30, y), 15.0, INK)?;
    }
    Ok(())
}

/// From tasks and values to pixels, both by powers of ten.
struct Axes {
    width: f64,
    height: f64,
    /// The lowest and the highest power.
    powers: (f64, f64),
    most_tasks: f64,
}

impl Axes {
    fn of(area: &Area<'_>, lines: &[Line]) -> Outcome<Self> {
        let (width, height) = area.dim_in_pixel();
        let values = || {
            lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|(_, value)| *value)
        };
        let low = values().fold(f64::INFINITY, f64::min).log10().floor();
        let high = values().fold(0.0, f64::max).log10().ceil();
        Ok(Self {
            width: f64::from(i32::try_from(width)? - LEFT - RIGHT),
            height: f64::from(i32::try_from(height)? - TOP - BOTTOM),
            powers: (low, high.max(low + 1.0)),
            most_tasks: TASKS[TASKS.len() - 1] as f64,
        })
    }

    fn place(&self, (tasks, value): (f64, f64)) -> (i32, i32) {
        let (low, high) = self.powers;
        let right = tasks.log10() / self.most_tasks.log10() * self.width;
        let down = (high - value.log10()) / (high - low) * self.height;
        (LEFT + right as i32, TOP + down as i32)
    }

    fn draw(&self, area: &Area<'_>) -> Outcome<()> {
        let (low, high) = self.powers;
        let bottom = TOP + self.height as i32;
        for power in low as i32..=high as i32 {
            let value = 10_f64.powi(power);
            let (left, y) = self.place((1.0, value));
            let (right, _) = self.place((self.most_tasks, value));
            area.draw(&PathElement::new(
                vec![(left, y), (right, y)],
                FLOOR.stroke_width(1),
            ))?;
            text(area, &label(value), (16, y - 8), 14.0, FAINT)?;
        }
        for tasks in TASKS {
            let (x, _) = self.place((tasks as f64, 10_f64.powf(low)));
            area.draw(&PathElement::new(
                vec![(x, bottom), (x, bottom + 5)],
                FAINT.stroke_width(1),
            ))?;
            let name = match tasks {
                1_000.. => format!("{}k", tasks / 1_000),
                _ => tasks.to_string(),
            };
            text(area, &name, (x - 8, bottom + 8), 14.0, FAINT)?;
        }
        text(area, "tasks", (LEFT, bottom + 26), 14.0, FAINT)
    }
}

fn label(value: f64) -> String {
    match value {
        1_000.0.. => format!("{}k", value / 1_000.0),
        _ => format!("{value}"),
    }
}
