//! One panel of bars for each question that a user asks first.

use plotters::prelude::{IntoDrawingArea, PathElement, RGBColor, Rectangle, SVGBackend, WHITE};
use plotters::style::Color;

use super::{Area, FAINT, FLOOR, INK, OURS, PEER, text};
use crate::{
    contender::Kind,
    machine,
    outcome::Outcome,
    report::{Report, number},
    rows::pictured::{Better, PANELS, Panel},
    stats::Series,
};

const SIZE: (u32, u32) = (1_180, 780);
const HEAD: u32 = 64;

/// The picture, if anything in it was measured.
pub(super) fn picture(report: &Report) -> Outcome<Option<String>> {
    let panels: Vec<(&Panel, Vec<Bar>)> = PANELS
        .iter()
        .map(|panel| (panel, bars(panel, report)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let mut picture = String::new();
    draw(&mut picture, &panels)?;
    Ok(Some(picture))
}

struct Bar {
    name: &'static str,
    color: RGBColor,
    series: Series,
}

fn bars(panel: &Panel, report: &Report) -> Vec<Bar> {
    let bar = |kind: &Kind| {
        let name = kind.name();
        let color = match kind {
            Kind::Fenced | Kind::Plain => OURS,
            Kind::Rslock(_) | Kind::Peer(_) => PEER,
            _ => FLOOR,
        };
        let series = panel
            .titles
            .iter()
            .find_map(|title| report.find(title, name, panel.what))?
            .clone();
        Some(Bar {
            name,
            color,
            series,
        })
    };
    panel.kinds.iter().filter_map(bar).collect()
}

fn draw(picture: &mut String, panels: &[(&Panel, Vec<Bar>)]) -> Outcome<()> {
    let all = SVGBackend::with_string(picture, SIZE).into_drawing_area();
    all.fill(&WHITE)?;
    let (head, body) = all.split_vertically(HEAD);
    text(
        &head,
        "Distributed locks on 5 Redis nodes",
        (24, 16),
        28.0,
        INK,
    )?;
    let below = format!("{}; bars: median, lines: min to max", machine::machine());
    text(&head, &below, (24, 44), 15.0, FAINT)?;
    for (area, (panel, bars)) in body.split_evenly((2, 3)).iter().zip(panels) {
        draw_panel(area, panel, bars)?;
    }
    all.present()?;
    Ok(())
}

fn draw_panel(area: &Area<'_>, panel: &Panel, bars: &[Bar]) -> Outcome<()> {
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (i32::try_from(width)?, i32::try_from(height)?);
    let scale = Scale::of(bars, width - 24 - 92);
    let better = match panel.better {
        Better::Less => "less is better",
        Better::More => "more is better",
    };
    let logarithmic = if scale.logarithmic {
        ", logarithmic"
    } else {
        ""
    };
    text(area, panel.question, (24, 10), 19.0, INK)?;
    text(
        area,
        &format!("{}, {better}{logarithmic}", panel.unit),
        (24, 31),
        15.0,
        FAINT,
    )?;
    let step = ((height - 64) / i32::try_from(bars.len())?).min(52);
    for (row, bar) in (0..).zip(bars) {
        let top = 56 + row * step;
        text(area, bar.name, (24, top), 15.0, INK)?;
        let (from, to) = (top + 16, top + 16 + (step - 24).clamp(8, 18));
        let median = bar.series.median();
        let end = 24 + scale.pixels(median);
        area.draw(&Rectangle::new([(24, from), (end, to)], bar.color.filled()))?;
        let (low, high) = (
            24 + scale.pixels(bar.series.min()),
            24 + scale.pixels(bar.series.max()),
        );
        let middle = i32::midpoint(from, to);
        if high > low {
            area.draw(&PathElement::new(
                vec![(low, middle), (high, middle)],
                INK.stroke_width(1),
            ))?;
            for edge in [low, high] {
                area.draw(&PathElement::new(
                    vec![(edge, middle - 3), (edge, middle + 3)],
                    INK.stroke_width(1),
                ))?;
            }
        }
        text(
            area,
            &number(median),
            (end.max(high) + 7, middle - 7),
            16.0,
            INK,
        )?;
    }
    Ok(())
}

/// From values to lengths.
struct Scale {
    logarithmic: bool,
    least: f64,
    most: f64,
    width: f64,
}

impl Scale {
    fn of(bars: &[Bar], width: i32) -> Self {
        let finite = |value: &f64| value.is_finite() && *value > 0.0;
        let values = || {
            bars.iter()
                .flat_map(|bar| [bar.series.median(), bar.series.min(), bar.series.max()])
        };
        let most = values().filter(finite).fold(0.0, f64::max);
        let least = values().filter(finite).fold(most, f64::min);
        // Where one is hardly to be seen beside another, lengths are of powers of ten.
        let logarithmic = most > 40.0 * least;
        Self {
            logarithmic,
            least: 10_f64.powf(least.log10().floor()),
            most,
            width: f64::from(width),
        }
    }

    fn pixels(&self, value: f64) -> i32 {
        let part = if !value.is_finite() {
            1.0
        } else if self.logarithmic {
            (value / self.least).log10() / (self.most / self.least).log10()
        } else {
            value / self.most
        };
        (part.clamp(0.004, 1.0) * self.width) as i32
    }
}
