//! The figures as pictures.

mod bars;
mod curve;

use std::{
    fs,
    path::{Path, PathBuf},
};

use plotters::{
    coord::Shift,
    prelude::{DrawingArea, IntoFont, RGBColor, SVGBackend, Text},
    style::TextStyle,
};

use crate::{options::Options, outcome::Outcome, report::Report};

const INK: RGBColor = RGBColor(31, 41, 55);
const FAINT: RGBColor = RGBColor(107, 114, 128);
const OURS: RGBColor = RGBColor(190, 58, 52);
const PEER: RGBColor = RGBColor(91, 125, 177);
const FLOOR: RGBColor = RGBColor(176, 184, 196);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes pictures of what was measured: to the target folder, and wherever else it was asked for.
pub(crate) fn write(report: &Report, options: &Options) -> Outcome<Vec<PathBuf>> {
    let mut written = Vec::new();
    let pictures = [
        ("peers.svg", bars::picture(report)?, &options.svg[..]),
        ("curve.svg", curve::picture(report)?, &[]),
    ];
    for (name, picture, elsewhere) in pictures {
        let Some(picture) = picture else {
            continue;
        };
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redlock/docs");
        let folders = target
            .into_iter()
            .chain(options.docs.then_some(docs.as_path()));
        let paths = folders.map(|folder| folder.join(name));
        for path in paths.chain(elsewhere.iter().cloned()) {
            fs::write(&path, &picture)?;
            written.push(path);
        }
    }
    Ok(written)
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), size: f64, color: RGBColor) -> Outcome<()> {
    let style: TextStyle<'_> = ("sans-serif", size).into_font().color(&color);
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}
